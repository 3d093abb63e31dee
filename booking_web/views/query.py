"""What stands in the address: the choice (nothing personal), a day, a start."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import TYPE_CHECKING

from flask import request

from booking_web.booking.choice import Choice, choose, chosen_in, parse_line, read_arrangement, read_group
from booking_web.site import current_site

if TYPE_CHECKING:
    from collections.abc import Iterable

    from booking_web.booking.appointments import Booked
    from booking_web.town import Town
    from calendar_server.ical.appointment import Appointment

_SERVICES_LIMIT = 30
# fromisoformat takes more: ordinal and week dates, digits of all scripts, and whatever follows a NUL.
_DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(
    _DAY.pattern + r"[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def choice_from_query() -> Choice:
    """Read `office`, `service=ID[:PERSONS]…`, `group` and `arrangement`. Raises InvalidError."""
    lines = [parse_line(text) for text in request.args.getlist("service")[:_SERVICES_LIMIT]]
    return choose(
        current_site().settings.town,
        request.args.get("office"),
        lines,
        group=read_group(request.args.get("group")),
        arrangement=read_arrangement(request.args.get("arrangement")),
    )


def choice_of(town: Town, appointment: Appointment) -> Choice:
    """Read the choice back from an appointment or a group. Raises InvalidError if the town no longer has it."""
    return chosen_in(town, appointment)


def members_of(booked: Booked) -> list[tuple[int, datetime, datetime]]:
    """Return (number, start, end) of a group's appointments in the office's zone; nothing for a single one."""
    zone = booked.office.zone
    return [
        (part.number, part.start.astimezone(zone), part.end.astimezone(zone))
        for part in booked.appointment.parts
    ]


def shifted_of(booked: Booked) -> list[tuple[int, datetime, datetime]]:
    """Return (place in the list, former start, start) of a group's appointments whose time the office changed, in the office's zone."""
    zone = booked.office.zone
    return [
        (place, part.proposed.astimezone(zone), part.start.astimezone(zone))
        for place, part in enumerate(booked.appointment.parts, 1)
        if part.proposed is not None
    ]


def read_start(text: str | None) -> datetime | None:
    """Read a time with its offset (RFC 3339, seconds may be left out); None if it isn't one."""
    if not text or not _TIME.fullmatch(text):
        return None
    try:
        start = datetime.fromisoformat(text)
    except ValueError:
        return None
    return start if start.tzinfo is not None and _sensible(start) else None


def read_day(text: str | None) -> date | None:
    """Read a date such as 2026-12-07; None if it isn't one."""
    if not text or not _DAY.fullmatch(text):
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if _sensible(day) else None


def _sensible(day: date) -> bool:
    """Years at the ends of the calendar can't be brought into another zone."""
    return 2000 <= day.year <= 2200


def pick(days: Iterable[date], wanted: date | None) -> date | None:
    """Return the wanted day if it's among `days`, else the first one at or after it, else the first; None if there's none."""
    ordered = sorted(days)
    if wanted is not None:
        later = [day for day in ordered if day >= wanted]
        if later:
            return later[0]
    return ordered[0] if ordered else None

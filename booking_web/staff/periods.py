"""The days that a page of the staff is about, as somebody typed them."""

from __future__ import annotations

import re
from datetime import date, time, timedelta
from typing import TYPE_CHECKING

from flask_babel import gettext

from booking_web.views.query import read_day

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST = 40
_DATE = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})")
_ISO = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_CLOCK = re.compile(r"([01]?[0-9]|2[0-3])[:.]([0-5][0-9])(:00)?")


def typed(values: Mapping[str, str], **usual: date) -> dict[str, str]:
    """Return what was typed for each of the names, or its usual day where the request has none."""
    return {name: values.get(name, day.isoformat())[:_LONGEST].strip() for name, day in usual.items()}


def read(entries: Mapping[str, str], most_days: int, too_long: str) -> tuple[date, date] | dict[str, str]:
    """Return the "first" and the "last" day (included), else the mistakes by field; `too_long` is said of an empty or too long period."""
    days: dict[str, date] = {}
    mistakes: dict[str, str] = {}
    missing = gettext("Geben Sie einen Tag an, zum Beispiel 07.12.2026.")
    for name in ("first", "last"):
        day = read_date(entries[name])
        if day is None:
            mistakes[name] = missing
        else:
            days[name] = day
    if mistakes:
        return mistakes
    if not timedelta() <= days["last"] - days["first"] < timedelta(days=most_days):
        return {"last": too_long}
    if any(read_day(day.isoformat()) is None for day in days.values()):
        return {"first": missing}
    return days["first"], days["last"]


def read_clock(text: str) -> time | None:
    """Return the time of day that somebody typed, such as 8:00 or 08:00; None if it isn't one."""
    found = _CLOCK.fullmatch(text)
    return time(int(found[1]), int(found[2])) if found else None


def read_date(text: str) -> date | None:
    """Return the day that somebody typed, such as 07.12.2026, or a browser sent, such as 2026-12-07; None if it isn't one."""
    german, iso = _DATE.fullmatch(text), _ISO.fullmatch(text)
    year, month, day = german.group(3, 2, 1) if german else iso.group(1, 2, 3) if iso else ("0", "0", "0")
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None

"""Wishes for tests: each says only what matters to it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from calendar_server.ical.appointment import to_ical
from calendar_server.waiting import NewWish
from calendar_server.wishes import WaitingRules
from tests.support.town import NOW, appointment, at, office

if TYPE_CHECKING:
    from calendar_server.offices import Clerk, Office

SINCE, UNTIL = at(2, 0), at(31, 23)
OPEN_LIST = WaitingRules(enabled=True)


def waiting_office(*clerks: Clerk, **values: object) -> Office:
    """The office of `town.office`, with its waiting list open."""
    return office(*clerks, **{"waiting": OPEN_LIST, **values})


def wish(
    name: str = "w1",
    *services: str,
    email: str = "",
    minutes: int = 30,
    since: datetime = SINCE,
    until: datetime = UNTIL,
    weekdays: int = 0b1111111,
    hours: tuple[int, int] = (0, 24),
    office: str = "buergerbuero",
    replaces: str = "",
) -> NewWish:
    """A wish for an appointment of "meldebescheinigung" at any time in December, unless told otherwise."""
    wanted = appointment(
        f"{name}-booked@test",
        at(7, 8),
        *services,
        minutes=minutes,
        name=f"Wartende {name}",
        email=email or f"{name}@example.org",
        office=office,
    )
    return NewWish(
        id=f"{name}@test",
        office=office,
        text=to_ical(wanted, now=NOW - timedelta(days=1)),
        first=int(since.timestamp()),
        last=int(until.timestamp()),
        weekdays=weekdays,
        from_minute=hours[0] * 60,
        until_minute=hours[1] * 60,
        replaces=replaces,
    )

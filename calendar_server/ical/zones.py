"""VTIMEZONE for an IANA zone, in the short form with one RRULE for each observance (RFC 5545 section 3.6.5).

Outlook misreads VTIMEZONEs that list transitions as RDATEs, and long ones make every mail and every stored
object larger, so the rule in force is written and nothing of the zone's history.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from icalendar import Timezone, TimezoneDaylight, TimezoneStandard
from icalendar.prop import vRecur

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_EPOCH_YEAR = 1970


def _offset(zone: ZoneInfo, instant: datetime) -> timedelta:
    offset = instant.astimezone(zone).utcoffset()
    assert offset is not None
    return offset


def _transitions(zone: ZoneInfo, year: int) -> list[tuple[datetime, timedelta, timedelta]]:
    """All changes of offset in a year: (UTC instant, offset before, offset after), to the second."""
    found = []
    instant = datetime(year, 1, 1, tzinfo=UTC)
    end = datetime(year + 1, 1, 1, tzinfo=UTC)
    while instant < end:
        later = min(instant + timedelta(days=1), end)
        before, after = _offset(zone, instant), _offset(zone, later)
        if before != after:
            low, high = instant, later
            while high - low > timedelta(seconds=1):
                middle = (low + (high - low) / 2).replace(microsecond=0)
                low, high = (middle, high) if _offset(zone, middle) == before else (low, middle)
            found.append((high, before, after))
        instant = later
    return found


def _yearly_rule(local: datetime) -> vRecur:
    """The rule "n-th weekday of the month" of a transition's wall-clock date; the last one where the fifth week is reached."""
    last_week = (local + timedelta(days=7)).month != local.month
    nth = -1 if last_week else (local.day - 1) // 7 + 1
    return vRecur(
        {"FREQ": ["YEARLY"], "BYMONTH": [local.month], "BYDAY": [f"{nth}{_WEEKDAYS[local.weekday()]}"]}
    )


def _first_in(year: int, local: datetime) -> datetime:
    """The rule's first occurrence in `year`, as VTIMEZONE's DTSTART asks for a local time without zone."""
    last_week = (local + timedelta(days=7)).month != local.month
    if last_week:
        following = datetime(year + local.month // 12, local.month % 12 + 1, 1)  # noqa: DTZ001 - local by RFC 5545
        day = following - timedelta(days=1)
        day -= timedelta(days=(day.weekday() - local.weekday()) % 7)
    else:
        first = datetime(year, local.month, 1)  # noqa: DTZ001 - local by RFC 5545
        day = first + timedelta(days=(local.weekday() - first.weekday()) % 7 + 7 * ((local.day - 1) // 7))
    return day.replace(hour=local.hour, minute=local.minute, second=local.second)


@lru_cache(maxsize=64)
def _vtimezone_text(zone: ZoneInfo, year: int) -> bytes:
    component = Timezone()
    component.add("TZID", zone.key)
    changes = _transitions(zone, year)
    if not changes:
        offset = _offset(zone, datetime(year, 1, 1, tzinfo=UTC))
        standard = TimezoneStandard()
        standard.add("DTSTART", datetime(_EPOCH_YEAR, 1, 1))  # noqa: DTZ001 - local by RFC 5545
        standard.add("TZOFFSETFROM", offset)
        standard.add("TZOFFSETTO", offset)
        standard.add("TZNAME", datetime(year, 1, 1, tzinfo=zone).tzname() or zone.key)
        component.add_component(standard)
    for instant, before, after in changes:
        local = instant.astimezone(UTC).replace(tzinfo=None) + before
        observance = TimezoneDaylight() if after > before else TimezoneStandard()
        observance.add("DTSTART", _first_in(_EPOCH_YEAR, local))
        observance.add("TZOFFSETFROM", before)
        observance.add("TZOFFSETTO", after)
        observance.add("TZNAME", instant.astimezone(zone).tzname() or zone.key)
        observance.add("RRULE", _yearly_rule(local))
        component.add_component(observance)
    text: bytes = component.to_ical()
    return text


def vtimezone(zone: ZoneInfo, year: int) -> Timezone:
    """Return the VTIMEZONE of `zone` with the rules that hold in `year`.

    A zone with a fixed offset gets one STANDARD observance.
    """
    component = Timezone.from_ical(_vtimezone_text(zone, year))
    assert isinstance(component, Timezone)
    return component

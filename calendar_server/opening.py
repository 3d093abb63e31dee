"""When an office can be booked: its opening windows less closures and public holidays.

Windows and closures are events in `/<office>/opening/`. This module reads them from the instance index; it never parses one
unless a recurring one must be followed beyond the expansion horizon.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

import holidays

from calendar_server import agenda
from calendar_server.ical.busy import OpeningDay, Window
from calendar_server.storage.rows import Kind, Role

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from sqlalchemy import Connection

    from calendar_server.offices import Office
    from calendar_server.storage import reading


def day_bounds(day: date, zone: ZoneInfo) -> tuple[int, int]:
    """Return [start, end) of a local day in epoch seconds: 23, 24 or 25 hours."""
    start = datetime.combine(day, time(), zone)
    end = datetime.combine(day + timedelta(days=1), time(), zone)
    return int(start.timestamp()), int(end.timestamp())


@lru_cache(maxsize=256)
def _holidays(region: str, year: int) -> frozenset[date]:
    country, _, subdivision = region.partition("-")
    calendar = holidays.country_holidays(country, subdiv=subdivision or None, years=year)
    return frozenset(calendar.keys())


def is_holiday(day: date, region: str) -> bool:
    """True on a public holiday of a region (ISO 3166-2, "DE-NW"); never for an empty region.

    Raises NotImplementedError for a region that the `holidays` library doesn't know.
    """
    return bool(region) and day in _holidays(region, day.year)


def subtract(windows: list[Window], start: int, end: int) -> list[Window]:
    """Take [start, end) out of every window."""
    left: list[Window] = []
    for window in windows:
        if end <= window.start or window.end <= start:
            left.append(window)
            continue
        if window.start < start:
            left.append(Window(window.start, start, window.services))
        if end < window.end:
            left.append(Window(end, window.end, window.services))
    return left


def opening_days(
    connection: Connection, office: Office, known: reading.OfficeCollections, days: list[date]
) -> list[OpeningDay]:
    """Return the windows of each of these days (ascending), cut at its midnights."""
    if not days:
        return []
    found = known.of(Role.OPENING)
    first = day_bounds(days[0], office.zone)[0]
    last = day_bounds(days[-1], office.zone)[1]
    instances = agenda.instances(connection, [row.id for row in found], first, last, office)
    result = []
    for day in days:
        start, end = day_bounds(day, office.zone)
        windows: list[Window] = []
        if not is_holiday(day, office.holiday_region):
            windows = [
                Window(max(instance.start, start), min(instance.end, end), instance.services or None)
                for instance in instances
                if instance.kind is Kind.WINDOW and instance.start < end and instance.end > start
            ]
            for instance in instances:
                if instance.kind is Kind.CLOSURE and instance.transparency:
                    windows = subtract(windows, instance.start, instance.end)
        result.append(OpeningDay(day, start, end, tuple(sorted(windows, key=lambda window: window.start))))
    return result

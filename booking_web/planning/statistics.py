"""Figures of some days, counted from appointments without names (`calendar_server.demand`)."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from zoneinfo import ZoneInfo

DRAWN = ""
"""Stands for the service of appointments that have none, since somebody just drew them."""


@dataclass(frozen=True, slots=True)
class Visit:
    """An appointment as statistics know it: its period by the office's clock, and the days from booking to it (None: nobody remembers)."""

    start: datetime
    end: datetime
    services: tuple[str, ...]
    lead_days: int | None
    cancelled: bool

    @property
    def minutes(self) -> int:
        """Its length, whatever the clock did meanwhile."""
        return round((self.end.astimezone(UTC) - self.start.astimezone(UTC)).total_seconds() / 60)


@dataclass(frozen=True, slots=True)
class Count:
    """Appointments and their minutes."""

    appointments: int
    minutes: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """Appointments of some days that were not cancelled: in all, by week (its Monday), service, and weekday (Monday is 0) and hour.

    An appointment for several services counts for each, with its whole length; `lead_days` is the median.
    """

    whole: Count
    cancelled: int
    lead_days: float | None
    weeks: tuple[tuple[date, Count], ...]
    services: tuple[tuple[str, Count], ...]
    weekdays: tuple[int, ...]
    hours: tuple[int, ...]
    begun: Mapping[tuple[int, int], int]

    @property
    def busiest(self) -> int:
        """The most appointments that begin in one weekday's hour."""
        return max(self.begun.values(), default=0)


def visits(records: Iterable[Mapping[str, Any]], zone: ZoneInfo) -> list[Visit]:
    """Read what the calendar server tells of appointments."""
    found = []
    for record in records:
        start, end = (datetime.fromtimestamp(record[name], zone) for name in ("start", "end"))
        made = None if record["made"] is None else datetime.fromtimestamp(record["made"], zone).date()
        lead = None if made is None else max(0, (start.date() - made).days)
        found.append(Visit(start, end, tuple(record["services"]) or (DRAWN,), lead, record["cancelled"]))
    return found


def of(every: Iterable[Visit], called_off: int = 0) -> Statistics:
    """Count; `called_off` are cancelled ones of which nothing is left but their number."""
    every = list(every)
    kept = [visit for visit in every if not visit.cancelled]
    leads = [visit.lead_days for visit in kept if visit.lead_days is not None]
    begun = Counter((visit.start.weekday(), visit.start.hour) for visit in kept)
    weeks = {monday_of(visit.start.date()) for visit in kept}
    services = {service for visit in kept for service in visit.services}
    hours = {hour for _, hour in begun}
    return Statistics(
        _count(kept),
        len(every) - len(kept) + called_off,
        median(leads) if leads else None,
        tuple(
            (week, _count(visit for visit in kept if monday_of(visit.start.date()) == week))
            for week in sorted(weeks)
        ),
        tuple(
            sorted(
                (
                    (service, _count(visit for visit in kept if service in visit.services))
                    for service in services
                ),
                key=lambda each: (-each[1].appointments, each[0]),
            )
        ),
        tuple(sorted({weekday for weekday, _ in begun})),
        tuple(range(min(hours), max(hours) + 1)) if hours else (),
        begun,
    )


def monday_of(day: date) -> date:
    """Return the first day of its week."""
    return day - timedelta(days=day.weekday())


def table(every: Iterable[Visit], header: tuple[str, ...], names: Mapping[str, str]) -> str:
    """Return a line for each day and service, as the spreadsheet of a German office reads it: semicolons, CRLF, a byte order mark."""
    counted: dict[tuple[date, str], list[Visit]] = {}
    for visit in every:
        for service in visit.services:
            counted.setdefault((visit.start.date(), service), []).append(visit)
    text = io.StringIO()
    lines = csv.writer(text, delimiter=";")
    lines.writerow(header)
    for (day, service), some in sorted(counted.items()):
        kept = _count(visit for visit in some if not visit.cancelled)
        cancelled = len(some) - kept.appointments
        lines.writerow(
            (day.isoformat(), names.get(service, service), kept.appointments, kept.minutes, cancelled)
        )
    return "\ufeff" + text.getvalue()


def _count(some: Iterable[Visit]) -> Count:
    lengths = [visit.minutes for visit in some]
    return Count(len(lengths), sum(lengths))

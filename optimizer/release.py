"""Which free times the public may book now: horizon, minimum notice, and how much of a day's room is released when.

One rule for the site, which offers, and for the calendar server, which books: both ask `Release`, so what is offered is what is
accepted. A share is counted over the office's day as a whole, never for one clerk or start: reassignments at the same
time don't change it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from zoneinfo import ZoneInfo

    from optimizer.instance import OfficeDay


@dataclass(frozen=True, slots=True)
class Stage:
    """From so many days before a day on, at the office's hour of release, `percent` of its room may be taken."""

    days_before: int
    percent: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What one service has of its own; None: as the office."""

    horizon_days: int | None = None
    minimum_notice_minutes: int | None = None


@dataclass(frozen=True, slots=True)
class Room:
    """A day's room in grains: `capacity` is what clerks are there for inside the windows, `taken` what is booked of it."""

    capacity: int
    taken: int

    def has(self, length: int, percent: int) -> bool:
        """True if `length` more grains leave no more than `percent` of the room taken."""
        return percent >= 100 or (self.taken + length) * 100 <= self.capacity * percent


def room(day: OfficeDay, windows: int) -> Room:
    """Count a day's room; `windows` has the grains inside any opening window.

    A clerk's own events are no room. Bookings outside windows or over an absence take none, and two on top of each other count once.
    """
    occupied: dict[str, int] = {}
    for entry in day.booked:
        occupied[entry.clerk] = occupied.get(entry.clerk, 0) | entry.mask
    capacity = taken = 0
    for clerk in day.clerks:
        usable = clerk.free & windows
        capacity += usable.bit_count()
        taken += (usable & occupied.get(clerk.clerk, 0)).bit_count()
    return Room(capacity, taken)


@dataclass(frozen=True, slots=True)
class Release:
    """The rules of one office for what the public books; staff aren't bound by them.

    `at` is the hour, by the office's clock, at which a new day comes into the horizon and stages begin. Before the first of `stages`
    (ascending in time: `days_before` falls, `percent` doesn't) its share holds as well; without any, all of a day may be taken.
    `services` has limits of single services: of several at once the narrowest count. A time that was given back isn't
    offered again before a random moment between `return_after` and `return_until` minutes later (0 and 0: at once).
    """

    horizon_days: int = 60
    minimum_notice_minutes: int = 60
    at: time = time()
    stages: tuple[Stage, ...] = ()
    services: Mapping[str, Limits] = field(default_factory=dict)
    return_after: int = 0
    return_until: int = 0

    @property
    def staged(self) -> bool:
        """True if there are days of which the public can't take all."""
        return any(stage.percent < 100 for stage in self.stages)

    def horizon(self, services: Iterable[str]) -> int:
        """Return how many days ahead these services can be booked together."""
        own = (self.services[each].horizon_days for each in services if each in self.services)
        return min([self.horizon_days, *(days for days in own if days is not None)])

    def notice(self, services: Iterable[str]) -> timedelta:
        """Return how long before its start an appointment for these services is booked at the latest."""
        own = (self.services[each].minimum_notice_minutes for each in services if each in self.services)
        minutes = [self.minimum_notice_minutes, *(each for each in own if each is not None)]
        return timedelta(minutes=max(minutes))

    def period(self, services: frozenset[str], now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """Return the half-open period, in UTC, in which a start may lie for a booking at `now` (aware)."""
        local = now.astimezone(zone)
        days = self.horizon(services) + (0 if local.time() < self.at else 1)
        beyond = datetime.combine(local.date() + timedelta(days=days), time(), zone)
        return now.astimezone(UTC) + self.notice(services), beyond.astimezone(UTC)

    def percent(self, day: date, now: datetime, zone: ZoneInfo) -> int:
        """Return how much of a day's room may be taken at `now` (aware)."""
        if not self.stages:
            return 100
        local = now.astimezone(zone)
        ahead = (day - local.date()).days
        begun = [
            stage
            for stage in self.stages
            if stage.days_before > ahead or (stage.days_before == ahead and local.time() >= self.at)
        ]
        return (begun[-1] if begun else self.stages[0]).percent

    def allows(
        self,
        services: frozenset[str],
        start: datetime,
        grains: int,
        found: Room,
        now: datetime,
        zone: ZoneInfo,
    ) -> bool:
        """Tell whether the public may book `grains` from `start` (aware) at `now`; `found` is the room of the day in `zone`."""
        earliest, beyond = self.period(services, now, zone)
        if not earliest <= start < beyond:
            return False
        return not self.staged or found.has(grains, self.percent(start.astimezone(zone).date(), now, zone))

    def opens(self, services: frozenset[str], day: date, zone: ZoneInfo) -> datetime:
        """Return when a day comes into the horizon for these services."""
        return datetime.combine(day - timedelta(days=self.horizon(services)), self.at, zone)

    def later_stages(self, day: date, now: datetime, zone: ZoneInfo) -> list[tuple[datetime, int]]:
        """Return the stages that are still to come for a day, as (when, percent), in their order."""
        coming = [
            (datetime.combine(day - timedelta(days=stage.days_before), self.at, zone), stage.percent)
            for stage in self.stages
        ]
        return [(moment, percent) for moment, percent in coming if moment > now]

    def return_at(self, now: int, start: int, services: frozenset[str], minutes: float) -> int:
        """Return when (epoch seconds) a time given back at `now` is offered again, if `minutes` were drawn for it.

        At most half of what is left until nobody could book it any more, so that no time is lost by waiting; not after `now`: at once.
        """
        left = start - int(self.notice(services).total_seconds()) - now
        return now + max(0, min(round(minutes * 60), left // 2))

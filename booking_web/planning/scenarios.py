"""What-if for a real office: from its snapshot and a demand to the difference that another window or another clerk would make.

`optimizer.whatif` books the demand; this module only translates. Nothing of it changes any data.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from statistics import median
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from booking_web.booking.durations import duration
from optimizer import bits, whatif
from optimizer.admission import Day
from optimizer.instance import Booked, ClerkDay, OfficeDay
from optimizer.offers import Window, window_for
from optimizer.whatif import OpenDay, Wish

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from booking_web.town import Service
    from optimizer.snapshot import DayNow, Snapshot

_GRAIN = 300
_USUAL_LEAD = 7
"""Days between booking and appointment where nobody remembers."""
_NEW = "new"
MOST_WEEKS = 26
MOST_WISHES = 5_000


@dataclass(frozen=True, slots=True)
class NewWindow:
    """A further opening window every week, on `weekday` (Monday is 0), in which `clerks` (ids) would work besides."""

    weekday: int
    start: time
    end: time
    clerks: frozenset[str]


@dataclass(frozen=True, slots=True)
class NewClerk:
    """One clerk more, who may do `services` and works when the clerk `like` works."""

    services: frozenset[str]
    like: str


@dataclass(frozen=True, slots=True)
class FirstFree:
    """The first free start for a service, with everything that is booked now: before and after the change; None: none in these weeks."""

    service: str
    before: datetime | None
    after: datetime | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a change brings: the demand booked anew on empty calendars, and the next free starts on the real ones."""

    difference: whatif.Difference
    wishes: int
    first_free: tuple[FirstFree, ...]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""

        def outcome(found: whatif.Outcome) -> dict[str, Any]:
            return {
                "served": found.served,
                "minutes": found.grains * 5,
                "mean_wait_days": round(found.mean_wait, 2),
                "wait_of_nine_in_ten_days": found.wait_of(0.9),
            }

        return {
            "wishes": self.wishes,
            "before": outcome(self.difference.before),
            "after": outcome(self.difference.after),
            "more_served": self.difference.more_served,
            "shorter_wait_days": round(self.difference.shorter_wait, 2),
            "first_free": [
                {
                    "service": each.service,
                    "before": each.before.isoformat() if each.before else None,
                    "after": each.after.isoformat() if each.after else None,
                }
                for each in self.first_free
            ],
        }


def forecast(
    snapshot: Snapshot, change: NewWindow | NewClerk, demand: Sequence[Wish], grains: Mapping[str, int]
) -> Forecast:
    """Compare the office with and without a change; `grains` has each service's length.

    Raises ValueError for a window that is empty, for nobody who would work in it, and for a clerk to be like who isn't there.
    """
    days = _days(snapshot)
    changed = _changed(snapshot, days, change)
    empty, empty_changed = (tuple(replace(day, booked=()) for day in each) for each in (days, changed))
    return Forecast(
        whatif.compare(empty, empty_changed, demand, step=snapshot.step),
        len(demand),
        tuple(
            FirstFree(
                service,
                _first_free(snapshot, days, service, length),
                _first_free(snapshot, changed, service, length),
            )
            for service, length in sorted(grains.items())
        ),
    )


def past_demand(records: Iterable[Mapping[str, Any]], first: date, zone: ZoneInfo) -> tuple[Wish, ...]:
    """Return as wishes what `calendar_server.demand` tells of the days from `first` on; day 0 is the first one."""

    def day_of(epoch: int) -> date:
        return datetime.fromtimestamp(epoch, zone).date()

    known = [each for each in records if each["services"]]
    leads = [
        max(0, (day_of(each["start"]) - day_of(each["made"])).days)
        for each in known
        if each["made"] is not None
    ]
    usual = round(median(leads)) if leads else _USUAL_LEAD
    wishes = []
    for each in known:
        taken = (day_of(each["start"]) - first).days
        lead = usual if each["made"] is None else (day_of(each["start"]) - day_of(each["made"])).days
        length = max(1, -(-(each["end"] - each["start"]) // _GRAIN))
        wishes.append(Wish(max(0, taken - max(0, lead)), length, frozenset(each["services"])))
    return tuple(sorted(wishes, key=lambda wish: wish.day))


def generated_demand(
    snapshot: Snapshot, per_week: int, grains: Mapping[str, int], seed: int
) -> tuple[Wish, ...]:
    """Return an invented demand over the snapshot's days: `per_week` wishes from Monday to Friday, each for one service at random."""
    source = random.Random(seed)  # noqa: S311 - a simulation
    services = sorted(grains)
    weekdays = [index for index, day in enumerate(snapshot.days) if date.fromisoformat(day.day).weekday() < 5]
    count = round(per_week * len(snapshot.days) / 7) if weekdays and services else 0
    wishes = []
    for _ in range(count):
        service = source.choice(services)
        wishes.append(Wish(source.choice(weekdays), grains[service], frozenset([service])))
    return tuple(sorted(wishes, key=lambda wish: wish.day))


def _days(snapshot: Snapshot) -> tuple[OpenDay, ...]:
    booked: list[list[Booked]] = [[] for _ in snapshot.days]
    for entry in snapshot.booked:
        booked[entry.day].append(
            Booked(entry.uid, entry.clerk, entry.start, entry.length, frozenset(entry.services), entry.pinned)
        )
    return tuple(
        OpenDay(
            day.grains,
            tuple(
                ClerkDay(clerk.id, frozenset(clerk.services), clerk.free[index]) for clerk in snapshot.clerks
            ),
            (Window(day.window), *(Window(found, frozenset(services)) for found, services in day.narrowed)),
            tuple(booked[index]),
        )
        for index, day in enumerate(snapshot.days)
    )


def _changed(
    snapshot: Snapshot, days: Sequence[OpenDay], change: NewWindow | NewClerk
) -> tuple[OpenDay, ...]:
    if isinstance(change, NewClerk):
        like = next((clerk for clerk in snapshot.clerks if clerk.id == change.like), None)
        if like is None:
            raise ValueError(f"the office has no clerk {change.like!r}")
        return tuple(
            replace(day, clerks=(*day.clerks, ClerkDay(_NEW, change.services, like.working[index])))
            for index, day in enumerate(days)
        )
    if change.end <= change.start:
        raise ValueError("the window must end after it starts")
    if not change.clerks & {clerk.id for clerk in snapshot.clerks}:
        raise ValueError("somebody must work in the window")
    zone = ZoneInfo(snapshot.zone)
    return tuple(
        _opened(day, _window(now, change, zone), change.clerks)
        if date.fromisoformat(now.day).weekday() == change.weekday
        else day
        for now, day in zip(snapshot.days, days, strict=True)
    )


def _window(day: DayNow, change: NewWindow, zone: ZoneInfo) -> int:
    local = date.fromisoformat(day.day)
    start, end = (
        int(datetime.combine(local, moment, zone).timestamp()) for moment in (change.start, change.end)
    )
    first = -((day.base - start) // _GRAIN)
    return bits.span(first, max(0, (end - day.base) // _GRAIN - first))


def _opened(day: OpenDay, window: int, clerks: frozenset[str]) -> OpenDay:
    if not window:
        return day
    working = tuple(
        replace(clerk, free=clerk.free | window) if clerk.clerk in clerks else clerk for clerk in day.clerks
    )
    return replace(day, clerks=working, windows=(*day.windows, Window(window)))


def _first_free(snapshot: Snapshot, days: Sequence[OpenDay], service: str, length: int) -> datetime | None:
    wanted = frozenset([service])
    for now, day in zip(snapshot.days, days, strict=True):
        window = window_for(day.windows, wanted)
        office = Day(OfficeDay(day.grains, day.clerks, day.booked))
        starts = office.starts(length, wanted, window, step=snapshot.step)
        if starts:
            first = (starts & -starts).bit_length() - 1
            return datetime.fromtimestamp(now.base + first * _GRAIN, ZoneInfo(snapshot.zone))
    return None


def weeks_from(today: date, weeks: int) -> tuple[date, date]:
    """Return the first and the last day of a forecast made today: so many whole weeks from tomorrow on."""
    return today + timedelta(days=1), today + timedelta(days=7 * weeks)


def weeks_before(today: date, weeks: int) -> tuple[date, date]:
    """Return the first and the last day of the past that a demand is taken from: so many whole weeks up to yesterday."""
    return today - timedelta(days=7 * weeks), today - timedelta(days=1)


def lengths(services: Iterable[Service]) -> dict[str, int]:
    """Return how many grains each service takes for one person."""
    return {service.id: int(duration([(service, 1)]).total_seconds()) // _GRAIN for service in services}

"""Who takes a booking: an office's day as the optimizer's bit sets, and the answer of `optimizer.admission`.

This module only translates. Reading happens in the booking's own transaction, under the office's lock, so that what was
checked still holds when it is written.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from calendar_server import agenda, opening, returns
from calendar_server.ical.busy import BusyKind, BusyPeriod, ClerkDay, OpeningDay
from calendar_server.storage import reading
from calendar_server.storage.rows import InstanceRow, Kind, Role
from optimizer import instance as model

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy import Connection

    from calendar_server.offices import Clerk, Office

GRAIN = 300
"""Seconds of one grain of the optimizer."""


@dataclass(frozen=True, slots=True)
class Calendars:
    """The clerks' calendars of an office: row ids by clerk, and the clerk by row id."""

    by_clerk: dict[str, list[int]]
    clerk_of: dict[int, str]

    @property
    def ids(self) -> list[int]:
        """All row ids."""
        return list(self.clerk_of)


def calendars(where: reading.OfficeCollections, office: Office) -> Calendars:
    """Return the calendars of all clerks who work in the office now."""
    by_clerk: dict[str, list[int]] = {clerk.id: [] for clerk in office.clerks}
    clerk_of: dict[int, str] = {}
    for row in where.of(Role.CLERK):
        if row.owner in by_clerk:
            by_clerk[row.owner].append(row.id)
            clerk_of[row.id] = row.owner
    return Calendars(by_clerk, clerk_of)


def local_day(epoch: int, office: Office) -> date:
    """Return the day of an instant in the office's zone."""
    return datetime.fromtimestamp(epoch, office.zone).date()


def _days_of(instance: InstanceRow, first: int, last: int, office: Office) -> Iterator[date]:
    """The days on which an instance meets [first, last)."""
    # Cut first: what has no time (a task, say) reaches further than there are dates.
    day = local_day(max(instance.start, first), office)
    until = local_day(min(max(instance.start, instance.end - 1), last - 1), office)
    while day <= until:
        yield day
        day += timedelta(days=1)


def working_periods(clerk: Clerk, day: date, office: Office) -> list[tuple[int, int]]:
    """Return the clerk's working time on a day as periods of epoch seconds."""
    return [
        (
            int(datetime.combine(day, period.start, office.zone).timestamp()),
            int(datetime.combine(day, period.end, office.zone).timestamp()),
        )
        for period in clerk.working_times
        if period.weekday == day.weekday()
    ]


def bits(start: int, end: int) -> int:
    """Return an int with the bits [start, end) set; 0 for an empty or negative range."""
    return 0 if end <= start else ((1 << (end - start)) - 1) << start


def inner_bits(start: int, end: int, base: int, grains: int) -> int:
    """The grains that lie wholly inside a period."""
    return bits(max(0, -((base - start) // GRAIN)), min(grains, (end - base) // GRAIN))


def outer_grains(start: int, end: int, base: int, grains: int) -> tuple[int, int]:
    """The range of grains that a period touches, cut to the day."""
    return max(0, (start - base) // GRAIN), min(grains, -((base - end) // GRAIN))


def is_live(instance: InstanceRow, now: int) -> bool:
    """True for an appointment, and for a hold that has not expired; False for what is cancelled."""
    return bool(instance.transparency) and (instance.hold_until is None or instance.hold_until > now)


def office_day(
    office: Office, where: Calendars, day: date, instances: Iterable[InstanceRow], now: int
) -> model.OfficeDay:
    """Return a day of the office for the optimizer; `instances` are all that touch the day in the clerks' calendars."""
    base, end = opening.day_bounds(day, office.zone)
    grains = (end - base) // GRAIN
    own: dict[str, int] = {clerk.id: 0 for clerk in office.clerks}
    booked: list[model.Booked] = []
    for instance in instances:
        holder = where.clerk_of.get(instance.collection_id)
        if holder is None or not instance.transparency or instance.end <= base or instance.start >= end:
            continue
        first, last = outer_grains(instance.start, instance.end, base, grains)
        if instance.kind is Kind.EVENT:
            own[holder] |= bits(first, last)
        elif instance.kind.is_booking and is_live(instance, now) and last > first:
            booked.append(
                model.Booked(instance.uid, holder, first, last - first, instance.services, instance.pinned)
            )
    clerks = []
    for clerk in office.clerks:
        working = 0
        for start, stop in working_periods(clerk, day, office):
            working |= inner_bits(start, stop, base, grains)
        clerks.append(model.ClerkDay(clerk.id, clerk.services, working & ~own[clerk.id]))
    return model.OfficeDay(grains, tuple(clerks), tuple(booked))


def window_bits(windows: OpeningDay, services: frozenset[str]) -> int:
    """Return the grains inside windows that admit all of these services."""
    grains = (windows.end - windows.start) // GRAIN
    found = 0
    for window in windows.windows:
        if window.services is None or services <= window.services:
            found |= inner_bits(window.start, window.end, windows.start, grains)
    return found


def open_bits(windows: OpeningDay) -> int:
    """Return the grains inside any window."""
    grains = (windows.end - windows.start) // GRAIN
    found = 0
    for window in windows.windows:
        found |= inner_bits(window.start, window.end, windows.start, grains)
    return found


@dataclass(frozen=True, slots=True)
class Wish:
    """A booking that wants a place: [start, end) in epoch seconds, and what the clerk must be able to do."""

    start: int
    end: int
    services: frozenset[str]


@dataclass(frozen=True, slots=True)
class Board:
    """One office day with everything in it, as read in one transaction."""

    day: date
    base: int
    office_day: model.OfficeDay
    windows: OpeningDay

    def request(self, wish: Wish) -> model.Request | None:
        """Return the wish in grains; None if it does not lie within this day."""
        if wish.start < self.windows.start or wish.end > self.windows.end:
            return None
        first, last = outer_grains(wish.start, wish.end, self.base, self.office_day.grains)
        return model.Request(first, last - first, wish.services, window_bits(self.windows, wish.services))

    def without(self, *uids: str) -> Board:
        """The same day as if these bookings weren't there."""
        booked = tuple(entry for entry in self.office_day.booked if entry.uid not in uids)
        return replace(self, office_day=replace(self.office_day, booked=booked))

    def with_returning(self, returning: Iterable[returns.Returning]) -> Board:
        """The same day as the public sees it: what was given back is still taken, and stays where it is."""
        names = {clerk.clerk for clerk in self.office_day.clerks}
        added = []
        for each in returning:
            first, last = outer_grains(each.start, each.end, self.base, self.office_day.grains)
            if each.clerk in names and last > first:
                uid = f"returning {each.id}"
                added.append(model.Booked(uid, each.clerk, first, last - first, frozenset(), pinned=True))
        if not added:
            return self
        return replace(self, office_day=replace(self.office_day, booked=(*self.office_day.booked, *added)))

    def is_free(self, clerk_id: str, request: model.Request) -> bool:
        """True if this clerk may take the request, inside a window, without anybody being reassigned."""
        wanted = bits(request.start, request.start + request.length)
        if wanted & ~request.window:
            return False
        clerk = next((entry for entry in self.office_day.clerks if entry.clerk == clerk_id), None)
        if clerk is None or not request.services <= clerk.services or wanted & ~clerk.free:
            return False
        return not any(
            entry.clerk == clerk_id and wanted & bits(entry.start, entry.start + entry.length)
            for entry in self.office_day.booked
        )


def board(
    connection: Connection, office: Office, known: reading.OfficeCollections, day: date, now: int
) -> Board:
    """Read one day of an office."""
    return boards(connection, office, known, [day], now)[0]


def boards(
    connection: Connection, office: Office, known: reading.OfficeCollections, days: list[date], now: int
) -> list[Board]:
    """Read several days of an office (ascending), with as many queries as for one."""
    where = calendars(known, office)
    windows = opening.opening_days(connection, office, known, days)
    first, last = windows[0].start, windows[-1].end
    by_day: dict[date, list[InstanceRow]] = {day: [] for day in days}
    for instance in agenda.instances(connection, where.ids, first, last, office):
        for day in _days_of(instance, first, last, office):
            if day in by_day:
                by_day[day].append(instance)
    return [
        Board(each.day, each.start, office_day(office, where, each.day, by_day[each.day], now), each)
        for each in windows
    ]


def clerk_days(
    connection: Connection, office: Office, wanted: dict[str, set[date]], keys: dict[str, str], now: int
) -> list[ClerkDay]:
    """Return the busy feed's days of these clerks (id to days); `keys` gives each clerk's opaque key."""
    everyone = {day for days in wanted.values() for day in days}
    if not everyone:
        return []
    where = calendars(reading.office_collections(connection, office.id), office)
    ids = [row for clerk in wanted for row in where.by_clerk.get(clerk, [])]
    first = opening.day_bounds(min(everyone), office.zone)[0]
    last = opening.day_bounds(max(everyone), office.zone)[1]
    buckets: dict[tuple[str, date], list[InstanceRow]] = {}
    for instance in agenda.instances(connection, ids, first, last, office):
        clerk_id = where.clerk_of[instance.collection_id]
        for day in _days_of(instance, first, last, office):
            if day in wanted[clerk_id]:
                buckets.setdefault((clerk_id, day), []).append(instance)
    returning = returns.live(connection, office.id, first, last, now)
    return [
        _with_returning(
            _clerk_day(clerk, day, office, keys[clerk.id], buckets.get((clerk.id, day), []), now),
            (each for each in returning if each.clerk == clerk.id),
        )
        for clerk in office.clerks
        for day in sorted(wanted.get(clerk.id, ()))
    ]


def _with_returning(day: ClerkDay, returning: Iterable[returns.Returning]) -> ClerkDay:
    found = [
        BusyPeriod(max(each.start, day.start), min(each.end, day.end), BusyKind.RETURNING, pinned=True)
        for each in returning
        if each.start < day.end and each.end > day.start
    ]
    return replace(day, periods=(*day.periods, *found)) if found else day


def _clerk_day(
    clerk: Clerk, day: date, office: Office, key: str, instances: list[InstanceRow], now: int
) -> ClerkDay:
    base, end = opening.day_bounds(day, office.zone)
    periods: list[BusyPeriod] = []
    at = base
    for start, stop in sorted(working_periods(clerk, day, office)):
        if start > at:
            periods.append(BusyPeriod(at, start, BusyKind.UNAVAILABLE))
        at = max(at, stop)
    if at < end:
        periods.append(BusyPeriod(at, end, BusyKind.UNAVAILABLE))
    for instance in instances:
        start, stop = max(instance.start, base), min(instance.end, end)
        if not instance.transparency or stop <= start:
            continue
        if instance.kind is Kind.EVENT:
            periods.append(BusyPeriod(start, stop, BusyKind.OWN))
        elif is_live(instance, now):
            kind = BusyKind.HOLD if instance.kind is Kind.HOLD else BusyKind.APPOINTMENT
            periods.append(BusyPeriod(start, stop, kind, instance.services, instance.pinned))
    return ClerkDay(key, day, base, end, clerk.services, tuple(periods))

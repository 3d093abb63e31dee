"""Recurrence sets with their overrides (RFC 5545 sections 3.8.4.4 and 3.8.5), expanded within a work limit.

Rules are `calendar_server.ical.rules`'; this module adds RDATE, EXDATE and RECURRENCE-ID and turns local times into instants.

Where the RFC leaves it open: a rule that ended before DTSTART leaves no instance, which is how clients that end a series before its
first instance mean it; an override stands even where EXDATE removes the instance that it replaces.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC
from itertools import islice
from typing import TYPE_CHECKING

from calendar_server.ical.rules import WORK, Rule, Work, starts
from calendar_server.ical.values import (
    DAY,
    EPOCH_LOCAL,
    MAX_EPOCH,
    MIN_EPOCH,
    Moment,
    Span,
    to_epoch,
    to_local,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import tzinfo


@dataclass(frozen=True, slots=True)
class Entry:
    """One component of an object, as far as its times go. `index` is its place among the object's components.

    `length` is how long each instance lasts. `additions` are RDATEs, with an end in epoch seconds where they are periods.
    """

    index: int
    start: Moment
    length: Span
    rule: Rule | None = None
    additions: tuple[tuple[Moment, int | None], ...] = ()
    exceptions: tuple[Moment, ...] = ()
    recurrence_id: Moment | None = None
    this_and_future: bool = False

    def end(self, start: Moment) -> int:
        """The end, in epoch seconds, of an instance that starts then."""
        return max(start.after(self.length), start.epoch)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One instance: [start, end) in epoch seconds, where it starts by its own clock, and the component it is made of.

    `recurrence_id` is the start that the recurrence set gives it, None for what doesn't recur.
    """

    start: int
    end: int
    at: Moment
    index: int
    recurrence_id: Moment | None


def _day_of(one: Moment, office: tzinfo) -> int:
    """The day, as local seconds, that a RECURRENCE-ID or EXDATE of an all-day series names."""
    if one.zone is UTC and one.local % DAY:
        # Exchange writes the office's midnight in UTC.
        return to_local(office, one.epoch) // DAY * DAY
    return one.local // DAY * DAY


def intersects(start: int, end: int, low: int, high: int) -> bool:
    """RFC 4791 section 9.9: whether [start, end) meets [low, high), an empty period being a point."""
    return start < high and (end > low or start == end >= low)


class _Matcher:
    """Which starts of a series a set of DATEs and DATE-TIMEs names, though clients mix the two types."""

    __slots__ = ("days", "instants")

    def __init__(self, moments: Iterable[Moment], first: Moment | None, office: tzinfo) -> None:
        self.days: dict[int, int] = {}
        self.instants: dict[int, int] = {}
        for number, one in enumerate(moments):
            if first is not None and first.is_date:
                self.days[_day_of(one, office)] = number
            elif one.is_date:
                self.days[one.local] = number
            else:
                self.instants[one.epoch] = number

    def find(self, epoch: int, local: int) -> int | None:
        """The number of the moment that names a start, None if none does."""
        found = self.instants.get(epoch)
        return self.days.get(local // DAY * DAY) if found is None and self.days else found


@dataclass(slots=True)
class Series:
    """A recurrence set with its overrides: what RFC 5545 section 3.8.5 and RECURRENCE-ID (section 3.8.4.4) make of an object's components."""

    master: Entry | None
    overrides: tuple[Entry, ...]
    office: tzinfo
    _exceptions: _Matcher = field(init=False)
    _replaced: _Matcher = field(init=False)
    _future: tuple[tuple[int, int, Entry], ...] = field(init=False)
    """(epoch from which it holds, shift in local seconds, override), ascending."""

    def __post_init__(self) -> None:
        first = self.master.start if self.master else None
        self._exceptions = _Matcher(self.master.exceptions if self.master else (), first, self.office)
        ids = [one.recurrence_id for one in self.overrides]
        self._replaced = _Matcher((one for one in ids if one is not None), first, self.office)
        future = []
        for one in self.overrides:
            if one.this_and_future and one.recurrence_id is not None:
                named = self._named(one.recurrence_id)
                began = to_local(one.start.zone, named.epoch)
                shift = one.start.local - (began // DAY * DAY if one.start.is_date else began)
                future.append((named.epoch, shift, one))
        self._future = tuple(sorted(future, key=lambda item: item[0]))

    def _named(self, recurrence_id: Moment) -> Moment:
        """The start that a RECURRENCE-ID names, in the type that DTSTART has."""
        first = self.master.start if self.master else recurrence_id
        if first.is_date:
            return Moment(_day_of(recurrence_id, self.office), self.office, is_date=True, floating=True)
        if recurrence_id.is_date:
            return Moment(recurrence_id.local + first.local % DAY, first.zone, floating=first.floating)
        return recurrence_id

    def _slack(self) -> int:
        """How far an instance may reach or lie from the start that the set gives it, in seconds."""
        entries = [item[2] for item in self._future]
        if self.master:
            entries.append(self.master)
        longest = max((one.length.days * DAY + one.length.seconds for one in entries), default=0)
        return max(longest, 0) + max((abs(item[1]) for item in self._future), default=0) + 2 * DAY

    def _made(self, start: Moment, epoch: int, end: int | None) -> Occurrence:
        """The occurrence of a start of the set, moved by the THISANDFUTURE override that holds there."""
        assert self.master is not None
        entry, at = self.master, start
        held = bisect_right(self._future, epoch, key=lambda item: item[0])
        if held:
            _, shift, override = self._future[held - 1]
            zone = override.start.zone
            entry, end = override, None
            local, is_date = to_local(zone, epoch), override.start.is_date
            local = (local // DAY * DAY if is_date else local) + shift
            at = Moment(local, zone, is_date, override.start.floating)
        begin = epoch if at is start else at.epoch
        if end is None:
            end = begin + entry.length.seconds if not entry.length.days else at.after(entry.length)
        return Occurrence(begin, max(begin, end), at, entry.index, start if self.recurs else None)

    def _set(self, low: int, high: int, work: Work) -> Iterator[tuple[Moment, int, int | None]]:
        """(start, its epoch, its end if RDATE gives one) of the master's recurrence set around [low, high), without its EXDATEs."""
        master = self.master
        if master is None:
            return
        first = master.start
        zone = first.zone
        seen = set()
        for start, end in master.additions:
            epoch = start.epoch
            if epoch not in seen:
                seen.add(epoch)
                yield start, epoch, end
        rule = master.rule
        locals_: Iterable[int] = (first.local,)
        if rule is not None:
            if rule.until is not None:
                if rule.until < first.epoch:
                    return
                high = min(high, rule.until + DAY)
            locals_ = starts(rule, first.local, to_local(zone, low) - DAY, to_local(zone, high) + DAY, work)
        until = high if rule is None or rule.until is None else rule.until
        for local in locals_:
            epoch = to_epoch(zone, local)
            if epoch not in seen and epoch <= until:
                seen.add(epoch)
                yield Moment(local, zone, first.is_date, first.floating), epoch, None

    def _overridden(self, low: int, high: int) -> Iterator[Occurrence]:
        for one in self.overrides:
            begin, end = one.start.epoch, one.end(one.start)
            if intersects(begin, end, low, high):
                yield Occurrence(begin, end, one.start, one.index, one.recurrence_id)

    def _remaining(self, low: int, high: int, work: Work) -> Iterator[Occurrence]:
        """What meets [low, high) of the set that no override replaces."""
        slack = self._slack()
        for start, epoch, end in self._set(low - slack, high + slack, work):
            if self._exceptions.find(epoch, start.local) is not None:
                continue
            if self.overrides and self._replaced.find(epoch, start.local) is not None:
                continue
            one = self._made(start, epoch, end)
            if intersects(one.start, one.end, low, high):
                yield one

    @property
    def recurs(self) -> bool:
        """True unless there is one component alone, without a rule or RDATE."""
        master = self.master
        return bool(self.overrides) or (
            master is not None and (master.rule is not None or bool(master.additions))
        )

    def occurrences(self, low: int, high: int, *, limit: int, work: Work | None = None) -> list[Occurrence]:
        """All occurrences that meet [low, high), ascending, at most `limit`; fewer if the work limit ends it."""
        work = work or Work()
        found = list(self._overridden(low, high))
        if len(found) < limit:
            found.extend(islice(self._remaining(low, high, work), limit - len(found)))
        found.sort(key=lambda one: (one.start, one.end, one.index))
        return found[:limit]

    def meeting(self, low: int, high: int, work: Work | None = None) -> set[int]:
        """The indexes of the components that an occurrence that meets [low, high) is made of."""
        found = {one.index for one in self._overridden(low, high)}
        possible = self._possible(low, high)
        if possible <= found:
            return found
        for one in self._remaining(low, high, work or Work()):
            found.add(one.index)
            if possible <= found:
                break
        return found

    def _possible(self, low: int, high: int) -> set[int]:
        """The indexes of the components that make instances around [low, high), besides overrides of single ones."""
        master = self.master
        if master is None:
            return set()
        slack = self._slack()
        first = min(start.epoch for start in [master.start, *(start for start, _ in master.additions)])
        # Each holds from its own instance to where the next one does.
        begins = [(first, master.index), *((epoch, entry.index) for epoch, _, entry in self._future)]
        ends = [epoch for epoch, _, _ in self._future] + [MAX_EPOCH]
        return {
            index
            for (begin, index), end in zip(begins, ends, strict=True)
            if max(begin, first) < end and begin < high + slack and end > low - slack
        }

    def made_of(self, index: int, low: int, high: int, work: Work) -> Iterator[Occurrence]:
        """The occurrences that meet [low, high) and are made of one component, in no order."""
        for one in self.overrides:
            if one.index == index:
                begin, end = one.start.epoch, one.end(one.start)
                if intersects(begin, end, low, high):
                    yield Occurrence(begin, end, one.start, one.index, one.recurrence_id)
                if not one.this_and_future:
                    return
        if index in self._possible(low, high):
            yield from (one for one in self._remaining(low, high, work) if one.index == index)

    def touches(self, override: Entry, low: int, high: int) -> bool:
        """Whether an override changes what meets [low, high): by its own time, by the time it replaces, or all that follows it."""
        named = override.recurrence_id
        if named is None or intersects(override.start.epoch, override.end(override.start), low, high):
            return True
        replaced = self._named(named)
        if override.this_and_future:
            return replaced.epoch < high
        lasts = self.master or override
        return intersects(replaced.epoch, lasts.end(replaced), low, high)

    def bounds(self) -> tuple[int, int | None] | None:
        """(first start, last end or None for "without end"); None if there's no instance.

        No instance starts earlier; with EXDATEs or a THISANDFUTURE override the first may start later.
        The end of a finite rule is exact if an instance is left in its last 400 days; else no instance passes it.
        """
        master = self.master
        rule = master.rule if master else None
        work = Work()
        if master is None or rule is None or (rule.until is not None and rule.until < master.start.epoch):
            found = self.occurrences(MIN_EPOCH, MAX_EPOCH, limit=WORK)
            return (min(one.start for one in found), max(one.end for one in found)) if found else None
        shift = max((abs(item[1]) for item in self._future), default=0)
        low = min(start.epoch for start in [master.start, *(start for start, _ in master.additions)]) - shift
        low = min([low, *(one.start.epoch for one in self.overrides)])
        if rule.until is not None:
            last = rule.until
        elif rule.count is not None:
            first = master.start.local
            (local,) = deque(starts(rule, first, first, MAX_EPOCH + EPOCH_LOCAL, work), maxlen=1)
            last = to_epoch(master.start.zone, local)
        else:
            return low, None
        found = self.occurrences(last - 400 * DAY, MAX_EPOCH, limit=WORK, work=work)
        if work.left < 0:
            return low, None
        return low, max(one.end for one in found) if found else last + self._slack()

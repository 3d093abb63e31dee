"""Who has which appointments on a day, when, and who could have them: what the searches of admission look things up in.

Clerks and appointments go by their position; sets of either are the bits of an integer. Two appointments overlap exactly if
both are going on at the later one's start, so of a day only its *moments* matter: the grains at which something starts. Whoever could take an
appointment are then a few operations on sets of clerks, whatever their number.
"""

from __future__ import annotations

from functools import cached_property, reduce
from itertools import accumulate
from operator import add, or_, xor
from typing import TYPE_CHECKING

from optimizer.bits import each, span

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from optimizer.instance import Booked, ClerkDay

__all__ = ["Course", "Timetable"]


def _at_each_grain(rows: Iterable[int], grains: int) -> list[int]:
    """Give for each grain the rows (bits) that have it."""
    edges = [0] * (grains + 1)
    whole = span(0, grains)
    bit = 1
    for row in rows:
        inside = row & whole
        changes = inside ^ inside << 1
        while changes:
            low = changes & -changes
            edges[low.bit_length() - 1] ^= bit
            changes ^= low
        bit <<= 1
    return list(accumulate(edges, xor))


class Course:
    """Which of a day's appointments are going on when.

    `moments` are the grains at which something starts, ascending, `before` tells how many there are before each grain. An appointment is going on
    at the moments [`first`, `last`) of its position.
    """

    def __init__(self, grains: int, starts: Sequence[int], lengths: Sequence[int]) -> None:
        self._grains = grains
        self.starts = starts
        self.ends: list[int] = [*map(add, starts, lengths)]
        begun, over = [0] * (grains + 1), [0] * (grains + 1)
        bit = 1
        for start, end in zip(starts, self.ends, strict=True):
            begun[start] |= bit
            over[end] |= bit
            bit <<= 1
        self._set_moments([grain for grain, found in enumerate(begun) if found])
        self.begun: list[int] = [*accumulate(begun, or_)]
        self.over: list[int] = [*accumulate(over, or_)]

    def _set_moments(self, moments: list[int]) -> None:
        self.moments = moments
        count = 0
        self.before: list[int] = []
        for moment in moments:
            self.before += [count] * (moment + 1 - len(self.before))
            count += 1
        self.before += [count] * (self._grains + 1 - len(self.before))
        self.first = [*map(self.before.__getitem__, self.starts)]
        self.last = [*map(self.before.__getitem__, self.ends)]

    def require(self, grain: int) -> None:
        """Make a grain a moment; what was worked out for the moments before doesn't hold any more."""
        if grain not in self.moments:
            self._set_moments(sorted([*self.moments, grain]))
            self.__dict__.pop("at", None)

    @cached_property
    def at(self) -> list[int]:
        """Who is going on at each moment."""
        begun, over = self.begun, self.over
        return [begun[grain] & ~over[grain] for grain in self.moments]

    def during(self, first: int, last: int) -> int:
        """Give all that have one of the grains [first, last)."""
        return self.begun[last - 1] & ~self.over[first]

    def overlaps(self, item: int) -> int:
        """Give all that overlap an appointment, itself among them."""
        return self.begun[self.ends[item] - 1] & ~self.over[self.starts[item]]


class _Able(dict[frozenset[str], int]):
    """The clerks (bits) who may do all of some services."""

    def __init__(self, clerks: Sequence[ClerkDay]) -> None:
        super().__init__()
        self._everyone = span(0, len(clerks))
        self._one: dict[str, int] = {}
        bit = 1
        for clerk in clerks:
            for service in clerk.services:
                self._one[service] = self._one.get(service, 0) | bit
            bit <<= 1

    def __missing__(self, services: frozenset[str]) -> int:
        found = self._everyone
        for service in services:
            found &= self._one.get(service, 0)
        self[services] = found
        return found


class Timetable:
    """Who has which appointments on a day of so many grains, and who could have them.

    `holders` has each appointment's clerk, `held` each clerk's appointments (bits), `occupied` their grains, `closed` those at which she can be given nothing.
    `ranked` are the clerks in the order in which they are given something: who can do most first, since she'll find others to take over from her.
    """

    def __init__(
        self,
        grains: int,
        clerks: Sequence[ClerkDay],
        booked: Sequence[Booked],
        holders: Sequence[int],
        occupied: Sequence[int],
        closed: Sequence[int],
    ) -> None:
        self.booked = booked
        self.holders = holders
        self.lengths = [entry.length for entry in booked]
        counts = [-len(clerk.services) for clerk in clerks]
        self.ranked = [(clerk, 1 << clerk) for clerk in sorted(range(len(clerks)), key=counts.__getitem__)]
        self.everyone = span(0, len(clerks))
        self.held = [0] * len(clerks)
        bit = 1
        for clerk in holders:
            self.held[clerk] |= bit
            bit <<= 1
        self.course = Course(grains, [entry.start for entry in booked], self.lengths)
        # Two that overlap at their clerk are the exception.
        self.orderly = sum(self.lengths) == sum(map(int.bit_count, occupied))
        self._able = _Able(clerks)
        self._domains: dict[int, int] = {}
        self._taken: list[int] = []
        # The clerks who are closed at each grain; then those who are in two, four, eight grains from there.
        self._closed = [_at_each_grain(closed, grains)]
        self._closed_by_length: dict[int, tuple[list[int], int]] = {}

    @cached_property
    def homes(self) -> list[int]:
        """Each appointment's clerk as a bit."""
        return [*map((1).__lshift__, self.holders)]

    @cached_property
    def single(self) -> int:
        """One at a time for each clerk (bits): two that overlap at her may both stay."""
        if self.orderly:
            return span(0, len(self.holders))
        found = 0
        for held in self.held:
            kept = 0
            for item in each(held):
                if not self.course.overlaps(item) & kept:
                    kept |= 1 << item
            found |= kept
        return found

    @property
    def taken(self) -> list[int]:
        """The clerks (bits) who have something at each moment."""
        if len(self._taken) != len(self.course.moments):
            course, homes = self.course, self.homes
            if self.orderly:
                edges = [0] * (len(course.moments) + 1)
                for home, first, last in zip(homes, course.first, course.last, strict=True):
                    edges[first] ^= home
                    edges[last] ^= home
                edges.pop()
                self._taken = [*accumulate(edges, xor)]
            else:
                self._taken = [reduce(or_, (homes[item] for item in each(now)), 0) for now in course.at]
        return self._taken

    def _closed_for(self, length: int) -> tuple[list[int], int]:
        """Give the clerks (bits) who are closed at one of some grains from each one, and how much later to look again for such a length.

        So many grains are the greatest power of two that isn't longer.
        """
        level = length.bit_length() - 1
        known = self._closed
        while len(known) <= level:
            known.append([*map(or_, known[-1], known[-1][1 << (len(known) - 1) :])])
        found = self._closed_by_length[length] = (known[level], length - (1 << level))
        return found

    def domain(self, item: int) -> int:
        """Give the clerks (bits) who could have an appointment, who has it among them."""
        known = self._domains.get(item)
        if known is None:
            entry = self.booked[item]
            known = 1 << self.holders[item]
            if not entry.pinned:
                closed, later = self._closed_by_length.get(entry.length) or self._closed_for(entry.length)
                start = entry.start
                known |= self._able[entry.services] & ~(closed[start] | closed[start + later])
            self._domains[item] = known
        return known

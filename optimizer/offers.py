"""An index in memory of what can be booked: many offices, clerks and days, for the public site's offers.

All days of a clerk lie side by side in one integer, each in a slot of whole bytes with at least one
spare bit (it keeps runs from crossing midnight). So one chain of shifts finds the starts of two months at once. Where a run fits
into vacant time *and* window is where it fits into either, hence runs are kept per clerk and length, and a
changed clerk-day is written into its slot of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.admission import DEPTH, Day
from optimizer.bits import aligned, runs, span
from optimizer.instance import OfficeDay

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from optimizer.instance import Booked, ClerkDay


@dataclass(frozen=True, slots=True)
class Window:
    """Grains of a day's opening window; with `services` it admits only these."""

    bits: int
    services: frozenset[str] | None = None


def window_for(windows: Iterable[Window], services: frozenset[str]) -> int:
    """Give the grains inside windows that admit all these services."""
    found = 0
    for window in windows:
        if window.services is None or services <= window.services:
            found |= window.bits
    return found


class _Lane:
    """The vacant grains of one clerk over all days, and where runs of each length asked for start."""

    def __init__(self) -> None:
        self.vacant = 0
        self.runs: dict[int, int] = {}

    def runs_of(self, length: int) -> int:
        known = self.runs.get(length)
        if known is None:
            known = self.runs[length] = runs(self.vacant, length)
        return known

    def write(self, shift: int, slot: int, vacant: int) -> None:
        """Replace the day at `shift`."""
        self.vacant ^= ((self.vacant >> shift & slot) ^ vacant) << shift
        for length, known in self.runs.items():
            self.runs[length] = known ^ ((known >> shift & slot) ^ runs(vacant, length)) << shift


class OfficeOffers:
    """One office's offers over `days` days from `first`; days are numbers such as `date.toordinal()`.

    Only grains [low, high) of a day are kept; a window that reaches beyond raises ValueError. Narrower is faster.
    """

    def __init__(self, first: int, days: int, *, low: int = 0, high: int = 300) -> None:
        if days < 1 or not 0 <= low < high:
            raise ValueError(f"no room for {days} days of grains {low} to {high}")
        self.first = first
        self.days = days
        self.low = low
        self.width = high - low
        self._bytes = self.width // 8 + 1
        self._stride = self._bytes * 8
        self._slot = span(0, self.width)
        self._known: dict[int, tuple[int, dict[str, tuple[ClerkDay, tuple[Booked, ...]]]]] = {}
        self._prepared: dict[int, Day] = {}
        self._windows: dict[int, tuple[Window, ...]] = {}
        # A clerk whose services differ between days has a lane for each set of services.
        self._lanes: dict[tuple[str, frozenset[str]], _Lane] = {}
        self._open: dict[tuple[frozenset[str], int], int] = {}
        self._direct: dict[tuple[frozenset[str], int], int] = {}
        self._grid: dict[tuple[int, int], int] = {}
        self._elastic: dict[int, dict[tuple[frozenset[str], int, int, int, int], int]] = {}

    def update(self, day: int, office: OfficeDay, windows: Iterable[Window]) -> None:
        """Replace a whole day: its clerks, what is booked, and the windows."""
        shift = self._shift(day)
        kept = tuple(windows)
        hull = 0
        for window in kept:
            hull |= window.bits
        if hull & ~(self._slot << self.low):
            raise ValueError(
                f"day {day}: a window reaches beyond grains {self.low} to {self.low + self.width}"
            )
        if kept != self._windows.get(day, ()):
            self._windows[day] = kept
            self._open.clear()
        held: dict[str, list[Booked]] = {clerk.clerk: [] for clerk in office.clerks}
        for entry in office.booked:
            if entry.clerk in held:
                held[entry.clerk].append(entry)
        names = {clerk.clerk: (clerk, tuple(held[clerk.clerk])) for clerk in office.clerks}
        self._known[day] = (office.grains, names)
        for clerk, mine in names.values():
            self._write(shift, clerk, mine)
        for (name, _), lane in self._lanes.items():
            if name not in names:
                lane.write(shift, self._slot, 0)
        self._forget(day)

    def update_clerk(self, day: int, clerk: ClerkDay, booked: Iterable[Booked]) -> None:
        """Replace one clerk's day: her working time and all that is booked with her."""
        shift = self._shift(day)
        mine = tuple(booked)
        for entry in mine:
            if entry.clerk != clerk.clerk:
                raise ValueError(f"appointment {entry.uid} is {entry.clerk}'s, not {clerk.clerk}'s")
        known = self._known.get(day)
        if known is None:
            raise ValueError(f"day {day} is not in the index yet")
        known[1][clerk.clerk] = (clerk, mine)
        self._write(shift, clerk, mine)
        self._forget(day)

    def starts(
        self,
        first: int,
        last: int,
        length: int,
        services: frozenset[str],
        *,
        step: int = 3,
        offset: int = 0,
        depth: int = DEPTH,
    ) -> list[tuple[int, int]]:
        """Give (day, bit set of starts) for the days from `first` to `last` that have any; both are included.

        Exactly `optimizer.admission.starts` on each day; with `depth` 0, starts without reassignments.
        Days outside the index have none.
        """
        first, last = max(first, self.first), min(last, self.first + self.days - 1)
        if last < first:
            return []
        if length < 1:
            raise ValueError(f"length {length} is less than one grain")
        if depth <= 0:
            return list(self._split(self._direct_starts(length, services, step, offset), first, last))
        found = []
        for day in range(first, last + 1):
            bits = self._elastic_starts(day, length, services, (step, offset, depth))
            if bits:
                found.append((day, bits))
        return found

    def _direct_starts(self, length: int, services: frozenset[str], step: int, offset: int) -> int:
        key = (services, length)
        found = self._direct.get(key)
        if found is None:
            found = 0
            for (_, skills), lane in self._lanes.items():
                if services <= skills:
                    found |= lane.runs_of(length)
            opened = self._open.get(key)
            if opened is None:
                timeline = 0
                for day, windows in self._windows.items():
                    timeline |= (window_for(windows, services) >> self.low) << self._shift(day)
                opened = self._open[key] = runs(timeline, length)
            found &= opened
            self._direct[key] = found
        return found & self._aligned(step, offset)

    def _aligned(self, step: int, offset: int) -> int:
        grid = self._grid.get((step, offset))
        if grid is None:
            one = aligned(self.low + self.width, step, offset) >> self.low
            grid = 0
            for number in range(self.days):
                grid |= one << (number * self._stride)
            self._grid[step, offset] = grid
        return grid

    def _elastic_starts(
        self, day: int, length: int, services: frozenset[str], how: tuple[int, int, int]
    ) -> int:
        if day not in self._known:
            return 0
        known = self._elastic.setdefault(day, {})
        key = (services, length, *how)
        found = known.get(key)
        if found is None:
            prepared = self._prepared.get(day)
            if prepared is None:
                grains, held = self._known[day]
                clerks = tuple(clerk for clerk, _ in held.values())
                booked = tuple(entry for _, mine in held.values() for entry in mine)
                prepared = self._prepared[day] = Day(OfficeDay(grains, clerks, booked))
            window = window_for(self._windows.get(day, ()), services)
            step, offset, depth = how
            found = known[key] = prepared.starts(
                length, services, window, step=step, offset=offset, depth=depth
            )
        return found

    def _split(self, timeline: int, first: int, last: int) -> Iterator[tuple[int, int]]:
        # Bytes are cut in constant time; cutting a long integer by shifts would copy it for every day.
        size = self._bytes
        data = timeline.to_bytes(self.days * size, "little")
        for day in range(first, last + 1):
            at = (day - self.first) * size
            bits = int.from_bytes(data[at : at + size], "little")
            if bits:
                yield day, bits << self.low

    def _write(self, shift: int, clerk: ClerkDay, booked: tuple[Booked, ...]) -> None:
        occupied = 0
        for entry in booked:
            occupied |= entry.mask
        key = (clerk.clerk, clerk.services)
        if key not in self._lanes:
            self._lanes[key] = _Lane()
        vacant = (clerk.free & ~occupied) >> self.low & self._slot
        for other, lane in self._lanes.items():
            if other == key:
                lane.write(shift, self._slot, vacant)
            elif other[0] == clerk.clerk:
                lane.write(shift, self._slot, 0)

    def _shift(self, day: int) -> int:
        if not self.first <= day < self.first + self.days:
            raise ValueError(f"day {day} is not between {self.first} and {self.first + self.days - 1}")
        return (day - self.first) * self._stride

    def _forget(self, day: int) -> None:
        self._direct.clear()
        self._elastic.pop(day, None)
        self._prepared.pop(day, None)


class OfferIndex:
    """The offers of many offices by their name; see `OfficeOffers`."""

    def __init__(self, first: int, days: int) -> None:
        self.first = first
        self.days = days
        self._offices: dict[str, OfficeOffers] = {}

    def add(self, office: str, *, low: int = 0, high: int = 300) -> OfficeOffers:
        """Give the office a place of its own, empty at first, for grains [low, high) of each day."""
        if office in self._offices:
            raise ValueError(f"office {office} is there twice")
        self._offices[office] = OfficeOffers(self.first, self.days, low=low, high=high)
        return self._offices[office]

    def __getitem__(self, office: str) -> OfficeOffers:
        return self._offices[office]

    def __iter__(self) -> Iterator[str]:
        return iter(self._offices)

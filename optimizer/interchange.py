"""Hit appointments that may change places with each other, and what follows from that for branching.

Two hit appointments of one length with the same possible places can swap theirs: nobody else notices, and the moved
grains don't rise if the one that was promised earlier starts earlier, since the distance to the promised start is
convex. So some optimal choice is *ordered*: among those of a group that take place, an earlier promise starts no later.

In an ordered choice "at most k of a group start before grain t" says of each single one on which side of t it starts,
and so does "more than k". Branching on that leaves no half-decided twins behind, unlike branching on one appointment.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.columns import Columns, Flags, Ints

    Floats = NDArray[np.float64]

UNDECIDED = 0.02
"""How far from a whole number a count must be to be worth branching on."""


@dataclass(frozen=True, slots=True)
class Split:
    """Two masks over all columns, of which each ordered choice keeps to one, and how undecided the relaxation is: up to 0.5."""

    sides: tuple[Flags, Flags]
    doubt: float


class Groups:
    """The hit appointments of an instance, in groups of those that may change places, each by promised start."""

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        office = columns.office
        self._ends = np.searchsorted(columns.appointment, np.arange(len(office.appointments) + 1))
        self._placed = columns.slot >= 0
        groups: dict[tuple[int, bytes, bytes], list[int]] = {}
        for number, entry in enumerate(office.appointments):
            if entry.hit:
                mine = self._mine(number)
                mine = mine[self._placed[mine]]
                key = (entry.length, columns.slot[mine].tobytes(), columns.start[mine].tobytes())
                groups.setdefault(key, []).append(number)
        self.members = [
            sorted(group, key=lambda number: (office.appointments[number].start, number))
            for group in groups.values()
        ]

    def _mine(self, appointment: int) -> Ints:
        return np.arange(self._ends[appointment], self._ends[appointment + 1])

    def taking_place(self, group: list[int], alive: Flags) -> list[int]:
        """Give the members that can't be cancelled any more; the order binds them."""
        found = []
        for number in group:
            mine = self._mine(number)
            if not (alive[mine] & ~self._placed[mine]).any():
                found.append(number)
        return found

    def ordered(self, alive: Flags) -> Flags:
        """Leave out the columns that start before all those of an earlier member, or after all those of a later one."""
        alive = alive.copy()
        start = self.columns.start
        for group in self.members:
            members = [self._mine(number) for number in self.taking_place(group, alive)]
            places = [mine[alive[mine]] for mine in members]
            if len(places) < 2 or any(not len(mine) for mine in places):
                continue
            earliest = np.maximum.accumulate([start[mine].min() for mine in places])
            latest = np.minimum.accumulate([start[mine].max() for mine in reversed(places)])[::-1]
            for mine, first, last in zip(places, earliest.tolist(), latest.tolist(), strict=True):
                alive[mine] = (start[mine] >= first) & (start[mine] <= last)
        return alive

    def splits(self, alive: Flags, values: Floats) -> list[Split]:
        """Give ways to part the ordered choices where this solution of the relaxation is undecided.

        One for each longest stretch of grains before which the same number of a group starts, and one for each
        appointment that is cancelled in part.
        """
        found = []
        for group in self.members:
            members = self.taking_place(group, alive)
            found += self._by_cancelling([number for number in group if number not in members], values)
            if members:
                found += self._by_count(members, values)
        return found

    def _by_cancelling(self, members: list[int], values: Floats) -> list[Split]:
        found = []
        for number in members:
            mine = self._mine(number)
            cancelling = mine[~self._placed[mine]]
            doubt = float(min(values[cancelling[0]], 1 - values[cancelling[0]]))
            if doubt > UNDECIDED:
                keeping, placing = np.ones((2, len(self.columns)), dtype=bool)
                keeping[cancelling] = False
                placing[mine[self._placed[mine]]] = False
                found.append(Split((keeping, placing), doubt))
        return found

    def _by_count(self, members: list[int], values: Floats) -> list[Split]:
        start = self.columns.start
        mine = np.concatenate([self._mine(number) for number in members])
        mine = mine[self._placed[mine]]
        grains = self.columns.office.grains_a_day
        # before[t] is how many of them start before grain t.
        before = np.concatenate([[0.0], np.cumsum(np.bincount(start[mine], values[mine], grains))])
        steps = np.flatnonzero(np.abs(np.diff(before)) > UNDECIDED) + 1
        found = []
        for first, after in pairwise([*steps.tolist(), grains + 1]):
            count = int(np.floor(before[first] + UNDECIDED))
            doubt = float(min(before[first] - count, count + 1 - before[first]))
            if doubt > UNDECIDED:
                found.append(Split(self._sides(members, count, (first + after - 1) // 2), doubt))
        return found

    def _sides(self, members: list[int], count: int, grain: int) -> tuple[Flags, Flags]:
        """Mask "at most `count` members start before the grain" and "more than that"."""
        early = self._placed & (self.columns.start < grain)
        late = self._placed & (self.columns.start >= grain)
        few, many = np.ones((2, len(self.columns)), dtype=bool)
        for rank, number in enumerate(members):
            mine = self._mine(number)
            if rank >= count:
                few[mine] = ~early[mine]
            if rank <= count:
                many[mine] = ~late[mine]
        return few, many

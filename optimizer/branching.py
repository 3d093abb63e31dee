"""Looking for better choices than the best so far by parting them, where branch and cut over all columns takes too long.

Each part is bounded by the relaxation; reduced costs leave the columns that something better can use, and once these
are few, branch and cut answers for the part. Which split to take is tried out by some steps of the simplex on both of
its sides (strong branching); a side that can't hold anything better is left out at once.

The parts with their bounds are kept for the next level of the objective, which begins where this one ended: at the root
the relaxation of the later level is weak, for it may mix choices that move less than is possible with others that move
more.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, inf
from typing import TYPE_CHECKING

import numpy as np

from optimizer.columns import CHANGED, IMBALANCE, MOVED
from optimizer.interchange import Groups, Split
from optimizer.relaxation import EPSILON, InfeasibleError

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.columns import Columns, Flags, Ints
    from optimizer.interchange import Floats
    from optimizer.relaxation import Relaxation

FEW = 2500
"""Columns of a part that branch and cut is asked about."""
PROBES = 10
"""Splits of a part that are tried out."""
STEPS = 100
"""Steps of the simplex for each side of a split that is tried out."""
SLACK = 1e-5
"""How far a reduced cost may be off before a column counts as useless; far under the cost 1 of any change."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the ordered choices: those with columns of the mask only. By the tree's weights they cost `bound` at least."""

    mask: Flags
    bound: float


@dataclass(frozen=True, slots=True)
class Goal:
    """What is looked for: the least cost at a level within [least, most], with the levels before it at these costs."""

    level: int
    least: int
    most: int
    settled: tuple[int, ...]

    def bounds(self) -> dict[int, tuple[int, int]]:
        """Give the bounds on each level, for branch and cut."""
        before = {level: (cost, cost) for level, cost in enumerate(self.settled)}
        return before | {self.level: (self.least, self.most)}


class Tree:
    """All ordered choices of an instance, in parts.

    `ask` is branch and cut: it gives the best choice among columns for a goal, or None; `left` the seconds left.
    By `weights` a moved grain outweighs all clerk changes.
    """

    def __init__(
        self,
        columns: Columns,
        weights: tuple[int, int, int, int],
        ask: Callable[[Flags, Goal], Ints | None],
        left: Callable[[], float],
    ) -> None:
        self.columns = columns
        self.weights = weights
        self._ask = ask
        self._left = left
        self._groups = Groups(columns)
        self.parts: list[Part] = []
        self._useful: Flags = np.ones(len(columns), dtype=bool)
        self.forget()

    def forget(self) -> None:
        """Begin anew with all choices in one part, since the first level costs more than it did."""
        self.parts = [Part(np.ones(len(self.columns), dtype=bool), -inf)]

    def most(self, goal: Goal) -> int:
        """Give what choices that reach the goal cost at most by the weights, imbalance apart."""
        if goal.level == MOVED:
            # Beside the most moved grains, each appointment may change its clerk.
            return self.weights[MOVED] * goal.most + len(self.columns.office.appointments)
        changed = goal.most if goal.level == CHANGED else goal.settled[CHANGED]
        return self.weights[MOVED] * goal.settled[MOVED] + changed

    def better(self, relaxation: Relaxation, allowed: Flags, goal: Goal) -> Ints | None:
        """Give the best choice that reaches the goal with these columns, None if there is none."""
        best: Ints | None = None
        stack = [(part, allowed & part.mask) for part in sorted(self.parts, key=lambda part: -part.bound)]
        self.parts = []
        while stack:
            part, alive = stack.pop()
            if goal.most < goal.least or part.bound > self.most(goal) + SLACK:
                self.parts.append(part)
                continue
            found, further = self._examine(relaxation, part, alive, goal)
            if found is not None:
                best = found
                goal = Goal(goal.level, goal.least, self._cost(found, goal.level) - 1, goal.settled)
            stack += further
        return best

    def _examine(
        self, relaxation: Relaxation, part: Part, alive: Flags, goal: Goal
    ) -> tuple[Ints | None, list[tuple[Part, Flags]]]:
        """Give the best choice of a part, or parts of it that are still to be examined, each with its columns."""
        dearest = self.most(goal)
        while True:
            alive = self._groups.ordered(alive)
            solved = self._bounded(relaxation, part, alive, goal)
            if solved is None:
                return None, []
            value, values = solved
            part = Part(part.mask, max(part.bound, min(value, dearest)))
            alive &= self._useful
            if goal.level != IMBALANCE and (np.abs(values - np.round(values)) < EPSILON).all():
                # Nothing in this part costs less at any of the levels that the weights count.
                self.parts.append(part)
                chosen = np.flatnonzero(values > 0.5)
                return (chosen if self._reaches(chosen, goal) else None), []
            splits = self._splits(alive, values) if alive.sum() > FEW else []
            if not splits:
                self.parts.append(part)
                return self._ask(alive, goal), []
            sides, closed = self._strongest(relaxation, alive, splits, dearest, value)
            if not closed:
                return None, [
                    (Part(part.mask & side, max(part.bound, min(bound, dearest))), alive & side)
                    for side, bound in sides
                ]
            for side, other in closed:
                self.parts.append(Part(part.mask & side, dearest))
                part = Part(part.mask & other, part.bound)
                alive &= other

    def _bounded(
        self, relaxation: Relaxation, part: Part, alive: Flags, goal: Goal
    ) -> tuple[float, Floats] | None:
        """Give what the part costs at least by the weights, with a solution of the relaxation; leave useful columns in `_useful`.

        None if nothing in it reaches the goal; it is kept for later goals then, unless it holds no choice at all.
        """
        dearest = self.most(goal)
        relaxation.restrict(alive)
        try:
            value = relaxation.solve(self.weights, self._left())
            if value > dearest + SLACK:
                # Columns that were too dear are left out of `alive`: the whole part's bound is no more than this.
                self.parts.append(Part(part.mask, max(part.bound, dearest)))
                return None
            self._useful = relaxation.reduced <= dearest - value + SLACK
            if goal.level != IMBALANCE:
                return value, relaxation.values()
            relaxation.restrict(alive & self._useful)
            uneven = relaxation.solve((0, 0, 0, 1), self._left(), warm=True)
        except InfeasibleError:
            return None
        if uneven > goal.most + SLACK:
            return None
        self._useful &= relaxation.reduced <= goal.most - uneven + SLACK
        return value, relaxation.values()

    def _splits(self, alive: Flags, values: Floats) -> list[Split]:
        found = self._groups.splits(alive, values) or self._by_move(values)
        return sorted(found, key=lambda split: -split.doubt)[:PROBES]

    def _by_move(self, values: Floats) -> list[Split]:
        """Split by how far that hit appointment moves about which the relaxation is least decided."""
        columns = self.columns
        count = len(columns.office.appointments)
        cost = columns.cost[MOVED]
        used = values > EPSILON
        owner = columns.appointment[used]
        mean = np.bincount(owner, values[used] * cost[used], count)
        spread = np.bincount(owner, values[used] * np.abs(cost[used] - mean[owner]), count)
        chosen = int(spread.argmax())
        if spread[chosen] <= EPSILON:
            return []
        others = columns.appointment != chosen
        near = cost <= floor(mean[chosen])
        return [Split((others | near, others | ~near), 0.5)]

    def _strongest(
        self, relaxation: Relaxation, alive: Flags, splits: list[Split], dearest: float, value: float
    ) -> tuple[list[tuple[Flags, float]], list[tuple[Flags, Flags]]]:
        """Try the splits out: give the sides of the one that raises the bound most, and the sides that can be closed.

        The former come with their bounds, the lower one last; the latter with the other side, which holds all that is better.
        """
        best, most, closed = [], -1.0, []
        for split in splits:
            probes = relaxation.probe(
                [alive & side for side in split.sides], self.weights, STEPS, self._left()
            )
            shut = [probe.exact and probe.value > dearest + SLACK for probe in probes]
            if any(shut):
                number = shut.index(True)
                closed.append((split.sides[number], split.sides[1 - number]))
                continue
            gains = [max(EPSILON, min(probe.value, dearest + 1) - value) for probe in probes]
            if gains[0] * gains[1] > most:
                most = gains[0] * gains[1]
                best = [
                    (side, probe.value if probe.exact else -inf)
                    for _, side, probe in sorted(
                        zip(gains, split.sides, probes, strict=True), key=lambda side: -side[0]
                    )
                ]
        return best, closed

    def _reaches(self, chosen: Ints, goal: Goal) -> bool:
        return all(
            least <= self._cost(chosen, level) <= most for level, (least, most) in goal.bounds().items()
        )

    def _cost(self, chosen: Ints, level: int) -> int:
        if level != IMBALANCE:
            return int(self.columns.cost[level, chosen].sum())
        office = self.columns.office
        load = np.bincount(self.columns.clerk[chosen] + 1, self.columns.work[chosen], len(office.clerks) + 1)
        return sum(
            abs(int(load[number + 1]) - clerk.target)
            for number, clerk in enumerate(office.clerks)
            if clerk.target is not None
        )

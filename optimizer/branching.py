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
from optimizer.relaxation import EPSILON
from optimizer.solution import InfeasibleError

if TYPE_CHECKING:
    from collections.abc import Callable

    import highspy

    from optimizer.columns import Columns, Flags, Ints
    from optimizer.interchange import Floats
    from optimizer.relaxation import Probe, Relaxation

FEW = 2500
"""Columns of a part that branch and cut is asked about."""
STEPS = ((25, 10), (150, 3))
"""Steps of the simplex for each side of a split that is tried out, and how many splits are, at first and then."""
SLACK = 1e-5
"""How far a reduced cost may be off before a column counts as useless; far under the cost 1 of any change."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the ordered choices: those with columns of the mask only. By the tree's weights they cost `bound` at least."""

    mask: Flags
    bound: float


@dataclass(frozen=True, slots=True)
class _Open:
    """A part to be examined: its columns that can be in anything better, and where the simplex may begin."""

    part: Part
    alive: Flags
    basis: highspy.HighsBasis | None


@dataclass(frozen=True, slots=True)
class _Solved:
    """A part's relaxation: the part's new bound, what it costs and may cost at most, its values, the columns of anything better."""

    bound: float
    value: float
    most: float
    values: Floats
    useful: Flags


@dataclass(frozen=True, slots=True)
class _Trial:
    """A split that was tried out, how much it raises the bounds, and what came out for its sides."""

    split: Split
    gain: float
    sides: list[tuple[Probe, Flags]]


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
        stack = [
            _Open(part, allowed & part.mask, None)
            for part in sorted(self.parts, key=lambda part: -part.bound)
        ]
        self.parts = []
        while stack:
            here = stack.pop()
            if goal.most < goal.least or here.part.bound > self.most(goal) + SLACK:
                self.parts.append(here.part)
                continue
            found, further = self._examine(relaxation, here, goal)
            if found is not None:
                best = found
                goal = Goal(goal.level, goal.least, self._cost(found, goal.level) - 1, goal.settled)
            stack += further
        return best

    def _examine(self, relaxation: Relaxation, here: _Open, goal: Goal) -> tuple[Ints | None, list[_Open]]:
        """Give the best choice of a part, or parts of it that are still to be examined."""
        part, alive = here.part, here.alive
        if here.basis is not None:
            relaxation.return_to(here.basis)
        while True:
            alive = self._groups.ordered(alive)
            solved = self._solved(relaxation, part, alive, goal)
            if solved is None:
                return None, []
            alive &= solved.useful
            part = Part(part.mask, solved.bound)
            values = solved.values
            if goal.level != IMBALANCE and (np.abs(values - np.round(values)) < EPSILON).all():
                # Nothing in this part costs less at any of the levels that the weights count.
                self.parts.append(part)
                chosen = np.flatnonzero(values > 0.5)
                return (chosen if self._reaches(chosen, goal) else None), []
            splits = self._splits(alive, values) if alive.sum() > FEW else []
            if not splits:
                self.parts.append(part)
                return self._ask(alive, goal), []
            trials, closed = self._tried(relaxation, alive, splits, solved)
            if not closed:
                strongest = max(trials, key=lambda trial: trial.gain)
                return None, [
                    _Open(Part(part.mask & side, part.bound), alive & side, probe.basis)
                    for probe, side in strongest.sides
                ]
            for side, other in closed:
                self.parts.append(Part(part.mask & side, max(part.bound, self.most(goal))))
                part = Part(part.mask & other, part.bound)
                alive &= other

    def _solved(self, relaxation: Relaxation, part: Part, alive: Flags, goal: Goal) -> _Solved | None:
        """Solve the relaxation of a part.

        None if nothing in it reaches the goal; the part is kept for later goals then, unless it holds no choice at all.
        """
        most = self.most(goal)
        relaxation.restrict(alive)
        try:
            value = relaxation.solve(self.weights, self._left())
            # Columns that were too dear are left out of `alive`, so the whole part's bound is `most` at best.
            bound = max(part.bound, min(value, most))
            if value > most + SLACK:
                self.parts.append(Part(part.mask, bound))
                return None
            useful = relaxation.reduced <= most - value + SLACK
            if goal.level != IMBALANCE:
                return _Solved(bound, value, most, relaxation.values(), useful)
            relaxation.restrict(alive & useful)
            value = relaxation.solve((0, 0, 0, 1), self._left(), warm=True)
        except InfeasibleError:
            return None
        if value > goal.most + SLACK:
            return None
        useful &= relaxation.reduced <= goal.most - value + SLACK
        return _Solved(bound, value, goal.most, relaxation.values(), useful)

    def _splits(self, alive: Flags, values: Floats) -> list[Split]:
        found = self._groups.splits(alive, values) or self._by_move(values)
        return sorted(found, key=lambda split: -split.doubt)

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

    def _tried(
        self, relaxation: Relaxation, alive: Flags, splits: list[Split], solved: _Solved
    ) -> tuple[list[_Trial], list[tuple[Flags, Flags]]]:
        """Try splits out, all of them by a few steps and the best by more.

        Sides that hold nothing better than what is known come second, each with the other side.
        """
        trials: list[_Trial] = []
        closed: list[tuple[Flags, Flags]] = []
        for steps, count in STEPS:
            if closed:
                break
            trials.sort(key=lambda trial: -trial.gain)
            chosen = [trial.split for trial in trials[:count]] if trials else splits[:count]
            trials = []
            for split in chosen:
                masks = [alive & side for side in split.sides]
                probes = relaxation.probe(masks, solved.most + SLACK, steps, self._left())
                shut = [probe.exact and probe.value > solved.most + SLACK for probe in probes]
                if any(shut):
                    number = shut.index(True)
                    closed.append((split.sides[number], split.sides[1 - number]))
                gains = [max(EPSILON, min(probe.value, solved.most + 1) - solved.value) for probe in probes]
                # The side with the lower bound comes last, which is the first to be examined.
                order = sorted((0, 1), key=lambda number: -gains[number])
                sides = [(probes[number], split.sides[number]) for number in order]
                trials.append(_Trial(split, gains[0] * gains[1], sides))
        return trials, closed

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

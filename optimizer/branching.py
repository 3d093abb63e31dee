"""Looking for better choices than the best so far by parting them, where branch and cut over all columns takes too long.

Each part is bounded by the relaxation; reduced costs leave the columns that something better can use, and once these
are few, branch and cut answers for the part. Which split to take is tried out by some steps of the simplex on both of
its sides (strong branching); a side that can't hold anything better is left out at once.

The parts with their bounds are kept for the levels after the moved grains, which begin where these ended: at the root
the relaxation of the later levels is weak, for it may mix choices that move less than is possible with others that move
more. Clerk changes and imbalance are looked for together (decision 0104).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, floor, inf
from typing import TYPE_CHECKING

import numpy as np

from optimizer.columns import CHANGED, IMBALANCE, MOVED
from optimizer.interchange import Groups, Split
from optimizer.relaxation import EPSILON, EVENLY
from optimizer.solution import InfeasibleError

if TYPE_CHECKING:
    from collections.abc import Callable

    import highspy

    from optimizer.columns import Columns, Flags, Ints
    from optimizer.interchange import Floats
    from optimizer.loads import Cut
    from optimizer.relaxation import Probe, Relaxation

FEW = 300
"""Columns of a part that branch and cut is asked about."""
STEPS = ((25, 10), (150, 3))
"""Steps of the simplex for each side of a split that is tried out, and how many splits are, at first and then."""
SMALLER = 0.7
"""Share of a program's columns that are left when a program of these alone is worth the time."""
SLACK = 1e-5
"""How far a reduced cost may be off before a column counts as useless; far under the cost 1 of any change."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the ordered choices: those with columns of the mask only. By the tree's weights they cost `bound` at least."""

    mask: Flags
    bound: float


@dataclass(frozen=True, slots=True)
class _Open:
    """A part to be examined: its columns that can be in anything better, a program that has them, and where the simplex begins.

    `tied` as for the part that this one was split off from.
    """

    part: Part
    alive: Flags
    relaxation: Relaxation
    basis: highspy.HighsBasis
    tied: bool = False


@dataclass(frozen=True, slots=True)
class _Solved:
    """A part's relaxation: the part's new bound, what it costs and may cost at most, its values, the columns of anything better.

    `tied` means that nothing in the part changes fewer clerks than the goal allows: then these costs are imbalance.
    """

    bound: float
    value: float
    most: float
    values: Floats
    useful: Flags
    tied: bool = False


@dataclass(frozen=True, slots=True)
class _Trial:
    """A split that was tried out, how much it raises the bounds, and what came out for its sides."""

    split: Split
    gain: float
    sides: list[tuple[Probe, Flags]]


@dataclass(frozen=True, slots=True)
class Goal:
    """What is looked for: the least cost at a level within [least, most], with the levels before it at these costs.

    At the level of clerk changes the least imbalance is looked for too, and what changes `most` clerks must have no more than `evenness`.
    Imbalances differ by `step` at least.
    """

    level: int
    least: int
    most: int
    settled: tuple[int, ...]
    evenness: int = 0
    step: int = 1

    def bounds(self) -> dict[int, tuple[int, int]]:
        """Give the bounds on each level, for branch and cut."""
        before = {level: (cost, cost) for level, cost in enumerate(self.settled)}
        return before | {self.level: (self.least, self.most)}


class Tree:
    """All ordered choices of an instance, in parts.

    `ask` is branch and cut: it gives the best choice among columns for a goal, or None, and may use cuts valid for these; `left` the seconds left.
    By `weights` a moved grain outweighs all clerk changes.
    """

    def __init__(
        self,
        columns: Columns,
        weights: tuple[int, int, int, int],
        ask: Callable[[Flags, Goal, tuple[Cut, ...]], Ints | None],
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

    def ordered(self, alive: Flags) -> Flags:
        """Leave out columns that no ordered choice among these needs."""
        return self._groups.ordered(alive)

    def most(self, goal: Goal) -> int:
        """Give what choices that reach the goal cost at most by the weights, imbalance apart."""
        if goal.level == MOVED:
            # Beside the most moved grains, each appointment may change its clerk.
            return self.weights[MOVED] * goal.most + len(self.columns.office.appointments)
        return self.weights[MOVED] * goal.settled[MOVED] + goal.most

    def better(
        self,
        relaxation: Relaxation,
        basis: highspy.HighsBasis,
        allowed: Flags,
        goal: Goal,
        *,
        tied: bool = False,
    ) -> Ints | None:
        """Give the best choice that reaches the goal with these columns, None if there is none.

        `basis` is one of the relaxation that is optimal by the tree's weights, or if `tied` has the least imbalance. Then
        the columns are of choices that change `goal.most` clerks only, and the relaxation has its levels bounded so.
        """
        best: Ints | None = None
        relaxation = relaxation.among(allowed, basis)
        basis = relaxation.basis()
        stack = [
            _Open(part, allowed & part.mask, relaxation, basis, tied)
            for part in sorted(self.parts, key=lambda part: -part.bound)
        ]
        self.parts = []
        while stack:
            here = stack.pop()
            if goal.most < goal.least or here.part.bound > self.most(goal) + SLACK:
                self.parts.append(here.part)
                continue
            found, further = self._examine(here, goal)
            if found is not None:
                best = found
                goal = self._beyond(found, goal)
            stack += further
        return best

    def _beyond(self, found: Ints, goal: Goal) -> Goal:
        cost = self._cost(found, goal.level)
        if goal.level == CHANGED:
            return replace(goal, most=cost, evenness=self._cost(found, IMBALANCE) - goal.step)
        return replace(goal, most=cost - 1)

    def _examine(self, here: _Open, goal: Goal) -> tuple[Ints | None, list[_Open]]:
        """Give the best choice of a part, or parts of it that are still to be examined."""
        part, alive, relaxation, tied = here.part, here.alive, here.relaxation, here.tied
        relaxation.return_to(here.basis)
        own = False
        while True:
            alive = self.ordered(alive)
            if tied and not own:
                # Load cuts are valid for these columns only, so that no other part may share the program.
                relaxation, own = relaxation.among(alive, here.basis), True
            solved = self._solved(_Open(part, alive, relaxation, here.basis, tied), goal)
            if solved is None:
                return None, []
            if solved.tied and not tied:
                tied, alive, part = True, alive & solved.useful, Part(part.mask, solved.bound)
                here = replace(here, basis=relaxation.basis())
                continue
            alive &= solved.useful
            part, tied = Part(part.mask, solved.bound), solved.tied
            values = solved.values
            if (np.abs(values - np.round(values)) < EPSILON).all():
                return self._whole(relaxation, part, alive, solved, goal)
            splits = self._splits(alive, values) if alive.sum() > FEW else []
            if not splits:
                self.parts.append(part)
                return self._asked(alive, solved, goal, relaxation), []
            if alive.sum() < SMALLER * len(relaxation):
                relaxation, own = relaxation.among(alive, relaxation.basis()), True
            trials, closed = self._tried(relaxation, alive, splits, solved)
            if not closed:
                strongest = max(trials, key=lambda trial: trial.gain)
                return None, [
                    _Open(Part(part.mask & side, part.bound), alive & side, relaxation, probe.basis, tied)
                    for probe, side in strongest.sides
                ]
            for side, other in closed:
                self.parts.append(Part(part.mask & side, max(part.bound, self.most(goal))))
                part = Part(part.mask & other, part.bound)
                alive &= other

    def _asked(self, alive: Flags, solved: _Solved, goal: Goal, relaxation: Relaxation) -> Ints | None:
        """Give branch and cut's answer for some columns, None if it doesn't reach the goal."""
        asked = goal
        if solved.tied:
            least = ceil(solved.value - SLACK)
            least += (goal.evenness - least) % goal.step
            asked = Goal(IMBALANCE, least, goal.evenness, (*goal.settled, goal.most))
        found = self._ask(alive, asked, relaxation.cuts)
        return found if found is not None and self._reaches(found, goal) else None

    def _whole(
        self, relaxation: Relaxation, part: Part, alive: Flags, solved: _Solved, goal: Goal
    ) -> tuple[Ints | None, list[_Open]]:
        """Take a solution of the relaxation that is a choice."""
        chosen = np.flatnonzero(solved.values > 0.5)
        found = chosen if self._reaches(chosen, goal) else None
        if goal.level == CHANGED and not solved.tied:
            # Nothing here changes fewer clerks, but something may be more even.
            if found is not None:
                return found, [_Open(part, alive, relaxation, relaxation.basis())]
            self.parts.append(part)
            return self._asked(alive, solved, goal, relaxation), []
        self.parts.append(part)
        return found, []

    def _solved(self, here: _Open, goal: Goal) -> _Solved | None:
        """Solve the relaxation of a part.

        None if nothing in it reaches the goal; the part is kept for later goals then.
        """
        part, alive, relaxation = here.part, here.alive, here.relaxation
        most = self.most(goal)
        relaxation.restrict(alive)
        bound = part.bound
        if goal.level == CHANGED:
            relaxation.bound(CHANGED, 0, goal.most)
        if not here.tied:
            try:
                value = relaxation.solve(self.weights, self._left())
            except InfeasibleError:
                value = inf
            # All costs are whole. Columns that were too dear are left out of `alive`, so the whole part's bound is `most` at best.
            bound = max(bound, ceil(min(value, most) - SLACK))
            if value > most + SLACK:
                self.parts.append(Part(part.mask, bound))
                return None
            useful = alive & (relaxation.reduced <= most - value + SLACK)
            if goal.level != CHANGED or bound < most:
                return _Solved(bound, value, most, relaxation.values(), useful)
            alive = useful
            relaxation.restrict(alive)
        try:
            value = relaxation.solve(EVENLY, self._left(), warm=not here.tied)
            if here.tied:
                value = relaxation.tighten(value, self._left)
        except InfeasibleError:
            return None
        if value > goal.evenness + SLACK:
            return None
        useful = alive & (relaxation.reduced <= goal.evenness - value + SLACK)
        return _Solved(bound, value, goal.evenness, relaxation.values(), useful, tied=True)

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
        tied = goal.level == CHANGED and self._cost(chosen, CHANGED) == goal.most
        if tied and self._cost(chosen, IMBALANCE) > goal.evenness:
            return False
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

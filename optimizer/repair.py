"""Repair: somebody is absent; who takes over what, when, and what must be cancelled.

Lexicographic: fewest cancelled, fewest grains moved in time, fewest clerk changes of others, least imbalance.

The method: the linear relaxation gives a bound for each level in turn, rounded up and demanded of the next. Reduced
costs then leave only the columns that a solution at exactly these bounds can use. If the last relaxation is integral,
that is the proven optimum; otherwise dives and branch and cut look for a solution at the bounds among the columns left, and load
cuts (`optimizer.loads`) tell how even it can be. Where there is none, the moved grains are settled: dives give good solutions, large neighbourhoods better ones where those are far from the bound,
and then only better ones are looked for, by branching on moves and branch and cut. Then clerk changes and imbalance are settled in the same way, both in one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from math import ceil, inf
from typing import TYPE_CHECKING

import numpy as np

from optimizer import check, greedy
from optimizer.branching import Goal, Tree
from optimizer.columns import CANCELLED, CHANGED, IMBALANCE, MOVED, all_columns, parity
from optimizer.relaxation import EPSILON, EVENLY, OutOfTimeError, Relaxation, nearby
from optimizer.selection import Question, choose
from optimizer.solution import InfeasibleError, Solution

if TYPE_CHECKING:
    import highspy

    from optimizer.columns import Columns, Flags, Ints
    from optimizer.loads import Cut
    from optimizer.office import Office
    from optimizer.relaxation import Floats
    from optimizer.solution import Objective

__all__ = ["InfeasibleError", "repair"]

FAR = 10**9
"""More grains than any plan is out of balance."""
CLEAR = 0.7
"""Value from which on a column is fixed together with the clearest one."""
DIVES = (8, 16, 8, 16)
"""What part of the appointments that aren't clear yet each dive fixes at once."""
EVEN_DIVES = (16, 64, 16, 64)
"""The same where imbalance is all that is left to settle."""
KEPT = 0.5
"""Chance that an appointment stays where both the relaxation and the best choice so far have it, while something better is looked for nearby."""
LARGE = 1500
"""Columns from which on that is worth its time."""
TRIES = 2
"""Times in a row that it may fail."""
MANY = 4000
"""Columns that may move less than the best so far from which on branching alone takes too long."""
STAY = 0.6
"""Chance that an appointment stays at first while something that moves less is looked for nearby, where the relaxation has it there too."""
DOUBTED = 0.3
"""Times that chance where the relaxation hasn't."""
CHANGE = 0.1
"""How much that chance rises or falls where nothing was found."""
PAUSES = 6
"""Pauses of branch and cut, after which it's too much: about a second."""
FAILURES = 12
"""Times in a row that nothing may be found."""
STRICT = 8
"""How many times more than all clerk changes a moved grain weighs where plans with one grain more are to be ruled out."""
EASY = 1500
"""Columns up to which a choice at all bounds at once is looked for first."""
STEPS = (12, 32, 128)
"""Moved grains above the bound within which a choice is looked for, one after the other."""
SLACK = 1e-5
"""How far a reduced cost may be off before a column counts as useless; far under the cost 1 of any change."""


def repair(office: Office, *, seconds: float = 60.0, seed: int = 1) -> Solution:
    """Plan the day anew.

    With enough time the same input and seed give the same plan. When the time runs out, the best
    plan found so far is given, not proven. Raises InfeasibleError when the appointments that keep their time can't
    be assigned at all, and names one.
    """
    started = time.monotonic()
    columns = all_columns(office)
    alone = set(range(len(office.appointments))) - set(columns.appointment.tolist())
    if alone:
        name = office.appointments[min(alone)].id
        raise InfeasibleError(f"appointment {name} keeps its time, but nobody who may take it is free then")
    task = _Task(columns, started + seconds, seed)
    try:
        chosen, proven = task.solve(), True
    except OutOfTimeError:
        chosen, proven = task.fallback(), False
    except InfeasibleError as error:
        raise InfeasibleError(
            f"those that keep their time can't all be assigned; as it stands, {_standing_fault(columns)}"
        ) from error
    assignments = greedy.assignments(task.columns, chosen)
    faults = check.faults(office, assignments)
    assert not faults, faults
    return Solution(
        office.name,
        check.objective(office, assignments),
        proven,
        time.monotonic() - started,
        assignments,
    )


def _standing_fault(columns: Columns) -> str:
    """Say what is wrong with the day as it stands."""
    staying = set(columns.appointment[columns.kept].tolist())
    for number, entry in enumerate(columns.office.appointments):
        if not entry.hit and number not in staying:
            return f"appointment {entry.id} can't stay with clerk {entry.clerk}"
    return check.faults(columns.office, greedy.assignments(columns, greedy.nearest(columns)))[0]


@dataclass(frozen=True, slots=True)
class _Root:
    """A solution of the relaxation to come back to, among the columns that are possible."""

    possible: Flags
    value: float
    values: Floats
    reduced: Floats
    basis: highspy.HighsBasis

    @classmethod
    def of(cls, relaxation: Relaxation, value: float) -> _Root:
        """Take the solution that the relaxation has just found."""
        return cls(relaxation.alive, value, relaxation.values(), relaxation.reduced, relaxation.basis())

    def useful(self, dearest: int) -> Flags:
        """Mark the columns that a choice of this cost at most can use."""
        found: Flags = self.possible & (self.reduced <= dearest - self.value + SLACK)
        return found


def _whole(values: Floats) -> bool:
    return bool((np.abs(values - np.round(values)) < EPSILON).all())


class _Task:
    """One run.

    `least` is what each of the first three levels costs at least, given the levels before. `root` is the relaxation's solution by
    the weights, given how many are cancelled.
    """

    def __init__(self, columns: Columns, deadline: float, seed: int) -> None:
        self.columns = columns
        self.deadline = deadline
        self.seed = seed
        self.incumbent: Ints | None = None
        self.least = [0, 0, 0]
        # One moved grain outweighs all clerk changes that there can be.
        self.weight = len(columns.office.appointments) + 1
        self.weights = (0, STRICT * self.weight, 1, 0)
        self.tree = Tree(columns, self.weights, self._ask, lambda: self.left)
        self.root: _Root | None = None

    @property
    def left(self) -> float:
        """Seconds until the deadline; raises OutOfTimeError behind it."""
        seconds = self.deadline - time.monotonic()
        if seconds <= 0:
            raise OutOfTimeError
        return seconds

    def solve(self) -> Ints:
        """Give the optimal choice of columns; raises OutOfTimeError and InfeasibleError."""
        if not self.columns.office.appointments:
            return np.zeros(0, dtype=np.int64)
        relaxation = Relaxation(self.columns, nearby(self.columns, greedy.nearest(self.columns)))
        self._relax_cancelled(relaxation)
        while True:
            found = self._at_all_bounds(relaxation)
            if found is not None:
                return found
            useful = self._settle_moved(relaxation)
            if useful is not None:
                return self._settle_rest(relaxation, useful)

    def fallback(self) -> Ints:
        """Give the best of the best choice found so far and the greedy ones."""
        return greedy.best(self.columns, () if self.incumbent is None else (self.incumbent,))

    def _objective(self, chosen: Ints) -> Objective:
        return greedy.objective(self.columns, chosen)

    def _relax_cancelled(self, relaxation: Relaxation) -> None:
        """Bound the first two levels."""
        # A cancellation outweighs any single move; whether it outweighs all of them is seen afterwards.
        dear = self.weights[MOVED] * self.columns.office.grains_a_day * (self.columns.office.days + 1)
        relaxation.solve((dear, *self.weights[1:]), self.left)
        costs = self._costs(relaxation)
        if costs[CANCELLED] > EPSILON:
            value = relaxation.solve((1, 0, 0, 0), self.left, warm=True)
            self.least[CANCELLED] = ceil(value - EPSILON)
        self._relax_moved(relaxation)

    def _relax_moved(self, relaxation: Relaxation) -> None:
        """Bound the second level, given the first."""
        least = self.least[CANCELLED]
        relaxation.bound(CANCELLED, least, least)
        relaxation.bound(MOVED, 0, inf)
        relaxation.bound(CHANGED, 0, inf)
        cancelling = self.columns.cost[CANCELLED] > 0
        relaxation.restrict(~cancelling if least == 0 else np.ones(len(self.columns), dtype=bool))
        value = relaxation.solve(self.weights, self.left)
        self.root = _Root.of(relaxation, value)
        self.least = [least, ceil(self._costs(relaxation)[MOVED] - EPSILON), 0]

    def _relax_changed(self, relaxation: Relaxation, allowed: Flags) -> tuple[Relaxation, _Root]:
        """Bound the third level, given the first two, among these columns; give their program and its solution by the weights."""
        cancelled, moved, _ = self.least
        assert self.root is not None
        smaller = relaxation.among(allowed, self.root.basis)
        smaller.bound(CANCELLED, cancelled, cancelled)
        smaller.bound(MOVED, moved, moved)
        root = _Root.of(smaller, smaller.solve(self.weights, self.left))
        self.least[CHANGED] = ceil(root.value - self.weights[MOVED] * moved - EPSILON)
        return smaller, root

    def _at_all_bounds(self, whole: Relaxation) -> Ints | None:
        """Give a choice at exactly the bounds of all levels, or the most even one at those of the others; None if none is found easily.

        There may be none that costs exactly as much as the bounds.
        """
        moved = self.weights[MOVED] * self.least[MOVED]
        assert self.root is not None
        try:
            relaxation, root = self._relax_changed(
                whole, self.root.useful(moved + len(self.columns.office.appointments))
            )
            alive = relaxation.alive & root.useful(moved + self.least[CHANGED])
            alive = self.tree.ordered(alive)
            relaxation = relaxation.among(alive, root.basis)
            relaxation.bound(CHANGED, self.least[CHANGED], self.least[CHANGED])
            value = relaxation.solve(EVENLY, self.left, warm=True)
        except InfeasibleError:
            return None
        value = relaxation.tighten(value, lambda: self.left)
        values = relaxation.values()
        if _whole(values):
            return np.flatnonzero(values > 0.5)
        even, step = ceil(value - SLACK), 1
        fixed_parity = parity(self.columns, alive)
        if fixed_parity is not None:
            even += (fixed_parity - even) % 2
            step = 2
        fixed = {level: (self.least[level], self.least[level]) for level in range(IMBALANCE)}
        goal = Goal(CHANGED, self.least[CHANGED], self.least[CHANGED], tuple(self.least[:CHANGED]), FAR, step)
        root = _Root.of(relaxation, value)
        if self._dive_evenly(relaxation, root, even):
            return self._most_even(relaxation, root, goal, even)
        if alive.sum() > EASY:
            return None
        near = alive & (relaxation.reduced <= even - value + SLACK)
        found = self._choose(near, fixed | {IMBALANCE: (even, even)}, None)
        if found is not None:
            return found
        return self._choose(alive, fixed | {IMBALANCE: (even, FAR)}, IMBALANCE)

    def _dive_evenly(self, relaxation: Relaxation, root: _Root, even: int) -> bool:
        """Look for even choices by some dives from this solution, whose bounds on the levels before hold; tell if one was found.

        None can be more even than `even`.
        """
        chance = np.random.default_rng(self.seed)
        some = False
        for part in EVEN_DIVES:
            found = self._dived(relaxation, root.possible, root.values, part, chance, EVENLY)
            relaxation.return_to(root.basis)
            if found is not None:
                some = True
                self._keep(found)
                if self._objective(found).imbalance_grains <= even:
                    break
        return some

    def _most_even(self, relaxation: Relaxation, root: _Root, goal: Goal, even: int) -> Ints:
        """Give the most even choice, starting at the best so far, which changes as few clerks as the goal demands.

        At first some of what it has in common with the relaxation is kept (a large neighbourhood), then nothing.
        """
        columns = self.columns
        chance = np.random.default_rng(self.seed)
        fixed = {level: (cost, cost) for level, cost in enumerate((*goal.settled, goal.most))}
        failed = 0
        while True:
            best = self.incumbent
            assert best is not None
            most = self._objective(best).imbalance_grains - goal.step
            if most < even:
                return best
            near = root.useful(most)
            if failed == TRIES or near.sum() < LARGE:
                goal = replace(goal, evenness=most)
                found = self.tree.better(relaxation, root.basis, near, goal, tied=True)
                return best if found is None else found
            kept = np.zeros(len(columns.office.appointments), dtype=bool)
            kept[columns.appointment[best]] = (root.values[best] > 1 - EPSILON) & (
                chance.random(len(best)) < KEPT
            )
            alive = near & ~kept[columns.appointment]
            alive[best] = True
            bounds = fixed | {IMBALANCE: (even, most)}
            found = self._choose(alive, bounds, IMBALANCE, doubtful=True, cuts=relaxation.cuts)
            failed = failed + 1 if found is None else 0

    def _settle_moved(self, relaxation: Relaxation) -> Flags | None:
        """Find the least moved grains that a choice reaches; give the columns of choices with as few.

        If there is none, one more must be cancelled, and None is given.
        """
        cancelled, moved, _ = self.least
        root = self.root
        assert root is not None
        near = root.useful(self.weights[MOVED] * (moved + STEPS[0]) + len(self.columns.office.appointments))
        for allowed in (near, root.possible):
            if self.incumbent is None or self._objective(self.incumbent).cancelled > cancelled:
                self._dive(relaxation, root, allowed)
        self._look_nearby(root)
        most = int(self.columns.cost[MOVED].max()) * len(self.columns.office.appointments)
        found = self.incumbent
        if found is not None and self._objective(found).cancelled == cancelled:
            # Look for something better only.
            most = self._objective(found).moved_grains - moved - 1
        else:
            found = None
        proven = moved - 1
        for more in sorted({most, *(step for step in STEPS if step < most)} if most >= 0 else ()):
            # What was asked before is known to be impossible, so the first answer at the new lower end is the best.
            goal = Goal(MOVED, proven + 1, moved + more, (cancelled,))
            better = self._better(relaxation, root, root.possible, goal)
            proven = moved + more
            if better is not None:
                found = better
                break
        if found is not None:
            cost = self._objective(found)
            total, changed = cost.moved_grains, cost.clerk_changes
            self.least = [cancelled, total, 0]
            # Nothing that changes more clerks at these bounds will be looked for.
            return root.useful(self.weights[MOVED] * total + changed)
        if cancelled >= len(self.columns.office.appointments):
            raise InfeasibleError("the appointments that keep their time can't all be assigned")
        self.least[CANCELLED] += 1
        self.tree.forget()
        self._relax_moved(relaxation)
        return None

    def _look_nearby(self, root: _Root) -> None:
        """Look for choices that move less than the best so far, in large neighbourhoods of it, as long as it's far from the bound.

        Some appointments stay as the best choice has them. Every other time it is to come halfway to the bound at once, which leaves
        far fewer columns. Where branch and cut comes to no end more stay the next time, where there is nothing fewer do.
        """
        columns = self.columns
        chance = np.random.default_rng(self.seed)
        cancelled, moved, _ = self.least
        stay = [STAY, STAY]
        failed = 0
        while self.incumbent is not None and failed < FAILURES:
            best, cost = self.incumbent, self._objective(self.incumbent)
            if cost.cancelled > cancelled or cost.moved_grains - moved <= STEPS[0]:
                break
            far = failed % 2
            aim = cost.moved_grains - 1 if far else (moved + cost.moved_grains) // 2
            changes = len(columns.office.appointments)
            if root.useful(self.weights[MOVED] * (cost.moved_grains - 1) + changes).sum() < MANY:
                break
            near = root.useful(self.weights[MOVED] * aim + changes)
            likely = np.where(root.values[best] > 1 - EPSILON, 1.0, DOUBTED) * stay[far]
            staying = best[near[best] & (chance.random(len(best)) < likely)]
            alive = near & ~np.isin(columns.appointment, columns.appointment[staying])
            alive[staying] = True
            bounds = {CANCELLED: (cancelled, cancelled), MOVED: (moved, aim)}
            question = Question(alive, bounds, MOVED, pauses=PAUSES)
            choice = choose(columns, question, self.left, seed=self.seed)
            if choice.columns is not None:
                self._keep(choice.columns)
                failed = 0
            else:
                failed += 1
                stay[far] = min(1.0, max(0.0, stay[far] + (-CHANGE if choice.proven else CHANGE)))

    def _better(self, relaxation: Relaxation, root: _Root, allowed: Flags, goal: Goal) -> Ints | None:
        """Give the best choice that reaches the goal among these columns; None if there is none.

        The root is a solution by the weights that keeps the bounds on the levels before.
        """
        useful = allowed & root.useful(self.tree.most(goal))
        found = self.tree.better(relaxation, root.basis, useful, goal)
        if found is not None:
            self._keep(found)
        return found

    def _ask(self, alive: Flags, goal: Goal, cuts: tuple[Cut, ...]) -> Ints | None:
        both = goal.level != IMBALANCE
        return self._choose(alive, goal.bounds(), goal.level, both=both, doubtful=True, cuts=cuts)

    def _dive(self, relaxation: Relaxation, root: _Root, allowed: Flags) -> None:
        """Look for good choices by some dives from this solution of the relaxation, among these columns."""
        relaxation = relaxation.among(allowed, root.basis)
        basis = relaxation.basis()
        chance = np.random.default_rng(self.seed)
        for part in DIVES:
            alive = allowed
            best = None if self.incumbent is None else self._objective(self.incumbent)
            if best is not None and best.cancelled == self.least[CANCELLED]:
                dearest = self.weights[MOVED] * best.moved_grains + best.clerk_changes - 1
                if dearest < root.value - EPSILON:
                    break
                alive = allowed & root.useful(dearest)
            found = self._dived(relaxation, alive, root.values, part, chance, self.weights)
            if found is not None:
                self._keep(found)
            relaxation.return_to(basis)

    def _dived(
        self,
        relaxation: Relaxation,
        alive: Flags,
        values: Floats,
        part: int,
        chance: np.random.Generator,
        weights: tuple[int, int, int, int],
    ) -> Ints | None:
        """Fix the clearest appointments of a solution of the relaxation and solve it again, until all are; give the choice.

        At most one in `part` of those that aren't clear is fixed at once; chance decides a little too, so that dives differ.
        None where a relaxation has no solution any more.
        """
        columns = self.columns
        alive = alive.copy()
        while True:
            unsure = np.flatnonzero((values > EPSILON) & (values < 1 - EPSILON))
            if not len(unsure):
                break
            order = unsure[np.argsort(-values[unsure] - 0.3 * chance.random(len(unsure)), kind="stable")]
            most = max(1, len(np.unique(columns.appointment[unsure])) // part)
            clear = order[1:most][values[order[1:most]] > CLEAR]
            fixed = np.concatenate([np.flatnonzero(values >= 1 - EPSILON), order[:1], clear])
            # The drawn one may share its appointment with a clear one.
            fixed = fixed[np.unique(columns.appointment[fixed], return_index=True)[1]]
            settled = np.zeros(len(columns.office.appointments), dtype=bool)
            settled[columns.appointment[fixed]] = True
            alive &= ~settled[columns.appointment]
            alive[fixed] = True
            relaxation.restrict(alive)
            try:
                relaxation.solve(weights, self.left)
            except InfeasibleError:
                return None
            values = relaxation.values()
        return np.flatnonzero(values > 0.5)

    def _keep(self, chosen: Ints) -> None:
        if self.incumbent is None or self._objective(chosen) < self._objective(self.incumbent):
            self.incumbent = chosen

    def _settle_rest(self, whole: Relaxation, useful: Flags) -> Ints:
        """Give the choice with the fewest clerk changes, and then the least imbalance, at the least moved grains, which the best so far has too."""
        relaxation, root = self._relax_changed(whole, useful)
        changed = self.least[CHANGED]
        assert self.incumbent is not None
        if self._objective(self.incumbent).clerk_changes > changed:
            self._dive(relaxation, root, useful)
        best = self._objective(self.incumbent)
        step = 1 if parity(self.columns, useful) is None else 2
        goal = Goal(
            CHANGED,
            changed,
            best.clerk_changes,
            tuple(self.least[:CHANGED]),
            best.imbalance_grains - step,
            step,
        )
        self._better(relaxation, root, useful, goal)
        return self.incumbent

    def _choose(
        self,
        alive: Flags,
        bounds: dict[int, tuple[int, int]],
        level: int | None,
        *,
        both: bool = False,
        doubtful: bool = False,
        cuts: tuple[Cut, ...] = (),
    ) -> Ints | None:
        question = Question(alive, bounds, level, both=both, doubtful=doubtful, cuts=cuts)
        choice = choose(self.columns, question, self.left, seed=self.seed)
        if choice.columns is not None:
            self._keep(choice.columns)
        if not choice.proven:
            raise OutOfTimeError
        return choice.columns

    def _costs(self, relaxation: Relaxation) -> Floats:
        costs: Floats = self.columns.cost @ relaxation.values()
        return costs

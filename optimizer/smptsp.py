"""The shift minimisation personnel task scheduling problem: fixed tasks, skills, fewest persons.

Nearly our assignment of appointments to clerks, with public instances to measure against (Krishnamoorthy, Ernst and
Baatar 2012; Smet, Wauters, Mihaylov and Vanden Berghe 2014). The lower bound is the largest number of tasks at one
time, raised where prices on tasks prove that so few can't do. For so many persons, a plan is looked for by
`optimizer.staffing`, several times with different seeds and paces. Small instances that this leaves open are settled by CP-SAT.

OR-Tools and HiGHS can't be loaded into one process (decision 0100), so this module is for a process of its own.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from optimizer.staffing import OPEN, Ejections, Pace, Prices, again, clock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from optimizer.staffing import Flags

FARTHEST = 10**12
"""No time of a task lies farther from 0, so that sums of them fit into a machine's integers."""
PACES = (
    Pace(size=0.03),
    Pace(taste=0.05),
    Pace(first=100, steps=10),
    Pace(size=0.04, taste=0.02),
    Pace(first=150, steps=20),
)
"""How the dives go, one after the other and round again: what one instance needs takes another longer."""
PROOF = Pace(first=1000, steps=10, size=0.05, decay=0.995)
"""A dive from prices that come as close to the linear relaxation's as steps can, to prove that a number is too small."""
FAILURES = 2
"""How often a number of persons has failed before that is tried."""
EJECTIONS = 10_000
"""Steps of the tabu search that follows a dive."""
WINDOW = 0.3
"""Part of the tasks, around an open one, that are planned once more."""
WINDOWS = 2
"""How often a part is planned once more before everything is."""
AGAIN = 2_000
"""Steps of the tabu search after a part has been planned once more."""
SMALL = 600
"""Pairs of a task and a person up to which CP-SAT takes over after the first failure."""
MIDDLING = 4000
"""Pairs up to which CP-SAT is asked once the prices have proved what they can."""
ASKED = 5.0
"""How long then, in its own deterministic time; about three times as many seconds."""


@dataclass(frozen=True, slots=True)
class TaskInstance:
    """Tasks as half-open periods, and for each person the tasks that she may take.

    Raises ValueError for an empty period, an unknown task, or a task that nobody may take.
    """

    name: str
    tasks: tuple[tuple[int, int], ...]
    persons: tuple[frozenset[int], ...]

    def __post_init__(self) -> None:
        for number, (start, end) in enumerate(self.tasks):
            if start >= end:
                raise ValueError(f"task {number}: it ends at {end}, not after its start {start}")
            if max(abs(start), abs(end)) > FARTHEST:
                raise ValueError(f"task {number}: its period is beyond {FARTHEST}")
        known: set[int] = set()
        for number, tasks in enumerate(self.persons):
            known |= tasks
            if any(not 0 <= task < len(self.tasks) for task in tasks):
                raise ValueError(f"person {number}: an unknown task")
        if len(known) < len(self.tasks):
            missing = min(set(range(len(self.tasks))) - known)
            raise ValueError(f"task {missing}: nobody may take it")


@dataclass(frozen=True, slots=True)
class TaskPlan:
    """Who takes each task, how many persons that uses, and how few it could be at best.

    Without a plan `used` is None and `persons` empty; with `impossible`, it's proven that there is none.
    """

    used: int | None
    lower_bound: int
    seconds: float
    persons: tuple[int, ...]
    impossible: bool = False

    @property
    def proven_optimal(self) -> bool:
        """Whether fewer persons can't do, or nothing can."""
        return self.impossible or self.used == self.lower_bound


def read(name: str, text: str) -> TaskInstance:
    """Read the published text format; raises ValueError naming what is wrong."""
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    counts = {line.split("=")[0].strip(): place for place, line in enumerate(lines) if "=" in line}
    for key in ("Jobs", "Qualifications"):
        if key not in counts:
            raise ValueError(f"{name}: no line {key!r}")
    try:
        first = counts["Jobs"] + 1
        number = int(lines[counts["Jobs"]].split("=")[1])
        pairs = [line.split() for line in lines[first : first + number]]
        tasks = tuple((int(start), int(end)) for start, end in pairs)
        first = counts["Qualifications"] + 1
        number = int(lines[counts["Qualifications"]].split("=")[1])
        rows = [line.split(":") for line in lines[first : first + number]]
        persons = tuple(frozenset(int(task) for task in listed.split()) for _, listed in rows)
    except ValueError as error:
        raise ValueError(f"{name}: a malformed line: {error}") from error
    if len(persons) < number:
        raise ValueError(f"{name}: {len(persons)} persons instead of {number}")
    return TaskInstance(name, tasks, persons)


def cliques(tasks: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Give the maximal sets of tasks that overlap at one time, in the order of time."""
    found: list[list[int]] = []
    active: list[int] = []
    order = sorted(range(len(tasks)), key=lambda task: tasks[task])
    grown = False
    for task in order:
        start = tasks[task][0]
        still = [other for other in active if tasks[other][1] > start]
        if len(still) < len(active) and grown:
            found.append(active)
            grown = False
        active = [*still, task]
        grown = True
    if grown:
        found.append(active)
    return found


def faults(instance: TaskInstance, plan: TaskPlan) -> list[str]:
    """Recompute a plan without a solver; an empty list means nothing is wrong."""
    found = []
    if len(plan.persons) != len(instance.tasks):
        return ["not every task has a person"]
    busy: dict[int, list[tuple[int, int]]] = {}
    for task, person in enumerate(plan.persons):
        if not 0 <= person < len(instance.persons) or task not in instance.persons[person]:
            found.append(f"person {person} may not take task {task}")
        busy.setdefault(person, []).append(instance.tasks[task])
    for person, periods in busy.items():
        periods.sort()
        if any(one[1] > two[0] for one, two in pairwise(periods)):
            found.append(f"person {person} has two tasks at one time")
    if len(busy) != plan.used:
        found.append(f"{len(busy)} persons are used, not {plan.used}")
    return found


def fewest_persons(instance: TaskInstance, *, seconds: float = 60.0, seed: int = 1) -> TaskPlan:
    """Find a plan with the fewest persons; at the end of the time, the best so far.

    With enough time, the same input and seed give the same plan.
    """
    started = time.monotonic()
    search = _Search(instance, clock(seconds), seed)
    search.run(started + seconds)
    taken = time.monotonic() - started
    if search.best is None:
        return TaskPlan(None, search.bound, taken, (), search.impossible)
    return TaskPlan(len(set(search.best)), search.bound, taken, tuple(search.best))


def forced_chains(tasks: Sequence[tuple[int, int]], limit: int) -> list[list[int]]:
    """Put together the tasks that one person must take when no more than `limit` work; the others stay alone.

    From one time when all are busy to the next such time, if only one task has ended and only one has begun, these two
    and all between them belong to the only person that became free.
    """
    head = list(range(len(tasks)))

    def find(task: int) -> int:
        while head[task] != task:
            task = head[task]
        return task

    full = [set(clique) for clique in cliques(tasks) if len(clique) == limit]
    for before, after in pairwise(full):
        gone, come = before - after, after - before
        if len(gone) != 1:
            continue
        first, last = min(gone), min(come)
        for task, (start, end) in enumerate(tasks):
            inside = start >= tasks[first][1] and end <= tasks[last][0]
            if (inside or task == last) and find(task) != find(first):
                head[find(task)] = find(first)
    chains: dict[int, list[int]] = {}
    for task in sorted(range(len(tasks)), key=lambda task: tasks[task]):
        chains.setdefault(find(task), []).append(task)
    return list(chains.values())


class _Search:
    """`bound` persons are needed at least; `best` has each task's person in the best plan so far."""

    def __init__(self, instance: TaskInstance, out_of_time: Callable[[], bool], seed: int) -> None:
        self.instance = instance
        self.out_of_time = out_of_time
        self.seed = seed
        self.bound = max((len(clique) for clique in cliques(instance.tasks)), default=0)
        self.best: list[int] | None = [] if not instance.tasks else None
        self.impossible = self.bound > len(instance.persons)
        self.able: Flags = np.zeros((len(instance.tasks), len(instance.persons)), dtype=bool)
        for person, tasks in enumerate(instance.persons):
            self.able[sorted(tasks), person] = True

    @property
    def used(self) -> int:
        """Persons in the best plan; without one, more than there are."""
        return len(self.instance.persons) + 1 if self.best is None else len(set(self.best))

    def run(self, deadline: float) -> None:
        """Try until the bound is reached or the time is over."""
        attempt = failures = 0
        proving = False
        while self.used > self.bound and not self.impossible and not self.out_of_time():
            # Mostly the bound can be reached. When it resists, something between helps if the time doesn't do.
            limit = self.bound if attempt % 3 < 2 else (self.bound + self.used) // 2
            limit = min(limit, len(self.instance.persons))
            failures += limit == self.bound
            proving = proving or failures == FAILURES + 1
            pace = PROOF if proving else PACES[attempt % len(PACES)]
            if not self._attempt(limit, 1000 * self.seed + attempt, pace):
                # Where the most tasks at one time are too few, the linear relaxation tells more.
                failures, proving = 0, True
                self.impossible = self.bound > len(self.instance.persons)
                continue
            pairs = int(self.able.sum())
            if proving:
                failures, proving = FAILURES + 2, False
                if self.used > self.bound and SMALL < pairs <= MIDDLING:
                    self._settle(deadline, ASKED)
            attempt += 1
            if attempt == 1 and self.used > self.bound and pairs <= SMALL:
                self._settle(deadline, inf)

    def _attempt(self, limit: int, seed: int, pace: Pace) -> bool:
        """Look for a plan with so many persons; False if it's proven that there is none, and then `bound` is raised.

        Where the prices are to prove something, they raise it on the way, and the plan may have as many persons.
        """
        tasks = self.instance.tasks
        chains = forced_chains(tasks, limit)
        periods = [(tasks[chain[0]][0], max(tasks[task][1] for task in chain)) for chain in chains]
        able: Flags = np.array([self.able[chain].all(axis=0) for chain in chains])
        if not able.any(axis=1).all():
            self.bound = max(self.bound, limit + 1)
            return False
        prices = Prices(periods, able, limit, seed, pace)
        alone = len(chains) == len(tasks)
        least = prices.settle(self.out_of_time, rising=alone and pace is PROOF)
        # Tasks that are put together say nothing about more persons.
        self.bound = max(self.bound, least if alone else min(least, limit + 1))
        if self.bound > max(limit, prices.limit) or self.bound > len(self.instance.persons):
            return False
        limit = prices.limit
        prices.dive(self.out_of_time)
        taker = prices.taker
        if prices.lost:
            taker = Ejections(periods, able, taker, limit, seed).run(EJECTIONS, self.out_of_time)
            taker = self._windows(periods, able, taker, limit, seed, prices.pace)
        found = [OPEN] * len(tasks)
        for chain, person in zip(chains, taker, strict=True):
            for task in chain:
                found[task] = person
        if OPEN in found:
            found = self._call_others(found, seed)
        if OPEN not in found and len(set(found)) < self.used:
            self.best = found
        return True

    def _windows(
        self,
        periods: list[tuple[int, int]],
        able: Flags,
        taker: list[int],
        limit: int,
        seed: int,
        pace: Pace,
    ) -> list[int]:
        """Plan the surroundings of an open task once more, and keep what is no worse."""
        chance = random.Random(seed)  # noqa: S311 - not for secrets: the seed makes runs repeatable
        count = max(1, int(WINDOW * len(periods)))
        for _ in range(WINDOWS):
            waiting = [task for task, person in enumerate(taker) if person == OPEN]
            if not waiting or self.out_of_time():
                break
            start, end = periods[chance.choice(waiting)]
            away = [(max(0, one - end, start - two), chance.random()) for one, two in periods]
            near = sorted(range(len(periods)), key=away.__getitem__)[:count]
            part = sorted({*near, *waiting})
            draw = chance.getrandbits(32)
            found = again(
                periods, able, taker, part, limit, seed=draw, pace=pace, out_of_time=self.out_of_time
            )
            if OPEN in found:
                search = Ejections(periods, able, found, limit, draw)
                found = search.run(AGAIN, self.out_of_time)
            if found.count(OPEN) <= len(waiting):
                taker = found
        return taker

    def _call_others(self, taker: list[int], seed: int) -> list[int]:
        """Give the open tasks to persons who aren't used so far, one by one, then by ejections among all."""
        tasks = self.instance.tasks
        for task in sorted(
            (task for task, person in enumerate(taker) if person == OPEN), key=tasks.__getitem__
        ):
            start, end = tasks[task]
            busy = {
                person
                for other, person in enumerate(taker)
                if tasks[other][0] < end and tasks[other][1] > start
            }
            used = set(taker)
            able = [person for person in np.flatnonzero(self.able[task]).tolist() if person not in busy]
            if able:
                taker[task] = min(able, key=lambda person: (person not in used, person))
        if OPEN in taker and self.best is None:
            everybody = len(self.instance.persons)
            taker = Ejections(tasks, self.able, taker, everybody, seed).run(EJECTIONS, self.out_of_time)
        return taker

    def _settle(self, deadline: float, work: float) -> None:
        """Solve a small instance exactly, if so much of CP-SAT's deterministic time does."""
        from ortools.sat.python import cp_model  # noqa: PLC0415 - loaded only where a plan is computed

        model = cp_model.CpModel()
        persons = range(len(self.instance.persons))
        use = [model.new_bool_var("") for _ in persons]
        takes = {(task, person): model.new_bool_var("") for task, person in np.argwhere(self.able).tolist()}
        for task in range(len(self.instance.tasks)):
            model.add_exactly_one(takes[task, person] for person in persons if (task, person) in takes)
        for person in persons:
            mine = sorted(self.instance.persons[person])
            for clique in cliques([self.instance.tasks[task] for task in mine]):
                model.add_at_most_one([*(takes[mine[place], person] for place in clique), ~use[person]])
        for (task, person), variable in takes.items():
            model.add_hint(variable, self.best is not None and self.best[task] == person)
        model.add(sum(use) >= self.bound)
        model.minimize(sum(use))
        solver = cp_model.CpSolver()
        solver.parameters.max_time_in_seconds = max(0.0, deadline - time.monotonic())
        solver.parameters.max_deterministic_time = work
        solver.parameters.num_workers = 1
        # The sets of tasks at one time give the relaxation of longest paths, where most proofs are found.
        solver.parameters.linearization_level = 2
        solver.parameters.random_seed = self.seed
        status = solver.solve(model)
        if status == cp_model.INFEASIBLE:
            self.impossible = True
        elif status in {cp_model.OPTIMAL, cp_model.FEASIBLE}:
            self.best = [OPEN] * len(self.instance.tasks)
            for (task, person), variable in takes.items():
                if solver.value(variable):
                    self.best[task] = person
            self.bound = max(self.bound, round(solver.best_objective_bound))

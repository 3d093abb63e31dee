"""The shift minimisation personnel task scheduling problem: fixed tasks, skills, fewest persons.

Nearly our assignment of appointments to clerks, with public instances to measure against (Krishnamoorthy, Ernst and
Baatar 2012; Smet, Wauters, Mihaylov and Vanden Berghe 2014). The lower bound is the largest number of tasks at one
time. From a greedy plan the least busy person is sent home and her tasks wait; then a few persons at a time give up
all their tasks, and a small CP-SAT model shares these and the waiting ones out anew (fix and optimise, as Smet et al.
do), until nothing waits and the next one can go. Neighbourhoods grow while they are solved fast and to no avail.

OR-Tools and HiGHS can't be loaded into one process (decision 0100), so this module is for a process of its own.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


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
    """Who takes each task, how many persons that uses, and how few it could be at best."""

    used: int
    lower_bound: int
    seconds: float
    persons: tuple[int, ...]

    @property
    def proven_optimal(self) -> bool:
        """Whether fewer persons can't do."""
        return self.used == self.lower_bound


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

    Raises ValueError when no plan at all was found within the time.
    """
    started = time.monotonic()
    bound = max((len(clique) for clique in cliques(instance.tasks)), default=0)
    search = _Search(instance, seed)
    found = search.run(bound, started + seconds)
    if found is None:
        raise ValueError(f"{instance.name}: no plan was found")
    return TaskPlan(len(set(found)), bound, time.monotonic() - started, tuple(found))


OPEN = -1


class _Search:
    """Large neighbourhood search: `limit` persons may be used, some tasks wait."""

    def __init__(self, instance: TaskInstance, seed: int) -> None:
        self.instance = instance
        self.limit = len(instance.persons)
        # Not for secrets: the seed makes runs repeatable.
        self.random = random.Random(seed)  # noqa: S311
        self.able: list[list[int]] = [[] for _ in instance.tasks]
        for person, tasks in enumerate(instance.persons):
            for task in tasks:
                self.able[task].append(person)
        self.taker = [OPEN] * len(instance.tasks)
        self.size = 14

    def run(self, bound: int, deadline: float) -> list[int] | None:
        """Give each task's person with as few persons as were reached, None without any plan."""
        self._greedy()
        best: list[int] | None = None
        while True:
            waiting = [task for task, person in enumerate(self.taker) if person == OPEN]
            left = deadline - time.monotonic()
            if not waiting:
                best = self.taker.copy()
                used = set(best)
                if len(used) <= bound:
                    return best
                self.limit = len(used) - 1
                load = {person: best.count(person) for person in sorted(used)}
                home = min(load, key=lambda person: (load[person], person))
                self.taker = [OPEN if person == home else person for person in self.taker]
            elif left <= 0:
                return best
            else:
                self._improve(waiting, left)

    def _greedy(self) -> None:
        """Give each task, in the order of time, to somebody already used, if possible the least able one."""
        until: dict[int, int] = {}
        order = sorted(range(len(self.taker)), key=lambda task: self.instance.tasks[task])
        for task in order:
            start, end = self.instance.tasks[task]
            free = [person for person in self.able[task] if until.get(person, start) <= start]
            used = [person for person in free if person in until]
            pool = used or free
            if pool:
                person = min(pool, key=lambda who: (len(self.instance.persons[who]), who))
                until[person] = end
                self.taker[task] = person

    def _improve(self, waiting: list[int], left: float) -> None:
        """Share the tasks of a few persons and the waiting ones out anew."""
        task = self.random.choice(waiting)
        used = sorted({person for person in self.taker if person != OPEN})
        near = [person for person in self.able[task] if person in used]
        chosen = set(self.random.sample(near, min(len(near), self.size // 2)))
        rest = [person for person in used if person not in chosen]
        chosen |= set(self.random.sample(rest, min(len(rest), self.size - len(chosen))))
        outside = len(used) - len(chosen)
        spare = [person for person in range(len(self.instance.persons)) if person not in used]
        chosen |= set(self.random.sample(spare, min(len(spare), 3)))
        free = [t for t, person in enumerate(self.taker) if person in chosen or person == OPEN]
        started = time.monotonic()
        improved = self._share_out(free, sorted(chosen), self.limit - outside, min(left, 4.0))
        took = time.monotonic() - started
        if took > 2.0:
            self.size = max(6, self.size - 2)
        elif took < 0.7 and not improved:
            self.size = min(self.size + 1, len(used))

    def _share_out(self, tasks: list[int], persons: list[int], limit: int, seconds: float) -> bool:
        """Minimise the waiting ones among these tasks; ties change the plan too, which keeps the search moving."""
        from ortools.sat.python import cp_model  # noqa: PLC0415 - loaded only where a plan is computed

        model = cp_model.CpModel()
        use = {person: model.new_bool_var("") for person in persons}
        model.add(sum(use.values()) <= limit)
        takes = {
            (task, person): model.new_bool_var("")
            for task in tasks
            for person in self.able[task]
            if person in use
        }
        waits = {task: model.new_bool_var("") for task in tasks}
        options: dict[int, list[cp_model.IntVar]] = {task: [waits[task]] for task in tasks}
        for (task, person), variable in takes.items():
            options[task].append(variable)
            model.add_hint(variable, self.taker[task] == person)
        for task in tasks:
            model.add_exactly_one(options[task])
        for person in persons:
            mine = [task for task in tasks if (task, person) in takes]
            for clique in cliques([self.instance.tasks[task] for task in mine]):
                model.add_at_most_one([*(takes[mine[place], person] for place in clique), ~use[person]])
        before = sum(self.taker[task] == OPEN for task in tasks)
        model.add(sum(waits.values()) <= before)
        model.minimize(sum(waits.values()))
        solver = cp_model.CpSolver()
        solver.parameters.max_time_in_seconds = seconds
        # Many small models: one worker and little presolve, but relaxations, which the cliques make strong.
        solver.parameters.num_workers = 1
        solver.parameters.cp_model_probing_level = 0
        solver.parameters.symmetry_level = 0
        solver.parameters.linearization_level = 2
        solver.parameters.random_seed = self.random.randrange(2**30)
        if solver.solve(model) not in {cp_model.OPTIMAL, cp_model.FEASIBLE}:
            return False
        for task in tasks:
            self.taker[task] = OPEN
        for (task, person), variable in takes.items():
            if solver.value(variable):
                self.taker[task] = person
        return sum(self.taker[task] == OPEN for task in tasks) < before

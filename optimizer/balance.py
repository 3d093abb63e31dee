"""Balance: even out the clerks' work by reassigning appointments at their same time.

Work is weighed by its grains and the clerks' part-time shares, never by counting appointments. The answer is a
curve: how even the work can get with how few changes, for somebody to choose from. Each point is the solution of one
integer program over (appointment, clerk), with the cliques of each clerk's time as rows, as in repair.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from optimizer.columns import CHANGED, IMBALANCE, all_columns
from optimizer.office import Appointment, Clerk, Office
from optimizer.selection import Question, choose
from optimizer.workload import Change, Colleague, Curve, Load, Point, Task, fair_shares

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.columns import Columns, Ints
    from optimizer.office import Id

__all__ = ["Change", "Colleague", "Curve", "Load", "Point", "Task", "balance", "fair_shares"]


def balance(
    colleagues: Sequence[Colleague],
    tasks: Sequence[Task],
    grains_a_day: int,
    *,
    points: int = 12,
    changes: int | None = None,
    seconds: float = 20.0,
    seed: int = 1,
) -> Curve:
    """Give the curve, with at most `points` points beside the present one; the last is the most even.

    With `changes`, the last one with so few is as even as so many allow. A point is proven if nothing is more even with as few
    changes, the last if nothing is more even at all, and the present alone if it's the last.
    Pinned appointments stay, and so do those that somebody placed by hand onto another one or outside her free time.
    With enough time the same input and seed give the same curve. Raises ValueError for ids that are there twice,
    unknown clerks, and periods outside their day.
    """
    started = time.monotonic()
    known = {entry.id: entry for entry in colleagues}
    for task in tasks:
        if task.clerk not in known:
            raise ValueError(f"appointment {task.id}: unknown clerk {task.clerk}")
        if not 0 <= task.day < len(known[task.clerk].free):
            raise ValueError(f"appointment {task.id}: day {task.day} isn't among those to balance")
        if task.length < 1 or task.start < 0 or task.start + task.length > grains_a_day:
            raise ValueError(f"appointment {task.id}: its period doesn't lie within the day")
    if len({task.id for task in tasks}) < len(tasks):
        raise ValueError("appointments: an id is there twice")
    solver = _Curve(colleagues, tasks, grains_a_day, started + seconds, seed)
    return Curve(tuple(solver.points(points, changes)), time.monotonic() - started)


class _Curve:
    def __init__(
        self,
        colleagues: Sequence[Colleague],
        tasks: Sequence[Task],
        grains_a_day: int,
        deadline: float,
        seed: int,
    ) -> None:
        self.colleagues = colleagues
        self.tasks = tasks
        self.deadline = deadline
        self.seed = seed
        targets = fair_shares([entry.share for entry in colleagues], sum(task.length for task in tasks))
        self.targets = {entry.id: target for entry, target in zip(colleagues, targets, strict=True)}
        self.columns = self._columns(grains_a_day)

    def points(self, most: int, wanted: int | None = None) -> list[Point]:
        """Solve for the most even plan, its fewest changes, and numbers of changes in between."""
        present = self._point(np.flatnonzero(self.columns.kept), proven=True)
        if not self.columns.office.appointments or not present.imbalance_grains:
            return [present]
        everything = np.ones(len(self.columns), dtype=bool)
        best = self._solve(Question(everything, {}, IMBALANCE)) if most >= 1 else None
        if best is None or best.imbalance_grains >= present.imbalance_grains:
            return [replace(present, proven_optimal=best is not None and best.proven_optimal)]
        bounds = {IMBALANCE: (0, best.imbalance_grains)}
        fewest = self._solve(Question(everything, bounds, CHANGED)) or replace(best, proven_optimal=False)
        last = replace(fewest, proven_optimal=best.proven_optimal and fewest.proven_optimal)
        found = [present]
        top = len(last.changes)
        numbers = {round(top * step / most) for step in range(1, most)}
        if wanted is not None and wanted < top:
            numbers.add(wanted)
        for number in sorted(numbers - {0, top}):
            question = Question(everything, {CHANGED: (0, number)}, IMBALANCE)
            point = self._solve(question)
            if point is not None and point.imbalance_grains < found[-1].imbalance_grains:
                found.append(point)
            elif number == wanted and (point is None or not point.proven_optimal):
                found[-1] = replace(found[-1], proven_optimal=False)
        return [point for point in found if point.imbalance_grains > last.imbalance_grains] + [last]

    def _columns(self, grains_a_day: int) -> Columns:
        """Lay the days end to end; what can't move is taken out of its clerk's free time and target."""
        free = {entry.id: list(entry.free) for entry in self.colleagues}
        targets = dict(self.targets)
        once: dict[tuple[Id, int], int] = {}
        twice: dict[tuple[Id, int], int] = {}
        for task in self.tasks:
            key = (task.clerk, task.day)
            twice[key] = twice.get(key, 0) | once.get(key, 0) & task.mask
            once[key] = once.get(key, 0) | task.mask
        skills = {entry.id: entry.services for entry in self.colleagues}
        stay = [
            task.pinned
            or not task.services <= skills[task.clerk]
            or bool(task.mask & (twice[task.clerk, task.day] | ~free[task.clerk][task.day]))
            for task in self.tasks
        ]
        movable = [task for task, stays in zip(self.tasks, stay, strict=True) if not stays]
        for task, stays in zip(self.tasks, stay, strict=True):
            if stays:
                targets[task.clerk] -= task.length
                free[task.clerk][task.day] &= ~task.mask
        clerks = tuple(
            Clerk(
                entry.id,
                entry.services,
                (sum(bits << day * grains_a_day for day, bits in enumerate(free[entry.id])),),
                targets[entry.id],
            )
            for entry in self.colleagues
        )
        appointments = tuple(
            Appointment(
                task.id,
                task.clerk,
                task.day * grains_a_day + task.start,
                task.length,
                task.services,
                hit=False,
            )
            for task in movable
        )
        days = max((len(entry.free) for entry in self.colleagues), default=1)
        return all_columns(Office("balance", max(1, days) * grains_a_day, clerks, appointments))

    def _solve(self, question: Question) -> Point | None:
        left = self.deadline - time.monotonic()
        if left <= 0:
            return None
        choice = choose(self.columns, question, left, seed=self.seed)
        return None if choice.columns is None else self._point(choice.columns, proven=choice.proven)

    def _point(self, chosen: Ints, *, proven: bool) -> Point:
        office = self.columns.office
        taker = {
            office.appointments[int(self.columns.appointment[column])].id: office.clerks[
                int(self.columns.clerk[column])
            ].id
            for column in chosen.tolist()
        }
        loads = dict.fromkeys(self.targets, 0)
        changes = []
        for task in self.tasks:
            clerk = taker.get(task.id, task.clerk)
            loads[clerk] += task.length
            if clerk != task.clerk:
                changes.append(Change(task.id, task.clerk, clerk))
        return Point(
            sum(abs(loads[clerk] - target) for clerk, target in self.targets.items()),
            tuple(changes),
            tuple(Load(clerk, target, loads[clerk]) for clerk, target in self.targets.items()),
            proven,
        )

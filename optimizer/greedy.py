"""A day's plan without a solver, in milliseconds: whoever isn't hit stays, and each hit appointment goes where it moves least.

Twice: to what is free as it stands, and after admission's chains have reassigned others at their same time (`optimizer.chained`). The better one is
given. `optimizer.repair` begins and ends with it where its time runs out; where the solver isn't installed, or can't be loaded, it's all there is.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from optimizer import check
from optimizer.bits import span
from optimizer.chained import chained_columns, kept_columns
from optimizer.columns import CANCELLED, MOVED, all_columns
from optimizer.solution import Assignment, InfeasibleError, Place, Solution

if TYPE_CHECKING:
    from collections.abc import Iterable

    from optimizer.columns import Columns, Ints
    from optimizer.office import Office
    from optimizer.solution import Objective


def repair(office: Office, *, seconds: float = 0.0, seed: int = 1) -> Solution:
    """Plan the day anew, never proven. Takes what `optimizer.repair.repair` takes, and needs neither of the two. Raises InfeasibleError."""
    del seconds, seed
    started = time.monotonic()
    columns = all_columns(office)
    found = assignments(columns, best(columns))
    return Solution(office.name, check.objective(office, found), False, time.monotonic() - started, found)


def best(columns: Columns, known: Iterable[Ints] = ()) -> Ints:
    """Give the best of the `known` choices and the greedy ones. Raises InfeasibleError if the day as it stands has faults that they keep."""
    faults: list[str] = []
    possible = []
    for chosen in (
        nearest(columns),
        _filled(columns, chained_columns(columns)),
        *known,
    ):
        faults = check.faults(columns.office, assignments(columns, chosen))
        if not faults:
            possible.append(chosen)
    if not possible:
        raise InfeasibleError(f"no plan was found in time, and the day as it stands has faults: {faults[0]}")
    return min(possible, key=lambda chosen: objective(columns, chosen))


def nearest(columns: Columns) -> Ints:
    """Give the choice in which nobody else changes: each hit one goes where it moves least, as long as something is free."""
    return _filled(columns, kept_columns(columns))


def objective(columns: Columns, chosen: Ints) -> Objective:
    """Return what a choice costs."""
    return check.objective(columns.office, assignments(columns, chosen))


def assignments(columns: Columns, chosen: Ints) -> tuple[Assignment, ...]:
    """Return a choice of columns as places."""
    office = columns.office
    days = max(1, office.days)
    found = []
    for column in chosen.tolist():
        clerk = int(columns.clerk[column])
        place = (
            None
            if clerk < 0
            else Place(office.clerks[clerk].id, int(columns.slot[column]) % days, int(columns.start[column]))
        )
        found.append(Assignment(office.appointments[int(columns.appointment[column])].id, place))
    return tuple(found)


def _filled(columns: Columns, given: list[int]) -> Ints:
    """Put each hit one that has no place yet where it moves least, the longest first, or cancel it."""
    chosen = list(given)
    placed = set(columns.appointment[chosen].tolist())
    taken: dict[int, int] = {}

    def mask(column: int) -> int:
        return span(int(columns.start[column]), int(columns.length[column]))

    for column in chosen:
        slot = int(columns.slot[column])
        taken[slot] = taken.get(slot, 0) | mask(column)
    entries = columns.office.appointments
    hit = [number for number, entry in enumerate(entries) if entry.hit and number not in placed]
    for number in sorted(hit, key=lambda number: (-entries[number].length, number)):
        mine = np.flatnonzero(columns.appointment == number)
        order = mine[np.lexsort((columns.cost[MOVED, mine], columns.cost[CANCELLED, mine]))]
        for column in order.tolist():
            slot = int(columns.slot[column])
            if slot < 0 or not taken.get(slot, 0) & mask(column):
                taken[slot] = taken.get(slot, 0) | mask(column)
                chosen.append(column)
                break
    return np.sort(np.array(chosen, dtype=np.int64))

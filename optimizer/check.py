"""Verification without a solver: what admission and repair answer is recomputed here from the definitions.

Nothing here shares code with the search that it judges.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from optimizer.constraints import complete, eligibility, no_overlap, promised_time, working_time
from optimizer.objectives import cancelled, clerk_changes, imbalance_grains, moved_grains
from optimizer.solution import Objective

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.instance import ClerkDay, OfficeDay, Placement, Reassignment, Request
    from optimizer.office import Office
    from optimizer.solution import Assignment


def check_placement(day: OfficeDay, request: Request, placement: Placement) -> list[str]:
    """Say in sentences what is wrong with a placement; an empty list means nothing is.

    Every reassigned appointment must exist, not be pinned, come from its clerk and go to an eligible one who
    works then; nobody may get an overlap that wasn't there before; the request must lie in its window.
    """
    clerks = {clerk.clerk: clerk for clerk in day.clerks}
    period = range(request.start, request.start + request.length)
    faults: list[str] = []
    if period.stop > day.grains or any(not request.window >> grain & 1 for grain in period):
        faults.append("the request lies outside its window")
    faults += _faults_of_moves(day, clerks, placement.reassigned)
    taker = clerks.get(placement.clerk)
    if taker is None:
        return [*faults, f"{placement.clerk} is no clerk of this office"]
    faults += _faults_of_taking(taker, "the request", request.services, period)
    return faults + _overlaps(day, request, placement)


def _faults_of_moves(
    day: OfficeDay, clerks: dict[str, ClerkDay], moves: tuple[Reassignment, ...]
) -> list[str]:
    booked = {entry.uid: entry for entry in day.booked}
    faults = [
        f"{uid} is reassigned twice" for uid, count in Counter(m.uid for m in moves).items() if count > 1
    ]
    for move in moves:
        entry = booked.get(move.uid)
        target = clerks.get(move.to_clerk)
        if entry is None or target is None:
            faults.append(f"{move.uid} to {move.to_clerk}: unknown appointment or clerk")
            continue
        if entry.pinned:
            faults.append(f"{move.uid} is pinned")
        if entry.clerk != move.from_clerk or entry.clerk == move.to_clerk:
            faults.append(f"{move.uid} doesn't go from {move.from_clerk} to {move.to_clerk}")
        period = range(entry.start, entry.start + entry.length)
        faults += _faults_of_taking(target, move.uid, entry.services, period)
    return faults


def _faults_of_taking(clerk: ClerkDay, what: str, services: frozenset[str], period: range) -> list[str]:
    faults: list[str] = []
    if not services <= clerk.services:
        faults.append(f"{clerk.clerk} may not do all of {what}")
    if any(not clerk.free >> grain & 1 for grain in period):
        faults.append(f"{clerk.clerk} doesn't work during {what}")
    return faults


def _overlaps(day: OfficeDay, request: Request, placement: Placement) -> list[str]:
    moved = {move.uid: move.to_clerk for move in placement.reassigned}
    entries = [
        (entry.uid, moved.get(entry.uid, entry.clerk), entry.start, entry.start + entry.length)
        for entry in day.booked
    ]
    entries.append(("the request", placement.clerk, request.start, request.start + request.length))
    new = {*moved, "the request"}
    return [
        f"{uid} overlaps {other} at {clerk}"
        for index, (uid, clerk, start, end) in enumerate(entries)
        for other, other_clerk, other_start, other_end in entries[:index]
        if clerk == other_clerk and start < other_end and other_start < end and (uid in new or other in new)
    ]


def faults(office: Office, assignments: Sequence[Assignment]) -> list[str]:
    """Say in sentences what is wrong with a repair plan; an empty list means nothing is."""
    rules = (complete, eligibility, working_time, no_overlap, promised_time)
    return [fault for rule in rules for fault in rule.faults(office, assignments)]


def objective(office: Office, assignments: Sequence[Assignment]) -> Objective:
    """Compute the four levels of a repair plan from their definitions."""
    return Objective(
        cancelled.cost(office, assignments),
        moved_grains.cost(office, assignments),
        clerk_changes.cost(office, assignments),
        imbalance_grains.cost(office, assignments),
    )

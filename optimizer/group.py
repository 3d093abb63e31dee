"""Several appointments for one group: each person her own, beside each other or one after another.

Each appointment is placed by admission like any other, the ones before it already there, in the order of their starts. So a site that
plans a group from the busy feed and a calendar server that books its appointments one by one in a transaction come to
the same answer: whoever takes what, nothing that could be placed is refused, since all of them may still change clerk.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING

from optimizer.admission import Day
from optimizer.bits import each, runs
from optimizer.instance import Booked, Refusal, Request

if TYPE_CHECKING:
    from optimizer.instance import Placement


REASSIGNING = 2
"""At one start so many of a group make others change clerk; the rest find a clerk who is free. More would cost a city seconds."""


class Arrangement(StrEnum):
    """How the appointments of a group lie to each other."""

    SOONEST = "soonest"
    """As many at once as can be, the rest right after them: the group is done as early as possible."""
    TOGETHER = "together"
    """All at the same time, each with another clerk."""
    IN_TURN = "in-turn"
    """One after another without a gap."""


def plan(
    day: Day,
    request: Request,
    count: int,
    arrangement: Arrangement,
) -> tuple[int, ...] | None:
    """Return the start of each of `count` appointments like `request`, the first at its start; None if they don't fit.

    Raises ValueError for fewer than one.
    """
    if count < 1:
        raise ValueError(f"a group of {count}")
    found = _planned(day, request, count, arrangement)
    if found is None and arrangement is Arrangement.SOONEST:
        # What several of them at once set in motion may be in the way of those after them.
        return _planned(day, request, count, Arrangement.IN_TURN)
    return found


def _planned(day: Day, request: Request, count: int, arrangement: Arrangement) -> tuple[int, ...] | None:
    free = _vacant(day, request)
    state, touched = day, False
    starts: list[int] = []
    at = request.start
    while len(starts) < count:
        if at + request.length > day.day.grains:
            return None
        most = 1 if arrangement is Arrangement.IN_TURN else count - len(starts)
        direct = sum(1 for vacant in free if vacant >> at & 1)
        if arrangement is Arrangement.TOGETHER and direct + REASSIGNING < count:
            return None
        if direct >= most and not touched:
            placed = most
        else:
            if not touched:
                # What was counted so far has to be really there for a chain to go around it.
                state, touched = _seated(day, request, starts), True
            placed, state = _place(state, replace(request, start=at), most, len(starts))
        if placed == 0 or (arrangement is Arrangement.TOGETHER and placed < count):
            return None
        starts += [at] * placed
        at += request.length
    return tuple(starts)


def starts(day: Day, request: Request, count: int, arrangement: Arrangement, wanted: int) -> int:
    """Return those of the starts in `wanted` (bits) at which a group fits; `request` with any start says what each one needs."""
    found = 0
    for start in each(wanted):
        if plan(day, replace(request, start=start), count, arrangement) is not None:
            found |= 1 << start
    return found


def _vacant(day: Day, request: Request) -> list[int]:
    """For each clerk who may do it: where it fits without anybody being reassigned."""
    return [
        runs(day.clerks[clerk].free & ~day.occupied[clerk] & request.window, request.length)
        for clerk in day.eligible(request.services)
    ]


def _seated(day: Day, request: Request, starts_so_far: list[int]) -> Day:
    """The day with those that were only counted so far, each with a clerk who is free for it."""
    state = day
    for start, number in Counter(starts_so_far).items():
        state, _ = _directly(state, replace(request, start=start), number)
    return state


def _directly(state: Day, request: Request, most: int) -> tuple[Day, int]:
    """Place up to `most` at one start with whoever is free, which of them doesn't matter; returns how many it were."""
    mask = request.mask
    free = [
        clerk
        for clerk in state.eligible(request.services)
        if not mask & ~(state.clerks[clerk].free & request.window) and not mask & state.occupied[clerk]
    ][:most]
    if not free:
        return state, 0
    seated = tuple(
        Booked(
            f"group {request.start} {clerk}",
            state.clerks[clerk].clerk,
            request.start,
            request.length,
            request.services,
        )
        for clerk in free
    )
    return Day(replace(state.day, booked=(*state.day.booked, *seated))), len(free)


def _place(state: Day, request: Request, most: int, number: int) -> tuple[int, Day]:
    """Place up to `most` at the same start; returns how many it were, and the day with them."""
    state, done = _directly(state, request, most)
    for placed in range(done, min(most, done + REASSIGNING)):
        answer = state.admit(request)
        if isinstance(answer, Refusal):
            return placed, state
        state = _after(state, request, answer, f"group {number + placed}")
    return min(most, done + REASSIGNING), state


def _after(state: Day, request: Request, answer: Placement, uid: str) -> Day:
    moved = {step.uid: step.to_clerk for step in answer.reassigned}
    booked = [
        replace(entry, clerk=moved[entry.uid]) if entry.uid in moved else entry for entry in state.day.booked
    ]
    booked.append(Booked(uid, answer.clerk, request.start, request.length, request.services))
    return Day(replace(state.day, booked=tuple(booked)))

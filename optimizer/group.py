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
    # What several of them at once set in motion may be in the way of those after them.
    ways = [arrangement, Arrangement.IN_TURN] if arrangement is Arrangement.SOONEST else [arrangement]
    for way in ways:
        found = _planned(day, request, count, way) or Seats(day).plan(request, count, way)
        if found is not None:
            return found
    return None


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
    """Return those of the starts in `wanted` (bits) at which a group fits; `request` with any start says what each one needs.

    Exactly those at which `plan` finds a way. Mostly counting who is vacant tells, or seating them without a search.
    """
    vacant = _vacant(day, request)
    # Where at least so many clerks are vacant.
    many = [-1] + [0] * count
    for clerk in vacant:
        for number in range(count, 0, -1):
            many[number] |= many[number - 1] & clerk
    in_turn = many[1]
    for number in range(1, count):
        in_turn &= many[1] >> number * request.length
    found = {
        Arrangement.TOGETHER: many[count],
        Arrangement.IN_TURN: in_turn,
        Arrangement.SOONEST: many[count] | in_turn,
    }[arrangement] & wanted
    left = wanted & ~found
    if arrangement is Arrangement.TOGETHER:
        left &= many[max(0, count - REASSIGNING)]
    seats = Seats(day)
    for start in each(left):
        one = replace(request, start=start)
        if seats.plan(one, count, arrangement) or plan(day, one, count, arrangement) is not None:
            found |= 1 << start
    return found


class Seats:
    """Who sits where on a day, to seat a group without a search: whoever is in the way goes to somebody vacant, or stays.

    What it finds can be had, for nobody is refused whom some arrangement has room for; where it finds nothing, there may be a way.
    """

    def __init__(self, day: Day) -> None:
        self._day = day
        self._vacant = [clerk.free & ~taken for clerk, taken in zip(day.clerks, day.occupied, strict=True)]
        # Where some of a clerk's appointments stand on top of each other, taking one away leaves her no vacant time.
        self._twice = [0] * len(day.clerks)
        for clerk, items in enumerate(day.items):
            once = 0
            for item in items:
                self._twice[clerk] |= once & day.masks[item]
                once |= day.masks[item]

    def plan(self, request: Request, count: int, arrangement: Arrangement) -> tuple[int, ...] | None:
        """Return the starts of a group as `plan` does."""
        vacant, moved = self._vacant.copy(), set[int]()
        found: list[int] = []
        at = request.start
        eligible = self._day.eligible(request.services)
        while len(found) < count:
            one = replace(request, start=at)
            if at + request.length > self._day.day.grains or one.mask & ~request.window:
                return None
            most = 1 if arrangement is Arrangement.IN_TURN else count - len(found)
            placed = self._seat(one.mask, most, eligible, vacant, moved)
            if not placed or (arrangement is Arrangement.TOGETHER and placed < count):
                return None
            found += [at] * placed
            at += request.length
        return tuple(found)

    def _seat(self, mask: int, most: int, eligible: list[int], vacant: list[int], moved: set[int]) -> int:
        """Seat up to so many at once; returns how many."""
        placed = 0
        for clerk in eligible:
            if placed < most and not mask & ~vacant[clerk]:
                vacant[clerk] &= ~mask
                placed += 1
        directly = placed
        for clerk in eligible:
            if placed >= most or placed >= directly + REASSIGNING:
                break
            if not mask & ~self._day.clerks[clerk].free and self._cleared(mask, clerk, vacant, moved):
                vacant[clerk] &= ~mask
                placed += 1
        return placed

    def _cleared(self, mask: int, clerk: int, vacant: list[int], moved: set[int]) -> bool:
        """Let those who stand there go to clerks who are vacant at their time; False, and nothing changed, if that can't be."""
        day = self._day
        there = [item for item in day.items[clerk] if day.masks[item] & mask and item not in moved]
        taken = mask & ~vacant[clerk]
        for item in there:
            if day.masks[item] & self._twice[clerk]:
                return False
            taken &= ~day.masks[item]
        if taken:
            # Somebody who has come here only now.
            return False
        before = vacant.copy()
        for item in there:
            new = next((taker for taker in day.takers(item) if not day.masks[item] & ~vacant[taker]), None)
            if new is None:
                vacant[:] = before
                return False
            vacant[new] &= ~day.masks[item]
        for item in there:
            vacant[clerk] |= day.masks[item] & day.clerks[clerk].free
        moved.update(there)
        return True


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

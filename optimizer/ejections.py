"""A search for room in which appointments drive each other away, and never a step is taken back.

Whoever has no clerk takes the one whose appointments weigh least, these have no clerk then, and so on. Whoever had to be placed by force weighs more
from then on, so that the search doesn't go round in circles. An appointment that somebody vacant could take weighs next to nothing. A step costs some
microseconds; but that no place was found says nothing.

Y. Nagata, O. Bräysy: A powerful route minimization heuristic for the vehicle routing problem with time windows. Operations Research Letters (2009).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from optimizer.bits import each

if TYPE_CHECKING:
    from optimizer.matchings import Question

__all__ = ["Ejections", "Rearrangement"]

IN_THE_WAY = 2
"""At most so many go elsewhere to let one return to her clerk."""
WEIGHT = 16
"""What an appointment weighs, beside one for each of its grains. One that somebody vacant could take weighs a quarter of that."""
FORCED = 8
"""So much heavier is one that was placed by force."""
LIGHT = 10
"""Nothing is looked for that weighs less than so much."""
BACK = 16
"""What it costs to go back to the clerk from whom one was driven away last."""
_FIXED = 1 << 40
"""What one weighs that can't leave."""

_Seen = tuple[int, int, int, int]
"""Of an appointment the first moment and the one after its last, its domain, and all that overlap it (bits)."""


class Rearrangement(NamedTuple):
    """Who takes the request, and the new clerks of those who change, by position."""

    clerk: int
    placed: dict[int, int]


class Ejections:
    """One search. `held` has each clerk's appointments, `taken` the clerks who have something at each moment, `at` the new clerks of those that left theirs."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self._seen: list[_Seen | None] = [None] * (question.request + 1)
        self._options: dict[int, list[tuple[int, int]]] = {}
        self.begin()

    def begin(self) -> None:
        """Begin anew with the day as it stands, and with what was worked out since the last time."""
        question = self.question
        table, request = question.table, question.request
        self.held = table.held.copy()
        self.taken = table.taken.copy()
        self.at: dict[int, int] = {}
        self._driven_from: dict[int, int] = {}
        self._pending = [request]
        for item in each(question.touched):
            self._seen[item] = None
            self._options.pop(item, None)
        for item in each(question.touched ^ 1 << request):
            home = table.holders[item]
            if not question.domains[item] >> home & 1:
                self._pending.append(item)
                self._leave(item, home)

    def _look(self, item: int) -> _Seen:
        question = self.question
        domain = question.domains[item]
        if item == question.request:
            known = (*question.moments, domain, question.beside)
        else:
            course = question.table.course
            domain = domain or question.table.domain(item)
            overlaps = course.overlaps(item)
            if question.beside >> item & 1:
                overlaps |= 1 << question.request
            known = (course.first[item], course.last[item], domain, overlaps)
        self._seen[item] = known
        # A domain with one clerk is a power of two.
        if not domain & (domain - 1):
            question.burden[item] = _FIXED
        elif item not in question.burden:
            question.burden[item] = WEIGHT + question.length(item)
        return known

    def _ways(self, item: int, domain: int) -> list[tuple[int, int]]:
        known = self._options[item] = [entry for entry in self.question.table.ranked if entry[1] & domain]
        return known

    def _leave(self, item: int, clerk: int) -> None:
        first, last, _, overlaps = self._seen[item] or self._look(item)
        self.held[clerk] ^= 1 << item
        stay, taken = ~(1 << clerk), self.taken
        for moment in range(first, last):
            taken[moment] &= stay
        if self.held[clerk] & overlaps:
            # It stood on top of these.
            self._mark(self.held[clerk] & overlaps, 1 << clerk)

    def _enter(self, item: int, clerk: int) -> None:
        first, last, _, _ = self._seen[item] or self._look(item)
        self.held[clerk] |= 1 << item
        bit, taken = 1 << clerk, self.taken
        for moment in range(first, last):
            taken[moment] |= bit

    def place(self, item: int, clerk: int) -> None:
        """Give an appointment that is at home, or without a clerk, to this one, whoever else is there."""
        if item != self.question.request:
            home = self.question.table.holders[item]
            if self.held[home] >> item & 1:
                self._leave(item, home)
        self._enter(item, clerk)
        self.at[item] = clerk

    def run(self, steps: int) -> bool:
        """Place the request, and all that follows, in at most so many steps."""
        held, taken, seen, at = self.held, self.taken, self._seen, self.at
        pending, burden, orderly = self._pending, self.question.burden, self.question.table.orderly
        for _ in range(steps):
            item = pending.pop()
            clerk, driven = self._cheapest(item)
            if clerk < 0:
                pending.append(item)
                break
            bit = 1 << clerk
            if driven:
                burden[item] += FORCED
                held[clerk] ^= driven
                while driven:
                    other = driven.bit_length() - 1
                    driven ^= 1 << other
                    moment, last, _, overlaps = seen[other] or self._look(other)
                    while moment < last:
                        taken[moment] &= ~bit
                        moment += 1
                    if not orderly and held[clerk] & overlaps:
                        self._mark(held[clerk] & overlaps, bit)
                    self._driven_from[other] = clerk
                    at.pop(other, None)
                    pending.append(other)
            held[clerk] |= 1 << item
            moment, last, _, _ = seen[item] or self._look(item)
            while moment < last:
                taken[moment] |= bit
                moment += 1
            at[item] = clerk
            if not pending:
                return True
        return False

    def _mark(self, items: int, clerk: int) -> None:
        """Note that a clerk (a bit) has these (bits)."""
        for item in each(items):
            first, last, _, _ = self._seen[item] or self._look(item)
            for moment in range(first, last):
                self.taken[moment] |= clerk

    def _cheapest(self, item: int) -> tuple[int, int]:
        """Give the clerk to whom one can go at the least cost, and whom it drives away there (bits); -1 if all of them have somebody who can't leave."""
        first, last, domain, overlaps = self._seen[item] or self._look(item)
        taken = self.taken
        vacant = domain & ~taken[first]
        while vacant and (first := first + 1) < last:
            vacant &= ~taken[first]
        options = self._options.get(item) or self._ways(item, domain)
        if vacant:
            home = self.question.home(item)
            if home >= 0 and vacant >> home & 1:
                return home, 0
            return next(clerk for clerk, bit in options if vacant & bit), 0
        return self._lightest(item, options, overlaps)

    def _lightest(self, item: int, options: list[tuple[int, int]], overlaps: int) -> tuple[int, int]:
        """Give the clerk whose appointments among these (bits) weigh least, and them."""
        question, seen, taken, held = self.question, self._seen, self.taken, self.held
        burden, orderly = question.burden, question.table.orderly
        before = self._driven_from.get(item, -1)
        least = _FIXED
        best, driven = -1, 0
        for clerk, _ in options:
            there = overlaps & held[clerk]
            if not orderly and clerk == question.home(item):
                # Whoever stands on top of whom at home may stay there.
                there &= ~question.table.held[clerk]
            cost = BACK if clerk == before else 0
            left = there
            while left:
                other = left.bit_length() - 1
                left ^= 1 << other
                first, last, vacant, _ = seen[other] or self._look(other)
                vacant &= ~taken[first]
                while vacant and (first := first + 1) < last:
                    vacant &= ~taken[first]
                cost += burden[other] >> 2 if vacant else burden[other]
                if cost >= least:
                    break
            else:
                least, best, driven = cost, clerk, there
                if cost <= LIGHT:
                    break
        return best, driven

    def found(self) -> Rearrangement:
        """Give where the request and the others went. First everybody returns to her clerk who can, whoever is there now going elsewhere without driving anybody away."""
        request = self.question.request
        course = self.question.table.course
        waiting = sorted(self.at)
        while waiting:
            stirred = 0
            for item in waiting:
                if item != request and item in self.at and self._returns(item):
                    stirred |= course.overlaps(item)
            waiting = [item for item in sorted(self.at) if stirred >> item & 1]
        return Rearrangement(self.at.pop(request), self.at)

    def _returns(self, item: int) -> bool:
        """Let one return to her clerk, if that works."""
        at = self.at
        home, away = self.question.home(item), at[item]
        if home == away:
            del at[item]
            return True
        there = (self._seen[item] or self._look(item))[3] & self.held[home]
        if there and not self.question.table.orderly:
            there &= ~self.question.table.held[home]
        if there.bit_count() > IN_THE_WAY or not self._could_go(there, 1 << away):
            return False
        self._leave(item, away)
        for other in each(there):
            self._leave(other, home)
        self._enter(item, home)
        moved: list[tuple[int, int]] = []
        for other in each(there):
            clerk = self._vacant(other)
            if clerk < 0:
                for placed, clerk in moved:
                    self._leave(placed, clerk)
                self._leave(item, home)
                for stays in each(there):
                    self._enter(stays, home)
                self._enter(item, away)
                return False
            self._enter(other, clerk)
            moved.append((other, clerk))
        at.update(moved)
        del at[item]
        return True

    def _could_go(self, items: int, left: int) -> bool:
        """Say whether each of these (bits) has somebody vacant, or the clerk who is left (a bit)."""
        taken = self.taken
        for item in each(items):
            first, last, vacant, _ = self._seen[item] or self._look(item)
            vacant &= ~taken[first] | left
            while vacant and (first := first + 1) < last:
                vacant &= ~taken[first] | left
            if not vacant:
                return False
        return True

    def _vacant(self, item: int) -> int:
        """Give the first clerk who could take an appointment without driving anybody away, -1 if there is none."""
        first, last, domain, _ = self._seen[item] or self._look(item)
        vacant = domain & ~self.taken[first]
        while vacant and (first := first + 1) < last:
            vacant &= ~self.taken[first]
        if vacant:
            for clerk, bit in self._options.get(item) or self._ways(item, domain):
                if vacant & bit:
                    return clerk
        return -1

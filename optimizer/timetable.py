"""Whether one more appointment fits into a day when all others may change clerk at their same time: a complete search.

Each appointment has a domain, the clerks who could take it, as the bits of an integer; who has it already is one of them. Those
that are going on at one moment are with different clerks.

What can be had is mostly found by *ejections*: whoever has no clerk takes the one whose appointments weigh least, these have no clerk then, and
so on. Whoever had to be placed by force weighs more from then on, so that the search doesn't go round in circles (Nagata and Bräysy 2009). An appointment
that somebody vacant could take weighs next to nothing. Nothing is taken back, so a step costs some microseconds; but that no place was found says nothing.

What can't be had is proven by matchings. For each moment there must be one of appointments to clerks, and a clerk with
whom no such matching puts an appointment leaves its domain (Régin 1994). That may have consequences at other moments, since an appointment is with
one clerk from its start to its end. It is worked out from the request's own moments outwards: where there is no way, that mostly shows near them.
Else an appointment that can't stay is given to one of the clerks left, what follows is worked out, and so on; seldom is a choice taken back.

The matchings only prune: they leave out whoever stands on top of another one at its clerk, and are worked out only where a
domain has changed. The answer is right because an appointment with one clerk left takes her from all that it overlaps.

Y. Nagata, O. Bräysy: A powerful route minimization heuristic for the vehicle routing problem with time windows. Operations Research Letters (2009).
J.-C. Régin: A filtering algorithm for constraints of difference in CSPs. AAAI (1994).
F. Boussemart, F. Hemery, C. Lecoutre, L. Sais: Boosting systematic search by weighting constraints. ECAI (2004).
"""

from __future__ import annotations

import sys
from bisect import bisect_left
from contextlib import suppress
from functools import cached_property
from itertools import accumulate
from operator import add, or_
from typing import TYPE_CHECKING, NamedTuple

from optimizer.bits import each, span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["Candidate", "Question", "Rearrangement", "Timetable"]

STAGES = ((0, 8, 25), (5, 16, 60))
"""The matchings of the moments so near to the request are worked out, and of whatever else they concern, up to so many, then so many steps by ejections tried."""
EJECTIONS = 100
"""Steps by ejections after that, before each thorough search."""
IN_THE_WAY = 2
"""At most so many go elsewhere to let one return to her clerk."""
PATIENCE = (60, 400)
"""Choices after which a search begins anew with other priorities: at first, then twice as many each time up to so many. Not more: each is a call within the one before."""
SUSPECT = 5
"""Whoever was left without a clerk so often is given one by a thorough search even if she could stay: a proof is mostly about the same few."""
WEIGHT = 16
"""What an appointment weighs that nobody vacant could take, beside one for each of its grains."""
FORCED = 8
"""So much heavier is one that was placed by force."""
VACANT = 4
"""What one weighs that somebody vacant could take."""
BACK = 16
"""What it costs to go back to the clerk from whom one was driven away last."""
_FIXED = 1 << 40
"""What one weighs that can't leave."""


class Rearrangement(NamedTuple):
    """Who takes the request, and the new clerks of those who change, by position."""

    clerk: int
    placed: dict[int, int]


class _ConflictError(Exception):
    """Somebody has no clerk left."""


class _LimitError(Exception):
    """So many choices were made as were allowed."""


class Course:
    """Which of a day's appointments are going on when; they go by their position in `starts` and `lengths`, sets of them are bits.

    `starts` has the grains at which something starts, ascending.
    """

    def __init__(self, starts: Sequence[int], lengths: Sequence[int]) -> None:
        self.begins = starts
        self._lengths = lengths
        self._last = max(map(add, starts, lengths), default=0)
        self.begun, self.over = [0] * (self._last + 1), [0] * (self._last + 1)
        begin, end = self.begun, self.over
        bit = 1
        for start, length in zip(starts, lengths, strict=True):
            begin[start] |= bit
            end[start + length] |= bit
            bit <<= 1
        self.starts = [grain for grain, found in enumerate(begin) if found]
        self.begun = list(accumulate(begin, or_))
        self.over = list(accumulate(end, or_))
        self._overlaps: dict[int, int] = {}

    def during(self, first: int, last: int) -> int:
        """Give all that have one of the grains [first, last)."""
        return self.begun[min(last - 1, self._last)] & ~self.over[min(first, self._last)]

    def overlaps(self, item: int) -> int:
        """Give all that overlap an appointment, itself among them."""
        known = self._overlaps.get(item)
        if known is None:
            start = self.begins[item]
            known = self._overlaps[item] = self.during(start, start + self._lengths[item])
        return known


Candidate = tuple[int, int, int, int]
"""A clerk who may do what an appointment needs (position, and as a bit), the grains at which she can be given nothing, and these with those that are taken."""
_Option = tuple[int, int, int]
"""A clerk (position, and as a bit) to whom an appointment could go, and the others (bits) that she can't have beside it."""

_Chances = tuple[int, int, int, int]
"""The clerks (bits) who could take an appointment as the day stands, its domain, all that overlap it (bits), and what it weighs."""


class Timetable:
    """Who has which appointments on a day, and who could have them; all go by their position.

    `masks` and `holders` have each appointment's grains and clerk, `held` and `occupied` each clerk's appointments and grains (bits). `candidates` tells who may have one: most
    questions are answered without asking it for everybody. Who comes first there is given something first.
    """

    def __init__(
        self,
        masks: Sequence[int],
        holders: Sequence[int],
        held: Sequence[int],
        occupied: Sequence[int],
        candidates: Callable[[int], Sequence[Candidate]],
        course: Course,
    ) -> None:
        self.masks = masks
        self.holders = holders
        self.held = held
        self.occupied = occupied
        self.course = course
        self.everyone = span(0, len(held))
        self._candidates = candidates
        self._chances: dict[int, _Chances] = {}
        self._options: dict[int, list[_Option]] = {}
        self._members: dict[int, tuple[int, ...]] = {}

    @cached_property
    def homes(self) -> list[int]:
        """Each appointment's clerk as a bit."""
        return [*map((1).__lshift__, self.holders)]

    @cached_property
    def single(self) -> int:
        """One at a time for each clerk (bits): two that overlap at her may both stay."""
        masks = self.masks
        if sum(map(int.bit_count, masks)) == sum(map(int.bit_count, self.occupied)):
            return span(0, len(masks))
        found = 0
        taken = [0] * len(self.held)
        for item, (holder, mask) in enumerate(zip(self.holders, masks, strict=True)):
            if not taken[holder] & mask:
                taken[holder] |= mask
                found |= 1 << item
        return found

    def chances(self, item: int) -> _Chances:
        """Give who could take an appointment, as the day stands and at all."""
        known = self._chances.get(item)
        if known is None:
            mask, vacant, domain = self.masks[item], 0, 1 << self.holders[item]
            for _, bit, closed, busy in self._candidates(item):
                if not mask & closed:
                    domain |= bit
                    if not mask & busy:
                        vacant |= bit
            # A domain with one clerk is a power of two.
            weight = WEIGHT + mask.bit_count() if domain & (domain - 1) else _FIXED
            course = self.course
            overlaps = course.begun[mask.bit_length() - 1] & ~course.over[course.begins[item]]
            known = self._chances[item] = (vacant, domain, overlaps, weight)
        return known

    def domain(self, item: int) -> int:
        """Give the clerks (bits) who could have an appointment, who has it among them."""
        return self.chances(item)[1]

    def options(self, item: int) -> list[_Option]:
        """Give the same one by one, the present clerk first."""
        known = self._options.get(item)
        if known is None:
            _, domain, overlaps, _ = self.chances(item)
            home, others = self.holders[item], overlaps & ~(1 << item)
            # Who stands on top of whom at home may stay there.
            known = self._options[item] = [(home, 1 << home, overlaps & ~self.held[home])]
            known += [
                (clerk, bit, others)
                for clerk, bit, _, _ in self._candidates(item)
                if domain & bit and clerk != home
            ]
        return known

    def members(self, moment: int) -> tuple[int, ...]:
        """Give those who are going on at a moment (bits) by their positions."""
        known = self._members.get(moment)
        if known is None:
            known = self._members[moment] = tuple(each(moment))
        return known

    def ask(self, mask: int, could: int) -> Question:
        """Begin to look for a way to take in a request for these grains with one of these clerks (bits)."""
        return Question(self, mask, could)


class Question:
    """A search for room for one request for these grains with one of these clerks (bits); it goes by the position after the last appointment.

    `domains` are what is left of them by what was worked out; 0 stands for one that nobody has looked at yet. `touched` (bits)
    are those that lost something.
    """

    def __init__(self, table: Timetable, mask: int, could: int) -> None:
        self.table = table
        self.request = len(table.masks)
        self.masks = [*table.masks, mask]
        self.domains = [0] * self.request + [could]
        self.touched = self._known = 1 << self.request
        first, last = (mask & -mask).bit_length() - 1, mask.bit_length()
        self.beside = table.course.during(first, last)
        # What an appointment weighs more than others of its length.
        self.burden: dict[int, int] = {}
        # How often one was left without a clerk.
        self.weights: dict[int, int] = {}
        self._left = 0
        self._first, self._last = first, last

    def answer(self, limit: int) -> tuple[Rearrangement | None, bool]:
        """Find a way; also say whether a "no" is proven. At most `limit` choices are made.

        What is tried is first what costs least. At last searches by ejections and thorough ones take turns; what fails in one of them comes first in the next.
        """
        try:
            self._begin()
            for moments, matchings, steps in STAGES:
                self._work_out(moments, matchings)
                search = _Ejections(self)
                if search.run(steps):
                    return search.found(), True
            self._work_out(len(self.moments), sys.maxsize)
            self._look(self.domains, span(0, self.request))
            search = _Ejections(self)
            patience = PATIENCE[0]
            while limit > 0:
                if search.run(EJECTIONS):
                    return search.found(), True
                self._left = min(patience, limit)
                limit -= self._left
                patience = min(2 * patience, PATIENCE[1])
                with suppress(_LimitError):
                    return self._as_chosen(self._choose(self.domains, self.touched)), True
        except _ConflictError:
            return None, True
        return None, False

    def _begin(self) -> None:
        """Prepare the matchings."""
        self.homes = [*self.table.homes, 0]
        self.moments, self._grains = self._moments()
        # A matching stays good while domains shrink elsewhere, and is mended where it isn't.
        self.matched: list[dict[int, int] | None] = [None] * len(self.moments)
        self._moments_of: dict[int, int] = {}
        self._middle = bisect_left(self._grains, self._first)
        self._dirty = span(0, len(self.moments))
        # Where there wasn't a matching after some choice.
        self._tight = 0
        self._settled = [] if self.domains[-1] & (self.domains[-1] - 1) else [self.request]

    def _moments(self) -> tuple[list[int], list[int]]:
        """Give who is going on at the moments that matter, those whose people aren't all there at the next one, too; and their grains."""
        own, single = 1 << self.request, self.table.single
        first, last = self._first, self._last
        course = self.table.course
        grains = course.starts
        at = bisect_left(grains, first)
        begun, over = course.begun, course.over
        ordered = [begun[grain] & ~over[grain] & single for grain in grains]
        if at == len(grains) or grains[at] != first:
            grains = [*grains[:at], first, *grains[at:]]
            ordered.insert(at, course.during(first, first + 1) & single)
        for number in range(at, bisect_left(grains, last)):
            ordered[number] |= own
        found = [
            (now, grain)
            for now, later, grain in zip(ordered, [*ordered[1:], 0], grains, strict=True)
            if now & ~later
        ]
        return [now for now, _ in found], [grain for _, grain in found]

    def _choose(self, domains: list[int], touched: int) -> list[int]:
        """Give domains in which everybody who can't stay has one clerk; only the `touched` can have lost theirs.

        Whoever was often in the way of that comes first, too.
        """
        pending = away = 0
        for item in each(touched):
            domain = domains[item]
            if not domain & self.homes[item]:
                away |= 1 << item
                if domain & (domain - 1):
                    pending |= 1 << item
        if not pending:
            return domains
        suspects = [
            item
            for item, weight in self.weights.items()
            if weight >= SUSPECT and domains[item] & (domains[item] - 1)
        ]
        # Of several, a long one: more depends on it.
        pressing = min(
            [*each(pending), *suspects],
            key=lambda item: (
                domains[item].bit_count() / (1 + self.weights.get(item, 0)),
                -self.masks[item].bit_count(),
                item,
            ),
        )
        held, stay = self.table.held, self.overlaps(pressing) & ~away
        for number in sorted(
            each(domains[pressing]), key=lambda number: ((stay & held[number]).bit_count(), number)
        ):
            if self._left <= 0:
                raise _LimitError
            self._left -= 1
            tried = domains.copy()
            tried[pressing] = 1 << number
            try:
                also, _ = self._propagate(tried, self._of(pressing), [pressing])
                return self._choose(tried, touched | also)
            except _ConflictError:
                self.weights[pressing] = self.weights.get(pressing, 0) + 1
        raise _ConflictError

    def overlaps(self, item: int) -> int:
        """Give all that overlap an appointment or the request, as bits."""
        if item == self.request:
            return self.beside
        found = self.table.course.overlaps(item)
        return found | 1 << self.request if self.beside >> item & 1 else found

    def options(self, item: int) -> list[_Option]:
        """Give the clerks left to an appointment or the request, and the others that she can't have beside it."""
        table = self.table
        if item == self.request:
            return [(clerk, 1 << clerk, self.beside) for clerk in each(self.domains[item])]
        domain = self.domains[item]
        known = table.options(item)
        if domain and domain != table.domain(item):
            known = [option for option in known if domain & option[1]]
        if self.beside >> item & 1:
            own = 1 << self.request
            known = [(clerk, bit, overlaps | own) for clerk, bit, overlaps in known]
        return known

    def chances(self, item: int) -> _Chances:
        """Give who could take an appointment or the request, with what is left of its domain and the request among what overlaps it."""
        domain = self.domains[item]
        if item == self.request:
            return 0, domain, self.beside, WEIGHT + self.masks[item].bit_count()
        vacant, whole, overlaps, weight = known = self.table.chances(item)
        if self.beside >> item & 1:
            overlaps |= 1 << self.request
        elif not domain:
            return known
        if not domain:
            domain = whole
        return vacant & domain, domain, overlaps, weight if domain & (domain - 1) else _FIXED

    def _of(self, item: int) -> int:
        """Give the moments at which an appointment is going on, as bits."""
        known = self._moments_of.get(item)
        if known is None:
            mask = self.masks[item]
            first = bisect_left(self._grains, (mask & -mask).bit_length() - 1)
            last = bisect_left(self._grains, mask.bit_length())
            known = span(first, last - first)
            if item != self.request and not self.table.single >> item & 1:
                known = 0
            self._moments_of[item] = known
        return known

    def _nearest(self, moments: int) -> int:
        """Give the one of these (bits) that is nearest to the request's first."""
        later = moments >> self._middle
        before = (moments & span(0, self._middle)).bit_length()
        if not later:
            return before - 1
        after = (later & -later).bit_length() - 1
        return before - 1 if before and self._middle - before < after else self._middle + after

    def _look(self, domains: list[int], items: int) -> None:
        """Make sure that these have their domains."""
        chances = self.table.chances
        for item in each(items & ~self._known):
            domains[item] = chances(item)[1]
        self._known |= items

    def _work_out(self, distance: int, matchings: int) -> None:
        """Work out what follows from the request and the moments so near to it, as far as so many matchings show it.

        The nearest first: where there is no way, that mostly shows there.
        """
        first = max(0, self._middle - distance)
        near = self._dirty & span(first, self._of(self.request).bit_length() + distance - first)
        settled, self._settled = self._settled, []
        also, left = self._propagate(self.domains, near, settled, matchings)
        self._dirty = self._dirty & ~near | left
        self.touched |= also

    def _propagate(
        self, domains: list[int], dirty: int, settled: list[int], matchings: int = sys.maxsize
    ) -> tuple[int, int]:
        """Work out in `domains` what follows, and give whom it touches (bits), and the moments (bits) that are left after so many matchings.

        `dirty` moments (bits) and `settled` appointments (with one clerk) haven't been looked at.
        """
        touched = 0
        while settled or dirty:
            changed: list[int] = []
            if settled:
                self._settle(settled.pop(), domains, changed)
            elif not matchings:
                break
            else:
                matchings -= 1
                moment = self._nearest(dirty & self._tight or dirty)
                dirty ^= 1 << moment
                if self.moments[moment] & ~self._known:
                    self._look(domains, self.moments[moment])
                try:
                    self._match(moment, domains, changed)
                except _ConflictError:
                    self._tight |= 1 << moment
                    raise
            for item in changed:
                dirty |= self._of(item)
                touched |= 1 << item
                if not domains[item] & (domains[item] - 1):
                    settled.append(item)
        return touched, dirty

    def _settle(self, item: int, domains: list[int], changed: list[int]) -> None:
        """Take its only clerk from all that an appointment overlaps; adds whose domain changed to `changed`."""
        homes, clerk = self.homes, domains[item]
        stays = homes[item] == clerk
        overlaps = self.overlaps(item)
        if overlaps & ~self._known:
            self._look(domains, overlaps)
        for other in each(overlaps):
            if domains[other] & clerk and other != item and not (stays and homes[other] == clerk):
                domains[other] &= ~clerk
                if not domains[other]:
                    self._blame([other])
                    raise _ConflictError
                changed.append(other)

    def _match(self, moment: int, domains: list[int], changed: list[int]) -> None:
        """Take from the domains what no matching at this moment has; adds whose domain changed to `changed`."""
        members, matched = self.table.members(self.moments[moment]), self.matched[moment]
        if matched is None:
            if self._all_reached(members, domains):
                return
            matched = self.matched[moment] = {item: self.homes[item] for item in members}
        used = self._mend(members, matched, domains)
        reached, rest = self._spread(self.table.everyone & ~used, members, matched, domains)
        if 0 < len(rest) < len(members):
            for item in members:
                if matched[item] & reached and domains[item] & ~reached:
                    domains[item] &= reached
                    changed.append(item)
        # Whoever has one clerk left is in no ring.
        rest = [item for item in rest if domains[item] & (domains[item] - 1)]
        while rest:
            ring = self._ring(rest, matched, domains)
            still = []
            for item in rest:
                if not matched[item] & ring:
                    still.append(item)
                elif domains[item] & ~ring:
                    domains[item] &= ring
                    changed.append(item)
            rest = still

    def _all_reached(self, members: Sequence[int], domains: list[int]) -> bool:
        """Say whether all are at home and could, by swaps, leave a clerk without an appointment busy instead: then no clerk leaves a domain."""
        homes, used = self.homes, 0
        for item in members:
            home = homes[item]
            if not domains[item] & home:
                return False
            used |= home
        _, rest = self._spread(self.table.everyone & ~used, members, homes, domains)
        return not rest

    @staticmethod
    def _spread(
        reached: int,
        members: Sequence[int],
        matched: dict[int, int] | list[int],
        domains: list[int],
    ) -> tuple[int, Sequence[int]]:
        """From clerks without an appointment, go to all whose appointments could, by swaps, lead to one of them; also give the rest."""
        rest = members
        while rest:
            still = []
            for item in rest:
                if domains[item] & reached:
                    reached |= matched[item]
                else:
                    still.append(item)
            if len(still) == len(rest):
                break
            rest = still
        return reached, rest

    @staticmethod
    def _ring(rest: Sequence[int], matched: dict[int, int], domains: list[int]) -> int:
        """Give the clerks among whom the first of the rest can change places in a ring."""
        ahead, before = domains[rest[0]], 0
        while ahead != before:
            before = ahead
            for item in rest:
                if matched[item] & ahead:
                    ahead |= domains[item]
        behind, before = matched[rest[0]], 0
        while behind != before:
            before = behind
            for item in rest:
                if domains[item] & behind:
                    behind |= matched[item]
        return ahead & behind

    def _mend(self, members: Sequence[int], matched: dict[int, int], domains: list[int]) -> int:
        """Make the matching one of these domains again; give the clerks that it uses. Raises _ConflictError if there is none."""
        used = 0
        without = []
        for item in members:
            clerk = matched[item]
            if clerk & domains[item] and not clerk & used:
                used |= clerk
            else:
                matched[item] = 0
                without.append(item)
        for item in without:
            owner = {matched[other]: other for other in members}
            through: dict[int, int] = {}
            waiting = [item]
            seen = end = 0
            while not end:
                if not waiting:
                    self._blame(other for other in without if not matched[other])
                    raise _ConflictError
                asking = waiting.pop()
                free = domains[asking] & ~used
                if free:
                    end = free & -free
                    through[end] = asking
                    break
                for number in each(domains[asking] & ~seen):
                    through[1 << number] = asking
                    waiting.append(owner[1 << number])
                seen |= domains[asking]
            used |= end
            while end:
                asking = through[end]
                matched[asking], end = end, matched[asking]
        return used

    def _blame(self, items: Iterable[int]) -> None:
        """Let those who found no clerk be looked at earlier from now on."""
        for item in items:
            self.weights[item] = self.weights.get(item, 0) + 1

    def _as_chosen(self, domains: list[int]) -> Rearrangement:
        """Give what these domains say, everybody else at home."""
        search = _Ejections(self)
        for item, (domain, home) in enumerate(zip(domains, self.homes, strict=True)):
            if domain and not domain & home:
                search.place(item, domain.bit_length() - 1)
        return search.found()


class _Ejections:
    """A search in which appointments drive each other away. `at` has the new clerks of those that left theirs."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.held = list(question.table.held)
        self.at: dict[int, int] = {}
        self._options: dict[int, list[_Option]] = {}
        self._chances: dict[int, _Chances] = {}
        self._driven_from: dict[int, int] = {}
        self._pending = [question.request]
        # At these clerks (bits) it isn't as the day stands, and somebody left these.
        self._changed = self._left_by = 0
        for item in each(question.touched ^ 1 << question.request):
            home = question.table.holders[item]
            if not question.domains[item] >> home & 1:
                self._pending.append(item)
                self.held[home] ^= 1 << item
                self._changed |= 1 << home
                self._left_by |= 1 << home

    def place(self, item: int, clerk: int) -> None:
        """Give an appointment that is at home, or without a clerk, to this one, whoever else is there."""
        if item != self.question.request:
            self.held[self.question.table.holders[item]] &= ~(1 << item)
        self.held[clerk] |= 1 << item
        self.at[item] = clerk

    def run(self, steps: int) -> bool:
        """Place the request, and all that follows, in at most so many steps."""
        held, at, pending, burden = self.held, self.at, self._pending, self.question.burden
        for _ in range(steps):
            item = pending.pop()
            clerk, driven = self._cheapest(item)
            if clerk < 0:
                pending.append(item)
                break
            if driven:
                burden[item] = burden.get(item, 0) + FORCED
                held[clerk] ^= driven
                self._left_by |= 1 << clerk
                for other in each(driven):
                    self._driven_from[other] = clerk
                    at.pop(other, None)
                    pending.append(other)
            held[clerk] |= 1 << item
            self._changed |= 1 << clerk
            at[item] = clerk
            if not pending:
                return True
        return False

    def _cheapest(self, item: int) -> tuple[int, int]:
        """Give the clerk to whom one can go at the least cost, and whom it drives away there (bits); -1 if all of them have somebody who can't leave."""
        question, held, chances = self.question, self.held, self._chances
        changed, left_by, burden = self._changed, self._left_by, question.burden
        before = self._driven_from.get(item, -1)
        least = _FIXED
        best, driven = -1, 0
        for clerk, bit, overlaps in self._options.get(item) or self._seen(item):
            there = left = overlaps & held[clerk]
            if not there:
                return clerk, 0
            cost = BACK if clerk == before else 0
            while left and cost < least:
                low = left & -left
                left ^= low
                other = low.bit_length() - 1
                known = chances.get(other)
                if known is None:
                    known = chances[other] = question.chances(other)
                vacant, domain, beside, weight = known
                if not vacant & ~(changed | bit):
                    # Nobody is vacant of whom the day knows; perhaps one of those where something changed is.
                    aside = (domain & left_by | vacant & changed) & ~bit
                    while aside and beside & held[(aside & -aside).bit_length() - 1]:
                        aside &= aside - 1
                    if not aside:
                        cost += weight + burden.get(other, 0)
                        continue
                cost += VACANT + burden.get(other, 0) // 4
            if cost < least:
                least, best, driven = cost, clerk, there
                if cost == VACANT:
                    break
        return best, driven

    def _seen(self, item: int) -> list[_Option]:
        self._options[item] = found = self.question.options(item)
        return found

    def found(self) -> Rearrangement:
        """Give where the request and the others went. First everybody returns to her clerk who can, whoever is there now going elsewhere without driving anybody away."""
        request = self.question.request
        returned = True
        while returned:
            returned = False
            for item in sorted(self.at):
                if item != request and item in self.at and self._returns(item):
                    returned = True
        return Rearrangement(self.at.pop(request), self.at)

    def _returns(self, item: int) -> bool:
        question, held, at = self.question, self.held, self.at
        home, away = question.table.holders[item], at[item]
        if home != away:
            there = self._beside_at_home(item) & held[home]
            if there.bit_count() > IN_THE_WAY:
                return False
            held[away] ^= 1 << item
            held[home] ^= 1 << item | there
            moved: list[tuple[int, int]] = []
            for other in each(there):
                for clerk, _, overlaps in self._options.get(other) or self._seen(other):
                    if not overlaps & held[clerk]:
                        held[clerk] |= 1 << other
                        moved.append((other, clerk))
                        break
                else:
                    for placed, clerk in moved:
                        held[clerk] ^= 1 << placed
                    held[home] ^= 1 << item | there
                    held[away] ^= 1 << item
                    return False
            at.update(moved)
        del at[item]
        return True

    def _beside_at_home(self, item: int) -> int:
        """Give those that can't be with an appointment's clerk beside it: all that overlap it and weren't with her."""
        return self.question.overlaps(item) & ~self.question.table.held[self.question.table.holders[item]]

"""Whether one more appointment fits into a day when all others may change clerk at their same time: a complete search.

Each appointment has a domain, the clerks who could take it, as the bits of an integer; who has it already is one of them. Those
that are going on at one moment are with different clerks.

What can be had is mostly found by `optimizer.ejections`.

What can't be had is proven by matchings. For each moment there must be one of appointments to clerks, and a clerk with
whom no such matching puts an appointment leaves its domain (Régin 1994). That may have consequences at other moments, since an appointment is with
one clerk from its start to its end. It is worked out from the request's own moments outwards: where there is no way, that mostly shows near them.
Else an appointment that can't stay is given to one of the clerks left, what follows is worked out, and so on; seldom is a choice taken back.

The matchings only prune: they leave out whoever stands on top of another one at its clerk, and are worked out only where a
domain has changed. The answer is right because an appointment with one clerk left takes her from all that it overlaps.

J.-C. Régin: A filtering algorithm for constraints of difference in CSPs. AAAI (1994).
F. Boussemart, F. Hemery, C. Lecoutre, L. Sais: Boosting systematic search by weighting constraints. ECAI (2004).
"""

from __future__ import annotations

import sys
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING

from optimizer.bits import each, span
from optimizer.ejections import Ejections, Rearrangement

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from optimizer.timetable import Timetable

__all__ = ["Question"]

AT_FIRST = 12
"""Steps by ejections before anything is worked out."""
STAGES = ((0, 12, 25), (3, 24, 50))
"""The matchings of the moments so near to the request are worked out, and of whatever else they concern, up to so many, then so many steps by ejections tried."""
EJECTIONS = 100
"""Steps by ejections after that, before each thorough search."""
PATIENCE = (60, 400)
"""Choices after which a search begins anew with other priorities: at first, then twice as many each time up to so many. Not more: each is a call within the one before."""
SUSPECT = 5
"""Whoever was left without a clerk so often is given one by a thorough search even if she could stay: a proof is mostly about the same few."""

_Matched = tuple[int, int, int]
"""Of an appointment its domain, the clerk with whom it is matched (bits), and its position."""


class _ConflictError(Exception):
    """Somebody has no clerk left."""


class _LimitError(Exception):
    """So many choices were made as were allowed."""


class Question:
    """A search for room for one request for these grains with one of these clerks (bits); it goes by the position after the last appointment.

    `domains` are what is left of them by what was worked out; 0 stands for one that nobody has looked at yet. `touched` (bits)
    are those that lost something.
    """

    def __init__(self, table: Timetable, start: int, length: int, could: int) -> None:
        course = table.course
        course.require(start)
        self.table = table
        self.request = len(table.holders)
        self.homes = [*table.homes, 0]
        self.domains = [0] * self.request + [could]
        self.touched = self._known = 1 << self.request
        self.beside = course.during(start, start + length)
        self._first, self._last = self.moments = course.before[start], course.before[start + length]
        self._length = length
        # What the appointments that were looked at weigh.
        self.burden: dict[int, int] = {}
        # How often one was left without a clerk.
        self.weights: dict[int, int] = {}
        self._left = 0

    def answer(self, limit: int) -> tuple[Rearrangement | None, bool]:
        """Find a way; also say whether a "no" is proven. At most `limit` choices are made.

        What is tried is first what costs least. At last searches by ejections and thorough ones take turns; what fails in one of them comes first in the next.
        """
        search = Ejections(self)
        if search.run(AT_FIRST):
            return search.found(), True
        try:
            self._begin()
            for moments, matchings, steps in STAGES:
                self._work_out(moments, matchings)
                search.begin()
                if search.run(steps):
                    return search.found(), True
            self._work_out(len(self._at), sys.maxsize)
            self._look(self.domains, span(0, self.request))
            search.begin()
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
        """Prepare the matchings, at the moments that matter: those whose people aren't all there at the next one, too."""
        single, own = self.table.single, 1 << self.request
        at = self.table.course.at if self.table.orderly else [now & single for now in self.table.course.at]
        self._at = at.copy()
        self._dirty = 1 << self._last - 1
        bit = 1
        for now, later in pairwise([*at, 0]):
            if now & ~later:
                self._dirty |= bit
            bit <<= 1
        for moment in range(self._first, self._last):
            self._at[moment] |= own
        # A matching stays good while domains shrink elsewhere, and is mended where it isn't.
        self.matched: list[dict[int, int] | None] = [None] * len(at)
        self._matter = self._dirty
        self._members: dict[int, list[int]] = {}
        self._moments_of: dict[int, int] = {}
        # Where there wasn't a matching after some choice.
        self._tight = 0
        self._settled = [] if self.domains[-1] & (self.domains[-1] - 1) else [self.request]

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
                -self.length(item),
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

    def home(self, item: int) -> int:
        """Give the clerk who has an appointment now, -1 for the request."""
        return -1 if item == self.request else self.table.holders[item]

    def length(self, item: int) -> int:
        """Give the grains that an appointment or the request takes."""
        return self._length if item == self.request else self.table.lengths[item]

    def _of(self, item: int) -> int:
        """Give the moments that matter at which an appointment is going on, as bits."""
        known = self._moments_of.get(item)
        if known is None:
            course = self.table.course
            if item == self.request:
                known = span(self._first, self._last - self._first) & self._matter
            elif self.table.single >> item & 1:
                known = (1 << course.last[item]) - (1 << course.first[item]) & self._matter
            else:
                known = 0
            self._moments_of[item] = known
        return known

    def _nearest(self, moments: int) -> int:
        """Give the one of these (bits) that is nearest to the request's first."""
        later = moments >> self._first
        before = (moments & span(0, self._first)).bit_length()
        if not later:
            return before - 1
        after = (later & -later).bit_length() - 1
        return before - 1 if before and self._first - before < after else self._first + after

    def _look(self, domains: list[int], items: int) -> None:
        """Make sure that these have their domains."""
        domain = self.table.domain
        for item in each(items & ~self._known):
            domains[item] = domain(item)
        self._known |= items

    def _work_out(self, distance: int, matchings: int) -> None:
        """Work out what follows from the request and the moments so near to it, as far as so many matchings show it.

        The nearest first: where there is no way, that mostly shows there.
        """
        first = max(0, self._first - distance)
        near = self._dirty & span(first, self._last + distance - first)
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
                if self._at[moment] & ~self._known:
                    self._look(domains, self._at[moment])
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
        members = self._members.get(moment)
        if members is None:
            members = self._members[moment] = [*each(self._at[moment])]
        matched = self.matched[moment]
        if matched is None:
            homes, reached, settled = self.homes, self.table.everyone, True
            rest = []
            for item in members:
                home, domain = homes[item], domains[item]
                if not domain & home:
                    settled = False
                    break
                reached ^= home
                rest.append((domain, home, item))
            if settled:
                # Mostly all are at home and could, by swaps, leave a clerk without an appointment busy instead: then no clerk leaves a domain.
                reached, rest = _spread(reached, rest)
                if not rest:
                    return
            matched = self.matched[moment] = {item: homes[item] for item in members}
            if settled:
                self._filter(reached, rest, members, matched, domains, changed)
                return
        used = self._mend(members, matched, domains)
        reached, rest = _spread(
            self.table.everyone & ~used, [(domains[item], matched[item], item) for item in members]
        )
        if rest:
            self._filter(reached, rest, members, matched, domains, changed)

    @staticmethod
    def _filter(
        reached: int,
        rest: list[_Matched],
        members: list[int],
        matched: dict[int, int],
        domains: list[int],
        changed: list[int],
    ) -> None:
        """Take from the domains what neither a way to a clerk without an appointment nor a ring has; `reached` are the clerks of the first, `rest` who has others."""
        if len(rest) < len(members):
            for item in members:
                if matched[item] & reached and domains[item] & ~reached:
                    domains[item] &= reached
                    changed.append(item)
        # Whoever has one clerk left is in no ring.
        rest = [entry for entry in rest if entry[0] & (entry[0] - 1)]
        while rest:
            ring = _ring(rest)
            still = []
            for entry in rest:
                domain, clerk, item = entry
                if not clerk & ring:
                    still.append(entry)
                elif domain & ~ring:
                    domains[item] &= ring
                    changed.append(item)
            rest = still

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
            free = domains[item] & ~used
            if free:
                matched[item] = free & -free
                used |= free & -free
                continue
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
        search = Ejections(self)
        for item, (domain, home) in enumerate(zip(domains, self.homes, strict=True)):
            if domain and not domain & home:
                search.place(item, domain.bit_length() - 1)
        return search.found()


def _spread(reached: int, rest: list[_Matched]) -> tuple[int, list[_Matched]]:
    """From clerks without an appointment, go to all whose appointments could, by swaps, lead to one of them; also give the rest."""
    while rest:
        still = []
        for entry in rest:
            if entry[0] & reached:
                reached |= entry[1]
            else:
                still.append(entry)
        if len(still) == len(rest):
            break
        rest = still
    return reached, rest


def _ring(rest: list[_Matched]) -> int:
    """Give the clerks among whom the first of the rest can change places in a ring."""
    ahead, before = rest[0][0], 0
    while ahead != before:
        before = ahead
        for domain, clerk, _ in rest:
            if clerk & ahead:
                ahead |= domain
    behind, before = rest[0][1], 0
    while behind != before:
        before = behind
        for domain, clerk, _ in rest:
            if domain & behind:
                behind |= clerk
    return ahead & behind

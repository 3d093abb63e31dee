"""Whether one more appointment fits into a day when all others may change clerk at their same time: a complete search.

Each appointment has a domain, the clerks who could take it, as the bits of an integer; who has it already is one of them. Those
that are going on at one moment are with different clerks. So for each moment there must be a matching of appointments to clerks, and a clerk with
whom no such matching puts an appointment leaves its domain (Régin 1994). That may have consequences at other moments, since an appointment is with
one clerk from its start to its end. Mostly this alone proves that there is no place. Else an appointment that can't stay is given
to one of the clerks left, what follows is worked out, and so on; seldom is a choice taken back.

The matchings only prune: they leave out whoever stands on top of another one at its clerk, and are worked out only where a
domain has changed. First that is what the request changes; only then are the moments looked at that have nothing to do with it.
The answer is right because an appointment with one clerk left takes her from all that it overlaps.

J.-C. Régin: A filtering algorithm for constraints of difference in CSPs. AAAI (1994).
F. Boussemart, F. Hemery, C. Lecoutre, L. Sais: Boosting systematic search by weighting constraints. ECAI (2004).
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from operator import add, or_
from typing import TYPE_CHECKING, NamedTuple

from optimizer.bits import each, span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

__all__ = ["Question", "Rearrangement", "Timetable"]

DIVES = 8
"""Short searches before a thorough one."""
FIRST = 1
"""So many of them before it's known what is in the way without the request."""
PLACEMENTS = 24
"""Placements that each of them tries."""
DEEP = (12, 6, 24)
"""Changes, beside those that follow from the request, among which they look in turn."""
PATIENCE = 400
"""Choices after which a search begins anew, with other priorities. Not more: each is a call within the one before."""


class Rearrangement(NamedTuple):
    """Who takes the request, and the new clerks of those who change, by position."""

    clerk: int
    placed: dict[int, int]


class _ConflictError(Exception):
    """Somebody has no clerk left."""


class _LimitError(Exception):
    """So many choices were made as were allowed."""


class Course:
    """Which of a day's appointments are going on when; they go by their position in `starts` and `lengths`, sets of them are bits."""

    def __init__(self, starts: Sequence[int], lengths: Sequence[int]) -> None:
        self._starts = starts
        self._lengths = lengths
        self._last = max(map(add, starts, lengths), default=0)
        begin, end = [0] * (self._last + 1), [0] * (self._last + 1)
        bit = 1
        for start, length in zip(starts, lengths, strict=True):
            begin[start] |= bit
            end[start + length] |= bit
            bit <<= 1
        self._begin = begin
        self._begun: list[int] = list(accumulate(begin, or_))
        self._over: list[int] = list(accumulate(end, or_))
        self._overlaps: dict[int, int] = {}

    @property
    def starts(self) -> list[int]:
        """The grains at which something starts, ascending."""
        return [grain for grain, found in enumerate(self._begin) if found]

    def during(self, first: int, last: int) -> int:
        """Give all that have one of the grains [first, last)."""
        return self._begun[min(last - 1, self._last)] & ~self._over[min(first, self._last)]

    def overlaps(self, item: int) -> int:
        """Give all that overlap an appointment, itself among them."""
        known = self._overlaps.get(item)
        if known is None:
            start = self._starts[item]
            known = self._overlaps[item] = self.during(start, start + self._lengths[item])
        return known


class Timetable:
    """Who has which appointments on a day, and who could have them; all go by their position.

    `masks` and `holders` have each appointment's grains and clerk; `could` tells the other clerks to whom one could go, as bits: most
    questions are answered without asking it for everybody. `everyone` has all clerks.
    """

    def __init__(
        self,
        masks: Sequence[int],
        holders: Sequence[int],
        could: Callable[[int], int],
        everyone: int,
        course: Course,
    ) -> None:
        self.masks = masks
        self.course = course
        self.grains = course.starts
        self._members: dict[int, tuple[int, ...]] = {}
        self.homes = [1 << holder for holder in holders]
        self.everyone = everyone
        self._could = could
        self._domains = [0] * len(self.homes)
        self.held: dict[int, int] = {}
        for item, home in enumerate(self.homes):
            self.held[home] = self.held.get(home, 0) | 1 << item
        # One at a time for each clerk: two that overlap at her may both stay.
        self.single = 0
        taken: dict[int, int] = {}
        for item, (home, mask) in enumerate(zip(self.homes, masks, strict=True)):
            if not taken.get(home, 0) & mask:
                taken[home] = taken.get(home, 0) | mask
                self.single |= 1 << item

    def domain(self, item: int) -> int:
        """Give the clerks (bits) who could have an appointment, who has it among them."""
        known = self._domains[item]
        if not known:
            known = self._domains[item] = self.homes[item] | self._could(item)
        return known

    def members(self, moment: int) -> tuple[int, ...]:
        """Give those who are going on at a moment (bits) by their positions."""
        known = self._members.get(moment)
        if known is None:
            known = self._members[moment] = tuple(each(moment))
        return known

    def ask(self, mask: int, could: int) -> Question | None:
        """Begin to look for a way to take in a request for these grains with one of these clerks (bits); None: it's proven that there is none.

        Only what follows from the request is worked out yet, not whether others are in each other's way without it.
        """
        try:
            return Question(self, mask, could) if could else None
        except _ConflictError:
            return None


class Question:
    """A search for one request, which goes by the position after the last appointment.

    `domains` are what is left of them by what follows from the request; 0 stands for one that nobody has looked at yet. `touched` (bits)
    are those that lost something.
    """

    def __init__(self, table: Timetable, mask: int, could: int) -> None:
        self.table = table
        self.request = len(table.masks)
        self.masks = [*table.masks, mask]
        self.domains = [0] * self.request + [could]
        self.touched = self._known = 1 << self.request
        self.homes = [*table.homes, 0]
        self.beside = table.course.during((mask & -mask).bit_length() - 1, mask.bit_length())
        self.moments, self._grains = self._moments(mask)
        # A matching stays good while domains shrink elsewhere, and is mended where it isn't.
        self.matched: list[dict[int, int] | None] = [None] * len(self.moments)
        self._moments_of: dict[int, int] = {}
        self.weights = [1] * len(self.domains)
        self._left = 0
        self._whole = False
        settled = [] if could & (could - 1) else [self.request]
        # Nearest first: where there is no way, that mostly shows at the request's own moments.
        self.touched |= self._propagate(self.domains, self._of(self.request), settled)

    def _moments(self, mask: int) -> tuple[list[int], list[int]]:
        """Give who is going on at the moments that matter, those whose people aren't all there at the next one, too; and their grains."""
        table, own = self.table, 1 << self.request
        first, last = (mask & -mask).bit_length() - 1, mask.bit_length()
        grains = table.grains
        at = bisect_left(grains, first)
        if at == len(grains) or grains[at] != first:
            grains = [*grains[:at], first, *grains[at:]]
        until = bisect_left(grains, last)
        ordered = [table.course.during(grain, grain + 1) & table.single for grain in grains]
        for number in range(at, until):
            ordered[number] |= own
        found = [
            (now, grain)
            for now, later, grain in zip(ordered, [*ordered[1:], 0], grains, strict=True)
            if now & ~later
        ]
        return [now for now, _ in found], [grain for _, grain in found]

    def answer(self, limit: int) -> tuple[Rearrangement | None, bool]:
        """Find a way; also say whether a "no" is proven. At most `limit` choices are made.

        Short searches and thorough ones take turns; what fails in one of them comes first in the next.
        """
        turn = 0
        if limit > 0 and not self._whole:
            # Before the others' days are looked at, too.
            found = self._dive(range(FIRST))
            if found is not None:
                return self._with_few_changes(found), True
            try:
                self.touched |= self._propagate(self.domains, (1 << len(self.moments)) - 1, [])
                self._look(self.domains, span(0, self.request))
            except _ConflictError:
                return None, True
            self._whole = True
        while limit > 0:
            found = self._dive(range(turn, turn + DIVES))
            turn += DIVES
            if found is not None:
                return self._with_few_changes(found), True
            self._left = min(PATIENCE, limit)
            limit -= self._left
            try:
                return self._with_few_changes(self._choose(self.domains, self.touched)), True
            except _ConflictError:
                return None, True
            except _LimitError:
                continue
        return None, False

    def _dive(self, turns: range) -> list[int] | None:
        """Look for a way without working out what follows from each choice; None: that doesn't say that there is none."""
        state = _State.of(self, self.domains, self.touched)
        options: dict[int, list[tuple[int, int]]] = {}
        for turn in turns:
            dive = _Dive(self, self.domains, state, options, turn)
            if dive.extend(state.pending, state.away):
                found = self.domains.copy()
                for item, clerk in dive.placed.items():
                    found[item] = clerk
                return found
        return None

    def _choose(self, domains: list[int], touched: int) -> list[int]:
        """Give domains in which everybody who can't stay has one clerk; only the `touched` can have lost theirs."""
        state = _State.of(self, domains, touched)
        if not state.pending:
            return domains
        # Of several, a long one: more depends on it.
        pressing = min(
            each(state.pending),
            key=lambda item: (domains[item].bit_count() / self.weights[item], -self.masks[item].bit_count()),
        )
        for clerk in _Dive(self, domains, state, {}, 0).clerks(pressing, state.away):
            if self._left <= 0:
                raise _LimitError
            self._left -= 1
            tried = domains.copy()
            tried[pressing] = clerk
            try:
                also = self._propagate(tried, self._of(pressing), [pressing])
                return self._choose(tried, touched | also)
            except _ConflictError:
                self.weights[pressing] += 1
        raise _ConflictError

    def overlaps(self, item: int) -> int:
        """Give all that overlap an appointment or the request, as bits."""
        if item == self.request:
            return self.beside
        found = self.table.course.overlaps(item)
        return found | 1 << self.request if self.beside >> item & 1 else found

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

    def _look(self, domains: list[int], items: int) -> None:
        """Make sure that these have their domains."""
        for item in each(items & ~self._known):
            domains[item] = self.table.domain(item)
        self._known |= items

    def _propagate(self, domains: list[int], dirty: int, settled: list[int]) -> int:
        """Work out in `domains` what follows, and give whom it touches (bits).

        `dirty` moments (bits) and `settled` appointments (with one clerk) haven't been looked at.
        """
        homes = self.homes
        touched = 0
        while settled or dirty:
            changed: list[int] = []
            if settled:
                item = settled.pop()
                clerk = domains[item]
                stays = homes[item] == clerk
                overlaps = self.overlaps(item)
                if overlaps & ~self._known:
                    self._look(domains, overlaps)
                for other in each(overlaps):
                    if other != item and domains[other] & clerk and not (stays and homes[other] == clerk):
                        domains[other] &= ~clerk
                        if not domains[other]:
                            self._blame([other])
                            raise _ConflictError
                        changed.append(other)
            else:
                low = dirty & -dirty
                dirty ^= low
                moment = low.bit_length() - 1
                if self.moments[moment] & ~self._known:
                    self._look(domains, self.moments[moment])
                self._match(moment, domains, changed)
            for item in changed:
                dirty |= self._of(item)
                touched |= 1 << item
                if not domains[item] & (domains[item] - 1):
                    settled.append(item)
        return touched

    def _match(self, moment: int, domains: list[int], changed: list[int]) -> None:
        """Take from the domains what no matching at this moment has; adds whose domain changed to `changed`."""
        members, matched = self.table.members(self.moments[moment]), self.matched[moment]
        if matched is None:
            matched = self.matched[moment] = {item: self.homes[item] for item in members}
        used = self._mend(members, matched, domains)
        reached, rest = self._spread(self.table.everyone & ~used, members, matched, domains)
        if 0 < len(rest) < len(members):
            for item in members:
                if matched[item] & reached and domains[item] & ~reached:
                    domains[item] &= reached
                    changed.append(item)
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

    @staticmethod
    def _spread(
        reached: int, members: Sequence[int], matched: dict[int, int], domains: list[int]
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
            self.weights[item] += 1

    def _with_few_changes(self, domains: list[int]) -> Rearrangement:
        """Let everybody return to her clerk who can."""
        now = [
            home if domain & home else domain or home
            for domain, home in zip(domains, self.homes, strict=True)
        ]
        away = [item for item in range(self.request) if now[item] != self.homes[item]]
        returned = True
        while returned:
            returned = False
            for item in away:
                home = self.homes[item]
                if now[item] != home and not any(
                    now[other] == home != self.homes[other] for other in each(self.overlaps(item))
                ):
                    now[item] = home
                    returned = True
        placed = {
            item: now[item].bit_length() - 1 for item in range(self.request) if now[item] != self.homes[item]
        }
        return Rearrangement(now[self.request].bit_length() - 1, placed)


class _State(NamedTuple):
    """Who has to leave her clerk (bits), for whom of these a clerk is still to be found, and the grains that each clerk (bit) was given."""

    away: int
    pending: int
    fixed: dict[int, int]

    @staticmethod
    def of(question: Question, domains: list[int], touched: int) -> _State:
        """Read it from the domains of those who are `touched` (bits)."""
        away = pending = 0
        fixed: dict[int, int] = {}
        homes = question.homes
        for item in each(touched):
            domain = domains[item]
            if domain & homes[item]:
                continue
            away |= 1 << item
            if domain & (domain - 1):
                pending |= 1 << item
            else:
                fixed[domain] = fixed.get(domain, 0) | question.masks[item]
        return _State(away, pending, fixed)


class _Dive:
    """A short search in which appointments drive each other away, without a look at what follows for others.

    `placed` has the clerks (bits) that it gave; `options` is kept between dives from the same domains. Where clerks are equal, each `turn` prefers others.
    """

    def __init__(
        self,
        question: Question,
        domains: list[int],
        state: _State,
        options: dict[int, list[tuple[int, int]]],
        turn: int,
    ) -> None:
        self.question = question
        self.masks = question.masks
        self.weights = question.weights
        self.domains = domains
        self.fixed = state.fixed.copy()
        self.most = state.away.bit_count() + DEEP[turn % len(DEEP)]
        self.turn = turn
        self.placed: dict[int, int] = {}
        self.tried = 0
        self._options = options

    def extend(self, pending: int, away: int) -> bool:
        """Place the pending appointment with the fewest possible clerks, then the rest."""
        if not pending:
            return True
        room, stay = self.most - away.bit_count(), ~away
        chosen, share = -1, 0.0
        best: list[tuple[int, int]] = []
        for item in each(pending):
            mask = self.masks[item]
            where = [
                (clerk, driven & stay)
                for clerk, driven in self.options(item)
                if not mask & self.fixed.get(clerk, 0) and (driven & stay).bit_count() <= room
            ]
            if not where:
                self.weights[item] += 1
                return False
            mine = len(where) / self.weights[item]
            if chosen < 0 or mine < share:
                chosen, share, best = item, mine, where
        mask = self.masks[chosen]
        for clerk, driven in self._by_effect(best, stay & ~(1 << chosen)):
            self.tried += 1
            if self.tried > PLACEMENTS:
                return False
            before = self.fixed.get(clerk, 0)
            self.fixed[clerk] = before | mask
            self.placed[chosen] = clerk
            if self.extend(pending & ~(1 << chosen) | driven, away | driven):
                return True
            self.fixed[clerk] = before
            del self.placed[chosen]
        return False

    def clerks(self, item: int, away: int) -> list[int]:
        """Give the clerks (bits) left to an appointment, the best first."""
        return [clerk for clerk, _ in self._by_effect(self.options(item), ~(away | 1 << item))]

    def options(self, item: int) -> list[tuple[int, int]]:
        """Give the clerks (bits) left to an appointment, with whom it would drive away from each."""
        known = self._options.get(item)
        if known is None:
            question = self.question
            overlaps, held = question.overlaps(item), question.table.held
            known = self._options[item] = []
            left = (self.domains[item] or question.table.domain(item)) & ~question.homes[item]
            while left:
                clerk = left & -left
                left ^= clerk
                known.append((clerk, overlaps & held.get(clerk, 0)))
        return known

    def _by_effect(self, options: list[tuple[int, int]], stay: int) -> Iterator[tuple[int, int]]:
        if len(options) == 1:
            yield options[0]
            return
        mix = 1 + 7919 * self.turn
        driving: list[tuple[int, tuple[int, int]]] = []
        vacant: list[tuple[int, tuple[int, int]]] = []
        for option in options:
            (driving if option[1] & stay else vacant).append((option[0] * mix % 1_000_003, option))
        vacant.sort()
        for _, option in vacant:
            yield option
        # What they set in motion is seldom asked: mostly one of those who are vacant will do.
        ranked = [(self._effect(option, stay), order, option) for order, option in driving]
        ranked.sort()
        for _, _, option in ranked:
            yield option

    def _effect(self, option: tuple[int, int], stay: int) -> int:
        """Say how much this sets in motion: whom it drives away, and most of all those who find nobody free."""
        clerk, driven = option
        effect = 0
        for other in each(driven & stay):
            mask = self.masks[other]
            effect += 3
            for another, there in self.options(other):
                if another != clerk and not (there & stay or mask & self.fixed.get(another, 0)):
                    effect -= 2
                    break
        return effect

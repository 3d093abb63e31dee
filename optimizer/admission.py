"""Admission: whether an appointment can be placed, with whom, and which starts can be offered.

No solver and no array library: a day of a clerk is one integer, see `optimizer.bits`.

If an eligible clerk is free, the one is chosen whose taking it costs the office least future room. Otherwise
a chain of reassignments is searched: the request takes a clerk's time, whoever stood there goes to other
clerks at the same time, and so on (an ejection chain, as in Glover 1996, here searched exactly).

Why the search is exact: let any valid placement be given. Whatever overlaps something new at a clerk has to
leave her, so following that placement, each ejected appointment goes to the one clerk it has there, ejects only
what has to leave too, and is never ejected again. The search tries every clerk for each ejected appointment and
so meets this placement. Two relaxations, computed once a day and independent of the request, cut it short:
the appointments that can leave their clerk at all (a greatest fixed point over whole appointments), and the
grains at which a clerk's time can be passed on, clerk by clerk, to somebody vacant (a least fixed point, the
augmenting path of bipartite matching at each grain).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.bits import aligned, each, runs, span
from optimizer.check import check_placement
from optimizer.instance import Obstacle, Placement, Reassignment, Refusal

if TYPE_CHECKING:
    from optimizer.instance import Booked, OfficeDay, Request

__all__ = ["DEPTH", "NODES", "Day", "admit", "check_placement", "starts"]

DEPTH = 12
"""Most appointments that one booking reassigns unless told otherwise."""
NODES = 4000
"""Most placements that one search tries; beyond it the refusal says that it isn't proven."""
LENGTHS = (2, 3, 4, 6, 9, 12)
"""Lengths in grains at which future room is counted: 10 minutes to an hour."""


def admit(day: OfficeDay, request: Request, *, depth: int = DEPTH) -> Placement | Refusal:
    """Place the request, or say why that can't be.

    At most `depth` appointments are reassigned, and as few as possible; 0 means direct placement only.
    The same input gives the same answer.
    """
    return Day(day).admit(request, depth=depth)


def starts(
    day: OfficeDay,
    length: int,
    services: frozenset[str],
    window: int,
    *,
    step: int = 3,
    offset: int = 0,
    elastic: bool = True,
    depth: int = DEPTH,
) -> int:
    """Give the starts, as a bit set, that `admit` accepts for an appointment of `length` grains.

    Starts differ from `offset` by multiples of `step` grains. `elastic` includes those that need others to be
    reassigned. Raises ValueError for a length or step under one grain.
    """
    return Day(day).starts(length, services, window, step=step, offset=offset, depth=depth if elastic else 0)


@dataclass(slots=True)
class _Search:
    """One search for a chain: the appointments in their new places, and those still without one."""

    placed: dict[int, int]
    pending: list[int]
    fixed: list[int]
    nodes: int = 0
    most: int = 0
    cut: bool = False


class Day:
    """An office's day, prepared for many questions; answers as `admit` and `starts` do.

    Clerks and appointments go by their position. Reuse it as long as the `OfficeDay` stands.
    """

    def __init__(self, day: OfficeDay) -> None:
        self.day = day
        self.clerks = day.clerks
        index = {clerk.clerk: number for number, clerk in enumerate(day.clerks)}
        self.booked: list[Booked] = [entry for entry in day.booked if entry.clerk in index]
        self.holder = [index[entry.clerk] for entry in self.booked]
        self.masks = [entry.mask for entry in self.booked]
        self.items: list[list[int]] = [[] for _ in day.clerks]
        self.occupied = [0] * len(day.clerks)
        for item, (clerk, mask) in enumerate(zip(self.holder, self.masks, strict=True)):
            self.items[clerk].append(item)
            self.occupied[clerk] |= mask
        self._eligible: dict[frozenset[str], list[int]] = {}
        self._weights: list[float] | None = None
        self._targets: list[list[int]] | None = None
        self._routable: list[int] = []
        self._leavable: list[int] = []

    def admit(self, request: Request, *, depth: int = DEPTH) -> Placement | Refusal:
        """Place the request, or say why that can't be."""
        eligible = self.eligible(request.services)
        if request.services and not eligible:
            return Refusal("unknown-service", self._obstacles(request))
        if request.start + request.length > self.day.grains or request.mask & ~request.window:
            return Refusal("outside-opening-hours")
        direct = self._direct(request.mask, eligible)
        if direct is not None:
            return Placement(self.clerks[direct].clerk)
        proven = True
        if depth > 0:
            chain, proven = self._chain(request.mask, eligible, depth)
            if chain is not None:
                return self._placement(*chain)
        return Refusal("no-free-clerk", self._obstacles(request), proven)

    def starts(
        self,
        length: int,
        services: frozenset[str],
        window: int,
        *,
        step: int = 3,
        offset: int = 0,
        depth: int = DEPTH,
    ) -> int:
        """Give the starts that `admit` accepts, as a bit set."""
        if length < 1:
            raise ValueError(f"length {length} is less than one grain")
        if length > self.day.grains:
            return 0
        eligible = self.eligible(services)
        window &= span(0, self.day.grains)
        wanted = runs(window, length) & aligned(self.day.grains, step, offset)
        direct = 0
        for clerk in eligible:
            direct |= runs(self.clerks[clerk].free & ~self.occupied[clerk] & window, length)
        direct &= wanted
        if depth <= 0 or direct == wanted:
            return direct
        self._relax()
        hopeful = 0
        for clerk in eligible:
            hopeful |= runs(self._open(clerk) & window, length)
        found = direct
        for start in each(hopeful & wanted & ~direct):
            if self._chain(span(start, length), eligible, depth)[0] is not None:
                found |= 1 << start
        return found

    def eligible(self, services: frozenset[str]) -> list[int]:
        """Give the positions of the clerks who may do all these services."""
        known = self._eligible.get(services)
        if known is None:
            known = [number for number, clerk in enumerate(self.clerks) if services <= clerk.services]
            self._eligible[services] = known
        return known

    def loss(self, clerk: int, mask: int) -> float:
        """Say how much future room is lost when this clerk takes these grains.

        Room is the number of starts left to her at each of `LENGTHS`, weighted by how rare her services are:
        a service that k clerks may do counts 1/k for each of them.
        """
        before = self.clerks[clerk].free & ~self.occupied[clerk]
        after = before & ~mask
        lost = sum(runs(before, n).bit_count() - runs(after, n).bit_count() for n in LENGTHS)
        if self._weights is None:
            count: dict[str, int] = {}
            for each_clerk in self.clerks:
                for service in each_clerk.services:
                    count[service] = count.get(service, 0) + 1
            self._weights = [sum(1 / count[service] for service in sorted(c.services)) for c in self.clerks]
        return lost * self._weights[clerk]

    def _direct(self, mask: int, eligible: list[int]) -> int | None:
        fitting = [
            clerk
            for clerk in eligible
            if not mask & ~self.clerks[clerk].free and not mask & self.occupied[clerk]
        ]
        if len(fitting) <= 1:
            return fitting[0] if fitting else None
        return min(
            fitting,
            key=lambda clerk: (
                self.loss(clerk, mask),
                len(self.clerks[clerk].services),
                self.occupied[clerk].bit_count(),
                self.clerks[clerk].clerk,
            ),
        )

    def _relax(self) -> list[list[int]]:
        """Compute where each appointment could go and which grains of each clerk could become vacant."""
        if self._targets is None:
            stuck, targets = self._movable()
            self._leavable = [~bits for bits in stuck]
            self._routable = self._routes(targets)
            self._targets = targets
        return self._targets

    def _movable(self) -> tuple[list[int], list[list[int]]]:
        """Give each clerk's grains taken by what can't leave her, and the clerks each appointment could go to."""
        stuck = [0] * len(self.clerks)
        for item, entry in enumerate(self.booked):
            if entry.pinned:
                stuck[self.holder[item]] |= self.masks[item]
        targets = [
            [
                clerk
                for clerk in (() if entry.pinned else self.eligible(entry.services))
                if clerk != self.holder[item] and not self.masks[item] & ~self.clerks[clerk].free
            ]
            for item, entry in enumerate(self.booked)
        ]
        changed = True
        while changed:
            changed = False
            for item, where in enumerate(targets):
                mask, own = self.masks[item], self.holder[item]
                where[:] = [clerk for clerk in where if not mask & stuck[clerk]]
                if not where and mask & ~stuck[own]:
                    stuck[own] |= mask
                    changed = True
        return stuck, targets

    def _routes(self, targets: list[list[int]]) -> list[int]:
        """Give each clerk's grains from which passing on, clerk by clerk, ends at somebody vacant."""
        routable = [~taken for taken in self.occupied]
        changed = True
        while changed:
            changed = False
            for item, where in enumerate(targets):
                mask, own = self.masks[item], self.holder[item]
                reach = routable[own]
                for clerk in where:
                    reach |= mask & routable[clerk]
                if reach != routable[own]:
                    routable[own] = reach
                    changed = True
        return routable

    def _open(self, clerk: int) -> int:
        """Give the grains that a chain could perhaps make free at this clerk."""
        return self.clerks[clerk].free & self._leavable[clerk] & self._routable[clerk]

    def _chain(
        self, mask: int, eligible: list[int], depth: int
    ) -> tuple[tuple[int, dict[int, int]] | None, bool]:
        """Search a chain with the fewest reassignments; also say whether a "no" is proven."""
        targets = self._relax()
        roots = [clerk for clerk in eligible if not mask & ~self._open(clerk)]
        ejects = {clerk: [item for item in self.items[clerk] if self.masks[item] & mask] for clerk in roots}
        roots.sort(key=lambda clerk: (len(ejects[clerk]), self.loss(clerk, mask), self.clerks[clerk].clerk))
        nodes = 0
        for most in range(1, depth + 1):
            cut = False
            for root in roots:
                if len(ejects[root]) > most:
                    cut = True
                    continue
                search = _Search({}, list(ejects[root]), [0] * len(self.clerks), nodes, most)
                search.fixed[root] = mask
                if self._extend(search, targets):
                    return (root, search.placed), True
                nodes = search.nodes
                cut = cut or search.cut
                if nodes >= NODES:
                    return None, False
            if not cut:
                return None, True
        return None, False

    def _extend(self, search: _Search, targets: list[list[int]]) -> bool:
        """Place the pending appointment with the fewest possible clerks, then the rest."""
        if not search.pending:
            return True
        best: list[int] = []
        chosen = -1
        for item in search.pending:
            mask = self.masks[item]
            where = [clerk for clerk in targets[item] if not mask & search.fixed[clerk]]
            if chosen < 0 or len(where) < len(best):
                best, chosen = where, item
                if not where:
                    return False
        mask = self.masks[chosen]
        room = search.most - len(search.placed) - len(search.pending)
        options: list[tuple[int, int, list[int]]] = []
        for clerk in best:
            ejected = (
                [
                    item
                    for item in self.items[clerk]
                    if self.masks[item] & mask and item not in search.placed and item not in search.pending
                ]
                if mask & self.occupied[clerk]
                else []
            )
            if len(ejected) > room:
                search.cut = True
            else:
                options.append((len(ejected), clerk, ejected))
        options.sort()
        rest = [item for item in search.pending if item != chosen]
        for _, clerk, ejected in options:
            search.nodes += 1
            if search.nodes >= NODES:
                search.cut = True
                return False
            search.placed[chosen] = clerk
            search.fixed[clerk] |= mask
            search.pending = rest + ejected
            if self._extend(search, targets):
                return True
            search.fixed[clerk] &= ~mask
            del search.placed[chosen]
        search.pending = [*rest, chosen]
        return False

    def _placement(self, root: int, placed: dict[int, int]) -> Placement:
        """Put the reassignments in an order in which each target is vacant when its turn comes."""
        waiting = sorted(placed, key=lambda item: (self.booked[item].start, self.booked[item].uid))
        order: list[int] = []
        atomic = False
        while waiting:
            ready = [
                item
                for item in waiting
                if not any(
                    self.holder[other] == placed[item] and self.masks[other] & self.masks[item]
                    for other in waiting
                )
            ]
            if not ready:
                atomic = True
                ready = waiting
            order += ready
            waiting = [item for item in waiting if item not in ready]
        moves = tuple(
            Reassignment(self.booked[item].uid, self.booked[item].clerk, self.clerks[placed[item]].clerk)
            for item in order
        )
        return Placement(self.clerks[root].clerk, moves, atomic)

    def _obstacles(self, request: Request) -> tuple[Obstacle, ...]:
        found: list[Obstacle] = []
        for number, clerk in enumerate(self.clerks):
            if not request.services <= clerk.services:
                found.append(Obstacle(clerk.clerk, "not-eligible"))
            elif request.mask & ~clerk.free:
                found.append(Obstacle(clerk.clerk, "not-working"))
            else:
                uids = [
                    self.booked[item].uid for item in self.items[number] if self.masks[item] & request.mask
                ]
                found.append(Obstacle(clerk.clerk, "occupied", tuple(sorted(uids))))
        return tuple(found)

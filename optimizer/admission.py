"""Admission: whether an appointment can be placed, with whom, and which starts can be offered.

No solver and no array library: a day of a clerk is one integer, see `optimizer.bits`.

If an eligible clerk is free, the one is chosen whose taking it costs the office least future room. Otherwise `optimizer.chains` searches
the fewest reassignments after which one has room. Where that takes more than a few steps, `optimizer.matchings` decides: what it finds is right,
but more may change than had to. Which starts can be had doesn't depend on the fewest, so `starts` asks it at once.
"""

from __future__ import annotations

import sys
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING

from optimizer.bits import aligned, each, runs, span
from optimizer.chains import Chains
from optimizer.check import check_placement
from optimizer.instance import Obstacle, Placement, Reassignment, Refusal
from optimizer.matchings import Question
from optimizer.timetable import Timetable

if TYPE_CHECKING:
    from optimizer.instance import Booked, OfficeDay, Request

__all__ = ["DEPTH", "Day", "admit", "check_placement", "starts"]

DEPTH = sys.maxsize
"""Most appointments that one booking reassigns unless told otherwise: as many as it takes."""
PLACEMENTS = 30
"""Placements tried in search of the fewest reassignments, before any will do."""
CAREFUL = 3000
"""The same where the reassignments are limited and a way with more was found."""
CHOICES = 5000
"""Choices in search of any; after these a refusal says that it isn't proven."""
SEATINGS = 24
"""So many other arrangements of a day are kept: one that makes room at one start mostly does so at the next, or for other wishes."""
LENGTHS = (2, 3, 4, 6, 9, 12)
"""Lengths in grains at which future room is counted: 10 minutes to an hour."""


def admit(day: OfficeDay, request: Request, *, depth: int = DEPTH) -> Placement | Refusal:
    """Place the request, or say why that can't be.

    At most `depth` appointments are reassigned; 0 means direct placement only. They are as few as possible where that can be
    found out fast (`PLACEMENTS`). The same input gives the same answer.
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


def _room(vacant: int) -> int:
    """Count the runs of all `LENGTHS`, the longer ones made of the shorter."""
    two = vacant & vacant >> 1
    three = two & vacant >> 2
    four = two & two >> 2
    six = three & three >> 3
    nine = six & three >> 6
    twelve = six & six >> 6
    return (
        two.bit_count()
        + three.bit_count()
        + four.bit_count()
        + six.bit_count()
        + nine.bit_count()
        + twelve.bit_count()
    )


class _Rows:
    """Grains of each clerk, and where runs of each length asked for start."""

    def __init__(self, grains: list[int]) -> None:
        self.grains = grains
        self._runs: dict[int, list[int]] = {}

    def any_run(self, length: int, clerks: list[int]) -> int:
        """Give the starts of a run of so many grains at any of these clerks."""
        known = self._runs.get(length)
        if known is None:
            known = self._runs[length] = [runs(grains, length) for grains in self.grains]
        found = 0
        for clerk in clerks:
            found |= known[clerk]
        return found


class Day:
    """An office's day, prepared for many questions; answers as `admit` and `starts` do.

    Clerks and appointments go by their position. Reuse it as long as the `OfficeDay` stands; threads may share it.
    """

    def __init__(self, day: OfficeDay) -> None:
        self.day = day
        self.clerks = day.clerks
        index = {clerk.clerk: number for number, clerk in enumerate(day.clerks)}
        self.booked: list[Booked] = [entry for entry in day.booked if entry.clerk in index]
        self.holder = [index[entry.clerk] for entry in self.booked]
        self.masks = [((1 << entry.length) - 1) << entry.start for entry in self.booked]
        self.occupied = [0] * len(day.clerks)
        for clerk, mask in zip(self.holder, self.masks, strict=True):
            self.occupied[clerk] |= mask
        self._eligible: dict[frozenset[str], list[int]] = {}
        self._weights: dict[int, float] = {}
        self._how_many: dict[str, int] = {}
        self._room: dict[int, int] = {}
        self._takers: dict[int, list[int]] = {}
        self._able: dict[frozenset[str], list[tuple[int, int]]] = {}
        self._seatings: list[_Rows] = []
        # Each question may add a moment to the timetable, by which all the others are counted anew.
        self._searching = Lock()

    @cached_property
    def items(self) -> list[list[int]]:
        """What each clerk has."""
        found: list[list[int]] = [[] for _ in self.clerks]
        for item, clerk in enumerate(self.holder):
            found[clerk].append(item)
        return found

    @cached_property
    def _closed(self) -> list[int]:
        """Where a clerk can be given nothing, whoever else moves."""
        found = [~clerk.free for clerk in self.clerks]
        for item, entry in enumerate(self.booked):
            if entry.pinned:
                found[self.holder[item]] |= self.masks[item]
        return found

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
            chain, proven = self._chain(request.start, request.length, eligible, depth)
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
        if not wanted:
            return 0
        found = self._vacant.any_run(length, eligible) & wanted
        if depth <= 0 or found == wanted:
            return found
        if depth < len(self.booked):
            for start in each(self._hopeful.any_run(length, eligible) & wanted & ~found):
                if self._chain(start, length, eligible, depth)[0] is not None:
                    found |= 1 << start
            return found
        return found | self._by_reassigning(length, eligible, wanted & ~found)

    def _by_reassigning(self, length: int, eligible: list[int], wanted: int) -> int:
        """Give those of the starts at which nobody is vacant, and somebody becomes so by any reassignments."""
        found = self._pliable.any_run(length, eligible) & wanted
        for seating in self._seatings:
            found |= seating.any_run(length, eligible) & wanted
        if found == wanted:
            return found
        for start in each(self._hopeful.any_run(length, eligible) & wanted & ~found):
            if found >> start & 1:
                continue
            chain, _ = self._chain(start, length, eligible, DEPTH, any_chain=True)
            if chain is None:
                continue
            found |= 1 << start
            if len(self._seatings) < SEATINGS:
                seating = self._after(chain[1])
                self._seatings.append(seating)
                found |= seating.any_run(length, eligible) & wanted
        return found

    def _after(self, placed: dict[int, int]) -> _Rows:
        """Give each clerk's vacant grains when these appointments have gone to these clerks: whatever fits there can be had."""
        grains = self._vacant.grains.copy()
        for holder in {self.holder[item] for item in placed}:
            taken = 0
            for item in self.items[holder]:
                if item not in placed:
                    taken |= self.masks[item]
            grains[holder] = self.clerks[holder].free & ~taken
        for item, clerk in placed.items():
            grains[clerk] &= ~self.masks[item]
        return _Rows(grains)

    @cached_property
    def _vacant(self) -> _Rows:
        """Each clerk's grains that nothing takes."""
        return _Rows([clerk.free & ~taken for clerk, taken in zip(self.clerks, self.occupied, strict=True)])

    @cached_property
    def _pliable(self) -> _Rows:
        """Each clerk's grains that are vacant, or taken by an appointment that somebody vacant could take over.

        Those that she has don't come into each other's way, since they don't overlap: a run of such grains can be had. Where some
        stand on top of each other, they might all need the same clerk; then only a search can tell.
        """
        found = []
        for clerk, (vacant, closed) in enumerate(zip(self._vacant.grains, self._closed, strict=True)):
            stay = closed
            pliable = vacant
            once = twice = 0
            for item in self.items[clerk]:
                twice |= once & self.masks[item]
                once |= self.masks[item]
            for item in self.items[clerk]:
                entry = self.booked[item]
                able = self._vacant.any_run(entry.length, self.eligible(entry.services))
                if able >> entry.start & 1 and not entry.pinned and not twice & self.masks[item]:
                    pliable |= self.masks[item]
                else:
                    stay |= self.masks[item]
            found.append(pliable & ~stay)
        return _Rows(found)

    @cached_property
    def _hopeful(self) -> _Rows:
        """Each clerk's grains that could become vacant if it weren't for the grains beside them.

        Grain by grain an appointment's clerk becomes so if one of its takers is or does.
        """
        waiting = [
            (mask, mask, self.holder[item], self._candidates(item)) for item, mask in enumerate(self.masks)
        ]
        level = [~taken for taken in self.occupied]
        before: list[int] = []
        while level != before:
            before = level.copy()
            for mask, inside, own, candidates in waiting:
                wanted = inside & ~level[own]
                for clerk, closed in candidates:
                    if not wanted:
                        break
                    found = wanted & level[clerk]
                    if found and clerk != own and not mask & closed:
                        level[own] |= found
                        wanted ^= found
            waiting = [entry for entry in waiting if entry[1] & ~level[entry[2]]]
        return _Rows([reached & ~closed for reached, closed in zip(level, self._closed, strict=True)])

    def prepare(self) -> None:
        """Work out now what the first question would."""
        _ = self._pliable, self._hopeful

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
        room = self._room.get(clerk)
        if room is None:
            room = self._room[clerk] = _room(before)
        lost = room - _room(before & ~mask)
        return lost * self._weight(clerk)

    def _weight(self, clerk: int) -> float:
        weight = self._weights.get(clerk)
        if weight is None:
            count = self._how_many
            if not count:
                for each_clerk in self.clerks:
                    for service in each_clerk.services:
                        count[service] = count.get(service, 0) + 1
            weight = sum(1 / count[service] for service in sorted(self.clerks[clerk].services))
            self._weights[clerk] = weight
        return weight

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

    def takers(self, item: int) -> list[int]:
        """Give the clerks to whom an appointment could go, others' appointments aside."""
        known = self._takers.get(item)
        if known is None:
            entry = self.booked[item]
            if entry.pinned:
                known = []
            else:
                mask, own, closed = self.masks[item], self.holder[item], self._closed
                known = [
                    clerk
                    for clerk in self.eligible(entry.services)
                    if not mask & closed[clerk] and clerk != own
                ]
            self._takers[item] = known
        return known

    def _candidates(self, item: int) -> list[tuple[int, int]]:
        """Give the clerks who may do what an appointment needs, and the grains at which each can be given nothing."""
        entry = self.booked[item]
        if entry.pinned:
            return []
        known = self._able.get(entry.services)
        if known is None:
            known = self._able[entry.services] = [
                (clerk, self._closed[clerk]) for clerk in self.eligible(entry.services)
            ]
        return known

    def _chain(
        self, start: int, length: int, eligible: list[int], depth: int, *, any_chain: bool = False
    ) -> tuple[tuple[int, dict[int, int]] | None, bool]:
        """Search a chain of at most `depth` reassignments, `any_chain` or one with few; also say whether a "no" is proven."""
        mask = span(start, length)
        closed = self._closed
        could = 0
        for clerk in eligible:
            if not mask & closed[clerk]:
                could |= 1 << clerk
        if not could:
            return None, True
        with self._searching:
            return self._search(start, length, could, depth, any_chain=any_chain)

    def _search(
        self, start: int, length: int, could: int, depth: int, *, any_chain: bool
    ) -> tuple[tuple[int, dict[int, int]] | None, bool]:
        """Do so with these clerks (bits) for the request."""
        chains = Chains(self.timetable, start, length, could)
        if not chains.possible:
            return None, True
        if not any_chain:
            chain, decided = chains.search(depth, PLACEMENTS)
            if decided:
                return chain, True
        found, proven = Question(self.timetable, start, length, chains.possible).answer(CHOICES)
        if found is not None and len(found.placed) > depth:
            return chains.search(depth, CAREFUL)
        return found, proven

    @cached_property
    def timetable(self) -> Timetable:
        """Who has what and could have it, for the complete search."""
        return Timetable(self.day.grains, self.clerks, self.booked, self.holder, self.occupied, self._closed)

    def _placement(self, root: int, placed: dict[int, int]) -> Placement:
        """Put the reassignments in an order in which each target is vacant when its turn comes."""
        waiting = sorted(placed, key=lambda item: (self.booked[item].start, self.booked[item].uid))
        course, held = self.timetable.course, self.timetable.held
        moving = sum(1 << item for item in waiting)
        in_the_way = {item: course.overlaps(item) & held[placed[item]] & moving for item in waiting}
        order: list[int] = []
        atomic = False
        while waiting:
            ready = [item for item in waiting if not in_the_way[item] & moving]
            if not ready:
                atomic = True
                ready = waiting
            order += ready
            for item in ready:
                moving ^= 1 << item
            waiting = [item for item in waiting if moving >> item & 1]
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

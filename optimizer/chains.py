"""The chain with the fewest reassignments after which a request has room.

The request takes a clerk's time, whoever stood there goes to other clerks at the same time, and so on (an ejection chain, as in Glover 1996, here searched
exactly). The search deepens by the number of reassignments, so the chain found has the fewest. Each ejected appointment is tried with
every clerk who could take it, ejects only what has to leave, and is never ejected again; so any valid placement is met on the way. A
relaxation cuts it short: at each moment of the request one more clerk must become busy, and following who moves where from the request's
clerk ends at somebody vacant at that moment (the augmenting path of bipartite matching). A breadth-first search over clerks
bounds from below how many moves a clerk is from a vacant one there. It says nothing about other moments, nor about moments at
which somebody left a clerk for another reason: there appointments may also change places in a ring.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.bits import each, span

if TYPE_CHECKING:
    from optimizer.timetable import Timetable

__all__ = ["Chains"]

_Seen = tuple[int, int, int]
"""The clerks (bits) to whom an appointment could go, the others that overlap it, and the request's moments at which it is going on."""
_Target = tuple[int, int, int, int]
"""With at least how many further moves an appointment could go to a clerk, how many overlap it there, the clerk, and who overlaps it (bits). Plain, since thousands are made."""


class Chains:
    """One search, for a request for these grains.

    `possible` are the clerks (bits) who could take it as far as the routes to vacant ones say. Moments are those of the request, as bits.
    `placed` has the appointments' new clerks; `cut` says that something was left untried because of `most`.
    """

    def __init__(self, table: Timetable, start: int, length: int, could: int) -> None:
        course = table.course
        course.require(start)
        self.table = table
        self.beside = course.during(start, start + length)
        self._first, self._last = course.before[start], course.before[start + length]
        self._reach: dict[int, list[int]] = {0: [table.everyone]}
        self.possible = could
        bit = 1
        for grain in course.moments[self._first : self._last]:
            known = self._reach[bit] = self._routes(course.during(grain, grain + 1))
            self.possible &= known[-1]
            if not self.possible:
                break
            bit <<= 1
        self.placed: dict[int, int] = {}
        self.most = 0
        self.nodes = self.limit = 0
        self.cut = False
        self._root = 0
        self._seen: dict[int, _Seen] = {}
        self._targets: dict[tuple[int, int], tuple[list[_Target], int]] = {}

    def _routes(self, now: int) -> list[int]:
        """Give, for each number of moves, the clerks (bits) whom so many could make vacant at a moment, of which these are who is going on."""
        table = self.table
        waiting = []
        reached = table.everyone
        while now:
            item = now.bit_length() - 1
            now ^= 1 << item
            home = 1 << table.holders[item]
            reached &= ~home
            waiting.append((table.domain(item), home))
        levels = [reached]
        while True:
            still = []
            further = reached
            for entry in waiting:
                if entry[0] & reached:
                    further |= entry[1]
                else:
                    still.append(entry)
            if further == reached:
                return levels
            reached = further
            levels.append(reached)
            waiting = still

    def _reached(self, inside: int) -> list[int]:
        """Give the same for several moments together."""
        known = self._reach.get(inside)
        if known is None:
            one = inside & -inside
            here, others = self._reach[one], self._reached(inside ^ one)
            most = max(len(here), len(others))
            known = self._reach[inside] = [
                here[min(moves, len(here) - 1)] & others[min(moves, len(others) - 1)] for moves in range(most)
            ]
        return known

    def _look(self, item: int) -> _Seen:
        table, course = self.table, self.table.course
        first, last = max(course.first[item], self._first), min(course.last[item], self._last)
        known = self._seen[item] = (
            table.domain(item) & ~(1 << table.holders[item]),
            course.overlaps(item) & ~(1 << item),
            (1 << last - self._first) - (1 << first - self._first) if first < last else 0,
        )
        return known

    def search(self, depth: int, limit: int) -> tuple[tuple[int, dict[int, int]] | None, bool]:
        """Search a chain of at most `depth` reassignments, trying at most so many placements; also say whether the answer is decided.

        Of clerks with whom it could be as short, those are tried first to whom something is given last.
        """
        roots, _ = self._to(self.possible, self.beside, self._reached(span(0, self._last - self._first)))
        rank = {clerk: -number for number, (clerk, _) in enumerate(self.table.ranked)}
        ordered = sorted(
            [(max(moves, count), rank[clerk], clerk, there) for moves, count, clerk, there in roots]
        )
        self.nodes, self.limit = 0, limit
        self.placed.clear()
        for most in range(ordered[0][0], depth + 1):
            self.most, self.cut = most, False
            for need, _, clerk, there in ordered:
                if need > most:
                    self.cut = True
                    break
                self._root = 1 << clerk
                if self._extend(there, there, 0, 0):
                    return (clerk, self.placed), True
                if self.nodes >= limit:
                    return None, False
            if not self.cut:
                return None, True
        return None, False

    def _extend(self, pending: int, gone: int, settled: int, loose: int) -> bool:
        """Place the pending appointment with the fewest possible clerks, then the rest.

        `gone` are all that have left their clerk, pending or `settled` with a new one. At the `loose` moments some of them
        aren't on the way from the request's clerk to a vacant one, or needn't be.
        """
        if not pending:
            return True
        chosen, options = self._most_pressing(pending, gone, settled, loose)
        if len(options) > 1:
            stayed = ~gone
            options = sorted(
                [(moves, (there & stayed).bit_count(), clerk, there) for moves, _, clerk, there in options]
            )
        own = 1 << chosen
        pending ^= own
        seen = self._seen
        off_way = loose | ~seen[chosen][2]
        for _, _, clerk, there in options:
            self.nodes += 1
            if self.nodes >= self.limit:
                return False
            ejected = there & ~gone
            beside = loose
            for item in each(ejected):
                beside |= (seen.get(item) or self._look(item))[2] & off_way
            self.placed[chosen] = clerk
            if self._extend(pending | ejected, gone | ejected, settled | own, beside):
                return True
            del self.placed[chosen]
        return False

    def _most_pressing(self, pending: int, gone: int, settled: int, loose: int) -> tuple[int, list[_Target]]:
        """Give the pending appointment with the fewest possible clerks, and these."""
        seen = self._seen
        room = self.most - gone.bit_count()
        best: list[_Target] = []
        chosen = -1
        for item in each(pending):
            _, overlaps, inside = seen.get(item) or self._look(item)
            inside &= ~loose
            known = self._targets.get((item, inside)) or self._targets_of(item, inside, room)
            if known is None:
                return item, []
            where, most = known
            given = self._root if self.beside >> item & 1 else 0
            if overlaps & settled:
                for other in each(overlaps & settled):
                    given |= 1 << self.placed[other]
            # Mostly nothing is in the way of any of them.
            if most > room or given:
                where = self._left(where, given, room, gone)
            if chosen < 0 or len(where) < len(best):
                chosen, best = item, where
                if not where:
                    break
        return chosen, best

    def _targets_of(self, item: int, inside: int, room: int) -> tuple[list[_Target], int] | None:
        """Give where an appointment can go, and the most that any of that sets in motion; None if nowhere with so few further moves."""
        clerks, overlaps, _ = self._seen[item]
        reached = self._reach.get(inside) or self._reached(inside)
        if room < len(reached) and not clerks & reached[room]:
            if clerks & reached[-1]:
                self.cut = True
            return None
        known = self._targets[item, inside] = self._to(clerks, overlaps, reached)
        return known

    def _left(self, targets: list[_Target], given: int, room: int, gone: int) -> list[_Target]:
        """Give those of the targets that nobody was `given` to beside it (bits), and that set no more in motion than there is room for."""
        found = []
        stayed = ~gone
        for target in targets:
            moves, count, clerk, there = target
            if given >> clerk & 1:
                continue
            if moves > room or (count > room and (there & stayed).bit_count() > room):
                self.cut = True
            else:
                found.append(target)
        return found

    def _to(self, clerks: int, overlaps: int, levels: list[int]) -> tuple[list[_Target], int]:
        """Give to which of the clerks (bits) something can go that overlaps these, and the most that any of that sets in motion."""
        held = self.table.held
        found: list[_Target] = []
        most = 0
        for moves, reached in enumerate(levels):
            new = clerks & reached
            if new:
                clerks ^= new
                while new:
                    clerk = new.bit_length() - 1
                    new ^= 1 << clerk
                    there = overlaps & held[clerk]
                    count = there.bit_count()
                    found.append((moves, count, clerk, there))
                    most = max(most, count)
                most = max(most, moves)
        return found, most

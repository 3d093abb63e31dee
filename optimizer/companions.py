"""Who booked together comes together: seating a whole group anew where one of them can't stay on the day.

The solver plans one appointment at a time (`optimizer.repair`). For a family an appointment on another day than the others' is hardly better than none.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer import bits

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from optimizer.snapshot import BookedNow


@dataclass(frozen=True, slots=True)
class Room:
    """A day for one group: each clerk's free grains who may do it, where it may lie, and where it may begin (bits)."""

    free: Mapping[str, int]
    window: int
    starts: int


def groups_of(entries: Iterable[BookedNow]) -> dict[str, list[BookedNow]]:
    """Return those of the entries that belong together, two or more, by the group's name."""
    found: dict[str, list[BookedNow]] = defaultdict(list)
    for entry in entries:
        if entry.group:
            found[entry.group].append(entry)
    return {name: members for name, members in found.items() if len(members) > 1}


def wait(periods: Iterable[tuple[int, int]]) -> int:
    """Return the longest time in which none of these [start, end) takes place, between the first and the last; 0 for what is beside or after each other."""
    longest, until = 0, None
    for start, end in sorted(periods):
        if until is not None:
            longest = max(longest, start - until)
        until = end if until is None else max(until, end)
    return longest


def seat(members: list[BookedNow], room: Room, later: int = 0) -> dict[str, tuple[str, int]] | None:
    """Return a clerk and a start (in grains) for each, as near as can be to the first one's time of day; None if they don't fit.

    `later` is by how many grains the room's clock is ahead of that of the members' day. As many at once as there are clerks, the others right after them. With her own clerk if she is free.
    """
    wanted = min(entry.start for entry in members) - later
    for start in sorted(bits.each(room.starts), key=lambda start: (abs(start - wanted), start)):
        found = _seated(members, room, start)
        if found is not None:
            return found
    return None


def _seated(members: list[BookedNow], room: Room, start: int) -> dict[str, tuple[str, int]] | None:
    length = max(entry.length for entry in members)
    left = sorted(members, key=lambda entry: (entry.start, entry.uid))
    found: dict[str, tuple[str, int]] = {}
    while left:
        mask = bits.span(start, length)
        clerks = [clerk for clerk, free in room.free.items() if not mask & ~(free & room.window)]
        if not clerks:
            return None
        now = left[: len(clerks)]
        # Who can keep her clerk does; the others take whoever remains.
        own = {entry.uid: entry.clerk for entry in now if entry.clerk in clerks}
        own = {
            uid: clerk for uid, clerk in own.items() if uid == min(each for each in own if own[each] == clerk)
        }
        others = [clerk for clerk in clerks if clerk not in own.values()]
        for entry in now:
            clerk = own.get(entry.uid) or others.pop(0)
            found[entry.uid] = (clerk, start)
        left = left[len(now) :]
        start += length
    return found

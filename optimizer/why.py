"""Why something isn't possible: what stands in the way in each clerk's calendar, of one time or of a whole day.

Answers are for people who ask afterwards; admission decides without them. A reason is the first that excludes the clerk, in the order of `Reason`.
Periods are half-open ranges of grains.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from optimizer import bits, companions
from optimizer.instance import Booked, ClerkDay, OfficeDay

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from optimizer.planning import Absence, Change
    from optimizer.snapshot import Snapshot

Reason = Literal["not-eligible", "not-working", "own-entry", "appointment", "gap", "grid", "free", "group"]
"""not-eligible: she may not do all of it. not-working: outside her working time. own-entry: an entry of her own. appointment: no time
between appointments. gap: the time between them is too short. grid: long enough, but no start lies in it. free: nothing stands in the way.
group: nothing but that the others that were booked together with it move too."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What excludes a clerk: with "not-eligible" the services `missing`, else the `periods` in the way and the uids of `appointments`.

    `longest` is her longest free time of the day inside the windows, in grains.
    """

    clerk: str
    reason: Reason
    missing: tuple[str, ...] = ()
    periods: tuple[tuple[int, int], ...] = ()
    appointments: tuple[str, ...] = ()
    longest: int = 0


def at_time(
    day: OfficeDay, working: Mapping[str, int], services: frozenset[str], start: int, length: int
) -> tuple[Obstacle, ...]:
    """Return for each clerk what stands in the way of [start, start + length); `working` has her working grains, own entries not taken out."""
    wanted = bits.span(start, length)
    return tuple(_at_time(clerk, day.booked, working[clerk.clerk], services, wanted) for clerk in day.clerks)


def on_day(
    day: OfficeDay, working: Mapping[str, int], services: frozenset[str], length: int, window: int, step: int
) -> tuple[Obstacle, ...]:
    """Return for each clerk why no time of the day is hers; `window` has the grains inside windows, starts are multiples of `step`."""
    return tuple(
        _on_day(clerk, day, working[clerk.clerk] & window, services, (length, step)) for clerk in day.clerks
    )


def _at_time(
    clerk: ClerkDay, booked: Iterable[Booked], working: int, services: frozenset[str], wanted: int
) -> Obstacle:
    if not services <= clerk.services:
        return Obstacle(clerk.clerk, "not-eligible", tuple(sorted(services - clerk.services)))
    if wanted & ~working:
        return Obstacle(clerk.clerk, "not-working", periods=_periods(wanted & ~working))
    if own := wanted & ~clerk.free:
        return Obstacle(clerk.clerk, "own-entry", periods=_periods(own))
    mine = [entry for entry in booked if entry.clerk == clerk.clerk and entry.mask & wanted]
    if mine:
        periods = tuple((entry.start, entry.start + entry.length) for entry in mine)
        return Obstacle(
            clerk.clerk, "appointment", periods=periods, appointments=tuple(entry.uid for entry in mine)
        )
    return Obstacle(clerk.clerk, "free")


def _on_day(
    clerk: ClerkDay, day: OfficeDay, usable: int, services: frozenset[str], wish: tuple[int, int]
) -> Obstacle:
    length, step = wish
    if not services <= clerk.services:
        return Obstacle(clerk.clerk, "not-eligible", tuple(sorted(services - clerk.services)))
    if not bits.runs(usable, length):
        return Obstacle(clerk.clerk, "not-working", longest=_longest(usable))
    own = usable & ~clerk.free
    there = usable & clerk.free
    if not bits.runs(there, length):
        return Obstacle(clerk.clerk, "own-entry", periods=_periods(own), longest=_longest(there))
    mine = [entry for entry in day.booked if entry.clerk == clerk.clerk and entry.mask & there]
    left = there
    for entry in mine:
        left &= ~entry.mask
    free = bits.runs(left, length)
    reason: Reason = "free" if free & bits.aligned(day.grains, step) else "grid" if free else "gap"
    return Obstacle(
        clerk.clerk,
        "appointment" if not left else reason,
        periods=_periods(own),
        appointments=tuple(entry.uid for entry in mine),
        longest=_longest(left),
    )


def _periods(found: int) -> tuple[tuple[int, int], ...]:
    periods = []
    while found:
        start = (found & -found).bit_length() - 1
        ended = (found >> start) + 1
        length = (ended & -ended).bit_length() - 1
        periods.append((start, start + length))
        found &= ~bits.span(start, length)
    return tuple(periods)


def _longest(found: int) -> int:
    return max((end - start for start, end in _periods(found)), default=0)


def of_changes(
    snapshot: Snapshot, changes: Iterable[Change], absence: Absence | None = None
) -> dict[str, tuple[Obstacle, ...]]:
    """Return for each appointment that a plan moves or cancels why it can't stay at its time, once all else of the plan is done."""
    made = {change.uid: change for change in changes}
    loud = {uid for uid, change in made.items() if not change.is_quiet}
    along = companions.groups_of(entry for entry in snapshot.booked if entry.uid in loud)
    found = {}
    for entry in snapshot.booked:
        if entry.uid in loud:
            day = _after(snapshot, entry.day, made, absence)
            working = {clerk.id: clerk.working[entry.day] for clerk in snapshot.clerks}
            obstacles = at_time(day, working, frozenset(entry.services), entry.start, entry.length)
            if entry.group in along:
                # Only since the others of its group move too.
                obstacles = tuple(
                    replace(each, reason="group") if each.reason == "free" else each for each in obstacles
                )
            found[entry.uid] = obstacles
    return found


def _after(
    snapshot: Snapshot, index: int, changes: Mapping[str, Change], absence: Absence | None
) -> OfficeDay:
    """A day as it is after the plan."""
    day = snapshot.days[index]
    grain = 300
    booked = []
    for entry in snapshot.booked:
        change = changes.get(entry.uid)
        clerk, at = (change.to_clerk, change.to_start) if change else (entry.clerk, entry.starts_at)
        if (change is not None and change.cancel) or not day.base <= at < day.base + day.grains * grain:
            continue
        start = entry.start if at == entry.starts_at else (at - day.base) // grain
        booked.append(
            Booked(entry.uid, clerk, start, min(entry.length, day.grains - start), frozenset(entry.services))
        )
    clerks = []
    for each in snapshot.clerks:
        free = each.free[index]
        if absence is not None and absence.clerk == each.id:
            first = max(0, (absence.start - day.base) // grain)
            last = min(day.grains, -((day.base - absence.end) // grain))
            free &= ~bits.span(first, max(0, last - first))
        clerks.append(ClerkDay(each.id, frozenset(each.services), free))
    return OfficeDay(day.grains, tuple(clerks), tuple(booked))

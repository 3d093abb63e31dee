"""Plans for a real office: from a snapshot to the steps that repair or balance it.

`optimizer.repair` solves one day; an absence may hit several. They are planned one after the other, each on the state that the plan so
far leaves behind. The days after the one in question are the office's next open days, so "one day later" is a distance that a citizen
understands, whatever lies between.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from optimizer import aside, bits, check, companions
from optimizer.office import Appointment, Clerk, Office
from optimizer.solution import Assignment, Place
from optimizer.workload import Colleague, Curve, Task, present

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from optimizer.snapshot import BookedNow, ClerkNow, DayNow, Snapshot
    from optimizer.solution import Objective, Solution

GRAIN = 300
"""Seconds of a grain."""
DAYS_AHEAD = 4
"""How many open days after the one in question an appointment may move to."""
_REGULAR = 288
"""Grains of a day on which the clocks don't change."""
_LARGEST_CHANGE = 24
LONGEST_WAIT = 12
"""Grains that a group may have to wait for its next appointment before all of it is moved."""


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one appointment; `start` and `to_start` in epoch seconds, `etag` as in the snapshot."""

    uid: str
    etag: str
    clerk: str
    start: int
    to_clerk: str
    to_start: int
    cancel: bool = False

    @property
    def is_quiet(self) -> bool:
        """True if only the clerk changes, so that the citizen needn't know."""
        return not self.cancel and self.start == self.to_start


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan before it is stored: the changes and what they cost, level by level; proven if each day's part is.

    `objective` counts as "clerk_changes" all appointments that go to somebody else, at their time or another.
    """

    office: str
    changes: tuple[Change, ...]
    objective: dict[str, int] = field(default_factory=dict)
    proven_optimal: bool = True
    seconds: float = 0.0

    def split(self, snapshot: Snapshot, held: Container[str] = ()) -> tuple[Draft, Draft]:
        """Return the quiet part, which can be applied at once, and the rest, which waits for somebody's decision.

        The rest may need places that the quiet part makes free, so the quiet part goes first. What in turn needs a place that
        the rest makes free belongs to the rest, as do the appointments `held` (uids), and what needs theirs.
        """
        booked = {entry.uid: entry for entry in snapshot.booked}
        rest = {change.uid for change in self.changes if not change.is_quiet or change.uid in held}
        growing = bool(rest)
        while growing:
            occupied = [booked[uid] for uid in rest]
            joining = {
                change.uid
                for change in self.changes
                if change.uid not in rest
                and any(_would_meet(change, booked[change.uid], entry) for entry in occupied)
            }
            rest |= joining
            growing = bool(joining)
        quiet = tuple(change for change in self.changes if change.uid not in rest)
        loud = tuple(change for change in self.changes if change.uid in rest)
        return self._part(quiet), self._part(loud)

    def _part(self, changes: tuple[Change, ...]) -> Draft:
        """Return these changes with what they cost; nobody's time changes in a quiet part."""
        costs = {**self.objective, "clerk_changes": _clerk_changes(changes)}
        if all(change.is_quiet for change in changes):
            costs |= {name: 0 for name in ("cancelled", "moved_grains") if name in costs}
        return replace(self, changes=changes, objective=costs)


def _clerk_changes(changes: Iterable[Change]) -> int:
    """How many appointments go to somebody else, at their time or another."""
    return sum(not change.cancel and change.to_clerk != change.clerk for change in changes)


def _would_meet(change: Change, moving: BookedNow, staying: BookedNow) -> bool:
    end = change.to_start + moving.ends_at - moving.starts_at
    return change.to_clerk == staying.clerk and change.to_start < staying.ends_at and end > staying.starts_at


@dataclass(slots=True)
class _State:
    """Where every appointment is while a plan grows; None is cancelled. Places are (clerk, day, start)."""

    snapshot: Snapshot
    places: dict[str, tuple[str, int, int] | None]

    def on(self, day: int) -> list[BookedNow]:
        found = []
        for entry in self.snapshot.booked:
            place = self.places[entry.uid]
            if place is not None and place[1] == day:
                found.append(replace(entry, clerk=place[0], day=day, start=place[2]))
        return found


@dataclass(frozen=True, slots=True)
class Absence:
    """A clerk who is away in [start, end), in epoch seconds, whether her calendar says so already or not."""

    clerk: str
    start: int
    end: int


class Solver(Protocol):
    """What plans one day: `optimizer.repair.repair`, or the same in a process of its own."""

    def __call__(self, office: Office, *, seconds: float, seed: int) -> Solution:
        """Give the day's plan."""


def repair(
    snapshot: Snapshot,
    absence: Absence,
    *,
    seconds: float = 30.0,
    seed: int = 1,
    notice: int = 0,
    solve: Solver = aside.repair,
) -> Draft:
    """Plan who takes over what during an absence.

    A day whose solver gives no answer in time, as `optimizer.aside` says, stays as it is: the plan isn't proven, and its objective counts such
    days as "unplanned_days".
    `seconds` bounds each day's search; nothing is moved to a start within `notice` seconds from now. Appointments that have begun stay.
    Raises ValueError for an unknown clerk.
    """
    if all(entry.id != absence.clerk for entry in snapshot.clerks):
        raise ValueError(f"the office has no clerk {absence.clerk!r}")
    hit = {
        entry.uid
        for entry in snapshot.booked
        if entry.clerk == absence.clerk and entry.starts_at < absence.end and entry.ends_at > absence.start
    }
    return _repair(snapshot, hit, absence, solve, seconds=seconds, seed=seed, notice=notice)


def conflicts(snapshot: Snapshot) -> set[str]:
    """Return the uids of coming appointments that their clerk's own events cover, since she is away or has something else to do."""
    working = {entry.id: entry.working for entry in snapshot.clerks}
    free = {entry.id: entry.free for entry in snapshot.clerks}
    return {
        entry.uid
        for entry in snapshot.booked
        if entry.starts_at >= snapshot.now
        and _mask(entry) & working[entry.clerk][entry.day] & ~free[entry.clerk][entry.day]
    }


def fits(snapshot: Snapshot, changes: Iterable[Change], notice: int = 0) -> bool:
    """True if changes that were planned before are still possible: each appointment is as it was and to come, and its new place is free.

    Another time must be `notice` seconds from now.
    """
    booked = {entry.uid: entry for entry in snapshot.booked}
    coming = {change.uid: change for change in changes}
    free = {clerk.id: clerk.free for clerk in snapshot.clerks}
    taken: dict[tuple[str, int], int] = {}
    for entry in snapshot.booked:
        if entry.uid not in coming:
            where = entry.clerk, entry.day
            taken[where] = taken.get(where, 0) | _mask(entry)
    for change in coming.values():
        found = booked.get(change.uid)
        if found is None or not _is_to_come(change, found, snapshot.now, notice):
            return False
        if change.cancel:
            continue
        day = next(
            (
                number
                for number, each in enumerate(snapshot.days)
                if each.base <= change.to_start < each.base + each.grains * GRAIN
            ),
            None,
        )
        if day is None or change.to_clerk not in free:
            return False
        start = (change.to_start - snapshot.days[day].base) // GRAIN
        wanted = bits.span(start, found.length)
        room = free[change.to_clerk][day] & ~taken.get((change.to_clerk, day), 0)
        if not change.is_quiet:
            room &= _window(snapshot.days[day], frozenset(found.services))
        if wanted & ~room:
            return False
        taken[change.to_clerk, day] = taken.get((change.to_clerk, day), 0) | wanted
    return True


def beside(snapshot: Snapshot, changes: Iterable[Change]) -> Snapshot:
    """Return the snapshot as what is planned beside changes that wait must see it: their new places are taken, and their old ones not free yet."""
    coming = {change.uid: change for change in changes}
    free = {clerk.id: list(clerk.free) for clerk in snapshot.clerks}
    booked = []
    for entry in snapshot.booked:
        change = coming.get(entry.uid)
        if change is None:
            booked.append(entry)
            continue
        if entry.clerk in free:
            free[entry.clerk][entry.day] &= ~_mask(entry)
        for index, day in enumerate(snapshot.days):
            start = (change.to_start - day.base) // GRAIN
            if not change.cancel and change.to_clerk in free and 0 <= start < day.grains:
                free[change.to_clerk][index] &= ~bits.span(start, entry.length)
    clerks = tuple(replace(clerk, free=tuple(free[clerk.id])) for clerk in snapshot.clerks)
    return replace(snapshot, booked=tuple(booked), clerks=clerks)


def _is_to_come(change: Change, booked: BookedNow, now: int, notice: int) -> bool:
    """True if the appointment is as the change was made from, and neither its time nor, with notice, the new one has come."""
    is_same = (booked.etag, booked.clerk, booked.starts_at) == (change.etag, change.clerk, change.start)
    moves = not change.cancel and not change.is_quiet
    return is_same and change.start >= now and (not moves or change.to_start >= now + notice)


def resolve(
    snapshot: Snapshot,
    *,
    seconds: float = 30.0,
    seed: int = 1,
    notice: int = 0,
    solve: Solver = aside.repair,
) -> Draft:
    """Plan who takes over what people's own events cover; see `conflicts` and `repair`."""
    return _repair(snapshot, conflicts(snapshot), None, solve, seconds=seconds, seed=seed, notice=notice)


def _repair(
    snapshot: Snapshot,
    hit: set[str],
    absence: Absence | None,
    solve: Solver,
    *,
    seconds: float,
    seed: int,
    notice: int,
) -> Draft:
    began = time.monotonic()
    state = _State(snapshot, {entry.uid: (entry.clerk, entry.day, entry.start) for entry in snapshot.booked})
    totals = {"cancelled": 0, "moved_grains": 0, "imbalance_grains": 0}
    proven = True
    days = {entry.day for entry in snapshot.booked if entry.uid in hit and entry.starts_at >= snapshot.now}
    for day in sorted(days):
        try:
            objective, is_best = _plan_day(state, day, _Search(absence, hit, notice, solve, seconds, seed))
        except aside.NoAnswerError:
            # This day stays as it is, and so do the people who are waiting for it; the other days get their plan.
            proven = False
            totals["unplanned_days"] = totals.get("unplanned_days", 0) + 1
            continue
        totals["cancelled"] += objective.cancelled
        totals["moved_grains"] += objective.moved_grains
        totals["imbalance_grains"] += objective.imbalance_grains
        proven = proven and is_best
    changes = _changes(state)
    # The solver's level counts the others only, since those that are hit have to change anyway. Whoever reads the plan sees all of them.
    totals["clerk_changes"] = _clerk_changes(changes)
    return Draft(snapshot.office, changes, totals, proven, time.monotonic() - began)


@dataclass(frozen=True, slots=True)
class _Search:
    """What the plan of each day is made for, and how."""

    absence: Absence | None
    hit: set[str]
    notice: int
    solve: Solver
    seconds: float
    seed: int


def _plan_day(state: _State, day: int, search: _Search) -> tuple[Objective, bool]:
    """Plan a day; the state is then as the plan has it. Returns what it costs, and whether no plan is better.

    Who booked together stays on one day: whoever of a group can't have another time of it takes all of them along to a later day. Only
    where they don't fit there either, one comes alone on another. Whoever gets a time of the day for which the others would wait
    long takes them along there, if there is room.
    """
    groups = {
        name: members
        for name, members in companions.groups_of(state.on(day)).items()
        if not any(each.pinned or each.hold or each.starts_at < state.snapshot.now for each in members)
    }
    before = dict(state.places)
    while True:
        bound = {each.uid for members in groups.values() for each in members if each.uid in search.hit}
        office = _office(state, day, search, bound)
        solution = search.solve(office, seconds=search.seconds, seed=search.seed)
        for assignment in solution.assignments:
            place = assignment.place
            state.places[str(assignment.id)] = None if place is None else _placed(state.snapshot, day, place)
        lost = [
            name for name, members in groups.items() if any(not state.places[each.uid] for each in members)
        ]
        apart = [name for name in lost if not _take_along(state, day, groups[name], search)]
        if not apart:
            movable = {str(each.id) for each in office.appointments}
            gathered = [
                _gather(state, day, members, search)
                for name, members in groups.items()
                if name not in lost and movable.issuperset(each.uid for each in members)
            ]
            if lost or any(gathered):
                return _cost(state, day, office), False
            return solution.objective, solution.proven_optimal
        state.places = dict(before)
        for name in apart:
            del groups[name]


def _placed(snapshot: Snapshot, day: int, place: Place) -> tuple[str, int, int]:
    """Return a place that the solver gave, to whom all days are as the first one's clock has them."""
    index = day + place.day
    return str(place.clerk), index, place.start - _ahead(snapshot.days[index], snapshot.days[day])


def _take_along(state: _State, day: int, members: list[BookedNow], search: _Search) -> bool:
    """Seat a group on the nearest later day that has room for all of it; False, and nothing changed, if none has."""
    snapshot = state.snapshot
    services = frozenset(members[0].services)
    length = max(each.length for each in members)
    ahead = list(range(day, min(day + 1 + DAYS_AHEAD, len(snapshot.days))))
    free = _free(state, ahead, search.absence)
    able = [clerk.id for clerk in snapshot.clerks if services <= frozenset(clerk.services)]
    for position, index in enumerate(ahead[1:], 1):
        each = snapshot.days[index]
        window = _window(each, services)
        starts = _starts(each, services, length, snapshot, search.notice)
        room = companions.Room({clerk: free[clerk][position] for clerk in able}, window, starts)
        found = companions.seat(members, room, _ahead(each, snapshot.days[day]))
        if found is not None:
            state.places |= {uid: (clerk, index, start) for uid, (clerk, start) in found.items()}
            return True
    return False


def _gather(state: _State, day: int, members: list[BookedNow], search: _Search) -> bool:
    """Seat a group anew on its day if the plan makes it wait too long between its appointments; True if it did."""
    snapshot = state.snapshot
    length = {each.uid: each.length for each in members}
    now = {uid: place[2] for uid in length if (place := state.places[uid])}
    waits = companions.wait((start, start + length[uid]) for uid, start in now.items())
    before = companions.wait((each.start, each.start + each.length) for each in members)
    if waits <= max(before, LONGEST_WAIT):
        return False
    services = frozenset(members[0].services)
    free = {name: room[0] for name, room in _free(state, [day], search.absence).items()}
    for entry in state.on(day):
        if entry.uid not in length:
            free[entry.clerk] &= ~_mask(entry)
    able = [clerk.id for clerk in snapshot.clerks if services <= frozenset(clerk.services)]
    each_day = snapshot.days[day]
    starts = _starts(each_day, services, max(length.values()), snapshot, search.notice)
    room = companions.Room({clerk: free[clerk] for clerk in able}, _window(each_day, services), starts)
    found = companions.seat(members, room)
    if found is None:
        return False
    state.places |= {uid: (clerk, day, start) for uid, (clerk, start) in found.items()}
    return True


def _cost(state: _State, day: int, office: Office) -> Objective:
    """What the day's plan costs with the groups that moved as a whole, each of them as one that was hit."""
    assignments = []
    appointments = []
    for entry in office.appointments:
        place = state.places[str(entry.id)]
        moved = place is not None and (place[1], place[2]) != (day, entry.start)
        appointments.append(replace(entry, hit=True) if moved else entry)
        days = state.snapshot.days
        at = (
            None
            if place is None
            else Place(place[0], place[1] - day, place[2] + _ahead(days[place[1]], days[day]))
        )
        assignments.append(Assignment(entry.id, at))
    return check.objective(replace(office, appointments=tuple(appointments)), assignments)


@dataclass(frozen=True, slots=True)
class BalancePoint:
    """One choice of a balance: the draft, and each clerk's minutes of work and fair share of them once it is applied."""

    draft: Draft
    minutes: dict[str, int]
    fair_minutes: dict[str, int]

    @property
    def uneven_minutes(self) -> int:
        """How far all are from their fair shares, in minutes that would have to change hands."""
        return sum(max(0, each - self.fair_minutes.get(name, 0)) for name, each in self.minutes.items())


def balance(
    snapshot: Snapshot,
    *,
    points: int = 12,
    changes: int | None = None,
    seconds: float = 20.0,
    seed: int = 1,
) -> tuple[BalancePoint, ...]:
    """Plan to even out the snapshot's days by reassigning appointments at their same time.

    The points are choices "evenness over number of changes": the first is the present, the last the most even; with `changes`, one is
    as even as so many changes allow. Work counts by its minutes and by
    part-time share. Holds, pinned appointments and what has begun stay.
    """
    grains = max((day.grains for day in snapshot.days), default=1)
    colleagues = [
        Colleague(
            entry.id,
            frozenset[int | str](entry.services),
            # Who is there on half of the days has half of her share to do.
            entry.share * sum(1 for bits_of_day in entry.free if bits_of_day),
            entry.free,
        )
        for entry in snapshot.clerks
    ]
    booked = {entry.uid: entry for entry in snapshot.booked}
    tasks = [
        Task(
            entry.uid,
            entry.clerk,
            entry.day,
            entry.start,
            entry.length,
            frozenset[int | str](entry.services),
            entry.pinned or entry.hold or entry.starts_at < snapshot.now,
        )
        for entry in snapshot.booked
    ]
    try:
        curve = aside.balance(
            colleagues, tasks, grains, points=points, changes=changes, seconds=seconds, seed=seed
        )
    except aside.NoAnswerError:
        curve = Curve((present(colleagues, tasks),), seconds)
    found = []
    for point in curve.points:
        steps = []
        for change in point.changes:
            entry = booked[str(change.id)]
            steps.append(
                Change(
                    entry.uid, entry.etag, entry.clerk, entry.starts_at, str(change.to_clerk), entry.starts_at
                )
            )
        objective = {"clerk_changes": len(steps), "imbalance_grains": point.imbalance_grains}
        found.append(
            BalancePoint(
                Draft(snapshot.office, tuple(steps), objective, point.proven_optimal, curve.seconds),
                {str(load.clerk): load.grains * 5 for load in point.loads},
                {str(load.clerk): load.target * 5 for load in point.loads},
            )
        )
    return tuple(found)


def _changes(state: _State) -> tuple[Change, ...]:
    found = []
    for entry in state.snapshot.booked:
        place = state.places[entry.uid]
        if place == (entry.clerk, entry.day, entry.start):
            continue
        if place is None:
            if not entry.hold:  # a hold that finds no clerk just runs out
                found.append(
                    Change(
                        entry.uid,
                        entry.etag,
                        entry.clerk,
                        entry.starts_at,
                        entry.clerk,
                        entry.starts_at,
                        cancel=True,
                    )
                )
            continue
        clerk, day, start = place
        same_time = (day, start) == (entry.day, entry.start)
        to_start = entry.starts_at if same_time else state.snapshot.days[day].base + start * GRAIN
        found.append(Change(entry.uid, entry.etag, entry.clerk, entry.starts_at, clerk, to_start))
    return tuple(found)


def _ahead(day: DayNow, of: DayNow) -> int:
    """By how many grains the clock is ahead of the grains since midnight on `day`, compared with the day `of`.

    On the days on which the clocks change these have 23 or 25 hours: nine o'clock is eight hours after midnight, or ten. That is told for the time
    after the change, which comes at night.
    """
    return _change(day) - _change(of)


def _change(day: DayNow) -> int:
    change = _REGULAR - day.grains
    return change if abs(change) <= _LARGEST_CHANGE else 0


def _shifted(bits_of_day: int, grains: int) -> int:
    return bits_of_day << grains if grains >= 0 else bits_of_day >> -grains


def _mask(entry: BookedNow) -> int:
    return bits.span(entry.start, entry.length)


def _window(day: DayNow, services: frozenset[str]) -> int:
    found = day.window
    for narrowed, admitted in day.narrowed:
        if services and services <= set(admitted):
            found |= narrowed
    return found


def _absent(day: DayNow, absence: Absence) -> int:
    first = max(0, (absence.start - day.base) // GRAIN)
    last = min(day.grains, -((day.base - absence.end) // GRAIN))
    return bits.span(first, last - first) if last > first else 0


def _free(state: _State, ahead: list[int], absence: Absence | None) -> dict[str, list[int]]:
    """Each clerk's room on these days; of the later ones what is left beside that day's appointments."""
    free = {entry.id: [entry.free[index] for index in ahead] for entry in state.snapshot.clerks}
    for position, index in enumerate(ahead):
        if position:
            for entry in state.on(index):
                free[entry.clerk][position] &= ~_mask(entry)
        if absence is not None:
            free[absence.clerk][position] &= ~_absent(state.snapshot.days[index], absence)
    return free


def _office(state: _State, day: int, search: _Search, bound: set[str]) -> Office:
    """The day as the solver takes it: day 0 is `day`, the others are the open days after it; those `bound` (uids) stay on the day."""
    snapshot, absence, hit = state.snapshot, search.absence, search.hit
    ahead = list(range(day, min(day + 1 + DAYS_AHEAD, len(snapshot.days))))
    days = [snapshot.days[index] for index in ahead]
    free = {
        name: [_shifted(each, _ahead(later, days[0])) for each, later in zip(of_days, days, strict=True)]
        for name, of_days in _free(state, ahead, absence).items()
    }
    skills = {entry.id: frozenset(entry.services) for entry in snapshot.clerks}
    entries = state.on(day)
    kept = [entry for entry in entries if entry.uid not in hit or entry.starts_at < snapshot.now]
    once: dict[str, int] = dict.fromkeys(free, 0)
    twice: dict[str, int] = dict.fromkeys(free, 0)
    for entry in kept:
        twice[entry.clerk] |= once[entry.clerk] & _mask(entry)
        once[entry.clerk] |= _mask(entry)
    appointments = [
        _hit(entry, days[:1] if entry.uid in bound else days, snapshot, search.notice, len(days))
        for entry in entries
        if entry.uid in hit and entry.starts_at >= snapshot.now
    ]
    fixed: list[BookedNow] = []
    for entry in kept:
        services = frozenset(entry.services)
        blocked = ~free[entry.clerk][0] | twice[entry.clerk]
        if _mask(entry) & blocked or not services <= skills[entry.clerk] or entry.starts_at < snapshot.now:
            fixed.append(entry)
            continue
        appointments.append(
            Appointment(
                entry.uid, entry.clerk, entry.start, entry.length, services, hit=False, pinned=entry.pinned
            )
        )
    for entry in fixed:
        # What people arranged against the rules, and what has begun, stays where it is and takes its room.
        free[entry.clerk][0] &= ~_mask(entry)
    targets = _targets(snapshot.clerks, appointments, absence.clerk if absence else "", day)
    clerks = tuple(
        Clerk(entry.id, frozenset[int | str](skills[entry.id]), tuple(free[entry.id]), targets.get(entry.id))
        for entry in snapshot.clerks
    )
    return Office(
        f"{snapshot.office} {days[0].day}", max(each.grains for each in days), clerks, tuple(appointments)
    )


def _starts(day: DayNow, services: frozenset[str], length: int, snapshot: Snapshot, notice: int) -> int:
    """The starts at which an appointment may be put on a day, as bits, whoever is free then."""
    # The grid is that of the clock.
    grid = _shifted(bits.aligned(max(day.grains, _REGULAR), snapshot.step), -_change(day))
    allowed = bits.runs(_window(day, services), length) & grid
    earliest = max(0, -((day.base - snapshot.now - notice) // GRAIN))
    return (allowed >> earliest) << earliest


def _hit(entry: BookedNow, days: list[DayNow], snapshot: Snapshot, notice: int, count: int) -> Appointment:
    """An appointment that needs another place, on one of these days of the `count` that the solver sees."""
    services = frozenset(entry.services)
    starts = [
        0
        if entry.hold
        else _shifted(_starts(each, services, entry.length, snapshot, notice), _ahead(each, days[0]))
        for each in days
    ]
    starts[0] |= 1 << entry.start
    starts += [0] * (count - len(days))
    return Appointment(
        entry.uid,
        entry.clerk,
        entry.start,
        entry.length,
        frozenset[int | str](services),
        hit=True,
        starts=tuple(starts),
    )


def _targets(
    clerks: Iterable[ClerkNow], appointments: list[Appointment], absent_clerk: str, day: int
) -> dict[str, int]:
    """Each present clerk's fair part of the day's work, in grains, by part-time share; none for who doesn't work that day."""
    present = {entry.id: entry.share for entry in clerks if entry.id != absent_clerk and entry.working[day]}
    whole = sum(present.values())
    work = sum(entry.length for entry in appointments)
    return {name: round(work * share / whole) for name, share in present.items()} if whole else {}

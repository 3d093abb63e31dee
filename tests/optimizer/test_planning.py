"""Plans of an office: what of a plan can go ahead, and whether one that was made before is still possible."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import assume, given
from hypothesis import strategies as st

from optimizer import bits, companions, greedy, planning, why
from optimizer.planning import GRAIN, Change, Draft
from optimizer.snapshot import BookedNow, ClerkNow, DayNow, Snapshot

GRAINS = 12
CLERKS = ("c1", "c2", "c3")
Place = tuple[str, int]


def snapshot_of(
    places: dict[str, Place], lengths: dict[str, int], day_free: dict[str, int] | None = None
) -> Snapshot:
    whole = bits.span(0, GRAINS)
    free = dict.fromkeys(CLERKS, whole) | (day_free or {})
    booked = tuple(
        BookedNow(
            uid,
            f'"{uid}"',
            clerk,
            0,
            start,
            lengths[uid],
            start * GRAIN,
            (start + lengths[uid]) * GRAIN,
            (),
            False,
            False,
            "",
            True,
        )
        for uid, (clerk, start) in places.items()
    )
    day = DayNow("2026-12-07", 0, GRAINS, whole, ())
    clerks = tuple(ClerkNow(clerk, clerk, (), 1.0, (free[clerk],), (whole,)) for clerk in CLERKS)
    return Snapshot("buergerbuero", "UTC", 1, 0, 1, (day,), clerks, booked)


def collides(places: dict[str, Place], lengths: dict[str, int]) -> bool:
    taken: dict[str, int] = {}
    for uid, (clerk, start) in places.items():
        wanted = bits.span(start, lengths[uid])
        if wanted & taken.get(clerk, 0):
            return True
        taken[clerk] = taken.get(clerk, 0) | wanted
    return False


@st.composite
def days(draw):
    """Appointments with where they are and where they come, neither on one another."""
    lengths = {f"a{number}": draw(st.integers(1, 4)) for number in range(draw(st.integers(1, 7)))}
    arrangements = []
    for _ in range(2):
        places: dict[str, Place] = {}
        for uid in draw(st.permutations(sorted(lengths))):
            choices = [
                (clerk, start)
                for clerk in CLERKS
                for start in range(GRAINS - lengths[uid] + 1)
                if not collides({**places, uid: (clerk, start)}, lengths)
            ]
            assume(choices)
            same = [
                place
                for place in choices
                if arrangements and place[1] == arrangements[0].get(uid, ("", -1))[1]
            ]
            places[uid] = draw(st.sampled_from(same if same and draw(st.booleans()) else choices))
        arrangements.append(places)
    return lengths, *arrangements


def changes_between(before: dict[str, Place], after: dict[str, Place]) -> tuple[Change, ...]:
    return tuple(
        Change(uid, f'"{uid}"', before[uid][0], before[uid][1] * GRAIN, after[uid][0], after[uid][1] * GRAIN)
        for uid in before
        if before[uid] != after[uid]
    )


@given(days(), st.sets(st.integers(0, 6)))
def test_what_goes_ahead_is_in_nobodys_way(day, numbers):
    lengths, before, after = day
    held = {f"a{number}" for number in numbers}
    draft = Draft("buergerbuero", changes_between(before, after))
    quiet, rest = draft.split(snapshot_of(before, lengths), held)
    assert {*quiet.changes, *rest.changes} == {*draft.changes}
    assert all(change.is_quiet and change.uid not in held for change in quiet.changes)
    meanwhile = {**before, **{change.uid: after[change.uid] for change in quiet.changes}}
    assert not collides(meanwhile, lengths)
    for change in rest.changes:
        if change.is_quiet and change.uid not in held:
            # It waits for a reason: with it alone among those that go ahead somebody would be in its way.
            assert collides({**meanwhile, change.uid: after[change.uid]}, lengths)


@given(days(), st.data())
def test_a_plan_fits_as_long_as_nothing_of_it_changed(day, data):
    lengths, before, after = day
    changes = changes_between(before, after)
    now = snapshot_of(before, lengths)
    assert planning.fits(now, changes)
    if not changes:
        return
    changed = data.draw(st.sampled_from(changes))
    place = after[changed.uid]
    away = {place[0]: bits.span(0, GRAINS) & ~bits.span(place[1], 1)}
    assert not planning.fits(snapshot_of(before, lengths, away), changes)
    assert not planning.fits(now, (*changes, replace(changed, etag='"other"')))
    late = replace(now, now=min(changed.start, changed.to_start) + 1)
    assert not planning.fits(late, changes)
    rest = {uid: where for uid, where in before.items() if uid != changed.uid}
    assert not planning.fits(snapshot_of(rest, lengths), changes)


# Groups -------------------------------------------------------------------------------------------------------------------

LONG = 48


def office_of(*booked: tuple[str, str, int, str], free: dict[str, tuple[int, int]] | None = None) -> Snapshot:
    """Two days of two clerks; `booked` are (uid, clerk, start, group) of three grains each."""
    whole = bits.span(0, LONG)
    room = dict.fromkeys(CLERKS[:2], (whole, whole)) | (free or {})
    entries = tuple(
        BookedNow(
            uid=uid,
            etag=uid,
            clerk=clerk,
            day=0,
            start=start,
            length=3,
            starts_at=start * GRAIN,
            ends_at=(start + 3) * GRAIN,
            services=("s",),
            pinned=False,
            hold=False,
            summary="",
            mailed=True,
            group=group,
        )
        for uid, clerk, start, group in booked
    )
    base = 24 * 3600
    every = tuple(DayNow(f"2026-12-{7 + day:02}", day * base, LONG, whole) for day in range(2))
    clerks = tuple(ClerkNow(name, name, ("s",), 1.0, room[name], (whole, whole)) for name in room)
    return Snapshot("buergerbuero", "UTC", 1, 0, 3, every, clerks, entries)


@st.composite
def booked_days(draw):
    """A day of some single appointments and groups, none on another, and what is free on both days."""
    entries: list[tuple[str, str, int, str]] = []
    for number in range(draw(st.integers(1, 8))):
        clerk, start = draw(st.sampled_from(CLERKS[:2])), draw(st.integers(0, LONG - 3))
        if all(each[1] != clerk or abs(each[2] - start) >= 3 for each in entries):
            entries.append((f"a{number}", clerk, start, draw(st.sampled_from(("", "g", "h")))))
    taken = dict.fromkeys(CLERKS[:2], 0)
    for _, clerk, start, _ in entries:
        taken[clerk] |= bits.span(start, 3)
    free = {
        clerk: (taken[clerk] | draw(st.integers(0, 2**LONG - 1)), draw(st.integers(0, 2**LONG - 1)))
        for clerk in taken
    }
    return office_of(*entries, free=free)


FULL_DAY = tuple((f"x{number}", "c2", 3 * number, "") for number in range(1, 16))
"""Leaves c2 no room beside the group's second at the beginning of the day."""


def day_of(change: Change) -> int:
    return change.to_start // (24 * 3600)


def test_who_booked_together_comes_together_on_another_day():
    now = office_of(("a", "c1", 0, "a"), ("a.g2", "c2", 0, "a"), *FULL_DAY)
    draft = planning.repair(now, planning.Absence("c1", 0, LONG * GRAIN), solve=greedy.repair)
    moved = {change.uid: change for change in draft.changes}
    assert set(moved) == {"a", "a.g2"}
    assert {day_of(change) for change in draft.changes} == {1}
    assert {change.to_start for change in draft.changes} == {24 * 3600}
    assert {change.to_clerk for change in draft.changes} == {"c1", "c2"}
    assert (draft.objective["cancelled"], draft.objective["moved_grains"]) == (0, 2 * LONG)
    assert not draft.proven_optimal
    found = why.of_changes(now, draft.changes, planning.Absence("c1", 0, LONG * GRAIN))
    for uid in moved:
        assert [each.reason for each in found[uid]] == ["own-entry", "group"]
    alone = office_of(("a", "c1", 0, ""), ("b", "c2", 0, ""), *FULL_DAY)
    draft = planning.repair(alone, planning.Absence("c1", 0, LONG * GRAIN), solve=greedy.repair)
    assert [change.uid for change in draft.changes] == ["a"]


def test_one_of_a_group_rather_moves_far_on_its_day_than_to_another():
    now = office_of(("a", "c1", 0, "a"), ("a.g2", "c2", 0, "a"), *FULL_DAY[:-1])
    draft = planning.repair(now, planning.Absence("c1", 0, LONG * GRAIN), solve=greedy.repair)
    (change,) = draft.changes
    assert (change.uid, change.to_clerk, change.to_start) == ("a", "c2", 45 * GRAIN)


def test_a_group_that_would_wait_long_for_one_of_it_moves_as_a_whole():
    """Beside the group's second c2 has room again after 15 grains only, or after 12."""
    until = 6 + planning.LONGEST_WAIT
    for free_from, expected in ((until - 3, {"a": until - 3}), (until, {"a": until, "a.g2": until + 3})):
        taken = [(f"x{start}", "c2", start, "") for start in range(3, free_from, 3)]
        now = office_of(("a", "c1", 0, "a"), ("a.g2", "c2", 0, "a"), *taken)
        draft = planning.repair(now, planning.Absence("c1", 0, LONG * GRAIN), solve=greedy.repair)
        assert {change.uid: change.to_start // GRAIN for change in draft.changes} == expected
        assert draft.objective["moved_grains"] == sum(expected.values())
        assert draft.proven_optimal is False
    found = why.of_changes(now, draft.changes, planning.Absence("c1", 0, LONG * GRAIN))
    assert [each.reason for each in found["a.g2"]] == ["own-entry", "group"]


@given(booked_days(), st.sampled_from(CLERKS[:2]))
def test_no_group_waits_long_where_all_of_it_has_room_on_its_day(now, ill):
    # What one group leaves may be room for another, which isn't tried again.
    assume(len(companions.groups_of(now.booked)) == 1)
    draft = planning.repair(now, planning.Absence(ill, 0, LONG * GRAIN), solve=greedy.repair)
    after = {change.uid: change for change in draft.changes}
    for members in companions.groups_of(now.booked).values():
        loud = [after[each.uid] for each in members if each.uid in after and not after[each.uid].is_quiet]
        if not loud or any(change.cancel or day_of(change) for change in loud):
            continue
        times = [after[each.uid].to_start // GRAIN if each.uid in after else each.start for each in members]
        if companions.wait((start, start + 3) for start in times) > max(
            planning.LONGEST_WAIT, companions.wait((each.start, each.start + 3) for each in members)
        ):
            room = _room_beside(now, members, after, ill)
            assert companions.seat(members, room) is None


def _room_beside(now, members, after, ill):
    """What is free on the first day once the plan is done, without these members."""
    free = {clerk.id: clerk.free[0] for clerk in now.clerks if clerk.id != ill}
    for entry in now.booked:
        change = after.get(entry.uid)
        clerk, start = (change.to_clerk, change.to_start // GRAIN) if change else (entry.clerk, entry.start)
        gone = change is not None and (change.cancel or day_of(change))
        if clerk != ill and not gone and all(entry.uid != each.uid for each in members):
            free[clerk] &= ~bits.span(start, 3)
    starts = bits.runs(now.days[0].window, 3) & bits.aligned(LONG, now.step)
    return companions.Room(free, now.days[0].window, starts)


def test_one_of_a_group_comes_alone_where_all_of_it_has_no_room():
    """On the second day there is time for one only."""
    free = {"c1": (bits.span(0, LONG), 0), "c2": (bits.span(0, LONG), bits.span(0, 3))}
    now = office_of(("a", "c1", 0, "a"), ("a.g2", "c2", 0, "a"), *FULL_DAY, free=free)
    draft = planning.repair(now, planning.Absence("c1", 0, LONG * GRAIN), solve=greedy.repair)
    (change,) = draft.changes
    assert (change.uid, change.to_clerk, day_of(change)) == ("a", "c2", 1)


def test_a_group_with_somebody_pinned_is_not_taken_along():
    now = office_of(("a", "c1", 0, "a"), ("a.g2", "c2", 0, "a"), *FULL_DAY)
    pinned = replace(now, booked=tuple(replace(each, pinned=each.uid == "a.g2") for each in now.booked))
    draft = planning.repair(pinned, planning.Absence("c1", 0, LONG * GRAIN), solve=greedy.repair)
    assert [(change.uid, day_of(change)) for change in draft.changes] == [("a", 1)]


@given(booked_days(), st.sampled_from(CLERKS[:2]))
def test_a_plan_with_groups_is_possible_and_costs_what_it_says(now, ill):
    draft = planning.repair(now, planning.Absence(ill, 0, LONG * GRAIN), solve=greedy.repair)
    away = tuple(replace(each, free=(0, each.free[1])) if each.id == ill else each for each in now.clerks)
    assert planning.fits(replace(now, clerks=away), draft.changes)
    moved = [change for change in draft.changes if not change.cancel and not change.is_quiet]
    starts = {entry.uid: entry.start for entry in now.booked}
    distances = [
        LONG * day_of(change) + abs(change.to_start % (24 * 3600) // GRAIN - starts[change.uid])
        for change in moved
    ]
    assert draft.objective["moved_grains"] == sum(distances)
    assert draft.objective["cancelled"] == sum(1 for change in draft.changes if change.cancel)
    for part in (draft, *draft.split(now)):
        others = [change for change in part.changes if not change.cancel and change.to_clerk != change.clerk]
        assert part.objective["clerk_changes"] == len(others)
    quiet, rest = draft.split(now)
    assert (quiet.objective["cancelled"], quiet.objective["moved_grains"]) == (0, 0)
    if rest.changes and any(not change.is_quiet for change in rest.changes):
        assert rest.objective["moved_grains"] == draft.objective["moved_grains"]


@given(st.lists(st.integers(0, 2**GRAINS - 1), min_size=1, max_size=3), st.integers(1, 4), st.integers(1, 4))
def test_a_seated_group_lies_in_free_time_beside_or_after_one_another(free, size, length):
    members = [replace(office_of((f"g{n}", "c1", 5, "g")).booked[0], length=length) for n in range(size)]
    rooms = {f"c{number}": each for number, each in enumerate(free)}
    window = bits.span(0, GRAINS)
    found = companions.seat(members, companions.Room(rooms, window, window))
    if found is None:
        assert size > 1 or not any(bits.runs(each, length) for each in free)
        return
    assert set(found) == {entry.uid for entry in members}
    taken: dict[str, int] = {}
    for clerk, start in found.values():
        mask = bits.span(start, length)
        assert not mask & ~rooms[clerk]
        assert not mask & taken.get(clerk, 0)
        taken[clerk] = taken.get(clerk, 0) | mask
    starts = sorted({start for _, start in found.values()})
    assert all(after - before == length for before, after in pairwise(starts))

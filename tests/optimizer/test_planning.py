"""Plans of an office: what of a plan can go ahead, and whether one that was made before is still possible."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from optimizer import bits, planning
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

"""From an absence to a plan to the calendars: snapshot, planning and applying together."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calendar_server import snapshot
from calendar_server.plans import Plan, PlanKind, Plans, Step
from calendar_server.service import Actor
from optimizer import planning
from optimizer.repair import repair as solve
from optimizer.snapshot import BookedNow, ClerkNow, DayNow, Snapshot
from tests.calendar_server.test_service import book, event, holders, stored
from tests.support.town import appointment, at, clerk, directory, office

LEAD = Actor("lead")


def take(service) -> Snapshot:
    taken = snapshot.take(
        service,
        service.directory.offices[0],
        at(1, 0).date(),
        at(1, 0, month=1, year=2027).date(),
        open_only=True,
    )
    assert Snapshot.from_json(taken.to_json()) == taken
    return taken


def repaired(service, name: str, start=None, end=None) -> planning.Draft:
    absence = planning.Absence(name, int((start or at(7, 0)).timestamp()), int((end or at(8, 0)).timestamp()))
    return planning.repair(take(service), absence)


def apply(service, draft: planning.Draft) -> None:
    steps = tuple(
        Step(
            change.uid,
            change.etag,
            change.clerk,
            change.start,
            change.to_clerk,
            change.to_start,
            change.cancel,
        )
        for change in draft.changes
    )
    plans = Plans(service)
    plan = Plan(
        "", draft.office, PlanKind.REPAIR, steps, dict(draft.objective), draft.proven_optimal, draft.seconds
    )
    plans.apply(plans.propose(plan, LEAD).id, LEAD)


def test_a_colleague_takes_over_at_the_same_time(service):
    book(service, appointment())
    (ill,) = holders(service, "a1@test")
    draft = repaired(service, ill)
    assert [change.is_quiet for change in draft.changes] == [True]
    assert draft.proven_optimal
    apply(service, draft)
    assert holders(service, "a1@test") != [ill]
    assert stored(service, "a1@test").start == at(7, 8)


def test_who_has_no_colleague_free_then_is_moved_as_little_as_possible(service):
    book(service, appointment("a@t"))
    book(service, appointment("b@t"))
    draft = repaired(service, "clerk1")
    (change,) = draft.changes
    assert (change.to_clerk, change.to_start) == ("clerk2", int(at(7, 8, 30).timestamp()))
    apply(service, draft)
    assert stored(service, change.uid).start == at(7, 8, 30)


def test_nothing_moves_outside_the_windows_or_off_the_grid(service):
    service.directory = directory(office(clerk("clerk1"), clerk("clerk2", "beglaubigung")))
    book(service, appointment("a@t", at(7, 15, 30)))
    draft = repaired(service, "clerk1", at(7, 12), at(7, 20))
    (change,) = draft.changes
    assert (change.to_clerk, change.to_start) == ("clerk1", int(at(7, 11, 30).timestamp()))


def test_what_nobody_can_do_is_cancelled(service):
    service.directory = directory(office(clerk("clerk1"), clerk("clerk2", "beglaubigung")))
    book(service, appointment("a@t", at(7, 8), "reisepass"))
    draft = repaired(service, "clerk1", at(1, 0), at(30, 0, month=1, year=2027))
    assert [(change.uid, change.cancel) for change in draft.changes] == [("a@t", True)]
    apply(service, draft)
    assert stored(service, "a@t").cancelled


def test_an_absence_over_several_days_is_planned_as_a_whole(service):
    book(service, appointment("a@t", at(7, 8)))
    book(service, appointment("b@t", at(7, 8)))
    book(service, appointment("c@t", at(9, 8)))
    book(service, appointment("d@t", at(9, 8)))
    draft = repaired(service, "clerk1", at(7, 0), at(10, 0))
    apply(service, draft)
    places = {
        uid: (holders(service, uid), stored(service, uid).start) for uid in ("a@t", "b@t", "c@t", "d@t")
    }
    assert {tuple(holder) for holder, _ in places.values()} == {("clerk2",)}
    assert len({start for _, start in places.values()}) == 4


def test_an_own_event_that_covers_an_appointment_is_a_conflict(service):
    book(service, appointment())
    (busy,) = holders(service, "a1@test")
    assert planning.conflicts(take(service)) == set()
    service.put(f"{busy}/calendar", "ill.ics", event("ill@t", at(7, 0), 600, SUMMARY="krank"), Actor(busy))
    assert planning.conflicts(take(service)) == {"a1@test"}
    apply(service, planning.resolve(take(service)))
    assert holders(service, "a1@test") != [busy]
    assert planning.conflicts(take(service)) == set()


def test_what_has_begun_stays(service, clock):
    book(service, appointment())
    clock.now = at(7, 8, 10)
    (ill,) = holders(service, "a1@test")
    assert repaired(service, ill).changes == ()


def test_an_appointment_that_people_put_outside_the_windows_does_not_stop_planning(service):
    book(service, appointment("a@t"))
    (ill,) = holders(service, "a@t")
    other = "clerk2" if ill == "clerk1" else "clerk1"
    from calendar_server.ical.appointment import to_ical  # noqa: PLC0415
    from tests.support.town import NOW  # noqa: PLC0415

    late = to_ical(appointment("late@t", at(7, 19)), now=NOW)
    service.put(f"{other}/calendar", "late.ics", late, Actor(other))
    assert [change.uid for change in repaired(service, ill).changes] == ["a@t"]


def test_balance_evens_out_minutes_and_moves_nobody_in_time(service):
    for number in range(4):
        book(service, appointment(f"u{number}@t", at(7, 8 + number)))
    for number in range(4):
        (clerk_of,) = holders(service, f"u{number}@t")
        if clerk_of != "clerk1":
            service.move(
                "clerk2/calendar",
                f"u{number}@t.ics",
                "clerk1/calendar",
                f"u{number}@t.ics",
                LEAD,
                overwrite=False,
            )
    points = planning.balance(
        snapshot.take(service, service.directory.offices[0], at(7, 0).date(), at(7, 0).date())
    )
    assert [len(point.draft.changes) for point in points] == sorted(
        {len(point.draft.changes) for point in points}
    )
    assert points[0].minutes == {"clerk1": 120, "clerk2": 0}
    assert points[-1].minutes == points[-1].fair_minutes == {"clerk1": 60, "clerk2": 60}
    apply(service, points[-1].draft)
    assert (
        sorted(holders(service, f"u{number}@t")[0] for number in range(4)) == ["clerk1"] * 2 + ["clerk2"] * 2
    )
    assert {stored(service, f"u{number}@t").sequence for number in range(4)} == {0}


def test_an_unknown_clerk_is_told(service):
    with pytest.raises(ValueError, match="no clerk 'nobody'"):
        repaired(service, "nobody")


GRAINS = 24


@st.composite
def snapshots(draw):
    """Two tiny days of three clerks, appointments as they may have come to lie, in order or not."""
    skills = [draw(st.sets(st.sampled_from(["a", "b"]), min_size=1)) for _ in range(3)]
    full = (1 << GRAINS) - 1
    clerks = tuple(
        ClerkNow(
            f"c{i}", f"C{i}", tuple(sorted(skills[i])), 1.0, (draw(st.integers(0, full)), full), (full, full)
        )
        for i in range(3)
    )
    booked = []
    for number in range(draw(st.integers(0, 6))):
        start = draw(st.integers(0, GRAINS - 3))
        length = draw(st.integers(1, 3))
        booked.append(
            BookedNow(
                f"u{number}",
                f'"e{number}"',
                f"c{draw(st.integers(0, 2))}",
                0,
                start,
                length,
                start * 300,
                (start + length) * 300,
                (draw(st.sampled_from(["a", "b"])),),
                draw(st.booleans()),
                draw(st.booleans()),
                "",
                True,
            )
        )
    days = (DayNow("2026-12-07", 0, GRAINS, full), DayNow("2026-12-09", 2 * 86_400, GRAINS, full))
    return Snapshot("o", "UTC", 1, draw(st.integers(0, 2000)), 1, days, clerks, tuple(booked))


@settings(max_examples=60, deadline=None)
@given(snapshots())
def test_every_plan_keeps_the_rules_whatever_it_starts_from(given_snapshot):
    draft = planning.repair(given_snapshot, planning.Absence("c0", 0, GRAINS * 300), seconds=5, solve=solve)
    before = {entry.uid: entry for entry in given_snapshot.booked}
    skills = {entry.id: set(entry.services) for entry in given_snapshot.clerks}
    free = {entry.id: entry.free for entry in given_snapshot.clerks}
    moved = {change.uid: change for change in draft.changes}
    occupied: dict[tuple[str, int], int] = {}
    for entry in given_snapshot.booked:
        if entry.uid not in moved:
            for grain in range(entry.start, entry.start + entry.length):
                occupied[entry.clerk, grain * 300] = 1
    for change in draft.changes:
        entry = before[change.uid]
        if change.cancel:
            assert entry.clerk == "c0"
            continue
        assert change.to_clerk != "c0" or change.to_start >= 2 * 86_400
        assert set(entry.services) <= skills[change.to_clerk]
        assert change.to_start >= given_snapshot.now or change.is_quiet
        for grain in range(entry.length):
            slot = (change.to_clerk, change.to_start + grain * 300)
            assert slot not in occupied
            occupied[slot] = 1
            if change.to_start < 86_400:
                assert free[change.to_clerk][0] >> (change.to_start // 300 + grain) & 1


def test_appointments_that_overlap_already_stay_and_stop_nothing():
    full = (1 << GRAINS) - 1
    clerks = tuple(ClerkNow(f"c{i}", f"C{i}", ("a",), 1.0, (full,), (full,)) for i in range(2))
    booked = tuple(
        BookedNow(uid, uid, name, 0, start, 3, start * 300, start * 300 + 900, ("a",), False, False, "", True)
        for uid, name, start in (("over", "c1", 4), ("under", "c1", 5), ("hit", "c0", 12))
    )
    days = (DayNow("2026-12-07", 0, GRAINS, full),)
    taken = Snapshot("o", "UTC", 1, 0, 1, days, clerks, booked)
    draft = planning.repair(taken, planning.Absence("c0", 0, GRAINS * 300))
    assert [(change.uid, change.to_clerk) for change in draft.changes] == [("hit", "c1")]

"""Plans are applied whole or not at all, on both databases."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import UTC, timedelta

import pytest
from sqlalchemy import select

from calendar_server.client import RefusedError as ClientRefusedError
from calendar_server.ical.group import part_uid
from calendar_server.offices import Directory
from calendar_server.plans import Absence, Plan, PlanKind, Plans, PlanState, Step
from calendar_server.refusals import MissingError, RefusedError
from calendar_server.service import Actor, Calendars
from calendar_server.storage import reading
from calendar_server.storage.changes import ChangeLog
from calendar_server.storage.schema import plans
from calendar_server.undoing import Obstacle
from calendar_server.upkeep import Upkeep
from tests.calendar_server.test_service import SITE, book, event, holders, stored
from tests.support.town import BERLIN, NOW, appointment, at, office

LEAD = Actor("lead")


def step(service, uid: str, *, to_clerk: str = "", to_start=None, cancel: bool = False) -> Step:
    with service.database.read() as connection:
        row = reading.booking(connection, "buergerbuero", uid)
    (clerk,) = holders(service, uid)
    start = row.first if to_start is None else int(to_start.timestamp())
    return Step(
        uid, row.etag, clerk, row.first, to_clerk or clerk, start, cancel, "Krankheit" if cancel else ""
    )


def propose(service, *steps: Step, **values) -> Plan:
    plan = Plan(
        "",
        "buergerbuero",
        PlanKind.REPAIR,
        steps,
        {"cancelled": 0},
        proven_optimal=True,
        seconds=0.1,
        **values,
    )
    return Plans(service).propose(plan, LEAD)


def other(clerk: str) -> str:
    return "clerk2" if clerk == "clerk1" else "clerk1"


def test_a_plan_changes_everything_it_names(service):
    for uid, start in (("a@t", at(7, 8)), ("b@t", at(7, 9)), ("c@t", at(7, 10))):
        book(service, appointment(uid, start))
    (clerk,) = holders(service, "a@t")
    plan = propose(
        service,
        step(service, "a@t", to_clerk=other(clerk)),
        step(service, "b@t", to_start=at(7, 14)),
        step(service, "c@t", cancel=True),
    )
    assert Plans(service).apply(plan.id, LEAD).state is PlanState.APPLIED
    assert holders(service, "a@t") == [other(clerk)]
    assert (stored(service, "a@t").sequence, stored(service, "a@t").start) == (0, at(7, 8))
    assert (stored(service, "b@t").sequence, stored(service, "b@t").start) == (1, at(7, 14))
    assert (stored(service, "c@t").cancelled, stored(service, "c@t").reason) == (True, "Krankheit")
    assert {change.actor for change in ChangeLog(service.database, BERLIN).read("buergerbuero", 0)[-3:]} == {
        f"plan:{plan.id}"
    }


def test_two_appointments_change_places(service):
    book(service, appointment("a@t"))
    book(service, appointment("b@t"))
    (clerk,) = holders(service, "a@t")
    plan = propose(service, step(service, "a@t", to_clerk=other(clerk)), step(service, "b@t", to_clerk=clerk))
    Plans(service).apply(plan.id, LEAD)
    assert (holders(service, "a@t"), holders(service, "b@t")) == ([other(clerk)], [clerk])


def test_a_plan_that_one_change_made_stale_changes_nothing(service):
    book(service, appointment("a@t", at(7, 8)))
    book(service, appointment("b@t", at(7, 9)))
    plan = propose(
        service, step(service, "a@t", to_start=at(7, 13)), step(service, "b@t", to_start=at(7, 14))
    )
    book(service, appointment("b@t", at(7, 10)), if_match="*")
    with pytest.raises(RefusedError) as refused:
        Plans(service).apply(plan.id, LEAD)
    assert refused.value.rule == "stale-plan"
    assert stored(service, "a@t").start == at(7, 8)
    assert Plans(service).get(plan.id).state is PlanState.PROPOSED


def test_a_plan_never_makes_two_appointments_overlap(service):
    book(service, appointment("a@t", at(7, 8)))
    (clerk,) = holders(service, "a@t")
    plan = propose(service, step(service, "a@t", to_start=at(7, 13)))
    service.put(f"{other(clerk)}/calendar", "m.ics", event("m@t", at(7, 12), 180), Actor(other(clerk)))
    book(service, appointment("b@t", at(7, 13)))
    assert holders(service, "b@t") == [clerk]
    with pytest.raises(RefusedError) as refused:
        Plans(service).apply(plan.id, LEAD)
    assert refused.value.rule == "stale-plan"


def test_a_plan_is_undone(service):
    for uid, start in (("a@t", at(7, 8)), ("b@t", at(7, 9)), ("c@t", at(7, 10))):
        book(service, appointment(uid, start))
    (clerk,) = holders(service, "a@t")
    plan = propose(
        service,
        step(service, "a@t", to_clerk=other(clerk)),
        step(service, "b@t", to_start=at(7, 14)),
        step(service, "c@t", cancel=True),
    )
    Plans(service).apply(plan.id, LEAD)
    assert Plans(service).undo(plan.id, LEAD).state is PlanState.UNDONE
    assert holders(service, "a@t") == [clerk]
    assert (stored(service, "a@t").sequence, stored(service, "b@t").sequence) == (0, 2)
    assert stored(service, "b@t").start == at(7, 9)
    assert (stored(service, "c@t").cancelled, stored(service, "c@t").reason) == (False, "")


def test_what_stands_in_the_way_of_undoing_is_named_and_the_rest_can_be_taken_back(service, clock):
    hours = {"other@t": 8, "agreed@t": 9, "gone@t": 10, "cancelled@t": 11, "same@t": 12, "noted@t": 13}
    for uid, hour in hours.items():
        book(service, appointment(uid, at(7, hour)))
    (clerk,) = {holders(service, uid)[0] for uid in hours}
    plan = propose(service, *(step(service, uid, to_start=at(7, hour, 30)) for uid, hour in hours.items()))
    Plans(service).apply(plan.id, LEAD)
    moved = {uid: stored(service, uid) for uid in hours}
    assert Plans(service).obstacles(plan.id) == {}
    book(service, replace(moved["other@t"], start=at(7, 15), end=at(7, 15, 30)), if_match="*")
    book(service, replace(moved["agreed@t"], proposed=None), if_match="*")
    service.delete("buergerbuero/appointments", "gone@t.ics", SITE)
    book(service, replace(moved["cancelled@t"], cancelled=True), if_match="*")
    book(service, replace(moved["noted@t"], remarks="Rollstuhl"), if_match="*")
    expected = {
        "other@t": Obstacle.MOVED,
        "agreed@t": Obstacle.AGREED,
        "gone@t": Obstacle.GONE,
        "cancelled@t": Obstacle.CANCELLED,
        "noted@t": Obstacle.CHANGED,
    }
    assert Plans(service).obstacles(plan.id) == expected
    with pytest.raises(RefusedError, match=r"other@t: moved, .*noted@t: changed"):
        Plans(service).undo(plan.id, LEAD)
    assert stored(service, "same@t").start == at(7, 12, 30)
    undone = Plans(service).undo(plan.id, LEAD, rest=True)
    assert (undone.state, undone.left) == (PlanState.UNDONE, expected)
    assert Plans(service).get(plan.id).to_json()["left"]["gone@t"] == "gone"
    assert stored(service, "same@t").start == at(7, 12)
    assert holders(service, "same@t") == [clerk]
    assert stored(service, "agreed@t").start == at(7, 9, 30)


def test_plans_are_taken_back_one_after_the_other(service):
    for uid, hour in (("a@t", 8), ("b@t", 9)):
        book(service, appointment(uid, at(7, hour)))
    first = propose(
        service, step(service, "a@t", to_start=at(7, 14)), step(service, "b@t", to_start=at(7, 15))
    )
    Plans(service).apply(first.id, LEAD)
    second = propose(service, step(service, "a@t", to_start=at(9, 9)), step(service, "b@t", cancel=True))
    Plans(service).apply(second.id, LEAD)
    assert set(Plans(service).obstacles(first.id).values()) == {Obstacle.MOVED, Obstacle.CANCELLED}
    Plans(service).undo(second.id, LEAD)
    assert (stored(service, "a@t").start, stored(service, "a@t").proposed) == (at(7, 14), at(7, 8))
    assert Plans(service).obstacles(first.id) == {}
    Plans(service).undo(first.id, LEAD)
    assert (stored(service, "a@t").start, stored(service, "b@t").start) == (at(7, 8), at(7, 9))
    assert not stored(service, "b@t").cancelled


def test_what_has_begun_is_not_taken_back(service, clock):
    for uid, hour in (("a@t", 8), ("b@t", 9)):
        book(service, appointment(uid, at(7, hour)))
    (clerk,) = holders(service, "a@t")
    plan = propose(service, *(step(service, uid, to_clerk=other(clerk)) for uid in ("a@t", "b@t")))
    Plans(service).apply(plan.id, LEAD)
    clock.now = at(7, 8, 10).astimezone(UTC)
    assert Plans(service).obstacles(plan.id) == {"a@t": Obstacle.BEGUN}
    with pytest.raises(RefusedError):
        Plans(service).undo(plan.id, LEAD)
    Plans(service).undo(plan.id, LEAD, rest=True)
    assert (holders(service, "a@t"), holders(service, "b@t")) == ([other(clerk)], [clerk])


def test_what_needs_the_place_of_one_that_stays_stays_too(service):
    """Two had changed places; one of them was changed since and stays, so the other finds no room."""
    for uid in ("a@t", "b@t"):
        book(service, appointment(uid))
    (first,), (second,) = holders(service, "a@t"), holders(service, "b@t")
    swapped = (step(service, "a@t", to_clerk=second), step(service, "b@t", to_clerk=first))
    plan = propose(service, *swapped)
    Plans(service).apply(plan.id, LEAD)
    book(service, replace(stored(service, "a@t"), remarks="Rollstuhl"), if_match="*")
    assert Plans(service).obstacles(plan.id) == {"a@t": Obstacle.CHANGED, "b@t": Obstacle.TAKEN}
    with pytest.raises(RefusedError, match=r"a@t: changed, b@t: taken"):
        Plans(service).undo(plan.id, LEAD, rest=True)
    assert Plans(service).get(plan.id).state is PlanState.APPLIED


def test_an_absence_that_was_changed_stays_when_the_rest_is_taken_back(service):
    book(service, appointment("a@t"))
    (ill,) = holders(service, "a@t")
    day = int(at(7, 0).timestamp())
    plan = propose(
        service, step(service, "a@t", to_clerk=other(ill)), absence=Absence(ill, day, day + 86_400)
    )
    Plans(service).apply(plan.id, LEAD)
    longer = event(f"absence-{plan.id}", at(7, 0), 2 * 24 * 60)
    service.put(f"{ill}/calendar", f"absence-{plan.id}.ics", longer, Actor(ill))
    assert Plans(service).obstacles(plan.id) == {"": Obstacle.ABSENCE}
    undone = Plans(service).undo(plan.id, LEAD, rest=True)
    assert undone.left == {"": Obstacle.ABSENCE}
    assert holders(service, "a@t") == [ill]
    assert service.find(f"{ill}/calendar") is not None
    with service.database.read() as connection:
        where = service.find(f"{ill}/calendar")
        assert reading.has_uid(connection, where, f"absence-{plan.id}") is not None


def test_a_plan_whose_undoing_was_kept_before_plans_brought_absences_is_undone(service):
    book(service, appointment("a@t"))
    (clerk,) = holders(service, "a@t")
    plan = propose(service, step(service, "a@t", to_clerk=other(clerk)))
    Plans(service).apply(plan.id, LEAD)
    with service.database.write() as connection:
        kept = json.loads(connection.scalar(select(plans.c.undo).where(plans.c.id == plan.id)))
        connection.execute(plans.update().values(undo=json.dumps(kept["steps"])))
    Plans(service).undo(plan.id, LEAD)
    assert holders(service, "a@t") == [clerk]


def test_a_plan_is_applied_once(service):
    book(service, appointment("a@t"))
    plan = propose(service, step(service, "a@t", to_start=at(7, 14)))
    Plans(service).apply(plan.id, LEAD)
    with pytest.raises(RefusedError):
        Plans(service).apply(plan.id, LEAD)


def fall_ill(service, uid: str) -> str:
    """Let the clerk of an appointment enter something else at its time; returns her name."""
    (ill,) = holders(service, uid)
    service.put(f"{ill}/calendar", f"ill-{uid}.ics", event(f"ill-{uid}", at(7, 8), 60), Actor(ill))
    return ill


def test_plans_that_apply_by_themselves_are_due_in_time(service, clock):
    book(service, appointment("a@t"))
    fall_ill(service, "a@t")
    plan = propose(service, step(service, "a@t", to_start=at(7, 14)), auto_at=service.now() + 3600)
    assert Plans(service).due() == []
    clock.advance(hours=2)
    assert Upkeep(service).apply_due_plans() == 1
    assert stored(service, "a@t").start == at(7, 14)
    assert Plans(service).get(plan.id).decided_by == "system"


def test_a_plan_that_does_not_fit_when_it_is_due_is_tried_again(service, clock):
    """A visitor looks at the new time for some minutes; without any other change nobody would make another plan soon."""
    book(service, appointment("a@t"))
    fall_ill(service, "a@t")
    plan = propose(service, step(service, "a@t", to_start=at(7, 14)), auto_at=service.now() + 3600)
    clock.advance(hours=2)
    until = (clock.now + timedelta(minutes=10)).replace(microsecond=0)
    for uid in ("h1@t", "h2@t"):
        book(service, appointment(uid, at(7, 14), hold_until=until))
    assert Upkeep(service).apply_due_plans() == 0
    assert Plans(service).get(plan.id).state is PlanState.PROPOSED
    clock.advance(minutes=11)
    Upkeep(service).release_holds()
    assert Upkeep(service).apply_due_plans() == 1
    assert stored(service, "a@t").start == at(7, 14)


def test_nobody_is_moved_by_itself_for_who_is_back(service, clock):
    """She deleted her entry a moment ago, or while the worker was away that would have withdrawn the plan."""
    for number in (1, 2):
        book(service, appointment(part_uid("g@t", number)))
    ill = fall_ill(service, "g@t")
    steps = [step(service, part_uid("g@t", number), to_start=at(9, 8)) for number in (1, 2)]
    plan = propose(service, *steps, auto_at=service.now() + 3600)
    clock.advance(hours=2)
    service.delete(f"{ill}/calendar", "ill-g@t.ics", Actor(ill))
    assert Upkeep(service).apply_due_plans() == 0
    assert Plans(service).get(plan.id).state is PlanState.PROPOSED
    assert fall_ill(service, "g@t") == ill
    assert Upkeep(service).apply_due_plans() == 1
    assert stored(service, "g.g2@t").start == at(9, 8)


def test_a_plan_that_cannot_fit_any_more_is_put_aside(service, clock):
    book(service, appointment("a@t"))
    plan = propose(service, step(service, "a@t", to_start=at(7, 14)), auto_at=service.now() + 3600)
    clock.now = at(7, 8, 30).astimezone(UTC)
    assert Upkeep(service).apply_due_plans() == 0
    assert Plans(service).get(plan.id).state is PlanState.STALE


def test_nobody_is_asked_to_decide_about_what_is_over(service, clock):
    book(service, appointment("a@t"))
    moved = propose(service, step(service, "a@t", to_start=at(7, 14)))
    day = int(at(7, 0).timestamp())
    away = propose(service, absence=Absence("clerk1", day, day + 2 * 86_400))
    nothing = propose(service)
    for moment, over in ((at(1, 20), []), (at(2, 13), [nothing]), (at(7, 7, 59), []), (at(7, 8), [moved])):
        clock.now = moment.astimezone(UTC)
        assert Upkeep(service).put_outlived_plans_aside() == len(over)
        assert all(Plans(service).get(plan.id).state is PlanState.STALE for plan in over)
    assert Plans(service).get(away.id).state is PlanState.PROPOSED
    clock.now = at(9, 0).astimezone(UTC)
    assert Upkeep(service).put_outlived_plans_aside() == 1


def test_a_plan_of_an_office_that_is_gone_stops_nothing(service, clock):
    book(service, appointment("a@t"))
    plan = propose(service, step(service, "a@t", to_start=at(7, 14)), auto_at=service.now() + 3600)
    clock.advance(hours=2)
    without = Calendars(service.database, Directory((replace(office(), id="standesamt"),)), clock)
    assert Upkeep(without).apply_due_plans() == 0
    assert Plans(without).get(plan.id).state is PlanState.STALE


def test_upkeep_outlives_what_it_did_not_expect(service, monkeypatch):
    seen = []
    stop = threading.Event()

    def broken(_self):
        seen.append(1)
        raise KeyError

    monkeypatch.setattr(Upkeep, "release_holds", broken)
    monkeypatch.setattr(Upkeep, "apply_due_plans", lambda _self: stop.set() or 0)
    Upkeep(service).run(stop)
    assert seen == [1]


def test_the_lead_plans_over_http_and_a_clerk_does_not(server):
    client = server.client("lead")
    server.client().book(appointment("a@t"), now=NOW)
    snapshot = client.snapshot("buergerbuero", at(7, 0).date(), at(9, 0).date())
    (booked,) = snapshot["booked"]
    steps = [
        {
            "uid": booked["uid"],
            "etag": booked["etag"],
            "clerk": booked["clerk"],
            "start": booked["starts_at"],
            "to_clerk": other(booked["clerk"]),
            "to_start": booked["starts_at"],
        }
    ]
    body = {
        "kind": "repair",
        "steps": steps,
        "objective": {"cancelled": 0},
        "proven_optimal": True,
        "seconds": 0.1,
    }
    plan = client.propose_plan("buergerbuero", body)
    assert client.decide_plan(plan["id"], "apply")["state"] == "applied"
    assert [each["id"] for each in client.plans("buergerbuero")] == [plan["id"]]
    for account in ("clerk1", "site"):
        with pytest.raises(ClientRefusedError):
            server.client(account).plans("buergerbuero")


def away(clerk: str, start=None, end=None) -> Absence:
    return Absence(clerk, *(int(moment.timestamp()) for moment in (start or at(7, 0), end or at(8, 0))))


def entries(service, clerk: str) -> dict[str, str]:
    with service.database.read() as connection:
        where = reading.collection(connection, f"{clerk}/calendar")
        return {row.uid: row.text for row in reading.all_items(connection, where) if not row.kind.is_booking}


@pytest.mark.parametrize(
    ("start", "end", "line"),
    [
        (at(7, 0), at(9, 0), "DTEND;VALUE=DATE:20261209"),
        (at(7, 9), at(7, 12), "DTEND:20261207T110000Z"),
    ],
)
def test_a_plan_enters_its_absence_and_takes_it_out_again(service, start, end, line):
    book(service, appointment("a@t", at(7, 9)))
    (clerk,) = holders(service, "a@t")
    plan = propose(service, step(service, "a@t", to_clerk=other(clerk)), absence=away(clerk, start, end))
    Plans(service).apply(plan.id, LEAD)
    (text,) = entries(service, clerk).values()
    assert line in text
    assert "abwesend" in text
    book(service, appointment("new@t", at(7, 10), "reisepass"))
    assert holders(service, "new@t") == [other(clerk)]
    service.delete("buergerbuero/appointments", "new@t.ics", SITE)
    Plans(service).undo(plan.id, LEAD)
    assert entries(service, clerk) == {}
    assert holders(service, "a@t") == [clerk]


def test_an_absence_that_the_clerk_entered_herself_isnt_entered_twice(service):
    book(service, appointment("a@t", at(7, 9)))
    (clerk,) = holders(service, "a@t")
    service.put(f"{clerk}/calendar", "ill.ics", event("ill", at(6, 0), 3 * 24 * 60), Actor(clerk))
    plan = propose(service, step(service, "a@t", to_clerk=other(clerk)), absence=away(clerk))
    Plans(service).apply(plan.id, LEAD)
    assert set(entries(service, clerk)) == {"ill"}
    Plans(service).undo(plan.id, LEAD)
    assert set(entries(service, clerk)) == {"ill"}


def test_nothing_of_an_absence_is_entered_when_the_plan_is_stale(service):
    book(service, appointment("a@t", at(7, 9)))
    (clerk,) = holders(service, "a@t")
    wrong = replace(step(service, "a@t", to_clerk=other(clerk)), etag='"other"')
    plan = propose(service, wrong, absence=away(clerk))
    with pytest.raises(RefusedError):
        Plans(service).apply(plan.id, LEAD)
    assert entries(service, clerk) == {}


def test_an_absence_that_was_changed_since_keeps_its_plan_from_being_undone(service):
    book(service, appointment("a@t", at(7, 9)))
    (clerk,) = holders(service, "a@t")
    plan = propose(service, step(service, "a@t", to_clerk=other(clerk)), absence=away(clerk))
    Plans(service).apply(plan.id, LEAD)
    (uid,) = entries(service, clerk)
    service.put(f"{clerk}/calendar", f"{uid}.ics", event(uid, at(7, 0), 4 * 24 * 60), Actor(clerk))
    with pytest.raises(RefusedError):
        Plans(service).undo(plan.id, LEAD)
    assert holders(service, "a@t") == [other(clerk)]
    service.delete(f"{clerk}/calendar", f"{uid}.ics", Actor(clerk))
    Plans(service).undo(plan.id, LEAD)
    assert holders(service, "a@t") == [clerk]


def test_who_is_away_must_be_a_clerk_of_the_office(service):
    with pytest.raises(MissingError):
        propose(service, absence=away("nobody"))


def test_a_plan_is_stale_when_who_takes_over_has_something_of_her_own(service):
    book(service, appointment("a@t", at(7, 9)))
    (clerk,) = holders(service, "a@t")
    plan = propose(service, step(service, "a@t", to_clerk=other(clerk)))
    service.put(f"{other(clerk)}/calendar", "own.ics", event("own", at(7, 9)), Actor(other(clerk)))
    with pytest.raises(RefusedError) as refused:
        Plans(service).apply(plan.id, LEAD)
    assert refused.value.rule == "stale-plan"
    assert holders(service, "a@t") == [clerk]


def test_a_plan_is_stale_when_the_office_is_closed_at_the_new_time(service):
    book(service, appointment("a@t", at(7, 9)))
    plan = propose(service, step(service, "a@t", to_start=at(7, 14)))
    service.put("buergerbuero/opening", "shut.ics", event("shut", at(7, 13), 180), LEAD)
    with pytest.raises(RefusedError) as refused:
        Plans(service).apply(plan.id, LEAD)
    assert refused.value.rule == "stale-plan"


@pytest.mark.parametrize(("now", "applied"), [(at(7, 7, 59), True), (at(7, 8, 1), False), (at(7, 15), False)])
def test_a_plan_is_stale_when_a_time_of_it_is_over(service, clock, now, applied):
    book(service, appointment("a@t", at(7, 14)))
    book(service, appointment("b@t", at(7, 15, 30)))
    plan = propose(service, step(service, "a@t", to_start=at(7, 8)), step(service, "b@t", to_start=at(7, 9)))
    clock.now = now
    if applied:
        Plans(service).apply(plan.id, LEAD)
        assert stored(service, "a@t").start == at(7, 8)
        return
    with pytest.raises(RefusedError) as refused:
        Plans(service).apply(plan.id, LEAD)
    assert refused.value.rule == "stale-plan"
    assert stored(service, "b@t").start == at(7, 15, 30)

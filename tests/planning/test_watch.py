"""An absence that a clerk enters in her client leads to take-overs and to a plan."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert

from booking_web.planning.watch import RepairSettings, RepairWatch
from calendar_server.client import CalendarClient
from calendar_server.ical.appointment import Part
from calendar_server.storage.schema import changes
from optimizer import aside, planning
from tests.support.calendar import calendar_server
from tests.support.databases import fresh_sqlite
from tests.support.town import BERLIN, NOW, appointment, at, clerk, directory, office


@pytest.fixture
def server(tmp_path):
    offices = directory(office(clerk("clerk1"), clerk("clerk2"), clerk("clerk3", "beglaubigung")))
    with calendar_server(fresh_sqlite(tmp_path), offices) as made:
        yield made


def watch(server, **settings) -> RepairWatch:
    return RepairWatch(
        server.client("worker"),
        server.change_log(),
        BERLIN,
        RepairSettings(notice_hours=0, **settings),
        server.clock,
    )


def holder(server, uid: str) -> str:
    found = {change.uid: change.clerk for change in server.change_log().read("buergerbuero", 0)}
    return found[uid]


def fall_ill(server, name: str, day=7) -> None:
    server.calendar(name).save_event(dtstart=at(day, 0).date(), dtend=at(day + 1, 0).date(), summary="krank")


def get_well(server, name: str) -> None:
    for event in server.calendar(name).events():
        if "krank" in event.data:
            event.delete()


def plans(server) -> list[dict]:
    return server.client("lead").plans("buergerbuero")


def fill(server, day: int = 7) -> None:
    for number in (1, 2):
        server.client().book(appointment(f"a{number}-{day}@test", at(day, 8), "reisepass"), now=NOW)


def waiting_plan(server, **settings) -> RepairWatch:
    """Leave a plan that moves one appointment."""
    fill(server)
    fall_ill(server, "clerk1")
    watching = watch(server, **settings)
    watching.look()
    return watching


def test_nothing_is_done_while_nobody_is_away(server):
    server.client().book(appointment(), now=NOW)
    assert watch(server).look() == 0
    assert server.client("worker").plans("buergerbuero") == []


def test_a_colleague_takes_over_without_anybody_asking(server):
    server.client().book(appointment("a1@test", at(7, 8), "reisepass"), now=NOW)
    ill = holder(server, "a1@test")
    fall_ill(server, ill)
    watching = watch(server)
    assert watching.look() == 1
    assert holder(server, "a1@test") != ill
    stored = server.client().read("buergerbuero", "a1@test", BERLIN).appointment
    assert (stored.start, stored.sequence) == (at(7, 8), 0)
    assert watching.look() == 0


def test_nothing_is_moved_back_when_the_clerk_is_back(server):
    for number, hour in enumerate((8, 9, 10)):
        server.client().book(appointment(f"a{number}@test", at(7, hour), "reisepass"), now=NOW)
    ill = holder(server, "a0@test")
    others = {f"a{number}@test": holder(server, f"a{number}@test") for number in range(3)}
    fall_ill(server, ill)
    watching = watch(server)
    watching.look()
    taken = {uid: holder(server, uid) for uid in others}
    assert ill not in taken.values()
    for event in server.calendar(ill).events():
        if "krank" in event.data:
            event.delete()
    assert watching.look() == 0
    assert watching.look() == 0
    assert {uid: holder(server, uid) for uid in others} == taken
    assert [plan["state"] for plan in server.client("lead").plans("buergerbuero")] == ["applied"]


def test_each_move_says_why_it_could_not_stay(server):
    for uid in ("a1@test", "a2@test"):
        server.client().book(appointment(uid, at(7, 8), "reisepass"), now=NOW)
    fall_ill(server, "clerk1")
    watch(server).look()
    (plan,) = server.client("lead").plans("buergerbuero")
    (step,) = plan["steps"]
    assert step["why"] == "clerk1:own-entry clerk2:appointment clerk3:not-eligible"


def test_what_needs_another_time_waits_for_approval(server):
    for uid in ("a1@test", "a2@test"):
        server.client().book(appointment(uid, at(7, 8), "reisepass"), now=NOW)
    fall_ill(server, "clerk1")
    watching = watch(server)
    watching.look()
    (plan,) = server.client("lead").plans("buergerbuero")
    assert (plan["state"], len(plan["moved"]), plan["cancelled"]) == ("proposed", 1, [])
    watching.look()
    assert len(server.client("lead").plans("buergerbuero")) == 1
    applied = server.client("lead").decide_plan(plan["id"], "apply")
    moved = server.client().read("buergerbuero", applied["moved"][0]["uid"], BERLIN).appointment
    assert (moved.start, moved.sequence) == (at(7, 8, 30), 1)
    assert moved.reason
    assert watching.look() == 0


def test_a_plan_is_withdrawn_when_the_clerk_is_back(server):
    for uid in ("a1@test", "a2@test"):
        server.client().book(appointment(uid, at(7, 8), "reisepass"), now=NOW)
    fall_ill(server, "clerk1")
    watching = watch(server)
    watching.look()
    for event in server.calendar("clerk1").events():
        if "krank" in event.data:
            event.delete()
    watching.look()
    assert [plan["state"] for plan in server.client("lead").plans("buergerbuero")] == ["dismissed"]


def test_a_plan_is_made_anew_when_its_place_is_taken(server):
    waiting_plan(server)
    (plan,) = plans(server)
    taken = datetime.fromisoformat(plan["moved"][0]["to"]).astimezone(BERLIN)
    server.client().book(appointment("a3@test", taken, "reisepass"), now=NOW)
    watch(server).look()
    assert sorted(each["state"] for each in plans(server)) == ["dismissed", "proposed"]


def test_a_plan_that_is_as_good_as_before_stays(server):
    watching = waiting_plan(server)
    for number, hour in enumerate((9, 11, 13, 15)):
        server.client().book(appointment(f"n{number}@test", at(7, hour), "reisepass"), now=NOW)
        watching.look()
    assert [plan["state"] for plan in plans(server)] == ["proposed"]


def test_a_plan_that_somebody_dismissed_is_not_made_once_more(server):
    watching = waiting_plan(server)
    server.client("lead").decide_plan(plans(server)[0]["id"], "dismiss")
    server.client().book(appointment("n1@test", at(7, 11), "reisepass"), now=NOW)
    watching.look()
    watch(server, auto_hours=4).look()
    assert [plan["state"] for plan in plans(server)] == ["dismissed"]


def test_a_dismissed_plan_comes_again_when_more_is_covered_but_not_by_itself(server):
    waiting_plan(server)
    server.client("lead").decide_plan(plans(server)[0]["id"], "dismiss")
    server.clock.advance(minutes=1)
    fill(server, 14)
    fall_ill(server, "clerk1", 14)
    watch(server, auto_hours=4).look()
    (plan,) = [plan for plan in plans(server) if plan["state"] == "proposed"]
    assert len(plan["moved"]) == 2


def test_a_dismissal_ends_with_the_absence_that_it_was_about(server):
    watching = waiting_plan(server)
    server.client("lead").decide_plan(plans(server)[0]["id"], "dismiss")
    server.clock.advance(minutes=1)
    get_well(server, "clerk1")
    watching.look()
    fall_ill(server, "clerk1")
    watching.look()
    assert sorted(plan["state"] for plan in plans(server)) == ["dismissed", "proposed"]


def test_what_somebody_took_back_waits_for_her(server):
    server.client().book(appointment("a1@test", at(7, 8), "reisepass"), now=NOW)
    ill = holder(server, "a1@test")
    fall_ill(server, ill)
    watching = watch(server, auto_hours=1)
    watching.look()
    server.client("lead").decide_plan(plans(server)[0]["id"], "undo")
    watching.look()
    assert holder(server, "a1@test") == ill
    assert sorted((plan["state"], plan["auto_at"]) for plan in plans(server)) == [
        ("proposed", None),
        ("undone", None),
    ]


def test_what_a_lead_planned_and_took_back_waits_for_her_too(server):
    """The clerk has made the absence longer that the plan entered, so it stays when all else is taken back."""
    server.client().book(appointment("a1@test", at(7, 8), "reisepass"), now=NOW)
    ill, lead = holder(server, "a1@test"), server.client("lead")
    (entry,) = lead.snapshot("buergerbuero", at(7, 0).date(), at(7, 0).date())["booked"]
    step = {"uid": "a1@test", "etag": entry["etag"], "clerk": ill, "start": entry["starts_at"]}
    step |= {"to_clerk": "clerk2" if ill == "clerk1" else "clerk1", "to_start": entry["starts_at"]}
    day = int(at(7, 0).timestamp())
    body = {"kind": "repair", "steps": [step], "objective": {}, "proven_optimal": True, "seconds": 0.0}
    body["absence"] = {"clerk": ill, "start": day, "end": day + 86_400, "title": "abwesend"}
    made = lead.propose_plan("buergerbuero", body)["id"]
    lead.decide_plan(made, "apply")
    (event,) = [each for each in server.calendar(ill).events() if "abwesend" in each.data]
    with event.edit_icalendar_component() as component:
        component["DTEND"].dt = at(9, 0).date()
    event.save()
    lead.decide_plan(made, "undo-rest")
    watch(server, auto_hours=1).look()
    assert holder(server, "a1@test") == ill
    assert sorted((plan["state"], plan["auto_at"]) for plan in plans(server)) == [
        ("proposed", None),
        ("undone", None),
    ]


def test_a_plan_that_waits_stays_while_no_solver_answers(server, tmp_path, monkeypatch):
    waiting_plan(server)
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['numpy'] = None\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    watch(server).look()
    assert [plan["state"] for plan in plans(server)] == ["proposed"]


def test_an_office_that_fails_keeps_no_other_from_its_repair(tmp_path, monkeypatch):
    """The second office comes after the first one, and once the first one can be planned it's looked at again."""
    first = office(clerk("clerk1"), clerk("clerk2"))
    second = replace(office(clerk("clerk3"), clerk("clerk4")), id="standesamt")
    with calendar_server(fresh_sqlite(tmp_path), directory(first, second)) as server:
        for uid, where, ill in (("a@t", "buergerbuero", "clerk1"), ("b@t", "standesamt", "clerk3")):
            server.client().book(appointment(uid, at(7, 8), office=where), now=NOW)
            for name in (ill, "clerk2" if ill == "clerk1" else "clerk4"):
                server.calendar(name).save_event(dtstart=at(7, 8), dtend=at(7, 9), summary="Arzt")
        watching = watch(server)
        resolve = planning.resolve

        def breaking(snapshot, **values):
            if snapshot.office == "buergerbuero":
                raise KeyError
            return resolve(snapshot, **values)

        monkeypatch.setattr(planning, "resolve", breaking)
        with pytest.raises(KeyError):
            watching.look()
        lead = server.client("worker")
        assert [len(lead.plans(name)) for name in ("buergerbuero", "standesamt")] == [0, 1]
        monkeypatch.undo()
        watching.look()
        assert [len(lead.plans(name)) for name in ("buergerbuero", "standesamt")] == [1, 1]


def test_plans_that_others_made_are_left_alone(server):
    body = {"kind": "repair", "steps": [], "objective": {}, "proven_optimal": True, "seconds": 0.0}
    made = server.client("lead").propose_plan("buergerbuero", body)
    watch(server).look()
    waiting_plan(server)
    states = {plan["id"]: plan["state"] for plan in plans(server)}
    assert states[made["id"]] == "proposed"
    assert list(states.values()) == ["proposed", "proposed"]


def test_what_needs_a_place_that_a_move_makes_free_waits_with_it(server):
    """clerk1 leaves in the middle of an appointment that only another time helps; its beginning is the only room for clerk2's."""
    server.client().book(appointment("long@test", at(7, 8), "reisepass", minutes=30), now=NOW)
    server.client().book(appointment("short@test", at(7, 8), "reisepass", minutes=15), now=NOW)
    late, ill = holder(server, "long@test"), holder(server, "short@test")
    server.calendar(late).save_event(dtstart=at(7, 8, 15), dtend=at(7, 9), summary="Arzt")
    fall_ill(server, ill)
    watch(server).look()
    (plan,) = plans(server)
    assert plan["state"] == "proposed"
    assert [step["uid"] for step in plan["reassigned"]] == ["short@test"]
    assert [step["uid"] for step in plan["moved"]] == ["long@test"]
    server.client("lead").decide_plan(plan["id"], "apply")
    assert holder(server, "short@test") == late


def test_many_holds_hide_no_absence(server):
    watching = watch(server)
    watching.look()
    server.client().book(appointment("a1@test", at(7, 8), "reisepass"), now=NOW)
    watching.look()
    ill = holder(server, "a1@test")
    with closing(server.database()) as database, database.write() as connection:
        seq = server.change_log().head("buergerbuero")
        told = {"office": "buergerbuero", "kind": "hold", "action": "stored", "owner": "clerk2"}
        told |= {"actor": "site", "at": int(NOW.timestamp())}
        rows = [{**told, "seq": seq, "part": 1000 + part, "uid": f"h{part}"} for part in range(600)]
        connection.execute(insert(changes), rows)
    fall_ill(server, ill)
    assert watching.look() == 1


def test_a_plan_may_decide_itself(server):
    for uid in ("a1@test", "a2@test"):
        server.client().book(appointment(uid, at(7, 8), "reisepass"), now=NOW)
    fall_ill(server, "clerk1")
    watch(server, auto_hours=4).look()
    (plan,) = server.client("lead").plans("buergerbuero")
    assert plan["auto_at"] == "2026-12-01T15:00:00+00:00"


def test_a_plan_made_anew_has_waited_as_long_as_the_one_before(server):
    waiting_plan(server, auto_hours=4)
    (plan,) = plans(server)
    taken = datetime.fromisoformat(plan["moved"][0]["to"]).astimezone(BERLIN)
    server.clock.advance(hours=3)
    server.client().book(appointment("a3@test", taken, "reisepass"), now=NOW)
    watch(server, auto_hours=4).look()
    (anew,) = [plan for plan in plans(server) if plan["state"] == "proposed"]
    assert anew["moved"] != plan["moved"]
    assert anew["auto_at"] == "2026-12-01T15:00:00+00:00"


def test_a_due_plan_with_a_hold_in_its_way_is_made_anew_soon(server):
    """Holds are none of the changes that the watch looks at, so nobody would for ten minutes."""
    watching = waiting_plan(server, auto_hours=4)
    (plan,) = plans(server)
    wanted = datetime.fromisoformat(plan["moved"][0]["to"]).astimezone(BERLIN)
    server.clock.advance(hours=4)
    watching.look()
    until = (server.clock.now + timedelta(minutes=10)).replace(microsecond=0)
    held = appointment("h1@test", wanted, "reisepass", hold_until=until)
    server.client().book(held, now=server.clock.now)
    watching.look()
    assert [each["id"] for each in plans(server)] == [plan["id"]]
    server.clock.advance(seconds=31)
    watching.look()
    (anew,) = [each for each in plans(server) if each["state"] == "proposed"]
    assert anew["moved"][0]["to"] != plan["moved"][0]["to"]
    assert anew["auto_at"] == plan["auto_at"]


def test_a_plan_that_waits_until_its_new_time_is_near_is_made_anew(server):
    """Nobody may read in the morning that she is to come at noon. What was planned for a whole day's notice stays while half of it is left."""
    fill(server)
    fall_ill(server, "clerk1")
    settings = RepairSettings(notice_hours=24)
    server.clock.now = at(6, 7).astimezone(UTC)
    watching = RepairWatch(server.client("worker"), server.change_log(), BERLIN, settings, server.clock)
    watching.look()
    (plan,) = plans(server)
    assert plan["moved"][0]["to"] == at(7, 8, 30).astimezone(UTC).isoformat()
    server.clock.now = at(6, 20).astimezone(UTC)
    watching.look()
    assert [each["id"] for each in plans(server)] == [plan["id"]]
    server.clock.now = at(6, 20, 45).astimezone(UTC)
    watching.look()
    (anew,) = [each for each in plans(server) if each["state"] == "proposed"]
    assert anew["moved"][0]["to"] >= at(7, 20, 45).astimezone(UTC).isoformat()


def unplanned(*days: int):
    """Let the planner leave these days of December as they are."""
    resolve = planning.resolve

    def some(snapshot, **values):
        def solve(office, **more):
            if any(office.name.endswith(f"12-{day:02}") for day in days):
                raise aside.NoAnswerError
            return aside.repair(office, **more)

        return resolve(snapshot, solve=solve, **values)

    return some


def test_a_plan_for_some_days_replaces_none_for_all(server, monkeypatch):
    fill(server)
    fill(server, 14)
    server.calendar("clerk1").save_event(dtstart=at(7, 0).date(), dtend=at(15, 0).date(), summary="krank")
    watch(server).look()
    (plan,) = plans(server)
    assert len(plan["moved"]) == 2
    monkeypatch.setattr(planning, "resolve", unplanned(14))
    watch(server).look()
    assert [(each["id"], each["state"]) for each in plans(server)] == [(plan["id"], "proposed")]


def test_whom_a_larger_plan_that_stays_does_not_help_gets_a_plan_beside_it(server, monkeypatch):
    fill(server)
    fill(server, 14)
    for day in (7, 14):
        fall_ill(server, "clerk1", day)
    watch(server).look()
    fill(server, 9)
    fall_ill(server, "clerk1", 9)
    monkeypatch.setattr(planning, "resolve", unplanned(7))
    for _ in range(2):
        watch(server).look()
        larger, beside = sorted(
            (each for each in plans(server) if each["state"] == "proposed"),
            key=lambda each: -len(each["moved"]),
        )
        assert [len(each["moved"]) for each in (larger, beside)] == [2, 1]
    assert beside["moved"][0]["uid"].endswith("-9@test")
    lead = server.client("lead")
    for plan in (beside, larger):
        lead.decide_plan(plan["id"], "apply")
    watch(server).look()
    assert not planning.conflicts(watch(server)._snapshot("buergerbuero"))


def test_a_plan_for_what_is_new_stands_beside_one_for_what_was_not_planned_anew(server, monkeypatch):
    waiting_plan(server)
    fill(server, 14)
    fall_ill(server, "clerk1", 14)
    monkeypatch.setattr(planning, "resolve", unplanned(7))
    watch(server).look()
    assert [len(each["moved"]) for each in plans(server) if each["state"] == "proposed"] == [1, 1]
    monkeypatch.undo()
    watch(server).look()
    (whole,) = [each for each in plans(server) if each["state"] == "proposed"]
    assert len(whole["moved"]) == 2


def test_a_group_that_has_no_room_on_its_day_moves_as_a_whole(server):
    start, end = at(9, 8), at(9, 8, 30)
    parts = tuple(Part(number, start, end) for number in (1, 2))
    family = replace(appointment("g@test", start, "reisepass"), group=2, parts=parts)
    server.client().book(family, now=NOW)
    server.calendar("clerk2").save_event(dtstart=at(9, 8, 30), dtend=at(9, 12), summary="Fortbildung")
    fall_ill(server, "clerk1", 9)
    watching = watch(server)
    watching.look()
    (plan,) = [plan for plan in plans(server) if plan["state"] == "proposed"]
    assert {step["uid"]: step["to_start"] for step in plan["steps"]} == {
        "g@test": int(at(14, 8).timestamp()),
        "g.g2@test": int(at(14, 8).timestamp()),
    }
    server.client("lead").decide_plan(plan["id"], "apply")
    moved = server.client().read("buergerbuero", "g@test", BERLIN).appointment
    assert (moved.start, moved.proposed, len(moved.parts)) == (at(14, 8), start, 2)
    watching.look()
    assert not [plan for plan in plans(server) if plan["state"] == "proposed"]


def test_a_worker_that_ends_while_it_replaces_a_plan_forgets_no_time(server, monkeypatch):
    waiting_plan(server, auto_hours=4)
    (plan,) = plans(server)
    taken = datetime.fromisoformat(plan["moved"][0]["to"]).astimezone(BERLIN)
    server.clock.advance(hours=3)
    server.client().book(appointment("a3@test", taken, "reisepass"), now=NOW)
    with monkeypatch.context() as patch:

        def dies(*_):
            raise SystemExit

        decide = CalendarClient.decide_plan
        patch.setattr(CalendarClient, "decide_plan", lambda *words: (decide(*words), dies()))
        with pytest.raises(SystemExit):
            watch(server, auto_hours=4).look()
    watch(server, auto_hours=4).look()
    (anew,) = [plan for plan in plans(server) if plan["state"] == "proposed"]
    assert anew["auto_at"] == plan["auto_at"]


def test_of_two_plans_about_the_same_one_stays(server):
    waiting_plan(server)
    (plan,) = plans(server)
    server.client("worker").propose_plan(
        "buergerbuero",
        {name: plan[name] for name in ("kind", "steps", "objective", "proven_optimal", "seconds")},
    )
    watch(server).look()
    assert sorted(each["state"] for each in plans(server)) == ["dismissed", "proposed"]

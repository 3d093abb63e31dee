"""An absence that a clerk enters in her client leads to take-overs and to a plan."""

from __future__ import annotations

import pytest

from booking_web.planning.watch import RepairSettings, RepairWatch
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


def test_a_plan_is_made_anew_when_something_else_changed(server):
    for uid in ("a1@test", "a2@test"):
        server.client().book(appointment(uid, at(7, 8), "reisepass"), now=NOW)
    fall_ill(server, "clerk1")
    watching = watch(server)
    watching.look()
    server.client().book(appointment("a3@test", at(7, 8, 30), "reisepass"), now=NOW)
    watching.look()
    states = sorted(plan["state"] for plan in server.client("lead").plans("buergerbuero"))
    assert states == ["dismissed", "proposed"]


def test_a_plan_may_decide_itself(server):
    for uid in ("a1@test", "a2@test"):
        server.client().book(appointment(uid, at(7, 8), "reisepass"), now=NOW)
    fall_ill(server, "clerk1")
    watch(server, auto_hours=4).look()
    (plan,) = server.client("lead").plans("buergerbuero")
    assert plan["auto_at"] == "2026-12-01T15:00:00+00:00"

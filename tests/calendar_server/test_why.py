"""Why a time isn't free, for those who ask, and for drawings that were refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, time

import pytest
from caldav.lib.error import AuthorizationError

from calendar_server.client import RefusedError
from calendar_server.ical.appointment import to_ical
from optimizer.release import Release, Stage
from tests.support.calendar import calendar_server
from tests.support.databases import fresh_sqlite
from tests.support.town import NOW, appointment, at, clerk, directory, office

MONDAY = date(2026, 12, 7)
OFFICE = "buergerbuero"


@pytest.fixture
def server(tmp_path):
    offices = directory(
        office(
            clerk("clerk1"),
            clerk("clerk2", "beglaubigung"),
            release=Release(horizon_days=30, minimum_notice_minutes=60),
        )
    )
    with calendar_server(fresh_sqlite(tmp_path), offices) as made:
        yield made


def ask(server, day=MONDAY, *services: str, minutes=30, start=None, who="lead"):
    return server.client(who).why(OFFICE, day, services or ("reisepass",), minutes, start)


def reasons(found) -> dict[str, str]:
    return {each["id"]: each["reason"] for each in found["clerks"]}


def draw(server, who: str, title: str, start, end) -> None:
    server.calendar(who).save_event(dtstart=start, dtend=end, summary=title)


def test_what_is_free_is_said(server):
    found = ask(server)
    assert found["possible"][0] == at(7, 8).isoformat()
    assert found["rules"] == []
    assert reasons(found) == {"clerk1": "free", "clerk2": "not-eligible"}
    assert found["clerks"][1]["missing"] == ["reisepass"]


def test_an_appointment_and_an_own_entry_stand_in_the_way(server):
    server.client().book(appointment("a1@test", at(7, 8), "reisepass"), now=NOW)
    found = ask(server, start=time(8, 15))
    assert found["possible"] == []
    assert reasons(found)["clerk1"] == "appointment"
    draw(server, "clerk1", "Zahnarzt", at(7, 10), at(7, 11))
    found = ask(server, start=time(10, 30))
    assert reasons(found)["clerk1"] == "own-entry"
    assert found["clerks"][0]["own"] == [
        {"start": at(7, 10).isoformat(), "end": at(7, 11).isoformat(), "title": "Zahnarzt"}
    ]


def test_a_clerk_isnt_told_what_a_colleague_does(server):
    draw(server, "clerk1", "Zahnarzt", at(7, 10), at(7, 11))
    found = ask(server, start=time(10, 30), who="clerk2")
    assert reasons(found)["clerk1"] == "own-entry"
    assert "Zahnarzt" not in str(found)


def test_no_citizens_name_is_told(server):
    server.client().book(appointment("a1@test", at(7, 8), "reisepass"), now=NOW)
    assert "Erika" not in str(ask(server))


def test_a_gap_that_is_too_short(server):
    for number, hour in enumerate(range(8, 16)):
        server.client().book(appointment(f"a{number}@test", at(7, hour, 15), "reisepass"), now=NOW)
    found = ask(server, minutes=45)
    assert reasons(found)["clerk1"] == "gap"
    assert found["clerks"][0]["longest_minutes"] == 30


@pytest.mark.parametrize(
    ("day", "start", "rule"),
    [
        (date(2026, 12, 8), None, "no-window"),
        (MONDAY, time(7, 0), "outside-opening-hours"),
        (MONDAY, time(15, 45), "outside-opening-hours"),
        (date(2026, 12, 25), None, "holiday"),
        (date(2027, 1, 4), None, "too-far"),
        (date(2026, 11, 30), None, "past"),
    ],
)
def test_rules_of_the_office(server, day, start, rule):
    found = ask(server, day, start=start)
    assert found["rules"] == [rule]


def test_when_a_far_day_comes_into_the_horizon(server):
    assert ask(server, date(2027, 1, 4))["earliest"] == "2026-12-05T00:00:00+01:00"


def test_too_short_a_notice(server):
    server.clock.now = at(7, 9, 30).astimezone(NOW.tzinfo)
    assert ask(server, start=time(10, 0))["rules"] == ["too-soon"]
    assert ask(server, start=time(11, 0))["rules"] == []


def test_a_share_that_is_not_released_yet(tmp_path):
    release = Release(horizon_days=30, stages=(Stage(30, 0), Stage(2, 100)))
    with calendar_server(fresh_sqlite(tmp_path), directory(office(release=release))) as server:
        found = ask(server)
        assert found["rules"] == ["not-released"]
        assert found["possible"]
        assert found["earliest"] == "2026-12-05T00:00:00+01:00"


def test_a_closure_is_named(server):
    server.calendar("lead", f"{OFFICE}/opening").save_event(
        dtstart=at(7, 0), dtend=at(8, 0), summary="Betriebsausflug"
    )
    found = ask(server)
    assert found["rules"] == ["closed"]
    assert [each["title"] for each in found["closures"]] == ["Betriebsausflug"]


def test_services_that_nobody_offers(server):
    assert ask(server, MONDAY, "mondflug")["rules"] == ["unknown-service"]


def test_a_time_that_is_free_by_reassigning(server):
    server.client().book(appointment("a1@test", at(7, 8), "beglaubigung"), now=NOW)
    holders = {change.uid: change.clerk for change in server.change_log().read(OFFICE, 0)}
    found = ask(server, start=time(8, 0))
    assert found["possible"] == [at(7, 8).isoformat()]
    assert found["by_reassigning"] == (holders["a1@test"] == "clerk1")


def test_a_refused_drawing_is_explained(server):
    server.client().book(appointment("a1@test", at(7, 8), "reisepass"), now=NOW)
    calendar = server.calendar("lead", f"{OFFICE}/appointments")
    drawn = replace(appointment("b1@test", at(7, 8), "reisepass"), email="")
    with pytest.raises(AuthorizationError):
        calendar.save_event(to_ical(drawn, now=NOW))
    (found,) = server.client("clerk2").refused(OFFICE)
    assert (found["rule"], found["by"], found["start"], found["day"]) == (
        "no-free-clerk",
        "lead",
        "08:00",
        "2026-12-07",
    )
    assert reasons(found) == {"clerk1": "appointment", "clerk2": "not-eligible"}
    assert "Erika" not in str(found)


def test_refused_drawings_are_known_after_a_restart_for_two_weeks(tmp_path):
    url, offices = fresh_sqlite(tmp_path), directory(office(clerk("clerk1")))
    with calendar_server(url, offices) as server:
        calendar = server.calendar("lead", f"{OFFICE}/appointments")
        server.client().book(appointment("a@test", at(7, 8)), now=NOW)
        for number in range(22):
            drawn = replace(appointment(f"b{number}@test", at(7, 8)), email="")
            with pytest.raises(AuthorizationError):
                calendar.save_event(to_ical(drawn, now=NOW))
        head = server.change_log().head(OFFICE)
        assert len(server.client("lead").refused(OFFICE)) == 20
        assert server.change_log().head(OFFICE) == head
    with calendar_server(url, offices, server.clock) as again:
        assert len(again.client("clerk1").refused(OFFICE)) == 20
        again.clock.advance(days=15)
        assert again.client("clerk1").refused(OFFICE) == []


def test_the_publics_refusals_are_not_kept(server):
    server.client().book(appointment("a1@test", at(7, 8), "reisepass"), now=NOW)
    with pytest.raises(RefusedError):
        server.client().book(appointment("b1@test", at(7, 8), "reisepass"), now=NOW)
    assert server.client("lead").refused(OFFICE) == []


@pytest.mark.parametrize("who", ["site"])
def test_only_those_who_work_there_may_ask(server, who):
    with pytest.raises(RefusedError, match="forbidden"):
        ask(server, who=who)
    with pytest.raises(RefusedError, match="forbidden"):
        server.client("clerk1").demand(OFFICE, MONDAY, MONDAY)


@pytest.mark.parametrize("minutes", [0, -5, 100_000])
def test_nonsense_is_refused(server, minutes):
    with pytest.raises(RefusedError, match="bad-request"):
        ask(server, minutes=minutes)

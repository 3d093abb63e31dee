"""Appointments for a group: searched, held, booked, moved and cancelled together, by pages and by program."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime

import pytest
from icalendar import Calendar

from calendar_server.upkeep import Upkeep
from tests.booking_web.conftest import world
from tests.booking_web.test_api import booking, fields, post, starts
from tests.booking_web.test_pages import MONDAY_8, MONDAY_9, PERSON, Page, begin, book, calendar_of
from tests.support.calendar import calendars

CHOICE = "office=buergerbuero&service=meldebescheinigung&group=3"
WISH = {"services": [{"id": "meldebescheinigung"}], "group": 3}


def times(answer):
    return [each["start"][11:16] for each in answer["appointments"]]


def made(world, **values):
    answer = post(world, "appointments", booking(**{**WISH, **values}))
    assert answer.status_code == 201, answer.json
    return answer.json


def show(world, token):
    return world.browser().get(f"/api/v1/appointments/{token}")


@pytest.mark.parametrize(
    ("arrangement", "expected"),
    [
        ("together", ["10:00", "10:00", "10:00"]),
        ("in-turn", ["10:00", "10:10", "10:20"]),
        ("soonest", ["10:00", "10:00", "10:00"]),
        (..., ["10:00", "10:00", "10:00"]),
    ],
)
def test_everybody_gets_an_appointment_of_her_own(citizens, arrangement, expected):
    answer = made(citizens, start="2026-12-07T10:00:00+01:00", arrangement=arrangement)
    assert times(answer) == expected
    events = calendar_of(citizens)
    assert len(events) == 3
    assert len({str(event.icalendar_component["X-TERMIN-REFERENCE"]) for event in events}) == 1
    assert show(citizens, answer["token"]).json["appointments"] == answer["appointments"]


def test_soonest_uses_everybody_and_goes_on_after_that(citizens):
    """At eight there are three clerks: five people come three and two."""
    answer = made(citizens, start=MONDAY_8, group=5)
    assert times(answer) == ["08:00", "08:00", "08:00", "08:10", "08:10"]
    assert answer["end"][11:16] == "08:20"


def test_only_starts_at_which_the_group_fits_are_offered(citizens):
    query = "service=meldebescheinigung&group=4&arrangement=together"
    found = starts(citizens, query, "2026-12-07")
    # The fourth clerk comes at half past nine, and the third leaves at one.
    assert found[0] == "2026-12-07T09:30:00+01:00"
    assert MONDAY_8 in starts(citizens, "service=meldebescheinigung&group=4", "2026-12-07")
    for start in (found[0], found[-1]):
        assert len(made(citizens, start=start, group=4, arrangement="together")["appointments"]) == 4
    answer = post(citizens, "appointments", booking(**{**WISH, "group": 4, "arrangement": "together"}))
    assert (answer.status_code, answer.json["code"]) == (409, "slot-taken")


def test_every_offered_start_of_a_group_can_be_booked_and_no_other(citizens):
    browser = citizens.browser()
    for minute in ("00", "15", "30"):
        post(citizens, "appointments", booking(start=f"2026-12-07T12:{minute}:00+01:00"))
        post(citizens, "appointments", booking(start=f"2026-12-07T09:{minute}:00+01:00"))
    for arrangement in ("together", "in-turn", "soonest"):
        query = f"service=reisepass&group=2&arrangement={arrangement}"
        offered = starts(citizens, query, "2026-12-07")
        for hour in range(8, 16):
            start = f"2026-12-07T{hour:02}:30:00+01:00"
            wish = booking(services=[{"id": "reisepass"}], group=2, arrangement=arrangement, start=start)
            answer = browser.post("/api/v1/appointments", json=wish)
            assert (answer.status_code == 201) == (start in offered), (arrangement, start)
            if answer.status_code == 201:
                browser.delete(f"/api/v1/appointments/{answer.json['token']}")


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"group": 0}, "group"),
        ({"group": 7}, "group"),
        ({"group": "3"}, "group"),
        ({"group": True}, "group"),
        ({"arrangement": "nearby"}, "arrangement"),
        ({"arrangement": 1}, "arrangement"),
    ],
)
def test_bad_groups_are_named(shared, values, field):
    answer = post(shared, "appointments", booking(**{**WISH, **values}))
    assert answer.status_code == 422
    assert fields(answer) == {field}


@pytest.mark.parametrize("query", ["group=9", "group=x", "group=-1", "group=3&arrangement=nearby"])
def test_bad_groups_in_an_address_are_named(shared, query):
    answer = shared.browser().get(f"/api/v1/offers?service=meldebescheinigung&{query}")
    assert answer.status_code == 422


def test_the_same_key_gives_the_same_group(citizens):
    first = post(citizens, "appointments", booking(**WISH), Idempotency_Key="family")
    again = post(citizens, "appointments", booking(**WISH), Idempotency_Key="family")
    assert first.json == again.json
    assert len(calendar_of(citizens)) == 3
    other = post(citizens, "appointments", booking(**{**WISH, "start": MONDAY_9}), Idempotency_Key="family")
    assert other.json["code"] == "idempotency-key-reused"


def test_a_held_group_is_confirmed_as_it_is(citizens):
    wish = {name: value for name, value in booking(**WISH).items() if name not in {"name", "email"}}
    held = post(citizens, "holds", {**wish, "arrangement": "in-turn"}).json
    assert times(held) == ["08:00", "08:10", "08:20"]
    done = post(citizens, f"holds/{held['token']}/confirm", {"name": "Erika", "email": "e@example.org"})
    assert (done.status_code, done.json["status"]) == (201, "confirmed")
    assert times(done.json) == times(held)
    assert len(calendar_of(citizens)) == 3


def test_a_released_hold_frees_all(citizens):
    wish = {name: value for name, value in booking(**WISH).items() if name not in {"name", "email"}}
    held = post(citizens, "holds", wish).json
    assert citizens.browser().delete(f"/api/v1/holds/{held['token']}").status_code == 204
    assert calendar_of(citizens) == []


def test_a_group_moves_together(citizens):
    answer = made(citizens, arrangement="in-turn")
    moved = post(citizens, f"appointments/{answer['token']}/move", {"start": MONDAY_9})
    assert times(moved.json) == ["09:00", "09:10", "09:20"]
    assert {event.icalendar_component.start.hour for event in calendar_of(citizens)} == {9}


def test_one_can_be_cancelled_or_all(citizens):
    answer = made(citizens)
    token = answer["token"]
    browser = citizens.browser()
    assert browser.delete(f"/api/v1/appointments/{token}/members/1").status_code == 204
    assert browser.delete(f"/api/v1/appointments/{token}/members/1").status_code == 404
    assert [each["number"] for each in show(citizens, token).json["appointments"]] == [2, 3]
    moved = post(citizens, f"appointments/{token}/move", {"start": MONDAY_9})
    assert [each["number"] for each in moved.json["appointments"]] == [2, 3]
    assert browser.delete(f"/api/v1/appointments/{token}").status_code == 204
    assert show(citizens, token).status_code == 404
    assert calendar_of(citizens) == []


def test_the_last_ones_cancellation_ends_it(citizens):
    token = made(citizens, group=2)["token"]
    for number in (2, 1):
        assert citizens.browser().delete(f"/api/v1/appointments/{token}/members/{number}").status_code == 204
    assert show(citizens, token).status_code == 404


def test_what_staff_do_to_one_shows_on_her_page(citizens):
    answer = made(citizens)
    lead = citizens.calendar.calendar("lead", "buergerbuero/appointments")
    next(e for e in lead.events() if str(e.icalendar_component["UID"]) == answer["uid"]).delete()
    assert [each["number"] for each in show(citizens, answer["token"]).json["appointments"]] == [2, 3]
    page = Page(citizens.browser().get(f"/termin/{answer['token']}"))
    assert page.text.count("Termin: 8:00 Uhr") == 2


# Pages ------------------------------------------------------------------------------------------------------------------------


def test_the_services_page_asks_and_leads_on(shared):
    page = shared.browser().get("/termin/").text
    assert "Brauchen mehrere Personen einen eigenen Termin?" in page
    answer = shared.browser().get("/termin/?office=buergerbuero&service=meldebescheinigung&group=3&weiter=1")
    assert answer.location == f"/termin/unterlagen?{CHOICE}"
    one = shared.browser().get("/termin/?office=buergerbuero&service=meldebescheinigung&group=1&weiter=1")
    assert "group" not in one.location


def test_a_town_without_groups_doesnt_ask(town, directory, tmp_path):
    office = replace(town.offices[0], release=replace(town.offices[0].release, max_group=1))
    with world(replace(town, offices=(office,)), directory, tmp_path) as made_world:
        assert "field-group" not in made_world.browser().get("/termin/").text
        answer = made_world.browser().get(f"/termin/zeit?{CHOICE}", follow_redirects=True)
        assert answer.status_code == 422


def test_the_times_page_lets_her_choose_how_they_lie(shared):
    answer = shared.browser().get(f"/termin/zeit?{CHOICE}")
    page = Page(answer)
    for text in ("So früh wie möglich fertig", "Alle gleichzeitig", "Nacheinander"):
        assert text in page.text
    assert f"/termin/zeit?{CHOICE}&arrangement=together" in page.links
    together = shared.browser().get(f"/termin/zeit?{CHOICE}&arrangement=together").text
    assert re.search(r'arrangement=together"[^>]*aria-current="true"', together)


def test_the_whole_way_for_a_group(citizens):
    browser = citizens.browser()
    address = begin(browser, choice=CHOICE + "&arrangement=in-turn")
    asked = Page(browser.get(address))
    assert "1. Termin: 8:00 Uhr" in asked.text
    assert "3. Termin: 8:20 Uhr" in asked.text
    checked = Page(browser.post(address, data=PERSON))
    assert "2. Termin: 8:10 Uhr" in checked.text
    form = checked.form("/buchen")
    answer = browser.post(form["action"], data=form["fields"])
    done = Page(browser.get(answer.location))
    assert "Ihr Termin ist gebucht" in done.text
    assert "3. Termin: 8:20 Uhr" in done.text
    assert len(calendar_of(citizens)) == 3


def test_her_one_page_cancels_one_or_all(citizens):
    browser = citizens.browser()
    token = book(browser, choice=CHOICE)
    page = Page(browser.get(f"/termin/{token}"))
    assert f"/termin/{token}/absagen?member=2" in page.links
    asked = Page(browser.get(f"/termin/{token}/absagen?member=2"))
    assert "Möchten Sie diesen einen Termin absagen?" in asked.text
    form = asked.form("/absagen")
    after = browser.post(form["action"], data=form["fields"], follow_redirects=True)
    assert "Ein Termin ist abgesagt" in Page(after).text
    assert len(calendar_of(citizens)) == 2
    assert browser.get(f"/termin/{token}/absagen?member=2").status_code == 404
    asked = Page(browser.get(f"/termin/{token}/absagen"))
    assert "Möchten Sie alle Termine absagen?" in asked.text
    browser.post(asked.form("/absagen")["action"])
    assert calendar_of(citizens) == []


def test_choosing_again_moves_the_whole_hold(citizens):
    browser = citizens.browser()
    begin(browser, choice=CHOICE)
    begin(browser, start=MONDAY_9, choice=CHOICE)
    assert {event.icalendar_component.start.hour for event in calendar_of(citizens)} == {9}
    assert len(calendar_of(citizens)) == 3
    begin(browser, choice="office=buergerbuero&service=meldebescheinigung")
    assert len(calendar_of(citizens)) == 1


def test_when_the_hold_has_run_out_the_group_is_booked_if_there_is_room(citizens):
    browser = citizens.browser()
    address = begin(browser, choice=CHOICE)
    citizens.clock.advance(minutes=30)
    form = Page(browser.post(address, data=PERSON)).form("/buchen")
    assert browser.post(form["action"], data=form["fields"]).status_code == 303
    assert len(calendar_of(citizens)) == 3


def test_when_the_room_is_gone_her_entries_stay_and_times_for_all_are_offered(citizens, directory):
    browser = citizens.browser()
    address = begin(browser, choice=CHOICE + "&arrangement=together")
    form = Page(browser.post(address, data=PERSON)).form("/buchen")
    citizens.clock.advance(minutes=30)
    with calendars(citizens.calendar.database_url, directory, citizens.clock) as service:
        Upkeep(service).release_holds()
    made(citizens, arrangement="together", name="Somebody Faster", email="faster@example.org")
    answer = browser.post(form["action"], data=form["fields"])
    assert answer.status_code == 409
    page = Page(answer)
    assert PERSON["name"] in answer.text
    chosen = page.form("/buchen")
    after = browser.post(chosen["action"], data=chosen["fields"])
    assert after.status_code == 303
    assert len(calendar_of(citizens)) == 6


def test_her_calendar_file_is_one_entry_over_all(citizens):
    token = made(citizens, arrangement="in-turn")["token"]
    event = Calendar.from_ical(citizens.browser().get(f"/termin/{token}/termin.ics").data).walk("VEVENT")
    assert len(event) == 1
    assert (event[0].start, event[0].end) == (
        datetime.fromisoformat(MONDAY_8),
        datetime.fromisoformat("2026-12-07T08:30:00+01:00"),
    )
    assert "2. 08:10–08:20" in event[0]["DESCRIPTION"]


def test_a_form_for_another_number_of_people_finds_nothing(citizens):
    browser = citizens.browser()
    address = begin(browser, choice=CHOICE)
    form = Page(browser.post(address, data=PERSON)).form("/buchen")
    action = form["action"].replace("group=3", "group=2")
    assert browser.post(action, data=form["fields"]).status_code == 404

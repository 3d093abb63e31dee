"""The page that tells why nothing is free."""

from __future__ import annotations

from dataclasses import replace

import pytest
from caldav.lib.error import AuthorizationError

from calendar_server.ical.appointment import to_ical
from tests.booking_web.test_api import booking, post
from tests.booking_web.test_staff import log_in, staff  # noqa: F401 - a fixture
from tests.support.town import NOW, appointment, at

DAY = "day=2026-12-07"


@pytest.fixture
def clerk(staff):  # noqa: F811 - the fixture that was imported
    return log_in(staff, "clerk1")[0]


def fill(citizens) -> None:
    while post(citizens, "appointments", booking(services=[{"id": "reisepass"}])).status_code == 201:
        pass


def test_it_asks_before_it_answers(citizens, clerk):
    page = clerk.get("/why")
    assert page.status_code == 200
    assert "Was steht im Weg?" not in page.text


def test_a_full_time_names_each_clerk_and_what_she_has(citizens, clerk):
    fill(citizens)
    page = clerk.get(f"/why?{DAY}&service=reisepass&start=08:00").text
    assert "Es ist niemand frei" in page
    assert "hat schon einen Termin: 8:00 Uhr" in page
    assert "macht das nicht: Reisepass" in page
    for each in citizens.calendar.directory.offices[0].clerks:
        assert each.name in page
    assert "Mustermann" not in page


def test_a_whole_day_with_room_says_when(citizens, clerk):
    page = clerk.get(f"/why?{DAY}&service=reisepass").text
    assert "Frei:" in page
    assert "8:15 Uhr" in page


def test_rules_are_told(citizens, clerk):
    assert "keine Terminzeit eingetragen" in clerk.get("/why?day=2026-12-08&service=reisepass").text
    assert "Feiertag" in clerk.get("/why?day=2026-12-25&service=reisepass").text
    assert "nicht ganz in einer Terminzeit" in clerk.get(f"/why?{DAY}&service=reisepass&start=15:59").text
    assert "noch nicht buchen" in clerk.get("/why?day=2027-11-29&service=reisepass").text


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("day=gestern&service=reisepass", "Geben Sie einen Tag an"),
        (f"{DAY}&service=reisepass&start=25:00", "Geben Sie eine Uhrzeit an"),
        (DAY, "Wählen Sie mindestens ein Anliegen."),
        (f"{DAY}&service=mondflug", "Wählen Sie mindestens ein Anliegen."),
        (f"{DAY}&minutes=x", "Geben Sie eine Dauer in Minuten an."),
        (f"{DAY}&minutes=99999", "Geben Sie eine Dauer in Minuten an."),
    ],
)
def test_what_is_wrong_is_said_at_the_field(citizens, clerk, query, message):
    answer = clerk.get(f"/why?{query}")
    assert answer.status_code == 422
    assert answer.text.count(message) == 2


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-30", "9999-12-31"])
def test_days_at_the_end_of_the_calendar_do_no_harm(citizens, clerk, day):
    assert clerk.get(f"/why?day={day}&service=reisepass").status_code in {200, 422}


def test_a_drawing_that_was_refused_is_explained(citizens, clerk):
    fill(citizens)
    drawn = replace(appointment("b1@test", at(7, 8), "reisepass"), email="")
    with pytest.raises(AuthorizationError):
        citizens.calendar.calendar("lead", "buergerbuero/appointments").save_event(to_ical(drawn, now=NOW))
    page = clerk.get("/why").text
    assert "lead wollte" in page
    assert "8:00 Uhr eintragen" in page
    assert "hat schon einen Termin" in page

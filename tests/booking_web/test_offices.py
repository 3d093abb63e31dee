"""A town with two offices: each has its own services, times and calendar, and a token finds its own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from booking_web.booking.tokens import make_token, random_uid
from booking_web.site import nearby_office
from calendar_server.offices import Directory
from tests.booking_web.conftest import SECRET, site, world
from tests.booking_web.test_api import booking, post
from tests.booking_web.test_pages import Page, begin


@pytest.fixture
def two_offices(town, directory, tmp_path):
    first, model = town.offices[0], directory.offices[0]
    branch = replace(
        first, id="freienohl", name={"de": "Nebenstelle Freienohl"}, services=("fundbuero", "reisepass")
    )
    clerk = replace(model.clerks[0], id="clerk9", services=frozenset(branch.services))
    office = replace(model, id="freienohl", clerks=(clerk,), services=frozenset(branch.services))
    with world(replace(town, offices=(first, branch)), Directory((model, office)), tmp_path) as made:
        yield made


def test_an_appointment_is_in_the_office_that_was_chosen(two_offices):
    wish = booking(office="freienohl", services=[{"id": "fundbuero"}])
    made = post(two_offices, "appointments", wish).json
    assert made["office"] == "freienohl"
    assert [
        str(event.icalendar_component["UID"]) for event in two_offices.calendar.calendar("clerk9").events()
    ] == [made["uid"]]
    shown = Page(two_offices.browser().get(f"/termin/{made['token']}"))
    assert "Nebenstelle Freienohl" in shown.text
    assert two_offices.browser().delete(f"/api/v1/appointments/{made['token']}").status_code == 204


def test_the_office_has_to_be_named(two_offices):
    answer = two_offices.browser().get("/api/v1/offers?service=fundbuero")
    assert answer.status_code == 422
    assert answer.json["errors"][0]["field"] == "office"


def test_a_service_of_the_other_office_isnt_offered(two_offices):
    answer = two_offices.browser().get(
        "/termin/zeit?office=freienohl&service=beglaubigung", follow_redirects=True
    )
    assert answer.status_code == 422
    assert "Dieses Anliegen gibt es hier nicht." in Page(answer).text


def test_the_way_through_the_second_office(two_offices):
    address = begin(two_offices.browser(), choice="office=freienohl&service=fundbuero")
    assert "office=freienohl" in address
    page = two_offices.browser().get("/termin/?office=freienohl")
    assert 'id="service-fundbuero"' in page.text
    assert 'id="service-beglaubigung"' not in page.text


def test_a_hold_in_one_office_ends_when_a_time_in_the_other_is_chosen(two_offices):
    browser = two_offices.browser()
    begin(browser)
    begin(browser, choice="office=freienohl&service=fundbuero")
    assert two_offices.calendar.calendar("lead", "buergerbuero/appointments").events() == []


@pytest.mark.parametrize(
    ("path", "office"),
    [
        ("/termin/freienohl-token/verschieben", 1),
        ("/termin/zeit?office=freienohl&service=fundbuero", 1),
        ("/termin/zeit?office=buergerbuero&service=fundbuero", 0),
        (f"/termin/{'a' * 42}/verschieben", 0),
        ("/nothing", 0),
    ],
)
def test_who_cannot_go_on_is_told_the_telephone_number_of_her_office(two_offices, path, office):
    """Without asking the calendar, which may be what is away."""
    numbers = ("+49 30 23125 185", "+49 30 23125 199")
    first, branch = two_offices.town.offices
    town = replace(two_offices.town, offices=(first, replace(branch, phone=numbers[1])))
    token = make_token(SECRET, "freienohl", random_uid(town.host))
    with site(town, "http://127.0.0.1:9", two_offices.clock) as app:
        answer = app.test_client().get(path.replace("freienohl-token", token), follow_redirects=True)
        with app.test_request_context(path.replace("freienohl-token", token)):
            assert nearby_office().phone == numbers[office]
    assert answer.status_code in {404, 503}
    assert numbers[1 - office] not in answer.text
    assert answer.status_code != 503 or numbers[office] in answer.text


def test_the_start_page_tells_each_offices_telephone_number(two_offices):
    page = two_offices.browser().get("/").text
    assert page.count('itemprop="telephone"') == 2
    assert f">{two_offices.town.phone}</a>" in page

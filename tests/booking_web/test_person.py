"""What she is asked, what the last page gives her, and her own page until the appointment is over."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from icalendar import Calendar

from tests.booking_web.conftest import world
from tests.booking_web.test_pages import CHOICE, MONDAY_8, MONDAY_9, PERSON, Page, begin, book

PLAIN = "office=buergerbuero&service=fuehrungszeugnis"


def field_names(browser, choice=CHOICE):
    return Page(browser.get(begin(browser, MONDAY_9, choice=choice))).form("/daten")["fields"]


@pytest.fixture
def asking(town, directory, tmp_path):
    """A town in which one service needs the telephone number."""
    services = tuple(replace(each, needs_phone=each.id == "fundbuero") for each in town.services)
    with world(replace(town, services=services), directory, tmp_path) as made:
        yield made


def test_the_telephone_number_is_asked_only_where_a_service_needs_it(asking):
    browser = asking.browser()
    assert "phone" not in field_names(browser, PLAIN)
    address = begin(browser, choice="office=buergerbuero&service=fundbuero")
    assert "phone" in Page(browser.get(address)).form("/daten")["fields"]
    missing = browser.post(address, data=PERSON)
    assert missing.status_code == 422
    assert "Geben Sie Ihre Telefonnummer ein." in Page(missing).text
    assert browser.post(address, data={**PERSON, "phone": "+90 (212) 555-01-01"}).status_code == 200


def test_remarks_are_asked_only_where_a_service_asks_for_them(shared):
    browser = shared.browser()
    asked = browser.get(begin(browser, choice=CHOICE))
    assert "<textarea" in asked.text
    other = shared.browser()
    assert "<textarea" not in other.get(begin(other, choice=PLAIN)).text


def test_the_reminder_is_off_until_she_wants_it(citizens):
    browser = citizens.browser()
    page = browser.get(begin(browser))
    box = page.text[page.text.index('id="field-reminder"') :].partition(">")[0]
    assert "checked" not in box
    booked = book(browser)
    assert "X-TERMIN-REMINDER" not in events(citizens)[0]
    assert "Bitte erinnern" in Page(browser.get(f"/termin/{booked}")).text


def test_she_is_reminded_if_she_says_so(citizens):
    book(citizens.browser(), person={**PERSON, "reminder": "1"})
    assert events(citizens)[0]["X-TERMIN-REMINDER"] == "TRUE"


def test_what_she_needs_is_told_in_words_and_as_properties(citizens):
    needs = {"need-wheelchair": "1", "need-interpreter": "1", "need-companion": "1"}
    book(citizens.browser(), person={**PERSON, **needs}, prefix="/en")
    (event,) = events(citizens)
    assert [str(each) for each in event["X-TERMIN-NEED"]] == ["wheelchair", "interpreter", "companion"]
    for words in ("Rollstuhl", "Dolmetscher", "Begleitperson", "Sprache: Englisch"):
        assert words in event["DESCRIPTION"]


def test_a_clerks_client_cannot_lose_what_she_needs(citizens):
    book(citizens.browser(), person={**PERSON, "need-interpreter": "1"})
    clerk, found = holder(citizens)
    event = found.icalendar_component
    event.pop("X-TERMIN-NEED")
    event["SUMMARY"] = "Von Hand geändert"
    found.save()
    kept = citizens.calendar.calendar(clerk).events()[0].icalendar_component
    assert kept["SUMMARY"] == "Von Hand geändert"
    assert str(kept["X-TERMIN-NEED"]) == "interpreter"


@pytest.mark.parametrize(
    "name", ["Nguyễn Thị Ánh", "Олена Ковальчук", "محمد الأحمد", "O’Brien-Ó Súilleabháin"]
)
def test_foreign_names_arrive_as_they_were_written(citizens, name):
    token = book(citizens.browser(), person={**PERSON, "name": name})
    (event,) = events(citizens)
    assert str(event["X-TERMIN-NAME"]) == name
    citizens.browser().post(f"/termin/{token}/absagen")


def test_the_last_page_gives_everything_along(citizens):
    browser = citizens.browser()
    token = book(browser, person={**PERSON, "reminder": "1"})
    answer = browser.get(f"/termin/{token}/fertig")
    page = Page(answer)
    (event,) = events(citizens)
    assert str(event["X-TERMIN-REFERENCE"]) in page.text
    for told in ("So geht es weiter", "Wir schicken Ihnen gleich eine E-Mail", "Das bringen Sie bitte mit"):
        assert told in page.text
    assert "Oder drucken Sie diese Seite aus" in page.text
    assert f"/termin/{token}/termin.ics" in page.links
    assert f"/termin/{token}/qr.svg" in answer.text
    assert browser.get(f"/termin/{token}/qr.svg").mimetype == "image/svg+xml"
    assert any(link.startswith("webcal://") for link in page.links)
    assert PERSON["name"] not in answer.text, "whoever finds the link learns no name"


def test_her_page_offers_all_until_it_begins_and_says_so_afterwards(citizens):
    browser = citizens.browser()
    token = book(browser)
    before = Page(browser.get(f"/termin/{token}"))
    actions = {form["action"].rpartition("/")[2] for form in before.forms} | {
        link.rpartition("/")[2] for link in before.links
    }
    assert {"verschieben", "absagen", "erneut", "erinnerung", "termin.ics"} <= actions
    assert any(link.startswith("webcal://") for link in before.links)
    citizens.clock.now = datetime.fromisoformat(MONDAY_8) + timedelta(minutes=1)
    begun = Page(browser.get(f"/termin/{token}"))
    assert "Online lässt sich dieser Termin nicht mehr ändern" in begun.text
    assert not begun.forms
    citizens.clock.advance(hours=3)
    over = Page(browser.get(f"/termin/{token}"))
    assert "Dieser Termin ist vorbei" in over.text
    assert not over.forms
    assert not any(link.startswith("webcal://") for link in over.links)
    assert browser.post(f"/termin/{token}/erneut").status_code == 409


def test_the_subscription_follows_a_move(citizens):
    browser = citizens.browser()
    token = book(browser)
    first = Calendar.from_ical(browser.get(f"/termin/{token}/termin.ics").data).walk("VEVENT")[0]
    browser.post(f"/termin/{token}/verschieben", data={"start": MONDAY_9})
    second = Calendar.from_ical(browser.get(f"/termin/{token}/termin.ics").data).walk("VEVENT")[0]
    assert second["UID"] == first["UID"]
    assert (int(second["SEQUENCE"]), second.start) == (1, datetime.fromisoformat(MONDAY_9))


def test_no_page_lets_her_change_the_name(citizens):
    browser = citizens.browser()
    address = begin(browser)
    form = Page(browser.post(address, data=PERSON)).form("/buchen")
    browser.post(form["action"], data=form["fields"])
    for name in ("Max Händler", ""):
        browser.post(form["action"], data={**form["fields"], "name": name})
        browser.post(address, data={**PERSON, "name": name})
    token = form["action"].split("/")[2]
    for path in ("verschieben", "erinnerung", "erneut"):
        browser.post(
            f"/termin/{token}/{path}", data={"start": MONDAY_9, "reminder": "1", "name": "Max Händler"}
        )
    person = {"name": "Max Händler", "email": "max@example.org"}
    browser.post(f"/api/v1/holds/{token}/confirm", json=person)
    browser.post(f"/api/v1/appointments/{token}/move", json={"start": MONDAY_8, "name": "Max Händler"})
    (event,) = events(citizens)
    assert str(event["X-TERMIN-NAME"]) == PERSON["name"]
    assert PERSON["name"] in event["SUMMARY"]


def holder(citizens):
    """The clerk who has the one appointment, and it."""
    for clerk in ("clerk1", "clerk2", "clerk3", "clerk4"):
        for found in citizens.calendar.calendar(clerk).events():
            return clerk, found
    raise AssertionError("nobody has one")


def events(citizens):
    return [
        found.icalendar_component
        for clerk in ("clerk1", "clerk2", "clerk3", "clerk4")
        for found in citizens.calendar.calendar(clerk).events()
    ]

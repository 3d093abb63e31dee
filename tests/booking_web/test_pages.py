"""The citizen's way through the pages, as her browser walks it without JavaScript, on the real calendar server."""

from __future__ import annotations

import base64
import json
import re
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient
from icalendar import Calendar

from tests.booking_web.conftest import site

CHOICE = "office=buergerbuero&service=reisepass:2&service=beglaubigung"
MONDAY_8 = "2026-12-07T08:00:00+01:00"
MONDAY_9 = "2026-12-07T09:00:00+01:00"
PERSON = {"name": "Ayşe Müller-Öztürk", "email": "ayse@example.org"}


class Page(HTMLParser):
    """What a test wants to know of a page: its forms, links and text."""

    def __init__(self, answer):
        super().__init__()
        self.forms, self.links, self.texts = [], [], []
        self.feed(answer.text)
        self.text = re.sub(r"\s+", " ", " ".join(self.texts))

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "form":
            self.forms.append({"action": given.get("action"), "method": given.get("method"), "fields": {}})
        elif tag in {"input", "button"} and self.forms and given.get("name"):
            self.forms[-1]["fields"].setdefault(given["name"], given.get("value", ""))
        elif tag == "a":
            self.links.append(given.get("href"))

    def handle_data(self, data):
        self.texts.append(data)

    def form(self, part):
        return next(form for form in self.forms if part in form["action"])


def begin(browser, start=MONDAY_8, choice=CHOICE, prefix=""):
    """Choose a time and return the address of the page that asks who comes."""
    page = Page(browser.get(f"{prefix}/termin/zeit?{choice}"))
    form = page.form("/termin/zeit")
    answer = browser.post(form["action"], data={"key": form["fields"]["key"], "start": start})
    assert answer.status_code == 303, answer.text
    return answer.location


def book(browser, start=MONDAY_8, person=PERSON, **values):
    """Walk the whole way and return the token."""
    address = begin(browser, start, **values)
    checked = browser.post(address, data=person)
    assert checked.status_code == 200, Page(checked).text
    form = Page(checked).form("/buchen")
    answer = browser.post(form["action"], data=form["fields"])
    assert answer.status_code == 303, Page(answer).text
    return answer.location.split("/")[-2]


def calendar_of(world):
    return world.calendar.calendar("lead", "buergerbuero/appointments").events()


def test_the_privacy_notice_names_everything_that_the_form_asks_for(shared):
    notice = Page(shared.browser().get("/datenschutz")).text
    for said in ("Ihren Namen", "E-Mail-Adresse", "Telefonnummer", "Mitteilung", "Platz für einen Rollstuhl"):
        assert said in notice


def test_the_start_page_leads_to_every_service(shared):
    page = Page(shared.browser().get("/"))
    assert "/termin/?service=reisepass" in page.links
    assert "Dienstag 8 bis 16 Uhr" in page.text


def test_choosing_services_leads_to_a_plain_address(shared):
    answer = shared.browser().get(
        "/termin/?office=buergerbuero&service=beglaubigung&service=reisepass&persons-reisepass=2"
        "&persons-personalausweis=3&q=&weiter=1"
    )
    assert answer.status_code == 303
    assert answer.location == f"/termin/unterlagen?{CHOICE}"


def test_choosing_nothing_says_so(shared):
    answer = shared.browser().get("/termin/?weiter=1")
    assert answer.status_code == 422
    assert "Wählen Sie mindestens ein Anliegen." in Page(answer).text


@pytest.mark.parametrize(
    ("query", "service"),
    [("umgezogen", "anmeldung"), ("Perso", "personalausweis"), ("pass abgelaufen", "reisepass")],
)
def test_everyday_words_find_a_service(shared, query, service):
    page = shared.browser().get("/termin/", query_string={"q": query}).text
    assert page.index(f'id="service-{service}"')


def test_the_search_hides_what_doesnt_match_and_keeps_what_is_ticked(shared):
    page = shared.browser().get("/termin/?q=umgezogen&service=fundbuero").text
    assert 'id="service-anmeldung"' in page
    assert re.search(r'id="service-fundbuero"[^>]*checked', page)
    assert 'id="service-beglaubigung"' not in page


def test_the_documents_of_all_services_are_listed_once(shared):
    page = Page(shared.browser().get(f"/termin/unterlagen?{CHOICE}"))
    assert page.text.count("Digitales Passfoto") == 1
    assert "70,00" in page.text
    assert f"/termin/zeit?{CHOICE}" in page.links


def test_a_choice_that_cant_be_leads_back_to_the_services(shared):
    answer = shared.browser().get("/termin/zeit?service=magic", follow_redirects=True)
    assert answer.status_code == 422
    assert "Dieses Anliegen gibt es hier nicht." in Page(answer).text


def test_days_are_mondays_and_wednesdays_and_times_are_buttons(shared):
    answer = shared.browser().get(f"/termin/zeit?{CHOICE}&day=2026-12-07")
    days = re.findall(r'href="[^"]*[?&](?:amp;)?day=(\d{4}-\d\d-\d\d)', answer.text)
    assert days
    assert {datetime.fromisoformat(day).weekday() for day in days} <= {0, 2}
    assert f'name="start" value="{MONDAY_8}"' in answer.text
    assert "Vormittag" in answer.text
    assert "Nachmittag" in answer.text


def test_the_month_view_shows_the_same_days(shared):
    page = shared.browser().get(f"/termin/zeit?{CHOICE}&ansicht=monat&monat=2026-12-01").text
    assert "Dezember 2026" in page
    assert 'aria-label="Montag, 7. Dezember: ' in page
    assert 'aria-label="Dienstag, 8. Dezember' not in page


def test_the_whole_way(citizens):
    browser = citizens.browser()
    token = book(browser)
    done = Page(browser.get(f"/termin/{token}/fertig"))
    assert "Ihr Termin ist gebucht" in done.text
    assert "Montag, 7. Dezember 2026, 8:00 Uhr" in done.text
    assert "Digitales Passfoto" in done.text
    assert f"/termin/{token}/termin.ics" in done.links
    event = calendar_of(citizens)[0].icalendar_component
    assert str(event["STATUS"]) == "CONFIRMED"
    assert str(event["X-TERMIN-NAME"]) == "Ayşe Müller-Öztürk"
    assert str(event["X-TERMIN-REFERENCE"]) in done.text
    assert "X-TERMIN-HOLD-UNTIL" not in event
    ics = browser.get(f"/termin/{token}/termin.ics")
    hers = Calendar.from_ical(ics.data).walk("VEVENT")[0]
    assert str(hers["UID"]) == str(event["UID"])
    assert str(hers["CLASS"]) == "PRIVATE"
    lines = str(hers["DESCRIPTION"]).splitlines()
    assert lines[0] == "Das bringen Sie bitte mit:"
    assert "- Digitales Passfoto" in lines
    assert "- Zustimmung aller Sorgeberechtigten (bei Kindern unter 18 Jahren)" in lines
    assert lines[-5:] == [
        "Termin ansehen, verschieben oder absagen:",
        f"https://termin.example/termin/{token}",
        "",
        f"Vorgangsnummer: {event['X-TERMIN-REFERENCE']}",
        f"Telefonnummer: {citizens.town.offices[0].phone}",
    ]


def test_what_she_needs_reaches_the_clerk(citizens):
    browser = citizens.browser()
    address = begin(browser)
    entries = {**PERSON, "need-wheelchair": "1", "need-companion": "1", "remarks": "Danke!"}
    checked = browser.post(address, data=entries)
    assert "Ich komme mit Rollstuhl oder Rollator." in Page(checked).text
    form = Page(checked).form("/buchen")
    browser.post(form["action"], data=form["fields"])
    event = calendar_of(citizens)[0].icalendar_component
    for line in ("Kommt mit Rollstuhl oder Rollator", "Kommt mit einer Begleitperson", "Danke!"):
        assert line in event["DESCRIPTION"]
    assert [str(need) for need in event["X-TERMIN-NEED"]] == ["wheelchair", "companion"]
    assert event["X-TERMIN-REMARKS"] == "Danke!"
    assert "Dolmetscher" not in event["DESCRIPTION"]


def test_the_whole_way_in_english(citizens):
    browser = citizens.browser()
    token = book(browser, prefix="/en")
    done = Page(browser.get(f"/en/termin/{token}/fertig"))
    assert "Your appointment is booked" in done.text
    assert re.search("Monday,? 7 December 2026", done.text)
    assert str(calendar_of(citizens)[0].icalendar_component["X-TERMIN-LANGUAGE"]) == "en"


def test_nothing_personal_is_in_an_address(citizens):
    browser = citizens.browser()
    address = begin(browser)
    shown = FlaskClient.post(browser, address, data=PERSON)
    assert shown.status_code == 303
    checked = browser.get(shown.location)
    form = Page(checked).form("/buchen")
    booked = browser.post(form["action"], data=form["fields"])
    for text in (address, shown.location, form["action"], booked.location, str(booked.headers)):
        assert "ayse" not in text.lower()


def test_what_was_entered_is_kept_for_one_time_until_it_is_booked(citizens):
    browser = citizens.browser()
    address = begin(browser)
    page = Page(browser.post(address, data=PERSON))
    assert browser.get_cookie("termin_entries").max_age == 1800
    token = address.split("/")[2]
    query = address.partition("?")[2]
    stranger = "a" * 42
    other = browser.get(f"/termin/{stranger}/pruefen?{query}")
    assert other.location.startswith(f"/termin/{stranger}/daten?")
    form = page.form("/buchen")
    assert browser.post(form["action"], data=form["fields"]).status_code == 303
    assert browser.get_cookie("termin_entries") is None
    for step in ("pruefen", "zeit", "anliegen", "unterlagen", "daten"):
        answer = browser.get(f"/termin/{token}/{step}?{query}", follow_redirects=True)
        assert "Mein Termin" in answer.text, step
        assert PERSON["email"] not in answer.text


def test_a_cookie_adds_no_field_that_the_form_has_not(citizens):
    browser = citizens.browser()
    address = begin(browser)
    given = [address.split("/")[2], {**PERSON, "start": MONDAY_9, "wish": "prolong", "phone": 5}]
    packed = base64.urlsafe_b64encode(zlib.compress(json.dumps(given).encode())).decode()
    browser.set_cookie("termin_entries", packed)
    form = Page(browser.get(address.replace("/daten", "/pruefen"))).form("/buchen")
    assert form["fields"] == PERSON


def test_a_new_way_begins_without_what_somebody_entered_before(citizens):
    browser = citizens.browser()
    browser.post(begin(browser), data=PERSON)
    address = begin(browser, MONDAY_9)
    assert browser.get_cookie("termin_entries") is None
    assert PERSON["email"] not in browser.get(f"{address}&angaben=1").text


def test_without_cookies_a_form_is_answered_with_the_next_page(citizens):
    address = begin(citizens.browser())
    for entries, status, told in (
        (PERSON, 200, "Stimmt alles?"),
        ({"name": "Erika"}, 422, "Geben Sie Ihre E-Mail-Adresse ein."),
        ({**PERSON, "wish": "time", "day": "2026-12-14"}, 200, "Montag, 14. Dezember 2026"),
        ({**PERSON, "wish": "services"}, 200, "Was möchten Sie erledigen?"),
        (
            {**PERSON, "wish": "services", "weiter": "1", "service": "fundbuero"},
            200,
            "Das bringen Sie bitte mit",
        ),
    ):
        answer = citizens.app.test_client(use_cookies=False).post(address, data=entries)
        assert answer.status_code == status
        assert told in Page(answer).text
        assert entries["name"] in answer.text
        assert "Set-Cookie" not in answer.headers


def test_what_no_cookie_holds_goes_on_in_the_form(citizens):
    browser = citizens.browser()
    remarks = "".join(chr(0x4E00 + number) for number in range(3000))
    answer = FlaskClient.post(browser, begin(browser), data={**PERSON, "remarks": remarks})
    assert answer.status_code == 422
    assert remarks in answer.text


@pytest.mark.parametrize(
    "cookie", ["", "x", "eJw=", "-" * 4000, base64.urlsafe_b64encode(zlib.compress(b"[" * 100_000)).decode()]
)
def test_a_strange_cookie_is_no_entry(citizens, cookie):
    browser = citizens.browser()
    address = begin(browser)
    browser.set_cookie("termin_entries", cookie)
    asked = browser.get(address.replace("/daten", "/pruefen"))
    assert urlsplit(asked.location).path == urlsplit(address).path
    assert browser.get(f"{address}&angaben=1&geprueft=1").status_code == 422


def test_no_cookie_before_a_time_is_chosen(shared):
    browser = shared.browser()
    for path in ("/", "/termin/", f"/termin/unterlagen?{CHOICE}", f"/termin/zeit?{CHOICE}", "/datenschutz"):
        assert "Set-Cookie" not in browser.get(path).headers


def test_mistakes_are_listed_and_what_was_entered_stays(citizens):
    browser = citizens.browser()
    address = begin(browser)
    answer = browser.post(address, data={"name": "Erika", "email": "nobody", "phone": "call me"})
    page = Page(answer)
    assert answer.status_code == 422
    assert {"#field-email", "#field-phone"} <= set(page.links)
    assert "#field-name" not in page.links
    assert 'value="Erika"' in answer.text
    assert 'value="nobody"' in answer.text


def test_her_entries_survive_a_change_of_mind_and_more_time(citizens):
    browser = citizens.browser()
    address = begin(browser)
    changed = browser.post(address, data={**PERSON, "wish": "change"})
    assert 'value="ayse@example.org"' in changed.text
    citizens.clock.advance(minutes=8)
    longer = browser.post(address, data={**PERSON, "wish": "prolong"})
    assert "bis 12:18 Uhr" in Page(longer).text
    assert 'value="ayse@example.org"' in longer.text


def test_a_double_click_books_once(citizens):
    browser = citizens.browser()
    address = begin(browser)
    form = Page(browser.post(address, data=PERSON)).form("/buchen")
    with ThreadPoolExecutor(2) as both:
        answers = list(
            both.map(lambda _: citizens.browser().post(form["action"], data=form["fields"]), range(2))
        )
    assert [answer.status_code for answer in answers] == [303, 303]
    assert answers[0].location == answers[1].location
    assert len(calendar_of(citizens)) == 1


def test_going_back_after_booking_leads_to_the_appointment(citizens):
    browser = citizens.browser()
    times = Page(browser.get(f"/termin/zeit?{CHOICE}")).form("/termin/zeit")
    chosen = {"key": times["fields"]["key"], "start": MONDAY_8}
    address = browser.post(times["action"], data=chosen).location
    form = Page(browser.post(address, data=PERSON)).form("/buchen")
    token = browser.post(form["action"], data=form["fields"]).location.split("/")[-2]
    again = browser.post(times["action"], data={**chosen, "start": MONDAY_9})
    assert again.location == f"/termin/{token}"
    assert len(calendar_of(citizens)) == 1


def test_after_cancelling_the_same_page_books_anew(citizens):
    browser = citizens.browser()
    times = Page(browser.get(f"/termin/zeit?{CHOICE}")).form("/termin/zeit")
    chosen = {"key": times["fields"]["key"], "start": MONDAY_8}
    form = Page(browser.post(browser.post(times["action"], data=chosen).location, data=PERSON)).form(
        "/buchen"
    )
    first = browser.post(form["action"], data=form["fields"]).location.split("/")[-2]
    browser.post(f"/termin/{first}/absagen")
    again = browser.post(times["action"], data=chosen)
    form = Page(browser.post(again.location, data=PERSON)).form("/buchen")
    assert browser.post(form["action"], data=form["fields"]).status_code == 303
    assert len(calendar_of(citizens)) == 1


def test_a_key_that_others_may_have_too_leads_to_nobodys_hold(citizens):
    addresses = {
        citizens.browser().post(f"/termin/zeit?{CHOICE}", data={"key": "1", "start": MONDAY_8}).location
        for _ in range(2)
    }
    assert len(addresses) == 2


def test_choosing_another_time_moves_the_hold(citizens):
    browser = citizens.browser()
    begin(browser, MONDAY_8)
    begin(browser, MONDAY_9)
    holds = [event.icalendar_component for event in calendar_of(citizens)]
    assert [event.start.isoformat() for event in holds] == [MONDAY_9]


def other_time(browser, address, **entered):
    """Press "Andere Zeit wählen" and return the form of that page."""
    page = Page(browser.post(address, data={**PERSON, **entered, "wish": "time"}))
    return page.form("/daten")


def test_another_time_is_chosen_without_entering_anything_again(citizens):
    browser = citizens.browser()
    form = other_time(browser, begin(browser), reminder="1")
    answer = browser.post(form["action"], data={**form["fields"], "start": MONDAY_9})
    page = Page(answer)
    assert "Stimmt alles?" in page.text
    assert "9:00 Uhr bis etwa" in page.text
    assert PERSON["name"] in page.text
    form = page.form("/buchen")
    assert browser.post(form["action"], data=form["fields"]).status_code == 303
    (event,) = calendar_of(citizens)
    assert event.icalendar_component.start.hour == 9


def test_who_had_not_finished_goes_on_entering_at_the_other_time(citizens):
    browser = citizens.browser()
    form = other_time(browser, begin(browser), email="")
    answer = browser.post(form["action"], data={**form["fields"], "start": MONDAY_9})
    assert answer.status_code == 200
    assert f'value="{PERSON["name"]}"' in answer.text
    assert "Geben Sie Ihre E-Mail-Adresse ein." not in answer.text
    assert "7. Dezember 2026, 9:00 Uhr" in Page(answer).text


def test_if_the_other_time_has_gone_too_her_entries_and_her_hold_stay(citizens):
    browser = citizens.browser()
    address = begin(browser)
    form = other_time(browser, address)
    fill(citizens, MONDAY_9)
    answer = browser.post(form["action"], data={**form["fields"], "start": MONDAY_9})
    assert answer.status_code == 409
    assert "Diese Zeit ist gerade weg" in answer.text
    assert Page(answer).form("/daten")["fields"]["name"] == PERSON["name"]
    answer = browser.post(form["action"], data={**form["fields"], "start": "soon"})
    assert answer.status_code == 422
    form = Page(browser.post(address, data=PERSON)).form("/buchen")
    assert browser.post(form["action"], data=form["fields"]).status_code == 303


def test_after_the_hold_ran_out_another_time_is_kept_with_her_entries(citizens):
    browser = citizens.browser()
    form = other_time(browser, begin(browser))
    citizens.clock.advance(minutes=11)
    answer = browser.post(form["action"], data={**form["fields"], "start": MONDAY_9})
    assert "Wir halten diese Zeit bis" in Page(answer).text
    form = Page(answer).form("/buchen")
    assert browser.post(form["action"], data=form["fields"]).status_code == 303
    assert len(calendar_of(citizens)) == 1


def test_other_services_are_chosen_without_entering_anything_again(citizens):
    browser = citizens.browser()
    page = Page(browser.post(begin(browser), data={**PERSON, "wish": "services"}))
    action = page.form("/daten")["action"]
    kept = {**PERSON, "wish": "services", "weiter": "1"}
    nothing = browser.post(action, data=kept)
    assert nothing.status_code == 422
    assert "Wählen Sie mindestens ein Anliegen." in Page(nothing).text
    assert Page(nothing).form("/daten")["fields"]["name"] == PERSON["name"]
    answer = browser.post(action, data={**kept, "service": "anmeldung", "persons-anmeldung": "2"})
    form = Page(answer).form("/daten")
    assert "service=anmeldung:2" in form["action"]
    page = Page(browser.post(form["action"], data={**form["fields"], "start": MONDAY_9}))
    assert "Stimmt alles?" in page.text
    form = page.form("/buchen")
    assert browser.post(form["action"], data=form["fields"]).status_code == 303
    (event,) = calendar_of(citizens)
    assert str(event.icalendar_component["X-TERMIN-SERVICE"]) == "anmeldung"
    assert event.icalendar_component.start.hour == 9


def test_more_appointments_than_before_are_kept_together(citizens):
    browser = citizens.browser()
    form = Page(browser.post(begin(browser), data={**PERSON, "wish": "services"})).form("/daten")
    answer = browser.post(
        form["action"],
        data={**PERSON, "wish": "services", "weiter": "1", "service": "meldebescheinigung", "group": "2"},
    )
    form = Page(answer).form("/daten")
    page = Page(browser.post(form["action"], data={**form["fields"], "start": MONDAY_9}))
    assert "2. Termin: 9:" in page.text
    form = page.form("/buchen")
    assert browser.post(form["action"], data=form["fields"]).status_code == 303
    assert len(calendar_of(citizens)) == 2, "and the first hold is gone"


def test_a_held_time_is_told_when_she_comes_back(citizens):
    browser = citizens.browser()
    begin(browser)
    page = Page(browser.get(f"/termin/zeit?{CHOICE}"))
    assert "Wir halten gerade eine Zeit für Sie frei" in page.text


def fill(world, start):
    """Book a time until nobody is free."""
    while True:
        answer = world.browser().post(
            "/api/v1/appointments",
            json={
                "office": "buergerbuero",
                "services": [{"id": "reisepass", "persons": 2}, {"id": "beglaubigung"}],
                "start": start,
                "name": "Somebody Else",
                "email": "else@example.org",
            },
        )
        if answer.status_code != 201:
            return


def test_after_the_hold_ran_out_a_free_time_is_still_booked(citizens):
    browser = citizens.browser()
    address = begin(browser)
    form = Page(browser.post(address, data=PERSON)).form("/buchen")
    citizens.clock.advance(minutes=11)
    assert browser.post(form["action"], data=form["fields"]).status_code == 303
    assert len(calendar_of(citizens)) == 1


def test_after_the_hold_ran_out_and_the_time_went_her_entries_are_kept(citizens):
    browser = citizens.browser()
    address = begin(browser)
    form = Page(browser.post(address, data=PERSON)).form("/buchen")
    citizens.clock.advance(minutes=11)
    fill(citizens, MONDAY_8)
    answer = browser.post(form["action"], data=form["fields"])
    assert answer.status_code == 409
    offered = Page(answer).form("/buchen")
    assert offered["fields"]["email"] == "ayse@example.org"
    assert offered["fields"]["start"].startswith("2026-12-07T08")
    booked = browser.post(offered["action"], data=offered["fields"])
    assert booked.status_code == 303
    done = Page(browser.get(booked.location))
    assert "Ihr Termin ist gebucht" in done.text


def test_that_the_time_went_is_told_by_a_page_that_can_be_opened_again(citizens):
    browser = citizens.browser()
    form = Page(browser.post(begin(browser), data=PERSON)).form("/buchen")
    citizens.clock.advance(minutes=11)
    fill(citizens, MONDAY_8)
    led = FlaskClient.post(browser, form["action"], data={**form["fields"], "altcha": "a proof"})
    assert (led.status_code, "/vergeben?" in led.location) == (303, True)
    assert "ayse" not in led.location.lower()
    for _ in range(2):
        answer = browser.get(led.location)
        assert (answer.status_code, "Jemand war schneller" in Page(answer).text) == (409, True)
        offered = Page(answer).form("/buchen")
        assert offered["fields"]["email"] == "ayse@example.org"
        assert offered["fields"]["altcha"] == "a proof"
    booked = browser.post(offered["action"], data=offered["fields"])
    assert booked.status_code == 303
    # What was taken is told to nobody any more: the way leads to what she has.
    later = browser.get(led.location)
    assert browser.get(later.location).location == booked.location.replace("/fertig", "")


def test_without_cookies_the_answer_itself_tells_that_the_time_went(citizens):
    browser = citizens.browser()
    form = Page(browser.post(begin(browser), data=PERSON)).form("/buchen")
    citizens.clock.advance(minutes=11)
    fill(citizens, MONDAY_8)
    answer = citizens.app.test_client(use_cookies=False).post(form["action"], data=form["fields"])
    assert (answer.status_code, "Jemand war schneller" in Page(answer).text) == (409, True)
    assert Page(answer).form("/buchen")["fields"]["email"] == "ayse@example.org"


def test_two_citizens_choose_the_last_place_at_the_same_moment(citizens):
    fill(citizens, MONDAY_8)
    victim = citizens.calendar.calendar("lead", "buergerbuero/appointments").events()[0]
    victim.delete()
    browsers = [citizens.browser(), citizens.browser()]
    forms = [Page(browser.get(f"/termin/zeit?{CHOICE}")).form("/termin/zeit") for browser in browsers]

    def choose(at):
        data = {"key": forms[at]["fields"]["key"], "start": MONDAY_8}
        return browsers[at].post(forms[at]["action"], data=data)

    with ThreadPoolExecutor(2) as both:
        answers = list(both.map(choose, range(2)))
    assert sorted(answer.status_code for answer in answers) == [303, 409]
    loser = next(answer for answer in answers if answer.status_code == 409)
    assert "Diese Zeit ist gerade weg" in Page(loser).text
    # Who listens to the page hears first what happened.
    assert "<title>Diese Zeit ist gerade weg: " in loser.text
    assert "Die nächsten freien Zeiten" in Page(loser).text


def test_she_moves_and_cancels_from_her_link(citizens):
    browser = citizens.browser()
    token = book(browser)
    assert browser.get(f"/termin/{token}/verschieben?start={MONDAY_9.replace('+', '%2B')}").status_code == 200
    assert calendar_of(citizens)[0].icalendar_component.start.isoformat() == MONDAY_8, "a GET moves nothing"
    moved = browser.post(f"/termin/{token}/verschieben", data={"start": MONDAY_9})
    assert moved.location == f"/termin/{token}?moved=1"
    event = calendar_of(citizens)[0].icalendar_component
    assert (event.start.isoformat(), event["SEQUENCE"]) == (MONDAY_9, 1)
    assert browser.get(f"/termin/{token}/absagen").status_code == 200
    assert len(calendar_of(citizens)) == 1, "a GET cancels nothing"
    assert "Ihr Termin ist abgesagt" in Page(browser.post(f"/termin/{token}/absagen")).text
    assert calendar_of(citizens) == []
    assert browser.get(f"/termin/{token}").status_code == 404
    assert browser.post(f"/termin/{token}/absagen").status_code == 404
    told = f"abgesagt?start={MONDAY_8.replace('+', '%2B')}"
    assert browser.get(f"/termin/{token}/{told}").status_code == 200
    forged = browser.get(f"/termin/{'a' * 42}/{told}")
    assert (forged.status_code, "Ihr Termin ist abgesagt" in forged.text) == (404, False)
    standing = book(citizens.browser())
    assert browser.get(f"/termin/{standing}/{told}").location == f"/termin/{standing}"


def test_a_move_to_a_time_that_went_keeps_the_old_one(citizens):
    browser = citizens.browser()
    token = book(browser, MONDAY_9)
    fill(citizens, MONDAY_8)
    answer = browser.post(f"/termin/{token}/verschieben", data={"start": MONDAY_8})
    assert answer.status_code == 409
    assert "Ihr alter Termin bleibt bestehen" in Page(answer).text


def test_once_it_has_begun_it_says_so(citizens):
    browser = citizens.browser()
    token = book(browser)
    citizens.clock.now = datetime.fromisoformat("2026-12-07T08:10:00+01:00")
    assert "nicht mehr ändern" in Page(browser.get(f"/termin/{token}")).text
    assert browser.get(f"/termin/{token}/absagen").status_code == 409
    assert browser.post(f"/termin/{token}/absagen").status_code == 409
    citizens.clock.advance(days=1)
    assert "Dieser Termin ist vorbei" in Page(browser.get(f"/termin/{token}")).text


def test_an_appointment_drawn_by_the_hotline_has_no_link_that_breaks(citizens):
    token = book(citizens.browser())
    event = calendar_of(citizens)[0]
    event.icalendar_component.pop("X-TERMIN-SERVICE", None)
    assert citizens.browser().get(f"/termin/{token}").status_code == 200


def test_while_the_calendar_is_away_the_pages_say_so_kindly(calendarless):
    for answer in (
        calendarless.get(f"/termin/zeit?{CHOICE}"),
        calendarless.post(f"/termin/zeit?{CHOICE}", data={"start": MONDAY_8, "key": "k"}),
    ):
        assert answer.status_code == 503
        assert "Unser Kalender antwortet gerade nicht" in Page(answer).text
    for path in ("/", "/termin/", f"/termin/unterlagen?{CHOICE}", "/impressum"):
        assert calendarless.get(path).status_code == 200


def test_while_the_calendar_is_away_her_entries_wait_in_the_form(citizens, town):
    form = Page(citizens.browser().post(begin(citizens.browser()), data=PERSON)).form("/buchen")
    with site(town, "http://127.0.0.1:9", citizens.clock) as app:
        answer = app.test_client().post(form["action"], data=form["fields"])
    assert answer.status_code == 503
    again = Page(answer).form("/buchen")
    assert citizens.browser().post(again["action"], data=again["fields"]).status_code == 303
    assert str(calendar_of(citizens)[0].icalendar_component["X-TERMIN-NAME"]) == PERSON["name"]


@pytest.mark.parametrize("path", ["/barrierefreiheit", "/datenschutz", "/impressum", "/leichte-sprache"])
def test_every_page_owed_is_there_in_both_languages(shared, path):
    german, english = shared.browser().get(path), shared.browser().get("/en" + path)
    assert german.status_code == english.status_code == 200
    assert 'lang="de"' in german.text
    assert 'lang="en"' in english.text
    assert f"/en{path}" in Page(german).links


def test_the_other_language_keeps_the_choice(shared):
    page = Page(shared.browser().get(f"/termin/zeit?{CHOICE}&day=2026-12-09"))
    english = next(link for link in page.links if link.startswith("/en/"))
    assert parse_qs(urlsplit(english).query)["service"] == ["reisepass:2", "beglaubigung"]
    assert parse_qs(urlsplit(english).query)["day"] == ["2026-12-09"]


def test_every_answer_is_hardened(shared):
    for path in ("/", "/termin/", "/api/v1/services", "/nothing", "/healthz"):
        headers = shared.browser().get(path).headers
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"


def test_nothing_inline_and_nothing_from_elsewhere(shared):
    for path in ("/", "/termin/", f"/termin/zeit?{CHOICE}"):
        page = shared.browser().get(path).text
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*src=)", page)
        assert not re.search(r'<(?:script|img|link|iframe)[^>]*(?:src|href)="(?:https?:)?//', page)


def test_static_files_are_kept_for_ever_under_their_version(shared):
    page = shared.browser().get("/").text
    sheet = re.search(r'href="(/static/[^"]*site\.css)"', page)[1]
    answer = shared.browser().get(sheet, headers={"Accept-Encoding": "gzip"})
    assert "immutable" in answer.headers["Cache-Control"]
    assert answer.headers["Content-Encoding"] == "gzip"
    assert shared.browser().get("/static/x/../site.py").status_code == 404


def test_the_reminder_is_switched_on_and_off_from_her_page(citizens):
    browser = citizens.browser()
    token = book(browser)
    assert browser.post(f"/termin/{token}/erinnerung", data={"reminder": "1"}).status_code == 303
    event = calendar_of(citizens)[0].icalendar_component
    assert str(event["X-TERMIN-REMINDER"]) == "TRUE"
    assert event["SEQUENCE"] == 0
    assert "Nicht mehr erinnern" in browser.get(f"/termin/{token}").text
    browser.post(f"/termin/{token}/erinnerung", data={"reminder": "0"})
    assert "X-TERMIN-REMINDER" not in calendar_of(citizens)[0].icalendar_component


def test_the_code_and_the_subscription_lead_to_her_appointment(citizens):
    browser = citizens.browser()
    token = book(browser)
    picture = browser.get(f"/termin/{token}/qr.svg")
    assert picture.mimetype == "image/svg+xml"
    assert picture.data.startswith(b"<?xml") or picture.data.startswith(b"<svg")
    there = f"/termin/{token}/termin.ics?abo=1"
    assert f"webcal://termin.example{there}" in Page(browser.get(f"/termin/{token}")).links
    followed = Calendar.from_ical(browser.get(there).data)
    assert followed["REFRESH-INTERVAL"].dt == timedelta(hours=1)
    assert followed["X-PUBLISHED-TTL"] == "PT1H"
    assert followed["NAME"] == followed["X-WR-CALNAME"] == "Kreis- und Hochschulstadt Meschede"
    # Outlook would open a named file as a calendar of its own.
    assert "X-WR-CALNAME" not in Calendar.from_ical(browser.get(f"/termin/{token}/termin.ics").data)


def test_who_follows_the_appointment_learns_what_becomes_of_it(citizens):
    browser = citizens.browser()
    token = book(browser)
    there = f"/termin/{token}/termin.ics?abo=1"

    def event():
        return Calendar.from_ical(browser.get(there).data).walk("VEVENT")[0]

    browser.post(f"/termin/{token}/verschieben", data={"start": MONDAY_9})
    assert (event().start.hour, event()["STATUS"], event()["SEQUENCE"]) == (9, "CONFIRMED", 1)
    lead = citizens.calendar.client("lead")
    office = citizens.town.offices[0]
    stored = lead.read(office.id, str(event()["UID"]), office.zone)
    lead.book(replace(stored.appointment, cancelled=True), now=citizens.clock.now, etag=stored.etag)
    assert event()["STATUS"] == "CANCELLED"
    assert browser.get(f"/termin/{token}/termin.ics").status_code == 404


def test_who_follows_what_she_cancelled_has_an_empty_calendar(citizens):
    browser = citizens.browser()
    token = book(browser)
    browser.post(f"/termin/{token}/absagen")
    answer = browser.get(f"/en/termin/{token}/termin.ics?abo=1")
    assert (answer.status_code, answer.mimetype) == (200, "text/calendar")
    assert [each.name for each in Calendar.from_ical(answer.data).subcomponents] == ["VTIMEZONE"]
    assert browser.get(f"/termin/{'a' * 42}/termin.ics?abo=1").status_code == 404


def test_only_the_embedded_page_may_stand_in_a_frame(shared):
    for path in ("/embed", "/en/embed"):
        headers = shared.browser().get(path).headers
        assert "frame-ancestors *" in headers["Content-Security-Policy"]
        assert "X-Frame-Options" not in headers
    script = shared.browser().get("/embed.js")
    assert script.mimetype == "text/javascript"
    assert script.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert shared.browser().get("/termin/").headers["X-Frame-Options"] == "DENY"

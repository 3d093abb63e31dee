"""The waiting list on the site, in the API, and for staff, on the real calendar server."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from booking_web.booking.tokens import make_token, random_uid, read_token
from booking_web.settings import Activation, Protection
from booking_web.site import site_of
from calendar_server.ical.appointment import to_ical
from calendar_server.limits import Limits
from tests.booking_web.conftest import API_KEY, SECRET, World, site, world
from tests.support.town import NOW, appointment, at

if TYPE_CHECKING:
    from flask.testing import FlaskClient

CHOICE = "office=buergerbuero&service=meldebescheinigung"
ENTRIES = {
    "until": "2026-12-11",
    "part": "any",
    "day-0": "1",
    "day-2": "1",
    "name": "Erika Muster",
    "email": "erika@example.org",
}
OFFERED = {"start": "2026-12-02T08:00:00+01:00"}
"""What is offered first once a clerk is back."""
CLERKS = ("clerk1", "clerk2", "clerk3", "clerk4")


@pytest.fixture
def full(citizens: World) -> World:
    """A town hall in which all are away until the 12th."""
    for name in CLERKS:
        away(citizens, name)
    return citizens


def away(citizens: World, name: str, days: int = 11) -> None:
    absence = appointment(f"away-{name}@test", at(1, 6), minutes=days * 1440, services=(), office="")
    text = to_ical(absence, now=NOW).replace("X-TERMIN-", "X-OTHER-")
    citizens.calendar.client(name).store(f"/{name}/calendar/away-{name}.ics", text)


def back(citizens: World, name: str = "clerk1") -> None:
    citizens.calendar.calendar(name).event_by_url(
        f"{citizens.calendar.url}/{name}/calendar/away-{name}.ics"
    ).delete()
    site_of(citizens.app).follower.feeds["buergerbuero"].outdate()


def check(browser: FlaskClient, **entries: str):
    return browser.post(f"/termin/warteliste?{CHOICE}", data={**ENTRIES, **entries})


def key_of(page: str) -> str:
    found = re.search(r'name="key" value="([^"]+)"', page)
    assert found
    return found[1]


def join(citizens: World, **entries: str) -> str:
    """Put somebody on the list and return the address of her page."""
    browser = citizens.browser()
    key = key_of(check(browser, **entries).text)
    answer = browser.post(f"/termin/warteliste/eintragen?{CHOICE}", data={**ENTRIES, **entries, "key": key})
    assert answer.status_code == 303
    return answer.headers["Location"].partition("?")[0]


def test_the_day_page_leads_to_the_list_whether_something_is_free_or_not(citizens):
    link = f'href="/termin/warteliste?{CHOICE.replace("&", "&amp;")}"'
    assert link in citizens.browser().get(f"/termin/zeit?{CHOICE}").text
    for name in CLERKS:
        away(citizens, name)
    site_of(citizens.app).follower.feeds["buergerbuero"].outdate()
    assert link in citizens.browser().get(f"/termin/zeit?{CHOICE}").text


def test_the_form_offers_the_days_on_which_the_office_is_open(citizens):
    page = citizens.browser().get(f"/termin/warteliste?{CHOICE}").text
    assert re.findall(r'id="day-(\d)" name="day-\d" value="1" checked', page) == ["0", "2"]
    assert "Montag" in page
    assert "Dienstag" not in page


def test_from_the_form_to_the_list_and_to_the_appointment(full):
    browser = full.browser()
    page = check(browser)
    assert page.status_code == 200
    assert "Freitag, 11. Dezember 2026" in page.text
    address = join(full)
    place = browser.get(address)
    assert "Sie stehen auf der Warteliste" in place.text
    assert "erika@example.org" not in place.text
    back(full)
    offered = browser.get(address).text
    assert "Ein Termin ist für Sie frei" in offered
    assert "Mittwoch, 2. Dezember 2026, 8:00 Uhr" in offered
    assert "bis Dienstag, 1. Dezember, 16:00 Uhr" in offered
    answer = browser.post(f"{address}/annehmen", data=OFFERED)
    assert re.fullmatch(r"/termin/[a-z2-7]{42}/fertig", answer.headers["Location"])
    done = browser.get(answer.headers["Location"]).text
    assert "Ihr Termin ist gebucht" in done
    assert "Mittwoch, 2. Dezember 2026" in done
    again = browser.post(f"{address}/annehmen", data=OFFERED)
    assert again.headers["Location"] == answer.headers["Location"]
    assert "Sie haben den Termin angenommen" in browser.get(address).text


def test_what_is_offered_to_her_is_offered_to_nobody_else(full):
    join(full, until="2026-12-02")
    back(full)
    starts = full.browser().get(f"/api/v1/offers?{CHOICE}&to=2026-12-02").json["days"][0]["starts"]
    assert "2026-12-02T08:00:00+01:00" not in starts
    wanted = {
        "office": "buergerbuero",
        "services": [{"id": "meldebescheinigung", "persons": 1}],
        "start": "2026-12-02T08:00:00+01:00",
        "name": "Ein anderer",
        "email": "anderer@example.org",
    }
    taken = full.browser().post("/api/v1/appointments", json=wanted)
    assert (taken.status_code, taken.json["code"]) == (409, "slot-taken")


def test_no_get_changes_anything(full):
    address = join(full)
    back(full)
    browser = full.browser()
    for verb in ("annehmen", "ablehnen"):
        assert browser.get(f"{address}/{verb}").status_code == 405
    assert browser.get(f"{address}/abmelden").status_code == 200
    assert "Ein Termin ist für Sie frei" in browser.get(address).text


def test_declining_keeps_her_place(full):
    address = join(full)
    back(full)
    browser = full.browser()
    answer = browser.post(f"{address}/ablehnen", data=OFFERED)
    page = browser.get(answer.headers["Location"]).text
    assert "Sie haben den Termin abgelehnt" in page
    assert "Sie stehen auf der Warteliste" in page or "Ein Termin ist für Sie frei" in page


def test_accepting_too_late_says_so(full):
    address = join(full, until="2026-12-02")
    back(full)
    full.clock.advance(hours=4, minutes=1)
    page = full.browser().post(f"{address}/annehmen", data=OFFERED)
    assert page.status_code == 409
    assert "Dieses Angebot gilt nicht mehr" in page.text
    assert "Ein Termin ist für Sie frei" not in page.text


def test_leaving_asks_first(full):
    address = join(full)
    browser = full.browser()
    assert "Möchten Sie sich von der Warteliste abmelden?" in browser.get(f"{address}/abmelden").text
    page = browser.get(browser.post(f"{address}/abmelden").headers["Location"]).text
    assert "Sie stehen nicht mehr auf der Warteliste" in page


def test_free_times_that_suit_are_shown_before_she_waits(citizens):
    page = check(citizens.browser()).text
    assert "Das ist gerade frei" in page
    assert "Mittwoch, 2. Dezember, 8:00 Uhr" in page
    nothing = check(citizens.browser(), **{"day-0": "", "part": "afternoon"}).text
    assert "Das ist gerade frei" not in nothing


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"until": ""}, "Geben Sie an, bis wann"),
        ({"until": "morgen"}, "Geben Sie an, bis wann"),
        ({"until": "2026-11-30"}, "Dieser Tag ist schon vorbei"),
        ({"until": "2027-12-01"}, "So lange können Sie nicht warten"),
        ({"day-0": "", "day-2": ""}, "Wählen Sie mindestens einen Wochentag"),
        ({"part": "nachts"}, "Diese Angabe kennen wir nicht"),
        ({"email": "erika"}, "Die E-Mail-Adresse ist nicht vollständig"),
        ({"name": ""}, "Geben Sie Ihren Namen ein"),
        ({"nachricht": "Hallo"}, "Dieses Feld"),
    ],
)
def test_mistakes_are_named_and_the_entries_stay(shared, entries, said):
    for target in ("/termin/warteliste", "/termin/warteliste/eintragen"):
        page = shared.browser().post(f"{target}?{CHOICE}", data={**ENTRIES, **entries})
        assert page.status_code == 422
        assert said in page.text
        if "name" not in entries:
            assert 'value="Erika Muster"' in page.text


# Every page of the way can be opened again ------------------------------------------------------------------------------


def on_the_way(citizens: World, **values) -> FlaskClient:
    """A browser that keeps cookies and has opened the form."""
    browser = citizens.app.test_client(**values)
    browser.get(f"/termin/warteliste?{CHOICE}")
    return browser


def test_a_form_leads_to_a_page_that_can_be_opened_again(shared):
    browser = on_the_way(shared)
    answer = browser.post(f"/termin/warteliste?{CHOICE}", data=ENTRIES)
    assert (answer.status_code, answer.location) == (303, f"/termin/warteliste/pruefen?{CHOICE}")
    for _ in range(2):
        assert "erika@example.org" in browser.get(answer.location).text
    change = browser.post(f"/termin/warteliste?{CHOICE}", data={**ENTRIES, "wish": "change"})
    assert change.location == f"/termin/warteliste?{CHOICE}&angaben=1"
    assert 'value="Erika Muster"' in browser.get(change.location).text
    wrong = browser.post(f"/termin/warteliste?{CHOICE}", data={**ENTRIES, "email": "erika"})
    page = browser.get(wrong.location)
    assert (wrong.status_code, page.status_code) == (303, 422)
    assert "Die E-Mail-Adresse ist nicht vollständig" in page.text
    assert 'value="Erika Muster"' in page.text
    assert "erika" not in (answer.location + change.location + wrong.location).lower()
    # Whoever begins anew, or has no cookie of hers, sees nothing of it.
    assert "Erika" not in browser.get(f"/termin/warteliste?{CHOICE}").text
    stranger = shared.app.test_client().get(f"/termin/warteliste/pruefen?{CHOICE}")
    assert (stranger.status_code, stranger.location) == (303, f"/termin/warteliste?{CHOICE}")


def test_nothing_that_she_entered_is_left_once_she_waits(citizens):
    browser = on_the_way(citizens)
    checked = browser.get(browser.post(f"/termin/warteliste?{CHOICE}", data=ENTRIES).location).text
    entries = {**ENTRIES, "key": key_of(checked)}
    answer = browser.post(f"/termin/warteliste/eintragen?{CHOICE}", data=entries)
    assert "/termin/warteliste/" in answer.location
    assert browser.get_cookie("termin_entries") is None
    assert browser.get(f"/termin/warteliste/pruefen?{CHOICE}").status_code == 303


def test_without_cookies_the_next_page_is_the_answer(shared):
    for entries, status, told in (
        (ENTRIES, 200, "Stimmt alles?"),
        ({**ENTRIES, "wish": "change"}, 200, "Auf die Warteliste"),
        ({**ENTRIES, "name": ""}, 422, "Geben Sie Ihren Namen ein"),
    ):
        answer = on_the_way(shared, use_cookies=False).post(f"/termin/warteliste?{CHOICE}", data=entries)
        assert (answer.status_code, told in answer.text) == (status, True)


def test_why_she_can_not_wait_is_told_by_a_page_that_can_be_opened_again(full):
    for _ in range(3):
        join(full)
    browser = on_the_way(full)
    answer = browser.post(f"/termin/warteliste/eintragen?{CHOICE}", data=ENTRIES)
    assert answer.status_code == 303
    for _ in range(2):
        page = browser.get(answer.location)
        assert (page.status_code, "so oft auf der Warteliste" in page.text) == (422, True)
        assert 'value="Erika Muster"' in page.text


def test_a_limit_is_told_until_it_is_over(town, directory, tmp_path):
    limits = Limits(per_network_hour=1)
    with world(town, directory, tmp_path, limits=limits, protection=Protection()) as made:
        for number in range(2):
            browser = on_the_way(made)
            browser.environ_base["REMOTE_ADDR"] = "192.0.2.7"
            entries = {**ENTRIES, "email": f"e{number}@example.org"}
            answer = browser.post(f"/termin/warteliste/eintragen?{CHOICE}", data=entries)
        limited = browser.get(answer.location)
        assert (answer.status_code, limited.status_code) == (303, 429)
        assert "Aus Ihrem Netz wollen gerade" in limited.text
        assert limited.headers["Retry-After"] == "3600"
        assert re.search(r'href="/termin/warteliste/pruefen\?[^"]*grund=network-limit', limited.text)
        made.clock.advance(hours=1, seconds=1)
        page = browser.get(answer.location)
        assert (page.status_code, "Stimmt alles?" in page.text) == (200, True)
        assert "e1@example.org" in page.text


def test_while_the_calendar_is_away_her_entries_wait_in_the_cookie(citizens, town):
    browser = on_the_way(citizens)
    browser.post(f"/termin/warteliste?{CHOICE}", data=ENTRIES)
    with site(town, "http://127.0.0.1:9", citizens.clock) as app:
        away = app.test_client()
        away.set_cookie("termin_entries", browser.get_cookie("termin_entries").value)
        answer = away.post(f"/termin/warteliste/eintragen?{CHOICE}", data=ENTRIES)
        assert (answer.status_code, answer.location) == (303, f"/termin/warteliste/pruefen?{CHOICE}")
        assert away.get(answer.location).status_code == 503
        place = f"/termin/warteliste/{make_token(SECRET, 'buergerbuero', random_uid(town.host))}"
        for verb in ("annehmen", "ablehnen", "abmelden"):
            answer = away.post(f"{place}/{verb}", data=OFFERED)
            assert (answer.status_code, answer.location) == (303, place)


def test_a_list_that_closed_meanwhile_is_told_by_a_page_too(citizens):
    browser = on_the_way(citizens)
    browser.post(f"/termin/warteliste?{CHOICE}", data=ENTRIES)
    page = browser.get(f"/termin/warteliste/pruefen?{CHOICE}&grund=geschlossen")
    assert (page.status_code, "Die Warteliste ist gerade geschlossen" in page.text) == (409, True)


def test_an_offer_that_is_over_is_told_by_her_page(full):
    address = join(full, until="2026-12-02")
    back(full)
    full.clock.advance(hours=4, minutes=1)
    answer = full.app.test_client().post(f"{address}/annehmen", data=OFFERED)
    assert (answer.status_code, answer.location) == (303, f"{address}?weg=1")


# ------------------------------------------------------------------------------------------------------------------------


def test_a_fourth_wish_of_one_address_is_refused(full):
    for _ in range(3):
        join(full)
    browser = full.browser()
    page = browser.post(
        f"/termin/warteliste/eintragen?{CHOICE}", data={**ENTRIES, "key": key_of(check(browser).text)}
    )
    assert page.status_code == 422
    assert "so oft auf der Warteliste" in page.text


def test_a_double_click_is_one_place(full):
    browser = full.browser()
    key = key_of(check(browser).text)
    answers = {
        browser.post(f"/termin/warteliste/eintragen?{CHOICE}", data={**ENTRIES, "key": key}).headers[
            "Location"
        ]
        for _ in range(2)
    }
    assert len(answers) == 1
    assert full.calendar.client("lead").waiting("buergerbuero")["waiting"] == 1


def test_what_was_never_a_place_is_gone(shared):
    page = shared.browser().get(f"/termin/warteliste/{'a' * 42}")
    assert page.status_code == 404
    assert "gibt es nicht mehr" in page.text


def test_in_english(full):
    browser = full.browser()
    page = browser.post(f"/en/termin/warteliste?{CHOICE}", data=ENTRIES)
    answer = browser.post(
        f"/en/termin/warteliste/eintragen?{CHOICE}", data={**ENTRIES, "key": key_of(page.text)}
    )
    assert "You are on the waiting list" in browser.get(answer.headers["Location"]).text


def test_where_addresses_must_be_proved_only_the_mail_leads_to_her_place(town, directory, tmp_path):
    protection = Protection(activation=Activation.ALWAYS)
    with world(town, directory, tmp_path, protection=protection) as made:
        browser = made.browser()
        key = key_of(check(browser).text)
        answer = browser.post(f"/termin/warteliste/eintragen?{CHOICE}", data={**ENTRIES, "key": key})
        assert answer.headers["Location"] == "/termin/warteliste/eingetragen"
        assert "Darin ist ein Link" in browser.get(answer.headers["Location"]).text
        shown = browser.post("/api/v1/waiting", json=wish()).json
        assert (shown["token"], shown["manage_url"]) == (None, None)
        partner = {"Authorization": f"Bearer {API_KEY}"}
        assert browser.post("/api/v1/waiting", json=wish(), headers=partner).json["token"]


def test_a_closed_list_is_nowhere(town, directory, tmp_path):
    closed = replace(town, offices=tuple(replace(office, waiting=False) for office in town.offices))
    with world(closed, directory, tmp_path) as made:
        browser = made.browser()
        assert "warteliste" not in browser.get(f"/termin/zeit?{CHOICE}").text
        assert browser.get(f"/termin/warteliste?{CHOICE}").status_code == 409
        for page in ("warteliste", "warteliste/eintragen"):
            sent = browser.post(f"/termin/{page}?{CHOICE}", data=ENTRIES)
            assert (sent.status_code, sent.location) == (303, f"/termin/warteliste?{CHOICE}")
        assert browser.post("/api/v1/waiting", json=wish()).json["code"] == "waiting-list-closed"


# For programs ------------------------------------------------------------------------------------------------------------


def wish(**values: Any) -> dict[str, Any]:
    return {
        "office": "buergerbuero",
        "services": [{"id": "meldebescheinigung", "persons": 1}],
        "until": "2026-12-11",
        "name": "Erika Muster",
        "email": "erika@example.org",
        **values,
    }


def test_a_program_waits_and_accepts(full):
    browser = full.browser()
    made = browser.post(
        "/api/v1/waiting",
        json=wish(weekdays=[3], part="morning"),
        headers={"Idempotency-Key": "first"},
    )
    assert made.status_code == 201
    shown = made.json
    assert (shown["state"], shown["weekdays"], shown["part"]) == ("waiting", [3], "morning")
    assert made.headers["Location"] == f"/api/v1/waiting/{shown['token']}"
    address = made.headers["Location"]
    again = browser.post(
        "/api/v1/waiting",
        json=wish(weekdays=[3], part="morning"),
        headers={"Idempotency-Key": "first"},
    )
    assert again.json["token"] == shown["token"]
    assert browser.post(f"{address}/accept", json=OFFERED).json["code"] == "offer-over"
    back(full)
    offered = browser.get(address).json
    assert (offered["state"], offered["offered_start"]) == ("offered", "2026-12-02T08:00:00+01:00")
    assert offered["offered_until"] == "2026-12-01T16:00:00+01:00"
    taken = browser.post(f"{address}/accept", json=OFFERED).json
    assert taken["state"] == "taken"
    booked = browser.get(f"/api/v1/appointments/{taken['appointment']}").json
    assert (booked["start"], booked["status"]) == ("2026-12-02T08:00:00+01:00", "confirmed")


def test_a_program_declines_and_leaves(full):
    browser = full.browser()
    address = browser.post("/api/v1/waiting", json=wish()).headers["Location"]
    back(full)
    assert browser.get(address).json["state"] == "offered"
    assert browser.post(f"{address}/decline", json=OFFERED).status_code == 200
    assert browser.delete(address).status_code == 204
    assert browser.get(address).json["state"] == "left"
    assert browser.get(f"/api/v1/waiting/{'a' * 42}").status_code == 404


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"until": None}, "until"),
        ({"until": 7}, "until"),
        ({"until": "2026-13-01"}, "until"),
        ({"until": "2026-11-01"}, "until"),
        ({"weekdays": [0]}, "weekdays"),
        ({"weekdays": [8]}, "weekdays"),
        ({"weekdays": [True]}, "weekdays"),
        ({"weekdays": "monday"}, "weekdays"),
        ({"part": "night"}, "part"),
        ({"email": "x"}, "email"),
        ({"services": []}, "services"),
    ],
)
def test_a_programs_mistakes_are_named(shared, values, field):
    answer = shared.browser().post("/api/v1/waiting", json=wish(**values))
    assert answer.status_code == 422
    assert field in {error["field"] for error in answer.json["errors"]}


def booked(citizens: World, start: str = "2026-12-02T08:00:00+01:00") -> str:
    """Book, let everybody be away, and return the token."""
    made = citizens.browser().post(
        "/api/v1/appointments",
        json={
            "office": "buergerbuero",
            "services": [{"id": "meldebescheinigung"}],
            "start": start,
            "name": "Erika Muster",
            "email": "erika@example.org",
        },
    )
    for name in CLERKS:
        away(citizens, name, days=90)
    site_of(citizens.app).follower.feeds["buergerbuero"].outdate()
    return made.json["token"]


TIMES = "until=2026-12-11&part=any&day-0=1&day-2=1"


def test_who_moves_an_appointment_may_wait_for_a_better_time(citizens):
    browser = citizens.browser()
    token = booked(citizens)
    page = browser.get(f"/termin/{token}/verschieben").text
    assert "Gerade ist nichts anderes frei" in page
    assert "Nehmen Sie einen anderen an, gilt nur noch der neue." in page
    way = f"/termin/{token}/warteliste"
    assert f'href="{way}"' in page
    form = browser.get(way).text
    assert f'method="get" action="{way}/pruefen"' in form
    assert "E-Mail-Adresse" not in form
    assert 'name="day-0" value="1" checked' in form
    check = browser.get(f"{way}/pruefen?{TIMES}")
    assert (check.status_code, "Freitag, 11. Dezember 2026" in check.text) == (200, True)
    assert "erika@example.org" not in check.text
    data = {"until": "2026-12-11", "part": "any", "day-0": "1", "day-2": "1", "key": key_of(check.text)}
    answer = browser.post(way, data=data)
    assert browser.post(way, data=data).headers["Location"] == answer.headers["Location"]
    place = answer.headers["Location"].partition("?")[0]
    assert "gilt nur noch der neue" in browser.get(place).text
    # What is free besides is for moving there, not for a second appointment.
    assert f'href="/termin/{token}/verschieben"' in browser.get(place).text
    assert 'href="/termin/zeit' not in browser.get(place).text
    back(citizens)
    assert "Dann gilt Ihr bisheriger nicht mehr." in browser.get(place).text
    # Nothing within two hours of the time that she has.
    taken = browser.post(f"{place}/annehmen", data={"start": "2026-12-02T10:00:00+01:00"})
    assert taken.headers["Location"] == f"/termin/{token}?moved=1"
    assert "Mittwoch, 2. Dezember 2026, 10:00 Uhr" in browser.get(f"/termin/{token}").text
    assert browser.post(f"{place}/annehmen", data=OFFERED).headers["Location"] == taken.headers["Location"]
    assert f'href="/termin/{token}"' in browser.get(place).text
    seen = citizens.calendar.client("lead").snapshot("buergerbuero", at(1, 0).date(), at(31, 0).date())
    assert len(seen["booked"]) == 1


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("part=any&day-0=1", "Geben Sie an, bis wann"),
        ("until=2026-12-11&part=any", "Wählen Sie mindestens einen Wochentag"),
        ("until=2026-12-11&part=nachts&day-0=1", "Diese Angabe kennen wir nicht"),
    ],
)
def test_mistakes_in_what_suits_her_while_moving_are_named(citizens, query, said):
    way = f"/termin/{booked(citizens)}/warteliste"
    browser = citizens.app.test_client()
    sent = browser.post(way, data=dict(each.split("=") for each in query.split("&")))
    assert sent.status_code == 303
    for page in (browser.get(f"{way}/pruefen?{query}"), browser.get(sent.location)):
        assert page.status_code == 422
        assert said in page.text
        assert f'action="{way}/pruefen"' in page.text


def test_who_may_not_move_may_not_wait_for_another_time(citizens):
    way = f"/termin/{booked(citizens)}/warteliste"
    citizens.clock.now = at(2, 8, 1)
    for page in (
        citizens.browser().get(way),
        citizens.browser().get(f"{way}/pruefen?{TIMES}"),
        citizens.browser().post(way),
    ):
        assert page.status_code == 409


def test_the_last_day_is_chosen_among_those_that_are_possible(citizens):
    page = citizens.browser().get(f"/termin/warteliste?{CHOICE}").text
    field = re.search(r"<input[^>]*type=\"date\"[^>]*>", page)[0]
    assert 'min="2026-12-01"' in field
    assert 'max="2027-05-30"' in field


def test_what_staff_made_too_long_for_an_offer_is_told_by_her_page(citizens):
    token = booked(citizens)
    _, uid = read_token(SECRET, site_of(citizens.app).settings.town.host, ["buergerbuero"], token)
    entries = {"until": "2026-12-11", "part": "any", "day-0": "1", "day-2": "1", "key": "k" * 30}
    answer = citizens.browser().post(f"/termin/{token}/warteliste", data=entries)
    place = answer.headers["Location"].partition("?")[0]
    back(citizens)
    start = re.search(r'name="start" value="([^"]+)"', citizens.browser().get(place).text)[1]
    mine = next(
        event
        for name in CLERKS
        for event in citizens.calendar.calendar(name).events()
        if event.icalendar_component.get("UID") == uid
    )
    with mine.edit_icalendar_component() as component:
        component.end = component.start + timedelta(hours=10)
    mine.save()
    answer = citizens.app.test_client().post(f"{place}/annehmen", data={"start": start})
    assert (answer.status_code, answer.location) == (303, f"{place}?weg=kurz")
    page = citizens.browser().get(answer.location)
    assert page.status_code == 409
    assert "Er braucht jetzt mehr Zeit, als frei war." in page.text
    assert "Sie stehen auf der Warteliste" in page.text

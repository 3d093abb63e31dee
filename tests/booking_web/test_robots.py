"""Against robots and traders, on the pages and in the API: proof of work, activation, the trap, limits for the public."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from booking_web.booking.caller import network_of
from booking_web.booking.proof import HARDEST, VALID_SECONDS, Proofs
from booking_web.booking.tokens import activation_code
from booking_web.settings import Activation, Protection
from booking_web.site import site_of
from calendar_server.limits import Limits
from tests.booking_web.conftest import API_KEY, SECRET, world
from tests.booking_web.test_api import booking, fields, post
from tests.booking_web.test_pages import MONDAY_8, MONDAY_9, PERSON, Page, begin
from tests.support.clock import Clock

EASY = 50
HOME = {"REMOTE_ADDR": "203.0.113.7"}


def solve(challenge) -> str:
    """Do the work, as altcha's clients do."""
    for number in range(challenge["maxnumber"] + 1):
        if hashlib.sha256(f"{challenge['salt']}{number}".encode()).hexdigest() == challenge["challenge"]:
            solved = {name: challenge[name] for name in ("algorithm", "challenge", "salt", "signature")}
            return base64.b64encode(json.dumps({**solved, "number": number}).encode()).decode()
    raise AssertionError("no number solves it")


@pytest.fixture
def guarded(town, directory, tmp_path):
    """A world with this protection and these limits."""
    opened = []

    def make(limits=None, **protection):
        context = world(
            town,
            directory,
            tmp_path,
            limits=limits or Limits(),
            protection=Protection(**protection),
        )
        opened.append(context)
        return context.__enter__()

    yield make
    for context in opened:
        context.__exit__(None, None, None)


# Proof of work ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def proofs(clock):
    return Proofs(SECRET, clock, EASY)


def test_a_solved_challenge_is_a_proof_for_its_purpose(proofs):
    solved = solve(proofs.challenge("booking"))
    assert proofs.check(solved, "booking")
    assert proofs.check(solved, "booking").id == proofs.check(solved, "booking").id
    assert proofs.check(solved, "something else") is None


def test_a_proof_runs_out(proofs, clock):
    solved = solve(proofs.challenge("booking"))
    clock.advance(seconds=VALID_SECONDS)
    assert proofs.check(solved, "booking") is None


def test_a_challenge_of_somebody_else_proves_nothing(proofs, clock):
    stranger = Proofs(b"another secret that is long enough", clock, EASY)
    assert proofs.check(solve(stranger.challenge("booking")), "booking") is None


def test_digits_cannot_be_moved_between_salt_and_number(proofs):
    fields = {"number": 0}
    while fields["number"] < 10 or fields["number"] % 10 == 0:
        fields = json.loads(base64.b64decode(solve(proofs.challenge("booking"))))
    moved = {
        **fields,
        "salt": f"{fields['salt']}{fields['number'] // 10}",
        "number": fields["number"] % 10,
    }
    assert proofs.check(base64.b64encode(json.dumps(fields).encode()).decode(), "booking")
    assert proofs.check(base64.b64encode(json.dumps(moved).encode()).decode(), "booking") is None


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "x",
        "e30=",
        base64.b64encode(b"[]").decode(),
        base64.b64encode(b'{"number":"1"}').decode(),
        "A" * 5000,
    ],
)
def test_rubbish_is_no_proof(proofs, payload):
    assert proofs.check(payload, "booking") is None


def test_it_gets_harder_for_a_network_that_books_in_stock(proofs, clock):
    first = proofs.difficulty("203.0.113.0/24")
    for _ in range(6):
        assert proofs.check(solve(proofs.challenge("booking", "203.0.113.0/24")), "booking", "203.0.113.0/24")
    assert proofs.difficulty("203.0.113.0/24") == first * 8
    assert proofs.difficulty("198.51.100.0/24") == first
    clock.advance(minutes=11)
    assert proofs.difficulty("203.0.113.0/24") == first
    assert first < HARDEST


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2ff::1", "2001:db8:1:200::/56"),
        ("127.0.0.1", ""),
        ("::1", ""),
        ("nonsense", ""),
        (None, ""),
    ],
)
def test_a_network_is_what_one_household_or_provider_pool_shares(address, network):
    assert network_of(address) == network


# On the pages ----------------------------------------------------------------------------------------------------------


def challenge_on(page) -> dict:
    return json.loads(re.search(r'data-proof="([^"]*)"', page.text)[1].replace("&#34;", '"'))


def form_to_book(browser, start=MONDAY_8, person=PERSON, **values):
    """Walk to the last page; returns the form's address, its fields, and the page."""
    checked = browser.post(begin(browser, start, **values), data=person)
    form = Page(checked).form("/buchen")
    return form["action"], form["fields"], checked


def stored(citizens):
    """The appointments and holds of all clerks."""
    return [
        event.icalendar_component
        for clerk in ("clerk1", "clerk2", "clerk3", "clerk4")
        for event in citizens.calendar.calendar(clerk).events()
    ]


def easy(citizens):
    site = site_of(citizens.app)
    site.proofs._easiest = EASY


def test_with_a_proof_it_is_booked_at_once(guarded):
    citizens = guarded(proof_of_work=True, activation=Activation.WITHOUT_PROOF)
    easy(citizens)
    browser = citizens.browser()
    action, entries, page = form_to_book(browser)
    done = browser.post(action, data={**entries, "altcha": solve(challenge_on(page))}, follow_redirects=True)
    assert "Ihr Termin ist gebucht" in Page(done).text
    (event,) = stored(citizens)
    assert event["STATUS"] == "CONFIRMED"


def test_without_a_proof_she_confirms_her_address_by_mail(guarded):
    citizens = guarded(proof_of_work=True, activation=Activation.WITHOUT_PROOF, activation_minutes=45)
    browser = citizens.browser()
    action, entries, _ = form_to_book(browser)
    answer = browser.post(action, data=entries)
    waiting = Page(browser.get(answer.location))
    assert "Fast geschafft" in waiting.text
    assert "bis 12:45 Uhr" in waiting.text
    (event,) = stored(citizens)
    assert (event["STATUS"], event["X-TERMIN-AWAITS"]) == ("TENTATIVE", "activation")
    token = answer.location.split("/")[2]
    code = activation_code(SECRET, "buergerbuero", str(event["UID"]), PERSON["email"])
    asked = browser.get(f"/termin/{token}/bestaetigen/{code}")
    assert "Möchten Sie diesen Termin?" in Page(asked).text
    assert stored(citizens)[0]["STATUS"] == "TENTATIVE", "opening a link changes nothing"
    done = browser.post(f"/termin/{token}/bestaetigen/{code}", follow_redirects=True)
    assert "Ihr Termin ist gebucht" in Page(done).text
    (event,) = stored(citizens)
    assert (event["STATUS"], int(event["SEQUENCE"])) == ("CONFIRMED", 0)
    assert "X-TERMIN-AWAITS" not in event
    again = browser.get(f"/termin/{token}/bestaetigen/{code}")
    assert again.status_code == 303, "a second visit shows the appointment"


def test_who_only_booked_it_cannot_confirm_it(guarded):
    citizens = guarded(activation=Activation.ALWAYS)
    browser = citizens.browser()
    action, entries, _ = form_to_book(browser)
    token = browser.post(action, data=entries).location.split("/")[2]
    for code in ("a" * 26, token[:26], activation_code(SECRET, "buergerbuero", "x", PERSON["email"])):
        assert browser.get(f"/termin/{token}/bestaetigen/{code}").status_code == 404
        assert browser.post(f"/termin/{token}/bestaetigen/{code}").status_code == 404
    assert stored(citizens)[0]["STATUS"] == "TENTATIVE"


def test_what_nobody_confirms_is_free_again(guarded):
    citizens = guarded(activation=Activation.ALWAYS)
    browser = citizens.browser()
    action, entries, _ = form_to_book(browser)
    page = browser.post(action, data=entries).location
    token = page.split("/")[2]
    code = activation_code(SECRET, "buergerbuero", str(stored(citizens)[0]["UID"]), PERSON["email"])
    citizens.clock.advance(minutes=61)
    gone = browser.post(f"/termin/{token}/bestaetigen/{code}")
    assert gone.status_code == 404
    assert "die Zeit zum Buchen ist abgelaufen" in Page(gone).text
    assert begin(citizens.browser(), MONDAY_8)


def test_sending_the_form_twice_keeps_the_time_no_longer(guarded):
    citizens = guarded(activation=Activation.ALWAYS)
    browser = citizens.browser()
    action, entries, _ = form_to_book(browser)
    browser.post(action, data=entries)
    before = stored(citizens)[0]
    citizens.clock.advance(minutes=20)
    browser.post(action, data=entries)
    assert stored(citizens)[0].to_ical() == before.to_ical()
    browser.post(action, data={**entries, "email": "richtig@example.org"})
    (after,) = stored(citizens)
    assert after["X-TERMIN-EMAIL"] == "richtig@example.org"
    assert after["X-TERMIN-HOLD-UNTIL"] == before["X-TERMIN-HOLD-UNTIL"]


def test_a_proof_books_one_appointment_only(guarded):
    citizens = guarded(proof_of_work=True, activation=Activation.WITHOUT_PROOF)
    easy(citizens)
    first, second = citizens.browser(), citizens.browser()
    action, entries, page = form_to_book(first)
    solved = solve(challenge_on(page))
    first.post(action, data={**entries, "altcha": solved})
    action, entries, _ = form_to_book(second, MONDAY_9)
    answer = second.post(action, data={**entries, "altcha": solved}, follow_redirects=True)
    assert "Fast geschafft" in Page(answer).text, "another's proof is none"


def test_while_she_confirms_nothing_else_takes_the_place_of_her_booking(guarded):
    citizens = guarded(activation=Activation.ALWAYS)
    browser = citizens.browser()
    page = Page(browser.get("/termin/zeit?office=buergerbuero&service=reisepass"))
    form = page.form("/termin/zeit")
    choose = {"key": form["fields"]["key"], "start": MONDAY_8}
    address = browser.post(form["action"], data=choose).location
    to_book = Page(browser.post(address, data=PERSON)).form("/buchen")
    browser.post(to_book["action"], data=to_book["fields"])
    back = browser.post(form["action"], data={**choose, "start": MONDAY_9})
    assert re.fullmatch(r"/termin/[a-z2-7]{42}", back.location)
    (event,) = stored(citizens)
    assert event["X-TERMIN-AWAITS"] == "activation"
    token = back.location.split("/")[2]
    shown = Page(browser.get(back.location))
    assert "Bestätigen Sie Ihre E-Mail-Adresse" in shown.text
    assert browser.get(f"/termin/{token}/termin.ics").status_code == 404
    cancelled = browser.post(f"/termin/{token}/absagen")
    assert cancelled.status_code == 200
    assert stored(citizens) == []


def test_the_trap_stops_who_fills_it_in_and_lets_a_person_go_on(shared):
    browser = shared.browser()
    address = begin(browser, MONDAY_9)
    page = browser.get(address)
    field = re.search(r'<div class="kern-sr-only" aria-hidden="true">(.*?)</div>', page.text, re.DOTALL)[1]
    assert 'name="nachricht"' in field
    assert 'tabindex="-1"' in field
    assert 'autocomplete="off"' in field
    caught = browser.post(address, data={**PERSON, "nachricht": "Buy now"})
    assert caught.status_code == 422
    assert "Lassen Sie dieses Feld bitte leer" in Page(caught).text
    assert "Buy now" not in caught.text
    assert PERSON["name"] in caught.text
    assert browser.post(address, data=PERSON).status_code == 200


def test_the_trap_is_set_at_the_last_step_too(citizens):
    browser = citizens.browser()
    action, entries, _ = form_to_book(browser)
    assert browser.post(action, data={**entries, "nachricht": "x"}).status_code == 422
    assert stored(citizens)[0]["STATUS"] == "TENTATIVE"


def test_a_limit_is_told_kindly_and_her_entries_stay(guarded):
    citizens = guarded(Limits(per_address=1))
    for start in (MONDAY_8, MONDAY_9):
        browser = citizens.browser()
        action, entries, _ = form_to_book(browser, start)
        answer = browser.post(action, data=entries)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    page = Page(answer)
    assert "schon so viele Termine gebucht" in page.text
    assert page.form("/buchen")["fields"]["name"] == PERSON["name"]


def test_a_network_that_books_too_much_is_told_when_to_come_back(guarded):
    citizens = guarded(Limits(per_network_hour=1))
    browser = citizens.app.test_client()
    browser.environ_base.update(HOME)
    begin(browser, MONDAY_8)
    other = citizens.app.test_client()
    other.environ_base.update(HOME)
    page = Page(other.get("/termin/zeit?office=buergerbuero&service=reisepass"))
    form = page.form("/termin/zeit")
    answer = other.post(form["action"], data={"key": form["fields"]["key"], "start": MONDAY_9})
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "3600"
    assert "ab 13:00 Uhr" in Page(answer).text
    stranger = citizens.app.test_client()
    stranger.environ_base["REMOTE_ADDR"] = "198.51.100.1"
    assert begin(stranger, MONDAY_9)


def test_who_finds_a_day_taken_up_is_led_to_other_days(guarded):
    citizens = guarded(Limits(network_percent=1))
    browsers = [citizens.app.test_client() for _ in range(2)]
    for browser in browsers:
        browser.environ_base.update(HOME)
    begin(browsers[0], MONDAY_8)
    choice = "office=buergerbuero&service=reisepass:2"
    form = Page(browsers[1].get(f"/en/termin/zeit?{choice}")).form("/termin/zeit")
    answer = browsers[1].post(form["action"], data={"key": form["fields"]["key"], "start": MONDAY_9})
    assert answer.status_code == 429
    page = Page(answer)
    assert "choose another day" in page.text
    assert f"/en/termin/zeit?{choice}" in page.links
    assert page.form("/termin/zeit")["fields"]["start"] == MONDAY_9
    wednesday = {"key": form["fields"]["key"], "start": "2026-12-09T09:00:00+01:00"}
    assert browsers[1].post(form["action"], data=wednesday).status_code == 303


# The API ---------------------------------------------------------------------------------------------------------------


def test_a_program_without_a_key_sends_a_proof(guarded):
    citizens = guarded(proof_of_work=True, activation=Activation.WITHOUT_PROOF)
    easy(citizens)
    missing = post(citizens, "appointments", booking())
    assert missing.status_code == 422
    assert fields(missing) == {"altcha"}
    solved = solve(citizens.browser().get("/api/v1/challenge").json)
    made = post(citizens, "appointments", booking(altcha=solved), Idempotency_Key="one")
    assert (made.status_code, made.json["status"]) == (201, "confirmed")
    repeat = post(citizens, "appointments", booking(altcha=solved), Idempotency_Key="one")
    assert repeat.json["uid"] == made.json["uid"]
    again = post(citizens, "appointments", booking(altcha=solved, start=MONDAY_9))
    assert fields(again) == {"altcha"}


def test_a_hold_is_confirmed_with_a_proof(guarded):
    citizens = guarded(proof_of_work=True)
    easy(citizens)
    wish = {name: booking()[name] for name in ("office", "services", "start")}
    token = post(citizens, "holds", wish).json["token"]
    person = {"name": "Erika Mustermann", "email": "erika@example.org"}
    assert post(citizens, f"holds/{token}/confirm", person).status_code == 422
    solved = solve(citizens.browser().get("/api/v1/challenge").json)
    assert post(citizens, f"holds/{token}/confirm", {**person, "altcha": solved}).status_code == 201


def test_a_partner_needs_neither_proof_nor_activation_and_has_no_limits(guarded):
    citizens = guarded(Limits(per_address=1), proof_of_work=True, activation=Activation.ALWAYS)
    for start in (MONDAY_8, MONDAY_9):
        made = post(citizens, "appointments", booking(start=start), Authorization=f"Bearer {API_KEY}")
        assert (made.status_code, made.json["status"]) == (201, "confirmed")


def test_everybody_elses_appointment_waits_for_its_activation(guarded):
    citizens = guarded(activation=Activation.ALWAYS)
    made = post(citizens, "appointments", booking())
    assert (made.status_code, made.json["status"]) == (201, "awaiting-activation")
    assert made.json["held_until"] == "2026-12-01T13:00:00+01:00"
    found = citizens.browser().get(f"/api/v1/appointments/{made.json['token']}")
    assert found.json["status"] == "awaiting-activation"


def test_the_api_tells_a_limit_as_a_problem(guarded):
    citizens = guarded(Limits(per_address=1))
    assert post(citizens, "appointments", booking()).status_code == 201
    refused = post(citizens, "appointments", booking(start=MONDAY_9))
    assert (refused.status_code, refused.json["code"]) == (429, "too-many-appointments")
    assert refused.mimetype == "application/problem+json"
    assert int(refused.headers["Retry-After"]) > 0


# Once more, please -----------------------------------------------------------------------------------------------------


def test_she_has_the_mail_sent_again_a_few_times(citizens):
    browser = citizens.browser()
    action, entries, _ = form_to_book(browser)
    token = browser.post(action, data=entries).location.split("/")[2]
    assert any("/erneut" in form["action"] for form in Page(browser.get(f"/termin/{token}")).forms)
    for _ in range(3):
        citizens.clock.advance(minutes=1)
        answer = browser.post(f"/termin/{token}/erneut", follow_redirects=True)
        assert "Die E-Mail ist unterwegs" in Page(answer).text
    citizens.clock.advance(minutes=1)
    refused = browser.post(f"/termin/{token}/erneut")
    assert refused.status_code == 429
    assert "schon mehrmals geschickt" in Page(refused).text
    assert int(stored(citizens)[0]["SEQUENCE"]) == 0
    citizens.clock.advance(hours=1)
    assert browser.post(f"/termin/{token}/erneut").status_code == 303


def test_a_time_that_is_only_kept_has_no_mail_to_send(citizens):
    browser = citizens.browser()
    token = begin(browser).split("/")[2]
    assert browser.post(f"/termin/{token}/erneut").status_code == 404


def test_what_was_booked_is_put_into_calendars_on_the_web_without_saying_why(citizens):
    browser = citizens.browser()
    action, entries, _ = form_to_book(browser)
    done = Page(browser.post(action, data=entries, follow_redirects=True))
    token = action.split("/")[2]
    outward = [link for link in done.links if link.startswith(("https://calendar.google", "https://outlook"))]
    assert len(outward) == 2
    assert all("20261207T070000Z" in link or "2026-12-07T07%3A00%3A00Z" in link for link in outward)
    for secret in (token, "Reisepass", "Beglaubigung", "ayse", "M%C3%BCller"):
        assert not any(secret in link for link in outward)
    assert any(link.startswith("webcal:") for link in done.links)


def test_protection_asks_for_activation_only_where_it_is_wanted():
    hour = timedelta(minutes=60)
    never = Protection(proof_of_work=True)
    assert [never.activate_within(proved=proved) for proved in (True, False)] == [None, None]
    some = replace(never, activation=Activation.WITHOUT_PROOF)
    assert [some.activate_within(proved=proved) for proved in (True, False)] == [None, hour]
    always = replace(never, activation=Activation.ALWAYS)
    assert [always.activate_within(proved=proved) for proved in (True, False)] == [hour, hour]


def test_a_group_is_confirmed_as_one_and_counts_as_one_for_its_address(guarded):
    citizens = guarded(Limits(per_address=1), activation=Activation.ALWAYS)
    browser = citizens.browser()
    choice = "office=buergerbuero&service=meldebescheinigung&group=3"
    action, entries, _ = form_to_book(browser, choice=choice)
    answer = browser.post(action, data=entries)
    assert "Fast geschafft" in Page(browser.get(answer.location)).text
    waiting = stored(citizens)
    assert [event["X-TERMIN-AWAITS"] for event in waiting] == ["activation"] * 3
    token = answer.location.split("/")[2]
    uid = min((str(event["UID"]) for event in waiting), key=len)
    code = activation_code(SECRET, "buergerbuero", uid, PERSON["email"])
    done = browser.post(f"/termin/{token}/bestaetigen/{code}", follow_redirects=True)
    assert "gebucht" in Page(done).text
    assert [event["STATUS"] for event in stored(citizens)] == ["CONFIRMED"] * 3
    other = citizens.browser()
    action, entries, _ = form_to_book(other, MONDAY_9)
    assert other.post(action, data=entries).status_code == 429


def test_more_time_comes_to_an_end_and_she_can_still_book(citizens):
    browser = citizens.browser()
    address = begin(browser)
    said = []
    for _ in range(15):
        citizens.clock.advance(minutes=9)
        page = browser.post(address, data={**PERSON, "wish": "prolong"})
        assert page.status_code == 200
        said.append("Verlängert." in page.text)
        if not said[-1]:
            break
    assert said[:11] == [True] * 11, "ten times at least (WCAG 2.2.1)"
    assert said[-1] is False
    assert PERSON["name"] in page.text
    form = Page(browser.post(address, data=PERSON)).form("/buchen")
    done = browser.post(form["action"], data=form["fields"], follow_redirects=True)
    assert "Ihr Termin ist gebucht" in Page(done).text


def test_what_begins_soon_is_kept_until_it_begins(guarded):
    citizens = guarded(activation=Activation.ALWAYS)
    citizens.clock.now = datetime.fromisoformat(MONDAY_8) - timedelta(minutes=65)
    browser = citizens.browser()
    action, entries, _ = form_to_book(browser)
    citizens.clock.advance(minutes=8)
    waiting = Page(browser.get(browser.post(action, data=entries).location))
    assert "bis 8:00 Uhr" in waiting.text

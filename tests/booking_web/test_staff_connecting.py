"""The page "connect your calendar": addresses that exist, and secrets that are shown once."""

from __future__ import annotations

import html
import re

import pytest
import requests

from tests.booking_web.test_staff import log_in, staff, token
from tests.support.calendar import PASSWORD

__all__ = ["staff"]
PUBLIC = "https://calendar.example"


def post(browser, path: str, **form: str):
    return browser.post(path, data={**form, "csrf_token": token(browser.get("/connect"))})


def secret(answer) -> str:
    return html.unescape(re.search(r'<code class="breakable">([^<]+)</code>', answer.text)[1])


def addresses(page) -> list[str]:
    return [each.removeprefix(PUBLIC) for each in re.findall(rf"<code>({PUBLIC}/[^<]+/)</code>", page.text)]


@pytest.mark.parametrize(
    ("user", "own"),
    [
        ("clerk1", ["/clerk1/calendar/", "/buergerbuero/appointments/"]),
        ("lead", ["/buergerbuero/appointments/"]),
        ("admin", ["/buergerbuero/appointments/"]),
    ],
)
def test_everybody_is_told_addresses_that_exist(citizens, staff, user, own):
    browser, _ = log_in(staff, user)
    told = addresses(browser.get("/connect"))
    assert [each for each in told if each != "/"] == own
    for path in told:
        answer = requests.request(
            "PROPFIND",
            citizens.calendar.url + path,
            auth=(user, PASSWORD),
            headers={"Depth": "0"},
            timeout=10,
        )
        assert answer.status_code == 207


def test_a_secret_address_is_made_shown_once_and_revoked(citizens, staff):
    browser, _ = log_in(staff)
    address = secret(post(browser, "/connect/feeds", label="Outlook im Büro"))
    assert address.startswith(f"{PUBLIC}/feeds/")
    there = address.replace(PUBLIC, citizens.calendar.url)
    assert requests.get(there, timeout=10).status_code == 200
    page = browser.get("/connect")
    assert address not in page.text
    assert "Outlook im Büro" in page.text
    assert "zuletzt benutzt am Dienstag, 1. Dezember 2026" in page.text
    assert page.headers["Cache-Control"] == "no-store"
    number = re.search(r"/connect/feeds/(\d+)/revoke", page.text)[1]
    assert post(browser, f"/connect/feeds/{number}/revoke").location == "/connect"
    assert requests.get(there, timeout=10).status_code == 404
    assert "Outlook im Büro" not in browser.get("/connect").text
    assert post(browser, f"/connect/feeds/{number}/revoke").status_code == 303
    assert post(browser, f"/connect/feeds/{'9' * 20}/revoke").status_code == 303


def test_an_app_password_works_for_calendars_and_makes_no_others(citizens, staff):
    browser, _ = log_in(staff)
    password = secret(post(browser, "/connect/passwords", label="Thunderbird"))
    calendar = f"{citizens.calendar.url}/clerk1/calendar/"

    def status() -> int:
        answer = requests.request(
            "PROPFIND", calendar, auth=("clerk1", password), headers={"Depth": "0"}, timeout=10
        )
        return answer.status_code

    assert status() == 207
    program, answer = log_in(staff, "clerk1", password)
    assert answer.status_code == 422
    assert "Es gilt nur für Kalenderprogramme." in answer.text
    assert program.get("/").status_code == 303
    page = browser.get("/connect")
    assert password not in page.text
    number = re.search(r"/connect/passwords/(\d+)/revoke", page.text)[1]
    post(browser, f"/connect/passwords/{number}/revoke")
    assert status() == 401


@pytest.mark.parametrize("path", ["/connect/feeds", "/connect/passwords"])
@pytest.mark.parametrize("label", ["", "   ", "\u202e"])
def test_a_secret_needs_a_name(citizens, staff, path, label):
    browser, _ = log_in(staff)
    answer = post(browser, path, label=label)
    assert answer.status_code == 422
    assert "Bitte geben Sie einen Namen ein." in answer.text


def test_too_many_addresses_are_refused_in_words(citizens, staff):
    browser, _ = log_in(staff)
    answers = [post(browser, "/connect/feeds", label=str(number)) for number in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [422]
    assert "Sperren Sie erst eine" in answers[-1].text


def test_without_a_token_of_the_form_nothing_is_made(citizens, staff):
    browser, _ = log_in(staff)
    assert browser.post("/connect/feeds", data={"label": "x"}).status_code == 400
    assert citizens.calendar.client("clerk1").feeds() == []

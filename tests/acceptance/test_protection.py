"""A town that isn't the demo: robots need proof, people without scripts confirm by mail, and limits hold, from the settings to the Maildir."""

from __future__ import annotations

import email
import os
import re
import subprocess
from email.policy import default
from html import unescape
from typing import TYPE_CHECKING

import pytest
import requests

from config.commands.options import EXAMPLE
from tests.config.test_serve import TERMIN, Serving
from tests.config.test_supervisor import wait_until
from tests.support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage

WAIT_SECONDS = 40
CHOICE = "office=buergerbuero&service=meldebescheinigung"
SETTINGS = {
    "TERMIN_SERVER_TRUST_PROXY": "true",
    "TERMIN_FAIRNESS_APPOINTMENTS_PER_ADDRESS": "1",
    "TERMIN_FAIRNESS_BOOKINGS_PER_NETWORK": "4",
}


@pytest.fixture(scope="module")
def town(tmp_path_factory) -> Iterator[Serving]:
    dav, site, staff = free_port(), free_port(), free_port()
    folder, output = tmp_path_factory.mktemp("town") / "data", tmp_path_factory.mktemp("output") / "output"
    ports = ("--dav-port", str(dav), "--site-port", str(site), "--staff-port", str(staff))
    with output.open("w") as file:
        process = subprocess.Popen(
            [str(TERMIN), "serve", "--config", str(EXAMPLE), "--data", str(folder), *ports],
            stdout=file,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **SETTINGS},
        )
    serving = Serving(process, folder, output, dav, site, staff)
    serving.wait_until_ready()
    yield serving
    serving.stop()


class Browser:
    """Without scripts, behind the town's proxy."""

    def __init__(self, town: Serving, address: str) -> None:
        self.base = f"http://127.0.0.1:{town.site}"
        self.session = requests.Session()
        self.session.headers["X-Forwarded-For"] = f"192.0.2.99, {address}"
        self.session.headers["X-Forwarded-Proto"] = "https"

    def get(self, path: str) -> requests.Response:
        return self.session.get(self.base + path, timeout=20)

    def post(self, path: str, data: dict[str, str] | None = None) -> requests.Response:
        return self.session.post(self.base + path, data=data, timeout=20)

    def hold(self, nth: int) -> requests.Response:
        page = self.get(f"/termin/zeit?{CHOICE}").text
        key = re.search(r'name="key" value="([^"]+)"', page)[1]
        starts = re.findall(r'name="start" value="([^"]+)"', page)
        return self.post(f"/termin/zeit?{CHOICE}", {"key": key, "start": starts[nth]})

    def book(self, nth: int, mail: str) -> requests.Response:
        held = self.hold(nth)
        assert held.status_code == 200, held.text
        person = {"name": "Erika Mustermann", "email": mail}
        checked = self.post(held.url.removeprefix(self.base), person).text
        action = unescape(re.search(r'action="([^"]+/buchen[^"]*)"', checked)[1])
        assert "data-proof=" in checked
        return self.post(action, person)


@pytest.fixture
def visitor(town):
    """A browser at some address."""
    opened = []

    def make(address: str) -> Browser:
        opened.append(Browser(town, address))
        return opened[-1]

    yield make
    for browser in opened:
        browser.session.close()


def mails(town: Serving) -> list[EmailMessage]:
    files = sorted((town.data / "mail").glob("new/*"), key=lambda file: file.stat().st_mtime_ns)
    return [email.message_from_bytes(file.read_bytes(), policy=default) for file in files]


def test_a_program_without_a_key_must_send_a_proof(town):
    body = {
        "office": "buergerbuero",
        "services": [{"id": "meldebescheinigung"}],
        "start": "2030-01-07T08:00:00+01:00",
        "name": "Max Muster",
        "email": "max@example.org",
    }
    answer = requests.post(f"http://127.0.0.1:{town.site}/api/v1/appointments", json=body, timeout=20)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["altcha"]


def test_a_browser_without_scripts_confirms_by_mail_and_an_address_has_its_limit(town, visitor):
    browser = visitor("203.0.113.7")
    waiting = browser.book(0, "erika@example.org")
    assert "Fast geschafft" in waiting.text
    wait_until(lambda: len(mails(town)) == 1, WAIT_SECONDS)
    text = mails(town)[0].get_body(("plain",)).get_content()
    path = re.search(r"https?://[^/]+(/termin/\S+/bestaetigen/\S+)", text)[1]
    assert "Ja, Termin bestätigen" in browser.get(path).text
    assert len(mails(town)) == 1
    assert "Ihr Termin ist gebucht" in browser.post(path).text
    wait_until(lambda: len(mails(town)) == 2, WAIT_SECONDS)
    assert any(part.get_content_type() == "text/calendar" for part in mails(town)[1].walk())
    refused = visitor("198.51.100.7").book(3, "ERIKA+noch-einer@example.org")
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0


def test_a_network_is_told_when_it_has_booked_enough(visitor):
    statuses = [visitor(f"203.0.200.{number}").hold(number).status_code for number in range(6)]
    assert statuses == [200] * 4 + [429] * 2
    assert visitor("198.51.100.8").hold(6).status_code == 200

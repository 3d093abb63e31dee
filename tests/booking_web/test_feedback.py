"""The feedback form, from the page through the calendar server's door and the worker's outbox to the town's mailbox."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from booking_web.notifications import mailroom
from booking_web.notifications.mailroom import Mailroom
from calendar_server.client import RefusedError
from tests.booking_web.conftest import site
from tests.notifications.world import World
from tests.notifications.world import world as make_world
from tests.support.calendar import CalendarServer, calendar_server
from tests.support.clock import Clock
from tests.support.databases import fresh_sqlite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask.testing import FlaskClient

    from tests.notifications.servers import Received

TEXT = "Die Knöpfe sind zu klein.\r\n\r\nIch kann sie nicht treffen: <b>schade</b>!"


@dataclass
class Running:
    """A site, the calendar server behind it, and the worker."""

    browser: FlaskClient
    server: CalendarServer
    world: World

    def write(self, **values: str):
        return self.browser.post("/rueckmeldung", data={"text": TEXT, **values})

    def mails(self) -> list[Received]:
        self.world.send()
        return self.world.mails()


@pytest.fixture
def running(town, directory, tmp_path) -> Iterator[Running]:
    clock, url, worker = Clock(), fresh_sqlite(tmp_path), f"sqlite:///{tmp_path / 'worker.sqlite'}"
    with (
        calendar_server(url, directory, clock, mailroom=Mailroom(worker, clock, town)) as server,
        make_world(url, worker, tmp_path, clock) as world,
        site(town, server.url, clock) as app,
    ):
        yield Running(app.test_client(), server, world)


def test_what_somebody_writes_reaches_the_towns_mailbox(running, town):
    answer = running.write(seite="/termin/zeit?service=reisepass", email="erika@müller.example")
    assert answer.status_code == 303
    assert "Danke für Ihre Rückmeldung" in running.browser.get(answer.location).text
    [mail] = running.mails()
    assert mail.message["To"] == town.accessibility.email
    assert mail.message["Auto-Submitted"] == "auto-generated"
    said = mail.text.replace("\r\n", "\n")
    assert "Die Knöpfe sind zu klein." in said
    assert "Seite: /termin/zeit\n" in said
    assert "Antwort an: erika@xn--mller-kva.example\n" in said
    assert "<b>schade</b>" in said
    [page] = [part for part in mail.message.walk() if part.get_content_type() == "text/html"]
    assert "&lt;b&gt;schade" in page.get_payload(decode=True).decode()


def test_nothing_personal_is_needed(running):
    assert running.write().status_code == 303
    [mail] = running.mails()
    assert "Antwort an: nicht angegeben" in mail.text


def test_a_second_click_sends_one_mail(running):
    running.write()
    running.write()
    assert len(running.mails()) == 1


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"text": " \r\n "}, "Schreiben Sie, was Ihnen aufgefallen ist."),
        ({"text": "x" * 2001}, "Es gehen höchstens 2000 Zeichen."),
        ({"email": "erika"}, "Die E-Mail-Adresse ist nicht vollständig."),
    ],
)
def test_a_mistake_is_named_and_nothing_typed_is_lost(running, values, said):
    answer = running.write(**values)
    assert answer.status_code == 422
    assert said in answer.text
    assert values.get("text", "Die Knöpfe sind zu klein.").strip()[:9] in answer.text
    assert running.mails() == []


def test_a_program_that_fills_every_field_sends_nothing(running):
    assert running.write(nachricht="x").status_code == 303
    assert running.mails() == []


def test_the_mailbox_cannot_be_flooded(running, monkeypatch):
    monkeypatch.setattr(mailroom, "MOST_FEEDBACK", 3)
    for number in range(3):
        assert running.write(text=f"Nummer {number}").status_code == 303
    answer = running.write(text="Nummer 4")
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert "Gerade können wir Ihre Rückmeldung nicht annehmen." in answer.text
    assert len(running.mails()) == 3
    running.world.clock.now += mailroom.timedelta(days=1, seconds=1)
    assert running.write(text="Nummer 4").status_code == 303


def test_only_the_site_has_this_door(running):
    for user in ("lead", "clerk1"):
        with pytest.raises(RefusedError, match="forbidden"):
            running.server.client(user).send_feedback("x", "", "")


def test_without_a_worker_it_says_so(citizens):
    answer = citizens.browser().post("/rueckmeldung", data={"text": TEXT})
    assert answer.status_code == 429
    assert "Gerade können wir Ihre Rückmeldung nicht annehmen." in answer.text


def test_the_form_is_linked_from_every_page_and_never_carries_a_token(shared):
    browser = shared.browser()
    assert 'href="/rueckmeldung?seite=/termin/"' in browser.get("/termin/").text
    assert 'href="/ar/rueckmeldung?seite=/ar/impressum"' in browser.get("/ar/impressum").text
    gone = browser.get("/termin/" + "a" * 42).text
    assert 'href="/rueckmeldung"' in gone
    shown = browser.get("/rueckmeldung?seite=/termin/" + "a" * 42)
    assert 'value="/termin/…"' in shown.text
    assert 'href="/rueckmeldung"' in browser.get("/barrierefreiheit").text


def test_the_accessibility_statement_says_what_the_land_asks_for(shared, town):
    """§ 10b (2) BGG NRW and § 5 BITVNRW: gaps with reasons and alternatives, contact form, ombuds procedure; date and status."""
    text = shared.browser().get("/barrierefreiheit").text
    contact = town.accessibility
    for said in (
        town.base_url,
        town.legal.name,
        "WCAG 2.2 in der Stufe AA zum größten Teil",
        "Montag, 23. November 2026",
        contact.law["de"],
        contact.known_gaps[0]["de"],
        contact.email,
        "spätestens nach sechs Wochen",
        contact.enforcement["de"],
        f'href="{contact.enforcement_url}"',
        contact.enforcement_email,
    ):
        assert said in text

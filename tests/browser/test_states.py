"""Where the way ends or goes on otherwise: time ran out, somebody was faster, the appointment is over, the calendar is away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.booking_web.conftest import site, world
from tests.booking_web.test_api import book
from tests.booking_web.test_pages import MONDAY_8, MONDAY_9, fill
from tests.browser.conftest import NARROW_WITHOUT_SCRIPTS, WIDE, Site
from tests.support.servers import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.browser,
    pytest.mark.parametrize(
        "page", [WIDE, NARROW_WITHOUT_SCRIPTS], ids=["wide", "narrow-nojs"], indirect=True
    ),
]
CHOICE = "office=buergerbuero&service=reisepass:2&service=beglaubigung"
TELEPHONE = "+49 30 23125 185"


@pytest.fixture
def own(town, directory, tmp_path) -> Iterator[Site]:
    """A town hall whose clock this test may turn."""
    with world(town, directory, tmp_path, demo=True) as made, serving(made.app) as url:
        yield Site(url, "", made)


def test_the_hold_runs_out_and_somebody_is_faster(page, own, healthy, shot):
    page.goto(f"{own.url}/termin/zeit?{CHOICE}&day=2026-12-07")
    page.locator(".chooser .times .time").first.click()
    expect(page.get_by_text("Wir halten diese Zeit bis 12:10 Uhr für Sie frei.")).to_be_visible()
    page.get_by_role("button", name="Länger frei halten").click()
    expect(page.locator("#prolonged")).to_be_focused()
    own.world.clock.advance(minutes=11)
    page.goto(page.url)
    expect(page.get_by_text("Wir halten diese Zeit nicht mehr für Sie frei.")).to_be_visible()
    healthy(page)
    shot(page, "ran-out")
    expect(page.get_by_role("button", name="Andere Zeit wählen")).to_be_visible()
    page.get_by_label("Vorname und Nachname").fill("Erika Mustermann")
    page.get_by_label("E-Mail-Adresse").fill("erika@example.org")
    page.get_by_role("button", name="Weiter", exact=True).last.click()
    fill(own.world, MONDAY_8)
    page.get_by_role("button", name="Termin buchen").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Diese Zeit ist leider weg")
    expect(page.locator("#taken")).to_be_focused()
    healthy(page)
    shot(page, "taken")
    page.get_by_role("button", name="Alle freien Zeiten ansehen").click()
    expect(page.get_by_text("Ihre Eingaben bleiben erhalten.")).to_be_visible()
    page.locator(".chooser .times .time").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Stimmt alles?")
    page.get_by_role("button", name="Termin buchen").click()
    expect(page.locator(".done__time")).to_have_text("Montag, 7. Dezember 2026, 8:45 Uhr")


def test_moving_to_a_time_that_went_keeps_the_old_one(page, own, healthy, shot):
    made = book(own.world)
    page.goto(f"{own.url}/termin/{made['token']}/verschieben?start={MONDAY_9.replace('+', '%2B')}")
    fill(own.world, MONDAY_9)
    page.get_by_role("button", name="Ja, verschieben").click()
    expect(page.locator("#taken")).to_be_focused()
    expect(page.get_by_text("Ihr alter Termin bleibt bestehen.")).to_be_visible()
    healthy(page)
    shot(page, "move-taken")


def test_once_it_begins_it_cannot_be_changed_and_afterwards_it_is_over(page, own, healthy, shot):
    made = book(own.world, start="2026-12-02T08:00:00+01:00")
    address = f"{own.url}/termin/{made['token']}"
    own.world.clock.advance(hours=20, minutes=5)
    page.goto(address)
    expect(page.get_by_text("Online lässt sich dieser Termin nicht mehr ändern.")).to_contain_text(TELEPHONE)
    expect(page.get_by_role("link", name="Termin absagen")).to_have_count(0)
    healthy(page)
    shot(page, "begun")
    own.world.clock.advance(hours=1)
    page.reload()
    expect(page.get_by_role("heading", name="Dieser Termin ist vorbei")).to_be_visible()
    healthy(page)
    shot(page, "over")
    page.goto(f"{address}/absagen")
    expect(page.get_by_role("heading", level=1)).to_have_text("Online geht das nicht mehr")
    expect(page.locator("main")).to_contain_text(TELEPHONE)
    healthy(page)
    shot(page, "too-late")
    page.get_by_role("link", name="Zurück zu meinem Termin").click()
    expect(page.get_by_role("heading", name="Dieser Termin ist vorbei")).to_be_visible()


def test_while_the_calendar_is_away_nothing_gets_lost(page, own, healthy, shot, town):
    page.goto(f"{own.url}/termin/zeit?{CHOICE}&day=2026-12-14")
    page.locator(".chooser .times .time").first.click()
    page.get_by_label("Vorname und Nachname").fill("Erika Mustermann")
    page.get_by_label("E-Mail-Adresse").fill("erika@example.org")
    page.get_by_role("button", name="Weiter", exact=True).last.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Stimmt alles?")
    with site(town, "http://127.0.0.1:9", own.world.clock, demo=True) as lonely, serving(lonely) as away:
        # The same page, as if the calendar had gone after it was opened.
        page.route(
            "**/buchen?*",
            lambda route: route.fulfill(
                response=route.fetch(url=route.request.url.replace(own.url, away), max_redirects=0)
            ),
        )
        page.get_by_role("button", name="Termin buchen").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Einen Moment bitte")
        expect(page.locator("main")).to_contain_text("Es ist nichts verloren gegangen.")
        expect(page.locator("main")).to_contain_text(TELEPHONE)
        healthy(page)
        shot(page, "away")
    page.unroute_all()
    page.get_by_role("button", name="Noch einmal versuchen").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Ihr Termin ist gebucht")


def test_feedback_says_what_is_missing_and_keeps_what_was_written(page, own, healthy, shot):
    page.goto(f"{own.url}/termin/?service=reisepass")
    page.get_by_role("link", name="Rückmeldung").click()
    expect(page.get_by_label("Um welche Seite geht es?")).to_have_value("/termin/")
    page.get_by_label("E-Mail-Adresse").fill("erika")
    page.get_by_role("button", name="Absenden").click()
    expect(page.locator("#errors")).to_be_focused()
    healthy(page)
    shot(page, "feedback-errors")
    page.get_by_role("link", name="Schreiben Sie, was Ihnen aufgefallen ist.").click()
    expect(page.get_by_label("Was möchten Sie uns sagen?")).to_be_focused()
    page.keyboard.type("Die Schrift ist zu klein.")
    page.get_by_label("E-Mail-Adresse").fill("erika@example.org")
    page.get_by_role("button", name="Absenden").click()
    # Nobody takes it here (`tests.booking_web.test_feedback` has it sent): what she wrote waits in the form.
    expect(page.get_by_role("heading", level=1)).to_have_text("Gerade geht das nicht")
    expect(page.locator("main")).to_contain_text("ab 13:00 Uhr")
    expect(page.locator("input[name=text]")).to_have_value("Die Schrift ist zu klein.")
    healthy(page)
    shot(page, "feedback-away")
    page.goto(f"{own.url}/rueckmeldung/danke")
    expect(page.get_by_role("heading", level=1)).to_have_text("Danke für Ihre Rückmeldung")
    healthy(page)
    shot(page, "feedback-sent")

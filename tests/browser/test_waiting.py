"""The waiting list in the browser: onto it, and what's offered, with and without scripts, at both widths."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from playwright.sync_api import expect

from booking_web.site import site_of
from tests.booking_web.conftest import world
from tests.booking_web.test_waiting import CHOICE, CLERKS, away, back, booked
from tests.browser.conftest import Site
from tests.support.servers import serving
from tests.support.town import at
from tests.support.waiting import wish

pytestmark = pytest.mark.browser


@pytest.fixture
def full(town, directory, tmp_path):
    """A town hall in which all are away, until a test brings one back."""
    with world(town, directory, tmp_path, demo=True) as made:
        for name in CLERKS:
            away(made, name, days=90)
        with serving(made.app) as url:
            yield Site(url, "", made)


def test_nothing_is_free_so_she_waits_and_takes_what_is_offered(page, full, healthy, shot):
    page.goto(f"{full.url}/termin/zeit?{CHOICE}")
    expect(page.get_by_role("heading", name="Gerade ist nichts frei")).to_be_visible()
    healthy(page)
    shot(page, "nothing")
    page.get_by_role("link", name="Auf die Warteliste").click()
    healthy(page)
    page.get_by_label("Mittwoch").uncheck()
    page.get_by_label("Montag").uncheck()
    page.locator("main").get_by_role("button", name="Weiter").last.click()
    expect(page.get_by_role("link", name="Wählen Sie mindestens einen Wochentag.")).to_be_visible()
    expect(page.locator("#errors")).to_be_focused()
    healthy(page)
    shot(page, "errors")
    page.get_by_label("Mittwoch").check()
    page.get_by_label("Vormittags, bis 12 Uhr").check()
    page.get_by_label("Bis wann brauchen Sie den Termin spätestens?").fill("2026-12-31")
    page.get_by_label("Vorname und Nachname").fill("Erika Muster")
    page.get_by_label("E-Mail-Adresse").fill("erika@example.org")
    shot(page, "form")
    page.locator("main").get_by_role("button", name="Weiter").last.click()
    expect(page.get_by_role("heading", name="Stimmt alles?")).to_be_visible()
    healthy(page)
    shot(page, "check")
    page.get_by_role("button", name="Angaben ändern").click()
    expect(page.get_by_label("Vormittags, bis 12 Uhr")).to_be_checked()
    page.locator("main").get_by_role("button", name="Weiter").last.click()
    page.get_by_role("button", name="Auf die Warteliste setzen").click()
    expect(page.get_by_role("heading", name="Sie stehen auf der Warteliste")).to_be_visible()
    healthy(page)
    shot(page, "waiting")
    back(full.world)
    page.reload()
    expect(page.get_by_role("heading", name="Ein Termin ist für Sie frei")).to_be_visible()
    expect(page.get_by_text("bis Dienstag, 1. Dezember, 16:00 Uhr")).to_be_visible()
    healthy(page)
    shot(page, "offered")
    page.get_by_role("button", name="Termin annehmen").click()
    expect(page.get_by_role("heading", name="Ihr Termin ist gebucht")).to_be_visible()
    expect(page.get_by_text("Mittwoch, 2. Dezember 2026, 8:00 Uhr").first).to_be_visible()


def test_she_declines_and_leaves(page, full, healthy, shot):
    page.goto(f"{full.url}/termin/warteliste?{CHOICE}")
    page.get_by_label("Bis wann brauchen Sie den Termin spätestens?").fill("2026-12-02")
    page.get_by_label("Vorname und Nachname").fill("Erika Muster")
    page.get_by_label("E-Mail-Adresse").fill("erika@example.org")
    page.locator("main").get_by_role("button", name="Weiter").last.click()
    page.get_by_role("button", name="Auf die Warteliste setzen").click()
    place = page.url.partition("?")[0]
    back(full.world)
    page.goto(place)
    page.get_by_role("button", name="Termin ablehnen").click()
    expect(page.get_by_text("Sie haben den Termin abgelehnt")).to_be_visible()
    healthy(page)
    shot(page, "declined")
    page.goto(place)
    page.get_by_role("link", name="Von der Warteliste abmelden").click()
    expect(page.get_by_role("heading", name="Möchten Sie sich")).to_be_visible()
    healthy(page)
    shot(page, "leave")
    page.get_by_role("button", name="Ja, abmelden").click()
    expect(page.get_by_role("heading", name="Sie stehen nicht mehr auf der Warteliste")).to_be_visible()
    healthy(page)
    shot(page, "left")


def test_too_late_and_gone_have_their_own_words(page, full, healthy, shot):
    page.goto(f"{full.url}/termin/warteliste/{'a' * 42}")
    expect(page.get_by_role("heading", name="gibt es nicht mehr")).to_be_visible()
    healthy(page)
    page.goto(f"{full.url}/termin/warteliste/eingetragen")
    healthy(page)
    shot(page, "added")
    page.goto(f"{full.url}/termin/warteliste?{CHOICE}")
    page.get_by_label("Bis wann brauchen Sie den Termin spätestens?").fill("2026-12-02")
    page.get_by_label("Vorname und Nachname").fill("Erika Muster")
    page.get_by_label("E-Mail-Adresse").fill("erika@example.org")
    page.locator("main").get_by_role("button", name="Weiter").last.click()
    page.get_by_role("button", name="Auf die Warteliste setzen").click()
    place = page.url.partition("?")[0]
    back(full.world)
    page.goto(place)
    full.world.clock.advance(hours=5)
    page.get_by_role("button", name="Termin annehmen").click()
    expect(page.get_by_role("heading", name="Dieses Angebot gilt nicht mehr")).to_be_visible()
    healthy(page)
    shot(page, "too-late")


def test_what_is_free_is_shown_before_she_waits(page, full, healthy, shot):
    back(full.world)
    site_of(full.world.app).follower.feeds["buergerbuero"].outdate()
    page.goto(f"{full.url}/termin/warteliste?{CHOICE}")
    page.get_by_label("Bis wann brauchen Sie den Termin spätestens?").fill("2026-12-31")
    page.get_by_label("Vorname und Nachname").fill("Erika Muster")
    page.get_by_label("E-Mail-Adresse").fill("erika@example.org")
    page.locator("main").get_by_role("button", name="Weiter").last.click()
    expect(page.get_by_role("heading", name="Das ist gerade frei")).to_be_visible()
    healthy(page)
    shot(page, "free")
    page.get_by_role("link", name="Mittwoch, 2. Dezember, 8:00 Uhr").click()
    expect(page.get_by_role("heading", name="Wann möchten Sie kommen?")).to_be_visible()


def test_staff_see_how_many_wait(page, running, healthy, shot):
    site = running.world.calendar.client()
    site.add_wish(asdict(wish("browser", until=at(9, 0), weekdays=0b10)))
    page.goto(running.staff_url + "/login")
    page.get_by_label("Konto").fill("lead")
    page.get_by_label("Passwort").fill("demo")
    page.get_by_role("button", name="Anmelden").click()
    page.get_by_role("link", name="Warteliste").click()
    expect(page.get_by_role("heading", name="Warteliste", exact=True)).to_be_visible()
    expect(page.get_by_text("1 Person wartet.")).to_be_visible()
    healthy(page)
    shot(page, "waiting-staff")


def test_who_has_an_appointment_waits_for_another_time(page, town, directory, tmp_path, healthy, shot):
    with world(town, directory, tmp_path, demo=True) as made:
        token = booked(made)
        with serving(made.app) as url:
            page.goto(f"{url}/termin/{token}/verschieben")
            healthy(page)
            page.get_by_role("link", name="Auf die Warteliste").click()
            expect(page.get_by_label("E-Mail-Adresse")).to_have_count(0)
            healthy(page)
            shot(page, "instead")
            page.locator("main").get_by_role("button", name="Weiter").last.click()
            expect(page.locator("#errors")).to_be_focused()
            healthy(page)
            page.get_by_label("Bis wann brauchen Sie den Termin spätestens?").fill("2026-12-31")
            page.locator("main").get_by_role("button", name="Weiter").last.click()
            expect(page.get_by_role("heading", name="Stimmt alles?")).to_be_visible()
            healthy(page)
            shot(page, "instead-check")
            page.get_by_role("link", name="Angaben ändern").click()
            expect(page.get_by_label("Bis wann brauchen Sie den Termin spätestens?")).to_have_value(
                "2026-12-31"
            )
            page.locator("main").get_by_role("button", name="Weiter").last.click()
            page.get_by_role("button", name="Auf die Warteliste setzen").click()
            expect(page.get_by_role("heading", name="Sie stehen auf der Warteliste")).to_be_visible()
            back(made)
            page.reload()
            healthy(page)
            shot(page, "instead-offered")
            page.get_by_role("button", name="Termin annehmen").click()
            expect(page.get_by_role("heading", name="Mein Termin")).to_be_visible()
            expect(page.get_by_text("Ihr Termin ist verschoben")).to_be_visible()
            assert page.url.split("?")[0] == f"{url}/termin/{token}"

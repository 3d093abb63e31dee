"""A citizen books, moves and cancels in a real browser; every page she sees passes axe."""

from __future__ import annotations

import re

import pytest
from icalendar import Calendar
from playwright.sync_api import expect

from tests.browser.conftest import NARROW_WITHOUT_SCRIPTS, WIDE

pytestmark = pytest.mark.browser


def choose_a_time(page, running, healthy):
    page.goto(running.url + "/")
    healthy(page)
    page.get_by_role("link", name="Termin buchen").click()
    page.get_by_role("checkbox", name="Reisepass").check()
    page.get_by_label("Für wie viele Personen? Reisepass").select_option("2")
    page.get_by_role("checkbox", name="Beglaubigung").check()
    healthy(page)
    page.get_by_role("button", name="Weiter").click()
    expect(page.get_by_text("Digitales Passfoto")).to_be_visible()
    healthy(page)
    page.get_by_role("link", name="Weiter zu Tag und Uhrzeit").click()
    healthy(page)
    page.get_by_role("link", name="Als Kalender zeigen").click()
    page.get_by_role("link", name="Montag, 7. Dezember: ").click()
    expect(page.get_by_role("heading", name="Montag, 7. Dezember 2026")).to_be_visible()
    healthy(page)
    page.get_by_role("list", name="Nachmittag").get_by_role("button").first.click()


def enter_her_data(page, healthy):
    expect(page.get_by_role("heading", level=1)).to_have_text("Wer kommt?")
    expect(page.get_by_text("Wir halten diese Zeit bis 12:10 Uhr für Sie frei.")).to_be_visible()
    healthy(page)
    page.get_by_role("button", name="Weiter", exact=True).last.click()
    expect(page.get_by_role("alert")).to_be_focused()
    healthy(page)
    page.get_by_role("link", name="Geben Sie Ihren Namen ein.").click()
    expect(page.get_by_label("Vorname und Nachname")).to_be_focused()
    page.get_by_label("Vorname und Nachname").fill("Erika Mustermann")
    page.get_by_label("E-Mail-Adresse").fill("erika@example.org")
    page.keyboard.press("Enter")


def test_the_whole_way(page, running, healthy):
    choose_a_time(page, running, healthy)
    enter_her_data(page, healthy)
    expect(page.get_by_role("heading", level=1)).to_have_text("Stimmt alles?")
    healthy(page)
    page.get_by_role("button", name="Angaben ändern").click()
    expect(page.get_by_label("E-Mail-Adresse")).to_have_value("erika@example.org")
    page.get_by_role("button", name="Weiter", exact=True).last.click()
    page.get_by_role("button", name="Termin buchen").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Ihr Termin ist gebucht")
    healthy(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="In meinen Kalender").click()
    event = Calendar.from_ical(download.value.path().read_bytes()).walk("VEVENT")[0]
    assert event.start.hour >= 12

    page.get_by_role("link", name="Mein Termin").click()
    healthy(page)
    page.get_by_role("link", name="Termin verschieben").click()
    healthy(page)
    page.get_by_role("list", name="Vormittag").get_by_role("link").first.click()
    healthy(page)
    page.get_by_role("button", name="Ja, verschieben").click()
    expect(page.get_by_text("Ihr Termin ist verschoben")).to_be_visible()
    healthy(page)
    page.get_by_role("link", name="Termin absagen").click()
    healthy(page)
    page.get_by_role("button", name="Ja, Termin absagen").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Ihr Termin ist abgesagt")
    healthy(page)
    page.reload()


OTHERS = [
    "/en/",
    "/en/termin/",
    "/impressum",
    "/datenschutz",
    "/barrierefreiheit",
    "/leichte-sprache",
    "/embed",
    "/nothing",
    "/termin/" + "a" * 42,
    "/termin/?weiter=1",
    "/termin/?q=xyzzy",
]


@pytest.mark.parametrize("page", [WIDE, NARROW_WITHOUT_SCRIPTS], ids=["wide", "narrow-nojs"], indirect=True)
def test_every_other_page(page, running, healthy):
    for path in OTHERS:
        page.goto(running.url + path)
        healthy(page)


@pytest.mark.parametrize("page", [WIDE, NARROW_WITHOUT_SCRIPTS], ids=["wide", "narrow-nojs"], indirect=True)
def test_the_staff_pages(page, running, healthy):
    page.goto(running.staff_url + "/")
    healthy(page)
    page.get_by_label("Konto").fill("lead")
    page.get_by_label("Passwort").fill("wrong")
    page.get_by_role("button", name="Anmelden").click()
    expect(page.get_by_role("alert")).to_contain_text("Konto oder Passwort stimmt nicht.")
    healthy(page)
    page.get_by_label("Passwort").fill("demo")
    page.get_by_role("button", name="Anmelden").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("Dienstag, 1. Dezember 2026"))
    healthy(page)
    page.get_by_role("link", name="Kalender verbinden").click()
    healthy(page)
    page.get_by_role("button", name="Abmelden").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Anmelden")

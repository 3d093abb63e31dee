"""A family books, changes its mind and cancels one of them, in a real browser; every page passes axe."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def test_a_family_books_and_one_of_them_stays_at_home(page, running, healthy):
    page.goto(running.url + "/termin/")
    page.get_by_role("checkbox", name="Meldebescheinigung").check()
    page.get_by_label("Brauchen mehrere Personen einen eigenen Termin?").select_option("3")
    healthy(page)
    page.get_by_role("button", name="Weiter").click()
    page.get_by_role("link", name="Weiter zu Tag und Uhrzeit").click()
    healthy(page)
    page.get_by_role("link", name="Nacheinander").click()
    expect(page.get_by_role("link", name="Nacheinander")).to_have_attribute("aria-current", "true")
    page.locator(".times .time").first.click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Wer kommt?")
    expect(page.get_by_text("3. Termin:")).to_be_visible()
    healthy(page)
    page.get_by_label("Vorname und Nachname").fill("Erika Mustermann")
    page.get_by_label("E-Mail-Adresse").fill("familie@example.org")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Stimmt alles?")
    healthy(page)
    page.get_by_role("button", name="Termin buchen").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Ihr Termin ist gebucht")
    healthy(page)

    page.get_by_role("link", name="Mein Termin").click()
    healthy(page)
    page.get_by_role("link", name="Den 2. Termin").click()
    healthy(page)
    page.get_by_role("button", name="Ja, Termin absagen").click()
    expect(page.get_by_text("Ein Termin ist abgesagt")).to_be_visible()
    healthy(page)
    page.get_by_role("link", name="Alle Termine verschieben").click()
    healthy(page)
    page.get_by_role("list", name="Vormittag").get_by_role("link").last.click()
    page.get_by_role("button", name="Ja, verschieben").click()
    expect(page.get_by_text("Ihr Termin ist verschoben")).to_be_visible()
    page.get_by_role("link", name="Alle Termine absagen").click()
    healthy(page)
    page.get_by_role("button", name="Ja, alle Termine absagen").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Ihr Termin ist abgesagt")

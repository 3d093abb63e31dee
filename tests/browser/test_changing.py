"""Who changes something on the last page comes back to it, and nothing that she entered is lost, with and without scripts."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NARROW_WITHOUT_SCRIPTS, WIDE

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("page", [WIDE, NARROW_WITHOUT_SCRIPTS], ids=["wide", "narrow-nojs"], indirect=True)
def test_another_time_keeps_what_was_entered(page, running, healthy, shot):
    page.goto(f"{running.url}/termin/zeit?service=fundbuero")
    page.locator(".chooser .times .time").first.click()
    page.get_by_label("Vorname und Nachname").fill("Erika Mustermann")
    page.get_by_role("button", name="Andere Zeit wählen").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Wann möchten Sie kommen?")
    page.locator(".chooser .times .time").nth(3).click()
    expect(page.get_by_label("Vorname und Nachname")).to_have_value("Erika Mustermann")
    page.get_by_label("E-Mail-Adresse").fill("erika@example.org")
    page.get_by_label("Erinnern Sie mich").check()
    page.get_by_role("button", name="Weiter", exact=True).last.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Stimmt alles?")
    page.get_by_role("button", name="Andere Zeit wählen").click()
    page.get_by_role("button", name="Montag, 14. Dezember").click()
    expect(page.get_by_role("heading", name="Montag, 14. Dezember 2026")).to_be_in_viewport()
    healthy(page)
    shot(page, "other-time")
    chosen = page.locator(".chooser .times .time").last
    clock = chosen.inner_text()
    chosen.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Stimmt alles?")
    facts = page.locator("main")
    for text in (
        "Montag, 14. Dezember 2026",
        f"{clock} bis etwa",
        "Erika Mustermann",
        "erika@example.org",
        "Ja, mit einer E-Mail",
    ):
        expect(facts).to_contain_text(text)
    healthy(page)
    page.get_by_role("button", name="Anliegen ändern").click()
    expect(page.get_by_role("checkbox", name="Fundbüro")).to_be_checked()
    page.get_by_role("checkbox", name="Meldebescheinigung").check()
    healthy(page)
    shot(page, "other-services")
    page.get_by_role("button", name="Weiter", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Das bringen Sie bitte mit")
    healthy(page)
    shot(page, "other-documents")
    page.get_by_role("button", name="Zurück zu Ihren Angaben").click()
    expect(page.get_by_label("E-Mail-Adresse")).to_have_value("erika@example.org")
    page.get_by_role("button", name="Weiter", exact=True).last.click()
    expect(page.locator(".chosen")).to_contain_text("Meldebescheinigung")
    page.get_by_role("button", name="Termin buchen").click()
    expect(page.locator(".done__time")).to_have_text(f"Montag, 14. Dezember 2026, {clock}")

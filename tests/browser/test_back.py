"""Going back through the whole way asks nobody to send a form again: each page that she saw can be opened once more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NARROW_WITHOUT_SCRIPTS, WIDE, Site, world
from tests.support.servers import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.browser,
    pytest.mark.parametrize(
        "page", [WIDE, NARROW_WITHOUT_SCRIPTS], ids=["wide", "narrow-nojs"], indirect=True
    ),
]


@pytest.fixture
def own(town, directory, tmp_path) -> Iterator[Site]:
    """A town hall of this test's own."""
    with world(town, directory, tmp_path, demo=True) as made, serving(made.app) as url:
        yield Site(url, "", made)


def go_on(page):
    page.get_by_role("button", name="Weiter", exact=True).last.click()


def test_back_finds_every_page_and_what_was_entered(page, own):
    heading = page.get_by_role("heading", level=1)
    page.goto(f"{own.url}/termin/zeit?service=fundbuero")
    page.locator(".chooser .times .time").first.click()
    page.get_by_label("Vorname und Nachname").fill("Erika Mustermann")
    page.get_by_label("E-Mail-Adresse").fill("erika")
    go_on(page)
    expect(page.locator("#errors")).to_be_focused()
    page.get_by_label("E-Mail-Adresse").fill("erika@example.org")
    go_on(page)
    expect(heading).to_have_text("Stimmt alles?")
    page.get_by_role("button", name="Anliegen ändern").click()
    page.get_by_role("checkbox", name="Meldebescheinigung").check()
    go_on(page)
    expect(heading).to_have_text("Das bringen Sie bitte mit")
    page.get_by_role("button", name="Weiter zu Tag und Uhrzeit").click()
    page.get_by_role("button", name="Montag, 14. Dezember").click()
    expect(page.get_by_role("heading", name="Montag, 14. Dezember 2026")).to_be_in_viewport()
    for before in (
        "Wann möchten Sie kommen?",
        "Das bringen Sie bitte mit",
        "Was möchten Sie erledigen?",
        "Stimmt alles?",
    ):
        page.go_back()
        expect(heading).to_have_text(before)
    expect(page.locator("main")).to_contain_text("erika@example.org")
    page.reload()
    page.get_by_role("button", name="Angaben ändern").click()
    expect(heading).to_have_text("Wer kommt?")
    page.go_back()
    expect(heading).to_have_text("Stimmt alles?")
    page.get_by_role("button", name="Termin buchen").click()
    expect(heading).to_have_text("Ihr Termin ist gebucht")
    # Nothing of what was entered is left: the next person at this computer finds the appointment, which names nobody.
    page.go_back()
    expect(heading).to_have_text("Mein Termin")
    expect(page.locator("main")).not_to_contain_text("erika@example.org")
    assert [cookie["name"] for cookie in page.context.cookies()] == []
    page.get_by_role("link", name="Termin absagen").click()
    page.get_by_role("button", name="Ja, Termin absagen").click()
    expect(heading).to_have_text("Ihr Termin ist abgesagt")
    page.reload()
    expect(heading).to_have_text("Ihr Termin ist abgesagt")
    page.get_by_role("link", name="Neuen Termin buchen").click()
    expect(page.get_by_role("checkbox", name="Meldebescheinigung")).not_to_be_checked()
    page.go_back()
    expect(heading).to_have_text("Ihr Termin ist abgesagt")


def test_back_on_the_way_to_the_waiting_list_asks_to_send_nothing_again(page, own):
    heading = page.get_by_role("heading", level=1)
    page.goto(f"{own.url}/termin/warteliste?service=fundbuero")
    page.get_by_label("Bis wann brauchen Sie den Termin spätestens?").fill("2026-12-31")
    page.get_by_label("Vorname und Nachname").fill("Erika Mustermann")
    page.get_by_label("E-Mail-Adresse").fill("erika")
    go_on(page)
    expect(page.locator("#errors")).to_be_focused()
    page.get_by_label("E-Mail-Adresse").fill("erika@example.org")
    go_on(page)
    expect(heading).to_have_text("Stimmt alles?")
    page.reload()
    expect(page.locator("main")).to_contain_text("erika@example.org")
    page.get_by_role("button", name="Angaben ändern").click()
    expect(page.get_by_label("E-Mail-Adresse")).to_have_value("erika@example.org")
    page.go_back()
    expect(heading).to_have_text("Stimmt alles?")
    page.get_by_role("button", name="Auf die Warteliste setzen").click()
    # Something suits her at once.
    expect(heading).to_have_text("Ein Termin ist für Sie frei")
    page.go_back()
    expect(heading).to_have_text("Auf die Warteliste")
    expect(page.get_by_label("E-Mail-Adresse")).to_have_value("")
    assert [cookie["name"] for cookie in page.context.cookies()] == ["termin_entries"]

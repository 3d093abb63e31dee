"""Proof of work in the browser, confirming by mail without scripts, and the pages that tell of limits."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from booking_web.booking.tokens import activation_code
from booking_web.settings import Activation, Protection
from calendar_server.limits import Limits
from tests.booking_web.conftest import SECRET, world
from tests.browser.conftest import Site
from tests.support.servers import serving

pytestmark = pytest.mark.browser
CHOICE = "office=buergerbuero&service=meldebescheinigung"
MAIL = "erika@example.org"


@pytest.fixture(scope="module")
def guarded(town, directory, tmp_path_factory):
    protection = Protection(proof_of_work=True, activation=Activation.WITHOUT_PROOF)
    folder = tmp_path_factory.mktemp("guarded")
    with (
        world(town, directory, folder, Limits(per_address=2), protection=protection) as made,
        serving(made.app) as url,
    ):
        yield Site(url, "", made)


def has_scripts(request) -> bool:
    return request.node.callspec.params["page"][1]


def to_the_last_page(page, guarded, mail):
    page.goto(f"{guarded.url}/termin/zeit?{CHOICE}&day=2026-12-14")
    page.get_by_role("list", name="Vormittag").get_by_role("button").first.click()
    page.get_by_label("Vorname und Nachname").fill("Erika Mustermann")
    page.get_by_label("E-Mail-Adresse").fill(mail)
    page.get_by_role("button", name="Weiter", exact=True).last.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Stimmt alles?")


def test_a_browser_with_scripts_proves_it_and_one_without_confirms_by_mail(
    page, guarded, healthy, request, shot
):
    width, scripts = request.node.callspec.params["page"]
    mail = f"erika{width}{scripts}@example.org".lower()
    to_the_last_page(page, guarded, mail)
    healthy(page)
    page.get_by_role("button", name="Termin buchen").click()
    if scripts:
        expect(page.get_by_role("heading", level=1)).to_have_text("Ihr Termin ist gebucht", timeout=20_000)
        page.get_by_text("In einen anderen Kalender eintragen").click()
        expect(page.get_by_role("link", name="Google Kalender")).to_be_visible()
        healthy(page)
        shot(page, "done")
        return
    expect(page.get_by_role("heading", level=1)).to_contain_text("Bestätigen Sie Ihre E-Mail-Adresse")
    healthy(page)
    shot(page, "activate")
    page.get_by_role("button", name="E-Mail noch einmal schicken").click()
    expect(page.get_by_text("Die E-Mail ist unterwegs")).to_be_visible()
    healthy(page)
    token = re.search("/termin/([a-z2-7]{42})", page.url)[1]
    uid = f"{token[:26]}@{guarded.world.town.host}"
    code = activation_code(SECRET, "buergerbuero", uid, mail)
    page.goto(f"{guarded.url}/termin/{token}/bestaetigen/{code}")
    healthy(page)
    shot(page, "activate-now")
    page.get_by_role("button", name="Ja, Termin bestätigen").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Ihr Termin ist gebucht")


def test_the_trap_is_neither_seen_nor_reached_by_keyboard(page, guarded):
    page.goto(f"{guarded.url}/termin/zeit?{CHOICE}&day=2026-12-16")
    page.get_by_role("list", name="Vormittag").get_by_role("button").first.click()
    # What clips it counts, not how large it would be.
    around = page.locator("div[aria-hidden=true]", has=page.locator("[name=nachricht]")).bounding_box()
    assert (around["width"], around["height"]) == (1, 1)
    assert page.get_by_role("textbox", name="Dieses Feld bitte leer lassen").count() == 0
    page.get_by_label("E-Mail-Adresse").focus()
    for _ in range(12):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.name") != "nachricht"


def test_a_limit_is_told_on_a_page_of_its_own(page, guarded, healthy, request, shot):
    width, scripts = request.node.callspec.params["page"]
    mail = f"vielbucher{width}{scripts}@example.org".lower()
    for _ in range(3):
        to_the_last_page(page, guarded, mail)
        page.get_by_role("button", name="Termin buchen").click()
        page.wait_for_url(re.compile(r"/(fertig|buchen)"), timeout=20_000)
    expect(page.get_by_role("heading", level=1)).to_have_text("Gerade geht das nicht")
    expect(page.get_by_text("schon so viele Termine gebucht")).to_be_visible()
    healthy(page)
    shot(page, "limited")


def test_her_page_offers_the_mail_once_more(page, running, healthy, shot):
    page.goto(f"{running.url}/termin/zeit?{CHOICE}&day=2026-12-21")
    page.get_by_role("list", name="Vormittag").get_by_role("button").first.click()
    shot(page, "person")
    page.get_by_label("Vorname und Nachname").fill("Erika Mustermann")
    page.get_by_label("E-Mail-Adresse").fill(MAIL)
    page.get_by_role("button", name="Weiter", exact=True).last.click()
    page.get_by_role("button", name="Termin buchen").click()
    page.get_by_role("link", name="Mein Termin").click()
    page.get_by_role("button", name="E-Mail noch einmal schicken").click()
    expect(page.get_by_text("Die E-Mail ist unterwegs")).to_be_visible()
    healthy(page)
    shot(page, "appointment")

"""The pages under other conditions: a very narrow screen, dark colours, the keyboard alone."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.conftest import RULES
from tests.support.servers import serving

pytestmark = pytest.mark.browser
CHOICE = "office=buergerbuero&service=reisepass:2&service=beglaubigung"
PATHS = [
    "/",
    "/termin/?service=reisepass:2&weiter=",
    f"/termin/unterlagen?{CHOICE}",
    f"/termin/zeit?{CHOICE}",
    f"/termin/zeit?{CHOICE}&ansicht=monat",
    "/datenschutz",
]


@pytest.fixture
def opened(chromium):
    contexts = []

    def make(**values):
        contexts.append(chromium.new_context(locale="de-DE", **values))
        return contexts[-1].new_page()

    yield make
    for context in contexts:
        context.close()


def test_nothing_runs_off_the_side_at_320_pixels(running, opened):
    """320 CSS pixels are what 400 % zoom leaves of 1280 (WCAG 1.4.10)."""
    page = opened(viewport={"width": 320, "height": 480})
    for path in PATHS:
        page.goto(running.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, path


def test_dark_colours_have_contrast_too(running, opened):
    page = opened(color_scheme="dark", bypass_csp=True, viewport={"width": 1280, "height": 900})
    for path in PATHS:
        page.goto(running.url + path)
        results = Axe().run(page, options=RULES)
        assert results.violations_count == 0, results.generate_report()


def press(page, key, locator, limit=60):
    """Press a key until the thing has the focus."""
    for _ in range(limit):
        page.keyboard.press(key)
        if locator.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"{locator} can't be reached with {key}")


def test_the_keyboard_alone_is_enough(running, opened):
    page = opened(viewport={"width": 1280, "height": 900})
    page.goto(running.url + "/termin/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Zum Inhalt springen")).to_be_focused()
    page.keyboard.press("Enter")
    press(page, "Tab", page.get_by_role("checkbox", name="Fundbüro"))
    page.keyboard.press("Space")
    press(page, "Tab", page.get_by_role("button", name="Weiter"))
    page.keyboard.press("Enter")
    press(page, "Tab", page.get_by_role("link", name="Weiter zu Tag und Uhrzeit"))
    page.keyboard.press("Enter")
    press(page, "Tab", page.locator(".times .time").first)
    page.keyboard.press("Enter")
    press(page, "Tab", page.get_by_label("Vorname und Nachname"))
    page.keyboard.type("Erika Mustermann")
    press(page, "Tab", page.get_by_label("E-Mail-Adresse"))
    page.keyboard.type("erika@example.org")
    page.keyboard.press("Enter")
    press(page, "Tab", page.get_by_role("button", name="Termin buchen"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Ihr Termin ist gebucht")


def test_typing_filters_the_services_at_once(running, opened):
    page = opened()
    page.goto(running.url + "/termin/")
    page.get_by_role("searchbox").fill("umgezogen")
    expect(page.get_by_role("checkbox", name="Anmeldung")).to_be_visible()
    expect(page.get_by_role("checkbox", name="Fundbüro")).to_be_hidden()
    told = page.get_by_role("status")
    expect(told).to_have_text("1 Anliegen passt zu Ihrer Suche.")
    page.get_by_role("searchbox").fill("ausweis")
    expect(told).to_have_text("2 Anliegen passen zu Ihrer Suche.")
    page.get_by_role("searchbox").fill("xyzzy")
    expect(told).to_have_text("Dazu finden wir nichts. Unten sehen Sie alle Anliegen.")
    expect(page.get_by_role("checkbox", name="Fundbüro")).to_be_visible()
    page.get_by_role("searchbox").fill("")
    expect(told).to_have_text("")


def test_the_frame_is_as_high_as_its_content(running, opened):
    """The town's own page, from another origin, with our frame and our script."""
    page = opened(viewport={"width": 800, "height": 900})
    html = (
        f'<!doctype html><title>Stadt</title><iframe src="{running.url}/embed" title="Termin" width="700" height="150"></iframe>'
        f'<script src="{running.url}/embed.js"></script>'
    )

    def town_page(_environ, start_response):
        start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
        return [html.encode()]

    with serving(town_page) as outside:
        page.goto(outside.replace("127.0.0.1", "localhost"))
        frame = page.frame_locator("iframe")
        expect(frame.get_by_role("link", name="Reisepass")).to_be_visible()
        page.wait_for_function("document.querySelector('iframe').offsetHeight > 200")
        page.evaluate("window.wide = document.querySelector('iframe').offsetHeight")
        page.evaluate("document.querySelector('iframe').style.width = '300px'")
        page.wait_for_function("document.querySelector('iframe').offsetHeight > window.wide + 100")
        # As when a telephone is turned: it gets lower again, and nothing in it has to be scrolled.
        page.evaluate("document.querySelector('iframe').style.width = '700px'")
        page.wait_for_function("document.querySelector('iframe').offsetHeight === window.wide")
        inner = page.frames[1].evaluate("[document.documentElement.scrollHeight, window.innerHeight]")
        assert inner[0] <= inner[1]


@pytest.mark.parametrize("scripts", [True, False])
def test_going_back_finds_what_was_typed(running, opened, scripts):
    page = opened(java_script_enabled=scripts)
    page.goto(running.url + f"/termin/zeit?{CHOICE}")
    page.locator(".times .time").first.click()
    page.get_by_label("Vorname und Nachname").fill("Erika Mustermann")
    page.get_by_label("E-Mail-Adresse").fill("erika@example.org")
    page.get_by_role("button", name="Weiter", exact=True).last.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Stimmt alles?")
    page.go_back()
    expect(page.get_by_label("Vorname und Nachname")).to_have_value("Erika Mustermann")
    expect(page.get_by_label("E-Mail-Adresse")).to_have_value("erika@example.org")


@pytest.mark.parametrize("viewport", [{"width": 320, "height": 256}, {"width": 1280, "height": 600}])
def test_a_mistake_leads_to_its_field_with_the_question_in_sight(running, opened, viewport):
    """320 by 256 is 1280 by 1024 at 400 % (WCAG 2.2, 1.4.10)."""
    page = opened(viewport=viewport)
    page.goto(f"{running.url}/termin/zeit?service=fundbuero")
    page.locator(".chooser .times .time").last.click()
    page.get_by_role("button", name="Weiter", exact=True).last.click()
    page.evaluate(
        "() => { window.settled = new Promise((settle) => addEventListener('scrollend', settle, {once: true})) }"
    )
    page.get_by_role("link", name="Geben Sie Ihren Namen ein.").press("Enter")
    page.evaluate("() => window.settled.then(() => true)")
    expect(page.get_by_label("Vorname und Nachname")).to_be_focused()
    expect(page.locator("label[for=field-name]")).to_be_in_viewport(ratio=1)


def test_who_wants_less_motion_is_taken_there_at_once(running, opened):
    page = opened(reduced_motion="reduce")
    page.goto(running.url)
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"

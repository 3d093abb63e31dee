"""Every language in a real browser: axe finds nothing, nothing runs off the side, Arabic runs from right to left, and the way can be gone."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from booking_web.town import LANGUAGES
from tests.browser.conftest import RULES
from tests.browser.test_views import opened

__all__ = ["opened"]
pytestmark = pytest.mark.browser
CHOICE = "office=buergerbuero&service=reisepass:2&service=beglaubigung"
PATHS = [
    "/",
    "/termin/?service=reisepass:2&weiter=1",
    "/termin/?weiter=1",
    f"/termin/unterlagen?{CHOICE}",
    f"/termin/zeit?{CHOICE}",
    f"/termin/zeit?{CHOICE}&ansicht=monat",
    "/rueckmeldung",
    "/barrierefreiheit",
    "/datenschutz",
    "/impressum",
]


def prefix(language):
    return "" if language == "de" else f"/{language}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_are_accessible_in_every_language(running, opened, language):
    pages = {
        width: opened(bypass_csp=True, viewport={"width": width, "height": 900}) for width in (1280, 375, 320)
    }
    for number, path in enumerate(PATHS):
        # Wide and narrow pages have the same elements: each page is examined at one width, Arabic ones at both.
        examined = (1280, 375) if language == "ar" else ((1280, 375)[number % 2],)
        for width in (*examined, 320):
            page = pages[width]
            page.goto(running.url + prefix(language) + path)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)
            if width in examined:
                results = Axe().run(page, options=RULES)
                assert results.violations_count == 0, f"{language}{path} {width}\n{results.generate_report()}"


def left(locator):
    return locator.bounding_box()["x"]


def test_arabic_runs_from_right_to_left(running, opened):
    page = opened(viewport={"width": 1280, "height": 900})
    page.goto(running.url + "/ar/")
    assert left(page.locator(".site-header__home")) > left(page.locator(".languages"))
    arrow = page.locator(".hero .kern-icon--arrow-forward")
    assert left(arrow) < left(page.locator(".hero .kern-label"))
    assert arrow.evaluate("element => getComputedStyle(element).transform").startswith("matrix(-1")
    page.goto(running.url + "/ar/termin/")
    box, label = page.locator("#service-reisepass"), page.locator("label[for=service-reisepass]")
    assert left(box) > left(label)
    page.goto(running.url + f"/ar/termin/zeit?{CHOICE}&ansicht=monat")
    head = page.locator(".month th")
    assert left(head.first) > left(head.last)
    telephone = page.locator("a[href^='tel:']").first
    page.goto(running.url + "/ar/")
    assert telephone.evaluate("element => getComputedStyle(element).direction") == "ltr"


@pytest.mark.parametrize(("language", "width"), [("ar", 375), ("uk", 1280), ("tr", 375), ("leicht", 1280)])
def test_the_way_in_other_languages(running, opened, language, width):
    page = opened(bypass_csp=True, viewport={"width": width, "height": 900}, java_script_enabled=True)

    def healthy():
        page.wait_for_load_state()
        results = Axe().run(page, options=RULES)
        assert results.violations_count == 0, results.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth") <= width

    page.goto(running.url + f"/{language}/termin/zeit?service=fundbuero")
    page.locator(".chooser .times .time").last.click()
    healthy()
    page.locator("main form > .actions button").last.click()
    expect(page.get_by_role("alert")).to_be_focused()
    healthy()
    page.locator("#field-name").fill("Олена Шевченко")
    page.locator("#field-email").fill(f"{language}@example.org")
    page.locator("main form > .actions button").last.click()
    expect(page.locator("h1")).to_be_visible()
    healthy()
    page.locator("main form[data-once] button").last.click()
    expect(page.locator(".done")).to_be_visible()
    healthy()
    page.locator(".actions a").last.click()
    healthy()
    for way in ("verschieben", "absagen"):
        here = page.url
        page.goto(f"{here}/{way}")
        healthy()
        page.goto(here)


@pytest.mark.parametrize("language", ["de", "ar"])
def test_pages_print_without_what_is_only_for_the_screen(running, opened, language):
    page = opened(viewport={"width": 794, "height": 1123})
    page.emulate_media(media="print")
    page.goto(running.url + prefix(language) + f"/termin/unterlagen?{CHOICE}")
    expect(page.locator(".checklist").first).to_be_visible()
    for hidden in (".languages", ".site-footer", ".steps", ".demo-bar"):
        expect(page.locator(hidden)).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= 794
    expect(page.get_by_role("button")).to_have_count(0)


def test_no_page_asks_a_third_party_or_sets_a_cookie_before_a_time_is_chosen(running, opened):
    page = opened(viewport={"width": 1280, "height": 900})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for language in LANGUAGES:
        for path in PATHS:
            page.goto(running.url + prefix(language) + path)
    assert len(asked) > len(LANGUAGES) * len(PATHS)
    assert [url for url in asked if not url.startswith((running.url + "/", "data:"))] == []
    assert page.context.cookies() == []


def test_leichte_sprache_keeps_a_line_for_each_sentence(running, opened):
    page = opened(viewport={"width": 1280, "height": 900})
    page.goto(running.url + "/leicht/")
    way = page.locator(".facts dd", has_text="Das Rathaus ist in der Mitte von der Stadt.")
    assert way.inner_text().splitlines()[1] == "Vom Bahnhof gehen Sie 10 Minuten zu Fuß."
    page.goto(running.url + "/leicht/termin/?weiter=1")
    wrong = page.locator(".error-summary a")
    assert wrong.inner_text().splitlines() == [
        "Sie haben noch nichts ausgesucht.",
        "Machen Sie mindestens einen Haken.",
    ]

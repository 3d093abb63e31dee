"""The system's Chromium on the real site and the real calendar server, at two widths, with and without JavaScript."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

from booking_web.settings import StaffSettings
from booking_web.staff import create_app as create_staff
from tests.booking_web.conftest import SECRET, directory, town, world
from tests.support.servers import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from tests.booking_web.conftest import World

__all__ = ["directory", "town"]
NAMES = ("chromium", "chromium-browser", "google-chrome")
RULES = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    }
}


@dataclass(frozen=True)
class Site:
    """A running site and staff pages, and the world behind them."""

    url: str
    staff_url: str
    world: World


# How fast the machine is isn't what a test is about; playwright's own five seconds are too few for a busy one.
expect.set_options(timeout=60_000)


# Its event loop runs in this thread as long as it lives, and other tests begin loops of their own.
@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    path = next((found for found in map(shutil.which, NAMES) if found), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def running(town, directory, tmp_path_factory) -> Iterator[Site]:
    with world(town, directory, tmp_path_factory.mktemp("browser"), demo=True) as made:
        staff = create_staff(
            StaffSettings(
                town=replace(town, base_url="http://127.0.0.1"),
                calendar_url=made.calendar.url,
                calendar_public_url=made.calendar.url,
                signing_secret=SECRET,
                clock=made.clock,
            )
        )
        with serving(made.app) as url, serving(staff) as staff_url:
            yield Site(url, staff_url, made)


WIDE, WIDE_WITHOUT_SCRIPTS = (1280, True), (1280, False)
NARROW, NARROW_WITHOUT_SCRIPTS = (375, True), (375, False)


@pytest.fixture(
    params=[WIDE, WIDE_WITHOUT_SCRIPTS, NARROW, NARROW_WITHOUT_SCRIPTS],
    ids=["wide", "wide-nojs", "narrow", "narrow-nojs"],
)
def page(request, chromium) -> Iterator[Page]:
    """A page that fails its test when the browser complains: a script's error or something the policy forbids."""
    width, scripts = request.param
    context = chromium.new_context(
        viewport={"width": width, "height": 900},
        java_script_enabled=scripts,
        locale="de-DE",
        accept_downloads=True,
    )
    made = context.new_page()
    complaints: list[str] = []
    made.on("pageerror", lambda error: complaints.append(str(error)))
    made.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    yield made
    context.close()
    # A status that we mean (422, 409) is reported as a failed load.
    assert [text for text in complaints if "Failed to load resource" not in text] == []


@pytest.fixture(scope="package")
def examiners(chromium) -> Iterator[dict[int, Page]]:
    """A page for each width in which axe may run scripts, whatever the page under test allows."""
    contexts = {
        width: chromium.new_context(viewport={"width": width, "height": 900}, bypass_csp=True)
        for width in (1280, 375)
    }
    yield {width: context.new_page() for width, context in contexts.items()}
    for context in contexts.values():
        context.close()


@pytest.fixture
def healthy(examiners, request):
    """Check a page as it stands with axe, and that nothing runs off the side.

    Pages are the same with and without scripts: each width is examined with one of the two.
    """
    examined = request.node.callspec.params["page"] in {WIDE, NARROW_WITHOUT_SCRIPTS}

    def check(page: Page) -> None:
        if not examined:
            return
        # A click returns as soon as the next page begins to arrive: until it is there, there is nothing to examine.
        page.wait_for_load_state()
        width = page.viewport_size["width"]
        copy = examiners[width]
        base = page.url.split("/", 3)
        html = page.content().replace("<head>", f'<head><base href="{base[0]}//{base[2]}/">', 1)
        copy.unroute_all()
        copy.route(page.url, lambda route: route.fulfill(body=html, content_type="text/html; charset=utf-8"))
        copy.goto(page.url)
        results = Axe().run(copy, options=RULES)
        assert results.violations_count == 0, results.generate_report()
        assert copy.evaluate("document.documentElement.scrollWidth") <= width

    return check


@pytest.fixture
def shot():
    """Keep a picture for whoever looks at pages: `TERMIN_TEST_SHOTS` names a folder."""
    folder = os.environ.get("TERMIN_TEST_SHOTS")

    def take(page, name):
        if folder:
            width = page.viewport_size["width"]
            page.screenshot(path=Path(folder) / f"{name}-{width}.png", full_page=True)

    return take

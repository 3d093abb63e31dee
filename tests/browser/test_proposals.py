"""What she sees after the office changed her appointment, at both widths, with axe."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.booking_web.test_api import book
from tests.booking_web.test_proposals import decline, plan
from tests.browser.conftest import NARROW_WITHOUT_SCRIPTS, WIDE
from tests.support.town import at

pytestmark = pytest.mark.browser
both_widths = pytest.mark.parametrize(
    "page", [WIDE, NARROW_WITHOUT_SCRIPTS], ids=["wide", "narrow-nojs"], indirect=True
)


@both_widths
def test_a_proposal_is_accepted(page, running, healthy):
    made = book(running.world, start="2026-12-14T08:00:00+01:00")
    free = 10 if page.viewport_size["width"] == WIDE[0] else 11
    plan(running.world, made["uid"], day=14, to_start=int(at(14, free).timestamp()))
    page.goto(f"{running.url}/termin/{made['token']}")
    expect(page.get_by_role("heading", name="Passt Ihnen die neue Zeit?")).to_be_visible()
    healthy(page)
    page.get_by_role("button", name="Ja, die neue Zeit passt").click()
    expect(page.get_by_role("heading", name="Danke, die neue Zeit gilt")).to_be_visible()
    healthy(page)


@both_widths
def test_what_she_declined_comes_back(page, running, healthy):
    made = book(running.world, start="2026-12-14T14:00:00+01:00")
    decline(running.world, made["uid"])
    page.goto(f"{running.url}/termin/{made['token']}")
    healthy(page)
    page.get_by_role("button", name="Termin zurückholen").click()
    expect(page.get_by_role("heading", name="Ihr Termin gilt wieder")).to_be_visible()
    healthy(page)


@both_widths
def test_a_cancellation_says_why(page, running, healthy):
    made = book(running.world, start="2026-12-14T09:00:00+01:00")
    plan(running.world, made["uid"], day=14, cancel=True)
    page.goto(f"{running.url}/termin/{made['token']}")
    expect(page.get_by_text("Der Grund: Krankheit")).to_be_visible()
    healthy(page)
    page.get_by_role("link", name="Neuen Termin buchen").click()
    expect(page.get_by_role("checkbox", name="Reisepass")).to_be_checked()

"""The page "connect your calendar" in a browser: every state of it healthy, wide and narrow, with and without scripts."""

from __future__ import annotations

import re

import pytest
import requests
from playwright.sync_api import expect

from tests.browser.test_staff import both_widths, log_in, office
from tests.support.calendar import PASSWORD

__all__ = ["office"]
pytestmark = pytest.mark.browser


@both_widths
def test_a_clerk_makes_and_revokes_what_her_programs_need(page, office, healthy):
    log_in(page, office, "clerk1")
    page.goto(f"{office.url}/connect")
    healthy(page)
    page.get_by_label("Neues App-Passwort: für welches Gerät?").fill("Thunderbird im Büro")
    page.get_by_role("button", name="App-Passwort anlegen").click()
    password = page.get_by_role("status").locator("code").inner_text()
    healthy(page)
    page.get_by_label("Neue geheime Adresse: für welches Programm?").fill("Outlook")
    page.get_by_role("button", name="Adresse anlegen").click()
    address = page.get_by_role("status").locator("code").inner_text()
    healthy(page)
    assert requests.get(address, timeout=10).status_code == 200
    assert requests.get(office.server.url, auth=("clerk1", password), timeout=10).status_code == 200
    assert PASSWORD not in page.content()
    for name in ("Thunderbird im Büro", "Outlook"):
        button = page.get_by_role("button", name=re.compile(f"Sperren.*{name}"))
        button.click()
        expect(button).to_have_count(0)
    healthy(page)
    expect(page.get_by_role("button", name="Sperren")).to_have_count(0)
    assert requests.get(address, timeout=10).status_code == 404


@both_widths
def test_a_name_is_missing(page, office, healthy):
    log_in(page, office, "clerk1")
    page.goto(f"{office.url}/connect")
    page.get_by_label("Neue geheime Adresse: für welches Programm?").fill(" ")
    page.get_by_role("button", name="Adresse anlegen").click()
    expect(page.get_by_text("Bitte geben Sie einen Namen ein.")).to_be_visible()
    healthy(page)

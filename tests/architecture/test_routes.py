"""Every address of both web applications says who may call it; one that was added past the list of routes is found."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, get_args

import pytest

from booking_web import create_app
from booking_web import routes as site_routes
from booking_web.settings import SiteSettings, StaffSettings
from booking_web.staff import create_app as create_staff
from booking_web.staff import routes as staff_routes
from config import compose
from config.commands.options import EXAMPLE
from config.settings import load

if TYPE_CHECKING:
    from flask import Flask

SECRET = b"0123456789-0123456789"
NOWHERE = "http://127.0.0.1:1"


def undeclared(app: Flask, known: tuple[str, ...]) -> list[str]:
    rules = app.extensions["access_rules"]
    return sorted(
        {rule.endpoint for rule in app.url_map.iter_rules() if rules.get(rule.endpoint) not in known}
    )


@pytest.fixture
def site() -> Flask:
    town = compose.town(load(EXAMPLE, environment={}))
    return create_app(
        SiteSettings(town=town, calendar_url=NOWHERE, calendar_password="x", signing_secret=SECRET)
    )


@pytest.fixture
def staff() -> Flask:
    town = compose.town(load(EXAMPLE, environment={}))
    return create_staff(
        StaffSettings(town=town, calendar_url=NOWHERE, calendar_public_url=NOWHERE, signing_secret=SECRET)
    )


def test_every_address_of_the_site_declares_its_access(site: Flask) -> None:
    assert len(list(site.url_map.iter_rules())) >= len(site_routes.SITE)
    assert undeclared(site, get_args(site_routes.Access)) == []


def test_every_address_of_the_staff_pages_declares_its_access(staff: Flask) -> None:
    assert len(list(staff.url_map.iter_rules())) >= len(staff_routes.STAFF)
    assert undeclared(staff, get_args(staff_routes.Access)) == []


def test_an_address_without_a_rule_is_found(site: Flask) -> None:
    site.add_url_rule("/secret", "secret", lambda: "")
    assert undeclared(site, get_args(site_routes.Access)) == ["secret"]


def test_a_rule_that_nobody_checks_is_found(staff: Flask) -> None:
    staff.extensions["access_rules"]["day"] = "everybody"
    assert undeclared(staff, get_args(staff_routes.Access)) == ["day"]


def test_staff_pages_show_nobody_in_who_has_not_logged_in(staff: Flask) -> None:
    client = staff.test_client()
    for route in staff_routes.STAFF:
        if route.access == "public":
            continue
        for method in route.methods:
            answer = client.open(re.sub(r"<int:\w+>", "1", route.rule), method=method)
            assert answer.status_code in {302, 303, 400, 401, 403}, f"{method} {route.rule}"

"""The public site on the real calendar server, both on loopback, with the demo town and a clock set by hand."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from flask.testing import FlaskClient

from booking_web import create_app
from booking_web.settings import SiteSettings
from booking_web.site import site_of
from config import compose
from config.settings import load
from tests.support.calendar import PASSWORD, CalendarServer, calendar_server
from tests.support.clock import Clock
from tests.support.databases import fresh_sqlite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask

    from booking_web.town import Town
    from calendar_server.limits import Limits
    from calendar_server.offices import Directory

EXAMPLE_TOWN = Path(compose.__file__).parent / "meschede"
SECRET = b"a secret for tests that is long enough"
API_KEY = "key-of-a-partner"


@pytest.fixture(scope="session")
def town() -> Town:
    return replace(compose.town(load(EXAMPLE_TOWN)), base_url="https://termin.example")


@pytest.fixture(scope="session")
def directory() -> Directory:
    return compose.directory(load(EXAMPLE_TOWN))


class Browser(FlaskClient):
    """A browser that goes on by itself from a form to the page that shows what came of it; other redirects are the test's own."""

    _SHOWN = re.compile(
        r"/termin/[a-z2-7]{42}/(pruefen|anliegen|unterlagen|zeit|vergeben|abgesagt)\b|/warteliste/pruefen\b|[?&](angaben|weg)="
    )

    def post(self, *args, **values):
        answer = super().post(*args, **values)
        while answer.status_code == 303 and self._SHOWN.search(answer.location):
            answer = self.get(answer.location)
        return answer


@dataclass(frozen=True)
class World:
    """A running site and the calendar server behind it."""

    app: Flask
    calendar: CalendarServer
    clock: Clock
    town: Town

    def browser(self) -> Browser:
        return Browser(self.app, self.app.response_class, use_cookies=True)


@contextmanager
def site(town: Town, calendar_url: str, clock: Clock, **values: object) -> Iterator[Flask]:
    """A site that is stopped at the end."""
    settings = SiteSettings(
        town=town,
        calendar_url=calendar_url,
        calendar_password=PASSWORD,
        signing_secret=SECRET,
        api_keys={sha256(API_KEY.encode()).hexdigest(): "hotline"},
        clock=clock,
        poll_seconds=0.1,
    )
    app = create_app(replace(settings, **values))
    try:
        yield app
    finally:
        site_of(app).follower.stop()


@contextmanager
def world(
    town: Town, directory: Directory, folder: Path, limits: Limits | None = None, **values: object
) -> Iterator[World]:
    """A site on a calendar server of its own, which limits the public only if it's told to."""
    clock = Clock()
    with (
        calendar_server(fresh_sqlite(folder), directory, clock, limits=limits) as calendar,
        site(town, calendar.url, clock, **values) as app,
    ):
        yield World(app, calendar, clock, town)


@pytest.fixture
def citizens(town, directory, tmp_path) -> Iterator[World]:
    """A world for one test: whatever it books, no other test sees."""
    with world(town, directory, tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def shared(town, directory, tmp_path_factory) -> Iterator[World]:
    """A world for tests that only look, or whose bookings get in nobody's way."""
    with world(town, directory, tmp_path_factory.mktemp("shared")) as made:
        yield made


@pytest.fixture
def calendarless(town) -> Iterator[FlaskClient]:
    """A site whose calendar server is away: nothing listens there."""
    with site(town, "http://127.0.0.1:9", Clock()) as app:
        yield app.test_client()

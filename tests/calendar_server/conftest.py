"""Databases and servers for the calendar server's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.calendar import CalendarServer, calendar_server, calendars
from tests.support.clock import Clock
from tests.support.databases import fresh_postgresql, fresh_sqlite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from calendar_server.service import Calendars


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Each of the two databases in turn: what is tested on one is tested on the other."""
    return fresh_sqlite(tmp_path) if request.param == "sqlite" else fresh_postgresql()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(database_url: str, clock: Clock) -> Iterator[Calendars]:
    with calendars(database_url, clock=clock) as made:
        yield made


@pytest.fixture
def server(tmp_path: Path, clock: Clock) -> Iterator[CalendarServer]:
    with calendar_server(fresh_sqlite(tmp_path), clock=clock) as made:
        yield made

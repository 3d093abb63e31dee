from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.calendar import CalendarServer, calendar_server
from tests.support.databases import fresh_sqlite
from tests.support.town import NOW, appointment, at, clerk, directory, office

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def server(tmp_path: Path) -> Iterator[CalendarServer]:
    """An office whose registrations are all done by clerk1, with two of them on 7 December 2026."""
    clerks = clerk("clerk1", "anmeldung", "reisepass"), clerk("clerk2", "reisepass")
    with calendar_server(fresh_sqlite(tmp_path), directory(office(*clerks))) as made:
        for uid, start in (("first@test", at(7, 9)), ("second@test", at(7, 11))):
            made.client().book(appointment(uid, start, "anmeldung", summary="Anmeldung · Muster"), now=NOW)
        yield made

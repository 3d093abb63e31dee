"""The calendars of an installation, opened for a command."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from calendar_server.setup import prepare
from calendar_server.storage.database import Database
from config import compose, database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from calendar_server.service import Calendars
    from config.settings import Settings


@contextmanager
def open_calendars(settings: Settings, data: Path) -> Iterator[Calendars]:
    """Open the calendars; tables and collections are made if they aren't there. The program may run meanwhile."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    opened = Database.open(database.url(settings, data))
    try:
        yield prepare(opened, compose.directory(settings), partial(datetime.now, UTC))
    finally:
        opened.close()

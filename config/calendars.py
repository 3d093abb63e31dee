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
def open_calendars(settings: Settings, data: Path, *, begin: bool = False) -> Iterator[Calendars]:
    """Open the calendars; what is missing of tables and collections is made. The program may run meanwhile.

    Raises `config.database.NoDataError` if there are none, unless an installation may `begin` here.
    """
    database.open_folder(settings, data, begin=begin)
    opened = Database.open(database.url(settings, data))
    try:
        yield prepare(opened, compose.directory(settings), partial(datetime.now, UTC))
    finally:
        opened.close()

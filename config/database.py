"""Where the database is: what the configuration says, else SQLite in the data folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pathlib import Path

    from config.settings import Settings


class NoDataError(click.ClickException):
    """A command is to work on what is there, and nothing is."""

    def __init__(self, data: Path) -> None:
        super().__init__(
            f"--data: there is no data in {data.resolve()}; `termin user add` or `termin serve` begins an installation"
        )


def open_folder(settings: Settings, data: Path, *, begin: bool) -> None:
    """Make the data folder if an installation may `begin` here. Raises NoDataError if not, and none has begun yet: a folder's name is easily mistyped."""
    if begin:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
    elif not is_there(settings, data):
        raise NoDataError(data)


def url(settings: Settings, data: Path) -> str:
    """Return the database URL of calendars and accounts."""
    return settings.server.database.url or f"sqlite:///{data.resolve() / 'termin.sqlite'}"


def worker_url(settings: Settings, data: Path) -> str:
    """Return the database URL of what the worker keeps: a file of its own, or the same PostgreSQL."""
    return settings.server.database.url or f"sqlite:///{data.resolve() / 'worker.sqlite'}"


def is_there(settings: Settings, data: Path) -> bool:
    """Tell whether there can be anything in the database of calendars: False if the embedded one was never made."""
    return bool(settings.server.database.url) or (data / "termin.sqlite").exists()

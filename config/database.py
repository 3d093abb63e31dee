"""Where the database is: what the configuration says, else SQLite in the data folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from config.settings import Settings


def url(settings: Settings, data: Path) -> str:
    """Return the database URL of calendars and accounts."""
    return settings.server.database.url or f"sqlite:///{data.resolve() / 'termin.sqlite'}"


def worker_url(settings: Settings, data: Path) -> str:
    """Return the database URL of what the worker keeps: a file of its own, or the same PostgreSQL."""
    return settings.server.database.url or f"sqlite:///{data.resolve() / 'worker.sqlite'}"


def is_there(settings: Settings, data: Path) -> bool:
    """Tell whether there can be anything in the database of calendars: False if the embedded one was never made."""
    return bool(settings.server.database.url) or (data / "termin.sqlite").exists()

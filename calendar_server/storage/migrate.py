"""Bringing the tables to the newest form (alembic; the steps lie in `migrations/versions`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from calendar_server.storage.database import Database

_SCRIPTS = Path(__file__).parent / "migrations"


def one_at_a_time(database: Database, connection: Connection) -> None:
    """Have other starting processes wait until this transaction ends; on SQLite, writers wait for each other anyway."""
    if not database.is_sqlite:
        # However long another one's migration takes: who gave up would only be started anew.
        connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
        # The number is an arbitrary constant.
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(4783301)")


def migrate(database: Database, revision: str = "head") -> None:
    """Upgrade the tables to `revision`. Safe to run from several processes at once, and on up-to-date tables."""
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    with database.write() as connection:
        one_at_a_time(database, connection)
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

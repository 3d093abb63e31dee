"""Bringing the tables to the newest form (alembic; the steps lie in `migrations/versions`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from calendar_server.storage.database import Database

VERSION_TABLE = "alembic_version_calendar"
_SCRIPTS = Path(__file__).parent / "migrations"


class NewerTablesError(Exception):
    """The tables were made by a newer program than this one."""

    def __init__(self, revision: str) -> None:
        super().__init__(
            f"the database is from a newer program (its tables have the form {revision}): install that one,"
            " or restore a backup from before into an empty one"
        )


def upgrade(config: Config, connection: Connection, revision: str, version_table: str) -> None:
    """Run the steps of `config` up to `revision`. Raises NewerTablesError if the tables are further than all steps that it has."""
    scripts = ScriptDirectory.from_config(config)
    known = {each.revision for each in scripts.walk_revisions()}
    context = MigrationContext.configure(connection, opts={"version_table": version_table})
    if ahead := set(context.get_current_heads()) - known:
        raise NewerTablesError(", ".join(sorted(ahead)))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


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
        upgrade(config, connection, revision, VERSION_TABLE)

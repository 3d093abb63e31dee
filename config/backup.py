"""One file with everything that an installation knows: calendars, accounts, plans, what citizens were told, and the program's secrets.

A zip of one JSON line for each row, so that it can be read without this program, and restored on SQLite or PostgreSQL whichever it came
from. It is consistent while the program runs: each database is read in one transaction, the worker's first. What the calendars know
beyond it is followed anew after a restore; the other way round, changes would never be mailed.
"""

from __future__ import annotations

import json
import os
import secrets as random
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import MetaData, Table, delete, func, insert, inspect, select, update

from booking_web.notifications import store
from calendar_server.storage import migrate as calendar
from calendar_server.storage.database import Database
from calendar_server.storage.schema import meta
from config import database, secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

    from config.settings import Settings

FORMAT = 1
_MANIFEST = "manifest.json"
_BATCH = 500
_WORKERS = "notify_"
_VERSIONS = {"calendar": "alembic_version_calendar", "worker": "alembic_version_notifications"}
_INCARNATIONS = ("incarnation", "busy_incarnation")
"""Part of tokens by which readers go on from what they have seen: after a restore they must begin anew."""


class BackupError(Exception):
    """A backup can't be made or restored; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One of the two sets of tables: its name in the file, its database, and how it's brought to a revision."""

    name: str
    url: str
    migrate: Callable[[Database, str], None]

    def has(self, table: str) -> bool:
        """True for the tables that belong to it; on PostgreSQL both sets lie in one database."""
        if table in _VERSIONS.values():
            return False
        return table.startswith(_WORKERS) == (self.name == "worker")


def _parts(settings: Settings, data: Path) -> list[_Part]:
    return [
        _Part("worker", database.worker_url(settings, data), store.migrate),
        _Part("calendar", database.url(settings, data), calendar.migrate),
    ]


def backup(settings: Settings, data: Path, file: Path, *, now: datetime | None = None) -> dict[str, int]:
    """Write the backup, readable by its owner alone, and return how many rows each table has. It's there whole or not at all.

    Raises BackupError if there's nothing to back up, or the file can't be written.
    """
    draft = file.with_name(f".{file.name}.{random.token_hex(4)}")
    try:
        with _private(draft) as archive:
            counts = _write(settings, data, archive, now or datetime.now(UTC))
        with draft.open("rb") as written:
            os.fsync(written.fileno())
        draft.replace(file)
    except OSError as error:
        raise BackupError(f"{file} can't be written: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)
    return counts


def _private(path: Path) -> zipfile.ZipFile:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    return zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED)


def _write(settings: Settings, data: Path, archive: zipfile.ZipFile, now: datetime) -> dict[str, int]:
    counts: dict[str, int] = {}
    revisions: dict[str, str] = {}
    for part in _parts(settings, data):
        if part.url.startswith("sqlite") and not Path(part.url.removeprefix("sqlite:///")).exists():
            continue
        opened = Database.open(part.url)
        try:
            with opened.read() as connection:
                if not inspect(connection).has_table(_VERSIONS[part.name]):
                    continue
                tables = _tables(connection, part)
                revisions[part.name] = _revision(connection, part)
                for table in tables.sorted_tables:
                    counts[f"{part.name}/{table.name}"] = _dump(connection, table, part, archive)
        finally:
            opened.close()
    if "calendar" not in revisions:
        raise BackupError(f"there is nothing to back up in {data}")
    kept = data / secrets.FILE
    if kept.exists():
        archive.writestr(secrets.FILE, kept.read_text("utf-8"))
    manifest = {
        "format": FORMAT,
        "version": version("termin"),
        "created": now.isoformat(timespec="seconds"),
        "revisions": revisions,
        "rows": counts,
    }
    archive.writestr(_MANIFEST, json.dumps(manifest, indent=2))
    return counts


def _tables(connection: Connection, part: _Part) -> MetaData:
    found = MetaData()
    found.reflect(connection, only=[name for name in inspect(connection).get_table_names() if part.has(name)])
    return found


def _revision(connection: Connection, part: _Part) -> str:
    table = Table(_VERSIONS[part.name], MetaData(), autoload_with=connection)
    return str(connection.execute(select(table.c.version_num)).scalar_one())


def _dump(connection: Connection, table: Table, part: _Part, archive: zipfile.ZipFile) -> int:
    count = 0
    query = select(table).order_by(*table.primary_key.columns).execution_options(yield_per=_BATCH)
    with archive.open(f"{part.name}/{table.name}.jsonl", "w") as lines:
        for row in connection.execute(query).mappings():
            lines.write(json.dumps(dict(row), ensure_ascii=False).encode() + b"\n")
            count += 1
    return count


def restore(settings: Settings, data: Path, file: Path) -> dict[str, int]:
    """Fill an empty installation from a backup and return how many rows each table has.

    The tables are brought to the form that they had and then forward. Calendar programs and the site read everything anew.
    Raises BackupError if the file is none of ours, damaged, or from a newer program, or if there is data already; then nothing is changed.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            manifest = _read_manifest(archive, file)
            if damaged := archive.testzip():
                raise BackupError(f"{file} is damaged: {damaged}")
            for part in _parts(settings, data):
                _refuse_data(part, data)
            _check_secrets(archive, data)
            filled: list[_Part] = []
            try:
                for part in _parts(settings, data):
                    if part.name in manifest["revisions"]:
                        _fill(part, manifest, archive)
                        filled.append(part)
            except BackupError:
                for part in filled:
                    _empty(part)
                raise
            _restore_secrets(archive, data)
    except (OSError, zipfile.BadZipFile) as error:
        raise BackupError(f"{file} can't be read: {error}") from error
    rows: dict[str, int] = manifest["rows"]
    return rows


def _read_manifest(archive: zipfile.ZipFile, file: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(archive.read(_MANIFEST))
        known = manifest["format"] == FORMAT and set(manifest["revisions"]) <= set(_VERSIONS)
        rows = {str(name): int(count) for name, count in manifest["rows"].items()}
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise BackupError(f"{file} is no backup of this program") from error
    if not known:
        raise BackupError(f"{file} is of another format than this program knows: restore it with a newer one")
    return {**manifest, "rows": rows}


def _refuse_data(part: _Part, data: Path) -> None:
    opened = Database.open(part.url)
    try:
        with opened.read() as connection:
            there = _tables(connection, part)
            for table in there.sorted_tables:
                if connection.execute(select(func.count()).select_from(table)).scalar_one():
                    where = data if opened.is_sqlite else "the database"
                    raise BackupError(f"{where} holds data already ({table.name}): restore into an empty one")
    finally:
        opened.close()


def _check_secrets(archive: zipfile.ZipFile, data: Path) -> None:
    target = data / secrets.FILE
    if secrets.FILE not in archive.namelist() or not target.exists():
        return
    if target.read_bytes() != archive.read(secrets.FILE):
        raise BackupError(f"{target} is there already, and is another than the backup's: move it away")


def _restore_secrets(archive: zipfile.ZipFile, data: Path) -> None:
    target = data / secrets.FILE
    if secrets.FILE not in archive.namelist() or target.exists():
        return
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
        opened.write(archive.read(secrets.FILE))


def _fill(part: _Part, manifest: dict[str, Any], archive: zipfile.ZipFile) -> None:
    opened = Database.open(part.url)
    try:
        try:
            part.migrate(opened, manifest["revisions"][part.name])
        except Exception as error:
            raise BackupError(
                f"the backup is from a newer program ({manifest.get('version')}): {error}"
            ) from error
        with opened.write() as connection:
            tables = _tables(connection, part)
            for table in tables.sorted_tables:
                count = _load(connection, table, part, archive)
                if count != manifest["rows"].get(f"{part.name}/{table.name}", 0):
                    raise BackupError(f"the backup is damaged: {table.name} has {count} rows")
                if not opened.is_sqlite:
                    _go_on_numbering(connection, table)
            if part.name == "calendar":
                for key in _INCARNATIONS:
                    anew = update(meta).where(meta.c.key == key).values(value=random.token_hex(6))
                    connection.execute(anew)
        part.migrate(opened, "head")
    finally:
        opened.close()


def _empty(part: _Part) -> None:
    opened = Database.open(part.url)
    try:
        with opened.write() as connection:
            tables = _tables(connection, part)
            for table in reversed(tables.sorted_tables):
                connection.execute(delete(table))
    finally:
        opened.close()


def _load(connection: Connection, table: Table, part: _Part, archive: zipfile.ZipFile) -> int:
    name = f"{part.name}/{table.name}.jsonl"
    if name not in archive.namelist():
        return 0
    count = 0
    for rows in _batches(archive, name):
        try:
            connection.execute(insert(table), rows)
        except Exception as error:
            raise BackupError(f"the backup is damaged: {table.name} doesn't fit") from error
        count += len(rows)
    return count


def _batches(archive: zipfile.ZipFile, name: str) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    with archive.open(name) as lines:
        for line in lines:
            try:
                batch.append(json.loads(line))
            except ValueError as error:
                raise BackupError(f"the backup is damaged: {name}") from error
            if len(batch) == _BATCH:
                yield batch
                batch = []
    if batch:
        yield batch


def _go_on_numbering(connection: Connection, table: Table) -> None:
    """The rows brought their numbers along; PostgreSQL gives the next one after them."""
    if "id" in table.c and table.c.id.autoincrement is True:
        connection.exec_driver_sql(
            f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), "  # noqa: S608 - our own table's name
            f"(SELECT coalesce(max(id), 0) + 1 FROM {table.name}), false)"
        )

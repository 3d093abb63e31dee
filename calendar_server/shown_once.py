"""Secrets that somebody makes for one device or program: random, shown once, revocable alone, and with when they were used last.

App passwords (`calendar_server.accounts`) and the addresses of feeds (`calendar_server.feeds`) are such. As they are random, their SHA-256
is enough to keep, and quick to compare.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, select, update

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Table

    from calendar_server.storage.database import Database

_USED_EVERY = 3_600
_LONGEST_LABEL = 100


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a secret after it was shown."""

    id: int
    account: str
    label: str
    created: datetime
    last_used: datetime | None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON, for who it belongs to: "id", "label", "created" and "last_used" (ISO 8601, or None)."""
        return {
            "id": self.id,
            "label": self.label,
            "created": self.created.isoformat(timespec="seconds"),
            "last_used": self.last_used.isoformat(timespec="seconds") if self.last_used else None,
        }


def digest(secret: str) -> str:
    """Return what is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


class ShownOnce:
    """The secrets of one table, `app_passwords` or `feeds`. `clock` returns the current time, aware. Safe to share between threads."""

    def __init__(self, table: Table, database: Database, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._database = database
        self._clock = clock

    def _now(self) -> int:
        return int(self._clock().timestamp())

    def add(self, connection: Connection, account: str, label: str, secret: str) -> None:
        """Keep a new secret of an account, in the transaction that checked that it may have one."""
        values = {
            "account": account,
            "label": label[:_LONGEST_LABEL],
            "hash": digest(secret),
            "created": self._now(),
        }
        connection.execute(insert(self._table), values)

    def count(self, connection: Connection, account: str) -> int:
        """Return how many secrets an account has."""
        query = select(func.count()).select_from(self._table).where(self._table.c.account == account)
        return int(connection.execute(query).scalar_one())

    def of(self, account: str) -> list[Known]:
        """Return what is known of an account's secrets, the oldest first."""
        query = select(self._table).where(self._table.c.account == account).order_by(self._table.c.id)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [
            Known(
                row.id,
                row.account,
                row.label,
                datetime.fromtimestamp(row.created, UTC),
                None if row.last_used is None else datetime.fromtimestamp(row.last_used, UTC),
            )
            for row in rows
        ]

    def revoke(self, account: str, number: int) -> bool:
        """Delete a secret, which stops working at once; False if the account has none of that id."""
        query = delete(self._table).where(self._table.c.account == account, self._table.c.id == number)
        with self._database.write() as connection:
            return connection.execute(query).rowcount > 0

    def mark_used(self, number: int, last_used: int | None) -> None:
        """Note that a secret was used, to the hour; `last_used` is what was noted before."""
        now = self._now()
        if last_used is not None and now - last_used < _USED_EVERY:
            return
        with self._database.write() as connection:
            connection.execute(update(self._table).where(self._table.c.id == number).values(last_used=now))

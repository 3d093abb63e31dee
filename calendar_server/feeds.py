"""Addresses at which a clerk's calendar can be read without a login, for programs that know no CalDAV.

Whoever has the address reads the calendar, so it is as good as a password: random, kept as its SHA-256 only, shown once, revocable alone.
What is read there is `calendar_server.subscription`'s.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, select, update

from calendar_server.accounts import AccountError
from calendar_server.storage import reading
from calendar_server.storage.rows import Role
from calendar_server.storage.schema import feeds

if TYPE_CHECKING:
    from collections.abc import Callable

    from calendar_server.storage.database import Database

PREFIX = "/feeds/"
MOST = 10
"""Addresses of one account; each stands for one program."""
_USED_EVERY = 3_600
_LONGEST_TOKEN = 100


@dataclass(frozen=True, slots=True)
class Feed:
    """What is known of an address after it was shown once."""

    id: int
    account: str
    label: str
    created: datetime
    last_used: datetime | None


def path_of(token: str) -> str:
    """Return the path of a feed on the calendar server."""
    return f"{PREFIX}{token}.ics"


def calendar_of(account: str) -> str:
    """Return the path of the calendar that an account's feeds show."""
    return f"{account}/calendar"


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


class Feeds:
    """The feeds of one database. `clock` returns the current time, aware. Safe to share between threads."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def _now(self) -> int:
        return int(self._clock().timestamp())

    def add(self, account: str, label: str) -> str:
        """Make an address for one program and return its token: it can't be shown again.

        AccountError for an account without a calendar of its own, or with too many addresses.
        """
        token = secrets.token_urlsafe(32)
        with self._database.write() as connection:
            where = reading.collection(connection, calendar_of(account))
            if where is None or where.role is not Role.CLERK:
                raise AccountError(
                    f"the account {account!r} has no calendar of its own (the first start makes them)"
                )
            count = select(func.count()).select_from(feeds).where(feeds.c.account == account)
            if connection.execute(count).scalar_one() >= MOST:
                raise AccountError(f"{account!r} has {MOST} addresses already; revoke one first")
            connection.execute(
                insert(feeds),
                {"account": account, "label": label[:100], "hash": _digest(token), "created": self._now()},
            )
        return token

    def of(self, account: str) -> list[Feed]:
        """Return what is known of an account's addresses."""
        query = select(feeds).where(feeds.c.account == account).order_by(feeds.c.id)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [
            Feed(
                row.id,
                row.account,
                row.label,
                datetime.fromtimestamp(row.created, UTC),
                None if row.last_used is None else datetime.fromtimestamp(row.last_used, UTC),
            )
            for row in rows
        ]

    def revoke(self, account: str, feed_id: int) -> None:
        """Delete an address; nothing can be read there any more. AccountError if the account has none of that id."""
        query = delete(feeds).where(feeds.c.account == account, feeds.c.id == feed_id)
        with self._database.write() as connection:
            if connection.execute(query).rowcount == 0:
                raise AccountError(f"{account!r} has no feed {feed_id}")

    def account_of(self, token: str) -> str | None:
        """Return whose calendar is read at this address, None if nobody's; notes that it was used, to the hour."""
        if not token or len(token) > _LONGEST_TOKEN:
            return None
        query = select(feeds.c.id, feeds.c.account, feeds.c.last_used).where(feeds.c.hash == _digest(token))
        with self._database.read() as connection:
            found = connection.execute(query).one_or_none()
        if found is None:
            return None
        now = self._now()
        if found.last_used is None or now - found.last_used >= _USED_EVERY:
            with self._database.write() as connection:
                used = update(feeds).where(feeds.c.id == found.id).values(last_used=now)
                connection.execute(used)
        account: str = found.account
        return account

"""Addresses at which a clerk's calendar can be read without a login, for programs that know no CalDAV.

Whoever has the address reads the calendar, so it is as good as a password, and kept as such (`calendar_server.shown_once`).
What is read there is `calendar_server.subscription`'s.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from sqlalchemy import select

from calendar_server.accounts import AccountError
from calendar_server.shown_once import ShownOnce, digest
from calendar_server.storage import reading
from calendar_server.storage.rows import Role
from calendar_server.storage.schema import feeds

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from calendar_server.shown_once import Known
    from calendar_server.storage.database import Database

PREFIX = "/feeds/"
MOST = 10
"""Addresses of one account; each stands for one program."""
_LONGEST_TOKEN = 100


def path_of(token: str) -> str:
    """Return the path of a feed on the calendar server."""
    return f"{PREFIX}{token}.ics"


def calendar_of(account: str) -> str:
    """Return the path of the calendar that an account's feeds show."""
    return f"{account}/calendar"


class Feeds:
    """The feeds of one database. `clock` returns the current time, aware. Safe to share between threads."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._addresses = ShownOnce(feeds, database, clock)

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
            if self._addresses.count(connection, account) >= MOST:
                raise AccountError(f"{account!r} has {MOST} addresses already; revoke one first")
            self._addresses.add(connection, account, label, token)
        return token

    def of(self, account: str) -> list[Known]:
        """Return what is known of an account's addresses."""
        return self._addresses.of(account)

    def revoke(self, account: str, feed_id: int) -> None:
        """Delete an address; nothing can be read there any more. AccountError if the account has none of that id."""
        if not self._addresses.revoke(account, feed_id):
            raise AccountError(f"{account!r} has no feed {feed_id}")

    def account_of(self, token: str) -> str | None:
        """Return whose calendar is read at this address, None if nobody's; notes that it was used, to the hour."""
        if not token or len(token) > _LONGEST_TOKEN:
            return None
        query = select(feeds.c.id, feeds.c.account, feeds.c.last_used).where(feeds.c.hash == digest(token))
        with self._database.read() as connection:
            found = connection.execute(query).one_or_none()
        if found is None:
            return None
        self._addresses.mark_used(found.id, found.last_used)
        account: str = found.account
        return account

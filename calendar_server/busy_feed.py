"""`/<office>/busy/`: the busy feed as a collection that can be followed by sync-collection (RFC 6578).

Nothing of it is stored but when each day last changed (`busy_days`). Texts are made when they are read, from the instance
index. A sync token names the feed's incarnation, the number of the last write, and how far the feed reached, so that days that come into reach
at midnight are told as new and those that have passed as gone.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from calendar_server import dispatch, opening
from calendar_server.ical import busy
from calendar_server.storage import reading
from calendar_server.storage.rows import Role
from calendar_server.storage.writing import OPENING_AHEAD, OPENING_KEY, etag_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import Connection

    from calendar_server.offices import Directory, Office
    from calendar_server.storage.database import Database

TOKEN_PREFIX = "urn:termin:sync:busy:"  # noqa: S105 - a URI, not a secret


class UnknownTokenError(ValueError):
    """The sync token isn't one of this feed, or is of an earlier incarnation: the reader begins again."""


@dataclass(frozen=True, slots=True)
class BusyItem:
    """One object of the feed."""

    href: str
    etag: str
    text: str


@dataclass(frozen=True, slots=True)
class _Token:
    incarnation: str
    seq: int
    until: date

    def __str__(self) -> str:
        return f"{TOKEN_PREFIX}{self.incarnation}:{self.seq}:{self.until.isoformat()}"


def _parse_token(text: str) -> _Token:
    parts = text.removeprefix(TOKEN_PREFIX).split(":")
    if not text.startswith(TOKEN_PREFIX) or len(parts) != 3 or not parts[1].isdecimal() or len(parts[1]) > 18:
        raise UnknownTokenError(text)
    try:
        return _Token(parts[0], int(parts[1]), date.fromisoformat(parts[2]))
    except ValueError as error:
        raise UnknownTokenError(text) from error


def _reach(key: str, until: date) -> date:
    """The last day that is told: the windows' further than the clerks'."""
    return until + timedelta(days=OPENING_AHEAD) if key == OPENING_KEY else until


class BusyFeed:
    """The feeds of all offices. `clock` returns the current time, aware."""

    def __init__(self, database: Database, directory: Directory, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._directory = directory
        self._clock = clock

    def _today(self, office: Office) -> date:
        return self._clock().astimezone(office.zone).date()

    @staticmethod
    def _incarnation(connection: Connection) -> str:
        return reading.meta_value(connection, "busy_incarnation") or "0"

    def _keys(self, connection: Connection, office: Office) -> dict[str, str]:
        secret = (reading.meta_value(connection, "busy_secret") or "").encode()
        return {
            clerk.id: "k"
            + hmac.new(secret, f"{office.id}/{clerk.id}".encode(), hashlib.sha256).hexdigest()[:12]
            for clerk in office.clerks
        }

    def _current(self, connection: Connection, office: Office) -> _Token:
        row = reading.office_collections(connection, office.id).only(Role.BUSY)
        return _Token(self._incarnation(connection), row.seq, self._until(office))

    def _until(self, office: Office) -> date:
        return self._today(office) + timedelta(days=office.horizon_days)

    def token(self, office: Office) -> str:
        """Return the token of the feed as it stands."""
        with self._database.read() as connection:
            return str(self._current(connection, office))

    def tokens(self) -> dict[str, str]:
        """Return the tokens of all offices' feeds as they stand: who follows many needn't ask each of them."""
        with self._database.read() as connection:
            incarnation = self._incarnation(connection)
            seqs = reading.busy_seqs(connection)
        return {
            office.id: str(_Token(incarnation, seqs[office.id], self._until(office)))
            for office in self._directory.offices
            if office.id in seqs
        }

    def changes(self, office: Office, token: str) -> tuple[str, list[BusyItem], list[str]]:
        """Return (new token, what is new or changed, names that are gone) since `token`; an empty one asks for everything.

        Raises UnknownTokenError.
        """
        with self._database.read() as connection:
            current = self._current(connection, office)
            if not token:
                return str(current), self._items(connection, office, self._everything(office)), []
            old = _parse_token(token)
            if old.incarnation != current.incarnation or old.seq > current.seq or old.until > current.until:
                raise UnknownTokenError(token)
            if old == current:
                return token, [], []
            today = self._today(office)
            span = timedelta(days=office.horizon_days)
            wanted: set[tuple[str, date]] = set()
            if old.seq != current.seq:
                for key, day in reading.busy_changed(connection, office.id, old.seq):
                    wanted.add((key, date.fromisoformat(day)))
            gone: list[str] = []
            if old.until != current.until:
                wanted |= {
                    (key, day) for key, day in self._everything(office) if day > _reach(key, old.until)
                }
                keys = self._keys(connection, office)
                first, last = (
                    max(old.until - span, today - timedelta(days=400)),
                    min(today - timedelta(days=1), old.until),
                )
                while first <= last:
                    gone.extend(busy.href(key, first) for key in [*keys.values(), OPENING_KEY])
                    first += timedelta(days=1)
            wanted = {(key, day) for key, day in wanted if today <= day <= _reach(key, current.until)}
            return str(current), self._items(connection, office, wanted), gone

    def items(self, office: Office) -> list[BusyItem]:
        """Return the whole feed."""
        return self.changes(office, "")[1]

    def item(self, office: Office, href: str) -> BusyItem | None:
        """Return one object of the feed, or None."""
        named = busy.split_href(href)
        if named is None:
            return None
        key, day = named
        today = self._today(office)
        last = today + timedelta(days=office.horizon_days)
        if not today <= day <= _reach(OPENING_KEY if busy.is_opening_key(key) else key, last):
            return None
        with self._database.read() as connection:
            names = {opaque: clerk for clerk, opaque in self._keys(connection, office).items()}
            clerk = OPENING_KEY if busy.is_opening_key(key) else names.get(key)
            if clerk is None:
                return None
            return next(iter(self._items(connection, office, {(clerk, day)})), None)

    def _everything(self, office: Office) -> set[tuple[str, date]]:
        today = self._today(office)
        until = today + timedelta(days=office.horizon_days)
        return {
            (key, today + timedelta(days=ahead))
            for key in [OPENING_KEY, *(clerk.id for clerk in office.clerks)]
            for ahead in range((_reach(key, until) - today).days + 1)
        }

    def _items(self, connection: Connection, office: Office, wanted: set[tuple[str, date]]) -> list[BusyItem]:
        now = int(self._clock().timestamp())
        keys = self._keys(connection, office)
        by_clerk: dict[str, set[date]] = {}
        days: list[date] = []
        for key, day in wanted:
            if key == OPENING_KEY:
                days.append(day)
            elif key in keys:
                by_clerk.setdefault(key, set()).add(day)
        found = []
        # The stamp is the day's own midnight: the same content has the same etag whenever it is read.
        known = reading.office_collections(connection, office.id)
        for opening_day in opening.opening_days(connection, office, known, sorted(days)):
            text = busy.opening_day_text(opening_day, stamp=opening_day.start)
            found.append(BusyItem(busy.opening_href(opening_day.day), etag_of(text), text))
        for clerk_day in dispatch.clerk_days(connection, office, by_clerk, keys, now):
            text = busy.clerk_day_text(clerk_day, stamp=clerk_day.start)
            found.append(BusyItem(busy.href(clerk_day.key, clerk_day.day), etag_of(text), text))
        return found

"""Radicale's plugin points (storage, authentication, rights), on top of `calendar_server.service`.

Radicale asks much of a storage that it doesn't say: every request takes a lock and calls `discover(principal, depth="1")` for its first element
only, PROPFIND nests locks, and several defaults of `BaseCollection` walk through all items. So everything here is lazy, a lock is no
transaction, and each method that writes is one transaction of the service with all its checks inside.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from radicale import item as radicale_item
from radicale import pathutils
from radicale.auth import BaseAuth
from radicale.rights import BaseRights
from radicale.storage import BaseCollection, BaseStorage

from calendar_server.busy_feed import BusyFeed, UnknownTokenError
from calendar_server.refusals import ForbiddenError
from calendar_server.rights import rights_of
from calendar_server.service import Actor, Calendars
from calendar_server.storage import reading
from calendar_server.storage.rows import CollectionRow, ObjectRow, Role

if TYPE_CHECKING:
    import xml.etree.ElementTree as ET
    from collections.abc import Iterable, Iterator, Mapping

    from radicale.config import Configuration

    from calendar_server.accounts import Account, Accounts
    from calendar_server.offices import Directory

TOKEN_PREFIX = "urn:termin:sync:"  # noqa: S105 - a URI, not a secret
ROOT = CollectionRow(0, "", Role.PRINCIPAL, "", "", "", {}, 0, 0, 0)


def sync_token(where: CollectionRow, incarnation: str) -> str:
    """Return the sync token of a stored calendar as it stands (RFC 6578 section 3.2): a URI."""
    return f"{TOKEN_PREFIX}{incarnation}:{where.id}:{where.seq}"


def token_seq(token: str, where: CollectionRow, incarnation: str) -> int:
    """Return the number of the write up to which the holder of a token knows a calendar. Raises ValueError for a token that isn't valid."""
    head = f"{TOKEN_PREFIX}{incarnation}:{where.id}:"
    text = token.removeprefix(head)
    if not token.startswith(head) or not text.isdecimal() or len(text) > 18:
        raise ValueError("unknown sync token")
    seq = int(text)
    if not where.floor <= seq <= where.seq:
        raise ValueError("sync token out of range")
    return seq


class TerminCollection(BaseCollection):
    """One collection as Radicale sees it."""

    def __init__(self, storage: TerminStorage, row: CollectionRow) -> None:
        self.storage = storage
        self.row = row

    @property
    def path(self) -> str:
        return self.row.path

    @property
    def owner(self) -> str:
        return self.row.owner

    @property
    def tag(self) -> str:
        return self.row.tag

    @property
    def etag(self) -> str:
        if self.row.role is Role.BUSY:
            return f'"{self.sync()[0].rpartition(":busy:")[2]}"'
        return self.row.etag

    @property
    def last_modified(self) -> str:
        return formatdate(self.row.modified, usegmt=True)

    def _item(self, row: ObjectRow) -> radicale_item.Item:
        href = row.view_href if self.row.role is Role.VIEW else row.href
        return radicale_item.Item(
            collection=self,
            href=href,
            text=row.text,
            etag=row.etag,
            uid=row.uid,
            name="VCALENDAR",
            component_name=row.component,
            last_modified=formatdate(row.modified, usegmt=True),
        )

    def _busy_item(self, href: str, text: str, etag: str) -> radicale_item.Item:
        return radicale_item.Item(
            collection=self,
            href=href,
            text=text,
            etag=etag,
            uid=href.removesuffix(".ics"),
            name="VCALENDAR",
            component_name="VFREEBUSY",
            last_modified=self.last_modified,
        )

    def get_item(self, href: str) -> radicale_item.Item | None:
        """Return one item, or None."""
        if self.row.role is Role.BUSY:
            office = self.storage.calendars.office_of(self.row)
            found = self.storage.feed.item(office, href) if office else None
            return None if found is None else self._busy_item(found.href, found.text, found.etag)
        with self.storage.calendars.database.read() as connection:
            row = reading.item(connection, self.row, href)
        return None if row is None else self._item(row)

    def get_multi(self, hrefs: Iterable[str]) -> Iterable[tuple[str, radicale_item.Item | None]]:
        names = list(dict.fromkeys(hrefs))
        if self.row.role is Role.BUSY:
            return [(name, self.get_item(name)) for name in names]
        with self.storage.calendars.database.read() as connection:
            rows = reading.items(connection, self.row, names)
        return [(name, self._item(rows[name]) if name in rows else None) for name in names]

    def get_all(self) -> Iterable[radicale_item.Item]:
        if self.row.role is Role.BUSY:
            office = self.storage.calendars.office_of(self.row)
            items = self.storage.feed.items(office) if office else []
            return [self._busy_item(item.href, item.text, item.etag) for item in items]
        if self.row.role is Role.PRINCIPAL:
            return []
        with self.storage.calendars.database.read() as connection:
            return [self._item(row) for row in reading.all_items(connection, self.row)]

    def get_filtered(self, filters: Iterable[ET.Element]) -> Iterable[tuple[radicale_item.Item, bool]]:
        del filters
        return [(item, False) for item in self.get_all()]

    def has_uid(self, uid: str) -> bool:
        with self.storage.calendars.database.read() as connection:
            return reading.has_uid(connection, self.row, uid) is not None

    def sync(self, old_token: str = "") -> tuple[str, Iterable[str]]:
        if self.row.role is Role.BUSY:
            office = self.storage.calendars.office_of(self.row)
            assert office is not None
            try:
                token, items, gone = self.storage.feed.changes(
                    office, old_token or self.storage.feed.token(office)
                )
            except UnknownTokenError as error:
                raise ValueError("unknown sync token") from error
            return token, [*(item.href for item in items), *gone]
        with self.storage.calendars.database.read() as connection:
            incarnation = reading.meta_value(connection, "incarnation") or ""
            row = reading.collection(connection, self.row.path) or self.row
            token = sync_token(row, incarnation)
            if not old_token:
                return token, (name for name, _ in reading.names_and_etags(connection, row))
            stored, gone = reading.changed_since(connection, row, token_seq(old_token, row, incarnation))
        return token, [*stored, *gone]

    def upload(
        self, href: str, item: radicale_item.Item
    ) -> tuple[radicale_item.Item, radicale_item.Item | None]:
        old = self.get_item(href)
        self.storage.calendars.put(self.path, href, item.serialize(), self.storage.actor())
        new = self.get_item(href)
        assert new is not None
        return new, old

    def delete(self, href: str | None = None) -> None:
        if href is None:
            self.storage.calendars.delete_calendar(self.path, self.storage.actor())
        else:
            self.storage.calendars.delete(self.path, href, self.storage.actor())

    def get_meta(self, key: str | None = None) -> Any:
        return self.row.props if key is None else self.row.props.get(key)

    def set_meta(self, props: Mapping[str, str]) -> None:
        gone = dict.fromkeys(self.row.props.keys() - props.keys())
        self.storage.calendars.change_props(self.path, {**gone, **props}, self.storage.actor())


class TerminStorage(BaseStorage):
    """The storage plugin. The application says before each request who acts (`acting`), since Radicale hands that to no method."""

    _is_collision_free = True
    _supports_unicode = True
    _supports_trailing_whitespace = False
    _supports_problematic_chars = True

    def __init__(self, configuration: Configuration, calendars: Calendars, feed: BusyFeed) -> None:
        super().__init__(configuration)
        self.calendars = calendars
        self.feed = feed
        self._local = threading.local()

    @contextmanager
    def acting(self, actor: Actor) -> Iterator[None]:
        """Name who acts in this thread for the length of a request."""
        self._local.actor = actor
        try:
            yield
        finally:
            self._local.actor = None

    def actor(self) -> Actor:
        """Who acts in this thread."""
        actor = getattr(self._local, "actor", None)
        if actor is None:
            raise ForbiddenError("nobody acts")
        assert isinstance(actor, Actor)
        return actor

    def discover(
        self, path: str, depth: str = "0", child_context_manager: Any = None, user_groups: Any = frozenset()
    ) -> Iterator[TerminCollection | radicale_item.Item]:
        del child_context_manager, user_groups
        name = pathutils.strip_path(path)
        if not name:
            yield TerminCollection(self, ROOT)
            if depth != "0":
                yield from self._children("")
            return
        found = self.calendars.find(name)
        if found is None:
            parent, _, href = name.rpartition("/")
            where = self.calendars.find(parent) if parent else None
            item = TerminCollection(self, where).get_item(href) if where is not None and where.tag else None
            if item is not None:
                yield item
            return
        collection = TerminCollection(self, found)
        yield collection
        if depth == "0":
            return
        if found.tag:
            yield from collection.get_all()
        else:
            yield from self._children(found.path)

    def _children(self, parent: str) -> list[TerminCollection]:
        with self.calendars.database.read() as connection:
            return [TerminCollection(self, row) for row in reading.children(connection, parent)]

    def move(self, item: radicale_item.Item, to_collection: BaseCollection, to_href: str) -> None:
        assert item.collection is not None
        assert item.href is not None
        self.calendars.move(
            item.collection.path, item.href, to_collection.path, to_href, self.actor(), overwrite=True
        )

    def create_collection(
        self,
        href: str,
        items: Iterable[radicale_item.Item] | None = None,
        props: Mapping[str, str] | None = None,
    ) -> tuple[TerminCollection, dict[str, radicale_item.Item], list[str]]:
        # Calendars as a whole are the application's (`calendar_server.wholes`).
        assert items is None
        path = pathutils.strip_path(href)
        if "/" not in path:
            row = self.calendars.create_principal(path, props, self.actor())
        else:
            row = self.calendars.create_calendar(path, props or {}, self.actor())
        return TerminCollection(self, row), {}, []

    @contextmanager
    def acquire_lock(self, mode: str, user: str = "", *args: object, **kwargs: object) -> Iterator[None]:
        del mode, user, args, kwargs
        yield

    def verify(self) -> bool:
        return True


class TerminAuth(BaseAuth):
    """The authentication plugin: accounts and app passwords."""

    def __init__(self, configuration: Configuration, accounts: Accounts) -> None:
        super().__init__(configuration)
        self._accounts = accounts

    def login(  # type: ignore[misc]  # final in Radicale, and wrong there
        self, login: str, password: str, context: object
    ) -> tuple[str, str, set[str]]:
        """Replace Radicale's own, which sleeps by differences of the wall clock: after a clock step for an hour."""
        del context
        account = self._accounts.login(login, password)
        return (account.name if account else "", "termin", set())


class TerminRights(BaseRights):
    """The rights plugin: `calendar_server.rights`, with the account looked up once for each request."""

    def __init__(self, configuration: Configuration, accounts: Accounts, directory: Directory) -> None:
        super().__init__(configuration)
        self._accounts = accounts
        self._directory = directory
        self._local = threading.local()

    def forget(self) -> None:
        """Look accounts up anew; called at the start of each request."""
        self._local.known = {}

    def account(self, user: str) -> Account | None:
        """Return the account of a user, None for an anonymous or unknown one."""
        known: dict[str, Account | None] = getattr(self._local, "known", {})
        if user not in known:
            known[user] = self._accounts.get(user) if user else None
            self._local.known = known
        return known[user]

    def authorization(self, user: str, user_groups: object, path: str) -> str:
        del user_groups
        return rights_of(self.account(user), path, self._directory)

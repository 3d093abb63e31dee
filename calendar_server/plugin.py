"""Radicale's plugin points (storage, rights) on top of `calendar_server.service`, as far as its handlers are used: they make collections.

A lock is no transaction here: making a collection is one transaction of the service with all its checks inside. Sync tokens, which are ours, stand here as well.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from radicale import pathutils
from radicale.rights import BaseRights
from radicale.storage import BaseCollection, BaseStorage

from calendar_server.refusals import ForbiddenError
from calendar_server.rights import rights_of
from calendar_server.service import Actor, Calendars
from calendar_server.storage.rows import CollectionRow, Role

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from radicale.config import Configuration

    from calendar_server.accounts import Accounts
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
    """One collection as Radicale sees it: there, and a calendar or not."""

    def __init__(self, row: CollectionRow) -> None:
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


class TerminStorage(BaseStorage):
    """The storage plugin, as far as making collections needs one.

    The application says before each request who acts (`acting`), since Radicale hands that to no method. What isn't overridden raises
    NotImplementedError.
    """

    _is_collision_free = True
    _supports_unicode = True
    _supports_trailing_whitespace = True
    _supports_problematic_chars = True

    def __init__(self, configuration: Configuration, calendars: Calendars) -> None:
        super().__init__(configuration)
        self.calendars = calendars
        self._local = threading.local()

    @contextmanager
    def acting(self, actor: Actor, props: Mapping[str, str]) -> Iterator[None]:
        """Name who acts in this thread for the length of a request, and the properties of what is made."""
        self._local.actor, self._local.props = actor, props
        try:
            yield
        finally:
            self._local.actor, self._local.props = None, {}

    def makes_calendar(self) -> bool:
        """True if what is made in this thread was asked to be a calendar."""
        return bool(self._local.props.get("tag"))

    def _actor(self) -> Actor:
        actor = getattr(self._local, "actor", None)
        if actor is None:
            raise ForbiddenError("nobody acts")
        assert isinstance(actor, Actor)
        return actor

    def discover(
        self, path: str, depth: str = "0", child_context_manager: Any = None, user_groups: Any = frozenset()
    ) -> Iterator[TerminCollection]:
        del depth, child_context_manager, user_groups
        name = pathutils.strip_path(path)
        found = self.calendars.find(name) if name else ROOT
        if found is not None:
            yield TerminCollection(found)

    def create_collection(
        self,
        href: str,
        items: Iterable[object] | None = None,
        props: Mapping[str, str] | None = None,
    ) -> tuple[TerminCollection, dict[str, Any], list[str]]:
        # Calendars as a whole are the application's (`calendar_server.wholes`).
        assert items is None
        row = self.calendars.create_calendar(
            pathutils.strip_path(href), {**(props or {}), **self._local.props}, self._actor()
        )
        return TerminCollection(row), {}, []

    @contextmanager
    def acquire_lock(self, mode: str, user: str = "", *args: object, **kwargs: object) -> Iterator[None]:
        del mode, user, args, kwargs
        yield

    def verify(self) -> bool:
        return True


class TerminRights(BaseRights):
    """The rights plugin: `calendar_server.rights`."""

    def __init__(self, configuration: Configuration, accounts: Accounts, directory: Directory) -> None:
        super().__init__(configuration)
        self._accounts = accounts
        self._directory = directory

    def authorization(self, user: str, user_groups: object, path: str) -> str:
        del user_groups
        return rights_of(self._accounts.get(user) if user else None, path, self._directory)

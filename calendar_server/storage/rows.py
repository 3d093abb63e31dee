"""The rows of the storage as values, and the words that its columns hold."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a collection is for."""

    PRINCIPAL = "principal"
    CLERK = "clerk"
    """A calendar of somebody who may have appointments."""
    VIEW = "view"
    """`/<office>/appointments/`: no objects of its own."""
    OPENING = "opening"
    BUSY = "busy"
    """`/<office>/busy/`: made from the other calendars when it is read."""
    PLAIN = "plain"
    """A calendar of a person outside any office."""
    INBOX = "inbox"
    """Somebody's scheduling inbox or outbox (RFC 6638 section 2): no row of the database, since nothing lies in them."""
    OUTBOX = "outbox"


class Kind(StrEnum):
    """What an object means to the dispatch."""

    APPOINTMENT = "appointment"
    HOLD = "hold"
    EVENT = "event"
    WINDOW = "window"
    CLOSURE = "closure"
    WISH = "wish"
    """No calendar object: a change of the waiting list, in the change log (`calendar_server.waiting`)."""

    @property
    def is_booking(self) -> bool:
        """True for what must never overlap another of the same clerk."""
        return self in {Kind.APPOINTMENT, Kind.HOLD}


class Action(StrEnum):
    """What happened to an object, in the change log."""

    STORED = "stored"
    DELETED = "deleted"
    ARCHIVED = "archived"
    """Long over and out of the calendars; nobody is told."""


@dataclass(frozen=True, slots=True)
class CollectionRow:
    """A collection; `path` without slashes at its ends, `props` as Radicale keeps them (short names to text)."""

    id: int
    path: str
    role: Role
    tag: str
    office: str
    owner: str
    props: dict[str, str]
    seq: int
    floor: int
    modified: int

    @property
    def name(self) -> str:
        """The last segment of the path."""
        return self.path.rpartition("/")[2]

    @property
    def etag(self) -> str:
        """The etag of the calendar as a whole, and its ctag; the busy feed has another one."""
        return f'"{self.id}-{self.seq}"'


@dataclass(frozen=True, slots=True)
class ObjectRow:
    """A calendar object as it is stored; see `calendar_server.storage.schema.objects`."""

    id: int
    collection_id: int
    href: str
    uid: str
    component: str
    kind: Kind
    etag: str
    text: str
    size: int
    seq: int
    office: str
    view_href: str | None
    services: frozenset[str]
    pinned: bool
    hold_until: int | None
    sequence: int
    digest: str
    first: int | None
    last: int | None
    recurring: bool
    expanded_from: int | None
    expanded_until: int | None
    modified: int


@dataclass(frozen=True, slots=True)
class InstanceRow:
    """One occurrence [start, end) of an object, with what the dispatch needs of the object."""

    object_id: int
    collection_id: int
    uid: str
    kind: Kind
    start: int
    end: int
    transparency: int
    services: frozenset[str]
    pinned: bool
    hold_until: int | None

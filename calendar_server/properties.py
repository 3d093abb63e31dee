"""PROPFIND (RFC 4918 section 9.1): the properties of principals, calendars and their objects, written straight from rows.

Each live property is one function of the resource that returns XML, or None where that resource doesn't have it. Dead properties (a colour, a
description) lie in the collection's row under the names that Radicale's PROPPATCH stores. Nothing here reads an object's text.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import TYPE_CHECKING

from calendar_server import multistatus, propertyupdate
from calendar_server.ical import floating
from calendar_server.ical.query import COLLATIONS
from calendar_server.multistatus import element, escape
from calendar_server.storage.rows import CollectionRow, Role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from xml.etree.ElementTree import Element

    from calendar_server.storage.reading import Listed

_D = "{DAV:}"
_C = "{urn:ietf:params:xml:ns:caldav}"
_CS = "{http://calendarserver.org/ns/}"
_REPORTS_OF_CALENDARS = (
    "<supported-report><report><sync-collection/></report></supported-report>"
    "<supported-report><report><C:calendar-multiget/></report></supported-report>"
    "<supported-report><report><C:calendar-query/></report></supported-report>"
    "<supported-report><report><C:free-busy-query/></report></supported-report>"
)
_REPORTS_OF_ALL = (
    "<supported-report><report><principal-search-property-set/></report></supported-report>"
    "<supported-report><report><principal-property-search/></report></supported-report>"
)

_MAILBOXES = {Role.INBOX: "<C:schedule-inbox/>", Role.OUTBOX: "<C:schedule-outbox/>"}


@dataclass(frozen=True, slots=True)
class Resource:
    """What properties are asked of: a collection, or an object in it.

    `letters` are the rights on it (`calendar_server.rights`); `token` makes the calendar's sync token; `email` is the owner's, and
    `homes` are the paths below which her calendars lie, both for principals.
    """

    prefix: str
    user: str
    letters: str
    collection: CollectionRow
    token: Callable[[], str]
    item: Listed | None = None
    email: str = ""
    max_size: int = 0
    homes: Callable[[], list[str]] = list

    @property
    def is_calendar(self) -> bool:
        """True for a calendar itself."""
        return self.item is None and bool(self.collection.tag)

    @property
    def is_principal(self) -> bool:
        """True for a principal's own collection."""
        return self.item is None and self.collection.role is Role.PRINCIPAL and bool(self.collection.path)

    def href(self) -> str:
        """The path as it stands in an href; collections end with a slash."""
        parts = [part for part in self.collection.path.split("/") if part]
        if self.item is not None:
            return multistatus.href(self.prefix, *parts, self.item.name)
        return multistatus.href(self.prefix, *parts, collection=bool(parts))


def _link(prefix: str, name: str) -> str:
    return f"<href>{multistatus.href(prefix, name, collection=True) if name else escape(prefix + '/')}</href>"


def _resource_type(on: Resource) -> str:
    if on.item is not None:
        return ""
    kind = _MAILBOXES.get(on.collection.role, "")
    kind = "<C:calendar/>" if on.is_calendar else "<principal/>" if on.is_principal else kind
    return f"<collection/>{kind}"


_OF_OBJECTS: dict[str, Callable[[Listed], str]] = {
    # An etag is ours: hexadecimal digits in quotes.
    _D + "getetag": lambda item: item.etag,
    _D + "getlastmodified": lambda item: formatdate(item.modified, usegmt=True),
    _D + "getcontenttype": lambda item: f"text/calendar; charset=utf-8; component={item.component.lower()}",
    _D + "getcontentlength": lambda item: str(item.size),
}
"""The properties in which the objects of a calendar differ."""


def _etag(on: Resource) -> str | None:
    if on.item is not None:
        return _OF_OBJECTS[_D + "getetag"](on.item)
    return escape(_ctag(on)) if on.is_calendar else None


def _ctag(on: Resource) -> str:
    if on.collection.role is Role.BUSY:
        return f'"{on.token().rpartition(":busy:")[2]}"'
    return on.collection.etag


def _modified(on: Resource) -> str | None:
    if on.item is not None:
        return _OF_OBJECTS[_D + "getlastmodified"](on.item)
    return formatdate(on.collection.modified, usegmt=True) if on.is_calendar else None


def _content_type(on: Resource) -> str | None:
    if on.item is not None:
        return _OF_OBJECTS[_D + "getcontenttype"](on.item)
    return "text/calendar" if on.is_calendar else None


def _display_name(on: Resource) -> str | None:
    name = on.collection.props.get("D:displayname")
    if on.item is not None or not name:
        return None
    return escape(name)


def _privileges(on: Resource) -> str:
    if on.collection.role in _MAILBOXES:
        # No schedule-send-invite: whoever is invited is told by the client (RFC 6638 section 6.2).
        names = [
            "read",
            *(["C:schedule-send-freebusy"] if on.collection.role is Role.OUTBOX else []),
            "read-current-user-privilege-set",
        ]
        return "".join(f"<privilege><{name}/></privilege>" for name in names)
    names = ["read"]
    calendar = on.is_calendar or on.item is not None
    if calendar:
        names.append("C:read-free-busy")
    if set("wW") & set(on.letters):
        names += (
            ["write-content", "write"]
            if "l" in on.letters
            else ["all", "write", "write-properties", "write-content"]
        )
        if on.item is None:
            names += ["bind", "unbind"]
    names.append("read-current-user-privilege-set")
    return "".join(f"<privilege><{name}/></privilege>" for name in names)


def _components(on: Resource) -> str | None:
    if not on.is_calendar:
        return None
    listed = on.collection.props.get("C:supported-calendar-component-set") or "VEVENT,VTODO,VJOURNAL"
    return "".join(f'<C:comp name="{escape(name)}"/>' for name in listed.split(","))


def _addresses(on: Resource) -> str | None:
    if not on.is_principal:
        return None
    mail = f"<href>mailto:{escape(on.email)}</href>" if on.email else ""
    return mail + _link(on.prefix, on.collection.path)


def _mailbox_link(name: str) -> Callable[[Resource], str | None]:
    def link(on: Resource) -> str | None:
        if not on.is_principal:
            return None
        return f"<href>{multistatus.href(on.prefix, on.collection.path, name, collection=True)}</href>"

    return link


def _of_calendar(text: str) -> Callable[[Resource], str | None]:
    return lambda on: text if on.is_calendar else None


def _own_link(on: Resource) -> str | None:
    return _link(on.prefix, on.collection.path) if on.is_principal else None


def _homes(on: Resource) -> str | None:
    return "".join(_link(on.prefix, home) for home in on.homes()) if on.is_principal else None


def _timezone_id(on: Resource) -> str | None:
    text = on.collection.props.get("C:calendar-timezone") if on.is_calendar else None
    name = floating.name_of_zone(text) if text else None
    return None if name is None else escape(name)


LIVE: dict[str, Callable[[Resource], str | None]] = {
    _D + "resourcetype": _resource_type,
    _D + "displayname": _display_name,
    _D + "getetag": _etag,
    _D + "getlastmodified": _modified,
    _D + "getcontenttype": _content_type,
    _D + "getcontentlength": lambda on: (
        None if on.item is None else _OF_OBJECTS[_D + "getcontentlength"](on.item)
    ),
    _D + "owner": lambda on: _link(on.prefix, on.collection.owner) if on.collection.owner else None,
    _D + "current-user-principal": lambda on: _link(on.prefix, on.user),
    _D + "principal-collection-set": lambda on: _link(on.prefix, ""),
    _D + "principal-URL": _own_link,
    _D + "current-user-privilege-set": _privileges,
    _D + "supported-report-set": lambda on: (
        (_REPORTS_OF_CALENDARS if on.is_calendar else "") + _REPORTS_OF_ALL
    ),
    _D + "sync-token": lambda on: escape(on.token()) if on.is_calendar else None,
    _C + "calendar-home-set": _homes,
    _C + "calendar-user-address-set": _addresses,
    _C + "calendar-user-type": lambda on: (
        ("GROUP" if on.collection.office == on.collection.owner else "INDIVIDUAL")
        if on.is_principal
        else None
    ),
    _C + "schedule-inbox-URL": _mailbox_link("inbox"),
    _C + "schedule-outbox-URL": _mailbox_link("outbox"),
    _C + "supported-calendar-component-set": _components,
    _C + "supported-calendar-data": _of_calendar(
        '<C:calendar-data content-type="text/calendar" version="2.0"/>'
    ),
    _C + "supported-collation-set": _of_calendar(
        "".join(f"<C:supported-collation>{name}</C:supported-collation>" for name in COLLATIONS)
    ),
    _C + "max-resource-size": lambda on: str(on.max_size) if on.is_calendar else None,
    propertyupdate.TIMEZONE_ID: _timezone_id,
    _CS + "getctag": lambda on: escape(_ctag(on)) if on.is_calendar else None,
}
# RFC 4791 section 5.2 and RFC 6638 section 2 ask that these are not returned for an allprop request.
_NOT_FOR_ALL = frozenset(
    {
        _C + "calendar-home-set",
        _C + "calendar-user-address-set",
        _C + "calendar-user-type",
        _C + "schedule-inbox-URL",
        _C + "schedule-outbox-URL",
        _C + "supported-calendar-data",
        _C + "supported-collation-set",
        _C + "max-resource-size",
        _C + "calendar-description",
        propertyupdate.TIMEZONE,
        propertyupdate.TIMEZONE_ID,
        _D + "supported-report-set",
        _D + "current-user-privilege-set",
    }
)


def _dead(on: Resource, tag: str) -> str | None:
    if on.item is not None:
        return None
    text: str | None = on.collection.props.get(propertyupdate.name_of(tag))
    return None if text is None else escape(text)


def _whole(on: Resource, tag: str) -> str | None:
    """What somebody set as a property, if that was more than text."""
    if on.item is not None:
        return None
    return on.collection.props.get(propertyupdate.whole_name(propertyupdate.name_of(tag)))


PROTECTED = frozenset(LIVE) - {_D + "displayname", propertyupdate.TIMEZONE_ID}
"""What PROPPATCH can't change; a calendar's components are chosen when it is made (RFC 4791 section 5.2.3)."""


def changed(tags: Iterable[str], href: str) -> str:
    """Return the response to a PROPPATCH that has changed these."""
    return multistatus.found(href, "".join(map(element, tags)))


def of_all() -> list[str]:
    """Return the tags of what DAV:allprop asks for, of an object."""
    return [tag for tag in LIVE if tag not in _NOT_FOR_ALL]


class Request:
    """The body of a PROPFIND: some properties, all of them, or only their names. An empty body asks for all."""

    def __init__(self, root: Element | None, *, minimal: bool = False) -> None:
        """Read the body; ValueError if it isn't a propfind. `minimal`: nothing is said of what there isn't."""
        self._minimal = minimal
        self.names_only = False
        self.tags: list[str] | None = None
        self._included: list[str] = []
        if root is None:
            return
        if root.tag != _D + "propfind":
            raise ValueError("not a propfind")
        prop = root.find(_D + "prop")
        if prop is not None:
            self.tags = list(dict.fromkeys(one.tag for one in prop))
        self.names_only = root.find(_D + "propname") is not None
        include = root.find(_D + "include")
        self._included = [] if include is None else [one.tag for one in include]

    def _every_tag(self, on: Resource) -> list[str]:
        tags = [tag for tag in LIVE if tag not in _NOT_FOR_ALL or self.names_only or tag in self._included]
        if on.item is None:
            tags += [
                tag
                for tag in propertyupdate.tags_in(on.collection.props)
                if tag not in LIVE and (tag not in _NOT_FOR_ALL or self.names_only or tag in self._included)
            ]
        return tags

    def responses(self, on: Resource, items: Iterable[Listed]) -> Iterator[str]:
        """Yield the responses for objects in the calendar `on`: most properties are the same for all of them and made once."""
        href = multistatus.below(on.href())
        pieces: list[str | Callable[[Listed], str]] | None = None
        missing = ""
        for item in items:
            if pieces is None:
                pieces, missing = self.pieces(replace(on, item=item))
            found = "".join([piece if isinstance(piece, str) else piece(item) for piece in pieces])
            yield multistatus.found(href(item.name), found, missing)

    def pieces(self, on: Resource) -> tuple[list[str | Callable[[Listed], str]], str]:
        """What the found properties of an object and its like consist of, and those that they don't have."""
        found: list[str | Callable[[Listed], str]] = []
        missing: list[str] = []
        for tag in self._every_tag(on) if self.tags is None else self.tags:
            if tag in _OF_OBJECTS and not self.names_only:
                begin, end = element(tag, "|").split("|")
                found += [begin, _OF_OBJECTS[tag], end]
                continue
            written = self._written(on, tag)
            if written is not None:
                found.append(written)
            elif self.tags is not None and not self._minimal:
                missing.append(element(tag))
        return found, "".join(missing)

    def _written(self, on: Resource, tag: str) -> str | None:
        """The property as XML, None if the resource doesn't have it."""
        live = LIVE.get(tag)
        content = live(on) if live is not None else _dead(on, tag)
        if content is None or self.names_only:
            return None if content is None else element(tag)
        return _whole(on, tag) or element(tag, content)

    def response(self, on: Resource) -> str:
        """Return the response for one resource."""
        found: list[str] = []
        missing: list[str] = []
        for tag in self._every_tag(on) if self.tags is None else self.tags:
            written = self._written(on, tag)
            if written is not None:
                found.append(written)
            elif self.tags is not None and not self._minimal:
                missing.append(element(tag))
        return multistatus.found(on.href(), "".join(found), "".join(missing))

"""REPORTs on calendars, answered from SQL rows straight into a multistatus (RFC 4791 section 7, RFC 6578).

Radicale answers them by parsing every object with vobject and building an element tree; here nothing is parsed unless a
filter looks inside objects or a client wants them expanded.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from calendar_server import multistatus, paging, properties
from calendar_server.busy_feed import UnknownTokenError
from calendar_server.plugin import sync_token
from calendar_server.refusals import DAV, RefusedError
from calendar_server.storage import reading
from calendar_server.storage.reading import Listed
from calendar_server.storage.rows import CollectionRow, Role
from calendar_server.xmlbody import BadXmlError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from xml.etree.ElementTree import Element

    from sqlalchemy import Connection

    from calendar_server.busy_feed import BusyFeed
    from calendar_server.properties import Resource
    from calendar_server.service import Calendars
    from calendar_server.storage.reading import Shown

_D = "{DAV:}"
_C = "{urn:ietf:params:xml:ns:caldav}"
SYNC = _D + "sync-collection"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The properties that a REPORT asks for; `missing` is the XML of those that objects don't have.

    `others` are what clients seldom want: XML, or what makes it of an object.
    """

    etag: bool
    data: bool
    content_type: bool
    missing: str
    others: Sequence[str | Callable[[Listed], str]] = ()

    @staticmethod
    def of(root: Element, on: Callable[[], Resource], *, minimal: bool = False) -> Wanted:
        """Read DAV:prop or DAV:allprop; without either, only the etag is wanted.

        `on` gives the calendar that was asked. `minimal`: nothing is said of properties that objects don't have.
        """
        prop = root.find(_D + "prop")
        if prop is not None:
            tags = [element.tag for element in prop]
        else:
            tags = [_D + "getetag"] if root.find(_D + "allprop") is None else properties.of_all()
        known = (_D + "getetag", _C + "calendar-data", _D + "getcontenttype")
        etag, data, content_type = (tag in tags for tag in known)
        rest = list(dict.fromkeys(tag for tag in tags if tag not in known))
        if not rest:
            return Wanted(etag, data, content_type, "")
        request = properties.Request(None, minimal=minimal)
        request.tags = rest
        # What these depend on but the object itself is the same for all objects of a calendar.
        others, missing = request.pieces(replace(on(), item=Listed("", "", 0, 0, "")))
        return Wanted(etag, data, content_type, missing if prop is not None else "", others)

    def response(
        self, where: str, etag: str, text: str, component: str, modified: int, size: int | None = None
    ) -> str:
        """Return the response for one object; `where` is its href, `size` that of what is stored, if `text` is something else."""
        parts = []
        if self.etag:
            # An etag is ours: hexadecimal digits in quotes.
            parts.append(f"<getetag>{etag}</getetag>")
        if self.content_type:
            name = component.lower()
            parts.append(f"<getcontenttype>text/calendar; charset=utf-8; component={name}</getcontenttype>")
        if self.data:
            parts.append(f"<C:calendar-data>{multistatus.data(text)}</C:calendar-data>")
        if self.others:
            item = Listed("", etag, len(text.encode()) if size is None else size, modified, component)
            parts += [piece if isinstance(piece, str) else piece(item) for piece in self.others]
        return multistatus.found(where, "".join(parts), self.missing)


class Reports:
    """Answers for one calendar server."""

    def __init__(self, calendars: Calendars, feed: BusyFeed) -> None:
        self._calendars = calendars
        self._feed = feed

    def sync(
        self,
        where: CollectionRow,
        root: Element,
        prefix: str,
        on: Callable[[], Resource],
        *,
        minimal: bool = False,
    ) -> bytes:
        """Answer sync-collection on a calendar as it was read in this request. Refuses with DAV:valid-sync-token a token that isn't valid (any more).

        BadXmlError for a level that there isn't; one that is missing means the only one that a calendar has.
        """
        if (root.findtext(_D + "sync-level") or "1").strip() not in {"1", "infinite"}:
            raise BadXmlError("sync-level")
        token = (root.findtext(_D + "sync-token") or "").strip()
        wanted = Wanted.of(root, on, minimal=minimal)
        if where.role is Role.BUSY:
            return self._sync_busy(where, token, wanted, prefix, paging.limit_of(root))
        with self._calendars.database.read() as connection:
            incarnation = reading.meta_value(connection, "incarnation") or ""
            current = sync_token(where, incarnation)
            if token == current:
                return multistatus.document((), current)
            try:
                start = paging.position(token, where, incarnation)
            except ValueError as error:
                raise RefusedError("valid-sync-token", namespace=DAV) from error
            limit = paging.limit_of(root)
            if token or limit is not None:
                page = paging.page(connection, where, start, limit or paging.ALL)
                rows = reading.shown_of_names(connection, where, page.stored).values()
                responses = [multistatus.gone(_href(prefix, where, name)) for name in page.gone]
                responses += _responses(prefix, where, rows, wanted)
                if page.position is not None:
                    current = page.position.token(where, incarnation)
                    responses.append(multistatus.truncated(_href(prefix, where, "")))
            else:
                responses = _everything(connection, prefix, where, wanted)
        return multistatus.document(responses, current)

    def _sync_busy(
        self, where: CollectionRow, token: str, wanted: Wanted, prefix: str, limit: int | None
    ) -> bytes:
        office = self._calendars.office_of(where)
        assert office is not None
        try:
            current, items, gone = self._feed.changes(office, token)
        except UnknownTokenError as error:
            raise RefusedError("valid-sync-token", namespace=DAV) from error
        if limit is not None and len(items) + len(gone) > limit:
            raise RefusedError(paging.TOO_MANY, namespace=DAV)
        responses = [multistatus.gone(_href(prefix, where, name)) for name in gone]
        responses += [
            wanted.response(
                _href(prefix, where, item.href), item.etag, item.text, "VFREEBUSY", where.modified
            )
            for item in items
        ]
        return multistatus.document(responses, current)


def _href(prefix: str, where: CollectionRow, name: str) -> str:
    return multistatus.href(prefix, *where.path.split("/"), name)


def _everything(connection: Connection, prefix: str, where: CollectionRow, wanted: Wanted) -> list[str]:
    if wanted.data:
        return _responses(prefix, where, reading.all_shown(connection, where), wanted)
    href = multistatus.below(multistatus.href(prefix, *where.path.split("/"), collection=True))
    return [
        wanted.response(href(item.name), item.etag, "", item.component, item.modified, item.size)
        for item in reading.listing(connection, where)
    ]


def _responses(prefix: str, where: CollectionRow, rows: Iterable[Shown], wanted: Wanted) -> list[str]:
    href = multistatus.below(multistatus.href(prefix, *where.path.split("/"), collection=True))
    return [wanted.response(href(row.name), row.etag, row.text, row.component, row.modified) for row in rows]

"""calendar-query, calendar-multiget and free-busy-query (RFC 4791 sections 7.8 to 7.10) on our storage.

A filter that is only about time, as clients send it, is answered from the instance index; nothing is parsed. Other filters look at the objects that
the index leaves over. Objects are parsed one at a time when a client wants them expanded or in parts, or
wants floating times to be read in another zone than the office's, which the index is made for.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

from calendar_server import agenda, dispatch, multistatus
from calendar_server.ical import query
from calendar_server.ical.data import DataRequest, parse_calendar_data, render
from calendar_server.ical.floating import InvalidZoneError, zone_of_calendar, zone_of_property
from calendar_server.ical.freebusy import free_busy_text
from calendar_server.ical.objects import InvalidObjectError
from calendar_server.ical.rules import WORK, Work
from calendar_server.ical.tzids import named_zone
from calendar_server.refusals import CALDAV, DAV, RefusedError
from calendar_server.reports import Wanted
from calendar_server.storage import reading
from calendar_server.storage.rows import CollectionRow, Role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import tzinfo
    from xml.etree.ElementTree import Element

    from sqlalchemy import Connection

    from calendar_server.busy_feed import BusyFeed
    from calendar_server.properties import Resource
    from calendar_server.service import Calendars
    from calendar_server.storage.reading import Shown

_D = "{DAV:}"
_C = query.CALDAV
MULTIGET = _C + "calendar-multiget"
QUERY = _C + "calendar-query"
FREE_BUSY = _C + "free-busy-query"
_LONGEST_FREE_BUSY = 400 * 86_400
MAX_WORK = 1_000_000
"""Candidates of recurrence rules that one query may look at, of all objects together: ten seconds or so, far more than clients' queries need."""
MAX_RENDERED = 50_000_000
"""Characters of what one answer holds that was expanded or cut for it."""
_TOO_MANY = "number-of-matches-within-limits"
_SPREAD = 27 * 3_600
"""Seconds that a floating time can lie apart in two zones, and a little more."""


def _data_request(root: Element) -> DataRequest:
    prop = root.find(_D + "prop")
    element = None if prop is None else prop.find(_C + "calendar-data")
    return DataRequest() if element is None else parse_calendar_data(element)


class Budget:
    """What one query may still look at. Refuses with DAV:number-of-matches-within-limits (RFC 4791 section 7.8) when nothing is left."""

    def __init__(self) -> None:
        self._left = MAX_WORK

    @contextmanager
    def work(self) -> Iterator[Work]:
        """Give what one object may take, and count what it took."""
        given = min(WORK, self._left)
        work = Work(given)
        yield work
        self._left -= given - work.left
        if self._left <= 0:
            raise RefusedError(_TOO_MANY, namespace=DAV)


class Queries:
    """Answers for one calendar server."""

    def __init__(self, calendars: Calendars, feed: BusyFeed) -> None:
        self._calendars = calendars
        self._feed = feed

    def answer(
        self,
        where: CollectionRow,
        root: Element,
        prefix: str,
        on: Callable[[], Resource],
        only: str = "",
        *,
        itself: bool = False,
        minimal: bool = False,
    ) -> bytes:
        """Answer calendar-query or calendar-multiget; a query that was asked of one object is about `only` that one.

        `on` gives the calendar with the rights on it. A query with Depth: 0 is about the calendar `itself`, and no filter matches that. Refuses with the precondition that the request breaks.
        """
        try:
            wanted, data = Wanted.of(root, on, minimal=minimal), _data_request(root)
            if root.tag == MULTIGET:
                return multistatus.document(self._multiget(where, root, prefix, wanted, data))
            zone = self._zone(where, root)
            element = root.find(_C + "filter")
            condition = query.parse_filter(element) if element is not None else None
        except query.InvalidFilterError as error:
            raise RefusedError(error.precondition, str(error), namespace=CALDAV) from error
        if condition is None:
            raise RefusedError("valid-filter", "calendar-query needs a filter", namespace=CALDAV)
        if itself and not only:
            return multistatus.document(())
        return multistatus.document(self._query(where, condition, prefix, wanted, data, only, zone))

    def _zone(self, where: CollectionRow, root: Element) -> tzinfo | None:
        """Return the zone in which floating times are to be read: the request's or else the calendar's (RFC 4791 section 7.3, RFC 7809 section 3.1).

        None if that is the one in which the index has them.
        """
        text, name = root.findtext(_C + "timezone"), root.findtext(_C + "timezone-id")
        zone: tzinfo | None = None
        if name is not None:
            zone = named_zone(name) if text is None else None
            if zone is None:
                raise RefusedError("valid-timezone", namespace=CALDAV)
        elif text is not None:
            try:
                zone = zone_of_calendar(text)
            except InvalidZoneError as error:
                raise RefusedError("valid-calendar-data", str(error), namespace=CALDAV) from error
        elif where.role in {Role.CLERK, Role.PLAIN}:
            zone = zone_of_property(where.props.get("C:calendar-timezone", ""))
        own = self._calendars.zone_of(where)
        return None if isinstance(zone, ZoneInfo) and zone.key == own.key else zone

    def free_busy(self, where: CollectionRow, root: Element) -> str:
        """Answer free-busy-query with a VFREEBUSY of what the calendar's own objects take."""
        element = root.find(_C + "time-range")
        try:
            within = query.time_range(element) if element is not None else None
        except query.InvalidFilterError as error:
            raise RefusedError(error.precondition, str(error), namespace=CALDAV) from error
        if within is None or within.end - within.start > _LONGEST_FREE_BUSY or where.role is Role.BUSY:
            raise RefusedError(
                "valid-filter", "a free-busy-query covers a time-range of at most 400 days", namespace=CALDAV
            )
        now = self._calendars.now()
        with self._calendars.database.read() as connection:
            zone = self._zone(where, root)
            if zone is None:
                taken = self._taken(connection, where, within, now)
            else:
                taken = list(self._taken_in_zone(connection, where, within, now, zone))
        return free_busy_text([taken], within.start, within.end, now)

    def _taken(
        self, connection: Connection, where: CollectionRow, within: query.TimeRange, now: int
    ) -> list[tuple[int, int, int]]:
        office = self._calendars.office_of(where)
        ids = self._ids(connection, where)
        if office is None:
            periods = reading.periods_in(connection, ids, within.start, within.end)
            return [(start, end, transparency) for _, start, end, transparency in periods]
        if where.role is not Role.VIEW:
            return agenda.taken(connection, ids, within.start, within.end, office, now)
        return [
            (row.start, row.end, row.transparency)
            for row in agenda.instances(connection, ids, within.start, within.end, office)
            if row.kind.is_booking and dispatch.is_live(row, now)
        ]

    def _taken_in_zone(
        self, connection: Connection, where: CollectionRow, within: query.TimeRange, now: int, zone: tzinfo
    ) -> Iterator[tuple[int, int, int]]:
        """The same of somebody's own calendar, with its floating times read in a zone."""
        office = self._calendars.office_of(where)
        expired = {row.id for row in reading.expired_holds(connection, office.id, now)} if office else set()
        wide = query.TimeRange(within.start - _SPREAD, within.end + _SPREAD)
        for number, row in self._touched(connection, where, wide):
            if number not in expired:
                obj = self._calendars.parse(row.text, office, where.owner, zone)
                yield from obj.instances(within.start, within.end)

    def _multiget(
        self, where: CollectionRow, root: Element, prefix: str, wanted: Wanted, data: DataRequest
    ) -> Iterator[str]:
        names, foreign = _names(where, root, prefix)
        if where.role is Role.BUSY:
            office = self._calendars.office_of(where)
            found = {name: self._feed.item(office, name) for name in names} if office is not None else {}
            for name, item in found.items():
                href = _href(prefix, where, name)
                yield (
                    multistatus.gone(href)
                    if item is None
                    else wanted.response(href, item.etag, item.text, "VFREEBUSY", where.modified)
                )
        else:
            with self._calendars.database.read() as connection:
                rows = reading.shown_of_names(connection, where, names)
            show = self._shower(where, prefix, wanted, data)
            for name in names:
                yield show(rows[name]) if name in rows else multistatus.gone(_href(prefix, where, name))
        for path in foreign:
            yield multistatus.gone(multistatus.escape(path))

    def _query(  # noqa: PLR0917 - what one request asked for
        self,
        where: CollectionRow,
        condition: query.Filter,
        prefix: str,
        wanted: Wanted,
        data: DataRequest,
        only: str,
        zone: tzinfo | None,
    ) -> Iterator[str]:
        office = self._calendars.office_of(where)
        if where.role is Role.BUSY:
            for item in self._feed.items(office) if office is not None else ():
                if only in {"", item.href} and query.matches(
                    condition, self._calendars.parse(item.text, office)
                ):
                    href = _href(prefix, where, item.href)
                    yield wanted.response(href, item.etag, item.text, "VFREEBUSY", where.modified)
            return
        budget = Budget()
        simple = None if only or zone is not None else query.simple_time_range(condition)
        show = self._shower(where, prefix, wanted, data, zone)
        with self._calendars.database.read() as connection:
            if only:
                found: Iterable[Shown] = reading.shown_of_names(connection, where, [only]).values()
            else:
                found = self._candidates(connection, where, condition, zone)
            for row in found:
                if simple is not None:
                    matches = simple[0] in {"", row.component}
                else:
                    obj = self._calendars.parse(row.text, office, zone=zone)
                    with budget.work() as work:
                        matches = query.matches(condition, obj, work)
                if matches:
                    yield show(row)

    def _candidates(
        self, connection: Connection, where: CollectionRow, condition: query.Filter, zone: tzinfo | None
    ) -> Iterator[Shown]:
        """The objects that the time range of the filter's component leaves over; all of them if it has none."""
        comps = condition.calendar.comps
        within = comps[0].time_range if len(comps) == 1 and not comps[0].is_not_defined else None
        if within is None:
            yield from reading.all_shown(connection, where)
            return
        if zone is not None:
            within = query.TimeRange(within.start - _SPREAD, within.end + _SPREAD)
        for _, row in self._touched(connection, where, within):
            yield row

    def _touched(
        self, connection: Connection, where: CollectionRow, within: query.TimeRange
    ) -> Iterator[tuple[int, Shown]]:
        """(row id, object) for what has an instance in a range, floating times read in the office's zone."""
        office = self._calendars.office_of(where)
        ids = self._ids(connection, where)
        incomplete = {row.id: row for row in reading.unexpanded(connection, ids, within.start, within.end)}
        for number, shown in reading.shown_in(connection, where, ids, within.start, within.end):
            if number not in incomplete:
                yield number, shown
        for row in incomplete.values():
            if where.role is not Role.VIEW and self._calendars.parse(row.text, office).instances(
                within.start, within.end, limit=1
            ):
                yield row.id, reading.shown_of(row, where)

    @staticmethod
    def _ids(connection: Connection, where: CollectionRow) -> list[int]:
        if where.role is not Role.VIEW:
            return [where.id]
        return [row.id for row in reading.office_collections(connection, where.office).of(Role.CLERK)]

    def _shower(
        self,
        where: CollectionRow,
        prefix: str,
        wanted: Wanted,
        data: DataRequest,
        zone: tzinfo | None = None,
    ) -> Callable[[Shown], str]:
        office = self._calendars.office_of(where)
        href = multistatus.below(_href(prefix, where, ""))
        left = MAX_RENDERED
        as_stored = data.plain or not wanted.data

        def show(row: Shown) -> str:
            nonlocal left
            text = row.text
            if not as_stored:
                try:
                    text = render(self._calendars.parse(text, office, zone=zone), data)
                except InvalidObjectError as error:
                    raise RefusedError(error.precondition, namespace=CALDAV) from error
                left -= len(text)
                if left < 0:
                    raise RefusedError(_TOO_MANY, namespace=DAV)
            size = len(row.text.encode()) if wanted.others else None
            return wanted.response(href(row.name), row.etag, text, row.component, row.modified, size)

        return show


def _names(where: CollectionRow, root: Element, prefix: str) -> tuple[list[str], list[str]]:
    """The names in this calendar that a multiget asks for, each once, and paths that lie elsewhere."""
    names: list[str] = []
    foreign: list[str] = []
    head = f"{prefix}/{where.path}/"
    for element in root.iterfind(_D + "href"):
        text = (element.text or "").strip()
        try:
            path = unquote(urlsplit(text).path)
        except ValueError:
            path = text
        name = path.removeprefix(head)
        (names if path.startswith(head) and name and "/" not in name else foreign).append(
            name if path.startswith(head) else path
        )
    return list(dict.fromkeys(names)), list(dict.fromkeys(foreign))


def _href(prefix: str, where: CollectionRow, name: str) -> str:
    return multistatus.href(prefix, *where.path.split("/"), name)

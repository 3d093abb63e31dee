"""A clerk's calendar as an iCalendar file at a secret address (`calendar_server.feeds`): read-only, for programs without CalDAV.

New Outlook and Google Calendar fetch such an address from their makers' machines, by GET and without a login, some every few hours. So unless
the configuration says otherwise nothing that anybody typed is in it: an appointment shows its services and its reference, the clerk's own
events show that she is busy. With names in it, it shows what she sees herself.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import DBAPIError

from calendar_server import agenda
from calendar_server.feeds import PREFIX, calendar_of
from calendar_server.ical.appointment import PRODID, REFERENCE
from calendar_server.ical.joining import joined
from calendar_server.ical.values import utc_stamp
from calendar_server.service import is_known
from calendar_server.storage import reading
from calendar_server.storage.database import reason_of
from calendar_server.storage.rows import InstanceRow, Kind, ObjectRow, Role

if TYPE_CHECKING:
    from collections.abc import Iterable
    from zoneinfo import ZoneInfo

    from radicale.types import WSGIEnviron, WSGIStartResponse
    from sqlalchemy import Connection

    from calendar_server.feeds import Feeds
    from calendar_server.offices import Office
    from calendar_server.service import Calendars
    from calendar_server.storage.rows import CollectionRow

DAY = 86_400
BACK, AHEAD = 30 * DAY, 400 * DAY
"""What a feed covers, around today."""
_FORM = "1"
"""Part of the etag; another number whenever the same rows are written otherwise."""
_OK, _NOT_MODIFIED = "200 OK", "304 Not Modified"
_REFERENCE = re.compile(rf"^{REFERENCE}(?:;[^:\r\n]*)?:([^\r\n]*)", re.MULTILINE)
_SAFE = {"Cache-Control": "private, no-cache", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}
_UNFOLD = re.compile("\r\n[ \t]")
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Source:
    """What a feed is made of: the calendar, its office, and the days (epoch seconds) that it covers."""

    where: CollectionRow
    office: Office
    start: int
    end: int
    etag: str


class Subscription:
    """A WSGI application for the paths under `calendar_server.feeds.PREFIX`; `names`: with what people typed."""

    def __init__(self, calendars: Calendars, feeds: Feeds, *, names: bool) -> None:
        self._calendars = calendars
        self._feeds = feeds
        self._names = names

    def __call__(self, environ: WSGIEnviron, start_response: WSGIStartResponse) -> Iterable[bytes]:
        """Answer one request. Whatever isn't a live address is not found, and nothing tells why."""
        method = str(environ["REQUEST_METHOD"])
        if method not in {"GET", "HEAD"}:
            start_response("405 Method Not Allowed", [("Allow", "GET, HEAD"), ("Content-Length", "0")])
            return [b""]
        try:
            source = self._source(str(environ.get("PATH_INFO", "")))
            if source is None:
                return _say(start_response, "404 Not Found", "There is no such calendar.")
            headers = {
                **_SAFE,
                "ETag": source.etag,
                "Content-Type": "text/calendar; charset=utf-8",
                "Content-Disposition": 'inline; filename="termine.ics"',
            }
            if _is_known(environ, source):
                start_response(_NOT_MODIFIED, list(headers.items()))
                return [b""]
            body = self._text(source).encode()
        except DBAPIError as error:
            _log.warning("database unavailable", reason=reason_of(error))
            return _say(start_response, "503 Service Unavailable", "The calendar is busy, try again.")
        start_response(_OK, [*headers.items(), ("Content-Length", str(len(body)))])
        return [b"" if method == "HEAD" else body]

    def _source(self, path: str) -> _Source | None:
        token = path.removeprefix(PREFIX)
        if not token.endswith(".ics") or not token.isascii():
            return None
        account = self._feeds.account_of(token.removesuffix(".ics"))
        if account is None:
            return None
        with self._calendars.database.read() as connection:
            where = reading.collection(connection, calendar_of(account))
            incarnation = reading.meta_value(connection, "incarnation")
            directory = reading.meta_value(connection, "directory")
        office = None if where is None else self._calendars.office_of(where)
        if where is None or where.role is not Role.CLERK or office is None:
            return None
        today = _midnight(self._calendars.now(), office.zone)
        seen = f"{_FORM}:{self._names}:{incarnation}:{directory}:{where.id}:{where.seq}:{today}"
        etag = f'"{hashlib.sha256(seen.encode()).hexdigest()[:40]}"'
        return _Source(where, office, today - BACK, today + AHEAD, etag)

    def _text(self, source: _Source) -> str:
        with self._calendars.database.read() as connection:
            shown = self._whole(connection, source) if self._names else self._bare(connection, source)
        name = _escaped(f"Termine {source.office.name}")
        head = [
            "VERSION:2.0",
            f"PRODID:{PRODID}",
            "CALSCALE:GREGORIAN",
            "METHOD:PUBLISH",
            f"X-WR-CALNAME:{name}",
            f"NAME:{name}",
            "REFRESH-INTERVAL;VALUE=DURATION:PT1H",
            "X-PUBLISHED-TTL:PT1H",
        ]
        return joined(shown, head, datetime.fromtimestamp(self._calendars.now(), UTC).year)

    def _instances(self, connection: Connection, source: _Source) -> list[InstanceRow]:
        found = agenda.instances(connection, [source.where.id], source.start, source.end, source.office)
        # A hold ends sooner than these programs ask again.
        return [each for each in found if each.kind is not Kind.HOLD]

    def _whole(self, connection: Connection, source: _Source) -> list[str]:
        """The objects as they are stored."""
        ids = dict.fromkeys(each.object_id for each in self._instances(connection, source))
        rows = reading.objects_by_id(connection, list(ids))
        return [rows[number].text for number in sorted(rows)]

    def _bare(self, connection: Connection, source: _Source) -> list[str]:
        """What takes time, without anything that somebody typed."""
        shown = self._instances(connection, source)
        taking = [each for each in shown if each.transparency and each.end > each.start]
        ids = {each.object_id for each in taking if each.kind is Kind.APPOINTMENT}
        rows = reading.objects_by_id(connection, sorted(ids))
        return [_bare_event(each, rows.get(each.object_id), source) for each in taking]


def _bare_event(each: InstanceRow, row: ObjectRow | None, source: _Source) -> str:
    # The real uid is what lets programs fetch an appointment; a digest is as constant.
    told = f"{each.uid}:{each.start}" if row is None else each.uid
    uid = hashlib.sha256(f"{source.where.id}:{told}".encode()).hexdigest()[:32]
    lines = [
        f"UID:{uid}@termin",
        f"DTSTAMP:{utc_stamp(source.where.modified if row is None else row.modified)}",
        # Cut to what the feed covers: an instance may reach further than there are dates.
        _moment("DTSTART", max(each.start, source.start), source.office.zone),
        _moment("DTEND", min(each.end, source.end), source.office.zone),
    ]
    if row is None:
        lines += ["SUMMARY:Belegt", "CLASS:PRIVATE"]
    else:
        names = sorted(source.office.service_names.get(name, name) for name in row.services)
        lines += [f"SUMMARY:{_escaped(', '.join(names) or 'Termin')}", f"SEQUENCE:{row.sequence}"]
        reference = _REFERENCE.search(_UNFOLD.sub("", row.text))
        if reference is not None:
            lines.append(f"DESCRIPTION:Vorgangsnummer {reference[1]}")
    event = ["BEGIN:VCALENDAR", "BEGIN:VEVENT", *lines, "TRANSP:OPAQUE", "END:VEVENT", "END:VCALENDAR", ""]
    return "\r\n".join(event)


def _moment(name: str, epoch: int, zone: ZoneInfo) -> str:
    local = datetime.fromtimestamp(epoch, zone)
    # A clock's time that comes twice stands for the first (RFC 5545 section 3.3.5).
    return f"{name}:{utc_stamp(epoch)}" if local.fold else f"{name};TZID={zone.key}:{local:%Y%m%dT%H%M%S}"


def _midnight(epoch: int, zone: ZoneInfo) -> int:
    now = datetime.fromtimestamp(epoch, zone)
    return int(now.replace(hour=0, minute=0, second=0, microsecond=0).timestamp())


def _escaped(text: str) -> str:
    """A TEXT value (RFC 5545 section 3.3.11)."""
    return text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")


def _is_known(environ: WSGIEnviron, source: _Source) -> bool:
    """Whether the program has this state already."""
    return is_known(str(environ.get("HTTP_IF_NONE_MATCH", "")), source.etag)


def _say(start_response: WSGIStartResponse, status: str, text: str) -> list[bytes]:
    body = f"{text}\n".encode()
    headers = {**_SAFE, "Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(body))}
    if status.startswith("503"):
        headers["Retry-After"] = "60"
    start_response(status, list(headers.items()))
    return [body]

"""Scheduling (RFC 6638), as far as it is ours: the free/busy of colleagues through the outbox, and the empty inbox that belongs to it.

Nobody is invited by this server. An organiser may ask for free/busy and has no other privilege on her outbox (section 6.2), and events
with attendees are marked SCHEDULE-AGENT=CLIENT (section 7.1), which makes her client send the invitations by mail as ever.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from calendar_server import agenda, dispatch, multistatus, opening, refusals
from calendar_server.ical import content
from calendar_server.ical.addresses import normal
from calendar_server.ical.content import ContentError
from calendar_server.ical.freebusy import free_busy_text, merged, without
from calendar_server.ical.objects import Instance, InvalidObjectError, Transparency, Zones
from calendar_server.principals import STAFF
from calendar_server.refusals import RefusedError
from calendar_server.storage import reading
from calendar_server.storage.rows import CollectionRow, Role

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from calendar_server.accounts import Account
    from calendar_server.ical.content import Property
    from calendar_server.offices import Office
    from calendar_server.principals import Principals
    from calendar_server.service import Calendars

INBOX: Final = "inbox"
OUTBOX: Final = "outbox"
MAILBOXES: Final = {INBOX: Role.INBOX, OUTBOX: Role.OUTBOX}
_MAX_ATTENDEES = 100
_LONGEST = 400 * 86_400
_UTC = ZoneInfo("UTC")
_SUCCESS = "2.0;Success"
_UNKNOWN = "3.7;Invalid calendar user"
_RULE = "valid-scheduling-message"


@dataclass(frozen=True, slots=True)
class _Question:
    """A VFREEBUSY request: whose time between `start` and `end` (epoch seconds) is taken."""

    uid: str
    start: int
    end: int
    organizer: Property
    attendees: list[Property]


def mailbox(path: str) -> CollectionRow | None:
    """Return somebody's inbox or outbox as a collection, None if the path is no such one's. It lies in no database."""
    owner, _, name = path.strip("/").partition("/")
    role = MAILBOXES.get(name)
    if role is None or not owner:
        return None
    return CollectionRow(0, f"{owner}/{name}", role, "", "", owner, {}, 0, 0, 0)


def _refuse(message: str) -> RefusedError:
    return RefusedError(_RULE, message, namespace=refusals.CALDAV)


def _read(body: bytes) -> _Question:
    try:
        root = content.parse(content.normalise(body))
    except ContentError as error:
        raise RefusedError("valid-calendar-data", str(error), namespace=refusals.CALDAV) from error
    method = root.first("METHOD")
    members = [one for one in root.components if one.name != "VTIMEZONE"]
    if method is None or method.value.strip().upper() != "REQUEST":
        raise _refuse("METHOD is not REQUEST")
    if len(members) != 1 or members[0].name != "VFREEBUSY":
        raise _refuse("only a VFREEBUSY can be sent here")
    asked = members[0]
    names = ("UID", "DTSTART", "DTEND", "ORGANIZER", "ATTENDEE")
    uid, begins, ends, organizer, _ = (asked.first(name) for name in names)
    attendees = asked.all("ATTENDEE")
    if uid is None or begins is None or ends is None or organizer is None or not attendees:
        raise _refuse(f"{', '.join(names)} are needed")
    if len(attendees) > _MAX_ATTENDEES:
        raise _refuse(f"more than {_MAX_ATTENDEES} attendees")
    zones = Zones(root, _UTC)
    try:
        start, end = zones.moment(begins).epoch, zones.moment(ends).epoch
    except InvalidObjectError as error:
        raise _refuse(str(error)) from error
    if not start < end <= start + _LONGEST:
        raise _refuse("DTEND is after DTSTART, by at most 400 days")
    return _Question(uid.value, start, end, organizer, attendees)


class Outbox:
    """Answers what is posted to outboxes."""

    def __init__(self, calendars: Calendars, principals: Principals) -> None:
        self._calendars = calendars
        self._principals = principals

    def answer(self, account: Account, body: bytes) -> str:
        """Return the schedule-response to a VFREEBUSY request of this account (RFC 6638 section 5).

        Refuses by name what is no such request, and an organizer who is somebody else.
        """
        if account.role not in STAFF:
            raise refusals.ForbiddenError(OUTBOX)
        asked = _read(body)
        own = {f"/{account.name}/", account.email.casefold()} - {""}
        if normal(asked.organizer.value) not in own:
            raise RefusedError("organizer-allowed", namespace=refusals.CALDAV)
        known: dict[str, list[Instance]] = {}
        responses = "".join(self._response(account, asked, attendee, known) for attendee in asked.attendees)
        return (
            '<?xml version="1.0" encoding="utf-8"?>\n<C:schedule-response xmlns:D="DAV:" '
            f'xmlns:C="urn:ietf:params:xml:ns:caldav">{responses}</C:schedule-response>'
        )

    def _response(
        self, account: Account, asked: _Question, attendee: Property, known: dict[str, list[Instance]]
    ) -> str:
        address = f"<C:recipient><D:href>{multistatus.escape(attendee.value.strip())}</D:href></C:recipient>"
        principal = self._principals.by_address(account, attendee.value)
        if principal is None:
            return f"<C:response>{address}<C:request-status>{_UNKNOWN}</C:request-status></C:response>"
        if principal.path not in known:
            # Clients name somebody twice, and a year of an office takes half a second.
            known[principal.path] = self._taken(principal, asked.start, asked.end)
        text = free_busy_text(
            [known[principal.path]],
            asked.start,
            asked.end,
            self._calendars.now(),
            method="REPLY",
            uid=asked.uid,
            lines=[asked.organizer.line, attendee.line],
        )
        return (
            f"<C:response>{address}<C:request-status>{_SUCCESS}</C:request-status>"
            f"<C:calendar-data>{multistatus.data(text)}</C:calendar-data></C:response>"
        )

    def _taken(self, principal: CollectionRow, start: int, end: int) -> list[Instance]:
        office = self._calendars.directory.office(principal.owner)
        with self._calendars.database.read() as connection:
            if office is not None:
                periods = self._office_taken(connection, office, start, end)
                return [Instance(first, last, Transparency.BUSY) for first, last in periods]
            works_at = self._calendars.directory.office_of(principal.owner)
            return self._person_taken(connection, principal.owner, works_at, start, end)

    def _person_taken(
        self, connection: Connection, name: str, office: Office | None, start: int, end: int
    ) -> list[Instance]:
        ids = [row.id for row in reading.children(connection, name) if row.role in {Role.CLERK, Role.PLAIN}]
        if office is None:
            rows = reading.instances_in(connection, ids, start, end)
        else:
            rows = agenda.instances(connection, ids, start, end, office)
        now = self._calendars.now()
        return [
            Instance(row.start, row.end, Transparency(row.transparency))
            for row in rows
            if dispatch.is_live(row, now)
        ]

    def _office_taken(
        self, connection: Connection, office: Office, start: int, end: int
    ) -> list[tuple[int, int]]:
        """When nobody can come: outside the windows, or while no clerk who works then is free."""
        first, last = dispatch.local_day(start, office), dispatch.local_day(end, office)
        days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
        known = reading.office_collections(connection, office.id)
        windows = [
            (window.start, window.end)
            for day in opening.opening_days(connection, office, known, days)
            for window in day.windows
        ]
        free: list[tuple[int, int]] = []
        for clerk in office.clerks:
            taken = self._person_taken(connection, clerk.id, office, start, end)
            working = merged(
                period for day in days for period in dispatch.working_periods(clerk, day, office)
            )
            free += without(working, merged((one.start, one.end) for one in taken))
        whole = [(start, end)]
        closed = without(whole, merged(windows))
        return merged([*closed, *without(whole, merged(free))])


# An unquoted parameter value ends at ":" or ";"; quoted ones may contain both.
_PARTY = re.compile(
    rb'^(?:ORGANIZER|ATTENDEE)(?:;(?:"[^"\r\n]*"|[^":\r\n])*)?(?=:)', re.IGNORECASE | re.MULTILINE
)
_AGENT = re.compile(rb";SCHEDULE-AGENT=(\"?)SERVER\1", re.IGNORECASE)
_ANY_AGENT = re.compile(rb";SCHEDULE-AGENT=", re.IGNORECASE)


def left_to_clients(body: bytes) -> bytes:
    """Return an object with SCHEDULE-AGENT=CLIENT on its organizer and attendees, unless they say otherwise than SERVER.

    A client that sees a server which schedules sends no mails itself, unless the stored event tells it to.
    """
    if b"ORGANIZER" not in body.upper():
        return body
    unfolded = re.sub(rb"\r?\n[ \t]", b"", body)
    marked = _PARTY.sub(_marked, unfolded)
    if marked == unfolded:
        return body
    try:
        # str.splitlines would also split at characters that stand within values.
        lines = re.split(r"\r\n?|\n", marked.decode().rstrip("\r\n"))
    except UnicodeDecodeError:
        return body  # storing it is refused anyway
    return "\r\n".join([*map(content.fold, lines), ""]).encode()


def _marked(match: re.Match[bytes]) -> bytes:
    head = _AGENT.sub(b"", match[0])
    return head if _ANY_AGENT.search(head) else head + b";SCHEDULE-AGENT=CLIENT"

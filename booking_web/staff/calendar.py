"""What a member of staff may see of the calendars, read by CalDAV (RFC 4791) with her own account.

The calendar server decides what that is; nothing here knows of roles.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

import defusedxml.ElementTree as DefusedET
import urllib3

from calendar_server.client import CalendarClient, UnavailableError
from calendar_server.ical.appointment import NotAnAppointmentError, from_ical

if TYPE_CHECKING:
    from datetime import date

    from booking_web.town import OfficeInfo
    from calendar_server.ical.appointment import Appointment

_DAV = "{DAV:}"
_CALDAV = "{urn:ietf:params:xml:ns:caldav}"
_PRINCIPALS = '<D:propfind xmlns:D="DAV:"><D:prop><D:current-user-principal/><D:displayname/><D:resourcetype/></D:prop></D:propfind>'
_DAY = (
    '<C:calendar-query xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><D:getetag/><C:calendar-data/></D:prop>'
    '<C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT">'
    '<C:time-range start="{start}" end="{end}"/></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>'
)


class WrongPasswordError(Exception):
    """The calendar server doesn't know this account and password."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody or an office whose calendars may be read: its id (the path) and its name."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Entry:
    """An appointment of the day and who serves it, None where that may not be seen."""

    appointment: Appointment
    by: Principal | None

    @property
    def clerk(self) -> str:
        """The name of who serves it; "" where that may not be seen."""
        return self.by.name if self.by else ""


class StaffCalendar:
    """The calendars as one account sees them."""

    def __init__(self, pool: urllib3.PoolManager, url: str, user: str, password: str) -> None:
        self._pool = pool
        self._url = url.rstrip("/")
        self._headers = urllib3.make_headers(basic_auth=f"{user}:{password}")
        self.desk = CalendarClient(url, user, password, pool=2)
        """What CalDAV has no word for: plans."""

    def principals(self) -> list[Principal]:
        """Return everybody whose calendars this account may read, itself included.

        Raises WrongPasswordError, UnavailableError.
        """
        root = self._ask("PROPFIND", "/", _PRINCIPALS)
        if root is None:
            return []
        found = []
        for response in root.iterfind(_DAV + "response"):
            path = unquote(urlsplit(response.findtext(_DAV + "href") or "").path).strip("/")
            if path and response.find(f".//{_DAV}resourcetype/{_DAV}principal") is not None:
                found.append(Principal(path, response.findtext(f".//{_DAV}displayname") or path))
        return found

    def has_calendar(self, user: str) -> bool:
        """Return whether somebody has a calendar of her own. Raises WrongPasswordError, UnavailableError."""
        return self._ask("PROPFIND", f"/{quote(user, safe='')}/calendar/", _PRINCIPALS, depth=0) is not None

    def day(self, office: OfficeInfo, day: date) -> list[Entry]:
        """Return the office's appointments of a day, by time. Raises WrongPasswordError, UnavailableError."""
        shown = self._events(f"/{office.id}/appointments/", office, day)
        clerk_of: dict[str, Principal] = {}
        for principal in self.principals():
            if principal.id != office.id:
                for appointment in self._events(f"/{principal.id}/calendar/", office, day):
                    clerk_of[appointment.uid] = principal
        entries = [Entry(appointment, clerk_of.get(appointment.uid)) for appointment in shown]
        return sorted(entries, key=lambda entry: (entry.appointment.start, entry.clerk))

    def _events(self, path: str, office: OfficeInfo, day: date) -> list[Appointment]:
        start = datetime.combine(day, time(), office.zone).astimezone(UTC)
        end = datetime.combine(day + timedelta(days=1), time(), office.zone).astimezone(UTC)
        root = self._ask(
            "REPORT", path, _DAY.format(start=f"{start:%Y%m%dT%H%M%SZ}", end=f"{end:%Y%m%dT%H%M%SZ}")
        )
        if root is None:
            return []
        found = []
        for data in root.iterfind(f".//{_CALDAV}calendar-data"):
            try:
                found.append(from_ical(data.text or "", office.zone))
            except NotAnAppointmentError:
                # Her own entries, such as an all-day absence, are no appointments.
                continue
        return found

    def _ask(self, method: str, path: str, body: str, *, depth: int = 1) -> ET.Element | None:
        """Return the answer's XML; None for what this account may not see."""
        headers = {**self._headers, "Depth": str(depth), "Content-Type": "application/xml; charset=utf-8"}
        try:
            response = self._pool.request(method, self._url + path, headers=headers, body=body.encode())
        except urllib3.exceptions.HTTPError as error:
            raise UnavailableError(type(error).__name__) from error
        if response.status == 401:
            raise WrongPasswordError
        if response.status in {403, 404}:
            return None
        if response.status != 207:
            raise UnavailableError(f"{method} answered {response.status}")
        try:
            root: ET.Element = DefusedET.fromstring(response.data)
        except (ET.ParseError, ValueError) as error:
            raise UnavailableError("the answer can't be read") from error
        return root

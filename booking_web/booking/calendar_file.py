"""The citizen's own copy of her appointment, for her calendar (RFC 5545).

METHOD:PUBLISH (RFC 5546 section 3.2.1): a copy to keep; invitations and their replies are the mails' business.
"""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from icalendar import Calendar, Event, vDuration

from booking_web.town import in_language
from calendar_server.ical.appointment import PRODID
from calendar_server.ical.zones import vtimezone

if TYPE_CHECKING:
    from datetime import datetime

    from booking_web.booking.appointments import Booked
    from booking_web.town import OfficeInfo, Town

_REFRESH = timedelta(hours=1)


def calendar_file(
    town: Town,
    booked: Booked,
    link: str,
    notes: str,
    *,
    language: str,
    now: datetime,
    followed: bool = False,
) -> bytes:
    """Return the VCALENDAR text of an appointment in the citizen's words, without anything of the clerk's copy.

    `link` leads to her page. `notes` is the text beside it, which names the link too, since some calendars don't show URL. `followed`: a calendar program
    fetches it again and again, and is told how often and what to call it.
    """
    appointment, office = booked.appointment, booked.office
    services = [town.service(line.id) for line in appointment.services]
    names = ", ".join(in_language(service.name, language) for service in services if service)
    office_name = in_language(office.name, language)
    event = Event()
    event.add("UID", appointment.uid)
    event.add("DTSTAMP", now.astimezone(UTC).replace(microsecond=0))
    event.add("SEQUENCE", appointment.sequence)
    event.add("DTSTART", appointment.start.astimezone(office.zone))
    event.add("DTEND", appointment.end.astimezone(office.zone))
    event.add("STATUS", "CANCELLED" if appointment.cancelled else "CONFIRMED")
    event.add("SUMMARY", f"{names or in_language(town.official_name, language)} – {office_name}")
    event.add("LOCATION", f"{office_name}, {office.address.one_line()}")
    event.add("DESCRIPTION", notes)
    # Colleagues who see her calendar needn't know what she has to do at the town hall (RFC 5545 section 3.8.1.3).
    event.add("CLASS", "PRIVATE")
    event.add("URL", link)
    calendar = _calendar(in_language(town.official_name, language) if followed else "")
    calendar.add_component(vtimezone(office.zone, appointment.start.astimezone(office.zone).year))
    calendar.add_component(event)
    text: bytes = calendar.to_ical()
    return text


def empty_calendar(town: Town, office: OfficeInfo, *, language: str, now: datetime) -> bytes:
    """Return what a calendar program that follows an appointment gets once there's none any more, so that it forgets it.

    A calendar has at least one component (RFC 5545 section 3.6): the zone.
    """
    calendar = _calendar(in_language(town.official_name, language))
    calendar.add_component(vtimezone(office.zone, now.astimezone(office.zone).year))
    text: bytes = calendar.to_ical()
    return text


def _calendar(followed_as: str) -> Calendar:
    """An empty VCALENDAR. Only one that is followed has a name: Outlook opens a named file as another calendar instead of adding its event."""
    calendar = Calendar()
    calendar.add("VERSION", "2.0")
    calendar.add("PRODID", PRODID)
    calendar.add("METHOD", "PUBLISH")
    if followed_as:
        # RFC 7986 sections 5.1 and 5.7, and what was there before it.
        calendar.add("NAME", followed_as)
        calendar.add("X-WR-CALNAME", followed_as)
        calendar.add("REFRESH-INTERVAL", _REFRESH, parameters={"VALUE": "DURATION"})
        calendar.add("X-PUBLISHED-TTL", vDuration(_REFRESH))
    return calendar

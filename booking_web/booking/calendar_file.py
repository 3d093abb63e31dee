"""The citizen's own copy of her appointment, for her calendar (RFC 5545).

METHOD:PUBLISH (RFC 5546 section 3.2.1): a copy to keep; invitations and their replies are the mails' business.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from icalendar import Calendar, Event

from booking_web.town import in_language
from calendar_server.ical.appointment import PRODID
from calendar_server.ical.zones import vtimezone

if TYPE_CHECKING:
    from datetime import datetime

    from booking_web.booking.appointments import Booked
    from booking_web.town import Town


def calendar_file(town: Town, booked: Booked, link: str, *, language: str, now: datetime) -> bytes:
    """Return the VCALENDAR text of an appointment in the citizen's words, without anything of the clerk's copy.

    `link` leads to her page; it stands in URL and in the text, since some calendars don't show URL.
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
    event.add("STATUS", "CONFIRMED")
    event.add("SUMMARY", f"{names or in_language(town.official_name, language)} – {office_name}")
    event.add("LOCATION", f"{office_name}, {office.address.one_line()}")
    times = [
        f"{number}. {part.start.astimezone(office.zone):%H:%M}–{part.end.astimezone(office.zone):%H:%M}"
        for number, part in enumerate(appointment.parts, 1)
    ]
    lines = (*times, appointment.reference, office.phone, link)
    event.add("DESCRIPTION", "\n".join(line for line in lines if line))
    event.add("URL", link)
    calendar = Calendar()
    calendar.add("VERSION", "2.0")
    calendar.add("PRODID", PRODID)
    calendar.add("METHOD", "PUBLISH")
    calendar.add_component(vtimezone(office.zone, appointment.start.astimezone(office.zone).year))
    calendar.add_component(event)
    text: bytes = calendar.to_ical()
    return text

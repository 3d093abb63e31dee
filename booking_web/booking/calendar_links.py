"""Links with which an appointment is entered into a calendar on the web. They tell its company when and where, and nothing else.

No service, no name and not the link to her appointment: what stands in such an address is read by others.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from booking_web.town import in_language

if TYPE_CHECKING:
    from booking_web.booking.appointments import Booked

_GOOGLE = "https://calendar.google.com/calendar/render"
_OUTLOOK = "https://outlook.live.com/calendar/0/deeplink/compose"


def calendar_links(booked: Booked, *, language: str) -> tuple[tuple[str, str], ...]:
    """Return (name of the calendar, address), in the form that each company documents."""
    start, end = (moment.astimezone(UTC) for moment in (booked.appointment.start, booked.appointment.end))
    office = in_language(booked.office.name, language)
    place = f"{office}, {booked.office.address.one_line()}"
    google = {
        "action": "TEMPLATE",
        "text": office,
        "dates": f"{start:%Y%m%dT%H%M%SZ}/{end:%Y%m%dT%H%M%SZ}",
        "location": place,
    }
    outlook = {
        "path": "/calendar/action/compose",
        "rru": "addevent",
        "subject": office,
        "startdt": f"{start:%Y-%m-%dT%H:%M:%SZ}",
        "enddt": f"{end:%Y-%m-%dT%H:%M:%SZ}",
        "location": place,
    }
    return (
        ("Google Kalender", f"{_GOOGLE}?{urlencode(google)}"),
        ("Outlook.com", f"{_OUTLOOK}?{urlencode(outlook)}"),
    )

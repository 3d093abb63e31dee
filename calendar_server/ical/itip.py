"""iTIP messages (RFC 5546) about one appointment: REQUEST and CANCEL, from the organizer to one attendee.

This module owns the iCalendar text of such a message. Whether one is due, and how it travels (iMIP, RFC 6047), is decided
in `booking_web.notifications`; the stored event, which carries no ORGANIZER and no ATTENDEE, is `calendar_server.ical.appointment`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import quote

from icalendar import Calendar, Event
from icalendar.prop import vCalAddress, vUri

from calendar_server.ical.appointment import PRODID
from calendar_server.ical.zones import vtimezone

if TYPE_CHECKING:
    from datetime import datetime
    from zoneinfo import ZoneInfo


class Method(StrEnum):
    """What an iTIP message asks of the attendee's calendar (RFC 5546 section 1.4)."""

    REQUEST = "REQUEST"
    """Put it in, or replace what is there by a higher SEQUENCE (section 3.2.2)."""
    CANCEL = "CANCEL"
    """It doesn't take place (section 3.2.5)."""


@dataclass(frozen=True, slots=True)
class Party:
    """A calendar user: `email` as it stands in an envelope (domain in ASCII), `name` for display."""

    email: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Invitation:
    """What the attendee's calendar shall know of an appointment; `start` and `end` are aware, shown in `zone`.

    `uid` is the same in all messages about an appointment; `sequence` grows with each change that concerns her.
    """

    uid: str
    sequence: int
    start: datetime
    end: datetime
    zone: ZoneInfo
    organizer: Party
    attendee: Party
    summary: str
    description: str = ""
    location: str = ""
    url: str = ""
    rsvp: bool = False
    """True if somebody reads replies."""
    agreed: bool = True
    """False if the organizer proposes a time that the attendee hasn't agreed to."""

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("an invitation's start and end must be aware")
        if self.start >= self.end:
            raise ValueError("an invitation must end after it starts")
        if self.sequence < 0:
            raise ValueError(f"sequence must not be negative: {self.sequence}")


def message(method: Method, invitation: Invitation, *, now: datetime) -> str:
    """Return the VCALENDAR text of the iTIP message; `now` (aware) becomes DTSTAMP.

    The attendee has accepted by booking, so PARTSTAT is ACCEPTED and no reply is asked for unless `rsvp` is set. A time that the organizer
    chose by itself needs her consent anew: NEEDS-ACTION (RFC 5546 section 3.2.2.1). There is no VALARM: when to be alarmed is the attendee's own affair.
    """
    calendar = Calendar()
    calendar.add("VERSION", "2.0")
    calendar.add("PRODID", PRODID)
    calendar.add("METHOD", method.value)
    year = invitation.start.astimezone(invitation.zone).year
    calendar.add_component(vtimezone(invitation.zone, year))
    calendar.add_component(_event(method, invitation, now))
    text: bytes = calendar.to_ical()
    return text.decode()


def _event(method: Method, invitation: Invitation, now: datetime) -> Event:
    event = Event()
    event.add("UID", invitation.uid)
    event.add("DTSTAMP", now.astimezone(UTC).replace(microsecond=0))
    event.add("SEQUENCE", invitation.sequence)
    event.add("DTSTART", invitation.start.astimezone(invitation.zone))
    event.add("DTEND", invitation.end.astimezone(invitation.zone))
    event.add("SUMMARY", invitation.summary)
    event.add("TRANSP", "OPAQUE")
    event.add("STATUS", "CANCELLED" if method is Method.CANCEL else "CONFIRMED")
    event.add("CLASS", "PRIVATE")
    if invitation.description:
        event.add("DESCRIPTION", invitation.description)
    if invitation.location:
        event.add("LOCATION", invitation.location)
    if invitation.url:
        event.add("URL", vUri(invitation.url))
    event.add("ORGANIZER", _address(invitation.organizer))
    attendee = _address(invitation.attendee)
    attendee.params["CUTYPE"] = "INDIVIDUAL"
    attendee.params["ROLE"] = "REQ-PARTICIPANT"
    attendee.params["PARTSTAT"] = "ACCEPTED" if invitation.agreed else "NEEDS-ACTION"
    attendee.params["RSVP"] = "TRUE" if invitation.rsvp else "FALSE"
    event.add("ATTENDEE", attendee)
    return event


def _address(party: Party) -> vCalAddress:
    """A CAL-ADDRESS: a mailto URI (RFC 6068), in which everything beyond an address's plain characters is escaped."""
    address = vCalAddress("mailto:" + quote(party.email, safe="@!$*+-._~'"))
    if party.name:
        # A parameter value can't hold a double quote or a control character (RFC 5545 section 3.2).
        address.params["CN"] = "".join(
            "'" if letter == '"' else letter for letter in party.name if letter.isprintable()
        )
    return address

"""An appointment as a value, and as the VEVENT that is stored (the properties of CONTRACTS: `X-TERMIN-…`).

This module owns the mapping between the two. It knows nothing of storage, of rules, or of mails: `calendar_server.ical.itip`
makes messages of an appointment. A stored event carries no ORGANIZER and no ATTENDEE, since clients would then
send invitations of their own (RFC 6638 section 3.2 lets any client act as a scheduling agent).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from icalendar import Calendar, Component, Event
from icalendar.prop import vText

from calendar_server.ical.zones import vtimezone

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_ESCAPED = re.compile(r"\\([\\;,nN])")
_PERSONS = re.compile("0*[1-9][0-9]?")

PRODID = "-//termin//Terminvergabe//DE"

SERVICE = "X-TERMIN-SERVICE"
OFFICE = "X-TERMIN-OFFICE"
REFERENCE = "X-TERMIN-REFERENCE"
EMAIL = "X-TERMIN-EMAIL"
NAME = "X-TERMIN-NAME"
LANGUAGE = "X-TERMIN-LANGUAGE"
REMINDER = "X-TERMIN-REMINDER"
HOLD_UNTIL = "X-TERMIN-HOLD-UNTIL"
PHONE = "X-TERMIN-PHONE"
REMARKS = "X-TERMIN-REMARKS"
PINNED = "X-TERMIN-PINNED"
REASON = "X-TERMIN-REASON"
NEED = "X-TERMIN-NEED"
AWAITS = "X-TERMIN-AWAITS"
RESEND = "X-TERMIN-RESEND"
GROUP = "X-TERMIN-GROUP"

MOST_TOGETHER = 8
"""No group has more appointments."""

ACTIVATION = "activation"
"""What a hold awaits whose citizen must still confirm her address (`Appointment.awaits`)."""
PROPOSED = "X-TERMIN-PROPOSED"
DECLINED = "X-TERMIN-DECLINED"

PROTECTED = (
    SERVICE,
    OFFICE,
    REFERENCE,
    EMAIL,
    NAME,
    LANGUAGE,
    REMINDER,
    HOLD_UNTIL,
    PHONE,
    REMARKS,
    PROPOSED,
    NEED,
    AWAITS,
    RESEND,
    GROUP,
)
"""Properties that the server keeps when a client that doesn't know them leaves them out."""


class NotAnAppointmentError(ValueError):
    """The text isn't one VEVENT that can be read as an appointment; the message names the property."""


class BadPersonsError(NotAnAppointmentError):
    """A service is for no number of persons that there could be."""


@dataclass(frozen=True, slots=True)
class ServiceLine:
    """One chosen service and for how many persons."""

    id: str
    persons: int = 1


@dataclass(frozen=True, slots=True)
class Part:
    """One appointment of a group (`calendar_server.ical.group`): its number, counted from 1, and when it is.

    `proposed` as of an appointment.
    """

    number: int
    start: datetime
    end: datetime
    proposed: datetime | None = None


@dataclass(frozen=True, slots=True)
class Appointment:
    """One appointment, or a hold while `hold_until` is set.

    `start` and `end` are aware and become UTC instants of a half-open period; `zone` is how they are shown and stored.
    `uid` is unguessable (at least 128 random bits) for what the site books. `sequence` is RFC 5545's revision number: the
    calendar server raises it whenever time, place or status change, whoever made the change.
    """

    uid: str
    office: str
    start: datetime
    end: datetime
    zone: ZoneInfo
    services: tuple[ServiceLine, ...] = ()
    name: str = ""
    email: str = ""
    phone: str = ""
    remarks: str = ""
    language: str = "de"
    reminder: bool = False
    reference: str = ""
    summary: str = ""
    description: str = ""
    location: str = ""
    contact: str = ""
    categories: tuple[str, ...] = ()
    hold_until: datetime | None = None
    pinned: bool = False
    cancelled: bool = False
    reason: str = ""
    """Why it was cancelled or moved, in words for the citizen; empty if nobody said."""
    proposed: datetime | None = None
    """The office moved it, and the citizen hasn't agreed yet: when it was before. None: nothing is open."""
    declined: bool = False
    """It's cancelled because the citizen declined it in her own calendar; she may take that back."""
    sequence: int = 0
    dtstamp: datetime | None = None
    needs: tuple[str, ...] = ()
    """What she needs at the appointment, as words of a fixed list ("wheelchair"); each an `X-TERMIN-NEED`."""
    awaits: str = ""
    """What makes an appointment of this hold (`ACTIVATION`); empty for one whose form is still being filled in."""
    resend: datetime | None = None
    """When she last asked for the mail about it once more; aware."""
    group: int = 1
    """How many appointments were booked together, this one included."""
    parts: tuple[Part, ...] = ()
    """The appointments of a group that this value stands for, by their number; never stored. Empty: it stands for itself."""

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("an appointment's start and end must be aware")
        if self.start >= self.end:
            raise ValueError("an appointment must end after it starts")

    @property
    def is_hold(self) -> bool:
        """True while this is only a temporary reservation."""
        return self.hold_until is not None

    def at(self, start: datetime) -> Appointment:
        """The same appointment at another time, as long as before."""
        return replace(self, start=start, end=start + (self.end - self.start))


def to_event(appointment: Appointment, *, now: datetime) -> Event:
    """Return the VEVENT to store; `now` (aware) becomes DTSTAMP unless the appointment has one."""
    event = Event()
    event.add("UID", appointment.uid)
    event.add("DTSTAMP", (appointment.dtstamp or now).astimezone(UTC).replace(microsecond=0))
    event.add("SEQUENCE", appointment.sequence)
    event.add("DTSTART", appointment.start.astimezone(appointment.zone))
    event.add("DTEND", appointment.end.astimezone(appointment.zone))
    event.add("TRANSP", "OPAQUE")
    status = "CANCELLED" if appointment.cancelled else "TENTATIVE" if appointment.is_hold else "CONFIRMED"
    event.add("STATUS", status)
    for name, text in (
        ("SUMMARY", appointment.summary),
        ("DESCRIPTION", appointment.description),
        ("LOCATION", appointment.location),
        ("CONTACT", appointment.contact),
        (OFFICE, appointment.office),
        (REFERENCE, appointment.reference),
        (NAME, appointment.name),
        (EMAIL, appointment.email),
        (PHONE, appointment.phone),
        (REMARKS, appointment.remarks),
        (LANGUAGE, appointment.language),
        (REASON, appointment.reason),
        (AWAITS, appointment.awaits),
        (GROUP, str(appointment.group) if appointment.group > 1 else ""),
    ):
        if text:
            # An X- property is text (RFC 5545 section 3.8.8.2), which icalendar only knows if it's told.
            event.add(name, vText(text))
    if appointment.categories:
        event.add("CATEGORIES", list(appointment.categories))
    for service in appointment.services:
        event.add(SERVICE, service.id, parameters={"PERSONS": str(service.persons)})
    for need in appointment.needs:
        event.add(NEED, vText(need))
    for name, is_so in (
        (REMINDER, appointment.reminder),
        (PINNED, appointment.pinned),
        (DECLINED, appointment.declined),
    ):
        if is_so:
            event.add(name, "TRUE")
    for name, moment in (
        (HOLD_UNTIL, appointment.hold_until),
        (PROPOSED, appointment.proposed),
        (RESEND, appointment.resend),
    ):
        if moment is not None:
            event.add(name, vText(utc_text(moment)))
    return event


def to_ical(appointment: Appointment, *, now: datetime) -> str:
    """Return the VCALENDAR text to store or to PUT: the zone's VTIMEZONE and one VEVENT."""
    calendar = Calendar()
    calendar.add("VERSION", "2.0")
    calendar.add("PRODID", PRODID)
    calendar.add_component(vtimezone(appointment.zone, appointment.start.astimezone(appointment.zone).year))
    calendar.add_component(to_event(appointment, now=now))
    text: bytes = calendar.to_ical()
    return text.decode()


def _text(component: Component, name: str) -> str:
    value: Any = component.get(name)
    if isinstance(value, list):
        value = value[0]
    text = "" if value is None else str(value)
    # icalendar leaves an X- property's value as it stands on the line.
    return _ESCAPED.sub(_unescape, text) if name.startswith("X-") else text


def _unescape(escaped: re.Match[str]) -> str:
    """Undo RFC 5545 section 3.3.11's escaping of one character."""
    return "\n" if escaped[1] in "nN" else escaped[1]


def _instant(component: Component, name: str, zone: ZoneInfo) -> datetime | None:
    value: Any = component.get(name)
    moment = getattr(value, "dt", None)
    if not isinstance(moment, datetime):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _services(event: Component) -> tuple[ServiceLine, ...]:
    found: Any = event.get(SERVICE)
    lines = []
    for value in found if isinstance(found, list) else [] if found is None else [found]:
        persons = str(value.params.get("PERSONS", "1"))
        if not _PERSONS.fullmatch(persons):
            raise BadPersonsError(f"{SERVICE};PERSONS must be a number from 1 to 99")
        lines.append(ServiceLine(str(value), int(persons)))
    return tuple(lines)


def _texts(event: Component, name: str) -> tuple[str, ...]:
    found: Any = event.get(name)
    values = found if isinstance(found, list) else [] if found is None else [found]
    return tuple(_ESCAPED.sub(_unescape, str(value)) for value in values)


def _group(text: str) -> int:
    return int(text) if re.fullmatch("[0-9]", text) and 1 < int(text) <= MOST_TOGETHER else 1


def is_true(text: str) -> bool:
    """Read a boolean property value (RFC 5545 section 3.3.2), case-insensitively."""
    return text.strip().upper() == "TRUE"


def utc_text(moment: datetime) -> str:
    """Write an aware moment as `19980119T070000Z` (RFC 5545 section 3.3.5, form 2)."""
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def parse_utc(text: str) -> datetime | None:
    """Read `19980119T070000Z` (RFC 5545 section 3.3.5, form 2); None if it isn't one."""
    try:
        return datetime.strptime(text.strip(), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def from_event(event: Component, zone: ZoneInfo) -> Appointment:
    """Read a VEVENT as an appointment; `zone` is the office's, for floating times and for display.

    Raises NotAnAppointmentError if UID, DTSTART or an end are missing or unusable, or the time until which it is held;
    BadPersonsError for a number of persons.
    """
    uid = _text(event, "UID")
    start = _instant(event, "DTSTART", zone)
    if not uid or start is None:
        raise NotAnAppointmentError("an appointment needs a UID and a DTSTART with a time")
    end = _instant(event, "DTEND", zone)
    if end is None:
        duration = getattr(event.get("DURATION"), "dt", None)
        if duration is None:
            raise NotAnAppointmentError("an appointment needs a DTEND or a DURATION")
        end = (start.astimezone(UTC) + duration).astimezone(zone)
    if end <= start:
        raise NotAnAppointmentError("an appointment must end after it starts")
    held = _text(event, HOLD_UNTIL)
    hold_until = parse_utc(held)
    if held and hold_until is None:
        # Read as none, it would make an appointment of what was to be kept for minutes.
        raise NotAnAppointmentError(f"{HOLD_UNTIL} must be a time in UTC like 20261207T070000Z")
    categories: Any = event.get("CATEGORIES")
    groups = categories if isinstance(categories, list) else [categories] if categories is not None else []
    sequence: Any = event.get("SEQUENCE", 0)
    return Appointment(
        uid=uid,
        office=_text(event, OFFICE),
        start=start,
        end=end,
        zone=zone,
        services=_services(event),
        name=_text(event, NAME),
        email=_text(event, EMAIL),
        phone=_text(event, PHONE),
        remarks=_text(event, REMARKS),
        language=_text(event, LANGUAGE) or "de",
        reminder=is_true(_text(event, REMINDER)),
        reference=_text(event, REFERENCE),
        summary=_text(event, "SUMMARY"),
        description=_text(event, "DESCRIPTION"),
        location=_text(event, "LOCATION"),
        contact=_text(event, "CONTACT"),
        categories=tuple(str(name) for group in groups for name in group.cats),
        hold_until=hold_until,
        pinned=is_true(_text(event, PINNED)),
        cancelled=_text(event, "STATUS").upper() == "CANCELLED",
        reason=_text(event, REASON),
        proposed=parse_utc(_text(event, PROPOSED)),
        declined=is_true(_text(event, DECLINED)),
        sequence=sequence if isinstance(sequence, int) else 0,
        dtstamp=_instant(event, "DTSTAMP", zone),
        needs=_texts(event, NEED),
        group=_group(_text(event, GROUP)),
        awaits=_text(event, AWAITS),
        resend=parse_utc(_text(event, RESEND)),
    )


def from_ical(text: str, zone: ZoneInfo) -> Appointment:
    """Read a stored object's text as an appointment; see `from_event`."""
    try:
        calendar = cast("Component", Calendar.from_ical(text))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # People's own events are stored as their clients wrote them, with values on which icalendar trips.
        raise NotAnAppointmentError("not an iCalendar object") from error
    events = calendar.walk("VEVENT")
    if len(events) != 1:
        raise NotAnAppointmentError("an appointment is exactly one VEVENT")
    return from_event(events[0], zone)

"""What makes an event an appointment, and what of it no client can lose.

Pure functions on iCalendar events: `calendar_server.service` decides where they are stored. Properties that a client doesn't know
(`calendar_server.ical.appointment.PROTECTED`) are put back from what was stored before; ORGANIZER and ATTENDEE are taken
out, since a client that finds them sends invitations of its own.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from icalendar.prop import vText

from calendar_server import refusals
from calendar_server.ical import appointment as properties
from calendar_server.ical.appointment import Appointment, BadPersonsError, NotAnAppointmentError
from calendar_server.ical.objects import Transparency
from calendar_server.refusals import RefusedError
from calendar_server.storage.rows import Kind
from calendar_server.storage.writing import Content

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from icalendar import Component, Event

    from calendar_server.ical.objects import CalendarObject
    from calendar_server.offices import Office

LONGEST_HOLD = timedelta(minutes=30)
LONGEST_AWAITING = timedelta(hours=24)
"""Of a hold that is only waiting for its citizen to confirm."""
_NOT_STORED = ("ORGANIZER", "ATTENDEE")
_READ_AS_TIME = frozenset({"DTSTART", "DTEND", "DURATION", "DTSTAMP"})
_LARGEST = 2**31 - 1
"""The largest integer of RFC 5545 (section 3.3.8)."""


def claims_to_be_one(obj: CalendarObject) -> bool:
    """True for an event that carries the mark of an appointment, whoever brings it."""
    # Asked of every event that is put, so it's read off the content lines: icalendar's classes would double what a PUT costs.
    return (
        obj.component == "VEVENT"
        and len(obj.members) == 1
        and any(obj.members[0].first(name) is not None for name in (properties.SERVICE, properties.OFFICE))
    )


def _digest(appointment: Appointment) -> str:
    """A digest of what a booking asks for; not of DTSTAMP and the like, which differ when it is repeated."""
    content = [
        int(appointment.start.timestamp()),
        int(appointment.end.timestamp()),
        sorted((line.id, line.persons) for line in appointment.services),
        appointment.name,
        appointment.email,
        appointment.phone,
        appointment.remarks,
        appointment.language,
        appointment.reminder,
        appointment.reference,
        appointment.is_hold,
        appointment.cancelled,
        appointment.summary,
        appointment.description,
        appointment.location,
        appointment.contact,
        sorted(appointment.categories),
    ]
    # Appended only where they're used, so that what was stored without them has the digest that it had.
    content += [list(each) for each in (appointment.needs, (appointment.awaits,)) if any(each)]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _put_back(event: Component, stored: Component) -> bool:
    """Give the event the protected properties of the stored one; True if that changed it."""
    changed = False
    for name in properties.PROTECTED:
        before = stored.get(name)
        if _shape(event.get(name)) == _shape(before):
            continue
        changed = True
        event.pop(name, None)
        if before is not None:
            event[name] = before
    if "CONTACT" not in event and "CONTACT" in stored:
        event["CONTACT"] = stored["CONTACT"]
        changed = True
    return changed


def _shape(value: Any) -> list[tuple[str, str]]:
    """A property's values with the one parameter that we give meaning to, comparable."""
    if value is None:
        return []
    values = value if isinstance(value, list) else [value]
    return [(str(entry), str(getattr(entry, "params", {}).get("PERSONS", ""))) for entry in values]


def _clean(event: Component, office: Office) -> bool:
    changed = False
    for name in _NOT_STORED:
        if name in event:
            del event[name]
            changed = True
    if str(event.get("TRANSP", "OPAQUE")).upper() != "OPAQUE":
        event["TRANSP"] = vText("OPAQUE")
        changed = True
    if str(event.get(properties.OFFICE, "")) != office.id:
        event[properties.OFFICE] = vText(office.id)
        changed = True
    return changed


def _read(event: Event, zone: ZoneInfo) -> Appointment:
    try:
        return properties.from_event(event, zone)
    except BadPersonsError as error:
        raise RefusedError(refusals.PERSONS_LIMIT, str(error)) from error
    except NotAnAppointmentError as error:
        raise RefusedError(refusals.NEEDS_A_TIME, str(error)) from error


def single_event(obj: CalendarObject) -> Event:
    """Return the one event of an appointment. Refuses with "appointment-needs-a-time" what recurs or has no time of day."""
    if obj.component != "VEVENT" or len(obj.events) != 1 or obj.recurring:
        raise RefusedError(refusals.NEEDS_A_TIME, "an appointment is one event that doesn't recur")
    event = obj.events[0]
    if any(name in _READ_AS_TIME for name, _ in event.errors):
        # icalendar keeps what it can't read (second 60, say), and raises when it's asked for the value.
        raise RefusedError(refusals.NEEDS_A_TIME, "a time of the appointment can't be read")
    if not isinstance(getattr(event.get("DTSTART"), "dt", None), datetime):
        raise RefusedError(refusals.NEEDS_A_TIME, "an appointment begins at a time of day")
    return event


@dataclass(frozen=True, slots=True)
class Booking:
    """An appointment ready to be stored: the value, its content, and whether the text is other than what the client sent."""

    appointment: Appointment
    content: Content
    altered: bool
    rescheduled: bool
    """True if the period or the services differ from what was stored, or nothing was: it needs a place."""
    asks_again: bool = False
    """True if its citizen wants the mail about it once more."""


def _next_sequence(new: Appointment, stored: Appointment | None, last_sequence: int | None) -> int:
    if stored is not None:
        visible = (new.start, new.end, new.location, new.cancelled, new.is_hold, new.services) != (
            stored.start,
            stored.end,
            stored.location,
            stored.cancelled,
            stored.is_hold,
            stored.services,
        )
        # Confirming a hold is the first that the citizen hears of it, so it remains revision 0.
        confirms = stored.is_hold and not new.is_hold
        return min(max(new.sequence, stored.sequence + (1 if visible and not confirms else 0)), _LARGEST)
    return new.sequence if last_sequence is None else min(max(new.sequence, last_sequence + 1), _LARGEST)


def prepare(
    obj: CalendarObject,
    office: Office,
    *,
    stored: CalendarObject | None,
    stored_digest: str,
    last_sequence: int | None,
    authoritative: bool,
    now: int,
) -> Booking:
    """Make of a client's event what is to be stored.

    `stored` is what is there now, `last_sequence` the revision at which an earlier one of this uid was deleted. `authoritative` writers (the site)
    may change protected properties, but not the name in what is booked. Refuses with "appointment-needs-a-time", "persons-limit", "unknown-service"
    or "name-fixed".
    """
    event = single_event(obj)
    before = _read(single_event(stored), office.zone) if stored is not None else None
    altered = _clean(event, office)
    if stored is not None and not authoritative:
        altered |= _put_back(event, stored.events[0])
    wanted = _read(event, office.zone)
    if before is not None and before.name and not before.is_hold and wanted.name != before.name:
        # Else appointments could be booked in stock and sold.
        raise RefusedError(refusals.NAME_FIXED)
    if unknown := {line.id for line in wanted.services} - office.services:
        raise RefusedError(refusals.UNKNOWN_SERVICE, f"the office has no service {min(unknown)!r}")
    hold_until = _hold_until(wanted, now)
    if before is not None and wanted.hold_until is not None and before.hold_until == wanted.hold_until:
        # It was allowed when it was placed: an offer to somebody who waits lasts longer than a visitor's hold.
        hold_until = int(wanted.hold_until.timestamp())
    sequence = _next_sequence(wanted, before, last_sequence)
    if sequence != wanted.sequence or "SEQUENCE" not in event:
        event.pop("SEQUENCE", None)
        event.add("SEQUENCE", sequence)
        altered = True
    digest = _digest(wanted)
    confirms = before is not None and before.is_hold and not wanted.is_hold
    text = obj.calendar.to_ical().decode() if altered else obj.text
    start, end = int(wanted.start.timestamp()), int(wanted.end.timestamp())
    busy = (
        Transparency.FREE
        if wanted.cancelled
        else Transparency.TENTATIVE
        if wanted.is_hold
        else Transparency.BUSY
    )
    content = Content(
        uid=obj.uid,
        component="VEVENT",
        kind=Kind.HOLD if hold_until is not None else Kind.APPOINTMENT,
        text=text,
        instances=[(start, end, int(busy))],
        first=start,
        last=end,
        services=frozenset(line.id for line in wanted.services),
        pinned=wanted.pinned,
        hold_until=hold_until,
        sequence=sequence,
        digest=digest if before is None or confirms else stored_digest,
    )
    rescheduled = (
        before is None
        or (before.start, before.end) != (wanted.start, wanted.end)
        or {line.id for line in before.services} != {line.id for line in wanted.services}
        or (before.cancelled and not wanted.cancelled)
    )
    asks_again = wanted.resend is not None and (before is None or wanted.resend != before.resend)
    return Booking(wanted, content, altered, rescheduled, asks_again)


def _hold_until(wanted: Appointment, now: int) -> int | None:
    if wanted.hold_until is None:
        return None
    longest = LONGEST_AWAITING if wanted.awaits and wanted.email else LONGEST_HOLD
    latest = datetime.fromtimestamp(now, UTC) + longest
    return int(min(wanted.hold_until, latest).timestamp())


def content_of(appointment: Appointment, *, now: int) -> Content:
    """Return what is stored of an appointment or hold that the server makes itself; `now` (epoch seconds) becomes its DTSTAMP."""
    start, end = int(appointment.start.timestamp()), int(appointment.end.timestamp())
    held = appointment.hold_until
    return Content(
        uid=appointment.uid,
        component="VEVENT",
        kind=Kind.APPOINTMENT if held is None else Kind.HOLD,
        text=properties.to_ical(replace(appointment, dtstamp=None), now=datetime.fromtimestamp(now, UTC)),
        instances=[(start, end, int(Transparency.BUSY if held is None else Transparency.TENTATIVE))],
        first=start,
        last=end,
        services=frozenset(line.id for line in appointment.services),
        pinned=appointment.pinned,
        hold_until=None if held is None else int(held.timestamp()),
        sequence=appointment.sequence,
        digest=_digest(appointment),
    )


def read(obj: CalendarObject, office: Office) -> Appointment:
    """Return what an event asks for. Refuses with "appointment-needs-a-time" or "persons-limit" what is no appointment."""
    return _read(single_event(obj), office.zone)


def words_of(text: str) -> tuple[str, bool]:
    """Return the summary, and whether there is an address, of a stored text, by its unfolded lines: parsing it whole would cost far more."""
    summary, mailed = "", False
    for line in text.replace("\r\n ", "").replace("\r\n\t", "").split("\r\n"):
        head, _, value = line.partition(":")
        name = head.partition(";")[0].upper()
        if name == "SUMMARY" and not summary:
            summary = value.replace("\\,", ",").replace("\\;", ";").replace("\\n", " ").replace("\\\\", "\\")
        elif name == "X-TERMIN-EMAIL":
            mailed = bool(value)
    return summary, mailed


def digest_of(obj: CalendarObject, office: Office) -> str:
    """Return the digest of what a booking asks for, to recognise its repetition."""
    event = single_event(obj)
    return _digest(_read(event, office.zone))

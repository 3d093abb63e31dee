"""The event that is booked: what the clerk reads in her calendar, made of the citizen's choice and entries.

Clerks read German, whatever language the citizen chose; her language is a property of its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from babel import Locale

from booking_web.booking.checklist import checklist
from booking_web.booking.person import NEEDS
from booking_web.booking.tokens import reference_of
from booking_web.town import DEFAULT_LANGUAGE, EASY, NeededBy, in_language
from calendar_server.ical.appointment import Appointment

if TYPE_CHECKING:
    from datetime import datetime

    from booking_web.booking.choice import Choice
    from booking_web.booking.person import Person
    from booking_web.town import OfficeInfo, Service


def _service_text(service: Service, persons: int) -> str:
    name = in_language(service.name, DEFAULT_LANGUAGE)
    if persons == 1:
        return name
    counted = in_language(service.persons_label, DEFAULT_LANGUAGE) or "Personen"
    return f"{name}, {persons} {counted}"


def _location(office: OfficeInfo) -> str:
    return f"{in_language(office.name, DEFAULT_LANGUAGE)}, {office.address.one_line()}"


def _language_name(language: str) -> str:
    if language == EASY:
        return "Leichte Sprache"
    return str(Locale.parse(language).get_display_name(DEFAULT_LANGUAGE) or language)


def _description(choice: Choice, person: Person, reference: str) -> str:
    lines = [f"Vorgang {reference}", *(f"• {_service_text(*chosen)}" for chosen in choice.chosen)]
    needed = [item for item in checklist(choice) if item.document.needed_by is NeededBy.EVERYONE]
    if needed:
        lines += ["", "Bringt mit:"]
        lines += [f"• {in_language(item.document.name, DEFAULT_LANGUAGE)}" for item in needed]
    if person.needs:
        lines += ["", *(f"! {NEEDS[need]}" for need in person.needs)]
    if person.remarks:
        lines += ["", "Bemerkung:", person.remarks]
    if person.language != DEFAULT_LANGUAGE:
        lines += ["", f"Sprache: {_language_name(person.language)}"]
    return "\n".join(lines)


def _summary(choice: Choice) -> str:
    text = " + ".join(_service_text(*chosen) for chosen in choice.chosen)
    return text if choice.group == 1 else f"{text} (Gruppe: {choice.group} Termine)"


def make_hold(choice: Choice, uid: str, start: datetime, until: datetime) -> Appointment:
    """Return the hold of a time: services and times, nothing about a person."""
    return Appointment(
        uid=uid,
        office=choice.office.id,
        start=start,
        end=start + choice.duration,
        zone=choice.office.zone,
        services=choice.lines,
        summary=f"Reserviert: {_summary(choice)}",
        location=_location(choice.office),
        categories=choice.names(DEFAULT_LANGUAGE),
        hold_until=until,
    )


def make_appointment(
    choice: Choice, uid: str, start: datetime, person: Person, *, secret: bytes
) -> Appointment:
    """Return the appointment to book."""
    reference = reference_of(secret, uid)
    contact = ", ".join(part for part in (person.name, person.email, person.phone) if part)
    return replace(
        make_hold(choice, uid, start, start),
        hold_until=None,
        name=person.name,
        email=person.email,
        phone=person.phone,
        remarks=person.remarks,
        needs=person.needs,
        language=person.language,
        reminder=person.reminder,
        reference=reference,
        summary=f"{_summary(choice)} · {person.name}",
        description=_description(choice, person, reference),
        contact=contact,
    )

"""What a citizen chose: an office and its services, each for a number of persons. In URLs `service=reisepass:2`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from booking_web.booking.durations import duration
from booking_web.booking.errors import FieldError, InvalidError
from booking_web.town import in_language
from calendar_server.ical.appointment import ServiceLine
from optimizer.group import Arrangement

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from booking_web.town import OfficeInfo, Service, Town
    from calendar_server.ical.appointment import Appointment


@dataclass(frozen=True, slots=True)
class Choice:
    """A valid choice: at least one service of the office, in the office's order, within all limits."""

    office: OfficeInfo
    chosen: tuple[tuple[Service, int], ...]
    group: int = 1
    """For how many people each: so many appointments are booked at once, all for the same services."""
    arrangement: Arrangement = Arrangement.SOONEST
    """How the appointments of a group lie to each other."""

    @property
    def lines(self) -> tuple[ServiceLine, ...]:
        """The services as they stand in the calendar."""
        return tuple(ServiceLine(service.id, persons) for service, persons in self.chosen)

    @property
    def service_ids(self) -> frozenset[str]:
        """The ids that a clerk must be able to do."""
        return frozenset(service.id for service, _ in self.chosen)

    @property
    def duration(self) -> timedelta:
        """How long the appointment takes."""
        return duration(self.chosen)

    @property
    def query(self) -> list[tuple[str, str]]:
        """The choice as URL query: `office=…&service=ID[:PERSONS]…`, for a group `&group=N[&arrangement=…]`."""
        found = [
            ("office", self.office.id),
            *(
                ("service", service.id if persons == 1 else f"{service.id}:{persons}")
                for service, persons in self.chosen
            ),
        ]
        if self.group > 1:
            found.append(("group", str(self.group)))
            if self.arrangement is not Arrangement.SOONEST:
                found.append(("arrangement", self.arrangement.value))
        return found

    def names(self, language: str) -> tuple[str, ...]:
        """The names of the services in `language`."""
        return tuple(in_language(service.name, language) for service, _ in self.chosen)


def parse_line(text: str) -> tuple[str, int]:
    """Read `ID[:PERSONS]`; InvalidError if the number isn't one."""
    service_id, colon, persons = text.partition(":")
    if not colon:
        return service_id, 1
    if not (persons.isascii() and persons.isdecimal()) or len(persons) > 3:
        raise InvalidError([FieldError("service", "persons")])
    return service_id, int(persons)


def read_group(text: str | None) -> int:
    """Read the number of a group's appointments; 1 without one. InvalidError if it isn't a number."""
    if not text:
        return 1
    if not (text.isascii() and text.isdecimal()) or len(text) > 3:
        raise InvalidError([FieldError("group", "persons")])
    return int(text)


def read_arrangement(text: str | None) -> Arrangement:
    """Read how the appointments of a group lie to each other; as soon as can be without a wish. InvalidError for an unknown one."""
    try:
        return Arrangement(text) if text else Arrangement.SOONEST
    except ValueError as error:
        raise InvalidError([FieldError("arrangement", "unknown")]) from error


def choose_office(town: Town, office_id: str | None) -> OfficeInfo:
    """Return the office; if there's only one, it needn't be named. InvalidError otherwise."""
    if not office_id:
        if len(town.offices) == 1:
            return town.offices[0]
        raise InvalidError([FieldError("office", "required")])
    office = town.office(office_id)
    if office is None:
        raise InvalidError([FieldError("office", "unknown-office")])
    return office


def choose(
    town: Town,
    office_id: str | None,
    lines: Iterable[tuple[str, int]],
    field: str = "service",
    *,
    group: int = 1,
    arrangement: Arrangement = Arrangement.SOONEST,
) -> Choice:
    """Check a choice of (service id, persons) and return it in the office's order; `group` appointments of it at once.

    Raises InvalidError naming every mistake; `field` is what the caller's users know the services as.
    """
    office = choose_office(town, office_id)
    wanted: dict[str, int] = {}
    errors: list[FieldError] = []
    for service_id, persons in lines:
        service = town.service(service_id)
        if service is None or service_id not in office.services:
            errors.append(FieldError(field, "unknown-service"))
        elif service_id in wanted:
            errors.append(FieldError(field, "twice"))
        elif not 1 <= persons <= service.max_persons:
            errors.append(FieldError(field, "persons-limit", service.max_persons))
        else:
            wanted[service_id] = persons
    if not wanted and not errors:
        errors.append(FieldError(field, "no-service"))
    if len(wanted) > office.release.max_services:
        errors.append(FieldError(field, "too-many-services", office.release.max_services))
    if not 1 <= group <= max(1, office.release.max_group):
        errors.append(FieldError("group", "group-limit", office.release.max_group))
    if errors:
        raise InvalidError(dict.fromkeys(errors))
    choice = Choice(
        office,
        tuple((service, wanted[service.id]) for service in town.services_of(office) if service.id in wanted),
        group,
        arrangement,
    )
    if choice.duration.total_seconds() > office.release.max_minutes * 60:
        raise InvalidError([FieldError(field, "too-long", office.release.max_minutes)])
    return choice


def usual_choices(town: Town) -> list[Choice]:
    """Return what is asked for most: each office's services alone, for one person, the frequent ones first as the office lists them."""
    found = []
    for office in town.offices:
        for service in town.services_of(office):
            # A service may be so long that the office's limit forbids it.
            with suppress(InvalidError):
                found.append(choose(town, office.id, [(service.id, 1)]))
    return found


def chosen_in(town: Town, appointment: Appointment) -> Choice:
    """Return what was chosen for an appointment, or for what is left of a group. Raises InvalidError if the town no longer has it."""
    lines = ((line.id, line.persons) for line in appointment.services)
    starts = {part.start for part in appointment.parts}
    arrangement = Arrangement.SOONEST
    if len(appointment.parts) > 1 and len(starts) in {1, len(appointment.parts)}:
        arrangement = Arrangement.TOGETHER if len(starts) == 1 else Arrangement.IN_TURN
    return choose(
        town, appointment.office, lines, group=max(1, len(appointment.parts)), arrangement=arrangement
    )

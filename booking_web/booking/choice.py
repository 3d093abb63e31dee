"""What a citizen chose: an office and its services, each for a number of persons. In URLs `service=reisepass:2`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from booking_web.booking.durations import duration
from booking_web.booking.errors import FieldError, InvalidError
from booking_web.town import in_language
from calendar_server.ical.appointment import ServiceLine

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from booking_web.town import OfficeInfo, Service, Town


@dataclass(frozen=True, slots=True)
class Choice:
    """A valid choice: at least one service of the office, in the office's order, within all limits."""

    office: OfficeInfo
    chosen: tuple[tuple[Service, int], ...]

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
        """The choice as URL query: `office=…&service=ID[:PERSONS]…`."""
        return [
            ("office", self.office.id),
            *(
                ("service", service.id if persons == 1 else f"{service.id}:{persons}")
                for service, persons in self.chosen
            ),
        ]

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
    town: Town, office_id: str | None, lines: Iterable[tuple[str, int]], field: str = "service"
) -> Choice:
    """Check a choice of (service id, persons) and return it in the office's order.

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
    if errors:
        raise InvalidError(dict.fromkeys(errors))
    choice = Choice(
        office,
        tuple((service, wanted[service.id]) for service in town.services_of(office) if service.id in wanted),
    )
    if choice.duration.total_seconds() > office.release.max_minutes * 60:
        raise InvalidError([FieldError(field, "too-long", office.release.max_minutes)])
    return choice

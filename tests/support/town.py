"""Factories for offices and appointments: each test says only what matters to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from calendar_server.ical.appointment import Appointment, ServiceLine
from calendar_server.offices import Clerk, Directory, Office, OpeningRule, WeeklyPeriod

BERLIN = ZoneInfo("Europe/Berlin")
SERVICES = {
    "personalausweis": "Personalausweis",
    "reisepass": "Reisepass",
    "anmeldung": "Anmeldung",
    "abmeldung": "Abmeldung",
    "beglaubigung": "Beglaubigung",
    "meldebescheinigung": "Meldebescheinigung",
    "fuehrungszeugnis": "Führungszeugnis",
    "fundbuero": "Fundbüro",
}
MONDAY = WeeklyPeriod(0, time(8), time(16))
WEDNESDAY = WeeklyPeriod(2, time(8), time(12))
NOW = datetime(2026, 12, 1, 11, 0, tzinfo=UTC)


def clerk(name: str, *services: str, working_times: tuple[WeeklyPeriod, ...] = (MONDAY, WEDNESDAY)) -> Clerk:
    """A clerk who may do these services, or all of them."""
    return Clerk(name, name.capitalize(), frozenset(services or SERVICES), working_times)


def office(*clerks: Clerk, name: str = "buergerbuero", **values: object) -> Office:
    """An office like the demo town's: Mondays 8-16 and Wednesdays 8-12, two clerks unless told otherwise."""
    made = Office(
        name,
        "Bürgerbüro",
        BERLIN,
        clerks or (clerk("clerk1"), clerk("clerk2")),
        frozenset(SERVICES),
        SERVICES,
        (OpeningRule(MONDAY), OpeningRule(WEDNESDAY)),
        "DE-NW",
        horizon_days=40,
    )
    return replace(made, **values)  # type: ignore[arg-type]


def directory(*offices: Office) -> Directory:
    """These offices, or the one of `office()`."""
    return Directory(offices or (office(),))


def at(day: int, hour: int, minute: int = 0, *, month: int = 12, year: int = 2026) -> datetime:
    """A time in Meschede; 7 December 2026 is a Monday."""
    return datetime(year, month, day, hour, minute, tzinfo=BERLIN)


def appointment(
    uid: str = "a1@test",
    start: datetime = datetime(2026, 12, 7, 8, 0, tzinfo=BERLIN),
    *services: str,
    minutes: int = 30,
    **values: object,
) -> Appointment:
    """An appointment for the demo office, of "meldebescheinigung" unless told otherwise."""
    made = Appointment(
        uid,
        "buergerbuero",
        start,
        start + timedelta(minutes=minutes),
        BERLIN,
        tuple(ServiceLine(service) for service in services or ("meldebescheinigung",)),
        name="Erika Muster",
        email="erika@example.org",
        summary="Meldebescheinigung · Erika Muster",
    )
    return replace(made, **values)  # type: ignore[arg-type]

"""Bringing a database into line with the configuration: tables, offices, calendars, the first opening windows.

Idempotent: it runs at every start. The configuration only fills an empty `opening` calendar; from then on the calendar is the truth.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from icalendar import Calendar, Event
from sqlalchemy import insert, select

from calendar_server.ical.appointment import PRODID
from calendar_server.ical.zones import vtimezone
from calendar_server.opening import is_holiday
from calendar_server.rights import APPOINTMENTS, BUSY, OPENING
from calendar_server.service import Actor, Calendars, file_name
from calendar_server.storage import reading
from calendar_server.storage.migrate import migrate, one_at_a_time
from calendar_server.storage.rows import Role
from calendar_server.storage.schema import offices
from calendar_server.storage.writing import Writer, set_meta

if TYPE_CHECKING:
    from collections.abc import Callable

    from calendar_server.limits import Limits
    from calendar_server.offices import Directory, Office, OpeningRule
    from calendar_server.storage.database import Database

SYSTEM = Actor("system")
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_CALENDAR = {"tag": "VCALENDAR", "C:supported-calendar-component-set": "VEVENT,VTODO"}


def prepare(
    database: Database, directory: Directory, clock: Callable[[], datetime], limits: Limits | None = None
) -> Calendars:
    """Make everything that the configuration asks for and return the service on it."""
    migrate(database)
    now = int(clock().timestamp())
    with database.write() as connection:
        one_at_a_time(database, connection)
        for key in ("incarnation", "busy_secret", "claims_secret"):
            if reading.meta_value(connection, key) is None:
                set_meta(connection, key, secrets.token_hex(16))
        known = set(connection.execute(select(offices.c.id)).scalars())
        for name in ["", *(office.id for office in directory.offices)]:
            if name not in known:
                connection.execute(insert(offices), {"id": name, "seq": 0})
        digest = fingerprint(directory)
        # The feed's content depends on working times and skills too: when they changed, readers must begin again.
        if reading.meta_value(connection, "directory") != digest:
            set_meta(connection, "directory", digest)
            set_meta(connection, "busy_incarnation", secrets.token_hex(6))
    for office in directory.offices:
        with database.write() as connection:
            writer = Writer(
                connection,
                office.id,
                zone=office.zone,
                horizon_days=office.horizon_days,
                now=now,
                actor=SYSTEM.name,
            )
            _collections(writer, office)
    calendars = Calendars(database, directory, clock, limits)
    for office in directory.offices:
        _first_windows(calendars, office, clock())
        # The holidays of all countries are loaded at the first question; better now than while a booking holds the lock.
        is_holiday(clock().astimezone(office.zone).date(), office.holiday_region)
    return calendars


def fingerprint(directory: Directory) -> str:
    """Return a digest of all that the configuration says of the offices: the same in every process."""

    def plain(value: object) -> object:
        # The order of a set differs from process to process.
        return sorted(value) if isinstance(value, frozenset) else str(value)

    offices_plain = [asdict(office) for office in directory.offices]
    return hashlib.sha256(json.dumps(offices_plain, default=plain, sort_keys=True).encode()).hexdigest()


def _collections(writer: Writer, office: Office) -> None:
    wanted = [
        (office.id, Role.PRINCIPAL, office.id, {"D:displayname": office.name}),
        (
            f"{office.id}/{APPOINTMENTS}",
            Role.VIEW,
            office.id,
            {
                **_CALENDAR,
                "D:displayname": f"Termine {office.name}",
                "C:supported-calendar-component-set": "VEVENT",
            },
        ),
        (
            f"{office.id}/{OPENING}",
            Role.OPENING,
            office.id,
            {**_CALENDAR, "D:displayname": f"Terminzeiten {office.name}"},
        ),
        (
            f"{office.id}/{BUSY}",
            Role.BUSY,
            office.id,
            {
                **_CALENDAR,
                "D:displayname": f"Belegung {office.name}",
                "C:supported-calendar-component-set": "VFREEBUSY",
            },
        ),
    ]
    for clerk in office.clerks:
        wanted.append((clerk.id, Role.PRINCIPAL, clerk.id, {"D:displayname": clerk.name}))
        wanted.append(
            (f"{clerk.id}/calendar", Role.CLERK, clerk.id, {**_CALENDAR, "D:displayname": clerk.name})
        )
    for path, role, owner, props in wanted:
        if reading.collection(writer.connection, path) is None:
            writer.create_collection(path, role, tag=props.get("tag", ""), owner=owner, props=props)
    writer.finish()


def _first_windows(calendars: Calendars, office: Office, now: datetime) -> None:
    path, key = f"{office.id}/{OPENING}", f"windows:{office.id}"
    with calendars.database.read() as connection:
        where = reading.collection(connection, path)
        assert where is not None
        stored, gone = reading.changed_since(connection, where, 0)
        filled = reading.meta_value(connection, key) is not None
    if filled:
        return
    for rule in () if stored or gone else office.initial_windows:
        text = opening_window_text(office, rule, now)
        uid = str(Calendar.from_ical(text).walk("VEVENT")[0]["UID"])
        calendars.put(path, file_name(uid), text, SYSTEM)
    # Names that are gone are forgotten in time, so whether there ever were windows is kept on its own.
    with calendars.database.write() as connection:
        one_at_a_time(calendars.database, connection)
        set_meta(connection, key, "1")


def opening_window_text(office: Office, rule: OpeningRule, now: datetime) -> str:
    """Return the weekly event of an opening window, beginning in the week of `now` (aware)."""
    zone = office.zone
    today = now.astimezone(zone).date()
    day = today - timedelta(days=(today.weekday() - rule.period.weekday) % 7)
    start = datetime.combine(day, rule.period.start, zone)
    event = Event()
    seed = f"{office.id}/{rule.period.weekday}/{rule.period.start}/{rule.period.end}/{sorted(rule.services)}"
    event.add("UID", str(uuid5(NAMESPACE_URL, f"urn:termin:opening:{seed}")))
    event.add("DTSTAMP", now.astimezone(UTC).replace(microsecond=0))
    event.add("DTSTART", start)
    event.add("DTEND", datetime.combine(day, rule.period.end, zone))
    event.add("RRULE", {"FREQ": "WEEKLY", "BYDAY": _WEEKDAYS[rule.period.weekday]})
    event.add("SUMMARY", "Terminzeit")
    event.add("TRANSP", "TRANSPARENT")
    if rule.services:
        event.add("CATEGORIES", [office.service_names.get(name, name) for name in sorted(rule.services)])
    calendar = Calendar()
    calendar.add("VERSION", "2.0")
    calendar.add("PRODID", PRODID)
    calendar.add_component(vtimezone(zone, day.year))
    calendar.add_component(event)
    text: bytes = calendar.to_ical()
    return text.decode()

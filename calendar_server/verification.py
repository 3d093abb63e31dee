"""Whether a database keeps what the program promises: every broken invariant by name, with the row that breaks it.

Everything that is stored twice (columns beside a text, instances beside a rule, numbers beside the log) is computed again here and compared. What is
told of a row is its place and its uid, nothing about a person. The check reads in one transaction, so the program may run meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from calendar_server.ical.appointment import NotAnAppointmentError, from_ical
from calendar_server.ical.values import MAX_EPOCH
from calendar_server.plans import Plans
from calendar_server.refusals import NotDoneError
from calendar_server.storage import reading
from calendar_server.storage.rows import Kind, Role
from calendar_server.storage.schema import (
    busy_days,
    changes,
    collections,
    instances,
    objects,
    offices,
    tombstones,
)
from calendar_server.storage.writing import etag_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from calendar_server.ical.objects import CalendarObject, Instance
    from calendar_server.service import Calendars
    from calendar_server.storage.rows import CollectionRow, ObjectRow


_ALL = 10**9


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken invariant: its name, where it is broken, and how."""

    rule: str
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.where}: {self.what}"


def violations(calendars: Calendars) -> Iterator[Violation]:
    """Yield everything that is wrong with the database, in no particular order."""
    with calendars.database.read() as connection:
        if calendars.database.is_sqlite:
            yield from _file(connection)
        where = {row.id: row for row in _collections(connection)}
        yield from _numbers(connection, where)
        yield from _overlaps(connection, where)
        yield from _strays(connection, where)
        yield from _log(connection)
        for row in _objects(connection):
            if row.collection_id in where:
                yield from _object(connection, calendars, where[row.collection_id], row)
    yield from _plans(calendars)


def _collections(connection: Connection) -> Iterator[CollectionRow]:
    for path in connection.execute(select(collections.c.path)).scalars():
        row = reading.collection(connection, path)
        if row is not None:
            yield row


def _objects(connection: Connection) -> Iterator[ObjectRow]:
    """All objects by portions, so that a large database isn't held in memory."""
    last = 0
    while ids := list(
        connection.execute(
            select(objects.c.id).where(objects.c.id > last).order_by(objects.c.id).limit(500)
        ).scalars()
    ):
        yield from reading.objects_by_id(connection, ids).values()
        last = ids[-1]


def _file(connection: Connection) -> Iterator[Violation]:
    for (text,) in connection.exec_driver_sql("PRAGMA integrity_check"):
        if text != "ok":
            yield Violation("file-intact", "SQLite", str(text))
    for table, row, parent, _ in connection.exec_driver_sql("PRAGMA foreign_key_check"):
        yield Violation("references-exist", f"{table} {row}", f"nothing in {parent}")


def _overlaps(connection: Connection, where: dict[int, CollectionRow]) -> Iterator[Violation]:
    """No clerk has two appointments, or an appointment and a hold, at once (a hold counts until it is released)."""
    query = (
        select(instances.c.collection_id, instances.c.start, instances.c.end, objects.c.uid)
        .join(objects, objects.c.id == instances.c.object_id)
        .where(
            objects.c.kind.in_([Kind.APPOINTMENT.value, Kind.HOLD.value]),
            instances.c.transparency != 0,
            instances.c.end > instances.c.start,
        )
    )
    by_clerk: dict[str, list[tuple[int, int, str]]] = {}
    for collection, start, end, uid in connection.execute(query):
        if collection in where:
            by_clerk.setdefault(where[collection].owner, []).append((start, end, uid))
    for clerk, periods in by_clerk.items():
        # With the longest so far at hand, neighbours in the order of their starts are all that need comparing.
        longest: tuple[int, int, str] | None = None
        for period in sorted(periods):
            if longest is not None and period[0] < longest[1]:
                yield Violation(
                    "one-appointment-at-a-time", f"{clerk}'s calendar", f"{longest[2]} and {period[2]}"
                )
            if longest is None or period[1] > longest[1]:
                longest = period


def _object(
    connection: Connection, calendars: Calendars, where: CollectionRow, row: ObjectRow
) -> Iterator[Violation]:
    place = f"{where.path}/{row.href}"
    if row.etag != etag_of(row.text) or row.size != len(row.text.encode()):
        yield Violation("etag-of-text", place, "the text is another than the one that clients were told of")
    if row.office != where.office:
        yield Violation("office-of-calendar", place, f"{row.office} instead of {where.office}")
    if row.kind.is_booking != (row.view_href is not None):
        yield Violation("appointments-in-view", place, f"{row.kind.value} with the name {row.view_href}")
    try:
        obj = calendars.parse(row.text, calendars.office_of(where), where.owner)
    except NotDoneError as error:
        yield Violation("text-readable", place, str(error))
        return
    if (obj.uid, obj.component) != (row.uid, row.component):
        yield Violation("columns-of-text", place, "uid or component differ")
    if (row.first, row.last, row.recurring) != (*obj.enclosing(), obj.recurring):
        yield Violation("columns-of-text", place, "the enclosing period differs")
    if row.kind.is_booking:
        yield from _booking(calendars, where, row, place)
    wanted = sorted((each.start, each.end, int(each.transparency)) for each in _instances(obj, row))
    if wanted != sorted(reading.instances_of(connection, row.id)):
        yield Violation("instances-of-rule", place, "the stored instances are others than the text's")


def _instances(obj: CalendarObject, row: ObjectRow) -> list[Instance]:
    """What is stored of an object (see `calendar_server.storage.schema.objects`)."""
    if not row.recurring:
        return obj.instances(row.first or 0, MAX_EPOCH)
    low = row.first or 0 if row.expanded_from is None else row.expanded_from
    high = (row.last or 0) + 1 if row.expanded_until is None else row.expanded_until
    found = obj.instances(low, high)
    return found if row.expanded_from is None else [one for one in found if one.end > low]


def _booking(calendars: Calendars, where: CollectionRow, row: ObjectRow, place: str) -> Iterator[Violation]:
    office = calendars.office_of(where)
    if where.role is not Role.CLERK:
        yield Violation(
            "appointments-with-clerks", place, f"it lies in a calendar of the kind {where.role.value}"
        )
    if office is None:
        return
    try:
        value = from_ical(row.text, office.zone)
    except NotAnAppointmentError as error:
        yield Violation("columns-of-text", place, str(error))
        return
    services = frozenset(line.id for line in value.services)
    kinds = {value.is_hold, row.kind is Kind.HOLD, row.hold_until is not None}
    # A hold that was wished for longer than the rules allow ends sooner than its text says.
    late = value.hold_until is not None and (row.hold_until or 0) > value.hold_until.timestamp()
    if services != row.services or len(kinds) > 1 or late:
        yield Violation("columns-of-text", place, "services, kind or the end of the hold differ")


def _numbers(connection: Connection, where: dict[int, CollectionRow]) -> Iterator[Violation]:
    """No row carries a number that its office or calendar hasn't reached: readers would miss it."""
    reached = {row.id: row.seq for row in connection.execute(select(offices))}
    views = {row.office: row for row in where.values() if row.role is Role.VIEW}
    for row in where.values():
        if row.seq > reached.get(row.office, -1):
            yield Violation("numbers-reached", row.path, f"{row.seq} is beyond its office's")
    for table in (objects, tombstones):
        query = select(table.c.collection_id, func.max(table.c.seq)).group_by(table.c.collection_id)
        for collection, seq in connection.execute(query):
            if collection in where and seq > where[collection].seq:
                yield Violation("numbers-reached", where[collection].path, f"{table.name} have {seq}")
    shown = select(objects.c.office, func.max(objects.c.seq)).where(objects.c.view_href.is_not(None))
    for office, seq in connection.execute(shown.group_by(objects.c.office)):
        if office in views and seq > views[office].seq:
            yield Violation("numbers-reached", views[office].path, f"an appointment has {seq}")
    yield from _logged_numbers(connection, reached)


def _logged_numbers(connection: Connection, reached: dict[str, int]) -> Iterator[Violation]:
    for logged in (changes, busy_days):
        query = select(logged.c.office, func.max(logged.c.seq)).group_by(logged.c.office)
        for office, seq in connection.execute(query):
            if seq > reached.get(office, -1):
                yield Violation("numbers-reached", office or "no office", f"{logged.name} have {seq}")


def _strays(connection: Connection, where: dict[int, CollectionRow]) -> Iterator[Violation]:
    """Instances belong to an object of the same calendar, objects to a calendar."""
    joined = select(instances.c.object_id, objects.c.collection_id).outerjoin(
        objects, objects.c.id == instances.c.object_id
    )
    stray = joined.where(
        objects.c.id.is_(None) | (objects.c.collection_id != instances.c.collection_id)
    ).distinct()
    for object_id, collection in connection.execute(stray):
        at = where[collection].path if collection in where else "no calendar"
        yield Violation("instances-with-objects", at, f"instances of object {object_id}")
    for object_id, collection in connection.execute(select(objects.c.id, objects.c.collection_id)):
        if collection not in where:
            yield Violation("references-exist", f"object {object_id}", "no calendar")


def _log(connection: Connection) -> Iterator[Violation]:
    """What is there was stored last; parts of one write are numbered without gaps."""
    last = select(changes.c.office, changes.c.uid, changes.c.owner, changes.c.action).order_by(
        changes.c.office, changes.c.seq, changes.c.part
    )
    actions = {(row.office, row.uid): row for row in connection.execute(last)}
    booked = select(objects.c.office, objects.c.uid, objects.c.href).where(objects.c.view_href.is_not(None))
    for office, uid, href in connection.execute(booked):
        logged = actions.get((office, uid))
        if logged is not None and logged.action != "stored":
            yield Violation(
                "log-tells-all", f"{office} {href}", f"it is there, and the log says {logged.action}"
            )
    counted = select(changes.c.office, changes.c.seq, changes.c.part).order_by(
        changes.c.office, changes.c.seq, changes.c.part
    )
    write, parts = ("", -1), 0
    for row in connection.execute(counted):
        parts = parts + 1 if write == (row.office, row.seq) else 0
        write = (row.office, row.seq)
        if row.part != parts:
            yield Violation("log-tells-all", row.office or "no office", f"a part of {row.seq} is missing")
            parts = row.part


def _plans(calendars: Calendars) -> Iterator[Violation]:
    plans = Plans(calendars)
    for office in calendars.directory.offices:
        try:
            plans.all(office.id, limit=_ALL)
        except (ValueError, KeyError, TypeError) as error:
            yield Violation("plans-readable", office.id, type(error).__name__)

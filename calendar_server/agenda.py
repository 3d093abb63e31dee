"""What takes place in a set of calendars within a range, from the instance index, and beyond its horizon by expanding.

Recurring objects are expanded into the index up to a horizon that moves on (`calendar_server.service.Calendars.roll_horizon`). A range
that reaches further is answered by parsing just the objects concerned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from calendar_server import addresses
from calendar_server.ical.objects import parse_object
from calendar_server.storage import reading
from calendar_server.storage.rows import InstanceRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from calendar_server.ical.objects import CalendarObject
    from calendar_server.offices import Office
    from calendar_server.storage.rows import ObjectRow


def _parsed(connection: Connection, row: ObjectRow, office: Office) -> CalendarObject:
    known = (
        addresses.of_collection(connection, row.collection_id)
        if addresses.may_tell(row.text)
        else frozenset()
    )
    return parse_object(row.text, zone=office.zone, absence_words=office.absence_words, addresses=known)


def taken(
    connection: Connection, ids: Sequence[int], start: int, end: int, office: Office, now: int
) -> list[tuple[int, int, int]]:
    """Return when what lies in these collections (row ids) takes time in [start, end), as (start, end, transparency).

    A hold that has ended by `now` takes none.
    """
    incomplete = {row.id: row for row in reading.unexpanded(connection, ids, start, end)}
    without = {row.id for row in reading.expired_holds(connection, office.id, now)} | incomplete.keys()
    found = [
        (first, last, transparency)
        for number, first, last, transparency in reading.periods_in(connection, ids, start, end)
        if number not in without
    ]
    for row in incomplete.values():
        found += _parsed(connection, row, office).instances(start, end)
    return found


def instances(
    connection: Connection, ids: Sequence[int], start: int, end: int, office: Office
) -> list[InstanceRow]:
    """Return the instances in these collections (row ids) that touch [start, end) in epoch seconds, by start."""
    found = reading.instances_in(connection, ids, start, end)
    incomplete = {row.id: row for row in reading.unexpanded(connection, ids, start, end)}
    if not incomplete:
        return found
    complete = [instance for instance in found if instance.object_id not in incomplete]
    for row in incomplete.values():
        complete.extend(
            InstanceRow(
                row.id,
                row.collection_id,
                row.uid,
                row.kind,
                instance.start,
                instance.end,
                int(instance.transparency),
                row.services,
                row.pinned,
                row.hold_until,
            )
            for instance in _parsed(connection, row, office).instances(start, end)
        )
    return sorted(complete, key=lambda instance: (instance.start, instance.end, instance.object_id))

"""What citizens asked for in the past, without anybody's name: the demand that what-if books anew (`optimizer.whatif`).

It's read from the calendars and from the archive, where length and services stay after citizens' data was erased.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from calendar_server import opening
from calendar_server.storage.reading import split_ids
from calendar_server.storage.rows import Action, Kind
from calendar_server.storage.schema import archive, changes, objects

if TYPE_CHECKING:
    from datetime import date

    from sqlalchemy import Connection

    from calendar_server.offices import Office
    from calendar_server.service import Calendars

MOST_DAYS = 400


def of(calendars: Calendars, office: Office, first: date, last: date) -> list[dict[str, Any]]:
    """Return the appointments from `first` to `last` (both included), by start.

    Each has "start" and "end" (epoch seconds), "services", and "made": when it was booked, None if nobody remembers. Those that were cancelled by
    deletion aren't there; the others count, whether they took place or not. Raises ValueError for an empty or too long range.
    """
    if not 0 <= (last - first).days < MOST_DAYS:
        raise ValueError(f"a demand covers 1 to {MOST_DAYS} days")
    start, end = opening.day_bounds(first, office.zone)[0], opening.day_bounds(last, office.zone)[1]
    with calendars.database.read() as connection:
        made = _made(connection, office)
        present = connection.execute(
            select(objects.c.uid, objects.c.first, objects.c.last, objects.c.services).where(
                objects.c.office == office.id,
                objects.c.kind == Kind.APPOINTMENT.value,
                objects.c.first >= start,
                objects.c.first < end,
            )
        ).all()
        past = connection.execute(
            select(archive.c.uid, archive.c.start, archive.c.end, archive.c.services).where(
                archive.c.office == office.id, archive.c.start >= start, archive.c.start < end
            )
        ).all()
    found = [
        {"start": begin, "end": until, "services": sorted(split_ids(services)), "made": made.get(uid)}
        for uid, begin, until, services in (*present, *past)
    ]
    return sorted(found, key=lambda each: (each["start"], each["end"], each["services"]))


def _made(connection: Connection, office: Office) -> dict[str, int]:
    """When each booking was first stored, as far as the change log remembers."""
    query = (
        select(changes.c.uid, func.min(changes.c.at).label("at"))
        .where(
            changes.c.office == office.id,
            changes.c.action == Action.STORED.value,
            changes.c.kind.in_([Kind.APPOINTMENT.value, Kind.HOLD.value]),
        )
        .group_by(changes.c.uid)
    )
    return {row.uid: row.at for row in connection.execute(query) if row.uid}

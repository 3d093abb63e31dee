"""What citizens asked for in the past, without anybody's name: for statistics, and for what-if, which books it anew (`optimizer.whatif`).

It's read from the calendars and from the archive, where length and services stay after citizens' data was erased.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from calendar_server import opening
from calendar_server.ical.objects import Transparency
from calendar_server.storage.reading import split_ids
from calendar_server.storage.rows import Action, Kind
from calendar_server.storage.schema import archive, changes, instances, objects

if TYPE_CHECKING:
    from datetime import date

    from sqlalchemy import Connection

    from calendar_server.offices import Office
    from calendar_server.service import Calendars

MOST_DAYS = 400


def of(calendars: Calendars, office: Office, first: date, last: date) -> list[dict[str, Any]]:
    """Return the appointments from `first` to `last` (both included), by start.

    Each has "start" and "end" (epoch seconds), "services", "made": when it was booked, None if nobody remembers, and "cancelled". Those that were
    cancelled by deletion aren't there (`called_off` counts them). Raises ValueError for an empty or too long range.
    """
    start, end = _bounds(office, first, last)
    with calendars.database.read() as connection:
        made = _made(connection, office)
        present = connection.execute(
            select(
                objects.c.uid,
                objects.c.first,
                objects.c.last,
                objects.c.services,
                instances.c.transparency == int(Transparency.FREE),
            )
            .join(instances, instances.c.object_id == objects.c.id)
            .where(
                objects.c.office == office.id,
                objects.c.kind == Kind.APPOINTMENT.value,
                objects.c.first >= start,
                objects.c.first < end,
            )
        ).all()
        past = connection.execute(
            select(
                archive.c.uid, archive.c.start, archive.c.end, archive.c.services, archive.c.cancelled
            ).where(archive.c.office == office.id, archive.c.start >= start, archive.c.start < end)
        ).all()
    found = [
        {
            "start": begin,
            "end": until,
            "services": sorted(split_ids(services)),
            "made": made.get(uid),
            "cancelled": bool(cancelled),
        }
        for uid, begin, until, services, cancelled in (*present, *past)
    ]
    return sorted(found, key=lambda each: (each["start"], each["end"], each["services"]))


def called_off(calendars: Calendars, office: Office, first: date, last: date) -> int:
    """Return how many appointments were deleted from `first` to `last` (both included), as far as the change log remembers.

    Raises ValueError for an empty or too long range.
    """
    start, end = _bounds(office, first, last)
    query = select(func.count(changes.c.uid.distinct())).where(
        changes.c.office == office.id,
        changes.c.action == Action.DELETED.value,
        changes.c.kind == Kind.APPOINTMENT.value,
        changes.c.at >= start,
        changes.c.at < end,
    )
    with calendars.database.read() as connection:
        return int(connection.execute(query).scalar_one())


def _bounds(office: Office, first: date, last: date) -> tuple[int, int]:
    if not 0 <= (last - first).days < MOST_DAYS:
        raise ValueError(f"a demand covers 1 to {MOST_DAYS} days")
    return opening.day_bounds(first, office.zone)[0], opening.day_bounds(last, office.zone)[1]


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

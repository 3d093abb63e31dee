"""Times that citizens give back, and the pause before the public is offered them again.

Who sells appointments books them under one name, cancels, and lets the buyer book in the same second. After a pause of random length
the time goes to whoever happens to look. Only the public waits: staff draw into such a time at once, and so may whoever places a
booking for somebody on a waiting list. A row here holds a clerk and a time, nothing about a person; it counts until its moment has
come, whether upkeep has removed it by then or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select

from calendar_server.storage.schema import returns

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from calendar_server.offices import Office
    from calendar_server.storage.writing import Writer


@dataclass(frozen=True, slots=True)
class Returning:
    """[start, end) of a clerk in epoch seconds, kept from the public until `until`."""

    id: int
    clerk: str
    start: int
    end: int
    until: int


@dataclass(frozen=True, slots=True)
class GivenBack:
    """[start, end) in epoch seconds that a booking for these services took in a clerk's calendar until now."""

    clerk: str
    start: int
    end: int
    services: frozenset[str]


def set_aside(
    writer: Writer, office: Office, given: GivenBack, draw: Callable[[float, float], float]
) -> int | None:
    """Keep a time from the public for a while, in the write that frees it; returns until when, None for at once.

    `draw` gives a random number between two, in minutes.
    """
    rule = office.release
    if rule is None or not rule.return_until:
        return None
    minutes = draw(rule.return_after, rule.return_until)
    until = rule.return_at(writer.now, given.start, given.services, minutes)
    if until <= writer.now:
        return None
    row = {
        "office": office.id,
        "clerk": given.clerk,
        "start": given.start,
        "end": given.end,
        "until": until,
    }
    writer.connection.execute(insert(returns), row)
    writer.mark_busy(given.clerk, given.start, given.end)
    return until


def live(connection: Connection, office: str, start: int, end: int, now: int) -> list[Returning]:
    """Return an office's times that touch [start, end) and are kept from the public at `now`."""
    query = select(returns).where(
        returns.c.office == office, returns.c.until > now, returns.c.start < end, returns.c.end > start
    )
    return [
        Returning(row["id"], row["clerk"], row["start"], row["end"], row["until"])
        for row in connection.execute(query.order_by(returns.c.id)).mappings()
    ]


def any_due(connection: Connection, office: str, now: int) -> bool:
    """True if a pause has ended that the busy feed still shows."""
    query = select(returns.c.id).where(returns.c.office == office, returns.c.until <= now).limit(1)
    return connection.execute(query).first() is not None


def end_due(writer: Writer) -> int:
    """Remove the pauses that have ended, so that followers of the busy feed hear of it; returns how many."""
    due = (returns.c.office == writer.office, returns.c.until <= writer.now)
    rows = writer.connection.execute(select(returns).where(*due)).mappings().all()
    for row in rows:
        writer.mark_busy(row["clerk"], row["start"], row["end"])
        # Whoever came to the waiting list meanwhile is asked before the public.
        writer.freed.add((row["start"], row["end"]))
    if rows:
        writer.connection.execute(delete(returns).where(returns.c.id.in_([row["id"] for row in rows])))
    return len(rows)

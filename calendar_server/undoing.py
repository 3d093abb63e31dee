"""What keeps a plan from being taken back: for each of its appointments at most one reason, so that a lead can see it and decide about the rest.

A step is one that takes back (`calendar_server.plans`): its `start` and `clerk` are what the plan made of the appointment, `to_start` and `to_clerk` what was before.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from calendar_server import bookings
from calendar_server.ical import appointment as properties
from calendar_server.storage import reading
from calendar_server.storage.rows import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

    from calendar_server.plans import Step
    from calendar_server.storage.rows import ObjectRow


class Obstacle(StrEnum):
    """Why something of a plan can't be taken back."""

    BEGUN = "begun"
    """It has begun, or would have at its old time."""
    GONE = "gone"
    CANCELLED = "cancelled"
    MOVED = "moved"
    """It has got another time since."""
    OTHER_CLERK = "other-clerk"
    AGREED = "agreed"
    """Its citizen has said yes to the new time."""
    CHANGED = "changed"
    """Something else of it was changed."""
    CLERK_GONE = "clerk-gone"
    """Who had it isn't in the office any more."""
    TAKEN = "taken"
    """Its old place isn't free."""
    ABSENCE = "absence"
    """The entry of the absence was changed."""


def obstacles(
    connection: Connection, known: reading.OfficeCollections, office: str, steps: Sequence[Step], now: int
) -> dict[str, Obstacle]:
    """Return what stands in the way, by uid; what isn't named can be done together.

    Where one can't be taken back, others may not find their old places free: they are named too.
    """
    rows = {step.uid: reading.booking(connection, office, step.uid) for step in steps}
    found: dict[str, Obstacle] = {}
    for step in steps:
        obstacle = _of_itself(step, rows[step.uid], known, now)
        if obstacle is not None:
            found[step.uid] = obstacle
    while True:
        going = [step for step in steps if step.uid not in found]
        leaving = {step.uid for step in going}
        taken = [step for step in going if _is_taken(connection, known, step, rows[step.uid], leaving)]
        if not taken:
            return found
        found |= {step.uid: Obstacle.TAKEN for step in taken}


def _of_itself(
    step: Step, row: ObjectRow | None, known: reading.OfficeCollections, now: int
) -> Obstacle | None:
    if step.earliest < now:
        return Obstacle.BEGUN
    if row is None or row.kind is not Kind.APPOINTMENT:
        return Obstacle.GONE
    if known.by_path(f"{step.to_clerk}/calendar") is None:
        return Obstacle.CLERK_GONE
    return None if row.etag == step.etag else _change(step, row, known)


def _change(step: Step, row: ObjectRow, known: reading.OfficeCollections) -> Obstacle:
    """What was changed of it since."""
    if row.first != step.start:
        return Obstacle.MOVED
    if known.by_id(row.collection_id).owner != step.clerk:
        return Obstacle.OTHER_CLERK
    lines = row.text.upper().splitlines()
    if "STATUS:CANCELLED" in lines:
        return Obstacle.CANCELLED
    _, mailed = bookings.words_of(row.text)
    asked = any(line.startswith(properties.PROPOSED) for line in lines)
    return Obstacle.AGREED if step.start != step.to_start and mailed and not asked else Obstacle.CHANGED


def _is_taken(
    connection: Connection,
    known: reading.OfficeCollections,
    step: Step,
    row: ObjectRow | None,
    leaving: Iterable[str],
) -> bool:
    assert row is not None
    assert row.first is not None
    assert row.last is not None
    end = step.to_start + row.last - row.first
    ids = [entry.id for entry in known.of_owner(step.to_clerk)]
    return any(
        other.kind.is_booking
        and other.transparency
        and other.uid not in leaving
        and other.start < end
        and other.end > step.to_start
        for other in reading.instances_in(connection, ids, step.to_start, end)
    )

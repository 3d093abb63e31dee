"""Whoever isn't hit keeps day and start; who is pinned keeps the clerk; only who is hit may be cancelled."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.office import Office
    from optimizer.solution import Assignment


def faults(office: Office, assignments: Sequence[Assignment]) -> list[str]:
    """Name appointments that were changed in a way that they may not be."""
    known = {entry.id: entry for entry in office.appointments}
    found = []
    for entry in assignments:
        before = known.get(entry.id)
        if before is None:
            continue
        place = entry.place
        if before.hit:
            if place is None or before.starts is None or not 0 <= place.day < len(before.starts):
                continue
            if place.start < 0 or not before.starts[place.day] >> place.start & 1:
                found.append(f"appointment {entry.id}: start {place.start} of day {place.day} isn't allowed")
        elif place is None:
            found.append(f"appointment {entry.id} is cancelled without need")
        elif (place.day, place.start) != (0, before.start):
            found.append(f"appointment {entry.id} is moved without need")
        elif before.pinned and place.clerk != before.clerk:
            found.append(f"appointment {entry.id} is pinned")
    return found

"""An appointment lies within its clerk's free grains."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.office import Office
    from optimizer.solution import Assignment


def faults(office: Office, assignments: Sequence[Assignment]) -> list[str]:
    """Name appointments that reach into a time in which their clerk may not be booked."""
    clerks = {clerk.id: clerk for clerk in office.clerks}
    lengths = {entry.id: entry.length for entry in office.appointments}
    found = []
    for entry in assignments:
        if entry.place is None or entry.id not in lengths or entry.place.clerk not in clerks:
            continue
        day, start = entry.place.day, entry.place.start
        free = clerks[entry.place.clerk].free
        if not 0 <= day < len(free) or start < 0:
            found.append(f"appointment {entry.id}: day {day}, grain {start} does not exist")
        elif any(not free[day] >> grain & 1 for grain in range(start, start + lengths[entry.id])):
            found.append(
                f"appointment {entry.id}: clerk {entry.place.clerk} isn't free on day {day} at {start}"
            )
    return found

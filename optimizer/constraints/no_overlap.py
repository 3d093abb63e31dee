"""A clerk has one appointment at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.office import Office
    from optimizer.solution import Assignment


def faults(office: Office, assignments: Sequence[Assignment]) -> list[str]:
    """Name pairs of appointments that overlap at a clerk."""
    lengths = {entry.id: entry.length for entry in office.appointments}
    placed = sorted(
        # 1 and "1" are two clerks.
        (repr(entry.place.clerk), entry.place.day, entry.place.start, str(entry.id), lengths[entry.id])
        for entry in assignments
        if entry.place is not None and entry.id in lengths
    )
    found = []
    for index, (clerk, day, start, name, length) in enumerate(placed):
        for other_clerk, other_day, other_start, other, _ in placed[index + 1 :]:
            if (other_clerk, other_day) != (clerk, day) or other_start >= start + length:
                break
            found.append(f"appointments {name} and {other} overlap at clerk {clerk} on day {day}")
    return found

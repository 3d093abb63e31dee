"""Level 2: how far the hit appointments are moved in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.office import Office
    from optimizer.solution import Assignment


def cost(office: Office, assignments: Sequence[Assignment]) -> int:
    """Sum, over the hit ones, a day's grains for each day later, and the grains between old and new start."""
    starts = {entry.id: entry.start for entry in office.appointments if entry.hit}
    return sum(
        office.grains_a_day * entry.place.day + abs(entry.place.start - starts[entry.id])
        for entry in assignments
        if entry.place is not None and entry.id in starts
    )

"""Level 4: how far the present clerks' work on day 0 is from their fair shares."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.office import Id, Office
    from optimizer.solution import Assignment


def cost(office: Office, assignments: Sequence[Assignment]) -> int:
    """Sum |grains on day 0 - target| over the clerks who have a target."""
    lengths = {entry.id: entry.length for entry in office.appointments}
    load: Counter[Id] = Counter()
    for entry in assignments:
        if entry.place is not None and entry.place.day == 0:
            load[entry.place.clerk] += lengths.get(entry.id, 0)
    return sum(abs(load[clerk.id] - clerk.target) for clerk in office.clerks if clerk.target is not None)

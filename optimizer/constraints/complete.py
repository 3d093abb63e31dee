"""Each appointment is assigned once, and nothing else is."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.office import Office
    from optimizer.solution import Assignment


def faults(office: Office, assignments: Sequence[Assignment]) -> list[str]:
    """Name appointments that are missing, unknown, or assigned more than once."""
    known = {entry.id for entry in office.appointments}
    count = Counter(entry.id for entry in assignments)
    return (
        [f"appointment {name} is missing" for name in sorted(known - count.keys(), key=str)]
        + [f"appointment {name} is unknown" for name in sorted(count.keys() - known, key=str)]
        + [f"appointment {name} is assigned {times} times" for name, times in count.items() if times > 1]
    )

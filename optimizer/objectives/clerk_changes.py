"""Level 3: appointments that weren't hit and change clerk all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.office import Office
    from optimizer.solution import Assignment


def cost(office: Office, assignments: Sequence[Assignment]) -> int:
    """Count the appointments of others that change clerk."""
    clerks = {entry.id: entry.clerk for entry in office.appointments if not entry.hit}
    return sum(
        entry.place is not None and entry.place.clerk != clerks[entry.id]
        for entry in assignments
        if entry.id in clerks
    )

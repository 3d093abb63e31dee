"""A clerk takes only what she may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.office import Office
    from optimizer.solution import Assignment


def faults(office: Office, assignments: Sequence[Assignment]) -> list[str]:
    """Name appointments with an unknown clerk or one who may not do all of their services."""
    clerks = {clerk.id: clerk for clerk in office.clerks}
    needs = {entry.id: entry.services for entry in office.appointments}
    found = []
    for entry in assignments:
        if entry.place is None or entry.id not in needs:
            continue
        clerk = clerks.get(entry.place.clerk)
        if clerk is None:
            found.append(f"appointment {entry.id}: unknown clerk {entry.place.clerk}")
        elif not needs[entry.id] <= clerk.services:
            found.append(f"appointment {entry.id}: clerk {clerk.id} may not do it")
    return found

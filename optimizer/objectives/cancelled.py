"""Level 1: appointments that are cancelled."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.office import Office
    from optimizer.solution import Assignment


def cost(_office: Office, assignments: Sequence[Assignment]) -> int:
    """Count the cancelled appointments."""
    return sum(entry.place is None for entry in assignments)

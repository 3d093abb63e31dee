"""What repair answers: a place for each appointment, or its cancellation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optimizer.fields import Field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optimizer.office import Id


class InfeasibleError(Exception):
    """Nothing keeps all rules and bounds."""


@dataclass(frozen=True, slots=True)
class Place:
    """A clerk, a day and a start in grains of that day."""

    clerk: Id
    day: int
    start: int


@dataclass(frozen=True, slots=True)
class Assignment:
    """One appointment's place; None means it is cancelled."""

    id: Id
    place: Place | None


@dataclass(frozen=True, slots=True, order=True)
class Objective:
    """The four levels, compared in this order."""

    cancelled: int
    moved_grains: int
    clerk_changes: int
    imbalance_grains: int


@dataclass(frozen=True, slots=True)
class Solution:
    """A plan for an office's day, what it costs, and whether nothing cheaper exists."""

    instance: str
    objective: Objective
    proven_optimal: bool
    seconds: float
    assignments: tuple[Assignment, ...]

    def to_json(self) -> dict[str, Any]:
        """Give the line that the command prints."""
        return {
            "instance": self.instance,
            "cancelled": self.objective.cancelled,
            "moved_grains": self.objective.moved_grains,
            "clerk_changes": self.objective.clerk_changes,
            "imbalance_grains": self.objective.imbalance_grains,
            "proven_optimal": self.proven_optimal,
            "seconds": round(self.seconds, 3),
            "assignment": [
                {"id": entry.id, "cancelled": True}
                if entry.place is None
                else {
                    "id": entry.id,
                    "clerk": entry.place.clerk,
                    "day": entry.place.day,
                    "start": entry.place.start,
                }
                for entry in self.assignments
            ],
        }


def assignments_from_json(data: Mapping[str, Any]) -> tuple[Assignment, ...]:
    """Read the assignments of a printed solution; raises ValueError that says what is wrong with them, and where."""
    return tuple(_assignment(entry) for entry in Field("", data)["assignment"].items())


def _assignment(entry: Field) -> Assignment:
    cancelled = entry.get("cancelled")
    if cancelled is not None and cancelled.flag():
        return Assignment(entry["id"].id(), None)
    place = Place(entry["clerk"].id(), entry["day"].whole(), entry["start"].whole())
    return Assignment(entry["id"].id(), place)

"""From a draft of the optimizer to a plan that the calendar server stores."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from optimizer import why
from optimizer.planning import Change

if TYPE_CHECKING:
    from collections.abc import Iterable

    from optimizer.planning import Absence, Draft
    from optimizer.snapshot import Snapshot


def body(
    draft: Draft,
    kind: str,
    *,
    note: str = "",
    reason: str = "",
    auto_at: int | None = None,
    snapshot: Snapshot | None = None,
    absence: Absence | None = None,
) -> dict[str, Any]:
    """Return what `CalendarClient.propose_plan` takes. `reason` is told to citizens whose appointment moves or is cancelled.

    With the `snapshot` that it was made from (and the planned `absence`), it says why these can't stay at their time.
    """
    found = why.of_changes(snapshot, draft.changes, absence) if snapshot else {}
    steps = [
        {
            **asdict(change),
            "reason": "" if change.is_quiet else reason,
            "why": " ".join(f"{each.clerk}:{each.reason}" for each in found.get(change.uid, ())),
        }
        for change in draft.changes
    ]
    return {
        "kind": kind,
        "steps": steps,
        "objective": draft.objective,
        "proven_optimal": draft.proven_optimal,
        "seconds": draft.seconds,
        "note": note,
        "auto_at": auto_at,
    }


def proposed_for(plans: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the plans that wait for a decision."""
    return [plan for plan in plans if plan["state"] == "proposed"]


def is_needless(body: dict[str, Any]) -> bool:
    """True if applying the plan would do nothing, and nothing else was to be done."""
    return not (body["steps"] or body.get("absence") or body["objective"].get("unplanned_days"))


def changes_of(plan: dict[str, Any]) -> tuple[Change, ...]:
    """Return the steps of a plan's JSON as the planner's changes."""
    return tuple(Change(**{each.name: step[each.name] for each in fields(Change)}) for step in plan["steps"])

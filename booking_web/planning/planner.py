"""Plans for each purpose, on a fresh snapshot of an office: an absence, an even load, what people's own entries cover.

The staff pages and the command line make them here, so both plan alike, and make one anew for the same purpose when it no longer fits. Nothing is stored here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from booking_web.planning import drafts
from booking_web.reasons import ABSENCE
from optimizer import planning

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from optimizer.planning import BalancePoint
    from optimizer.snapshot import Snapshot

BEYOND_DAYS = 35
"""How far behind an absence there may be room to move to."""


class Take(Protocol):
    """Takes a snapshot of the office, from `first` to `last` (both included)."""

    def __call__(self, first: date, last: date, *, open_only: bool) -> Snapshot:
        """Give the snapshot."""


@dataclass(frozen=True, slots=True)
class Planner:
    """Plans for one office. `seconds` bounds each search; nothing is moved to a start within `notice_hours` from now."""

    take: Take
    zone: ZoneInfo
    seconds: float
    notice_hours: int

    def absence(self, away: planning.Absence, title: str, reason: str = ABSENCE) -> dict[str, Any]:
        """Plan who takes over what; applied, the plan enters the absence under that title. Raises ValueError for an unknown clerk."""
        first, last = (datetime.fromtimestamp(moment, self.zone).date() for moment in (away.start, away.end))
        seen = self.take(first, last + timedelta(days=BEYOND_DAYS), open_only=True)
        draft = planning.repair(seen, away, seconds=self.seconds, notice=self.notice_hours * 3600)
        entered = {"clerk": away.clerk, "start": away.start, "end": away.end, "title": title}
        return {
            **drafts.body(draft, "repair", reason=reason, snapshot=seen, absence=away),
            "absence": entered,
        }

    def balance(
        self, first: date, last: date, *, changes: int | None = None
    ) -> tuple[Snapshot, tuple[BalancePoint, ...]]:
        """Return the office in these days and the choices of evening them out, one of them with so many changes at most."""
        seen = self.take(first, last, open_only=False)
        return seen, planning.balance(seen, changes=changes, seconds=self.seconds)

    @staticmethod
    def of_point(point: BalancePoint, first: date, last: date) -> dict[str, Any]:
        """Return the plan of one choice."""
        return {**drafts.body(point.draft, "balance"), "days": [first.isoformat(), last.isoformat()]}

    def anew(self, plan: dict[str, Any], today: date) -> dict[str, Any]:
        """Plan again for the purpose of a plan (as JSON) that no longer fits: a balance with about as many changes."""
        reason = next((step["reason"] for step in plan["steps"] if step["reason"]), ABSENCE)
        if (entered := plan["absence"]) is not None:
            away = planning.Absence(entered["clerk"], entered["start"], entered["end"])
            return self.absence(away, entered["title"], reason)
        if (days := plan["days"]) is not None:
            first, last = (date.fromisoformat(day) for day in days)
            _, points = self.balance(first, last)
            wanted = min(points, key=lambda point: abs(len(point.draft.changes) - len(plan["steps"])))
            return self.of_point(wanted, first, last)
        seen = self.take(today, today + timedelta(days=BEYOND_DAYS), open_only=True)
        draft = planning.resolve(seen, seconds=self.seconds, notice=self.notice_hours * 3600)
        return drafts.body(draft, "repair", reason=reason, snapshot=seen)

"""Repair by itself: whoever enters an absence, in any client, gets her appointments taken over.

The watch follows the change log and looks, whenever something changed, for appointments that their clerk's own events cover. What colleagues can take over at
the same time is applied at once; what needs another time or must be cancelled becomes a plan that waits for approval. It remembers
nothing: all that it knows it reads from the calendars and the plans, so it can be killed and started anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from booking_web.planning import drafts
from booking_web.reasons import ABSENCE
from calendar_server.client import CalendarError, RefusedError
from optimizer import planning
from optimizer.snapshot import Snapshot

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

    from calendar_server.client import CalendarClient
    from calendar_server.storage.changes import ChangeLog

_EVERY_SECONDS = 2.0
_LONGEST_PAUSE_SECONDS = 60.0
_CONCERNED = {"event", "appointment"}
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RepairSettings:
    """How repair behaves by itself; times in days, hours and seconds as named."""

    horizon_days: int = 90
    notice_hours: int = 24
    """Nothing is moved to a start sooner than this."""
    auto_hours: int | None = None
    """A plan that nobody decides on is applied after so many hours; None: never."""
    seconds: float = 20.0
    """For each day's search."""
    reason: str = ABSENCE


class RepairWatch:
    """Watches all offices through one account that may plan; `clock` returns the current time, aware."""

    def __init__(
        self,
        client: CalendarClient,
        changes: ChangeLog,
        zone: ZoneInfo,
        settings: RepairSettings | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._changes = changes
        self._zone = zone
        self._settings = settings or RepairSettings()
        self._clock = clock
        self._seen: dict[str, int] = {}

    def run(self, stop: threading.Event) -> None:
        """Watch until `stop`; failures are logged and tried again, ever more slowly."""
        pause = _EVERY_SECONDS
        while not stop.wait(pause):
            try:
                self.look()
                pause = _EVERY_SECONDS
            except CalendarError as error:
                log.warning("repair not possible now", error=type(error).__name__)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def look(self) -> int:
        """Look once at every office where something changed; returns how many appointments were found covered."""
        found = 0
        for office in self._changes.offices():
            head = self._changes.head(office)
            if self._is_concerned(office, head):
                found += self._repair(office)
            self._seen[office] = head
        return found

    def _is_concerned(self, office: str, head: int) -> bool:
        seen = self._seen.get(office)
        if seen is None:
            return True
        return seen < head and any(change.kind in _CONCERNED for change in self._changes.read(office, seen))

    def _repair(self, office: str) -> int:
        snapshot = self._snapshot(office)
        covered = planning.conflicts(snapshot)
        waiting = drafts.proposed_for(self._client.plans(office))
        if not covered:
            self._dismiss([plan for plan in waiting if plan["kind"] == "repair"])
            return 0
        notice = self._settings.notice_hours * 3600
        quiet, loud = planning.resolve(snapshot, seconds=self._settings.seconds, notice=notice).split()
        if quiet.changes and not self._apply(office, quiet):
            return len(covered)
        if quiet.changes and loud.changes:
            # Etags and places are as they are now, after the quiet part.
            snapshot = self._snapshot(office)
            loud = planning.resolve(snapshot, seconds=self._settings.seconds, notice=notice)
        self._propose(office, loud, waiting, snapshot)
        return len(covered)

    def _snapshot(self, office: str) -> Snapshot:
        today = self._clock().astimezone(self._zone).date()
        last = today + timedelta(days=self._settings.horizon_days)
        return Snapshot.from_json(self._client.snapshot(office, today, last, open_only=True))

    def _apply(self, office: str, draft: planning.Draft) -> bool:
        """Apply the quiet part; False if the office changed meanwhile, which is a reason to look again."""
        plan = self._client.propose_plan(
            office, drafts.body(draft, "repair", note="Übernahme zur gleichen Zeit")
        )
        try:
            self._client.decide_plan(plan["id"], "apply")
        except RefusedError:
            self._client.decide_plan(plan["id"], "dismiss")
            self._seen.pop(office, None)
            return False
        return True

    def _propose(
        self, office: str, draft: planning.Draft, waiting: list[dict[str, object]], snapshot: Snapshot
    ) -> None:
        older = [plan for plan in waiting if plan["kind"] == "repair"]
        if not draft.changes:
            self._dismiss(older)
            return
        hours = self._settings.auto_hours
        auto_at = None if hours is None else int((self._clock() + timedelta(hours=hours)).timestamp())
        body = drafts.body(draft, "repair", reason=self._settings.reason, auto_at=auto_at, snapshot=snapshot)
        if any(drafts.same_steps(plan, body) for plan in older):
            return
        self._dismiss(older)
        self._client.propose_plan(office, body)

    def _dismiss(self, plans: list[dict[str, object]]) -> None:
        for plan in plans:
            try:
                self._client.decide_plan(str(plan["id"]), "dismiss")
            except RefusedError:
                continue

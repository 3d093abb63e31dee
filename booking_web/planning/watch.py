"""Repair by itself: whoever enters an absence, in any client, gets her appointments taken over.

The watch follows the change log and looks, whenever something changed, for appointments that their clerk's own events cover. What colleagues can take over at
the same time is applied at once; what needs another time or must be cancelled becomes a plan that waits for approval. It remembers
nothing: all that it knows it reads from the calendars and the plans, so it can be killed and started anywhere.

What people decided it doesn't decide again: a plan that somebody dismissed isn't made once more, and what somebody took back waits for her.
That holds until the clerk's own entries change.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

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
_LOOK_ANYWAY = timedelta(minutes=10)
"""Time itself makes plans stale, as do closures and holds that somebody's plan would need."""
_AFTER_DUE = timedelta(seconds=30)
"""So long after its time a plan that applies itself should be applied. If it's still waiting, something is in its way that the change log needn't tell."""
_NOTICE_WAITING = 2
"""While a plan waits, its new times come nearer. It stays until only this part of the notice is left, or there would be another one every few minutes."""
_LEVELS = ("cancelled", "moved_grains", "clerk_changes")
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


@dataclass(frozen=True, slots=True)
class _Decided:
    """What people decided against, as (uid, clerk, start) of the appointments: places that they brought back, and plans that they dismissed."""

    taken_back: set[tuple[str, str, int]] = field(default_factory=set)
    turned_down: set[tuple[str, str, int]] = field(default_factory=set)


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
        self._looked: dict[str, datetime] = {}
        self._due: dict[str, datetime] = {}

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
            except Exception:  # what breaks us today mustn't keep us from looking tomorrow
                log.exception("repair failed")
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def look(self) -> int:
        """Look once at every office where something changed; returns how many appointments were found covered.

        An office that fails is looked at again, and the others are looked at first; then its error is raised.
        """
        found = 0
        failure: Exception | None = None
        for office in self._changes.offices():
            head = self._changes.head(office)
            concerned = self._is_concerned(office, head)
            self._seen[office] = head
            if not concerned:
                continue
            self._looked[office] = self._clock()
            try:
                found += self._repair(office)
            except Exception as error:  # noqa: BLE001 - it's raised below
                self._looked.pop(office)
                failure = error
        if failure is not None:
            raise failure
        return found

    def _is_concerned(self, office: str, head: int) -> bool:
        looked = self._looked.get(office)
        if looked is None or self._clock() - looked >= _LOOK_ANYWAY:
            return True
        due = self._due.get(office)
        if due is not None and self._clock() - max(due, looked) >= _AFTER_DUE:
            return True
        seen = self._seen.get(office)
        if seen is None:
            return True
        while seen < head:
            changes = self._changes.read(office, seen)
            if any(change.kind in _CONCERNED for change in changes):
                return True
            if not changes:
                return False
            seen = changes[-1].seq
        return False

    def _repair(self, office: str) -> int:
        snapshot = self._snapshot(office)
        covered = planning.conflicts(snapshot)
        repairs = [plan for plan in self._client.plans(office) if plan["kind"] == "repair"]
        ours = [plan for plan in repairs if plan["created_by"] == self._client.user]
        waiting = drafts.proposed_for(ours)
        self._await(office, waiting)
        if not covered:
            self._dismiss(waiting)
            return 0
        decided = self._decided(office, repairs)
        held = {
            entry.uid
            for entry in snapshot.booked
            if (entry.uid, entry.clerk, entry.starts_at) in decided.taken_back
        }
        draft = self._resolve(snapshot)
        quiet, rest = draft.split(snapshot, held)
        if quiet.changes:
            if not self._apply(office, quiet):
                return len(covered)
            if rest.changes:
                # Etags and places are as they are now, after the quiet part.
                snapshot = self._snapshot(office)
                draft = self._resolve(snapshot)
        self._propose(office, draft if rest.changes else rest, waiting, snapshot, decided)
        return len(covered)

    @property
    def _notice(self) -> int:
        return self._settings.notice_hours * 3600

    def _resolve(self, snapshot: Snapshot) -> planning.Draft:
        return planning.resolve(snapshot, seconds=self._settings.seconds, notice=self._notice)

    def _await(self, office: str, waiting: list[dict[str, Any]]) -> None:
        """Note when the plans that wait apply themselves."""
        times = [datetime.fromisoformat(plan["auto_at"]) for plan in waiting if plan["auto_at"] is not None]
        if times:
            self._due[office] = min(times)
        else:
            self._due.pop(office, None)

    def _decided(self, office: str, repairs: list[dict[str, Any]]) -> _Decided:
        """Read what people took back, whoever had planned it, and what of ours they dismissed; a lead's own draft tells nothing when she drops it."""
        entered = self._changes.own_entries_changed(office)
        found = _Decided()
        us = self._client.user
        for plan in repairs:
            turned_down = plan["state"] == "dismissed" and plan["created_by"] == us
            if plan["decided_by"] == us or not (turned_down or plan["state"] == "undone"):
                continue
            places = found.taken_back if plan["state"] == "undone" else found.turned_down
            at = datetime.fromisoformat(plan["decided"])
            for change in drafts.changes_of(plan):
                last = entered.get(change.clerk)
                if last is None or last <= at:
                    places.add((change.uid, change.clerk, change.start))
        return found

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
        self,
        office: str,
        draft: planning.Draft,
        older: list[dict[str, Any]],
        snapshot: Snapshot,
        decided: _Decided,
    ) -> None:
        if days := draft.objective.get("unplanned_days"):
            log.warning("no plan was found in time", office=office, days=days)
            outdone = self._outdone(draft, older, snapshot)
            if outdone is None:
                draft, snapshot = self._beside(draft, older, snapshot)
                outdone = []
            if not draft.changes:
                return
            older = outdone
        places = {(change.uid, change.clerk, change.start) for change in draft.changes}
        if places <= decided.turned_down:
            self._dismiss(older)
            return
        good = next((plan for plan in older if self._is_as_good(plan, draft, snapshot)), None)
        if good is not None:
            self._dismiss([plan for plan in older if plan is not good])
            return
        body = drafts.body(draft, "repair", reason=self._settings.reason, snapshot=snapshot)
        if not places & (decided.turned_down | decided.taken_back):
            body["auto_at"] = self._auto_at(draft, older)
        made = self._client.propose_plan(office, body)
        self._await(office, [made])
        # Afterwards: the new plan has waited as long as these, which nobody would know any more if the worker ended in between.
        self._dismiss(older)

    def _beside(
        self, draft: planning.Draft, older: list[dict[str, Any]], snapshot: Snapshot
    ) -> tuple[planning.Draft, Snapshot]:
        """Plan what of a draft the plans that stay don't help, beside them. Without changes if that is nothing."""
        waiting = {change.uid: change for plan in older for change in drafts.changes_of(plan)}
        left = {change.uid for change in draft.changes} & planning.conflicts(snapshot) - waiting.keys()
        if not left:
            return replace(draft, changes=()), snapshot
        there = planning.beside(snapshot, waiting.values())
        return self._resolve(there), there

    def _outdone(
        self, draft: planning.Draft, older: list[dict[str, Any]], snapshot: Snapshot
    ) -> list[dict[str, Any]] | None:
        """Return which of the plans that wait a draft replaces that leaves days as they are; None if it brings nothing.

        A plan stays that is still possible and helps somebody whom the draft leaves.
        """
        hit = planning.conflicts(snapshot)
        new = {change.uid for change in draft.changes}
        outdone = []
        for plan in older:
            changes = drafts.changes_of(plan)
            planned = {change.uid for change in changes}
            if planned & hit <= new or not planning.fits(snapshot, changes, self._notice // _NOTICE_WAITING):
                outdone.append(plan)
            elif new & hit <= planned or (new & planned and len(new & hit) <= len(planned & hit)):
                return None
            elif new & planned:
                outdone.append(plan)
        return outdone if new else None

    def _auto_at(self, draft: planning.Draft, older: list[dict[str, Any]]) -> int | None:
        """When the plan applies itself, in epoch seconds: it has waited as long as the ones that it replaces if these were about all of it."""
        hours = self._settings.auto_hours
        if hours is None:
            return None
        uids = {change.uid for change in draft.changes if not change.is_quiet}
        times = [
            datetime.fromisoformat(plan["auto_at"])
            for plan in older
            if plan["auto_at"] is not None and uids <= {step["uid"] for step in plan["steps"]}
        ]
        return int(min([self._clock() + timedelta(hours=hours), *times]).timestamp())

    def _dismiss(self, plans: list[dict[str, Any]]) -> None:
        for plan in plans:
            try:
                self._client.decide_plan(str(plan["id"]), "dismiss")
            except RefusedError:
                continue

    def _is_as_good(self, plan: dict[str, Any], draft: planning.Draft, snapshot: Snapshot) -> bool:
        """True if a plan that waits can stay, so that nobody finds another one than she has just read: it's about the same, possible, and no worse."""
        changes = drafts.changes_of(plan)
        if {change.uid for change in changes if not change.is_quiet} != {
            change.uid for change in draft.changes if not change.is_quiet
        }:
            return False
        solved = {change.uid for change in draft.changes}
        if not planning.conflicts(snapshot) & solved <= {change.uid for change in changes}:
            return False
        levels = ([objective[name] for name in _LEVELS] for objective in (plan["objective"], draft.objective))
        before, now = levels
        return before <= now and planning.fits(snapshot, changes, self._notice // _NOTICE_WAITING)

"""Reminders, for those who asked for one: when they are due, and putting them into the outbox.

The due instant is stored with what the citizen was told, so it survives restarts and steps of the clock: one that was missed is sent
late, as long as the appointment hasn't begun, and none is sent twice.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from booking_web.notifications.mails import compose
from booking_web.notifications.told import Decision, Kind, decide

if TYPE_CHECKING:
    from collections.abc import Callable

    from booking_web.notifications.letters import Letters
    from booking_web.notifications.store import Due, Store
    from booking_web.notifications.told import Snapshot
    from booking_web.town import ReminderRule, Town
    from calendar_server.storage.changes import ChangeLog


def reminder_due(snapshot: Snapshot, rule: ReminderRule, *, told_at: datetime) -> datetime | None:
    """Return when to remind her, in UTC; None if she didn't ask for it, or was told of the appointment later than that."""
    if not snapshot.reminder:
        return None
    day = snapshot.start.astimezone(snapshot.zone).date() - timedelta(days=rule.days_before)
    due = datetime.combine(day, rule.at, snapshot.zone).astimezone(UTC)
    return due if told_at < due < snapshot.start else None


class Reminders:
    """Puts due reminders into the outbox; `clock` returns the present time, aware."""

    def __init__(
        self, log: ChangeLog, store: Store, letters: Letters, town: Town, clock: Callable[[], datetime]
    ) -> None:
        self._log = log
        self._store = store
        self._letters = letters
        self._town = town
        self._clock = clock

    def step(self) -> int:
        """Deal with all that is due. Return how many reminders were put into the outbox."""
        return sum(self._remind(due) for due in self._store.due_reminders(self._clock()))

    def _remind(self, due: Due) -> bool:
        seen, now = due.told.snapshot, self._clock()
        current = self._log.appointment(seen.office, seen.uid)
        with self._store.writing() as writing:
            standing = writing.standing(seen.office, seen.uid)
            told = standing.told
            if told is None or told.cancelled or not told.snapshot.reminder or told.snapshot.start <= now:
                writing.remind_at(seen, None)
                return False
            if (
                not standing.settled
                or current is None
                or current.is_hold
                or decide(told, current, office=seen.office, now=now) is not None
            ):
                # News of a change is under way, and will set another due time.
                return False
            decision = Decision(Kind.REMINDER, told)
            mail = compose(decision, self._letters, self._town, now=now, references=standing.references)
            writing.add(decision, mail, now=now)
            writing.remind_at(seen, None)
        return True

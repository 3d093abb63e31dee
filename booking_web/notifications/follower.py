"""Follows the calendar's change log and puts the mails that are due into the outbox.

A change only says where to look: what counts is the appointment as it stands now, against what the citizen was told. So it
does no harm to follow a change twice, and several changes at once give one mail.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from booking_web.notifications.addresses import AddressError
from booking_web.notifications.mails import compose
from booking_web.notifications.reminders import reminder_due
from booking_web.notifications.told import Kind, Snapshot, beside, decide
from booking_web.notifications.wishes import decide_wish
from calendar_server.ical.group import group_uid
from calendar_server.storage.changes import IMPORTED

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from booking_web.notifications.letters import Letters
    from booking_web.notifications.mails import Mail
    from booking_web.notifications.store import Standing, Store, Writing
    from booking_web.notifications.told import Decision, Told
    from booking_web.town import Town
    from calendar_server.ical.appointment import Appointment
    from calendar_server.storage.changes import Change, ChangeLog

log = structlog.get_logger(__name__)

BATCH = 50
"""Changes that are followed in one transaction; the sender waits for it."""
SECOND_THOUGHTS = timedelta(seconds=5)
"""So long a change by the office waits: people drag twice or press "undo", and clients write a move to another
calendar as a deletion and a new object. What is taken back within that time is never told."""
_BOOKINGS = frozenset({"appointment", "hold"})
_WISH = "wish"
_CITIZEN = "site"
"""The account that writes for citizens."""


class Follower:
    """Follows all offices; `clock` returns the present time, aware. `replies`: somebody reads what citizens' calendars answer."""

    def __init__(
        self,
        changes: ChangeLog,
        store: Store,
        letters: Letters,
        town: Town,
        clock: Callable[[], datetime],
        *,
        replies: bool = False,
    ) -> None:
        self._changes = changes
        self._store = store
        self._letters = letters
        self._town = town
        self._clock = clock
        self._replies = replies

    def step(self) -> int:
        """Follow everything up to now. Return how many mails were put into the outbox."""
        return sum(self._follow_office(office) for office in self._changes.offices())

    def _follow_office(self, office: str) -> int:
        cursor, head = self._store.cursor(office), self._changes.head(office)
        if head < cursor:
            # The calendar was restored from a backup. What was told is known, so following everything anew is safe.
            log.warning("the change log went back, following it from its beginning", office=office)
            cursor = 0
        queued = 0
        while cursor < head and (found := self._changes.read(office, cursor, BATCH)):
            queued += self._follow(office, found)
            cursor = found[-1].seq
        return queued

    def _follow(self, office: str, found: list[Change]) -> int:
        by_uid: dict[str, list[Change]] = {}
        wishes: dict[str, list[Change]] = {}
        for change in found:
            if change.kind in _BOOKINGS:
                # A group is told of as one, whichever of its appointments changed.
                by_uid.setdefault(group_uid(change.uid), []).append(change)
            elif change.kind == _WISH:
                wishes.setdefault(change.uid, []).append(change)
        queued = 0
        with self._store.writing() as writing:
            for uid, changes in by_uid.items():
                current = self._changes.appointment(office, uid)
                if current is None and changes[-1].action != "deleted":
                    # It's gone meanwhile, or can't be read. Its deletion is a change of its own; without one nothing is cancelled.
                    continue
                if all(change.actor == IMPORTED for change in changes) and self._knows(
                    writing, office, uid, current
                ):
                    continue
                queued += self._tell(
                    writing, office, uid, current, by_citizen=_by_citizen(changes), at=changes[-1].at
                )
            for uid, changes in wishes.items():
                queued += self._tell_who_waits(writing, office, uid, changes)
            writing.set_cursor(office, found[-1].seq)
        return queued

    def _knows(self, writing: Writing, office: str, uid: str, current: Appointment | None) -> bool:
        """Note what the citizen of an imported appointment knows already; False if something was noted before, or there's nothing to know."""
        now = self._clock()
        standing = writing.standing(office, uid)
        if not standing.settled or any((standing.told, standing.queued, standing.refused)):
            return False
        decision = decide(None, current, office=office, now=now)
        if decision is None:
            return False
        due = reminder_due(decision.told.snapshot, self._town.reminder, told_at=now)
        writing.assume(decision.told, now=now, reminder_due=due)
        return True

    def _tell(
        self,
        writing: Writing,
        office: str,
        uid: str,
        current: Appointment | None,
        *,
        by_citizen: bool,
        at: datetime,
    ) -> bool:
        now = self._clock()
        standing = writing.standing(office, uid)
        decision = decide(
            standing.told,
            current,
            office=office,
            now=now,
            by_citizen=by_citizen,
            refused=standing.refused,
        )
        if decision is None:
            writing.withdraw(office, uid, news_only=True)
            if standing.refused and decide(standing.told, current, office=office, now=now) is None:
                # It needn't be told any more, so staff mustn't try it again.
                writing.forget_failures(office, uid, after=_sequence(standing.told))
            if standing.told is not None and standing.settled and not standing.told.cancelled:
                self._refresh(writing, standing.told.snapshot, current, office, now)
            return self._tell_beside(writing, office, uid, standing, current, at=at)
        if not self._queue(writing, decision, standing):
            return False
        writing.settle(office, uid)
        return True

    def _tell_who_waits(self, writing: Writing, office: str, uid: str, changes: list[Change]) -> bool:
        stored = self._changes.wish(office, uid)
        if stored is None:
            # Deleted long after it ended.
            return False
        standing = writing.standing(office, uid)
        decision = decide_wish(
            standing.told,
            *stored,
            now=self._clock(),
            at=changes[-1].at,
            by_citizen=_by_citizen(changes),
            refused=standing.refused,
        )
        if decision is None:
            writing.withdraw(office, uid, news_only=True)
            if standing.refused and decide_wish(standing.told, *stored, now=self._clock()) is None:
                writing.forget_failures(office, uid, after=_sequence(standing.told))
            return False
        return self._queue(writing, decision, standing)

    def _queue(self, writing: Writing, decision: Decision, standing: Standing) -> bool:
        """Put the mail of a decision into the outbox, in the place of one that hasn't left. False if it's there, or can't be written."""
        if standing.queued_kind is decision.kind and _reads_the_same(standing.queued, decision.told):
            # It says already who changed what and why; whoever wrote the appointment since then changed nothing of that.
            writing.keep(decision.told)
            return False
        now = self._clock()
        mail, why_not = self._written(decision, standing, now)
        if mail is None:
            writing.fail(decision, why_not, now=now)
            return False
        writing.replace(decision, mail, now=now, wait=_second_thoughts(decision))
        return True

    def _written(self, decision: Decision, standing: Standing, now: datetime) -> tuple[Mail | None, str]:
        """Return the mail of a decision, or None and why it can't be written, for staff."""
        kind, office = decision.kind.value, decision.told.snapshot.office
        try:
            mail = compose(
                decision,
                self._letters,
                self._town,
                now=now,
                references=standing.references,
                rsvp=self._replies,
            )
        except (AddressError, LookupError) as error:
            log.warning("a mail can't be written", office=office, kind=kind, reason=str(error))
            return None, str(error)
        except Exception as error:  # one appointment that breaks us mustn't silence all others
            log.exception("a mail can't be written", office=office, kind=kind)
            return None, f"{type(error).__name__} while writing the mail"
        return mail, ""

    def _tell_beside(
        self,
        writing: Writing,
        office: str,
        uid: str,
        standing: Standing,
        current: Appointment | None,
        *,
        at: datetime,
    ) -> bool:
        now, awaiting = self._clock(), writing.awaiting(office, uid)
        # Whether a hold ran out or was given back shows in when it went, however late we hear of it.
        then = at if current is None else now
        decision = beside(standing.told, awaiting, current, office=office, now=then)
        if current is None and awaiting is not None:
            writing.settle(office, uid)
            if writing.withdraw(office, uid):
                # She was never asked, so there's nothing to tell.
                return False
        if decision is None:
            return False
        mail, _ = self._written(decision, standing, now)
        if mail is None:
            return False
        if writing.knows(mail.message_id, office, uid):
            return False
        writing.add(decision, mail, now=now)
        if decision.kind is Kind.ACTIVATION:
            writing.await_confirmation(decision.told.snapshot)
        return True

    def _refresh(
        self, writing: Writing, told: Snapshot, current: Appointment | None, office: str, now: datetime
    ) -> None:
        if current is None or current.cancelled or current.is_hold:
            return
        seen = Snapshot.of(current, office)
        if seen == told or not seen.says_the_same(told):
            return
        writing.refresh(seen)
        if seen.reminder != told.reminder:
            writing.remind_at(seen, reminder_due(seen, self._town.reminder, told_at=now))


def _reads_the_same(queued: Told | None, told: Told) -> bool:
    """True if two messages differ at most in what no mail shows."""
    if queued is None or queued.cancelled != told.cancelled:
        return False
    seen = told.snapshot
    return replace(queued.snapshot, phone=seen.phone, reminder=seen.reminder) == seen


def _sequence(told: Told | None) -> int:
    return -1 if told is None else told.sequence


def _second_thoughts(decision: Decision) -> timedelta:
    at_once = decision.by_citizen or decision.kind is Kind.CONFIRMATION or decision.kind.is_of_waiting
    return timedelta(0) if at_once else SECOND_THOUGHTS


def _by_citizen(changes: list[Change]) -> bool:
    """She did it herself: the deletion, or else everything that was changed."""
    if changes[-1].action == "deleted":
        return changes[-1].actor == _CITIZEN
    return all(change.actor == _CITIZEN for change in changes)

"""What follows from replies and bounces.

A citizen who declines in her own calendar frees her time: after a grace period, in which accepting takes it back, the appointment is
cancelled as if she had done it on the site, and she may take that back. Who proposes another time gets the link where she finds the free ones. A bounce is shown to staff, with her telephone number.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from booking_web.notifications.mails import compose
from booking_web.notifications.replies import Answer, Bounce, Counter, Partstat
from booking_web.notifications.told import Decision, Kind
from calendar_server.client import CalendarError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from booking_web.notifications.letters import Letters
    from booking_web.notifications.store import Store
    from booking_web.town import Town
    from calendar_server.client import CalendarClient

log = structlog.get_logger(__name__)

GRACE = timedelta(minutes=30)


class Answers:
    """Deals with what `replies.read` found; `client` cancels as the site does for citizens, `clock` returns the present time, aware."""

    def __init__(
        self,
        store: Store,
        client: CalendarClient,
        letters: Letters,
        town: Town,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._client = client
        self._letters = letters
        self._town = town
        self._clock = clock

    def receive(self, found: Answer | Counter | Bounce) -> bool:
        """Note what a mail said. False if it doesn't fit anything that was told; hearing it twice changes nothing."""
        if isinstance(found, Bounce):
            return self._store.bounced(found.message_id, found.error)
        if isinstance(found, Counter):
            return self._answer(found)
        if found.partstat is Partstat.DECLINED:
            due = self._clock() + GRACE
            return self._store.declined(found.uid, found.attendee, found.sequence, at=found.at, due=due)
        agreed = self._agree(found) if found.partstat is Partstat.ACCEPTED else False
        return self._store.accepted(found.uid, found.attendee, at=found.at) or agreed

    def _agree(self, found: Answer) -> bool:
        """Accepting the proposal of a time in her calendar counts as on her page."""
        due = self._store.countered(found.uid, found.attendee, found.sequence)
        if due is None:
            return False
        seen = due.told.snapshot
        try:
            stored = self._client.read(seen.office, seen.uid, seen.zone)
            standing = stored.appointment
            if standing.cancelled or standing.proposed is None or standing.start != seen.start:
                return False
            agreed = replace(stored.appointment, proposed=None)
            self._client.book(agreed, now=self._clock(), etag=stored.etag)
        except CalendarError:
            # The time holds without her answer too, so nothing is lost.
            log.warning("that a proposal was accepted can't be noted now", office=seen.office)
            return False
        return True

    def _answer(self, found: Counter) -> bool:
        due = self._store.countered(found.uid, found.attendee, found.sequence)
        if due is None:
            return False
        decision, now = Decision(Kind.COUNTER, due.told), self._clock()
        mail = compose(decision, self._letters, self._town, now=now, references=due.references)
        seen = due.told.snapshot
        if seen.end <= now or self._store.is_known(mail.message_id, seen.office, seen.uid):
            return False
        with self._store.writing() as writing:
            writing.add(decision, mail, now=now)
        return True

    def step(self) -> int:
        """Cancel what was declined and whose grace is over. Return how many."""
        count = 0
        for office, uid in self._store.declines_due(self._clock()):
            try:
                count += self._call_off(office, uid)
            except CalendarError:
                log.warning("a declined appointment can't be cancelled now", office=office)
                continue
            self._store.forget_decline(office, uid)
        return count

    def _call_off(self, office: str, uid: str) -> bool:
        """Cancel without deleting, so that she can take it back; False if there's nothing to cancel."""
        known = self._town.office(office)
        try:
            stored = self._client.read(office, uid, known.zone if known else self._town.zone)
        except NotFoundError:
            return False
        if stored.appointment.cancelled:
            return False
        declined = replace(stored.appointment, cancelled=True, declined=True, proposed=None, reason="")
        self._client.book(declined, now=self._clock(), etag=stored.etag)
        return True

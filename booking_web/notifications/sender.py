"""Empties the outbox: takes mails out, hands them to the transport, and notes what became of them.

At least once, never quietly lost: a mail is tried for 72 hours (or until its appointment is over), and what doesn't leave is
kept for staff. While no mail at all can leave, one is tried now and then and the others don't lose attempts.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from booking_web.notifications.reminders import reminder_due
from booking_web.notifications.store import LONGEST_WAIT, Delivery
from booking_web.notifications.transport import (
    BlockedError,
    DeferredError,
    RefusedError,
    UncertainError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from booking_web.notifications.store import Claimed, Store
    from booking_web.notifications.transport import Transport
    from booking_web.town import ReminderRule

log = structlog.get_logger(__name__)

BATCH = 20
_FIRST_WAIT = timedelta(seconds=30)
_FIRST_PAUSE = timedelta(seconds=2)
_LONGEST_PAUSE = timedelta(minutes=5)
_NOTE_AFTER = timedelta(seconds=1)
"""With a slow server, what has left is noted at least that often; a worker that is killed repeats what it hasn't noted."""
_IDLE_STEPS = 20
"""After so many steps without a mail, the connection is closed."""
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class Sender:
    """Sends what waits; used by one thread. `clock` returns the present time, aware."""

    def __init__(
        self, store: Store, transport: Transport, rule: ReminderRule, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._transport = transport
        self._rule = rule
        self._clock = clock
        self._pause = timedelta(0)
        self._blocked_until = _LONG_AGO
        self._idle = 0
        self._left: list[Delivery] = []

    @property
    def blocked(self) -> bool:
        """True while no mail can leave."""
        return bool(self._pause)

    def step(self, stopping: Callable[[], bool] = lambda: False) -> int:
        """Send a batch of what is due. Return how many mails were taken out; 0: nothing to do now.

        Ends early once `stopping` returns True; the mail under way is finished.
        """
        now = self._clock()
        # A clock that was put back mustn't prolong the pause.
        if now < self._blocked_until <= now + self._pause:
            return 0
        claimed = self._store.claim(now, 1 if self._pause else BATCH)
        if not claimed:
            self._idle += 1
            if self._idle == _IDLE_STEPS:
                self._transport.close()
            return 0
        self._idle = 0
        waiting = claimed
        try:
            while waiting and not stopping():
                one, *waiting = waiting
                if not self._deliver(one):
                    break
                if self._left and now + _NOTE_AFTER <= self._clock():
                    self._note()
        finally:
            self._note()
        self._store.release(waiting)
        return len(claimed)

    def close(self) -> None:
        """Close the transport."""
        self._transport.close()

    def _note(self) -> None:
        """Store which mails have left, many in one transaction: each costs a write to the disk."""
        left, self._left = self._left, []
        self._store.delivered(left)

    def _deliver(self, one: Claimed) -> bool:
        """Try one mail and note the outcome. False if no other mail would leave now."""
        now = self._clock()
        if now >= one.expires_at:
            log.warning("gave up on a mail", office=one.told.snapshot.office, kind=one.kind.value)
            self._store.give_up(one, "not delivered in time")
            return True
        try:
            self._transport.send(one.mail)
        except RefusedError as error:
            log.warning("a mail was refused", office=one.told.snapshot.office, kind=one.kind.value)
            self._store.give_up(one, str(error))
        except DeferredError as error:
            self._store.postpone(one, now + _wait(one.attempts), str(error))
        except UncertainError as error:
            log.warning("the answer to a mail was lost, it will be repeated", kind=one.kind.value)
            self._store.postpone(one, now + _FIRST_WAIT, str(error), uncertain=True)
        except BlockedError as error:
            self._pause = min(max(self._pause * 2, _FIRST_PAUSE), _LONGEST_PAUSE)
            self._blocked_until = now + self._pause
            log.warning("no mail can leave", reason=error.reason, pause=self._pause.total_seconds())
            self._store.postpone(one, self._blocked_until, str(error))
            return False
        else:
            due = None
            if one.kind.is_news and not one.told.cancelled:
                due = reminder_due(one.told.snapshot, self._rule, told_at=one.mail.date)
            self._left.append(Delivery(one, self._clock(), due))
        if self._pause:
            log.info("mails can leave again")
        self._pause = timedelta(0)
        return True


def _wait(attempts: int) -> timedelta:
    """How long until the next attempt: 30 s, then twice as long each time, at most an hour."""
    doublings = min(attempts - 1, 10)
    return min(_FIRST_WAIT * (1 << doublings), LONGEST_WAIT)

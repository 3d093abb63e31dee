"""Who is logged in. A password never leaves this process's memory: the browser's cookie holds a random number, signed.

A restart logs everybody out. Failed attempts are counted by account, so that guessing is slow whatever address it comes from.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from booking_web.staff.calendar import StaffCalendar

IDLE = timedelta(hours=1)
LONGEST = timedelta(hours=12)
_SESSIONS_LIMIT = 10_000
_FAILURES = 5
_FAILURE_WINDOW = timedelta(minutes=5)


@dataclass(slots=True)
class Session:
    """Somebody who is logged in."""

    user: str
    name: str
    calendar: StaffCalendar
    began: datetime
    seen: datetime


class Sessions:
    """All sessions of this process."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._failures: OrderedDict[str, list[datetime]] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, user: str, name: str, calendar: StaffCalendar) -> str:
        """Log somebody in and return the session's number."""
        number = secrets.token_urlsafe(24)
        now = self._now()
        with self._lock:
            self._failures.pop(user, None)
            self._sessions[number] = Session(user, name, calendar, now, now)
            while len(self._sessions) > _SESSIONS_LIMIT:
                self._sessions.popitem(last=False)
        return number

    def find(self, number: str | None) -> Session | None:
        """Return the live session of that number, and note that it was used; None if there's none."""
        now = self._now()
        with self._lock:
            session = self._sessions.get(number or "")
            if session is None:
                return None
            if now - session.seen > IDLE or now - session.began > LONGEST:
                del self._sessions[number or ""]
                return None
            session.seen = now
            return session

    def end(self, number: str | None) -> None:
        """Log out."""
        with self._lock:
            self._sessions.pop(number or "", None)

    def wait(self, user: str) -> timedelta | None:
        """Return how long this account has to wait for its next attempt; None if it needn't."""
        now = self._now()
        with self._lock:
            recent = [at for at in self._failures.get(user, []) if now - at < _FAILURE_WINDOW]
            return _FAILURE_WINDOW - (now - recent[0]) if len(recent) >= _FAILURES else None

    def failed(self, user: str) -> None:
        """Note a wrong password."""
        now = self._now()
        with self._lock:
            recent = [at for at in self._failures.get(user, []) if now - at < _FAILURE_WINDOW]
            self._failures[user] = [*recent[-_FAILURES + 1 :], now]
            self._failures.move_to_end(user)
            while len(self._failures) > _SESSIONS_LIMIT:
                self._failures.popitem(last=False)

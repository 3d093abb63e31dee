"""The door to the worker's own tables (`calendar_server.mailroom`): mails that failed, for staff; feedback, from the public site."""

from __future__ import annotations

from datetime import timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any

from sqlalchemy import inspect

from booking_web.notifications.schema import outbox
from calendar_server.storage.database import Database

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from booking_web.notifications.store import Store
    from booking_web.town import Town

MOST_FEEDBACK = 100
"""Mails within 24 hours; whoever wants to flood the mailbox gets no further."""


class Mailroom:
    """The worker's database at `url`, for a town; `clock` returns the present time, aware. Safe to share between threads."""

    def __init__(self, url: str, clock: Callable[[], datetime], town: Town) -> None:
        self._url = url
        self._town = town
        self._clock = clock
        self._lock = Lock()
        self._database: Database | None = None
        self._store: Store | None = None

    def failed(self, office: str) -> list[dict[str, Any]]:
        """Return the mails that didn't reach their citizens, the newest first."""
        store = self._opened()
        if store is None:
            return []
        now = self._clock()
        return [
            {
                "id": one.id,
                "kind": one.kind.value,
                "start": one.start.isoformat(),
                "reference": one.reference,
                "name": one.name,
                "email": one.email,
                "phone": one.phone,
                "error": one.error,
                "created": one.created_at.isoformat(),
                "again": one.is_written and now < one.too_late,
            }
            for one in store.failures(office)
        ]

    def again(self, office: str, number: int) -> bool:
        """Put a failed mail back into the queue."""
        store = self._store_of(office, number)
        return store is not None and store.try_again(number, now=self._clock())

    def settle(self, office: str, number: int) -> bool:
        """Forget a failed mail."""
        store = self._store_of(office, number)
        return store is not None and store.settle(number)

    def feedback(self, text: str, page: str, email: str) -> bool | None:
        """Put feedback into the outbox; False if there was too much of it lately, None while the worker has no tables."""
        store = self._opened()
        if store is None:
            return None
        from booking_web.notifications.feedback import Feedback, write  # noqa: PLC0415 - as in _opened
        from booking_web.notifications.told import Kind  # noqa: PLC0415 - likewise

        now = self._clock()
        decision, mail = write(Feedback(text, page, email), self._town, now)
        snapshot = decision.told.snapshot
        with store.writing() as writing:
            if writing.knows(mail.message_id, snapshot.office, snapshot.uid):
                return True
            if writing.count(Kind.FEEDBACK, now - timedelta(days=1)) >= MOST_FEEDBACK:
                return False
            writing.add(decision, mail, now=now)
        return True

    def close(self) -> None:
        """Close the database, if it was ever opened."""
        with self._lock:
            if self._database is not None:
                self._database.close()
            self._store = self._database = None

    def _store_of(self, office: str, number: int) -> Store | None:
        """The store, if it has a failed mail of that number in that office."""
        store = self._opened()
        if store is None or all(one.id != number for one in store.failures(office)):
            return None
        return store

    def _opened(self) -> Store | None:
        """The store; None until the worker has made its tables, at its very first start."""
        with self._lock:
            if self._store is None:
                # What writes mails is slow to load, and the calendar server starts without it.
                from booking_web.notifications.store import Store  # noqa: PLC0415

                database = Database.open(self._url)
                if not inspect(database.engine).has_table(outbox.name):
                    database.close()
                    return None
                self._database, self._store = database, Store(database)
            return self._store

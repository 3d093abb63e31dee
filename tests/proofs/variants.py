"""Calendar servers that are broken on purpose, in the ways in which such servers are: the checker must find each of them out."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

from calendar_server import refusals
from calendar_server.accounts import Accounts
from calendar_server.app import MAX_BODY, TerminApplication
from calendar_server.busy_feed import BusyFeed
from calendar_server.refusals import NotDoneError, RefusedError
from calendar_server.service import ANY, Actor, Calendars, Preconditions, Put
from calendar_server.setup import prepare
from calendar_server.shell import Shell
from calendar_server.storage.database import Database
from tests.proofs.office import proof_directory

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from calendar_server.bookings import Booking
    from calendar_server.offices import Office
    from calendar_server.storage.writing import Content, Writer


class CheckOutside(Calendars):
    """Looks for a free clerk in one transaction and writes in the next, as a program does that asks first and then stores."""

    _thinking_seconds = 0.01

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._chosen = threading.local()

    def put(
        self, path: str, href: str, text: str | bytes, actor: Actor, preconditions: Preconditions = ANY
    ) -> Put:
        self._chosen.clerk = None
        try:
            where = self._parent(path)
            with self.writing(where.office, actor) as writer:
                self._put(writer, where, href, self.parse(text, self.office_of(where)), actor, preconditions)
                raise _Look  # noqa: TRY301 - what it looked at is rolled back, like a read
        except _Look:
            pass
        time.sleep(self._thinking_seconds)
        return super().put(path, href, text, actor, preconditions)

    def _place(self, writer: Writer, office: Office, booking: Booking, **wishes: Any) -> str:
        if self._chosen.clerk is None:
            self._chosen.clerk = super()._place(writer, office, booking, **wishes)
        return self._chosen.clerk


class _Look(Exception):  # noqa: N818 - ends the look, no error
    pass


class EarlyAnswer(Calendars):
    """Answers as soon as it knows what it will write, and commits a little later."""

    _delay_seconds = 0.2

    def put(
        self, path: str, href: str, text: str | bytes, actor: Actor, preconditions: Preconditions = ANY
    ) -> Put:
        done: list[Put] = []
        try:
            where = self._parent(path)
            with self.writing(where.office, actor) as writer:
                obj = self.parse(text, self.office_of(where))
                done.append(self._put(writer, where, href, obj, actor, preconditions))
                raise _Look  # noqa: TRY301 - rolled back
        except _Look:
            pass
        later = threading.Timer(self._delay_seconds, self._commit, (path, href, text, actor, preconditions))
        later.daemon = True
        later.start()
        return done[0]

    def _commit(self, *arguments: Any) -> None:
        # It has been answered already.
        with contextlib.suppress(NotDoneError):
            super().put(*arguments)


class NoOverlapRule(Calendars):
    """Forgets that a person can be in one place only, where appointments are drawn into clerks' own calendars."""

    @staticmethod
    def _refuse_overlap(connection: object, clerk: str, content: Content, *, except_uid: str) -> None:
        pass


class Timid(Calendars):
    """Refuses now and then though there is room, as programs do that take their locks for granted."""

    def _place(self, writer: Writer, office: Office, booking: Booking, **wishes: Any) -> str:
        if sum(booking.content.uid.encode()) % 5 == 0:
            raise RefusedError(refusals.NO_FREE_CLERK)
        return super()._place(writer, office, booking, **wishes)


VARIANTS: dict[str, type[Calendars]] = {
    "check-outside": CheckOutside,
    "early-answer": EarlyAnswer,
    "no-overlap-rule": NoOverlapRule,
    "timid": Timid,
}


def broken_app(variant: str, database_url: str, clock: Callable[[], datetime]) -> Shell:
    """Return the WSGI application on one of these, otherwise put together like the real one."""
    database = Database.open(database_url)
    prepare(database, proof_directory(), clock)
    calendars = VARIANTS[variant](database, proof_directory(), clock)
    feed = BusyFeed(database, proof_directory(), clock)
    application = TerminApplication(calendars, Accounts(database, clock), feed)

    def release() -> None:
        while True:
            time.sleep(1)
            calendars.release_expired_holds()

    threading.Thread(target=release, daemon=True).start()
    return Shell(application, ready=lambda: True, max_body=MAX_BODY)

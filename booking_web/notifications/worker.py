"""The worker: follows the calendar, reminds, sends, and reads replies, until it's told to stop.

Threads share a store: one follows and reminds, another sends, so that a slow mail server never keeps a change from
replacing what hasn't left; a third reads the mailbox for replies, if there is one. Of several workers on the same database one is active; the others wait to take over.
"""

from __future__ import annotations

import fcntl
import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from booking_web.notifications.answers import Answers
from booking_web.notifications.follower import Follower
from booking_web.notifications.letters import Letters
from booking_web.notifications.mailbox import Mailbox, MailboxError
from booking_web.notifications.reminders import Reminders
from booking_web.notifications.sender import Sender
from booking_web.notifications.smtp import SmtpTransport
from booking_web.notifications.store import Store, migrate
from booking_web.notifications.transport import MaildirTransport
from calendar_server.client import CalendarClient
from calendar_server.storage.changes import ChangeLog
from calendar_server.storage.database import Database, reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from booking_web.notifications.mailbox import MailboxSettings
    from booking_web.notifications.smtp import SmtpSettings
    from booking_web.notifications.transport import Transport
    from booking_web.town import Town

log = structlog.get_logger(__name__)

FOLLOW_SECONDS = 0.3
_LONGEST_PAUSE_SECONDS = 30.0
_HEARTBEAT = timedelta(seconds=2)
_STALE = timedelta(seconds=60)
_PURGE_EVERY = timedelta(hours=1)
_ACTIVE_LOCK = 4783303
"""An arbitrary constant of PostgreSQL's advisory locks, other than those of the migrations."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What the worker needs. `calendar_database` and `database` are URLs (on PostgreSQL the same one).

    Without `smtp`, mails are written into the Maildir `mail_folder`. `heartbeat` is a file that tells whether the worker works
    (`is_alive`); `retention_days`: what is known of an appointment is deleted so long after it.

    With `mailbox`, replies and bounces are read there; `calendar_url` and `site_password` are then needed: what a citizen declined is
    cancelled as if she had done it on the site.
    """

    town: Town
    signing_secret: bytes = field(repr=False)
    calendar_database: str = field(repr=False)
    database: str = field(repr=False)
    mail_folder: Path
    heartbeat: Path
    smtp: SmtpSettings | None = None
    retention_days: int = 30
    mailbox: MailboxSettings | None = None
    calendar_url: str = ""
    site_password: str = field(default="", repr=False)


class Worker:
    """Keeps citizens informed; see the module. `clock` returns the present time, aware."""

    def __init__(self, settings: WorkerSettings, clock: Callable[[], datetime] = _utc_now) -> None:
        self._settings = settings
        self._clock = clock
        self._wake = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set. Raises what keeps it from starting; later failures are logged and tried again."""
        settings = self._settings
        calendar, database = Database.open(settings.calendar_database), Database.open(settings.database)
        try:
            migrate(database)
            with self._only_active_one(database, stop) as still_active:
                if not stop.is_set():
                    self._work(calendar, database, still_active, stop)
        finally:
            database.close()
            calendar.close()

    def _work(
        self,
        calendar: Database,
        database: Database,
        still_active: Callable[[], None],
        stop: threading.Event,
    ) -> None:
        settings, clock = self._settings, self._clock
        store, changes = Store(database), ChangeLog(calendar, settings.town.zone)
        letters = Letters(settings.town, settings.signing_secret)
        follower = Follower(
            changes, store, letters, settings.town, clock, replies=settings.mailbox is not None
        )
        reminders = Reminders(changes, store, letters, settings.town, clock)
        sender = Sender(store, self._transport(), settings.town.reminder, clock)
        purged = beaten = datetime.min.replace(tzinfo=UTC)

        def follow() -> float:
            nonlocal purged, beaten
            still_active()
            if follower.step() + reminders.step():
                self._wake.set()
            now = clock()
            if abs(now - purged) >= _PURGE_EVERY:
                store.purge(now - timedelta(days=settings.retention_days))
                purged = now
            if abs(now - beaten) >= _HEARTBEAT:
                self._beat(store, "active", now)
                beaten = now
            return FOLLOW_SECONDS

        send = self._sending(store, sender, stop)
        threads = [threading.Thread(target=self._loop, args=(send, stop, self._wake.wait), name="sender")]
        if settings.mailbox is not None:
            listen = self._listener(settings.mailbox, store, letters)
            threads.append(
                threading.Thread(target=self._loop, args=(listen, stop, stop.wait), name="mailbox")
            )
        for thread in threads:
            thread.start()
        try:
            self._loop(follow, stop, stop.wait)
        finally:
            stop.set()
            self._wake.set()
            for thread in threads:
                thread.join()
            sender.close()

    def _sending(self, store: Store, sender: Sender, stop: threading.Event) -> Callable[[], float]:
        recovered = False

        def send() -> float:
            nonlocal recovered
            if not recovered:
                if again := store.recover():
                    log.info("mails that may have left are sent again", mails=again)
                recovered = True
            self._wake.clear()
            try:
                return 0.0 if sender.step(stop.is_set) else FOLLOW_SECONDS
            except BaseException:
                # What was taken out and not noted may have left.
                recovered = False
                raise

        return send

    def _listener(self, mailbox: MailboxSettings, store: Store, letters: Letters) -> Callable[[], float]:
        settings = self._settings
        client = CalendarClient(settings.calendar_url, "site", settings.site_password)
        answers = Answers(store, client, letters, settings.town, self._clock)
        box = Mailbox(mailbox, store, answers)

        def listen() -> float:
            answers.step()
            try:
                box.step()
            except MailboxError as error:
                log.warning("the mailbox can't be read", reason=str(error))
            return mailbox.poll_seconds

        return listen

    def _loop(self, step: Callable[[], float], stop: threading.Event, wait: Callable[[float], bool]) -> None:
        """Repeat a step, which returns how long to wait; after a failure wait longer each time."""
        pause = 0.0
        while not stop.is_set():
            try:
                seconds = step()
                pause = 0.0
            except NoLongerActiveError:
                raise
            except Exception as error:  # a database that is away for a while mustn't end the worker
                thread = threading.current_thread().name
                if isinstance(error, OperationalError):
                    log.warning("the worker will try again", thread=thread, reason=reason_of(error))
                elif isinstance(error, OSError):
                    log.warning("the worker will try again", thread=thread, reason=str(error))
                else:
                    log.exception("the worker will try again", thread=thread)
                pause = min(max(pause * 2, 0.5), _LONGEST_PAUSE_SECONDS)
                stop.wait(pause)
            else:
                if seconds and not stop.is_set():
                    wait(seconds)

    def _transport(self) -> Transport:
        if self._settings.smtp is None:
            return MaildirTransport(self._settings.mail_folder)
        return SmtpTransport(self._settings.smtp)

    @contextmanager
    def _only_active_one(self, database: Database, stop: threading.Event) -> Iterator[Callable[[], None]]:
        """Wait until no other worker is active on this database, and keep others from becoming it.

        Yields what raises NoLongerActiveError once that can't be kept up (the connection that holds the lock broke).
        """
        if database.is_sqlite:
            path = Path(f"{database.engine.url.database}.active")
            with path.open("a") as file:
                while not stop.is_set():
                    try:
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    except BlockingIOError:
                        self._stand_by(stop)
                    else:
                        break
                yield lambda: None
            return
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            query = text(f"SELECT pg_try_advisory_lock({_ACTIVE_LOCK})")
            while not stop.is_set() and not connection.execute(query).scalar():
                self._stand_by(stop)

            def still_active() -> None:
                try:
                    connection.exec_driver_sql("SELECT 1")
                except SQLAlchemyError as error:
                    raise NoLongerActiveError("the lock's connection broke") from error

            try:
                yield still_active
            finally:
                # A connection that goes back to the pool would keep the lock.
                connection.invalidate()

    def _stand_by(self, stop: threading.Event) -> None:
        self._beat(None, "standby", self._clock())
        stop.wait(1.0)

    def _beat(self, store: Store | None, state: str, now: datetime) -> None:
        """Write the heartbeat: one JSON object, replaced whole."""
        values: dict[str, object] = {"at": now.isoformat(), "state": state}
        if store is not None:
            load = store.load()
            values |= {
                "waiting": load.waiting,
                "failed": load.failed,
                "oldest": load.oldest.isoformat() if load.oldest else None,
            }
        file = self._settings.heartbeat
        draft = file.with_name(f".{file.name}.new")
        draft.write_text(json.dumps(values), encoding="utf-8")
        draft.replace(file)


class NoLongerActiveError(Exception):
    """Another worker may be active by now: this one must end (and be started anew)."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What the worker last said of itself: `state` is "active" or "standby"; while it stands by, nothing is known of mails.

    `waiting` and `failed` count mails, `oldest` is since when one waits (None: none does).
    """

    at: datetime
    state: str
    waiting: int = 0
    failed: int = 0
    oldest: datetime | None = None

    @staticmethod
    def read(file: Path) -> Heartbeat | None:
        """Return what is in the file; None if there is none, or nothing that a worker wrote."""
        try:
            found = json.loads(file.read_text("utf-8"))
            oldest = found.get("oldest")
            return Heartbeat(
                datetime.fromisoformat(found["at"]),
                str(found["state"]),
                int(found.get("waiting", 0)),
                int(found.get("failed", 0)),
                datetime.fromisoformat(oldest) if oldest else None,
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def is_fresh(self, now: datetime) -> bool:
        """Tell whether the worker has worked within the last minute before `now` (aware); a clock that was put back says nothing else."""
        return abs(now - self.at) <= _STALE


def is_alive(heartbeat: Path, now: datetime) -> bool:
    """Tell whether the worker that writes `heartbeat` has worked within the last minute before `now` (aware)."""
    found = Heartbeat.read(heartbeat)
    return found is not None and found.is_fresh(now)

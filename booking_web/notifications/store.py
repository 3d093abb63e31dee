"""What the worker remembers: how far it followed the change log, what each citizen was told, and the mails that are to leave.

A mail, and how far the change log was followed for it, are stored in one transaction, so a worker that dies anywhere goes on
without losing or doubling a decision. `told` changes only when a mail has left. What may have left (an attempt under way, or one
whose answer was lost) counts as told when deciding, and is repeated with the same Message-ID.

At most one worker runs on a store (`booking_web.notifications.worker` sees to it); its follower and its sender use it from two threads.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic.config import Config
from sqlalchemy import and_, bindparam, delete, exists, func, insert, or_, select, update

from booking_web.notifications.addresses import AddressError, mailbox
from booking_web.notifications.mails import Mail, thread
from booking_web.notifications.schema import awaiting, cursors, declines, mailboxes, outbox, sent
from booking_web.notifications.schema import told as told_table
from booking_web.notifications.told import Kind, Snapshot, Told
from calendar_server.storage.migrate import upgrade

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Delete, Row, Select, Update

    from booking_web.notifications.told import Decision
    from calendar_server.storage.database import Database

GIVE_UP_AFTER = timedelta(hours=72)
VERSION_TABLE = "alembic_version_notifications"
_SCRIPTS = Path(__file__).parent / "migrations"
_MIGRATION_LOCK = 4783302
"""An arbitrary constant, other than the calendar's."""


class State(StrEnum):
    """Where a mail in the outbox stands."""

    QUEUED = "queued"
    """It waits for the next attempt. Unless an earlier one may have been successful, a newer decision may replace it."""
    SENDING = "sending"
    """An attempt is under way, or was when the worker died."""
    FAILED = "failed"
    """It won't leave; staff should call the citizen."""


_OPEN = (State.QUEUED, State.SENDING)
_REPLACEABLE = and_(outbox.c.state == State.QUEUED, ~outbox.c.uncertain)
LONGEST_WAIT = timedelta(hours=1)
"""Between two attempts. What waits longer was put off by a clock that was wrong."""


@dataclass(frozen=True, slots=True)
class Standing:
    """All that a decision about an appointment depends on, besides the appointment.

    `told`: what she was (or may have been) told; `refused`: the newest message that couldn't be delivered;
    `queued`: the message that still waits, and would be replaced; `queued_kind`: what it is about. `references`: the thread's Message-IDs. `settled`: no
    message about it is under way.
    """

    told: Told | None
    refused: Told | None
    queued: Told | None
    references: tuple[str, ...]
    settled: bool
    queued_kind: Kind | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """A mail that was taken out to be sent; by it, the citizen is told `told`. `attempts` counts this one too."""

    id: int
    kind: Kind
    told: Told
    mail: Mail
    attempts: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Delivery:
    """A mail that left `at`; `reminder_due`: when its citizen is to be reminded (None: not)."""

    claimed: Claimed
    at: datetime
    reminder_due: datetime | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A mail that didn't reach its citizen, for staff: `phone` and `name` as she gave them, `error` as the mail server said it."""

    id: int
    office: str
    uid: str
    kind: Kind
    start: datetime
    reference: str
    name: str
    email: str
    phone: str
    error: str
    created_at: datetime
    too_late: datetime
    """From when on it's useless."""
    is_written: bool = True
    """False for one that can't be tried again: it could not be written, or it left and came back."""


@dataclass(frozen=True, slots=True)
class Load:
    """How much waits: open mails, failed ones, and since when the oldest open one (None: nothing is open)."""

    waiting: int
    failed: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class Due:
    """A citizen to write to beside the news: what she was told, and the Message-IDs of the thread."""

    told: Told
    references: tuple[str, ...]


def migrate(database: Database, revision: str = "head") -> None:
    """Bring the worker's tables to `revision`. Safe to run from several processes at once, and on up-to-date tables."""
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    with database.write() as connection:
        if not database.is_sqlite:
            # However long another one's migration takes: who gave up would only be started anew.
            connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
        upgrade(config, connection, revision, VERSION_TABLE)


class Writing:
    """One write transaction of the follower; all of it is stored or nothing."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def standing(self, office: str, uid: str) -> Standing:
        """Return what is known of an appointment, and keep the sender off its mails until the transaction ends."""
        # First the outbox: once its rows are locked, a mail that leaves meanwhile can't change what was told.
        mine = select(outbox).where(outbox.c.office == office, outbox.c.uid == uid)
        rows = self._connection.execute(mine.order_by(outbox.c.id).with_for_update()).all()
        known = self._connection.execute(_told_of(office, uid)).one_or_none()
        messages = [row for row in rows if Kind(row.kind).is_news]
        told = _told(known) if known else None
        references = tuple(known.thread.split()) if known else ()
        refused = queued = queued_kind = None
        settled = True
        for row in messages:
            if row.uncertain or row.state == State.SENDING:
                told, settled = _told(row), settled and row.state == State.FAILED
                references = thread(references, Mail.from_json(row.mail).message_id)
            elif row.state == State.QUEUED:
                queued, queued_kind = _told(row), Kind(row.kind)
            if row.state == State.FAILED:
                refused = _told(row)
        return Standing(told, refused, queued, references, settled, queued_kind)

    def replace(
        self, decision: Decision, mail: Mail, *, now: datetime, wait: timedelta = timedelta(0)
    ) -> None:
        """Put a mail into the outbox, in the place of any other of that appointment that hasn't left. It leaves after `wait`."""
        self._supersede(decision.told.snapshot)
        self.add(decision, mail, now=now, wait=wait)

    def add(self, decision: Decision, mail: Mail, *, now: datetime, wait: timedelta = timedelta(0)) -> None:
        """Put a mail into the outbox, behind all others. It leaves after `wait`."""
        values = _values(decision, now) | {"next_attempt_at": _epoch(now + wait)}
        self._connection.execute(
            insert(outbox).values(**values, mail=mail.to_json(), state=State.QUEUED.value, error="")
        )

    def keep(self, told: Told) -> None:
        """Leave the news that waits as it is; once it has left, she has been told `told`."""
        snapshot = told.snapshot
        mine = and_(outbox.c.office == snapshot.office, outbox.c.uid == snapshot.uid, _REPLACEABLE)
        news = outbox.c.kind.in_([kind.value for kind in Kind if kind.is_news])
        self._connection.execute(update(outbox).where(mine, news).values(snapshot=snapshot.to_json()))

    def fail(self, decision: Decision, error: str, *, now: datetime) -> None:
        """Note for staff that a mail couldn't even be written; `error` says why."""
        self._supersede(decision.told.snapshot)
        self._connection.execute(
            insert(outbox).values(**_values(decision, now), mail="", state=State.FAILED.value, error=error)
        )

    def withdraw(self, office: str, uid: str, *, news_only: bool = False) -> int:
        """Take back what hasn't left; with `news_only`, reminders and the like stay. Return how many mails that were."""
        mine = and_(outbox.c.office == office, outbox.c.uid == uid, _REPLACEABLE)
        if news_only:
            mine = and_(mine, outbox.c.kind.in_([kind.value for kind in Kind if kind.is_news]))
        return self._connection.execute(delete(outbox).where(mine)).rowcount

    def _supersede(self, snapshot: Snapshot) -> None:
        self.withdraw(snapshot.office, snapshot.uid)
        self.forget_failures(snapshot.office, snapshot.uid)

    def forget_failures(self, office: str, uid: str, *, after: int = -1) -> None:
        """Forget mails that never left and would tell by now what isn't so; `after`: only those of a higher sequence.

        What may have left stays, and so does what left and came back.
        """
        never_left = and_(~outbox.c.uncertain, or_(outbox.c.mail != "", outbox.c.attempts == 0))
        mine = and_(outbox.c.office == office, outbox.c.uid == uid, outbox.c.sequence > after)
        self._connection.execute(delete(outbox).where(mine, outbox.c.state == State.FAILED, never_left))

    def count(self, kind: Kind, since: datetime) -> int:
        """Return how many mails of a kind were written, or left, since then."""
        waiting = select(func.count()).where(outbox.c.kind == kind, outbox.c.created_at >= _epoch(since))
        left = select(func.count()).where(sent.c.kind == kind, sent.c.sent_at >= _epoch(since))
        return sum(int(self._connection.execute(query).scalar_one()) for query in (waiting, left))

    def knows(self, message_id: str, office: str, uid: str) -> bool:
        """Tell whether a mail of that Message-ID has left, waits, or failed."""
        return _knows(self._connection, message_id, office, uid)

    def awaiting(self, office: str, uid: str) -> Snapshot | None:
        """Return what she was asked to confirm, if that isn't settled."""
        text = self._connection.execute(
            select(awaiting.c.snapshot).where(awaiting.c.office == office, awaiting.c.uid == uid)
        ).scalar()
        return None if text is None else Snapshot.from_json(text)

    def await_confirmation(self, snapshot: Snapshot) -> None:
        """Note that she is asked to confirm this."""
        self.settle(snapshot.office, snapshot.uid)
        self._connection.execute(
            insert(awaiting).values(
                office=snapshot.office,
                uid=snapshot.uid,
                snapshot=snapshot.to_json(),
                ends_at=_epoch(snapshot.end),
            )
        )

    def settle(self, office: str, uid: str) -> None:
        """She has confirmed it, or it ran out."""
        self._connection.execute(delete(awaiting).where(awaiting.c.office == office, awaiting.c.uid == uid))

    def assume(self, told: Told, *, now: datetime, reminder_due: datetime | None) -> None:
        """Note that the citizen knows, though no mail of ours told her and nothing was noted about her before."""
        self._connection.execute(
            insert(told_table).values(
                office=told.snapshot.office,
                uid=told.snapshot.uid,
                snapshot=told.snapshot.to_json(),
                sequence=told.sequence,
                cancelled=told.cancelled,
                thread="",
                told_at=_epoch(now),
                ends_at=_epoch(told.snapshot.end),
                reminder_due=_epoch_or_none(reminder_due),
            )
        )

    def refresh(self, snapshot: Snapshot) -> None:
        """Keep details that change without a mail: name, telephone, the wish to be reminded."""
        self._connection.execute(_update_told(snapshot).values(snapshot=snapshot.to_json()))

    def remind_at(self, snapshot: Snapshot, due: datetime | None) -> None:
        """Set when she is to be reminded; None: not (any more)."""
        self._connection.execute(_update_told(snapshot).values(reminder_due=_epoch_or_none(due)))

    def set_cursor(self, office: str, seq: int) -> None:
        """Note how far the office's change log has been followed."""
        changed = self._connection.execute(
            update(cursors).where(cursors.c.office == office).values(seq=seq)
        ).rowcount
        if not changed:
            self._connection.execute(insert(cursors).values(office=office, seq=seq))


class Store:
    """The worker's memory in a database; the tables must exist (`migrate`)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        """A write transaction, committed at the end of the block; rolled back on any exception."""
        with self._database.write() as connection:
            yield Writing(connection)

    def cursor(self, office: str) -> int:
        """Return the number of the last change that was followed; 0 at the beginning."""
        with self._database.read() as connection:
            seq = connection.execute(select(cursors.c.seq).where(cursors.c.office == office)).scalar()
        return seq or 0

    def due_reminders(self, now: datetime, limit: int = 100) -> list[Due]:
        """Return reminders that are due, the oldest first."""
        query = select(told_table).where(told_table.c.reminder_due <= _epoch(now))
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(told_table.c.reminder_due).limit(limit)).all()
        return [Due(_told(row), tuple(row.thread.split())) for row in rows]

    def recover(self) -> int:
        """After a start: what was being sent when the last worker ended may have left. Return how many mails that concerns."""
        with self._database.write() as connection:
            return connection.execute(
                update(outbox)
                .where(outbox.c.state == State.SENDING)
                .values(state=State.QUEUED.value, uncertain=True, next_attempt_at=0)
            ).rowcount

    def claim(self, now: datetime, limit: int = 20) -> list[Claimed]:
        """Take out mails to send: the longest waiting first, and of each appointment only its oldest one."""
        earlier = outbox.alias("earlier")
        query = (
            select(outbox)
            .where(
                outbox.c.state == State.QUEUED,
                or_(
                    outbox.c.next_attempt_at <= _epoch(now),
                    outbox.c.next_attempt_at > _epoch(now + LONGEST_WAIT),
                ),
                ~exists().where(
                    earlier.c.office == outbox.c.office,
                    earlier.c.uid == outbox.c.uid,
                    earlier.c.id < outbox.c.id,
                    earlier.c.state.in_(_OPEN),
                ),
            )
            .order_by(outbox.c.next_attempt_at, outbox.c.id)
            .limit(limit)
        )
        with self._database.write() as connection:
            rows = connection.execute(query.with_for_update(of=outbox)).all()
            if rows:
                connection.execute(
                    update(outbox)
                    .where(outbox.c.id.in_([row.id for row in rows]))
                    .values(state=State.SENDING.value, attempts=outbox.c.attempts + 1)
                )
        return [
            Claimed(
                row.id,
                Kind(row.kind),
                _told(row),
                Mail.from_json(row.mail),
                row.attempts + 1,
                _moment(row.expires_at),
            )
            for row in rows
        ]

    def delivered(self, deliveries: list[Delivery]) -> None:
        """Note that mails have left, each of another appointment: from now on their citizens have been told.

        Earlier failures of those appointments are settled by it.
        """
        if not deliveries:
            return
        with self._database.write() as connection:
            connection.execute(delete(outbox).where(outbox.c.id.in_([one.claimed.id for one in deliveries])))
            connection.execute(insert(sent), [_sent_values(one) for one in deliveries])
            uids = [one.claimed.told.snapshot.uid for one in deliveries]
            known = {
                (row.office, row.uid): tuple(row.thread.split())
                for row in connection.execute(
                    select(told_table.c.office, told_table.c.uid, told_table.c.thread).where(
                        told_table.c.uid.in_(uids)
                    )
                )
            }
            news = [one for one in deliveries if one.claimed.kind.is_news]
            for one in deliveries:
                if not one.claimed.kind.is_news and _key(one) in known:
                    references = thread(known[_key(one)], one.claimed.mail.message_id)
                    connection.execute(
                        _update_told(one.claimed.told.snapshot).values(thread=" ".join(references))
                    )
            if not news:
                return
            places = [{"its_office": office, "its_uid": uid} for office, uid in map(_key, news)]
            connection.execute(
                delete(told_table).where(
                    told_table.c.office == bindparam("its_office"), told_table.c.uid == bindparam("its_uid")
                ),
                places,
            )
            connection.execute(
                insert(told_table), [_told_values(one, known.get(_key(one), ())) for one in news]
            )
            connection.execute(
                delete(outbox).where(
                    outbox.c.office == bindparam("its_office"),
                    outbox.c.uid == bindparam("its_uid"),
                    outbox.c.state == State.FAILED.value,
                ),
                places,
            )

    def postpone(self, claimed: Claimed, until: datetime, error: str, *, uncertain: bool = False) -> None:
        """Note that a mail hasn't left (or, `uncertain`, may have): it's tried again at `until`."""
        values: dict[str, object] = {
            "state": State.QUEUED.value,
            "next_attempt_at": _epoch(until),
            "error": error,
        }
        if uncertain:
            values["uncertain"] = True
        with self._database.write() as connection:
            connection.execute(update(outbox).where(outbox.c.id == claimed.id).values(**values))

    def release(self, claimed: list[Claimed]) -> None:
        """Put back mails that were taken out and not tried."""
        if not claimed:
            return
        with self._database.write() as connection:
            connection.execute(
                update(outbox)
                .where(outbox.c.id.in_([one.id for one in claimed]))
                .values(state=State.QUEUED.value, attempts=outbox.c.attempts - 1)
            )

    def give_up(self, claimed: Claimed, error: str) -> None:
        """Note that a mail will never leave."""
        with self._database.write() as connection:
            connection.execute(
                update(outbox).where(outbox.c.id == claimed.id).values(state=State.FAILED.value, error=error)
            )

    def failures(self, office: str) -> list[Failure]:
        """Return an office's mails that didn't reach their citizens, the newest first."""
        query = select(outbox).where(outbox.c.office == office, outbox.c.state == State.FAILED)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(outbox.c.id.desc())).all()
        return [_failure(row) for row in rows]

    def try_again(self, failure_id: int, *, now: datetime) -> bool:
        """Put a failed mail back into the queue, for another 72 hours at most; False if there's none, it was never written, or it's too late."""
        mine = and_(outbox.c.id == failure_id, outbox.c.state == State.FAILED, outbox.c.mail != "")
        with self._database.write() as connection:
            row = connection.execute(select(outbox).where(mine).with_for_update()).one_or_none()
            if row is None or now >= (
                too_late := _too_late(Kind(row.kind), Snapshot.from_json(row.snapshot))
            ):
                return False
            connection.execute(
                update(outbox)
                .where(mine)
                .values(
                    state=State.QUEUED.value,
                    next_attempt_at=_epoch(now),
                    expires_at=min(_epoch(now + GIVE_UP_AFTER), _epoch(too_late)),
                )
            )
        return True

    def settle(self, failure_id: int) -> bool:
        """Forget a failure that staff has dealt with; False if there's none."""
        with self._database.write() as connection:
            changed = connection.execute(
                delete(outbox).where(outbox.c.id == failure_id, outbox.c.state == State.FAILED)
            ).rowcount
        return changed == 1

    def bounced(self, message_id: str, error: str) -> bool:
        """Show staff that a mail which left didn't arrive; False if it wasn't ours, or is known or out of date."""
        with self._database.write() as connection:
            row = connection.execute(
                select(sent).where(sent.c.message_id == message_id).order_by(sent.c.id.desc()).limit(1)
            ).one_or_none()
            if row is None:
                return False
            known = connection.execute(_told_of(row.office, row.uid)).one_or_none()
            failures = select(func.count()).where(
                outbox.c.office == row.office, outbox.c.uid == row.uid, outbox.c.state == State.FAILED
            )
            if known is None or known.sequence > row.sequence or connection.execute(failures).scalar_one():
                return False
            connection.execute(
                insert(outbox).values(
                    office=row.office,
                    uid=row.uid,
                    kind=row.kind,
                    snapshot=known.snapshot,
                    sequence=known.sequence,
                    cancelled=known.cancelled,
                    mail="",
                    state=State.FAILED.value,
                    uncertain=False,
                    attempts=row.attempts,
                    created_at=row.sent_at,
                    next_attempt_at=row.sent_at,
                    expires_at=row.sent_at,
                    ends_at=known.ends_at,
                    error=error,
                )
            )
        return True

    def declined(self, uid: str, attendee: str, sequence: int, *, at: datetime, due: datetime) -> bool:
        """Note that she declined the message of that sequence. False if that isn't what she was told last, or is known."""
        with self._database.write() as connection:
            for row in self._told_to(connection, uid, attendee):
                known = connection.execute(_decline_of(row.office, uid)).one_or_none()
                if row.sequence != sequence or known is not None:
                    continue
                connection.execute(
                    insert(declines).values(
                        office=row.office,
                        uid=uid,
                        sequence=sequence,
                        declined_at=_epoch(at),
                        due_at=_epoch(due),
                    )
                )
                return True
        return False

    def countered(self, uid: str, attendee: str, sequence: int) -> Due | None:
        """Return what was told to her who proposes another time, and in which thread; None if it isn't what she was told last."""
        with self._database.read() as connection:
            for row in self._told_to(connection, uid, attendee):
                if row.sequence == sequence:
                    return Due(_told(row), tuple(row.thread.split()))
        return None

    def is_known(self, message_id: str, office: str, uid: str) -> bool:
        """Tell whether a mail of that Message-ID has left or waits."""
        with self._database.read() as connection:
            return _knows(connection, message_id, office, uid)

    def accepted(self, uid: str, attendee: str, *, at: datetime) -> bool:
        """Take back what she declined before; False if there's nothing."""
        with self._database.write() as connection:
            changed = 0
            for row in self._told_to(connection, uid, attendee):
                changed += connection.execute(
                    delete(declines).where(
                        declines.c.office == row.office,
                        declines.c.uid == uid,
                        declines.c.declined_at <= _epoch(at),
                    )
                ).rowcount
        return changed > 0

    @staticmethod
    def _told_to(connection: Connection, uid: str, attendee: str) -> list[Row[tuple[Any, ...]]]:
        """What was told to that address about an appointment that stands."""
        rows = connection.execute(
            select(told_table).where(told_table.c.uid == uid, ~told_table.c.cancelled)
        ).all()
        return [row for row in rows if _reaches(Snapshot.from_json(row.snapshot), attendee)]

    def declines_due(self, now: datetime) -> list[tuple[str, str]]:
        """Return office and uid of what was declined and whose grace is over; what was changed meanwhile is forgotten."""
        with self._database.write() as connection:
            for row in connection.execute(select(declines)).all():
                told = connection.execute(_told_of(row.office, row.uid)).one_or_none()
                if told is None or told.cancelled or told.sequence != row.sequence:
                    connection.execute(_without_decline(row.office, row.uid))
            rows = connection.execute(select(declines).where(declines.c.due_at <= _epoch(now))).all()
        return [(row.office, row.uid) for row in rows]

    def is_declined(self, office: str, uid: str) -> bool:
        """Tell whether she declined, and the grace period isn't over."""
        with self._database.read() as connection:
            return connection.execute(_decline_of(office, uid)).one_or_none() is not None

    def forget_decline(self, office: str, uid: str) -> None:
        """It has been dealt with."""
        with self._database.write() as connection:
            connection.execute(_without_decline(office, uid))

    def mailbox_cursor(self, name: str) -> tuple[int, int] | None:
        """Return UIDVALIDITY and the last UID that was read; None: never."""
        with self._database.read() as connection:
            row = connection.execute(select(mailboxes).where(mailboxes.c.name == name)).one_or_none()
        return None if row is None else (row.validity, row.uid)

    def set_mailbox_cursor(self, name: str, validity: int, uid: int) -> None:
        """Note how far a mailbox has been read."""
        with self._database.write() as connection:
            connection.execute(delete(mailboxes).where(mailboxes.c.name == name))
            connection.execute(insert(mailboxes).values(name=name, validity=validity, uid=uid))

    def load(self) -> Load:
        """Return how much waits."""
        with self._database.read() as connection:
            waiting, oldest = connection.execute(
                select(func.count(), func.min(outbox.c.created_at)).where(outbox.c.state.in_(_OPEN))
            ).one()
            failed = connection.execute(
                select(func.count()).select_from(outbox).where(outbox.c.state == State.FAILED)
            ).scalar_one()
        return Load(waiting, failed, _moment(oldest) if oldest is not None else None)

    def purge(self, before: datetime) -> int:
        """Delete everything about appointments that ended before then, and the log of mails sent before then. Return how many rows."""
        limit = _epoch(before)
        with self._database.write() as connection:
            return sum(
                connection.execute(statement).rowcount
                for statement in (
                    delete(told_table).where(told_table.c.ends_at < limit),
                    delete(outbox).where(outbox.c.ends_at < limit),
                    delete(sent).where(sent.c.sent_at < limit),
                    delete(declines).where(declines.c.due_at < limit),
                    delete(awaiting).where(awaiting.c.ends_at < limit),
                )
            )


def _knows(connection: Connection, message_id: str, office: str, uid: str) -> bool:
    if connection.execute(select(sent.c.id).where(sent.c.message_id == message_id)).first():
        return True
    mine = select(outbox.c.mail).where(outbox.c.office == office, outbox.c.uid == uid)
    waiting = connection.execute(mine.where(outbox.c.mail != "")).scalars()
    return any(Mail.from_json(mail).message_id == message_id for mail in waiting)


def _too_late(kind: Kind, snapshot: Snapshot) -> datetime:
    """When a mail has become useless."""
    if kind is Kind.REMINDER:
        return snapshot.start
    if kind in {Kind.OFFER, Kind.ACTIVATION} and snapshot.held_until is not None:
        return snapshot.held_until
    return snapshot.end


def _values(decision: Decision, now: datetime) -> dict[str, object]:
    told = decision.told
    return {
        "office": told.snapshot.office,
        "uid": told.snapshot.uid,
        "kind": decision.kind.value,
        "snapshot": told.snapshot.to_json(),
        "sequence": told.sequence,
        "cancelled": told.cancelled,
        "uncertain": False,
        "attempts": 0,
        "created_at": _epoch(now),
        "next_attempt_at": _epoch(now),
        "expires_at": min(_epoch(now + GIVE_UP_AFTER), _epoch(_too_late(decision.kind, told.snapshot))),
        "ends_at": _epoch(told.snapshot.end),
    }


def _key(delivery: Delivery) -> tuple[str, str]:
    snapshot = delivery.claimed.told.snapshot
    return snapshot.office, snapshot.uid


def _sent_values(delivery: Delivery) -> dict[str, object]:
    claimed = delivery.claimed
    return {
        "office": claimed.told.snapshot.office,
        "uid": claimed.told.snapshot.uid,
        "kind": claimed.kind.value,
        "sequence": claimed.told.sequence,
        "message_id": claimed.mail.message_id,
        "attempts": claimed.attempts,
        "sent_at": _epoch(delivery.at),
    }


def _told_values(delivery: Delivery, references: tuple[str, ...]) -> dict[str, object]:
    told = delivery.claimed.told
    return {
        "office": told.snapshot.office,
        "uid": told.snapshot.uid,
        "snapshot": told.snapshot.to_json(),
        "sequence": told.sequence,
        "cancelled": told.cancelled,
        "thread": " ".join(thread(references, delivery.claimed.mail.message_id)),
        "told_at": _epoch(delivery.at),
        "ends_at": _epoch(told.snapshot.end),
        "reminder_due": _epoch_or_none(delivery.reminder_due),
    }


def _told_of(office: str, uid: str) -> Select[tuple[Any, ...]]:
    return select(told_table).where(told_table.c.office == office, told_table.c.uid == uid)


def _decline_of(office: str, uid: str) -> Select[tuple[Any, ...]]:
    return select(declines).where(declines.c.office == office, declines.c.uid == uid)


def _without_decline(office: str, uid: str) -> Delete:
    return delete(declines).where(declines.c.office == office, declines.c.uid == uid)


def _reaches(seen: Snapshot, attendee: str) -> bool:
    """True if `attendee` (lower case, as a client wrote it) is where the mails went."""
    try:
        return mailbox(seen.email).address.lower() == attendee or seen.email.lower() == attendee
    except AddressError:
        return False


def _update_told(snapshot: Snapshot) -> Update:
    return update(told_table).where(told_table.c.office == snapshot.office, told_table.c.uid == snapshot.uid)


def _told(row: Row[tuple[Any, ...]]) -> Told:
    return Told(Snapshot.from_json(row.snapshot), row.sequence, row.cancelled)


def _failure(row: Row[tuple[Any, ...]]) -> Failure:
    seen = Snapshot.from_json(row.snapshot)
    return Failure(
        id=row.id,
        office=row.office,
        uid=row.uid,
        kind=Kind(row.kind),
        start=seen.start,
        reference=seen.reference,
        name=seen.name,
        email=seen.email,
        phone=seen.phone,
        error=row.error,
        created_at=_moment(row.created_at),
        too_late=_too_late(Kind(row.kind), seen),
        is_written=row.mail != "",
    )


def _epoch(moment: datetime) -> int:
    return int(moment.timestamp())


def _epoch_or_none(moment: datetime | None) -> int | None:
    return None if moment is None else _epoch(moment)


def _moment(epoch: int) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)

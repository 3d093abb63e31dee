"""What the calendar server does by itself: release holds, move the expansion horizon on, archive, erase, prune.

Every step is a write of its own and can be repeated; a server that is killed in the middle goes on with the rest. Several servers on one database may
all do it: each write looks again under the office's lock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import and_, delete, select, update
from sqlalchemy.exc import DBAPIError

from calendar_server import addresses, fairness, returns
from calendar_server.plans import Plans
from calendar_server.refusals import NotDoneError, RefusedError
from calendar_server.service import DAY, EXPAND_AHEAD, Actor, Calendars, expanded
from calendar_server.storage import reading
from calendar_server.storage.database import reason_of
from calendar_server.storage.schema import archive, changes, collections, tombstones
from calendar_server.storage.writing import set_meta

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from calendar_server.plans import Plan
    from calendar_server.storage.rows import ObjectRow

SYSTEM = Actor("system")
_ADDRESSES = "addresses"
_BATCH = 200
_ROLL_BEFORE = EXPAND_AHEAD - 60 * DAY
_HOLDS_EVERY = 5.0
_SHORTEST_PAUSE = 0.1
_REST_EVERY = 900.0
_WAITING_EVERY = 60.0
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class UpkeepSettings:
    """How long things are kept where clients see them."""

    archive_after_days: int = 90
    """Appointments leave the calendars so long after they ended, or sooner if they are erased before."""
    erase_after_days: int = 30
    """Citizens' data is deleted so long after their appointment."""
    remember_days: int = 180
    """A client that stays away longer synchronises anew, since nobody remembers what changed."""


class Upkeep:
    """The upkeep of one database's calendars."""

    def __init__(self, calendars: Calendars, settings: UpkeepSettings | None = None) -> None:
        self._calendars = calendars
        self._settings = settings or UpkeepSettings()

    def release_holds(self) -> int:
        """Delete all holds that have expired; returns how many. Writes nothing while there is none."""
        released = 0
        for office in self._calendars.directory.offices:
            with self._calendars.database.read() as connection:
                found = reading.expired_holds(connection, office.id, self._calendars.now())
            if not found:
                continue
            with self._calendars.writing(office.id, SYSTEM) as writer:
                released += len(reading.expired_holds(writer.connection, office.id, writer.now))
                self._calendars.release_expired(writer, office)
        return released

    def end_returns(self) -> int:
        """Offer to the public again what was given back long enough ago; returns how many times."""
        ended = 0
        for office in self._calendars.directory.offices:
            with self._calendars.database.read() as connection:
                if not returns.any_due(connection, office.id, self._calendars.now()):
                    continue
            with self._calendars.writing(office.id, SYSTEM) as writer:
                ended += returns.end_due(writer)
        return ended

    def roll_horizon(self) -> int:
        """Expand recurring objects whose stored instances end soon; returns how many."""
        before = self._calendars.now() + _ROLL_BEFORE
        rolled = 0
        while True:
            with self._calendars.database.read() as connection:
                rows = reading.behind_horizon(connection, before, _BATCH)
            for row in rows:
                office = self._calendars.directory.office(row.office) if row.office else None
                with self._calendars.writing(row.office, SYSTEM) as writer:
                    current = reading.object_by_id(writer.connection, row.id)
                    if current is None or current.etag != row.etag:
                        continue
                    owner = writer.collections.by_id(current.collection_id).owner
                    obj = self._calendars.parse(row.text, office, owner)
                    content = expanded(obj, row.kind, row.services, self._calendars.now())
                    writer.expand(row, content.instances, content.expanded_from, content.expanded_until)
                    rolled += 1
            if len(rows) < _BATCH:
                return rolled

    def read_answers_anew(self) -> int:
        """Read declined meetings again after somebody's addresses changed, since by these one knows who declined; returns how many differ."""
        with self._calendars.database.read() as connection:
            known = addresses.fingerprint(connection)
            if reading.meta_value(connection, _ADDRESSES) == known:
                return 0
            rows = reading.own_events_that_tell(connection, "PARTSTAT")
        differing = sum(self._read_anew(row) for row in rows if addresses.may_tell(row.text))
        with self._calendars.database.write() as connection:
            set_meta(connection, _ADDRESSES, known)
        return differing

    def _read_anew(self, row: ObjectRow) -> bool:
        office = self._calendars.directory.office(row.office) if row.office else None
        with self._calendars.writing(row.office, SYSTEM) as writer:
            current = reading.object_by_id(writer.connection, row.id)
            if current is None or current.etag != row.etag:
                return False
            where = writer.collections.by_id(current.collection_id)
            obj = self._calendars.parse(row.text, office, where.owner)
            content = expanded(obj, row.kind, row.services, writer.now)
            if sorted(content.instances) == sorted(reading.instances_of(writer.connection, row.id)):
                return False
            writer.replace(current, where, content)
            return True

    def archive(self) -> int:
        """Move appointments that are long over out of the calendars; returns how many.

        Those of an office that the configuration no longer names are moved as well.
        """
        days = min(self._settings.archive_after_days, self._settings.erase_after_days)
        before = self._calendars.now() - days * DAY
        moved = 0
        for office in self._offices():
            while True:
                with self._calendars.database.read() as connection:
                    if not reading.finished_appointments(connection, office, before, 1):
                        break
                with self._calendars.writing(office, SYSTEM) as writer:
                    for row in reading.finished_appointments(writer.connection, office, before, _BATCH):
                        writer.archive(row, writer.collections.by_id(row.collection_id))
                        moved += 1
        return moved

    def erase(self) -> int:
        """Delete what the archive and the plans tell of citizens whose appointments are long over; returns how many rows.

        An archived appointment keeps its office, clerk, services and time, for statistics.
        """
        before = self._calendars.now() - self._settings.erase_after_days * DAY
        known = and_(archive.c.end < before, archive.c.erased.is_(False))
        with self._calendars.database.read() as connection:
            due = connection.execute(select(archive.c.id).where(known).limit(1)).first()
        erased = 0
        if due is not None:
            with self._calendars.database.write() as connection:
                emptied = update(archive).where(known).values(uid="", text="", erased=True)
                erased = connection.execute(emptied).rowcount
        return erased + Plans(self._calendars).forget(before) + self._calendars.waiting.forget()

    def prune(self) -> int:
        """Forget old changes and tombstones; clients that were away longer begin anew. Returns how many rows went."""
        before = self._calendars.now() - self._settings.remember_days * DAY
        pruned = 0
        with self._calendars.database.write() as connection:
            for office in self._offices():
                last = reading.last_change_before(connection, office, before)
                if last is None:
                    continue
                gone = delete(changes).where(changes.c.office == office, changes.c.seq <= last)
                pruned += connection.execute(gone).rowcount
                for row in reading.office_collections(connection, office).rows:
                    old = delete(tombstones).where(
                        tombstones.c.collection_id == row.id, tombstones.c.seq <= last
                    )
                    count = connection.execute(old).rowcount
                    if count:
                        connection.execute(
                            update(collections)
                            .where(collections.c.id == row.id)
                            .values(floor=min(last, row.seq))
                        )
                        pruned += count
            pruned += fairness.forget(connection, self._calendars.now())
        return pruned

    def _offices(self) -> list[str]:
        with self._calendars.database.read() as connection:
            return reading.office_ids(connection)

    def tend_waiting_lists(self) -> int:
        """Offer what has become free without anybody's doing, and end wishes that are over; returns how many offers and ends."""
        waiting = self._calendars.waiting
        return sum(
            waiting.tidy(office, SYSTEM) + waiting.look_around(office, SYSTEM)
            for office in self._calendars.directory.offices
        )

    def apply_due_plans(self) -> int:
        """Apply the plans that nobody decided on in time. Returns how many were applied.

        One that doesn't fit is tried again: a hold in its way may run out, or the worker makes a better one. What can't fit any more is put aside.
        """
        plans = Plans(self._calendars)
        applied = 0
        for plan in plans.due():
            try:
                plans.apply(plan.id, SYSTEM, by_itself=True)
                applied += 1
            except RefusedError:
                if self._is_past(plan):
                    plans.put_aside(plan.id, SYSTEM)
        return applied

    def _is_past(self, plan: Plan) -> bool:
        known = self._calendars.directory.office(plan.office) is not None
        return not known or any(step.earliest < self._calendars.now() for step in plan.steps)

    def put_outlived_plans_aside(self) -> int:
        """Let nobody be asked any more to decide about what is over; returns how many plans it was."""
        plans = Plans(self._calendars)
        outlived = plans.outlived()
        for plan in outlived:
            plans.put_aside(plan.id, SYSTEM)
        return len(outlived)

    def run(self, stop: threading.Event) -> None:
        """Do all of it again and again until `stop`; a failure is logged and tried again."""
        rest: list[Callable[[], int]] = [
            self.roll_horizon,
            self.read_answers_anew,
            self.put_outlived_plans_aside,
            self.archive,
            self.erase,
            self.prune,
        ]
        waited = _REST_EVERY
        tended = _WAITING_EVERY
        while not stop.is_set():
            steps = [self.release_holds, self.end_returns, self.apply_due_plans]
            if waited >= _REST_EVERY:
                steps, waited = [*steps, *rest], 0.0
            if tended >= _WAITING_EVERY:
                steps, tended = [*steps, self.tend_waiting_lists], 0.0
            for step in steps:
                try:
                    step()
                except DBAPIError as error:
                    _log.warning("upkeep failed", step=step.__name__, reason=reason_of(error))
                except NotDoneError as error:
                    _log.warning("upkeep failed", step=step.__name__, reason=type(error).__name__)
                except Exception:  # noqa: BLE001 - it's logged, and what breaks one step mustn't keep holds from ending
                    _log.exception("upkeep failed", step=step.__name__)
            pause = self._pause()
            stop.wait(pause)
            waited += pause
            tended += pause

    def _pause(self) -> float:
        """Seconds until there's something to do: the next hold's end, if it's sooner than the next round, so that its time is offered again at once."""
        try:
            with self._calendars.database.read() as connection:
                end = reading.next_hold_end(connection, self._calendars.now())
        except DBAPIError:
            end = None
        if end is None:
            return _HOLDS_EVERY
        return min(_HOLDS_EVERY, max(_SHORTEST_PAUSE, self._calendars.until(end)))

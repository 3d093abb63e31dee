"""The change log, for who follows what happened: notifications, repair, statistics.

A consumer keeps the number of the last change that it has dealt with, for each office. Numbers are given out while the office's row is locked,
so whoever has read up to N has seen every change up to N (`calendar_server.storage.schema`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from calendar_server.ical.appointment import GROUP, Appointment, NotAnAppointmentError, from_ical
from calendar_server.ical.group import all_uids, join
from calendar_server.storage import reading, wish_rows
from calendar_server.storage.rows import Kind
from calendar_server.storage.schema import changes, offices

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from calendar_server.storage.database import Database
    from calendar_server.wishes import Wish as Wish  # noqa: PLC0414 - for who may know the log alone


IMPORTED = "termin:import"
"""The actor of what was brought along from elsewhere: its citizens know of it already."""


@dataclass(frozen=True, slots=True)
class Change:
    """One object that was stored or deleted.

    `seq` is the office's number of the write; changes of one write share it and are always read together. `kind` is "appointment", "hold",
    "event", "window", "closure" or "wish" (of the waiting list); `action` "stored" or "deleted"; `clerk` whose calendar it lies in ("" for opening); `actor` the
    account that wrote it ("site", a clerk's id, "lead", "plan:<id>", "system", `IMPORTED`); `at` is aware, in UTC.
    """

    seq: int
    office: str
    uid: str
    kind: str
    action: str
    clerk: str
    actor: str
    at: datetime


class ChangeLog:
    """Reads the change log and the appointments as they stand now; writes nothing. `zone` is how times are shown."""

    def __init__(self, database: Database, zone: ZoneInfo) -> None:
        self._database = database
        self._zone = zone

    def offices(self) -> list[str]:
        """Return the ids of all offices."""
        with self._database.read() as connection:
            return [
                name
                for name in connection.execute(select(offices.c.id).order_by(offices.c.id)).scalars()
                if name
            ]

    def head(self, office: str) -> int:
        """Return the number of the office's last write."""
        with self._database.read() as connection:
            return reading.office_seq(connection, office)

    def own_entries_changed(self, office: str) -> dict[str, datetime]:
        """Return for each clerk when her own events were last changed, aware, in UTC, as far as the log remembers."""
        last = func.max(changes.c.at)
        query = (
            select(changes.c.owner, last)
            .where(changes.c.office == office, changes.c.kind == Kind.EVENT)
            .group_by(changes.c.owner)
        )
        with self._database.read() as connection:
            return {owner: datetime.fromtimestamp(at, UTC) for owner, at in connection.execute(query).all()}

    def read(self, office: str, after: int, limit: int = 500) -> list[Change]:
        """Return changes with a number above `after`, ascending; at least `limit` if there are as many, since a write isn't cut in two."""
        with self._database.read() as connection:
            query = select(changes).where(changes.c.office == office, changes.c.seq > after)
            rows = connection.execute(query.order_by(changes.c.seq, changes.c.part).limit(limit)).all()
            if len(rows) == limit:
                last = rows[-1].seq
                rest = select(changes).where(
                    changes.c.office == office, changes.c.seq == last, changes.c.part > rows[-1].part
                )
                rows = [*rows, *connection.execute(rest.order_by(changes.c.part)).all()]
        return [
            Change(
                row.seq,
                row.office,
                row.uid,
                row.kind,
                row.action,
                row.owner,
                row.actor,
                datetime.fromtimestamp(row.at, UTC),
            )
            for row in rows
        ]

    def wish(self, office: str, wish_id: str) -> tuple[Wish, Appointment] | None:
        """Return a wish of the waiting list as it stands now, and the appointment that is waited for; None if there's none (any more)."""
        with self._database.read() as connection:
            found = wish_rows.find(connection, wish_id)
        if found is None or found[0].office != office:
            return None
        try:
            return found[0], from_ical(found[1], self._zone)
        except NotAnAppointmentError:
            return None

    def appointment(self, office: str, uid: str) -> Appointment | None:
        """Return the office's appointment or hold of that uid as it stands now, None if there is none (any more).

        The uid of a group stands for what is left of it, as one (`calendar_server.ical.group`).
        """
        with self._database.read() as connection:
            row = reading.booking(connection, office, uid)
            rows = [row]
            if row is None or GROUP in row.text:
                rows += [reading.booking(connection, office, each) for each in all_uids(uid)[1:]]
        found = []
        for each in rows:
            try:
                found += [] if each is None else [from_ical(each.text, self._zone)]
            except NotAnAppointmentError:
                continue
        return join(found)

"""Writes of the storage: one `Writer` for each transaction and office.

It keeps together what must change together: the object, its instances, the numbers of the collections that show it, tombstones, the
days of the busy feed, and the change log. It knows no rule: `calendar_server.service` decides what is written.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, insert, select, update

from calendar_server.storage import reading
from calendar_server.storage.prepared import OneOf, Prepared
from calendar_server.storage.rows import Action, CollectionRow, Kind, ObjectRow, Role
from calendar_server.storage.schema import (
    archive,
    busy_days,
    changes,
    collections,
    instances,
    meta,
    objects,
    offices,
    tombstones,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from sqlalchemy import Connection

OPENING_KEY = "opening"
OPENING_AHEAD = 14
"""So many days further than clerks' days the busy feed tells the windows: when new days are released depends on them."""
_FREE = 0
_AT_ONCE = 500
"""Rows of one statement that takes many."""


def etag_of(text: str) -> str:
    """Return the strong etag of a stored text, in quotes."""
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:40]}"'


@dataclass(frozen=True, slots=True)
class Content:
    """What is to be stored under a name.

    `instances` are (start, end, transparency), of a recurring object those in [expanded_from, expanded_until) (None: all on that side).
    """

    uid: str
    component: str
    kind: Kind
    text: str
    instances: Sequence[tuple[int, int, int]]
    first: int | None
    last: int | None
    recurring: bool = False
    expanded_from: int | None = None
    expanded_until: int | None = None
    services: frozenset[str] = frozenset()
    pinned: bool = False
    hold_until: int | None = None
    sequence: int = 0
    digest: str = ""


def _taken(kind: Kind, periods: Iterable[tuple[int, int, int]]) -> set[tuple[int, int]]:
    if kind is Kind.WINDOW:
        return set()
    return {(start, end) for start, end, transparency in periods if transparency != _FREE}


def _opened(kind: Kind, periods: Iterable[tuple[int, int, int]]) -> set[tuple[int, int]]:
    return {(start, end) for start, end, _ in periods} if kind is Kind.WINDOW else set()


def _joined(services: frozenset[str]) -> str:
    return ",".join(sorted(services))


def _instance(object_id: int, collection_id: int, start: int, end: int, transparency: int) -> dict[str, int]:
    return {
        "object_id": object_id,
        "collection_id": collection_id,
        "long": int(end - start > reading.DAY),
        "start": start,
        "end": end,
        "transparency": transparency,
    }


_LOCK = Prepared(select(offices.c.seq).where(offices.c.id == bindparam("office")).with_for_update())
_SET_SEQ = Prepared(
    update(offices).where(offices.c.id == bindparam("office")).values(seq=bindparam("new")), ("seq",)
)
_TOUCH = Prepared(
    update(collections)
    .where(OneOf(collections.c.id, "ids"))
    .values(seq=bindparam("new"), modified=bindparam("now")),
    ("seq", "modified"),
)
_STORE = Prepared(
    insert(objects).returning(objects.c.id), [column.name for column in objects.c if column.name != "id"]
)
_STORE_INSTANCE = Prepared(insert(instances), [column.name for column in instances.c if column.name != "id"])
_DROP = Prepared(delete(objects).where(objects.c.id == bindparam("id")))
_DROP_INSTANCES = Prepared(delete(instances).where(instances.c.object_id == bindparam("id")))
_FORGET = Prepared(
    delete(tombstones).where(
        tombstones.c.collection_id == bindparam("cid"), tombstones.c.href == bindparam("name")
    )
)
_BURY = Prepared(insert(tombstones), [column.name for column in tombstones.c])
_LOG = Prepared(insert(changes), [column.name for column in changes.c])
_MARK_BUSY = Prepared(
    update(busy_days)
    .where(
        busy_days.c.office == bindparam("the_office"),
        busy_days.c.key == bindparam("the_key"),
        busy_days.c.day == bindparam("the_day"),
    )
    .values(seq=bindparam("new")),
    ("seq",),
)
_FIRST_BUSY = Prepared(insert(busy_days), [column.name for column in busy_days.c])
_FEW = 4
"""So many instances are stored one by one; of a series there are hundreds."""


class Writer:
    """The writes of one transaction in one office; begin it before anything is read that the write depends on.

    `office` is "" for calendars outside any office; `zone` cuts days for the busy feed, which reaches `horizon_days` ahead; `now` is in
    epoch seconds; `actor` is the account that writes.
    """

    def __init__(
        self, connection: Connection, office: str, *, zone: ZoneInfo, horizon_days: int, now: int, actor: str
    ) -> None:
        self.connection = connection
        self.office = office
        self.now = now
        self.actor = actor
        self._zone = zone
        today = datetime.fromtimestamp(now, zone).date()
        days = (today - timedelta(days=1), today + timedelta(days=horizon_days + OPENING_AHEAD + 2))
        self._reach = tuple(int(datetime.combine(day, time(), zone).timestamp()) for day in days)
        self._part = 0
        self._seq: int | None = None
        self.freed: set[tuple[int, int]] = set()
        """Periods in which somebody may have become free in this write; whoever has dealt with them empties it."""
        self._touched: set[int] = set()
        self._busy: set[tuple[str, str]] = set()
        self._collections: reading.OfficeCollections | None = None
        locked: int | None = _LOCK.value(connection, office=office)
        if locked is None:
            raise LookupError(f"the office {office!r} isn't set up")
        self._last_seq = locked

    @property
    def seq(self) -> int:
        """The number of this write."""
        if self._seq is None:
            self._seq = self._last_seq + 1
        return self._seq

    @property
    def changed(self) -> bool:
        """True once anything was written."""
        return self._seq is not None

    @property
    def collections(self) -> reading.OfficeCollections:
        """The office's collections as they were when they were first asked for in this transaction."""
        if self._collections is None:
            self._collections = reading.office_collections(self.connection, self.office)
        return self._collections

    def _view(self) -> CollectionRow | None:
        views = self.collections.of(Role.VIEW) if self.office else []
        return views[0] if views else None

    def _touch(self, collection_id: int, kind: Kind) -> None:
        self._touched.add(collection_id)
        if kind.is_booking and (view := self._view()) is not None:
            self._touched.add(view.id)

    def _log(self, uid: str, kind: Kind, action: Action, owner: str) -> None:
        _LOG.run(self.connection, **self._change(uid, kind, action, owner, self._part))
        self._part += 1

    def _change(self, uid: str, kind: Kind, action: Action, owner: str, part: int) -> dict[str, Any]:
        return {
            "office": self.office,
            "seq": self.seq,
            "part": part,
            "uid": uid,
            "kind": kind.value,
            "action": action.value,
            "owner": owner,
            "actor": self.actor,
            "at": self.now,
        }

    def _mark_busy(self, where: CollectionRow, kind: Kind, periods: Iterable[tuple[int, int, int]]) -> None:
        if not self.office:
            return
        if where.role is Role.OPENING:
            key = OPENING_KEY
        elif where.role is Role.CLERK:
            key = where.owner
        else:
            return
        for start, end, transparency in periods:
            if transparency == _FREE and kind is Kind.EVENT:
                continue
            if end < self._reach[0] or start >= self._reach[1]:
                continue
            # Cut first: an event may last until the year 9999, beyond which no zone can tell the day.
            day = datetime.fromtimestamp(max(start, self._reach[0]), self._zone).date()
            last = datetime.fromtimestamp(min(max(start, end - 1), self._reach[1] - 1), self._zone).date()
            while day <= last:
                self._busy.add((key, day.isoformat()))
                day += timedelta(days=1)

    def mark_busy(self, clerk: str, start: int, end: int) -> None:
        """Tell followers of the busy feed that a clerk's days changed between two instants, though no object of hers did."""
        calendar = self.collections.by_path(f"{clerk}/calendar")
        if calendar is not None:
            _ = self.seq
            self._mark_busy(calendar, Kind.HOLD, [(start, end, 1)])

    def _store_instances(
        self, object_id: int, collection_id: int, periods: Sequence[tuple[int, int, int]]
    ) -> None:
        if len(periods) <= _FEW:
            for period in periods:
                _STORE_INSTANCE.run(self.connection, **_instance(object_id, collection_id, *period))
        else:
            self.connection.execute(
                insert(instances), [_instance(object_id, collection_id, *period) for period in periods]
            )

    @staticmethod
    def _columns(content: Content) -> dict[str, Any]:
        return {
            "uid": content.uid,
            "component": content.component,
            "kind": content.kind.value,
            "etag": etag_of(content.text),
            "text": content.text,
            "size": len(content.text.encode()),
            "services": _joined(content.services),
            "pinned": content.pinned,
            "hold_until": content.hold_until,
            "sequence": content.sequence,
            "digest": content.digest,
            "first": content.first,
            "last": content.last,
            "recurring": content.recurring,
            "expanded_from": content.expanded_from,
            "expanded_until": content.expanded_until,
        }

    def log(self, uid: str, kind: Kind, action: Action = Action.STORED) -> None:
        """Tell the change log of something that lies in nobody's calendar."""
        self._log(uid, kind, action, "")

    def _note_freed(
        self,
        before: tuple[Kind, Iterable[tuple[int, int, int]]],
        after: tuple[Kind, Iterable[tuple[int, int, int]]],
    ) -> None:
        """Note what was taken before and isn't any more, and what has been opened."""
        if self.office:
            self.freed |= _taken(*before) - _taken(*after)
            self.freed |= _opened(*after) - _opened(*before)

    def _forget_tombstone(self, collection_id: int, href: str) -> None:
        _FORGET.run(self.connection, cid=collection_id, name=href)

    def _bury(self, collection_id: int, href: str, sequence: int = 0) -> None:
        self._forget_tombstone(collection_id, href)
        _BURY.run(self.connection, collection_id=collection_id, href=href, seq=self.seq, sequence=sequence)

    def insert(
        self, where: CollectionRow, href: str, content: Content, *, view_href: str | None = None
    ) -> None:
        """Store a new object; `view_href` is its name in the office's view, for bookings."""
        values = self._columns(content) | {
            "collection_id": where.id,
            "href": href,
            "seq": self.seq,
            "office": self.office,
            "view_href": view_href,
            "modified": self.now,
        }
        self._store_instances(_STORE.value(self.connection, **values), where.id, content.instances)
        self._forget_tombstone(where.id, href)
        if view_href is not None and (view := self._view()) is not None:
            self._forget_tombstone(view.id, view_href)
        self._touch(where.id, content.kind)
        self._mark_busy(where, content.kind, content.instances)
        self._note_freed((content.kind, ()), (content.kind, content.instances))
        self._log(content.uid, content.kind, Action.STORED, where.owner)

    def insert_all(self, where: CollectionRow, entries: Sequence[tuple[str, Content]]) -> None:
        """Store many new objects (name, content) that are no bookings, with few statements."""
        for at in range(0, len(entries), _AT_ONCE):
            self._insert_some(where, entries[at : at + _AT_ONCE])

    def _insert_some(self, where: CollectionRow, entries: Sequence[tuple[str, Content]]) -> None:
        rows = [
            self._columns(content)
            | {
                "collection_id": where.id,
                "href": href,
                "seq": self.seq,
                "office": self.office,
                "view_href": None,
                "modified": self.now,
            }
            for href, content in entries
        ]
        made = self.connection.execute(insert(objects).returning(objects.c.uid, objects.c.id), rows)
        ids = {row.uid: row.id for row in made}
        periods = [
            _instance(ids[content.uid], where.id, *period)
            for _, content in entries
            for period in content.instances
        ]
        if periods:
            self.connection.execute(insert(instances), periods)
        names = [href for href, _ in entries]
        gone = delete(tombstones).where(tombstones.c.collection_id == where.id, tombstones.c.href.in_(names))
        self.connection.execute(gone)
        for _, content in entries:
            self._touch(where.id, content.kind)
            self._mark_busy(where, content.kind, content.instances)
            self._note_freed((content.kind, ()), (content.kind, content.instances))
        told = ((content.uid, content.kind) for _, content in entries)
        self._log_all(told, Action.STORED, where.owner)

    def remove_all(self, rows: Sequence[ObjectRow], where: CollectionRow) -> None:
        """Delete many objects that are no bookings, with few statements; otherwise like `remove`."""
        for at in range(0, len(rows), _AT_ONCE):
            some = rows[at : at + _AT_ONCE]
            before = reading.instances_of_all(self.connection, [row.id for row in some])
            for row in some:
                self._touch(where.id, row.kind)
                self._mark_busy(where, row.kind, before.get(row.id, ()))
                self._note_freed((row.kind, before.get(row.id, ())), (row.kind, ()))
            ids, names = [row.id for row in some], [row.href for row in some]
            self.connection.execute(delete(instances).where(instances.c.object_id.in_(ids)))
            self.connection.execute(delete(objects).where(objects.c.id.in_(ids)))
            buried = delete(tombstones).where(
                tombstones.c.collection_id == where.id, tombstones.c.href.in_(names)
            )
            self.connection.execute(buried)
            graves = [
                {"collection_id": where.id, "href": name, "seq": self.seq, "sequence": 0} for name in names
            ]
            self.connection.execute(insert(tombstones), graves)
            self._log_all(((row.uid, row.kind) for row in some), Action.DELETED, where.owner)

    def _log_all(self, told: Iterable[tuple[str, Kind]], action: Action, owner: str) -> None:
        rows = [
            self._change(uid, kind, action, owner, part) for part, (uid, kind) in enumerate(told, self._part)
        ]
        self.connection.execute(insert(changes), rows)
        self._part += len(rows)

    def replace(
        self,
        old: ObjectRow,
        source: CollectionRow,
        content: Content,
        *,
        target: CollectionRow | None = None,
        href: str = "",
    ) -> None:
        """Store another content for an object; with `target` it goes over into that collection as `href`."""
        to = target or source
        name = href or old.href
        before = reading.instances_of(self.connection, old.id)
        self._mark_busy(source, old.kind, before)
        values = self._columns(content) | {
            "collection_id": to.id,
            "href": name,
            "seq": self.seq,
            "modified": self.now,
        }
        self.connection.execute(update(objects).where(objects.c.id == old.id).values(values))
        if to.id != source.id or name != old.href:
            self._bury(source.id, old.href)
            self._forget_tombstone(to.id, name)
        if to.id != source.id or list(before) != list(content.instances):
            _DROP_INSTANCES.run(self.connection, id=old.id)
            self._store_instances(old.id, to.id, content.instances)
        self._touch(source.id, old.kind)
        self._touch(to.id, content.kind)
        self._mark_busy(to, content.kind, content.instances)
        # Another services' appointment at the same time may leave room for others.
        kept = content.instances if old.services == content.services else ()
        self._note_freed((old.kind, before), (content.kind, kept))
        self._log(content.uid, content.kind, Action.STORED, to.owner)

    def transfer(self, old: ObjectRow, source: CollectionRow, target: CollectionRow, href: str) -> None:
        """Give an object to another collection as it is: a reassignment, or a MOVE."""
        periods = reading.instances_of(self.connection, old.id)
        self._mark_busy(source, old.kind, periods)
        self._mark_busy(target, old.kind, periods)
        self.connection.execute(
            update(objects)
            .where(objects.c.id == old.id)
            .values(collection_id=target.id, href=href, seq=self.seq, modified=self.now)
        )
        if target.id != source.id:
            self.connection.execute(
                update(instances).where(instances.c.object_id == old.id).values(collection_id=target.id)
            )
        if not old.kind.is_booking:
            # An appointment that changes its clerk only makes room that a chain of reassignments would have made as well.
            self._note_freed((old.kind, periods), (old.kind, ()))
        self._bury(source.id, old.href)
        self._forget_tombstone(target.id, href)
        self._touch(source.id, old.kind)
        self._touch(target.id, old.kind)
        self._log(old.uid, old.kind, Action.STORED, target.owner)

    def archive(self, old: ObjectRow, where: CollectionRow) -> None:
        """Move an appointment that is over out of its calendar into the archive."""
        periods = reading.instances_of(self.connection, old.id)
        values = {
            "office": self.office,
            "owner": where.owner,
            "uid": old.uid,
            "text": old.text,
            "start": old.first or 0,
            "end": old.last or 0,
            "archived": self.now,
            "services": _joined(old.services),
            "cancelled": not any(transparency for _, _, transparency in periods),
        }
        self.connection.execute(insert(archive), values)
        self.remove(old, where, Action.ARCHIVED)

    def remove(self, old: ObjectRow, where: CollectionRow, action: Action = Action.DELETED) -> None:
        """Delete an object and leave tombstones; the change log says `action`."""
        before = reading.instances_of(self.connection, old.id)
        self._mark_busy(where, old.kind, before)
        self._note_freed((old.kind, before), (old.kind, ()))
        _DROP_INSTANCES.run(self.connection, id=old.id)
        _DROP.run(self.connection, id=old.id)
        self._bury(where.id, old.href)
        if old.view_href is not None and (view := self._view()) is not None:
            self._bury(view.id, old.view_href, old.sequence)
        self._touch(where.id, old.kind)
        self._log(old.uid, old.kind, action, where.owner)

    def expand(
        self, old: ObjectRow, periods: Sequence[tuple[int, int, int]], begin: int | None, until: int | None
    ) -> None:
        """Store other instances of a recurring object; nothing that a client sees changes, so no number is used."""
        self.connection.execute(delete(instances).where(instances.c.object_id == old.id))
        self._store_instances(old.id, old.collection_id, periods)
        self.connection.execute(
            update(objects).where(objects.c.id == old.id).values(expanded_from=begin, expanded_until=until)
        )

    def finish(self) -> None:
        """Write the numbers; call it last, in the same transaction."""
        if self._seq is None:
            return
        _SET_SEQ.run(self.connection, office=self.office, new=self._seq)
        touched = set(self._touched)
        if self._busy:
            touched.update(row.id for row in self.collections.of(Role.BUSY))
            for key, day in self._busy:
                self._set_busy(key, day)
        if touched:
            _TOUCH.run(self.connection, ids=sorted(touched), new=self._seq, now=self.now)

    def _set_busy(self, key: str, day: str) -> None:
        there = {"the_office": self.office, "the_key": key, "the_day": day}
        if _MARK_BUSY.run(self.connection, new=self.seq, **there) == 0:
            _FIRST_BUSY.run(self.connection, office=self.office, key=key, day=day, seq=self.seq)

    def create_collection(
        self, path: str, role: Role, *, tag: str, owner: str, props: Mapping[str, str]
    ) -> CollectionRow:
        """Make a collection; its parent must exist."""
        values = {
            "path": path,
            "parent": path.rpartition("/")[0],
            "role": role.value,
            "tag": tag,
            "office": self.office,
            "owner": owner,
            "props": json.dumps(dict(props), ensure_ascii=False, sort_keys=True),
            "seq": self.seq,
            "floor": self.seq,
            "modified": self.now,
        }
        self.connection.execute(insert(collections), values)
        self._collections = None
        made = reading.collection(self.connection, path)
        assert made is not None
        return made

    def set_props(self, where: CollectionRow, props: Mapping[str, str]) -> CollectionRow:
        """Replace a collection's properties; its ctag changes."""
        text = json.dumps(dict(props), ensure_ascii=False, sort_keys=True)
        self.connection.execute(update(collections).where(collections.c.id == where.id).values(props=text))
        self._touched.add(where.id)
        return replace(where, props=dict(props), seq=self.seq)

    def delete_collection(self, where: CollectionRow) -> None:
        """Delete a collection that has no objects any more (`remove` them first, so that the change log tells of each)."""
        self.connection.execute(delete(tombstones).where(tombstones.c.collection_id == where.id))
        self.connection.execute(delete(collections).where(collections.c.id == where.id))
        self._touched.discard(where.id)
        self._collections = None
        _ = self.seq


def set_meta(connection: Connection, key: str, value: str) -> None:
    """Write a value of the table `meta`."""
    if connection.execute(update(meta).where(meta.c.key == key).values(value=value)).rowcount == 0:
        connection.execute(insert(meta), {"key": key, "value": value})

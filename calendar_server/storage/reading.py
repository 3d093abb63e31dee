"""Queries of the storage. Each takes a connection in a transaction, so that several of them see the same state."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Integer, and_, bindparam, func, or_, select, union_all

from calendar_server.storage.prepared import OneOf, Prepared
from calendar_server.storage.rows import CollectionRow, InstanceRow, Kind, ObjectRow, Role
from calendar_server.storage.schema import (
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
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy import Connection, Select

DAY = 86_400
_BOOKINGS = (Kind.APPOINTMENT.value, Kind.HOLD.value)


def split_ids(text: str) -> frozenset[str]:
    """Read a column of service ids, joined by commas."""
    return frozenset(name for name in text.split(",") if name)


_COLLECTION = [collections.c[each.name] for each in fields(CollectionRow)]
_NAMES = [each.name for each in fields(ObjectRow)]
_OBJECT = [objects.c[name] for name in _NAMES]
_KIND, _SERVICES, *_FLAGS = map(_NAMES.index, ("kind", "services", "pinned", "recurring"))
_KINDS = {kind.value: kind for kind in Kind}
_ROLES = {role.value: role for role in Role}


def _collection(row: Sequence[Any]) -> CollectionRow:
    number, path, role, tag, office, owner, props, *numbers = row
    return CollectionRow(number, path, _ROLES[role], tag, office, owner, json.loads(props), *numbers)


def _object(row: Sequence[Any]) -> ObjectRow:
    values = list(row)
    values[_KIND] = _KINDS[values[_KIND]]
    values[_SERVICES] = split_ids(values[_SERVICES])
    for at in _FLAGS:
        values[at] = bool(values[at])
    return ObjectRow(*values)


def _instance(row: Sequence[Any]) -> InstanceRow:
    object_id, collection_id, uid, kind, start, end, transparency, services, pinned, hold_until = row
    return InstanceRow(
        object_id,
        collection_id,
        uid,
        _KINDS[kind],
        start,
        end,
        transparency,
        split_ids(services),
        bool(pinned),
        hold_until,
    )


_META = Prepared(select(meta.c.value).where(meta.c.key == bindparam("key")))
_SEQ = Prepared(select(offices.c.seq).where(offices.c.id == bindparam("office")))


def meta_value(connection: Connection, key: str) -> str | None:
    """Return a value of the table `meta`."""
    value: str | None = _META.value(connection, key=key)
    return value


def office_ids(connection: Connection) -> list[str]:
    """Return the ids of all offices that ever were, with the empty one for calendars of nobody's office."""
    return list(connection.execute(select(offices.c.id).order_by(offices.c.id)).scalars())


def office_seq(connection: Connection, office: str) -> int:
    """Return the number of the office's last write; 0 for an unknown office."""
    return _SEQ.value(connection, office=office) or 0


_BY_PATH = Prepared(select(*_COLLECTION).where(collections.c.path == bindparam("path")))
_BY_PARENT = Prepared(
    select(*_COLLECTION).where(collections.c.parent == bindparam("parent")).order_by(collections.c.path)
)


def collection(connection: Connection, path: str) -> CollectionRow | None:
    """Return the collection at `path` (no slashes at its ends)."""
    row = _BY_PATH.first(connection, path=path)
    return None if row is None else _collection(row)


_IS_THERE = Prepared(select(collections.c.id).where(collections.c.path == bindparam("path")))


def is_collection(connection: Connection, path: str) -> bool:
    """Tell whether there is a collection at `path` (no slashes at its ends)."""
    return _IS_THERE.value(connection, path=path) is not None


def children(connection: Connection, parent: str) -> list[CollectionRow]:
    """Return the collections right below `parent` ("" is the root)."""
    return [_collection(row) for row in _BY_PARENT.all(connection, parent=parent)]


@dataclass(frozen=True, slots=True)
class OfficeCollections:
    """All collections of one office, read once in a transaction."""

    rows: tuple[CollectionRow, ...]

    def of(self, role: Role) -> list[CollectionRow]:
        """Those of one role, by path."""
        return [row for row in self.rows if row.role is role]

    def only(self, role: Role) -> CollectionRow:
        """The one collection of a role that every office has once. Raises LookupError where it hasn't."""
        for row in self.rows:
            if row.role is role:
                return row
        raise LookupError(f"the office has no {role.value} collection")

    def by_id(self, collection_id: int) -> CollectionRow:
        """The collection of a row id. Raises LookupError for another office's."""
        for row in self.rows:
            if row.id == collection_id:
                return row
        raise LookupError(f"the office has no collection {collection_id}")

    def by_path(self, path: str) -> CollectionRow | None:
        """The collection at a path, or None."""
        return next((row for row in self.rows if row.path == path), None)

    def of_owner(self, owner: str) -> list[CollectionRow]:
        """The calendars that take part in one clerk's busy time."""
        return [row for row in self.rows if row.owner == owner and row.role is Role.CLERK]


_OF_OFFICE = Prepared(
    select(*_COLLECTION).where(collections.c.office == bindparam("office")).order_by(collections.c.path)
)


def office_collections(connection: Connection, office: str) -> OfficeCollections:
    """Return all collections of an office."""
    return OfficeCollections(tuple(_collection(row) for row in _OF_OFFICE.all(connection, office=office)))


_FEEDS = Prepared(select(collections.c.office, collections.c.seq).where(collections.c.role == Role.BUSY))


def busy_seqs(connection: Connection) -> dict[str, int]:
    """Return the number of the last write of each office's busy feed."""
    return {str(office): int(seq) for office, seq in _FEEDS.all(connection)}


_HREF = objects.c.href == bindparam("href")
_ITEM = Prepared(select(*_OBJECT).where(objects.c.collection_id == bindparam("cid"), _HREF))
_IN_VIEW = Prepared(
    select(*_OBJECT).where(objects.c.office == bindparam("office"), objects.c.view_href == bindparam("href"))
)
_BOOKING = Prepared(
    select(*_OBJECT).where(objects.c.office == bindparam("office"), objects.c.uid == bindparam("uid"))
)
_BY_ID = Prepared(select(*_OBJECT).where(objects.c.id == bindparam("id")))
_BY_UID = Prepared(
    select(*_OBJECT).where(objects.c.collection_id == bindparam("cid"), objects.c.uid == bindparam("uid"))
)


def item(connection: Connection, where: CollectionRow, href: str) -> ObjectRow | None:
    """Return the object of that name in a collection; in an office's view, whichever calendar it lies in.

    In the view `<uid>.ics` finds an appointment too if a client gave it another name.
    """
    if where.role is Role.VIEW:
        row = _IN_VIEW.first(connection, office=where.office, href=href)
        if row is None and href.endswith(".ics"):
            return booking(connection, where.office, href.removesuffix(".ics"))
    else:
        row = _ITEM.first(connection, cid=where.id, href=href)
    return None if row is None else _object(row)


def booking(connection: Connection, office: str, uid: str) -> ObjectRow | None:
    """Return the office's appointment or hold of that uid, whoever has it."""
    # A condition on `view_href` would make SQLite take the view's index, and read all of the office's bookings.
    rows = map(_object, _BOOKING.all(connection, office=office, uid=uid))
    return next((row for row in rows if row.view_href is not None), None)


def object_by_id(connection: Connection, object_id: int) -> ObjectRow | None:
    """Return an object by its row id."""
    row = _BY_ID.first(connection, id=object_id)
    return None if row is None else _object(row)


def has_uid(connection: Connection, where: CollectionRow, uid: str) -> ObjectRow | None:
    """Return the object of that uid in a collection (the view: in the office's bookings)."""
    if where.role is Role.VIEW:
        return booking(connection, where.office, uid)
    row = _BY_UID.first(connection, cid=where.id, uid=uid)
    return None if row is None else _object(row)


def members_of(where: CollectionRow) -> Any:
    """Return the condition on `objects` for what a collection shows."""
    if where.role is Role.VIEW:
        return and_(objects.c.office == where.office, objects.c.view_href.is_not(None))
    return objects.c.collection_id == where.id


def href_column(where: CollectionRow) -> Any:
    """Return the column of `objects` with the names that a collection shows."""
    return objects.c.view_href if where.role is Role.VIEW else objects.c.href


def all_items(connection: Connection, where: CollectionRow) -> Iterator[ObjectRow]:
    """Yield all objects that a collection shows."""
    for row in connection.execute(select(*_OBJECT).where(members_of(where)).order_by(objects.c.id)):
        yield _object(row)


class Shown(NamedTuple):
    """What a REPORT shows of an object, under the name that it has in the collection that was asked."""

    name: str
    etag: str
    text: str
    component: str
    modified: int


_SHOWN = (objects.c.etag, objects.c.text, objects.c.component, objects.c.modified)
_SHOWN_OF_NAMES = Prepared(
    select(objects.c.href, *_SHOWN).where(
        objects.c.collection_id == bindparam("cid"), OneOf(objects.c.href, "names")
    )
)
_SHOWN_OF_NAMES_IN_VIEW = Prepared(
    select(objects.c.view_href, *_SHOWN).where(
        objects.c.office == bindparam("office"), OneOf(objects.c.view_href, "names")
    )
)
_ALL_SHOWN = Prepared(
    select(objects.c.href, *_SHOWN).where(objects.c.collection_id == bindparam("cid")).order_by(objects.c.id)
)
_ALL_SHOWN_IN_VIEW = Prepared(
    select(objects.c.view_href, *_SHOWN)
    .where(objects.c.office == bindparam("office"), objects.c.view_href.is_not(None))
    .order_by(objects.c.id)
)
_BY_IDS = Prepared(select(*_OBJECT).where(OneOf(objects.c.id, "ids")))


def shown_of(row: ObjectRow, where: CollectionRow) -> Shown:
    """Return the same of an object that was read whole."""
    name = row.view_href if where.role is Role.VIEW and row.view_href else row.href
    return Shown(name, row.etag, row.text, row.component, row.modified)


def shown_of_names(connection: Connection, where: CollectionRow, names: Sequence[str]) -> dict[str, Shown]:
    """Return the objects of these names, by name; missing ones are left out."""
    if not names:
        return {}
    if where.role is Role.VIEW:
        rows = _SHOWN_OF_NAMES_IN_VIEW.all(connection, office=where.office, names=list(names))
    else:
        rows = _SHOWN_OF_NAMES.all(connection, cid=where.id, names=list(names))
    return {row[0]: Shown._make(row) for row in rows}


def all_shown(connection: Connection, where: CollectionRow) -> Iterator[Shown]:
    """Return all objects that a collection shows."""
    if where.role is Role.VIEW:
        return map(Shown._make, _ALL_SHOWN_IN_VIEW.all(connection, office=where.office))
    return map(Shown._make, _ALL_SHOWN.all(connection, cid=where.id))


def objects_by_id(connection: Connection, ids: Sequence[int]) -> dict[int, ObjectRow]:
    """Return objects by their row ids."""
    if not ids:
        return {}
    return {row[0]: _object(row) for row in _BY_IDS.all(connection, ids=list(ids))}


def changed_since(connection: Connection, where: CollectionRow, seq: int) -> tuple[list[str], list[str]]:
    """Return (names stored, names gone) after the write of number `seq`."""
    column = href_column(where)
    stored = select(column).where(members_of(where), objects.c.seq > seq)
    gone = select(tombstones.c.href).where(tombstones.c.collection_id == where.id, tombstones.c.seq > seq)
    names = list(connection.execute(stored).scalars())
    present = set(names)
    return names, [name for name in connection.execute(gone).scalars() if name not in present]


_AT_MOST = bindparam("limit", type_=Integer)
_STORED_SINCE = Prepared(
    select(objects.c.seq, objects.c.href)
    .where(objects.c.collection_id == bindparam("cid"), objects.c.seq > bindparam("since"))
    .order_by(objects.c.seq)
    .limit(_AT_MOST)
)
_STORED_SINCE_IN_VIEW = Prepared(
    select(objects.c.seq, objects.c.view_href)
    .where(
        objects.c.office == bindparam("office"),
        objects.c.view_href.is_not(None),
        objects.c.seq > bindparam("since"),
    )
    .order_by(objects.c.seq)
    .limit(_AT_MOST)
)
_GONE_SINCE = Prepared(
    select(tombstones.c.seq, tombstones.c.href)
    .where(tombstones.c.collection_id == bindparam("cid"), tombstones.c.seq > bindparam("since"))
    .order_by(tombstones.c.seq)
    .limit(_AT_MOST)
)


def stored_since(connection: Connection, where: CollectionRow, seq: int, limit: int) -> list[tuple[int, str]]:
    """Return (number of the write, name) of what a collection shows and was stored after write `seq`, in that order."""
    found: list[Any]
    if where.role is Role.VIEW:
        found = _STORED_SINCE_IN_VIEW.all(connection, office=where.office, since=seq, limit=limit)
    else:
        found = _STORED_SINCE.all(connection, cid=where.id, since=seq, limit=limit)
    return found


def gone_since(connection: Connection, where: CollectionRow, seq: int, limit: int) -> list[tuple[int, str]]:
    """Return (number of the write, name) of what left a collection after write `seq`, in that order."""
    found: list[Any] = _GONE_SINCE.all(connection, cid=where.id, since=seq, limit=limit)
    return found


_LAST_SEQUENCE = Prepared(
    select(tombstones.c.sequence).where(
        tombstones.c.collection_id == bindparam("cid"), tombstones.c.href == bindparam("href")
    )
)


def last_sequence(connection: Connection, view: CollectionRow, href: str) -> int | None:
    """Return the SEQUENCE that a deleted appointment had, None if there was none of that name."""
    sequence: int | None = _LAST_SEQUENCE.value(connection, cid=view.id, href=href)
    return sequence


_INSTANCE_COLUMNS = (
    instances.c.object_id,
    instances.c.collection_id,
    objects.c.uid,
    objects.c.kind,
    instances.c.start,
    instances.c.end,
    instances.c.transparency,
    objects.c.services,
    objects.c.pinned,
    objects.c.hold_until,
)


def _in_range(*columns: Any, of_objects: bool = False) -> Any:
    """Instances that touch [start, end): short ones by a range of starts, long ones one by one (see the schema).

    `of_objects`: some of the columns are those of the instances' objects.
    """
    start: Any = bindparam("start")
    end: Any = bindparam("end")
    here = OneOf(instances.c.collection_id, "ids")
    # A zero-length instance counts on its start (RFC 4791 section 9.9).
    touches = or_(instances.c.end > start, and_(instances.c.end == start, instances.c.start == start))
    short = and_(
        instances.c.long == 0, instances.c.start >= bindparam("since"), instances.c.start < end, touches
    )
    long = and_(instances.c.long == 1, instances.c.start < end, touches)
    joined = instances.join(objects, objects.c.id == instances.c.object_id) if of_objects else instances

    def part(condition: Any) -> Select[Any]:
        return select(*columns).select_from(joined).where(here, condition)

    return union_all(part(short), part(long))


_INSTANCES_IN = Prepared(_in_range(*_INSTANCE_COLUMNS, of_objects=True))
_PERIODS_IN = Prepared(
    _in_range(instances.c.object_id, instances.c.start, instances.c.end, instances.c.transparency)
)
_WITHIN = objects.c.id.in_(_in_range(instances.c.object_id))
_SHOWN_IN = Prepared(select(objects.c.id, objects.c.href, *_SHOWN).where(_WITHIN))
_SHOWN_IN_VIEW = Prepared(
    # The view's index would be read whole for this condition on its column.
    select(objects.c.id, objects.c.view_href, *_SHOWN).where(_WITHIN)
)


def _range(ids: Sequence[int], start: int, end: int) -> dict[str, Any]:
    return {"ids": list(ids), "start": start, "end": end, "since": start - DAY}


def instances_in(connection: Connection, ids: Sequence[int], start: int, end: int) -> list[InstanceRow]:
    """Return the instances in these collections (row ids) that touch [start, end), by start.

    Of recurring objects only what is stored: see `unexpanded`.
    """
    if not ids:
        return []
    return sorted(
        map(_instance, _INSTANCES_IN.all(connection, **_range(ids, start, end))),
        key=lambda instance: (instance.start, instance.end, instance.object_id),
    )


def periods_in(
    connection: Connection, ids: Sequence[int], start: int, end: int
) -> list[tuple[int, int, int, int]]:
    """Return the same instances as (object's row id, start, end, transparency), in no order."""
    found: list[Any] = _PERIODS_IN.all(connection, **_range(ids, start, end)) if ids else []
    return found


def shown_in(
    connection: Connection, where: CollectionRow, ids: Sequence[int], start: int, end: int
) -> Iterator[tuple[int, Shown]]:
    """Yield (row id, object) for what a collection shows and has a stored instance that touches [start, end).

    `ids` are the row ids of the collections in which its objects lie.
    """
    if not ids:
        return
    statement = _SHOWN_IN_VIEW if where.role is Role.VIEW else _SHOWN_IN
    for number, name, *rest in statement.all(connection, **_range(ids, start, end)):
        if name is not None:
            yield number, Shown(name, *rest)


_UNEXPANDED = Prepared(
    select(*_OBJECT).where(
        OneOf(objects.c.collection_id, "ids"),
        objects.c.recurring.is_(True),
        or_(objects.c.expanded_until < bindparam("end"), objects.c.expanded_from > bindparam("start")),
    )
)


def unexpanded(connection: Connection, ids: Sequence[int], start: int, end: int) -> list[ObjectRow]:
    """Return the recurring objects in these collections whose stored instances don't cover [start, end)."""
    if not ids:
        return []
    return [_object(row) for row in _UNEXPANDED.all(connection, ids=list(ids), start=start, end=end)]


_PERIODS = Prepared(
    select(instances.c.start, instances.c.end, instances.c.transparency).where(
        instances.c.object_id == bindparam("id")
    )
)


def instances_of(connection: Connection, object_id: int) -> list[tuple[int, int, int]]:
    """Return an object's stored instances as (start, end, transparency)."""
    return [(start, end, transparency) for start, end, transparency in _PERIODS.all(connection, id=object_id)]


def instances_of_all(connection: Connection, ids: Sequence[int]) -> dict[int, list[tuple[int, int, int]]]:
    """Return the stored instances of several objects, by row id; at most some hundred at once."""
    columns = (instances.c.object_id, instances.c.start, instances.c.end, instances.c.transparency)
    found: dict[int, list[tuple[int, int, int]]] = {}
    for row in connection.execute(select(*columns).where(instances.c.object_id.in_(ids))):
        found.setdefault(row[0], []).append((row[1], row[2], row[3]))
    return found


_AMONG = Prepared(
    select(objects.c.uid, objects.c.view_href).where(
        objects.c.office == bindparam("office"), OneOf(objects.c.uid, "uids")
    )
)


def bookings_among(connection: Connection, office: str, uids: Sequence[str]) -> set[str]:
    """Return those of some uids that are the office's appointments or holds, whoever has them."""
    rows = _AMONG.all(connection, office=office, uids=list(uids)) if uids else ()
    return {uid for uid, view_href in rows if view_href is not None}


def busy_changed(connection: Connection, office: str, seq: int) -> list[tuple[str, str]]:
    """Return (key, day) of the busy feed's objects that changed after the write of number `seq`."""
    query = select(busy_days.c.key, busy_days.c.day).where(
        busy_days.c.office == office, busy_days.c.seq > seq
    )
    return [(row.key, row.day) for row in connection.execute(query)]


_EXPIRED = Prepared(select(*_OBJECT).where(objects.c.hold_until <= bindparam("now")))


def expired_holds(connection: Connection, office: str, now: int) -> list[ObjectRow]:
    """Return the office's holds that ended by `now`."""
    # SQLite would take the index of the office for a condition on it, and read all the office's objects for each booking.
    return [row for row in map(_object, _EXPIRED.all(connection, now=now)) if row.office == office]


_NEXT_END = Prepared(select(func.min(objects.c.hold_until)).where(objects.c.hold_until > bindparam("now")))


def next_hold_end(connection: Connection, now: int) -> int | None:
    """Return when the next hold of any office ends after `now`, None if there's none (epoch seconds)."""
    end: int | None = _NEXT_END.value(connection, now=now)
    return end


def names_and_etags(connection: Connection, where: CollectionRow) -> Iterable[tuple[str, str]]:
    """Return (name, etag) of all objects that a collection shows."""
    rows = connection.execute(select(href_column(where), objects.c.etag).where(members_of(where)))
    return [(row[0], row[1]) for row in rows]


class Listed(NamedTuple):
    """What a listing tells of an object without its text."""

    name: str
    etag: str
    size: int
    modified: int
    component: str


_LISTED = (objects.c.etag, objects.c.size, objects.c.modified, objects.c.component)
_LISTING = Prepared(select(objects.c.href, *_LISTED).where(objects.c.collection_id == bindparam("cid")))
_LISTING_OF_VIEW = Prepared(
    select(objects.c.view_href, *_LISTED).where(
        objects.c.office == bindparam("office"), objects.c.view_href.is_not(None)
    )
)


def listing(connection: Connection, where: CollectionRow) -> Iterator[Listed]:
    """Return all objects that a collection shows, without their texts."""
    if where.role is Role.VIEW:
        rows = _LISTING_OF_VIEW.all(connection, office=where.office)
    else:
        rows = _LISTING.all(connection, cid=where.id)
    return map(Listed._make, rows)


def listed(row: ObjectRow, where: CollectionRow) -> Listed:
    """Return the same of one object that was read whole."""
    name = row.view_href if where.role is Role.VIEW and row.view_href else row.href
    return Listed(name, row.etag, row.size, row.modified, row.component)


def finished_appointments(connection: Connection, office: str, before: int, limit: int) -> list[ObjectRow]:
    """Return appointments of an office that ended before an instant, oldest first."""
    query = select(*_OBJECT).where(
        objects.c.office == office, objects.c.view_href.is_not(None), objects.c.last < before
    )
    return [_object(row) for row in connection.execute(query.order_by(objects.c.last).limit(limit))]


def appointments_ahead(connection: Connection, now: int) -> list[tuple[str, str, frozenset[str], int]]:
    """Return how many appointments end after an instant, as (office, clerk, services, count)."""
    query = (
        select(objects.c.office, collections.c.owner, objects.c.services, func.count())
        .join(collections, collections.c.id == objects.c.collection_id)
        .where(objects.c.kind == Kind.APPOINTMENT.value, objects.c.last > now)
        .group_by(objects.c.office, collections.c.owner, objects.c.services)
    )
    return [
        (office, owner, split_ids(services), count)
        for office, owner, services, count in connection.execute(query)
    ]


def behind_horizon(connection: Connection, before: int, limit: int) -> list[ObjectRow]:
    """Return recurring objects whose stored instances end before an instant."""
    query = (
        select(*_OBJECT).where(objects.c.recurring.is_(True), objects.c.expanded_until < before).limit(limit)
    )
    return [_object(row) for row in connection.execute(query)]


def own_events_that_tell(connection: Connection, word: str) -> list[ObjectRow]:
    """Return the own events whose text has a word in upper or lower case."""
    told = and_(objects.c.kind == Kind.EVENT.value, objects.c.text.icontains(word, autoescape=True))
    return [_object(row) for row in connection.execute(select(*_OBJECT).where(told))]


def last_change_before(connection: Connection, office: str, before: int) -> int | None:
    """Return the number of the office's last change before an instant, None if there is none."""
    query = select(func.max(changes.c.seq)).where(changes.c.office == office, changes.c.at < before)
    return connection.execute(query).scalar_one_or_none()

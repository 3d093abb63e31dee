"""Queries of the storage. Each takes a connection in a transaction, so that several of them see the same state."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, func, or_, select, union_all

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

    from sqlalchemy import Connection, RowMapping, Select

DAY = 86_400
_IN_LIMIT = 500
_BOOKINGS = (Kind.APPOINTMENT.value, Kind.HOLD.value)


def split_ids(text: str) -> frozenset[str]:
    """Read a column of service ids, joined by commas."""
    return frozenset(name for name in text.split(",") if name)


def _collection(row: RowMapping) -> CollectionRow:
    return CollectionRow(
        row["id"],
        row["path"],
        Role(row["role"]),
        row["tag"],
        row["office"],
        row["owner"],
        json.loads(row["props"]),
        row["seq"],
        row["floor"],
        row["modified"],
    )


def _object(row: RowMapping) -> ObjectRow:
    values: dict[str, Any] = dict(row)
    values["kind"] = Kind(values["kind"])
    values["services"] = split_ids(values["services"])
    return ObjectRow(**values)


def _instance(row: RowMapping) -> InstanceRow:
    values: dict[str, Any] = dict(row)
    values["kind"] = Kind(values["kind"])
    values["services"] = split_ids(values["services"])
    return InstanceRow(**values)


def meta_value(connection: Connection, key: str) -> str | None:
    """Return a value of the table `meta`."""
    return connection.execute(select(meta.c.value).where(meta.c.key == key)).scalar_one_or_none()


def office_ids(connection: Connection) -> list[str]:
    """Return the ids of all offices that ever were, with the empty one for calendars of nobody's office."""
    return list(connection.execute(select(offices.c.id).order_by(offices.c.id)).scalars())


def office_seq(connection: Connection, office: str) -> int:
    """Return the number of the office's last write; 0 for an unknown office."""
    return connection.execute(select(offices.c.seq).where(offices.c.id == office)).scalar_one_or_none() or 0


_BY_PATH = select(collections).where(collections.c.path == bindparam("path"))
_BY_PARENT = (
    select(collections).where(collections.c.parent == bindparam("parent")).order_by(collections.c.path)
)


def collection(connection: Connection, path: str) -> CollectionRow | None:
    """Return the collection at `path` (no slashes at its ends)."""
    row = connection.execute(_BY_PATH, {"path": path}).mappings().one_or_none()
    return None if row is None else _collection(row)


def children(connection: Connection, parent: str) -> list[CollectionRow]:
    """Return the collections right below `parent` ("" is the root)."""
    return [_collection(row) for row in connection.execute(_BY_PARENT, {"parent": parent}).mappings()]


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


_OF_OFFICE = (
    select(collections).where(collections.c.office == bindparam("office")).order_by(collections.c.path)
)


def office_collections(connection: Connection, office: str) -> OfficeCollections:
    """Return all collections of an office."""
    rows = connection.execute(_OF_OFFICE, {"office": office}).mappings()
    return OfficeCollections(tuple(_collection(row) for row in rows))


_ITEM = select(objects).where(
    objects.c.collection_id == bindparam("cid"), objects.c.href == bindparam("href")
)
_IN_VIEW = select(objects).where(
    objects.c.office == bindparam("office"), objects.c.view_href == bindparam("href")
)
_BOOKING = select(objects).where(
    objects.c.office == bindparam("office"),
    objects.c.uid == bindparam("uid"),
    objects.c.view_href.is_not(None),
)


def item(connection: Connection, where: CollectionRow, href: str) -> ObjectRow | None:
    """Return the object of that name in a collection; in an office's view, whichever calendar it lies in.

    In the view `<uid>.ics` finds an appointment too if a client gave it another name.
    """
    if where.role is Role.VIEW:
        row = connection.execute(_IN_VIEW, {"office": where.office, "href": href}).mappings().one_or_none()
        if row is None and href.endswith(".ics"):
            return booking(connection, where.office, href.removesuffix(".ics"))
    else:
        row = connection.execute(_ITEM, {"cid": where.id, "href": href}).mappings().one_or_none()
    return None if row is None else _object(row)


def booking(connection: Connection, office: str, uid: str) -> ObjectRow | None:
    """Return the office's appointment or hold of that uid, whoever has it."""
    row = connection.execute(_BOOKING, {"office": office, "uid": uid}).mappings().first()
    return None if row is None else _object(row)


def object_by_id(connection: Connection, object_id: int) -> ObjectRow | None:
    """Return an object by its row id."""
    row = connection.execute(select(objects).where(objects.c.id == object_id)).mappings().one_or_none()
    return None if row is None else _object(row)


def has_uid(connection: Connection, where: CollectionRow, uid: str) -> ObjectRow | None:
    """Return the object of that uid in a collection (the view: in the office's bookings)."""
    if where.role is Role.VIEW:
        return booking(connection, where.office, uid)
    query = select(objects).where(objects.c.collection_id == where.id, objects.c.uid == uid)
    row = connection.execute(query).mappings().one_or_none()
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
    for row in connection.execute(select(objects).where(members_of(where)).order_by(objects.c.id)).mappings():
        yield _object(row)


def items(connection: Connection, where: CollectionRow, hrefs: Sequence[str]) -> dict[str, ObjectRow]:
    """Return the objects of these names, by name; missing ones are left out."""
    found: dict[str, ObjectRow] = {}
    column = href_column(where)
    for at in range(0, len(hrefs), _IN_LIMIT):
        query = select(objects).where(members_of(where), column.in_(hrefs[at : at + _IN_LIMIT]))
        for row in connection.execute(query).mappings():
            name = row["view_href"] if where.role is Role.VIEW else row["href"]
            found[name] = _object(row)
    return found


def objects_by_id(connection: Connection, ids: Sequence[int]) -> dict[int, ObjectRow]:
    """Return objects by their row ids."""
    found: dict[int, ObjectRow] = {}
    for at in range(0, len(ids), _IN_LIMIT):
        query = select(objects).where(objects.c.id.in_(ids[at : at + _IN_LIMIT]))
        for row in connection.execute(query).mappings():
            found[row["id"]] = _object(row)
    return found


def changed_since(connection: Connection, where: CollectionRow, seq: int) -> tuple[list[str], list[str]]:
    """Return (names stored, names gone) after the write of number `seq`."""
    column = href_column(where)
    stored = select(column).where(members_of(where), objects.c.seq > seq)
    gone = select(tombstones.c.href).where(tombstones.c.collection_id == where.id, tombstones.c.seq > seq)
    names = list(connection.execute(stored).scalars())
    present = set(names)
    return names, [name for name in connection.execute(gone).scalars() if name not in present]


def last_sequence(connection: Connection, view: CollectionRow, href: str) -> int | None:
    """Return the SEQUENCE that a deleted appointment had, None if there was none of that name."""
    query = select(tombstones.c.sequence).where(
        tombstones.c.collection_id == view.id, tombstones.c.href == href
    )
    return connection.execute(query).scalar_one_or_none()


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


def _in_range(*columns: Any) -> Any:
    """Instances that touch [start, end): short ones by a range of starts, long ones one by one (see the schema).

    Built once: composing a statement costs more than running it.
    """
    start: Any = bindparam("start")
    end: Any = bindparam("end")
    here = instances.c.collection_id.in_(bindparam("ids", expanding=True))
    # A zero-length instance counts on its start (RFC 4791 section 9.9).
    touches = or_(instances.c.end > start, and_(instances.c.end == start, instances.c.start == start))
    short = and_(
        instances.c.long == 0, instances.c.start >= bindparam("since"), instances.c.start < end, touches
    )
    long = and_(instances.c.long == 1, instances.c.start < end, touches)
    joined = instances.join(objects, objects.c.id == instances.c.object_id) if len(columns) > 1 else instances

    def part(condition: Any) -> Select[Any]:
        return select(*columns).select_from(joined).where(here, condition)

    return union_all(part(short), part(long))


_INSTANCES_IN = _in_range(*_INSTANCE_COLUMNS)
_OBJECT_IDS_IN = _in_range(instances.c.object_id)


def _range(ids: Sequence[int], start: int, end: int) -> dict[str, Any]:
    return {"ids": list(ids), "start": start, "end": end, "since": start - DAY}


def instances_in(connection: Connection, ids: Sequence[int], start: int, end: int) -> list[InstanceRow]:
    """Return the instances in these collections (row ids) that touch [start, end), by start.

    Of recurring objects only what is stored: see `unexpanded`.
    """
    if not ids:
        return []
    rows = connection.execute(_INSTANCES_IN, _range(ids, start, end)).mappings()
    return sorted(
        (_instance(row) for row in rows),
        key=lambda instance: (instance.start, instance.end, instance.object_id),
    )


_UNEXPANDED = select(objects).where(
    objects.c.collection_id.in_(bindparam("ids", expanding=True)),
    objects.c.recurring.is_(True),
    or_(objects.c.expanded_until < bindparam("end"), objects.c.expanded_from > bindparam("start")),
)


def unexpanded(connection: Connection, ids: Sequence[int], start: int, end: int) -> list[ObjectRow]:
    """Return the recurring objects in these collections whose stored instances don't cover [start, end)."""
    if not ids:
        return []
    values = {"ids": list(ids), "start": start, "end": end}
    return [_object(row) for row in connection.execute(_UNEXPANDED, values).mappings()]


def instances_of(connection: Connection, object_id: int) -> list[tuple[int, int, int]]:
    """Return an object's stored instances as (start, end, transparency)."""
    query = select(instances.c.start, instances.c.end, instances.c.transparency).where(
        instances.c.object_id == object_id
    )
    return [(row.start, row.end, row.transparency) for row in connection.execute(query)]


def object_ids_in(connection: Connection, ids: Sequence[int], start: int, end: int) -> list[int]:
    """Return the row ids of the objects in these collections with a stored instance that touches [start, end), each once."""
    if not ids:
        return []
    return list(dict.fromkeys(connection.execute(_OBJECT_IDS_IN, _range(ids, start, end)).scalars()))


def busy_changed(connection: Connection, office: str, seq: int) -> list[tuple[str, str]]:
    """Return (key, day) of the busy feed's objects that changed after the write of number `seq`."""
    query = select(busy_days.c.key, busy_days.c.day).where(
        busy_days.c.office == office, busy_days.c.seq > seq
    )
    return [(row.key, row.day) for row in connection.execute(query)]


def expired_holds(connection: Connection, office: str, now: int) -> list[ObjectRow]:
    """Return the office's holds that ended by `now`."""
    query = select(objects).where(objects.c.hold_until <= now, objects.c.office == office)
    return [_object(row) for row in connection.execute(query).mappings()]


def names_and_etags(connection: Connection, where: CollectionRow) -> Iterable[tuple[str, str]]:
    """Return (name, etag) of all objects that a collection shows."""
    rows = connection.execute(select(href_column(where), objects.c.etag).where(members_of(where)))
    return [(row[0], row[1]) for row in rows]


@dataclass(frozen=True, slots=True)
class Listed:
    """What a listing tells of an object without its text."""

    name: str
    etag: str
    size: int
    modified: int
    component: str


def listing(connection: Connection, where: CollectionRow) -> Iterator[Listed]:
    """Yield all objects that a collection shows, without their texts."""
    columns = (href_column(where), objects.c.etag, objects.c.size, objects.c.modified, objects.c.component)
    for row in connection.execute(select(*columns).where(members_of(where))):
        yield Listed(*row)


def listed(row: ObjectRow, where: CollectionRow) -> Listed:
    """Return the same of one object that was read whole."""
    name = row.view_href if where.role is Role.VIEW and row.view_href else row.href
    return Listed(name, row.etag, row.size, row.modified, row.component)


def finished_appointments(connection: Connection, office: str, before: int, limit: int) -> list[ObjectRow]:
    """Return appointments of an office that ended before an instant, oldest first."""
    query = select(objects).where(
        objects.c.office == office, objects.c.view_href.is_not(None), objects.c.last < before
    )
    return [
        _object(row) for row in connection.execute(query.order_by(objects.c.last).limit(limit)).mappings()
    ]


def behind_horizon(connection: Connection, before: int, limit: int) -> list[ObjectRow]:
    """Return recurring objects whose stored instances end before an instant."""
    query = (
        select(objects).where(objects.c.recurring.is_(True), objects.c.expanded_until < before).limit(limit)
    )
    return [_object(row) for row in connection.execute(query).mappings()]


def own_events_that_tell(connection: Connection, word: str) -> list[ObjectRow]:
    """Return the own events whose text has a word in upper or lower case."""
    told = and_(objects.c.kind == Kind.EVENT.value, objects.c.text.icontains(word, autoescape=True))
    return [_object(row) for row in connection.execute(select(objects).where(told)).mappings()]


def last_change_before(connection: Connection, office: str, before: int) -> int | None:
    """Return the number of the office's last change before an instant, None if there is none."""
    query = select(func.max(changes.c.seq)).where(changes.c.office == office, changes.c.at < before)
    return connection.execute(query).scalar_one_or_none()

"""Reading the waiting list's rows as values."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select

from calendar_server.storage.reading import split_ids
from calendar_server.storage.schema import wishes
from calendar_server.wishes import OPEN, Wish, WishState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

COLUMNS = [wishes.c[each.name] for each in fields(Wish)]
"""Those of a `Wish`, in its order."""
IS_OPEN = wishes.c.state.in_(sorted(state.value for state in OPEN))
_NAMES = [column.name for column in COLUMNS]
_STATE, _SERVICES, _REFUSED = (_NAMES.index(name) for name in ("state", "services", "refused"))
_STATES = {state.value: state for state in WishState}
# Built once: composing a statement costs more than running it.
_OF_OFFICE = (
    select(*COLUMNS)
    .where(IS_OPEN, wishes.c.office == bindparam("office"))
    .order_by(wishes.c.created, wishes.c.id)
)
_ONE = select(*COLUMNS, wishes.c.text).where(wishes.c.id == bindparam("id"))


def _wish(row: Sequence[Any]) -> Wish:
    values = list(row)
    values[_STATE] = _STATES[values[_STATE]]
    values[_SERVICES] = split_ids(values[_SERVICES])
    refused = values[_REFUSED]
    values[_REFUSED] = () if refused == "[]" else tuple(json.loads(refused))
    return Wish(*values)


def find(connection: Connection, wish_id: str) -> tuple[Wish, str] | None:
    """Return a wish and its appointment's text, None if there's none (any more)."""
    row = connection.execute(_ONE, {"id": wish_id}).one_or_none()
    return None if row is None else (_wish(row[:-1]), str(row[-1]))


def open_wishes(connection: Connection, office: str) -> list[Wish]:
    """Return who waits in an office, the longest waiting first."""
    return [_wish(row) for row in connection.execute(_OF_OFFICE, {"office": office})]

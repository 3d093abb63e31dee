"""Reading the waiting list's rows as values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from calendar_server.storage.reading import split_ids
from calendar_server.storage.schema import wishes
from calendar_server.wishes import OPEN, Wish, WishState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

COLUMNS = [column for column in wishes.c if column.name not in {"text", "address"}]
"""Those of a `Wish`."""
IS_OPEN = wishes.c.state.in_(sorted(state.value for state in OPEN))
_OPEN = select(*COLUMNS).where(IS_OPEN).order_by(wishes.c.created, wishes.c.id)
_ONE = select(*COLUMNS, wishes.c.text)


def _wish(row: Mapping[str, Any]) -> Wish:
    return Wish(
        **{
            **row,
            "state": WishState(row["state"]),
            "services": split_ids(row["services"]),
            "refused": tuple(json.loads(row["refused"])),
        }
    )


def find(connection: Connection, wish_id: str) -> tuple[Wish, str] | None:
    """Return a wish and its appointment's text, None if there's none (any more)."""
    row = connection.execute(_ONE.where(wishes.c.id == wish_id)).mappings().one_or_none()
    if row is None:
        return None
    values: dict[str, Any] = {str(name): value for name, value in row.items()}
    text: str = values.pop("text")
    return _wish(values), text


def open_wishes(connection: Connection, office: str) -> list[Wish]:
    """Return who waits in an office, the longest waiting first."""
    rows = connection.execute(_OPEN.where(wishes.c.office == office)).mappings()
    return [_wish({str(name): value for name, value in row.items()}) for row in rows]

"""By which calendar user addresses the owner of a calendar is known (RFC 6638 section 2.4.1), for reading what she answered to an invitation."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from sqlalchemy import select

from calendar_server.storage.schema import accounts, collections

if TYPE_CHECKING:
    from sqlalchemy import Connection

_MAIL = select(accounts.c.email)


def may_tell(text: str | bytes) -> bool:
    """True if it can depend on the owner's addresses how an object is read: somebody declined in it.

    Folding may stand within the word (RFC 5545 section 3.1).
    """
    raw = text.encode(errors="replace") if isinstance(text, str) else text
    return b"DECLINED" in b"".join(raw.upper().split())


def of_owner(connection: Connection, owner: str) -> frozenset[str]:
    """Return an account's addresses as `calendar_server.ical.addresses.normal` writes them: those of calendar-user-address-set."""
    mail = connection.execute(_MAIL.where(accounts.c.name == owner)).scalar_one_or_none()
    return frozenset({f"/{owner}/", (mail or "").casefold()} - {""}) if owner else frozenset()


def fingerprint(connection: Connection) -> str:
    """Return a digest of everybody's addresses."""
    query = select(accounts.c.name, accounts.c.email).order_by(accounts.c.name)
    known = json.dumps([tuple(row) for row in connection.execute(query)])
    return hashlib.sha256(known.encode()).hexdigest()


def of_collection(connection: Connection, collection_id: int) -> frozenset[str]:
    """Return the addresses of a calendar's owner."""
    query = select(collections.c.owner).where(collections.c.id == collection_id)
    return of_owner(connection, connection.execute(query).scalar_one_or_none() or "")

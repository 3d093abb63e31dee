"""Sync reports in pages (RFC 6578 sections 3.6 and 3.7): a calendar's changes in the order of their writes, at most so many at a time.

A page ends between two writes, so its token is the number of a write as any other token is. Only a first sync in pages needs to
say more: what was deleted before it began is none of its business, so its tokens also carry where it began.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from calendar_server.plugin import TOKEN_PREFIX, token_seq
from calendar_server.refusals import DAV, RefusedError
from calendar_server.storage import reading

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from sqlalchemy import Connection

    from calendar_server.storage.rows import CollectionRow

TOO_MANY = "number-of-matches-within-limits"
_D = "{DAV:}"
ALL = 10**9
"""A limit that no calendar reaches."""


@dataclass(frozen=True, slots=True)
class Position:
    """Up to where a client knows a calendar: all objects as of write `seq`, all deletions as of write `gone`, where that is later."""

    seq: int
    gone: int

    def token(self, where: CollectionRow, incarnation: str) -> str:
        """Return the sync token of this position."""
        began = f"~{self.gone}" if self.gone > self.seq else ""
        return f"{TOKEN_PREFIX}{incarnation}:{where.id}:{self.seq}{began}"


def position(token: str, where: CollectionRow, incarnation: str) -> Position:
    """Return what a token says; an empty one begins a first sync. Raises ValueError for one that isn't valid (any more)."""
    if not token:
        return Position(0, where.seq)
    plain, tilde, began = token.partition("~")
    if not tilde:
        seq = token_seq(token, where, incarnation)
        return Position(seq, seq)
    head, _, seen = plain.rpartition(":")
    gone = token_seq(f"{head}:{began}", where, incarnation)
    if not seen.isdecimal() or int(seen) >= gone:
        raise ValueError("unknown sync token")
    return Position(int(seen), gone)


def limit_of(root: Element) -> int | None:
    """Return DAV:nresults, None without a DAV:limit. Refuses what is no number of results."""
    found = root.find(f"{_D}limit/{_D}nresults")
    if found is None:
        return None
    text = (found.text or "").strip()
    if not (text.isascii() and text.isdecimal() and 0 < len(text) < 10) or int(text) == 0:
        raise RefusedError(TOO_MANY, namespace=DAV)
    return int(text)


@dataclass(frozen=True, slots=True)
class Page:
    """Names that are stored and names that are gone; `position` is where the next page begins, None if this is the last one."""

    stored: list[str]
    gone: list[str]
    position: Position | None


def page(connection: Connection, where: CollectionRow, start: Position, limit: int) -> Page:
    """Return at most `limit` changes after a position. Refuses if one write alone changed more than that."""
    stored = reading.stored_since(connection, where, start.seq, limit + 1)
    gone = reading.gone_since(connection, where, start.gone, limit + 1)
    changes = [(seq, name, True) for seq, name in stored]
    changes += [(seq, name, False) for seq, name in gone]
    changes.sort()
    following: Position | None = None
    if len(changes) > limit:
        beyond = changes[limit][0]
        changes = [change for change in changes if change[0] < beyond]
        if not changes:
            raise RefusedError(TOO_MANY, namespace=DAV)
        last = changes[-1][0]
        following = Position(last, max(last, start.gone))
    present = {name for _, name, there in changes if there}
    return Page(
        [name for _, name, there in changes if there],
        [name for _, name, there in changes if not there and name not in present],
        following,
    )

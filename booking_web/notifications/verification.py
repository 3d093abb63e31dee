"""Whether what the worker remembers can be worked with: the counterpart of `calendar_server.verification`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from booking_web.notifications.mails import Mail
from booking_web.notifications.schema import cursors, outbox, told
from booking_web.notifications.store import State
from booking_web.notifications.told import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from calendar_server.storage.database import Database


def violations(database: Database, last_change: Callable[[str], int]) -> Iterator[tuple[str, str, str]]:
    """Yield (rule, where, what) for everything that is wrong; `last_change` gives the number of an office's last change.

    It is asked after the worker's own state was read, so a worker that is at work isn't found to be ahead.
    """
    with database.read() as connection:
        for office, seq in connection.execute(select(cursors)):
            if seq > last_change(office):
                yield (
                    "changes-followed",
                    office,
                    f"followed until {seq}, beyond the change log: mails would be missed",
                )
        for row in connection.execute(select(told.c.office, told.c.uid, told.c.snapshot)):
            if not _readable(Snapshot.from_json, row.snapshot):
                yield "told-readable", f"{row.office} {row.uid}", "what she was told can't be read"
        for row in connection.execute(select(outbox)):
            whole = _readable(Snapshot.from_json, row.snapshot)
            # A mail that couldn't even be written has failed and is empty.
            if not whole or not (
                (row.state == State.FAILED and not row.mail) or _readable(Mail.from_json, row.mail)
            ):
                yield "outbox-readable", f"{row.office} {row.uid}", f"mail {row.id} can't be read"


def _readable(read: Callable[[str], object], text: str) -> bool:
    try:
        read(text)
    except (ValueError, KeyError, TypeError):
        return False
    return True

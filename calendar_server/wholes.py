"""A calendar as one iCalendar stream: GET and PUT of a collection, as programs use them that export and restore.

Radicale would read and write such a stream through its item classes, at milliseconds for each event, and logs the lines that it can't read; here
objects stay the text that they are.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from calendar_server import refusals
from calendar_server.ical.appointment import PRODID
from calendar_server.ical.content import ContentError, unescape
from calendar_server.ical.joining import joined
from calendar_server.ical.parting import parted
from calendar_server.refusals import RefusedError
from calendar_server.storage import reading
from calendar_server.storage.rows import CollectionRow, Role

if TYPE_CHECKING:
    from calendar_server.busy_feed import BusyFeed
    from calendar_server.service import Calendars

_HEAD = 4_000
_TITLE = re.compile(r"^(X-WR-CALNAME|X-WR-CALDESC)(?:;[^:\r\n]*)?:([^\r\n]*)", re.MULTILINE | re.IGNORECASE)
_TITLES = {"X-WR-CALNAME": "D:displayname", "X-WR-CALDESC": "C:calendar-description"}


def text_of(where: CollectionRow, calendars: Calendars, feed: BusyFeed) -> str:
    """Return everything in a calendar."""
    office = calendars.office_of(where)
    if where.role is Role.BUSY:
        texts = [item.text for item in feed.items(office)] if office is not None else []
    else:
        with calendars.database.read() as connection:
            texts = [row.text for row in reading.all_items(connection, where)]
    head = ["VERSION:2.0", f"PRODID:{PRODID}", "CALSCALE:GREGORIAN"]
    name = where.props.get("D:displayname", "")
    if name and name.isprintable():
        head.append("X-WR-CALNAME:" + re.sub(r"([\\;,])", r"\\\1", name))
    return joined(texts, head, datetime.fromtimestamp(calendars.now(), UTC).year, private=True)


def parts_of(body: bytes) -> tuple[list[str], dict[str, str]]:
    """Return the objects in a stream, and the properties of a calendar that it tells.

    Refuses what is no iCalendar, or has a component without UID.
    """
    try:
        texts = [text for _, text in parted(body)]
    except ContentError as error:
        raise RefusedError("valid-calendar-data", str(error), namespace=refusals.CALDAV) from error
    head = body[:_HEAD].decode(errors="replace").upper().find("BEGIN:VEVENT")
    beginning = body[:_HEAD].decode(errors="replace")[: head if head >= 0 else None]
    told = {_TITLES[name.upper()]: unescape(value).strip() for name, value in _TITLE.findall(beginning)}
    return texts, {name: value for name, value in told.items() if value}

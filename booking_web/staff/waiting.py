"""How many are on the waiting list of each office: counts alone, nothing of who they are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flask import g, make_response, render_template

from booking_web.staff.offices import own_offices
from booking_web.staff.state import current_staff
from calendar_server.client import RefusedError

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from booking_web.town import OfficeInfo, Texts


@dataclass(frozen=True, slots=True)
class Queue:
    """One office's list: `waiting` and `offered` people, `services` with how many want each, and since when the first one waits."""

    office: OfficeInfo
    waiting: int
    offered: int
    services: tuple[tuple[Texts, int], ...]
    since: datetime | None


def waiting() -> Response:
    """The lists of the offices that one may see."""
    queues = []
    for office in own_offices():
        try:
            found = g.who.calendar.desk.waiting(office.id)
        except RefusedError:
            continue
        queues.append(_queue(office, found))
    return make_response(render_template("staff/waiting.html", queues=queues))


def _queue(office: OfficeInfo, found: dict[str, object]) -> Queue:
    town = current_staff().settings.town
    wanted = found["services"]
    assert isinstance(wanted, dict)
    services = [(service, int(count)) for service, count in wanted.items()]
    since = found["since"]
    return Queue(
        office,
        int(str(found["waiting"])),
        int(str(found["offered"])),
        tuple(
            (known.name if (known := town.service(service)) else {"de": service}, count)
            for service, count in sorted(services, key=lambda each: (-each[1], each[0]))
        ),
        datetime.fromtimestamp(since, UTC).astimezone(office.zone) if isinstance(since, int) else None,
    )

"""What is measured: the requests of calendar clients, each checked for the right answer before its time counts."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from benchmarks.calendar.events import FIRST_DAY, start_of, text, uid

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.calendar.asking import Answer
    from benchmarks.calendar.servers import Server

_NAMESPACES = (
    'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:CS="http://calendarserver.org/ns/"'
)
_TOKEN = re.compile(rb"<(?:\w+:)?sync-token[^>]*>([^<]+)</")
_CLIENTS = 8


class WrongAnswerError(RuntimeError):
    """The server's answer isn't what was asked for, so its time means nothing."""


@dataclass
class Calendar:
    """A calendar of `size` events on a server, and what a client remembers of it between two requests."""

    server: Server
    name: str
    size: int
    count: int = 0
    token: str = ""
    made: dict[str, int] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Its path."""
        return self.server.path(self.name)

    def put_new(self) -> Answer:
        """PUT an event that isn't there yet."""
        self.count += 1
        name = f"new-{self.count}@bench.example"
        # After all others, so that no query returns more than before.
        start = FIRST_DAY + timedelta(days=600, minutes=30 * (self.count % 20))
        return self.server.request(
            "PUT",
            f"{self.path}{name}.ics",
            text(name, start),
            Content_Type="text/calendar",
            If_None_Match="*",
        )

    def report(self, body: str, depth: str = "1") -> Answer:
        """Send a REPORT."""
        return self.server.request("REPORT", self.path, body, Depth=depth)


def _expect(answer: Answer, statuses: set[int], pattern: bytes = b"", count: int | None = None) -> Answer:
    found = len(re.findall(pattern, answer.body)) if pattern else None
    if answer.status not in statuses or (count is not None and found != count):
        raise WrongAnswerError(f"{answer.status}, {found} instead of {count}: {answer.body[:300]!r}")
    return answer


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y%m%dT%H%M%SZ}"


def _range(days: int) -> tuple[datetime, datetime]:
    start = FIRST_DAY + timedelta(days=200)
    return start, start + timedelta(days=days)


def _in_range(calendar: Calendar, days: int) -> int:
    start, end = _range(days)
    starts = (start_of(number, calendar.size) for number in range(calendar.size))
    return sum(start <= each < end for each in starts)


def put_one(calendar: Calendar) -> float:
    """PUT one new event."""
    return _expect(calendar.put_new(), {201, 204}).seconds


def put_eight(calendar: Calendar) -> float:
    """PUT new events from eight clients at once: the time until all are stored, by PUT."""
    began = time.perf_counter()
    with ThreadPoolExecutor(_CLIENTS) as pool:
        for answer in pool.map(lambda _: calendar.put_new(), range(_CLIENTS)):
            _expect(answer, {201, 204})
    return (time.perf_counter() - began) / _CLIENTS


def _query(days: int) -> Callable[[Calendar], float]:
    start, end = _range(days)
    body = (
        f"<C:calendar-query {_NAMESPACES}><D:prop><D:getetag/><C:calendar-data/></D:prop><C:filter>"
        f'<C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT"><C:time-range start="{_stamp(start)}" '
        f'end="{_stamp(end)}"/></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>'
    )

    def run(calendar: Calendar) -> float:
        answer = calendar.report(body)
        return _expect(answer, {207}, rb"BEGIN:VEVENT", _in_range(calendar, days)).seconds

    return run


def _free_busy(days: int) -> Callable[[Calendar], float]:
    start, end = _range(days)
    body = f'<C:free-busy-query {_NAMESPACES}><C:time-range start="{_stamp(start)}" end="{_stamp(end)}"/></C:free-busy-query>'

    def run(calendar: Calendar) -> float:
        return _expect(calendar.report(body), {200}, rb"BEGIN:VFREEBUSY", 1).seconds

    return run


def multiget(calendar: Calendar) -> float:
    """calendar-multiget of 50 events."""
    step = calendar.size // 50
    hrefs = "".join(f"<D:href>{calendar.path}{uid(number * step)}.ics</D:href>" for number in range(50))
    body = f"<C:calendar-multiget {_NAMESPACES}><D:prop><D:getetag/><C:calendar-data/></D:prop>{hrefs}</C:calendar-multiget>"
    return _expect(calendar.report(body), {207}, rb"BEGIN:VEVENT", 50).seconds


def _sync(calendar: Calendar, count: int) -> float:
    body = (
        f"<D:sync-collection {_NAMESPACES}><D:sync-token>{calendar.token}</D:sync-token><D:sync-level>1</D:sync-level>"
        "<D:prop><D:getetag/></D:prop></D:sync-collection>"
    )
    answer = _expect(calendar.report(body, "0"), {207}, rb"\.ics</", count)
    found = _TOKEN.search(answer.body)
    if found is None:
        raise WrongAnswerError("no sync token")
    calendar.token = found[1].decode()
    return answer.seconds


def sync_initial(calendar: Calendar) -> float:
    """sync-collection without a token: all names and etags."""
    calendar.token = ""
    return _sync(calendar, calendar.size + calendar.count)


def sync_nothing(calendar: Calendar) -> float:
    """sync-collection when nothing changed."""
    if not calendar.token:
        sync_initial(calendar)
    return _sync(calendar, 0)


def sync_one(calendar: Calendar) -> float:
    """sync-collection after one change."""
    sync_nothing(calendar)
    put_one(calendar)
    return _sync(calendar, 1)


def propfind_ctag(calendar: Calendar) -> float:
    """PROPFIND of ctag and sync token, as clients poll."""
    body = f"<D:propfind {_NAMESPACES}><D:prop><CS:getctag/><D:sync-token/></D:prop></D:propfind>"
    answer = calendar.server.request("PROPFIND", calendar.path, body, Depth="0")
    return _expect(answer, {207}, rb"getctag>[^<]", 1).seconds


def propfind_etags(calendar: Calendar) -> float:
    """PROPFIND of all etags."""
    body = f"<D:propfind {_NAMESPACES}><D:prop><D:getetag/></D:prop></D:propfind>"
    answer = calendar.server.request("PROPFIND", calendar.path, body, Depth="1")
    return _expect(answer, {207}, rb"\.ics</", calendar.size + calendar.count).seconds


def propfind_home(server: Server, count: int) -> float:
    """PROPFIND of the ctags of all calendars at once, as clients with several calendars poll."""
    body = f"<D:propfind {_NAMESPACES}><D:prop><CS:getctag/><D:sync-token/></D:prop></D:propfind>"
    answer = server.request("PROPFIND", server.path(), body, Depth="1")
    _expect(answer, {207}, rb"/m\d{3}/</", count)
    # Some have a calendar of their own beside these.
    if len(re.findall(rb"getctag>[^<]", answer.body)) < count:
        raise WrongAnswerError(f"fewer than {count} ctags")
    return answer.seconds


OPERATIONS: dict[str, Callable[[Calendar], float]] = {
    "PUT new": put_one,
    "PUT new, 8 clients": put_eight,
    "query one day": _query(1),
    "query one week": _query(7),
    "free-busy one week": _free_busy(7),
    "free-busy 30 days": _free_busy(30),
    "multiget 50": multiget,
    "sync, nothing changed": sync_nothing,
    "sync, one change": sync_one,
    "PROPFIND ctag and token": propfind_ctag,
    "PROPFIND all etags": propfind_etags,
    "initial sync": sync_initial,
}

"""Clients that write down what they ask and hear: the site's own client, and plain CalDAV as a lead's calendar program sends it."""

from __future__ import annotations

import math
import random
import re
import threading
import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import urllib3

from calendar_server.client import (
    CalendarClient,
    ChangedError,
    NotFoundError,
    RefusedError,
    UnavailableError,
)
from calendar_server.ical.appointment import Appointment, to_ical
from tests.proofs.history import Kind, Operation, Result
from tests.proofs.office import EASY, LENGTH, OFFICE
from tests.support.calendar import PASSWORD
from tests.support.town import BERLIN, NOW, appointment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_RULE = re.compile(rb"<T:([a-z-]+)")
_EVENT = re.compile(r"BEGIN:VEVENT.*?END:VEVENT", re.DOTALL)
_LINE = re.compile(r"^(UID|DTSTART|DTEND|X-TERMIN-OFFICE)[^:\r\n]*:([^\r\n]*)", re.MULTILINE)
_ALL = (
    b'<D:sync-collection xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:sync-token/>'
    b"<D:sync-level>1</D:sync-level><D:prop><C:calendar-data/></D:prop></D:sync-collection>"
)
TRY_FOR = 8.0
SECONDS_FOR_AN_ANSWER = 20.0
Entry = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, as far as the history keeps it."""

    result: Result
    rule: str = ""
    etag: str = ""
    seen: tuple[Entry, ...] = ()
    unsent: bool = False
    """True if no server was there to be asked, so that nothing can have happened."""


def _epoch(moment: datetime) -> int:
    return int(moment.timestamp())


def bookings_in(body: str) -> tuple[Entry, ...]:
    """Return (uid, start, end) of the bookings in the calendar data of an answer; clerks' own events are left out."""
    found = []
    for event in _EVENT.findall(body.replace("\r\n", "\n").replace("\n ", "")):
        fields = dict(_LINE.findall(event))
        if "X-TERMIN-OFFICE" in fields:
            start, end = (
                datetime.strptime(fields[name], "%Y%m%dT%H%M%S").replace(tzinfo=BERLIN)
                for name in ("DTSTART", "DTEND")
            )
            found.append((fields["UID"], _epoch(start), _epoch(end)))
    return tuple(found)


def _unsent(error: BaseException | None) -> bool:
    return isinstance(getattr(error, "reason", error), urllib3.exceptions.NewConnectionError)


def own_event(uid: str, start: datetime, end: datetime) -> bytes:
    """A clerk's meeting."""
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//tests//proofs//EN",
        "BEGIN:VEVENT",
        f"UID:{uid}",
        "DTSTAMP:20261201T110000Z",
        f"DTSTART:{start:%Y%m%dT%H%M%S}",
        f"DTEND:{end:%Y%m%dT%H%M%S}",
        "SUMMARY:Besprechung",
        "END:VEVENT",
        "END:VCALENDAR",
        "",
    ]
    return "\r\n".join(lines).encode()


class Client:
    """One client; it asks each of the servers at `urls` in turn at random, and waits for an answer before it asks again."""

    def __init__(self, number: int, urls: Sequence[str], began: float, seed: int) -> None:
        self.number = number
        self.random = random.Random(f"{seed}/{number}")
        self.history: list[Operation] = []
        self.etags: dict[str, str] = {}
        self._urls = urls
        self._began = began
        self._site = {
            url: CalendarClient(url, "site", PASSWORD, read_timeout=SECONDS_FOR_AN_ANSWER) for url in urls
        }
        self._http = urllib3.PoolManager(retries=False, timeout=SECONDS_FOR_AN_ANSWER, maxsize=2)
        self._headers = urllib3.make_headers(basic_auth=f"lead:{PASSWORD}")
        self._count = 0

    def uid(self) -> str:
        self._count += 1
        return f"c{self.number}-{self._count}@proof"

    def now(self) -> datetime:
        """The servers' clock."""
        return NOW + timedelta(seconds=time.monotonic() - self._began)

    def close(self) -> None:
        self._http.clear()
        for client in self._site.values():
            client._pool.clear()

    # Asking ----------------------------------------------------------------------------------------------------------

    def _ask(
        self, kind: Kind, uid: str, ask: Callable[[], Answer], *, again: bool = False, **fields: object
    ) -> Answer:
        """Ask, and again for a while if nobody was there, or nobody answered and asking `again` does no harm; one entry in the history."""
        began = invoked = time.monotonic()
        answer = ask()
        never_sent = answer.unsent
        while (
            answer.unsent or (again and answer.result is Result.UNKNOWN)
        ) and time.monotonic() < began + TRY_FOR:
            time.sleep(0.05)
            if never_sent:
                invoked = time.monotonic()
            answer = ask()
            never_sent &= answer.unsent
        if never_sent:
            return answer
        answered = math.inf if answer.result is Result.UNKNOWN else time.monotonic()
        operation = Operation(self.number, kind, uid, invoked, answered, answer.result, **fields)  # type: ignore[arg-type]
        self.history.append(replace(operation, rule=answer.rule, seen=answer.seen))
        return answer

    def _through_site(self, do: Callable[[CalendarClient], Answer]) -> Answer:
        try:
            return do(self._site[self.random.choice(self._urls)])
        except RefusedError as error:
            return Answer(Result.REFUSED, error.rule)
        except ChangedError:
            return Answer(Result.STALE)
        except NotFoundError:
            return Answer(Result.MISSING)
        except UnavailableError as error:
            status = str(error).rpartition(" ")[2]
            return Answer(
                Result.UNKNOWN, status if status.isdecimal() else "", unsent=_unsent(error.__cause__)
            )

    def _send(
        self, method: str, path: str, headers: dict[str, str], body: bytes = b""
    ) -> tuple[Answer, urllib3.BaseHTTPResponse | None]:
        try:
            url = self.random.choice(self._urls)
            response = self._http.request(
                method,
                f"{url}/{path}",
                body=body,
                headers={
                    **self._headers,
                    **{name: value.replace("{url}", url) for name, value in headers.items()},
                },
            )
        except urllib3.exceptions.HTTPError as error:
            return Answer(Result.UNKNOWN, unsent=_unsent(error)), None
        status = response.status
        if 200 <= status < 300:
            return Answer(Result.DONE, etag=response.headers.get("ETag", "")), response
        if status == 403:
            rule = _RULE.search(response.data)
            return Answer(Result.REFUSED, rule[1].decode() if rule else ""), response
        if status == 404:
            return Answer(Result.MISSING), response
        if status == 412:
            return Answer(Result.STALE), response
        return Answer(Result.UNKNOWN, str(status)), response

    def _caldav(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._send(method, path, named, body)[0]

    # Operations ------------------------------------------------------------------------------------------------------

    @staticmethod
    def wish(uid: str, start: datetime, service: str, **values: object) -> Appointment:
        return replace(appointment(uid, start, service, **values), end=start + LENGTH)

    @staticmethod
    def _period(start: datetime) -> dict[str, object]:
        return {"start": _epoch(start), "end": _epoch(start + LENGTH)}

    def book(self, uid: str, start: datetime, service: str = EASY) -> Answer:
        """Book as the site does, with retries: a booking is idempotent."""
        value = self.wish(uid, start, service)

        def ask(client: CalendarClient) -> Answer:
            client.book(value, now=NOW)
            return Answer(Result.DONE)

        return self._ask(
            Kind.BOOK,
            uid,
            lambda: self._through_site(ask),
            again=True,
            service=service,
            **self._period(start),
        )

    def hold(self, uid: str, start: datetime, service: str, seconds: float) -> Answer:
        until = (self.now() + timedelta(seconds=seconds)).replace(microsecond=0)
        value = self.wish(uid, start, service, hold_until=until)

        def ask(client: CalendarClient) -> Answer:
            client.book(value, now=NOW)
            return Answer(Result.DONE)

        return self._ask(
            Kind.HOLD,
            uid,
            lambda: self._through_site(ask),
            service=service,
            hold_until=_epoch(until),
            **self._period(start),
        )

    def replace(self, kind: Kind, uid: str, start: datetime, service: str, etag: str = "*") -> Answer:
        """Confirm a hold, or shift an appointment, as the site does."""
        value = self.wish(uid, start, service)

        def ask(client: CalendarClient) -> Answer:
            client.book(value, now=NOW, etag=etag)
            return Answer(Result.DONE)

        return self._ask(kind, uid, lambda: self._through_site(ask), service=service, **self._period(start))

    def cancel(self, uid: str) -> Answer:
        def ask(client: CalendarClient) -> Answer:
            client.cancel(OFFICE, uid)
            return Answer(Result.DONE)

        return self._ask(Kind.CANCEL, uid, lambda: self._through_site(ask))

    def read(self, uid: str) -> Answer:
        """GET one appointment; the answer has its etag."""

        def ask(client: CalendarClient) -> Answer:
            stored = client.read(OFFICE, uid, BERLIN)
            entry = (uid, _epoch(stored.appointment.start), _epoch(stored.appointment.end))
            return Answer(Result.DONE, etag=stored.etag, seen=(entry,))

        return self._ask(Kind.READ, uid, lambda: self._through_site(ask))

    def put_with(
        self, kind: Kind, clerk: str, uid: str, start: datetime, service: str, etag: str = ""
    ) -> Answer:
        """PUT an appointment into a clerk's calendar: a new one, or another time for the one with this etag."""
        text = to_ical(self.wish(uid, start, service), now=NOW).encode()
        guard = {"If_Match": etag} if etag else {"If_None_Match": "*"}
        return self._ask(
            kind,
            uid,
            lambda: self._caldav("PUT", f"{clerk}/calendar/{uid}.ics", text, **guard),
            service=service,
            clerk=clerk,
            origin=clerk if etag else "",
            **self._period(start),
        )

    def find(self, uid: str, clerks: Sequence[str]) -> tuple[str, str]:
        """Return (clerk, etag) of who has an appointment, ("", "") if it isn't found; not part of the history."""
        for clerk in clerks:
            answer = self._caldav("GET", f"{clerk}/calendar/{uid}.ics")
            if answer.result is Result.DONE:
                return clerk, answer.etag
        return "", ""

    def transfer(self, uid: str, start: datetime, origin: str, clerk: str) -> Answer:
        """MOVE an appointment to another clerk."""
        return self._ask(
            Kind.TRANSFER,
            uid,
            lambda: self._caldav(
                "MOVE",
                f"{origin}/calendar/{uid}.ics",
                Destination=f"{{url}}/{clerk}/calendar/{uid}.ics",
                Overwrite="F",
            ),
            clerk=clerk,
            origin=origin,
            **self._period(start),
        )

    def cancel_with(self, uid: str, origin: str) -> Answer:
        """DELETE an appointment in a clerk's calendar."""
        return self._ask(
            Kind.CANCEL, uid, lambda: self._caldav("DELETE", f"{origin}/calendar/{uid}.ics"), origin=origin
        )

    def block(self, uid: str, clerk: str, start: datetime) -> Answer:
        text = own_event(uid, start, start + LENGTH)
        return self._ask(
            Kind.BLOCK,
            uid,
            lambda: self._caldav("PUT", f"{clerk}/calendar/{uid}.ics", text),
            clerk=clerk,
            **self._period(start),
        )

    def unblock(self, uid: str, clerk: str) -> Answer:
        return self._ask(
            Kind.UNBLOCK, uid, lambda: self._caldav("DELETE", f"{clerk}/calendar/{uid}.ics"), origin=clerk
        )

    def list(self, clerk: str) -> Answer:
        """All of a clerk's bookings in one answer."""

        def ask() -> Answer:
            answer, response = self._send(
                "REPORT", f"{clerk}/calendar/", {"Depth": "0", "Content-Type": "application/xml"}, _ALL
            )
            if answer.result is not Result.DONE or response is None:
                return answer
            return replace(answer, seen=bookings_in(response.data.decode()))

        return self._ask(Kind.LIST, "", ask, clerk=clerk)


def together(clients: Sequence[Client], run: Callable[[Client], None]) -> list[Operation]:
    """Let every client run in a thread of its own; return the whole history. What one of them raises is raised here."""
    failed: list[BaseException] = []

    def guarded(client: Client) -> None:
        try:
            run(client)
        except BaseException as error:  # noqa: BLE001 - handed to the caller below
            failed.append(error)
        finally:
            client.close()

    threads = [threading.Thread(target=guarded, args=(client,), daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return [operation for client in clients for operation in client.history]

"""The site and the calendar server as `termin serve` runs them, with the whole city in the database, asked over HTTP.

What a citizen waits for: from her request to a stored booking, and for a month of offers while others book. `measure` is called by
`python -m benchmarks.booking_web`, whose processes this module starts again as `python -m benchmarks.booking_web.whole ROLE FOLDER PORT DAV_PORT`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time as clock
import uuid
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert

from booking_web import create_app
from booking_web.settings import SiteSettings
from calendar_server.accounts import Account, AccountRole, Accounts
from calendar_server.app import CalendarSettings
from calendar_server.app import create_app as create_calendar
from calendar_server.ical.appointment import Appointment, ServiceLine, to_ical
from calendar_server.offices import Clerk, Directory, Office, OpeningRule, WeeklyPeriod
from calendar_server.setup import prepare
from calendar_server.storage import reading
from calendar_server.storage.database import Database
from calendar_server.storage.schema import instances, objects
from config import compose
from config.processes.launch import Launch
from config.processes.site import answers_at_hand
from config.processes.web import serve
from config.settings import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from booking_web.town import Town

ROOT = Path(__file__).parents[2]
EXAMPLE = Path(compose.__file__).parent / "meschede"
SIZES = [40, 20, 20, *([10] * 42)]
DAYS = 60
BOOKED = 0.7
PARTNER = "bench"
PASSWORD = "bench-password"
ASKED = ["reisepass", "personalausweis", "meldebescheinigung", "anmeldung", "fundbuero", "beglaubigung"]
_WEEK = tuple(WeeklyPeriod(weekday, time(8), time(17)) for weekday in range(5))
_LENGTHS = (900, 1200, 1800, 2700)


def _now() -> datetime:
    return datetime.now(UTC)


def town() -> Town:
    """The town of the example, grown to a city."""
    found = compose.town(load(EXAMPLE))
    model = found.offices[0]
    public = replace(model.release.public, horizon_days=DAYS, stages=())
    offices = tuple(
        replace(model, id=f"office{at}", release=replace(model.release, public=public))
        for at in range(len(SIZES))
    )
    return replace(found, offices=offices)


def directory(city: Town) -> Directory:
    """Its clerks: each can do two services or more."""
    rng = random.Random(1)
    return Directory(
        tuple(
            Office(
                office.id,
                office.id,
                office.zone,
                tuple(
                    Clerk(
                        f"{office.id}-c{at}",
                        f"Clerk {at}",
                        frozenset(rng.sample(office.services, rng.randint(2, len(office.services)))),
                        _WEEK,
                    )
                    for at in range(clerks)
                ),
                frozenset(office.services),
                initial_windows=tuple(OpeningRule(period) for period in _WEEK),
                horizon_days=DAYS,
                release=office.release.public,
                step_minutes=office.release.step_minutes,
            )
            for office, clerks in zip(city.offices, SIZES, strict=True)
        )
    )


def fill(url: str, city: Directory) -> int:
    """Book 70 % of everybody's time; how many appointments that makes. Straight into the tables: one by one it would take half an hour."""
    database = Database.open(url)
    prepare(database, city, _now)
    Accounts(database, _now).ensure(Account("site", AccountRole.SITE), PASSWORD)
    rng = random.Random(2)
    number = 1_000_000
    first = number
    today = _now().date()
    days = [today + timedelta(days=ahead) for ahead in range(DAYS + 1)]
    for office in city.offices:
        texts = {service: _text(office, service) for service in office.services}
        rows: list[dict[str, Any]] = []
        periods: list[dict[str, Any]] = []
        with database.write() as connection:
            seq = reading.office_seq(connection, office.id)
            known = reading.office_collections(connection, office.id)
            for clerk in office.clerks:
                calendar = known.by_path(f"{clerk.id}/calendar")
                assert calendar is not None
                for day in days:
                    for start, end in _taken(rng, office, day):
                        number += 1
                        service = rng.choice(sorted(clerk.services))
                        text = texts[service](f"filled-{number}", start, end)
                        rows.append(_object(number, calendar.id, office.id, text, service, (start, end), seq))
                        periods.append(_instance(number, calendar.id, start, end))
            connection.execute(insert(objects), rows)
            connection.execute(insert(instances), periods)
    database.close()
    return number - first


def _taken(rng: random.Random, office: Office, day: date) -> Iterator[tuple[int, int]]:
    if day.weekday() > 4:
        return
    at = int(datetime.combine(day, time(8), office.zone).timestamp())
    closes = at + 9 * 3600
    while at < closes:
        length = rng.choice(_LENGTHS)
        if rng.random() < BOOKED and at + length <= closes:
            yield at, at + length
        at += length


def _text(office: Office, service: str) -> Callable[[str, int, int], str]:
    """Return what makes an appointment's text: icalendar's classes once, then by replacing."""
    start = datetime(2026, 1, 1, 9, tzinfo=office.zone)
    booked = Appointment(
        uid="THE-UID",
        office=office.id,
        start=start,
        end=start + timedelta(minutes=15),
        zone=office.zone,
        services=(ServiceLine(service),),
        name="Erika Mustermann",
        email="erika@example.org",
        reference="ABCD-1234",
        summary="Termin",
    )
    model = to_ical(booked, now=start)

    def make(uid: str, begins: int, ends: int) -> str:
        text = model.replace("THE-UID", uid)
        for old, new in (("20260101T090000", begins), ("20260101T091500", ends)):
            text = text.replace(old, f"{datetime.fromtimestamp(new, office.zone):%Y%m%dT%H%M%S}")
        return text

    return make


def _object(  # noqa: PLR0917 - the columns that differ
    number: int, calendar: int, office: str, text: str, service: str, period: tuple[int, int], seq: int
) -> dict[str, Any]:
    name = f"filled-{number}.ics"
    return {
        "id": number,
        "collection_id": calendar,
        "href": name,
        "uid": f"filled-{number}",
        "component": "VEVENT",
        "kind": "appointment",
        "etag": f'"{number:040x}"',
        "text": text,
        "size": len(text),
        "seq": seq,
        "office": office,
        "view_href": name,
        "services": service,
        "pinned": False,
        "hold_until": None,
        "sequence": 0,
        "digest": "",
        "first": period[0],
        "last": period[1],
        "recurring": False,
        "expanded_from": None,
        "expanded_until": None,
        "modified": period[0],
    }


def _instance(number: int, calendar: int, start: int, end: int) -> dict[str, Any]:
    return {
        "object_id": number,
        "collection_id": calendar,
        "long": 0,
        "start": start,
        "end": end,
        "transparency": 1,
    }


# The processes ---------------------------------------------------------------------------------------------------------------


def _url(folder: Path) -> str:
    return f"sqlite:///{folder / 'termin.sqlite'}"


def _calendar(folder: Path) -> Any:
    return create_calendar(CalendarSettings(_url(folder), directory(town())))


def _site(dav_port: int) -> Any:
    return create_app(
        SiteSettings(
            town(),
            f"http://127.0.0.1:{dav_port}",
            PASSWORD,
            b"benchmark-secret-0",
            api_keys={hashlib.sha256(PARTNER.encode()).hexdigest(): PARTNER},
        )
    )


def _serve(role: str, folder: Path, port: int, dav_port: int) -> None:
    read, _write = os.pipe()
    launch = Launch(EXAMPLE, folder, False, "127.0.0.1", port, 0, dav_port, 8)
    if role == "calendar":
        serve(partial(_calendar, folder), launch, role, read)
    else:
        serve(partial(_site, dav_port), launch, role, read, at_hand=answers_at_hand)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def processor_seconds(group: int) -> float:
    """Return the processor time (user and system) that a process group has used until now."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name in brackets may have spaces; behind it the third field is the group, the twelfth and thirteenth are times.
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[2]) == group:
                ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_mb(group: int) -> float:
    """Return the memory of a process group in MB; what its processes share counts once (proportional set size)."""
    found = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(path.read_text().rpartition(")")[2].split()[2]) == group:
                rollup = (path.parent / "smaps_rollup").read_text()
                found += int(rollup.partition("Pss:")[2].split()[0])
    return round(found / 1024, 1)


@contextlib.contextmanager
def _process(role: str, folder: Path, port: int, dav_port: int) -> Iterator[int]:
    """Run a role; gives the number of its process group."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.booking_web.whole",
        role,
        str(folder),
        str(port),
        str(dav_port),
    ]
    with (folder / f"{role}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, process_group=0)
    try:
        deadline = clock.monotonic() + 120
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", dav_port if role == "calendar" else port)) == 0:
                    break
            if process.poll() is not None or clock.monotonic() > deadline:
                raise RuntimeError(f"{role} doesn't start: {(folder / f'{role}.log').read_text()[-2000:]}")
            clock.sleep(0.05)
        yield process.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class Connection:
    """A keep-alive connection that costs the measuring process as little as can be: it shares the cores with the servers."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, method: str, path: str, body: bytes = b"", *headers: str) -> tuple[int, bytes]:
        """Return status and body of an answer that tells its length."""
        lines = [
            f"{method} {path} HTTP/1.1",
            "Host: localhost",
            f"Content-Length: {len(body)}",
            *headers,
            "",
            "",
        ]
        self._socket.sendall("\r\n".join(lines).encode() + body)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more()
        head, _, rest = data.partition(b"\r\n\r\n")
        found = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        wanted = int(found[1]) if found else 0
        parts, got = [rest], len(rest)
        while got < wanted:
            parts.append(self._more())
            got += len(parts[-1])
        return int(head[9:12]), b"".join(parts)

    def _more(self) -> bytes:
        more = self._socket.recv(262_144)
        if not more:
            raise RuntimeError("the server closed the connection")
        return more

    def month(self, office: int, service: str) -> bytes:
        """Return a month of offers as it comes."""
        today = date.today()  # noqa: DTZ011 - the office's zone is this machine's, or the month begins a day off
        until = today + timedelta(days=31)
        path = f"/api/v1/offers?office=office{office}&service={service}&from={today}&to={until}"
        status, body = self.ask("GET", path)
        if status != 200:
            raise RuntimeError(f"offers: {status} {body[:300]!r}")
        return body

    def offers(self, office: int, service: str) -> list[str]:
        """Return the starts of a month."""
        body = self.month(office, service)
        return [found.decode() for found in re.findall(rb'"(20[0-9-]+T[^"]+)"', body.partition(b'"days"')[2])]

    def book(self, office: int, service: str, start: str) -> int:
        """Book, and return the status."""
        body = {
            "office": f"office{office}",
            "services": [{"id": service, "persons": 1}],
            "start": start,
            "name": "Erika Mustermann",
            "email": "erika@example.org",
        }
        headers = ["Content-Type: application/json", f"Authorization: Bearer {PARTNER}"]
        headers.append(f"Idempotency-Key: {uuid.uuid4()}")
        status, answer = self.ask("POST", "/api/v1/appointments", json.dumps(body).encode(), *headers)
        if status not in {201, 409}:
            raise RuntimeError(f"book: {status} {answer[:300]!r}")
        return status


def _figures(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {
        "p50_ms": round(statistics.median(ordered) * 1000, 3),
        "p99_ms": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] * 1000, 3),
        "max_ms": round(ordered[-1] * 1000, 3),
        "n": len(ordered),
    }


def _timed(call: Callable[[], object]) -> float:
    began = clock.perf_counter()
    call()
    return clock.perf_counter() - began


def _bookings(port: int, stop: threading.Event, pause: float, most: int) -> tuple[list[float], int]:
    """Book one after another in the largest office, somewhere in what is free; seconds of each, and how many were refused as taken."""
    connection = Connection(port)
    rng = random.Random(3)
    times: list[float] = []
    taken = 0
    while not stop.is_set() and len(times) < most:
        service = rng.choice(ASKED)
        start = rng.choice(connection.offers(0, service))
        began = clock.perf_counter()
        status = connection.book(0, service, start)
        if status == 201:
            times.append(clock.perf_counter() - began)
        else:
            taken += 1
        stop.wait(pause)
    return times, taken


def measure(seconds: float) -> dict[str, dict[str, float]]:
    """Fill, start both, and ask."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-city-")))
        began = clock.perf_counter()
        count = fill(_url(folder), directory(town()))
        print(f"{count} appointments stored after {clock.perf_counter() - began:.0f} s", flush=True)
        port, dav_port = _free_port(), _free_port()
        stack.enter_context(_process("calendar", folder, port, dav_port))
        site = stack.enter_context(_process("site", folder, port, dav_port))
        connection = Connection(port)
        results: dict[str, dict[str, float]] = {}
        results["start_first_offers_of_40_clerks"] = {
            "ms": round(_timed(lambda: connection.offers(0, ASKED[0])) * 1000)
        }

        def whole_city(service: str) -> None:
            for office in range(len(SIZES)):
                connection.offers(office, service)

        results["start_offers_of_all_offices"] = {"ms": round(_timed(lambda: whole_city(ASKED[0])) * 1000)}
        # The follower prepares what has been asked, and what is the same for all.
        clock.sleep(5)
        alone, taken = _bookings(port, threading.Event(), 0.05, 60)
        results["booking_until_stored"] = {**_figures(alone), "taken": taken}
        stop, booked = threading.Event(), []
        booker = threading.Thread(target=lambda: booked.append(_bookings(port, stop, 0.1, 10**6)))
        booker.start()
        used, asking = processor_seconds(site), clock.process_time()
        times = _ask_for(port, seconds)
        used, asking = processor_seconds(site) - used, clock.process_time() - asking
        stop.set()
        booker.join()
        results["http_month_of_offers"] = {
            "requests_per_second": round(len(times) / seconds),
            # Those of the bookings underneath included.
            "site_processor_ms": round(used / len(times) * 1000, 3),
            "asker_processor_ms": round(asking / len(times) * 1000, 3),
            **_figures(times),
        }
        results["site_memory"] = {"mb": memory_mb(site)}
        results["booking_until_stored_meanwhile"] = {**_figures(booked[0][0]), "taken": booked[0][1]}
        return results


def _ask_for(port: int, seconds: float) -> list[float]:
    """Ask for months of offers from two connections at once; the seconds of each."""
    times: list[float] = []
    until = clock.monotonic() + seconds

    def ask(number: int) -> None:
        connection = Connection(port)
        at = number
        while clock.monotonic() < until:
            began = clock.perf_counter()
            connection.month(at % 3, ASKED[at % len(ASKED)])
            times.append(clock.perf_counter() - began)
            at += 1

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times


if __name__ == "__main__":
    _serve(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))

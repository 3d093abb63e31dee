"""`termin serve` as a whole: the real processes on free ports, from the first start to the last child."""

from __future__ import annotations

import json
import mailbox
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import urllib3

from tests.config.test_supervisor import is_running, wait_until
from tests.support.databases import fresh_postgresql
from tests.support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TERMIN = Path(sys.executable).with_name("termin")
READY_SECONDS = 180


def descendants(pid: int) -> set[int]:
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text("ascii", "replace").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        for child in children.get(waiting.pop(), []):
            found.add(child)
            waiting.append(child)
    return found


@dataclass
class Serving:
    process: subprocess.Popen[str]
    data: Path
    output: Path
    dav: int
    site: int
    staff: int

    def said(self) -> str:
        return self.output.read_text("utf-8")

    def wait_until_ready(self) -> None:
        wait_until(lambda: "Ready after" in self.said() or self.process.poll() is not None, READY_SECONDS)
        assert self.process.poll() is None, self.said()

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(90)

    def request(self, method: str, port: int, path: str, **more: Any) -> urllib3.BaseHTTPResponse:
        return urllib3.request(method, f"http://127.0.0.1:{port}{path}", retries=False, timeout=20, **more)


def book_and_follow(town: Serving) -> None:
    offers = town.request(
        "GET",
        town.site,
        "/api/v1/offers?office=buergerbuero&service=reisepass:2&service=beglaubigung&from=2000-01-01&to=2100-01-01",
    )
    start = offers.json()["days"][-1]["starts"][0]
    booked = town.request(
        "POST",
        town.site,
        "/api/v1/appointments",
        headers={
            "Authorization": "Bearer demo",
            "Idempotency-Key": "1",
            "Content-Type": "application/json",
        },
        body=json.dumps(
            {
                "office": "buergerbuero",
                "services": [{"id": "reisepass", "persons": 2}, {"id": "beglaubigung", "persons": 1}],
                "start": start,
                "name": "Erika Mustermann",
                "email": "erika@example.org",
            }
        ),
    )
    assert booked.status == 201, booked.data
    uid = booked.json()["uid"]

    def clerks_with_it() -> list[str]:
        found = []
        for clerk in ("clerk1", "clerk2", "clerk3", "clerk4"):
            headers = urllib3.make_headers(basic_auth=f"{clerk}:demo")
            answer = town.request("GET", town.dav, f"/{clerk}/calendar/{uid}.ics", headers=headers)
            found += [clerk] if answer.status == 200 else []
        return found

    assert len(clerks_with_it()) == 1
    new = town.data / "mail" / "new"
    wait_until(lambda: new.is_dir() and any(new.iterdir()), READY_SECONDS)
    (mail,) = mailbox.Maildir(town.data / "mail", create=False)
    assert mail["To"] == "erika@example.org" or "erika@example.org" in mail["To"]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Serving]]:
    started: list[Serving] = []

    def start(*arguments: str, data: Path | None = None, **variables: str) -> Serving:
        folder = data or tmp_path_factory.mktemp("serve") / "data"
        dav, site, staff = free_port(), free_port(), free_port()
        output = tmp_path_factory.mktemp("output") / "output"
        ports = ("--dav-port", str(dav), "--site-port", str(site), "--staff-port", str(staff))
        with output.open("w") as file:
            process = subprocess.Popen(
                [str(TERMIN), "serve", "--demo", "--data", str(folder), *ports, *arguments],
                stdout=file,
                stderr=subprocess.STDOUT,
                text=True,
                env={**os.environ, **variables},
            )
        started.append(Serving(process, folder, output, dav, site, staff))
        return started[-1]

    yield start
    for serving in started:
        if serving.process.poll() is None:
            serving.process.kill()
            serving.process.wait()


@pytest.fixture(scope="module")
def town(start: Callable[..., Serving]) -> Serving:
    serving = start()
    serving.wait_until_ready()
    return serving


def test_it_prints_addresses_accounts_mails_and_how_to_stop(town: Serving) -> None:
    said = town.said()
    for port in (town.site, town.staff, town.dav):
        assert f"http://127.0.0.1:{port}/\n" in said
    assert "clerk1, clerk2, clerk3, clerk4, lead, admin · password: demo" in said
    assert f"written to {town.data}/mail/" in said
    assert "Ctrl+C" in said


def test_ready_means_that_the_worker_works_too(town: Serving) -> None:
    heartbeat = json.loads((town.data / "worker.heartbeat").read_text("utf-8"))
    assert heartbeat["state"] == "active"


def test_an_old_heartbeat_is_no_sign_of_life(start: Callable[..., Serving], tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    (data / "worker.heartbeat").write_text('{"at": "2020-01-01T00:00:00+00:00", "state": "active"}')
    serving = start(data=data)
    serving.wait_until_ready()
    assert "2020" not in (data / "worker.heartbeat").read_text("utf-8")
    assert serving.stop() == 0


@pytest.mark.parametrize("port", ["dav", "site", "staff"])
@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_each_port_says_that_it_lives_and_is_ready(town: Serving, port: str, path: str) -> None:
    assert town.request("GET", getattr(town, port), path).status == 200


def test_a_booking_reaches_a_clerk_and_the_mail_folder(town: Serving) -> None:
    book_and_follow(town)


def test_no_process_logs_who_booked(town: Serving) -> None:
    """After the test before: all roles have dealt with her."""
    said = town.said().lower()
    for secret in ("erika", "mustermann", "example.org"):
        assert secret not in said
    for mail in mailbox.Maildir(town.data / "mail", create=False):
        tokens = re.findall(r"/termin/([a-z2-7]{42})", mail.as_string())
        assert not any(token in said for token in tokens)


@pytest.mark.parametrize("port", ["dav", "site", "staff"])
def test_clients_that_send_slowly_keep_nobody_waiting(town: Serving, port: str) -> None:
    heads = [
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n1",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n1",
    ]
    with ExitStack() as slow:
        for head in heads * 20:
            client = slow.enter_context(
                socket.create_connection(("127.0.0.1", getattr(town, port)), timeout=20)
            )
            client.sendall(head)
        assert town.request("GET", getattr(town, port), "/healthz").status == 200


def test_the_same_on_postgresql(start: Callable[..., Serving]) -> None:
    serving = start(TERMIN_DATABASE_URL=fresh_postgresql())
    serving.wait_until_ready()
    book_and_follow(serving)
    assert not list(serving.data.glob("*.sqlite"))
    assert serving.stop(signal.SIGINT) == 0


def test_a_database_that_cannot_be_reached_is_told_in_a_line(start: Callable[..., Serving]) -> None:
    closed = free_port()
    url = f"postgresql+psycopg://somebody:correct-horse@127.0.0.1:{closed}/termin"
    serving = start("--role", "calendar", TERMIN_DATABASE_URL=url)
    assert serving.process.wait(READY_SECONDS) == 1
    said = serving.said()
    assert "the database can't be used: connection failed" in said
    assert said.endswith("Error: calendar doesn't start; what it said is above\n")
    assert "Traceback" not in said
    assert "correct-horse" not in said


def test_a_process_that_is_killed_comes_back(town: Serving) -> None:
    before = descendants(town.process.pid)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: town.said().count("starting it anew") >= 4)

    def all_ready() -> bool:
        try:
            return all(
                town.request("GET", port, "/readyz").status == 200
                for port in (town.dav, town.site, town.staff)
            )
        except urllib3.exceptions.HTTPError:
            return False

    wait_until(all_ready, READY_SECONDS)
    assert not before & descendants(town.process.pid)


def test_a_second_one_on_the_same_data_or_port_is_refused(
    town: Serving, start: Callable[..., Serving]
) -> None:
    twice = start(data=town.data)
    assert twice.process.wait(90) == 1
    assert re.search(r"another termin serve runs the calendar on .*--data", twice.said())
    busy = start("--site-port", str(town.site))
    assert busy.process.wait(90) == 1
    assert f"port {town.site} on 127.0.0.1 is in use: choose another with --site-port" in busy.said()


def test_sigterm_ends_everything_with_status_0(town: Serving) -> None:
    running = descendants(town.process.pid)
    assert len(running) == 7  # granian has two processes for each of three roles, the worker is one
    assert town.stop() == 0
    assert not any(map(is_running, running))
    assert "is killed" not in town.said().rpartition("starting it anew")[2]


def test_nothing_outlives_a_killed_supervisor_and_it_starts_again_on_its_data(
    town: Serving, start: Callable[..., Serving]
) -> None:
    again = start("--role", "calendar", data=town.data)
    again.wait_until_ready()
    assert "Calendars (CalDAV)" in again.said()
    assert "Mails" not in again.said(), "that's the worker's"
    running = descendants(again.process.pid)
    again.process.kill()
    again.process.wait()
    wait_until(lambda: not any(map(is_running, running)))


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])
def test_the_demo_refuses_any_address_but_loopback(start: Callable[..., Serving], host: str) -> None:
    serving = start("--host", host)
    assert serving.process.wait(90) == 1
    assert f"refuses to listen on {host}" in serving.said()
    assert not serving.data.exists()


def test_a_folder_of_the_demo_is_not_served_without_it(tmp_path: Path, town: Serving) -> None:
    done = subprocess.run(
        [str(TERMIN), "serve", "--data", str(town.data)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert "public passwords" in done.stderr

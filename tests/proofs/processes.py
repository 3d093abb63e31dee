"""Starting, killing and restarting calendar servers; each is a process group that `kill -9` ends as a whole."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from calendar_server.accounts import Accounts
from calendar_server.setup import prepare
from calendar_server.storage.database import Database
from tests.proofs.office import proof_directory
from tests.proofs.ticking import ticking
from tests.support.calendar import CHEAP, add_accounts
from tests.support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
READY_SECONDS = 60.0


def answers(port: int, path: str = "/readyz") -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@dataclass(frozen=True)
class _Started:
    process: subprocess.Popen[bytes]
    pipe: int

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if self.process.stdin is not None and not self.process.stdin.closed:
            self.process.stdin.close()
        os.close(self.pipe)


@dataclass
class Process:
    """One server on one port."""

    command: list[str]
    port: int
    _process: _Started | None = field(default=None)
    _spare: _Started | None = field(default=None)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def prepare(self) -> None:
        """Have a process ready that has loaded everything and serves when it is told to."""
        if self._spare is None:
            read, write = os.pipe()
            command = [*self.command, "--port", str(self.port), "--pipe", str(read)]
            process = subprocess.Popen(
                command, cwd=ROOT, pass_fds=(read,), process_group=0, stdin=subprocess.PIPE
            )
            os.close(read)
            self._spare = _Started(process, write)

    def start(self) -> None:
        self.prepare()
        self._process, self._spare = self._spare, None
        assert self._process is not None
        assert self._process.process.stdin is not None
        self._process.process.stdin.write(b"\n")
        self._process.process.stdin.close()

    def wait_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not answers(self.port):
            assert self._process is not None
            if self._process.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the server on port {self.port} doesn't get ready")
            time.sleep(0.05)

    def workers(self) -> set[int]:
        """Return the numbers of the processes that serve; one that crashed and was replaced has another."""
        assert self._process is not None
        group = str(self._process.process.pid)
        found = set()
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = stat.read_text().rpartition(")")[2].split()
                if fields[2] == group and fields[0] != "Z":
                    found.add(int(stat.parent.name))
        return found

    def kill(self) -> None:
        """`kill -9`, with everything that belongs to it; returns once it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def end(self) -> None:
        """End it for good."""
        self.kill()
        if self._spare is not None:
            self._spare.kill()
            self._spare = None


@dataclass(frozen=True)
class Servers:
    """Calendar servers on one database, and their common clock's beginning."""

    processes: tuple[Process, ...]
    database_url: str
    began: float

    @property
    def urls(self) -> list[str]:
        return [process.url for process in self.processes]


@contextmanager
def running(database_url: str, count: int = 1, variant: str = "") -> Iterator[Servers]:
    """Run `count` calendar servers on a new database with the proofs' offices and the demo's accounts."""
    began = time.monotonic()
    clock = ticking(began)
    database = Database.open(database_url)
    prepare(database, proof_directory(), clock)
    add_accounts(Accounts(database, clock, CHEAP), proof_directory())
    database.close()
    command = [
        sys.executable,
        "-m",
        "tests.proofs.server",
        "--database",
        database_url,
        "--began",
        repr(began),
    ]
    command += ["--variant", variant]
    servers = Servers(tuple(Process(command, free_port()) for _ in range(count)), database_url, began)
    try:
        for process in servers.processes:
            process.prepare()
        for process in servers.processes:
            process.start()
        for process in servers.processes:
            process.wait_ready()
        yield servers
    finally:
        for process in servers.processes:
            process.end()

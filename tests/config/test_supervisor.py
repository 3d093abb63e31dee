"""The supervisor over real processes: small Python programs that do what a test needs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from config.supervisor import Spec, StartError, Supervisor
from tests.support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def child(body: str, *arguments: object) -> Callable[[int], list[str]]:
    """A child that ends with its supervisor, as all of ours do, and otherwise does what `body` says."""
    head = "import sys, os, time, signal\nfrom config.processes.parent import end_with_parent\nend_with_parent(int(sys.argv[1]))\n"
    code = head + textwrap.dedent(body)
    return lambda pipe: [sys.executable, "-c", code, str(pipe), *map(str, arguments)]


SLEEPER = "open(sys.argv[2], 'a').write(f'{os.getpid()}\\n')\ntime.sleep(60)"


def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


def pids(file: Path) -> list[int]:
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def is_running(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("ascii")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


class Running:
    def __init__(self, *specs: Spec) -> None:
        self.said: list[str] = []
        self.ready = threading.Event()
        self.error: Exception | None = None
        self.supervisor = Supervisor(specs, self.said.append)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.supervisor.run(self.ready.set)
        except StartError as error:
            self.error = error

    def stop(self) -> None:
        self.supervisor.stop()
        self.thread.join()


@pytest.fixture
def start() -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def start(*specs: Spec) -> Running:
        started.append(Running(*specs))
        return started[-1]

    yield start
    for running in started:
        running.stop()


def test_children_run_until_they_are_told_to_stop(start: Callable[..., Running], tmp_path: Path) -> None:
    files = [tmp_path / "one", tmp_path / "two"]
    running = start(*(Spec(file.name, child(SLEEPER, file)) for file in files))
    wait_until(lambda: all(map(pids, files)))
    assert running.ready.wait(60)
    running.stop()
    assert not any(is_running(pid) for file in files for pid in pids(file))
    assert running.said == []


def test_a_child_without_a_port_says_by_itself_when_it_is_ready(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    pid, sign = tmp_path / "pid", tmp_path / "sign"
    running = start(Spec("one", child(SLEEPER, pid), is_ready=sign.exists))
    wait_until(lambda: pids(pid))
    assert not running.ready.wait(0.3)
    sign.touch()
    assert running.ready.wait(60)


def test_a_child_that_dies_is_started_anew_and_the_others_are_left_alone(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    running = start(Spec("one", child(SLEEPER, one)), Spec("two", child(SLEEPER, two)))
    wait_until(lambda: pids(one) and pids(two))
    os.kill(pids(one)[0], signal.SIGKILL)
    wait_until(lambda: len(pids(one)) == 2)
    assert running.said == ["one ended (killed by SIGKILL); starting it anew in 0.25 s"]
    assert len(pids(two)) == 1


def test_a_child_that_keeps_dying_waits_longer_each_time(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    marker = tmp_path / "started"
    body = "open(sys.argv[2], 'a').write('1\\n')\ntime.sleep(0.4)\nsys.exit(7)"
    running = start(Spec("weak", child(body, marker)))
    wait_until(lambda: len(running.said) >= 3)
    assert running.said[:3] == [
        f"weak ended (exit status 7); starting it anew in {delay} s" for delay in ("0.25", "0.5", "1")
    ]


def test_it_is_ready_when_the_addresses_answer(start: Callable[..., Running], tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    body = """
        from http.server import BaseHTTPRequestHandler, HTTPServer
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                good = self.path == "/readyz" and os.path.exists(sys.argv[2])
                self.send_response(200 if good else 503)
                self.end_headers()
            def log_message(self, *args): pass
        HTTPServer(("127.0.0.1", int(sys.argv[3])), Handler).serve_forever()
    """
    port = free_port()
    running = start(Spec("web", child(body, gate, port), ("127.0.0.1", port)))
    assert not running.ready.wait(1)
    gate.touch()
    assert running.ready.wait(60)


def test_a_child_that_never_starts_ends_everything(start: Callable[..., Running], tmp_path: Path) -> None:
    other = tmp_path / "other"
    running = start(
        Spec("other", child(SLEEPER, other)),
        Spec("broken", child("sys.exit(3)"), ("127.0.0.1", 1)),
    )
    running.thread.join(90)
    assert str(running.error) == "broken doesn't start; what it said is above"
    assert not any(map(is_running, pids(other)))


def test_a_child_that_ignores_the_request_to_stop_is_killed(
    start: Callable[..., Running], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("config.supervisor.STOP_SECONDS", 0.5)
    file = tmp_path / "stubborn"
    running = start(
        Spec("stubborn", child("signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SLEEPER, file))
    )
    wait_until(lambda: pids(file))
    running.stop()
    assert running.said == ["stubborn doesn't stop by itself and is killed"]
    assert not is_running(pids(file)[0])


def test_nothing_outlives_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    # The grandchild stands for granian's worker: it isn't the supervisor's own child.
    body = f"""
        pid = os.fork()
        if pid == 0:
            end_with_parent(int(sys.argv[1]))
        {SLEEPER.replace(chr(10), "; ")}
    """
    code = (
        "from tests.config.test_supervisor import child\n"
        "from config.supervisor import Spec, Supervisor\n"
        f"Supervisor([Spec('x', child({body!r}, {str(file)!r}))], print).run(lambda: None)\n"
    )
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", code])
    wait_until(lambda: len(pids(file)) == 2)
    process.kill()
    process.wait()
    wait_until(lambda: not any(map(is_running, pids(file))))


def test_the_pipe_alone_ends_a_child(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    read, write = os.pipe()
    process = subprocess.Popen(child(SLEEPER, file)(read), pass_fds=(read,))
    wait_until(lambda: pids(file))
    os.close(write)
    assert process.wait(60) == -signal.SIGTERM
    os.close(read)

"""Child processes that are kept running: started, restarted when they die, and ended together.

It knows nothing of what they do: each child is a name, a command line, and perhaps an address that answers when it's ready.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

TICK_SECONDS = 0.05
STOP_SECONDS = 6.0
READY_SECONDS = 180.0
FIRST_DELAY_SECONDS = 0.25
LONGEST_DELAY_SECONDS = 30.0
STEADY_SECONDS = 30.0
FAILURES_WHILE_STARTING = 3


class StartError(Exception):
    """A child doesn't get ready; the message names it."""


@dataclass(frozen=True, slots=True)
class Spec:
    """A child: `command` gets the descriptor of a pipe that reads as closed once the supervisor is gone.

    `ready_at` is host and port where `GET /readyz` answers 200. None: it starts when all others are ready, so that it doesn't keep them
    waiting for the processor, and is ready itself when `is_ready` says so.
    """

    name: str
    command: Callable[[int], Sequence[str]]
    ready_at: tuple[str, int] | None = None
    is_ready: Callable[[], bool] = lambda: True


@dataclass
class _Child:
    spec: Spec
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    failures: int = 0
    next_start: float = 0.0
    ready: bool = field(default=False)


class Supervisor:
    """Starts the children and keeps them running until told to stop. `report` is told in a line what happened."""

    def __init__(self, specs: Sequence[Spec], report: Callable[[str], None]) -> None:
        self._children = [_Child(spec) for spec in specs]
        self._report = report
        self._stop = threading.Event()
        self._pipe_read, self._pipe_write = os.pipe()

    def stop(self) -> None:
        """Ask `run` to end; can be called from a signal handler or another thread."""
        self._stop.set()

    def run(self, when_ready: Callable[[], None]) -> None:
        """Start everything, call `when_ready` once, and return after `stop`. Raises StartError if something doesn't get ready."""
        try:
            self._start_all()
            if not self._stop.is_set():
                when_ready()
            while not self._stop.wait(TICK_SECONDS):
                self._mend()
        finally:
            self._end_all()
            os.close(self._pipe_read)
            os.close(self._pipe_write)

    def _start_all(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not all(child.ready for child in self._children) and not self._stop.is_set():
            self._mend()
            for child in self._children:
                if child.failures >= FAILURES_WHILE_STARTING:
                    raise StartError(f"{child.spec.name} doesn't start; what it said is above")
                if not child.ready and child.process is not None and child.process.poll() is None:
                    at = child.spec.ready_at
                    child.ready = child.spec.is_ready() if at is None else _answers(*at)
            if time.monotonic() > deadline:
                late = ", ".join(child.spec.name for child in self._children if not child.ready)
                raise StartError(f"not ready within {READY_SECONDS:.0f} s: {late}")
            self._stop.wait(TICK_SECONDS)

    def _mend(self) -> None:
        """Start what isn't running and is due."""
        now = time.monotonic()
        for child in self._children:
            if child.process is not None and child.process.poll() is not None:
                code = child.process.returncode
                self._signal_group(child, signal.SIGTERM)
                child.process = None
                child.failures = 1 if now - child.started > STEADY_SECONDS else child.failures + 1
                delay = min(FIRST_DELAY_SECONDS * 2 ** (child.failures - 1), LONGEST_DELAY_SECONDS)
                child.next_start = now + delay
                self._report(f"{child.spec.name} ended ({_how(code)}); starting it anew in {delay:g} s")
            if child.process is None and now >= child.next_start and self._may_start(child):
                child.started = now
                # A group of its own: Ctrl+C in the terminal reaches the supervisor alone, and the group can be ended as a whole.
                child.process = subprocess.Popen(  # noqa: S603  our own command line
                    child.spec.command(self._pipe_read), pass_fds=(self._pipe_read,), process_group=0
                )

    def _may_start(self, child: _Child) -> bool:
        if child.spec.ready_at is not None:
            return True
        return all(other.ready for other in self._children if other.spec.ready_at is not None)

    def _end_all(self) -> None:
        running = [child for child in self._children if child.process is not None]
        for child in running:
            assert child.process is not None
            child.process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for child in running:
            assert child.process is not None
            try:
                child.process.wait(max(deadline - time.monotonic(), 0.01))
            except subprocess.TimeoutExpired:
                self._report(f"{child.spec.name} doesn't stop by itself and is killed")
                self._signal_group(child, signal.SIGKILL)
                child.process.wait()
            else:
                self._signal_group(child, signal.SIGKILL)

    @staticmethod
    def _signal_group(child: _Child, what: signal.Signals) -> None:
        """Reach what a child may have left behind."""
        if child.process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.process.pid, what)


def stop_on_signals(supervisor: Supervisor) -> None:
    """End cleanly on SIGTERM, SIGINT and SIGHUP (a closed terminal)."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        supervisor.stop()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, handle)


def _how(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-code).name}"
    return f"exit status {code}"


def _answers(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()

"""Serving a WSGI application with granian: one supervising process and one worker, whose event loop reads and writes for all threads."""

from __future__ import annotations

import multiprocessing
import sys
from typing import TYPE_CHECKING, Any

from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import MPServer

from config.processes.failure import explained
from config.processes.gateway import Gateway
from config.processes.parent import end_with_parent

if TYPE_CHECKING:
    from collections.abc import Callable

    from config.processes.launch import Launch

_AT_ONCE = 1024
"""Connections; further ones wait in the kernel."""
_KILL_AFTER_SECONDS = 3
_HEAD_MILLISECONDS = 15_000
_SWITCH_SECONDS = 0.0005
"""How long a thread that computes lets others wait. Python's 5 ms come again at each of the several waits of one request."""


def serve(
    build: Callable[[], Any],
    launch: Launch,
    role: str,
    pipe: int,
    *,
    at_hand: Callable[[Any], Callable[[dict[str, Any]], bool]] | None = None,
) -> None:
    """Serve what `build` returns at the role's port until SIGTERM or SIGINT. `at_hand` makes of it what `Gateway` calls so.

    `build` runs in granian's worker, so nothing is shared over a fork. A worker that dies ends this process with status 1; the supervisor starts it anew.
    """

    def load(_target: str) -> Gateway:
        end_with_parent(pipe)
        sys.setswitchinterval(_SWITCH_SECONDS)
        with explained():
            app = build()
        return Gateway(
            app,
            threads=launch.threads,
            trust_proxy=launch.trust_proxy,
            at_hand=at_hand(app) if at_hand is not None else None,
        )

    # granian's worker is a fork: what it is to serve can't be pickled, and Python 3.14 no longer forks by itself.
    multiprocessing.set_start_method("fork", force=True)
    port = launch.port(role)
    assert port is not None
    server = MPServer(
        "termin",
        address=launch.host,
        port=port,
        interface=Interfaces.ASGINL,
        workers=1,
        loop=Loops.asyncio,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=_HEAD_MILLISECONDS),
        websockets=False,
        backlog=_AT_ONCE,
        backpressure=_AT_ONCE,
        log_level=LogLevels.error,
        workers_kill_timeout=_KILL_AFTER_SECONDS,
    )
    server.serve(target_loader=load)

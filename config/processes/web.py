"""Serving a WSGI application with granian: one supervising process and one worker with threads.

granian reads requests in Rust, so that a slow client holds no thread of ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels
from granian.server import MPServer

from config.processes.parent import end_with_parent

if TYPE_CHECKING:
    from collections.abc import Callable

_BACKLOG = 1024
_KILL_AFTER_SECONDS = 3


def serve(build: Callable[[], Any], *, host: str, port: int, threads: int, pipe: int) -> None:
    """Serve what `build` returns until SIGTERM or SIGINT. `build` runs in granian's worker, so nothing is shared over a fork.

    A worker that dies ends this process with status 1; the supervisor starts it anew.
    """

    def load(_target: str) -> Any:
        end_with_parent(pipe)
        return build()

    server = MPServer(
        "termin",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=threads,
        http=HTTPModes.http1,
        backlog=_BACKLOG,
        backpressure=_BACKLOG,
        log_level=LogLevels.error,
        workers_kill_timeout=_KILL_AFTER_SECONDS,
    )
    server.serve(target_loader=load)

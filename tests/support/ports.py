"""Ports on loopback for servers that are told where to listen: processes of their own, and what comes back at the same place.

A port that the system chose a moment ago may be anybody's by the time the server is up: another test's, or the near end of any
connection, even of one that asks whether the server is there yet. So these lie below the range that the system chooses from, and a
lock keeps each for the process that asked for it.
"""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path
from typing import IO

_FIRST, _LAST = 15_000, 30_000
"""Systems choose from 32768 (Linux) or 49152 (RFC 6335) on."""
_FOLDER = Path(tempfile.gettempdir()) / f"termin-test-ports-{os.getuid()}"
_kept: list[IO[str]] = []
"""Locks, held until this process ends."""


def free_port() -> int:
    """A port that nothing listens on and that nobody else will be given as long as this process lives."""
    _FOLDER.mkdir(exist_ok=True)
    # Tests may seed the shared generator, in several processes alike.
    for port in random.SystemRandom().sample(range(_FIRST, _LAST), 1_000):
        lock = (_FOLDER / str(port)).open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
        except OSError:
            lock.close()
            continue
        _kept.append(lock)
        return port
    raise OSError("no port on loopback is free")

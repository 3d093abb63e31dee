"""Which roles run on a data folder, and where they listen: a locked file for each, with its address in it."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

    from config.settings import Settings


_LONGEST = 300
"""Of a host's name 253 octets (RFC 1035), and a port."""


class RunsAlreadyError(Exception):
    """The role runs on this data folder; two workers, say, would send each mail twice."""


def hold(held: ExitStack, data: Path, role: str, host: str, port: int | None) -> None:
    """Keep the role for this process until `held` ends, and let others read where it listens. Raises RunsAlreadyError."""
    descriptor = os.open(_file(data, role), os.O_RDWR | os.O_CREAT, 0o600)
    held.callback(os.close, descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise RunsAlreadyError(role) from error
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{host} {port or 0}".encode())


def address_of(data: Path, role: str) -> tuple[str, int] | None:
    """Return the host and the port on which the role listens; None if it doesn't run on this data folder."""
    try:
        descriptor = os.open(_file(data, role), os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        host, _, port = os.read(descriptor, _LONGEST).decode().partition(" ")
        return (host, int(port)) if port.isdecimal() else None
    finally:
        os.close(descriptor)
    return None


def where_it_runs(settings: Settings, data: Path) -> Settings:
    """Return the settings with the calendar server where it runs on this data folder: `termin serve` may have been told another address."""
    where = address_of(data, "calendar")
    if where is None:
        return settings
    return settings.with_ports(site=None, staff=None, dav=where[1], host=where[0])


def _file(data: Path, role: str) -> Path:
    return data / f".{role}.lock"

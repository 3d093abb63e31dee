"""No test reaches a network beyond this machine: Python's own audit events tell of every connection, whoever opens it.

The attempt fails at once; and since some code takes any failure for "no connection", the test that made it fails as well.
"""

from __future__ import annotations

import ipaddress
import sys
from typing import Any

LOCAL_NAMES = {"", "localhost"}


class BeyondLoopbackError(RuntimeError):
    """Not an OSError: code that expects bad networks mustn't swallow it."""


attempts: list[str] = []


def is_local(host: Any) -> bool:
    """Tell whether a host, as sockets take it, is this machine; a name other than localhost would have to be looked up."""
    if host is None:
        return True
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    if name in LOCAL_NAMES:
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _guard(event: str, arguments: tuple[Any, ...]) -> None:
    if event in {"socket.connect", "socket.sendto"}:
        address = arguments[1]
        # AF_UNIX addresses are paths.
        host = address[0] if isinstance(address, tuple) else None
    elif event == "socket.getaddrinfo":
        host = arguments[0]
        try:
            ipaddress.ip_address(host)
        except ValueError:
            pass
        else:
            return  # an address isn't looked up; connecting to it is another event
    else:
        return
    if not is_local(host):
        attempts.append(f"{event} {host}")
        raise BeyondLoopbackError(f"a test reaches beyond loopback: {event} {host}")


def install() -> None:
    """Watch from now on; an audit hook can't be removed."""
    sys.addaudithook(_guard)

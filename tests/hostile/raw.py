"""Requests as no well-behaved client sends them, byte by byte."""

from __future__ import annotations

import base64
import contextlib
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.support.calendar import PASSWORD

SECONDS = 60.0
"""No answer within this time is a hang, even on a busy machine."""


def authorization(account: str) -> str:
    return "Basic " + base64.b64encode(f"{account}:{PASSWORD}".encode()).decode()


@dataclass(frozen=True)
class Answer:
    """`status` is 0 if the server closed the connection without an answer."""

    status: int
    head: str
    body: bytes


def connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), timeout=SECONDS)


def read_answer(connection: socket.socket) -> Answer:
    """Read one answer; a server that says nothing for too long fails the test by TimeoutError."""
    data = b""
    with contextlib.suppress(ConnectionError):
        while b"\r\n\r\n" not in data:
            part = connection.recv(65_536)
            if not part:
                break
            data += part
    head, _, body = data.partition(b"\r\n\r\n")
    text = head.decode("latin-1")
    lengths = [
        int(line.partition(":")[2])
        for line in text.splitlines()
        if line.lower().startswith("content-length:")
    ]
    with contextlib.suppress(ConnectionError):
        while lengths and len(body) < lengths[0]:
            part = connection.recv(65_536)
            if not part:
                break
            body += part
    status = int(text.split(" ", 2)[1]) if text.startswith("HTTP/1.") else 0
    return Answer(status, text, body)


def send(url: str, data: bytes) -> Answer:
    """Send these bytes on a new connection and read one answer."""
    with connect(url) as connection:
        # A server may refuse before it has read everything.
        with contextlib.suppress(ConnectionError):
            connection.sendall(data)
        return read_answer(connection)


def request(
    url: str,
    method: str | bytes,
    path: str | bytes,
    body: bytes = b"",
    *,
    account: str = "lead",
    headers: dict[str, str | bytes] | None = None,
    length: bool = True,
) -> Answer:
    """Send a request whose parts are taken as they are."""

    def raw(value: str | bytes) -> bytes:
        return value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")

    lines = [raw(method) + b" " + raw(path) + b" HTTP/1.1", b"Host: localhost"]
    given: dict[str, str | bytes] = {"Connection": "close"}
    if account:
        given["Authorization"] = authorization(account)
    if length and body:
        given["Content-Length"] = str(len(body))
    given |= headers or {}
    lines += [raw(name) + b": " + raw(value) for name, value in given.items()]
    return send(url, b"\r\n".join(lines) + b"\r\n\r\n" + body)

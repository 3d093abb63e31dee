"""From granian's ASGI to our WSGI applications (PEP 3333): a thread takes a request when it has arrived as a whole.

granian's own WSGI interface hands over a request once its head is there, and its thread then waits for the body: forty clients that
send theirs slowly kept a site from answering anybody. Here the event loop reads bodies, with limits in size and time, and writes
answers; threads only compute.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import io
import ipaddress
import json
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

import structlog

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, MutableMapping

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    Headers = list[tuple[bytes, bytes]]

log = structlog.get_logger(__name__)

MAX_BODY = 10_000_000
"""Bytes; the applications have limits of their own below it."""
_LONGEST_NUMBER = 18
_IN_MEMORY = 65_536
PAUSE_SECONDS = 15.0
"""The longest that a client may pause while it sends a body."""
WHOLE_SECONDS = 120.0
"""The longest that a body may take."""


class _RefusedError(Exception):
    """The body isn't taken: `status` says why."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


class _GoneError(Exception):
    """The client went away before its request was complete, or sent chunks that are none (RFC 9112 section 7.1)."""


@dataclass(slots=True)
class _Answer:
    status: int = 500
    headers: Headers = field(default_factory=list)
    body: bytes = b""


class Gateway:
    """An ASGI application (without lifespan) around the WSGI application `app`, which `threads` threads run.

    With `trust_proxy` the caller's address and the scheme are those that a reverse proxy tells. `at_hand` tells of a request without a body (its WSGI
    environment) that the application won't wait or compute for it: that one needs no thread.
    """

    def __init__(
        self,
        app: Callable[..., Iterable[bytes]],
        *,
        threads: int,
        trust_proxy: bool = False,
        at_hand: Callable[[dict[str, Any]], bool] | None = None,
    ) -> None:
        self._app = app
        self._at_hand = at_hand
        self._trust_proxy = trust_proxy
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="request")

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        length = _length(scope)
        if length == 0:
            answer = await self._answer(scope, io.BytesIO(), 0)
        else:
            answer = await self._with_body(scope, receive, length)
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _with_body(self, scope: Message, receive: Receive, length: int | None) -> _Answer:
        small = length is not None and length <= _IN_MEMORY
        with io.BytesIO() if small else tempfile.SpooledTemporaryFile(_IN_MEMORY) as body:
            try:
                length = await _read_body(receive, body, length)
            except _GoneError:
                # Without an answer granian would give one of its own, 500, to a client that is still there.
                return _problem(HTTPStatus.BAD_REQUEST)
            except TimeoutError:
                return _problem(HTTPStatus.REQUEST_TIMEOUT)
            except _RefusedError as error:
                return _problem(error.status)
            body.seek(0)
            return await self._answer(scope, body, length)

    async def _answer(self, scope: Message, body: IO[bytes], length: int) -> _Answer:
        environ = _environ(scope, body, length)
        if self._trust_proxy:
            _believe_proxy(environ)
        if self._at_hand is not None and not length and self._at_hand(environ):
            return self._call(environ)
        # As `run_in_executor` does, with one future less.
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[_Answer] = loop.create_future()
        self._pool.submit(self._work, environ, loop, answered)
        return await answered

    def _work(
        self, environ: dict[str, Any], loop: asyncio.AbstractEventLoop, answered: asyncio.Future[_Answer]
    ) -> None:
        answer = None
        try:
            answer = self._call(environ)
        finally:
            # A loop that is closed has nobody left who waits.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_deliver, answered, answer)

    def _call(self, environ: dict[str, Any]) -> _Answer:
        try:
            return _run(self._app, environ)
        except Exception:
            log.exception("a request failed", method=environ["REQUEST_METHOD"])
            return _problem(HTTPStatus.INTERNAL_SERVER_ERROR)


def _deliver(answered: asyncio.Future[_Answer], answer: _Answer | None) -> None:
    if not answered.done():
        answered.set_result(answer or _problem(HTTPStatus.INTERNAL_SERVER_ERROR))


def _length(scope: Message) -> int | None:
    """Return how long the body will be, 0 without one, None if that isn't told beforehand."""
    length: int | None = 0
    for name, value in scope["headers"]:
        if name == b"transfer-encoding":
            return None
        if name == b"content-length":
            length = int(value) if value.isdigit() and len(value) <= _LONGEST_NUMBER else None
    return length


async def _read_body(receive: Receive, body: IO[bytes], length: int | None) -> int:
    """Read the whole body, of `length` if that is known, into `body` and return its length."""
    if length is not None and length > MAX_BODY:
        raise _RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    clock = asyncio.get_running_loop().time
    begun = clock()
    got = 0
    while True:
        async with asyncio.timeout_at(min(clock() + PAUSE_SECONDS, begun + WHOLE_SECONDS)):
            message = await receive()
        if message["type"] == "http.disconnect":
            raise _GoneError
        chunk = message.get("body", b"")
        got += len(chunk)
        if got > MAX_BODY:
            raise _RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        body.write(chunk)
        # What is whole needs no further message to say so: each one is a way through three threads.
        if not message.get("more_body", False) or got == length:
            return got


def _environ(scope: Message, body: IO[bytes], length: int) -> dict[str, Any]:
    """Return the WSGI environment. Nothing of this process's own environment is in it."""
    client, server = scope.get("client"), scope.get("server")
    path = scope.get("raw_path") or scope["path"].encode()
    path = path.partition(b"?")[0]
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": (unquote_to_bytes(path) if b"%" in path else path).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": str(server[0]) if server else "",
        "SERVER_PORT": str(server[1]) if server else "",
        "SERVER_SOFTWARE": "granian",
        "REMOTE_ADDR": str(client[0]) if client else "",
        "REMOTE_PORT": str(client[1]) if client else "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": body,
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        key = _variable(name)
        if not key:
            continue
        text = value.decode("latin-1")
        if key == "CONTENT_LENGTH":
            environ[key] = str(length)
        elif key in environ:
            separator = "; " if key == "HTTP_COOKIE" else ","
            environ[key] = f"{environ[key]}{separator}{text}"
        else:
            environ[key] = text
    if length:
        environ["CONTENT_LENGTH"] = str(length)
    return environ


@functools.lru_cache(256)
def _variable(name: bytes) -> str:
    """Return the variable of a header's name; "" for one that isn't handed on."""
    # A name with an underscore would look like the one with a hyphen, and could pass for what a proxy set.
    if b"_" in name or name == b"transfer-encoding":
        return ""
    key = name.decode("latin-1").upper().replace("-", "_")
    return key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"


def _believe_proxy(environ: dict[str, Any]) -> None:
    """Take the caller's address and the scheme from what the proxy added: the last entry, since a client may send others before it."""
    address = environ.get("HTTP_X_FORWARDED_FOR", "").rpartition(",")[2].strip()
    with contextlib.suppress(ValueError):
        environ["REMOTE_ADDR"] = str(ipaddress.ip_address(address))
    scheme = environ.get("HTTP_X_FORWARDED_PROTO", "").rpartition(",")[2].strip()
    if scheme in {"http", "https"}:
        environ["wsgi.url_scheme"] = scheme


def _run(app: Callable[..., Iterable[bytes]], environ: dict[str, Any]) -> _Answer:
    """Call the application and return its whole answer."""
    answer = _Answer()
    written: list[bytes] = []

    def start_response(
        status: str, headers: list[tuple[str, str]], exc_info: object = None
    ) -> Callable[[bytes], None]:
        del exc_info  # nothing has been sent yet: the new answer takes the place of the old one
        answer.status = int(status.partition(" ")[0])
        answer.headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers
        ]
        return written.append

    chunks = app(environ, start_response)
    try:
        written.extend(chunks)
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
    answer.body = b"".join(written)
    return answer


def _problem(status: HTTPStatus) -> _Answer:
    # In the form that programs expect of the API (RFC 9457): only the applications know which paths are its own.
    body = json.dumps({"type": "about:blank", "title": status.phrase, "status": status}).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    if status is not HTTPStatus.INTERNAL_SERVER_ERROR:
        # What is left of the body isn't another request.
        headers.append((b"connection", b"close"))
    return _Answer(status, headers, body)

"""The WSGI shell around the calendar server: health, request hygiene, bounded bodies.

What a client sends is made safe here once: headers that only a proxy may set, malformed credentials and lengths, bodies that are
too large or come in chunks. The application inside then never meets them.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import re
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Environ = dict[str, Any]
    StartResponse = Callable[..., Any]
    WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]

METHODS = frozenset(
    {
        "COPY",
        "DELETE",
        "GET",
        "HEAD",
        "MKCALENDAR",
        "MKCOL",
        "MOVE",
        "OPTIONS",
        "POST",
        "PROPFIND",
        "PROPPATCH",
        "PUT",
        "REPORT",
    }
)
# Radicale builds redirects and paths of these; a client must not be able to.
_PROXY_HEADERS = (
    "HTTP_X_SCRIPT_NAME",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PORT",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_FORWARDED_SERVER",
    "HTTP_X_REMOTE_ADDR",
    "HTTP_X_REMOTE_USER",
)
_CHUNK = 65_536
_log = structlog.get_logger()
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class _TooLargeError(Exception):
    pass


def _valid_credentials(header: str) -> bool:
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        decoded = base64.b64decode(token.strip().encode("ascii"), validate=True).decode("utf-8")
    except (UnicodeError, binascii.Error):
        return False
    name, colon, _ = decoded.partition(":")
    return bool(colon) and bool(name) and not _CONTROL.search(decoded)


class Shell:
    """Wraps `app`, and other applications at path prefixes `beside` it.

    `ready` tells whether it can do its work; bodies have at most `max_body` bytes.
    """

    def __init__(
        self,
        app: WsgiApp,
        *,
        ready: Callable[[], bool],
        max_body: int,
        trust_proxy: bool = False,
        beside: Mapping[str, WsgiApp] | None = None,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self.close = close
        """Ends what runs beside the requests, and closes the database; call it when no request is under way any more."""
        self._app = app
        self._beside = beside or {}
        self._ready = ready
        self._max_body = max_body
        self._trust_proxy = trust_proxy

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        try:
            return self._answer(environ, start_response)
        except Exception:  # noqa: BLE001 - the last resort: no request may end without an answer
            _log.exception("request failed", method=environ.get("REQUEST_METHOD"))
            return _plain(start_response, "500 Internal Server Error", "internal error")

    def _answer(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"] = str(environ.get("REQUEST_METHOD", "")).upper()
        path = environ.get("PATH_INFO", "")
        if path == "/healthz":
            return _plain(start_response, "200 OK", "ok")
        if path == "/readyz":
            if self._ready():
                return _plain(start_response, "200 OK", "ready")
            return _plain(start_response, "503 Service Unavailable", "not ready")
        if method not in METHODS:
            allowed = [("Allow", ", ".join(sorted(METHODS)))]
            return _plain(start_response, "405 Method Not Allowed", "method not allowed", allowed)
        self._clean_headers(environ)
        try:
            self._bound_body(environ)
        except _TooLargeError:
            return _plain(
                start_response, "413 Content Too Large", f"a body has at most {self._max_body} bytes"
            )
        except ValueError:
            return _plain(start_response, "400 Bad Request", "bad Content-Length")
        app = next((other for prefix, other in self._beside.items() if path.startswith(prefix)), self._app)
        return app(environ, start_response)

    def _clean_headers(self, environ: Environ) -> None:
        if not self._trust_proxy:
            for name in _PROXY_HEADERS:
                environ.pop(name, None)
        environ["SCRIPT_NAME"] = ""
        if "HTTP_AUTHORIZATION" in environ and not _valid_credentials(environ["HTTP_AUTHORIZATION"]):
            del environ["HTTP_AUTHORIZATION"]

    def _bound_body(self, environ: Environ) -> None:
        """Read the whole body, whether it comes with a length or in chunks."""
        source = environ["wsgi.input"]
        length = str(environ.get("CONTENT_LENGTH") or "")
        chunked = "chunked" in str(environ.get("HTTP_TRANSFER_ENCODING", "")).lower()
        if length and not (length.isascii() and length.isdecimal()):
            raise ValueError("Content-Length")
        if length and int(length) > self._max_body:
            raise _TooLargeError
        if not length and not chunked:
            environ["CONTENT_LENGTH"] = "0"
            environ["wsgi.input"] = io.BytesIO()
            return
        wanted = int(length) if length else self._max_body + 1
        parts: list[bytes] = []
        got = 0
        while got < wanted:
            part = source.read(min(_CHUNK, wanted - got))
            if not part:
                break
            parts.append(part)
            got += len(part)
        if got > self._max_body:
            raise _TooLargeError
        environ["CONTENT_LENGTH"] = str(got)
        environ["wsgi.input"] = io.BytesIO(b"".join(parts))


def _plain(
    start_response: StartResponse, status: str, text: str, headers: Iterable[tuple[str, str]] = ()
) -> list[bytes]:
    body = json.dumps({"status": text}).encode()
    start_response(
        status,
        [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            *headers,
        ],
    )
    return [body]

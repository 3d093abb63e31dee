"""Around every request: which resource it is for, what it brings along, and how its answer leaves (PEP 3333, RFC 9110, RFC 7617).

It takes the place of Radicale's own frame, whose logging, sanitising and looking up took six times as long as answering a client that polls.
What may be done where is `calendar_server.rights`', what is done `calendar_server.app`'s.
"""

from __future__ import annotations

import base64
import binascii
import posixpath
import re
import zlib
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from calendar_server import xmlbody

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from xml.etree.ElementTree import Element

    from calendar_server.accounts import Account

    Environ = dict[str, Any]

_WORTH_PACKING = 1_024
"""Bytes; below it a packed answer isn't quicker on any line."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_PHRASES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
_NOTHING_FOLLOWS = frozenset({204, 304})
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Response(NamedTuple):
    """An answer to be sent; Content-Length and the like are added when it leaves."""

    status: int
    headers: Mapping[str, str] = _NO_HEADERS
    body: bytes = b""


def told(status: int, message: str, headers: Mapping[str, str] = _NO_HEADERS) -> Response:
    """Return an answer that tells a developer in a sentence what happened."""
    return Response(status, {"Content-Type": "text/plain; charset=utf-8", **headers}, message.encode())


BAD_REQUEST = told(400, "The request can't be understood.")
NOT_ALLOWED = told(403, "The account may not do this here.")
FORBIDDEN = told(403, "This kind of resource doesn't allow it.")
NOT_FOUND = told(404, "There is nothing here.")
METHOD_NOT_ALLOWED = told(405, "The method isn't allowed here.")
CONFLICT = told(409, "The collection that should hold it isn't there.")
PRECONDITION_FAILED = told(412, "A precondition of the request doesn't hold.")


@dataclass(frozen=True, slots=True)
class Request:
    """A request of `account`, None if nobody logged in.

    `prefix` is where a proxy has put this server ("" or "/…"), `path` is below it, begins with a slash, and has no empty, "." or ".." segments; a
    slash at its end is kept.
    """

    environ: Environ
    prefix: str
    path: str
    account: Account | None

    @property
    def user(self) -> str:
        """The account's name, "" for nobody."""
        return "" if self.account is None else self.account.name

    @property
    def name(self) -> str:
        """The path without slashes at its ends, as collections are named."""
        return self.path.strip("/")

    def header(self, name: str, default: str = "") -> str:
        """Return a header by its name in the environment ("IF_MATCH")."""
        value: str = self.environ.get(f"HTTP_{name}", default)
        return value

    def body(self) -> bytes:
        """Return the whole body, however often it is asked for."""
        stream = self.environ["wsgi.input"]
        stream.seek(0)
        data: bytes = stream.read()
        return data

    def xml(self) -> Element | None:
        """Return the body's root element, None for an empty body. Raises `xmlbody.BadXmlError`."""
        return xmlbody.parse(self.body())


def path_of(text: str) -> str | None:
    """Return a decoded path in the form of `Request.path`; None if it holds control characters, which no name has."""
    if _CONTROL.search(text):
        return None
    end = "/" if text.endswith("/") else ""
    parts = text.strip("/").split("/")
    if "" in parts or "." in parts or ".." in parts:
        parts = posixpath.normpath("/" + text).strip("/").split("/")
    joined = "/".join(parts)
    return f"/{joined}{end}" if joined else "/"


def place_of(environ: Environ) -> tuple[str, str] | None:
    """Return the prefix and the path of a request (`Request`); None for a path that isn't UTF-8 or holds control characters.

    Only a proxy that is trusted can tell a prefix: `calendar_server.shell` takes it away from everybody else.
    """
    try:
        text = environ.get("PATH_INFO", "").encode("latin-1").decode()
    except UnicodeError:
        return None
    prefix = environ.get("HTTP_X_SCRIPT_NAME", "").rstrip("/")
    if prefix and not prefix.startswith("/"):
        return None
    if prefix and f"{text}/".startswith(f"{prefix}/"):
        # Some proxies take the prefix off the path, and others don't.
        text = text[len(prefix) :]
    path = path_of(text)
    return None if path is None else (prefix, path)


def credentials(environ: Environ) -> tuple[str, str] | None:
    """Return the name and the password of a request, None without any that can be read."""
    scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, password = base64.b64decode(token.strip()).decode().partition(":")
    except (UnicodeError, binascii.Error):
        return None
    return (name, password) if name else None


def _takes_gzip(accepted: str) -> bool:
    """Tell whether Accept-Encoding names gzip, and doesn't refuse it (RFC 9110 section 12.5.3)."""
    for entry in accepted.lower().split(","):
        coding, _, weight = entry.partition(";")
        if coding.strip() == "gzip":
            return not re.fullmatch(r"\s*q\s*=\s*0(\.0*)?\s*", weight)
    return False


def send(environ: Environ, start_response: Callable[..., Any], answer: Response) -> list[bytes]:
    """Send an answer, packed where that's worth it and the client takes it."""
    status, given, body = answer
    headers = list(given.items())
    if len(body) >= _WORTH_PACKING and _takes_gzip(environ.get("HTTP_ACCEPT_ENCODING", "")):
        # The least effort packs XML to a tenth; more costs several times as long for some percent.
        packer = zlib.compressobj(1, wbits=16 + zlib.MAX_WBITS)
        body = packer.compress(body) + packer.flush()
        headers += [("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")]
    if status not in _NOTHING_FOLLOWS:
        headers.append(("Content-Length", str(len(body))))
    start_response(_PHRASES[status], headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

"""Finished answers to `GET /api/v1/offers`, given again as they are for as long as nothing in them can have changed.

A month of an office is asked for by many, word for word, and hardly ever changes between two of them. What such an answer depends on is
the office's busy feed and the release rules; the feed counts its changes, and the rules turn at whole minutes or when the first
start comes nearer than the minimum notice. So an answer stands for the same feed within the same minute (`Basis`). The feed must be
fresh besides, as it must for an answer that is computed; where it isn't, the framework takes the request and asks the calendar.

Only what everybody gets is kept: a request with a key goes to the framework, which checks the key.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from werkzeug.http import parse_etags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from booking_web.booking.availability import DayOffer, OfficeFeed

    Environ = dict[str, Any]
    Headers = list[tuple[str, str]]
    App = Callable[..., Iterable[bytes]]

PATH = "/api/v1/offers"
_BASIS = "termin.offers.basis"
_FOUND = "termin.offers.found"
_MOST = 1_000
_MOST_BYTES = 20_000_000
_MINUTE = timedelta(minutes=1)
_INSTANT = timedelta(microseconds=1)
# A 304 has no content, and its headers don't describe one (RFC 9110 section 15.4.5).
_OF_CONTENT = frozenset({"content-length", "content-type"})


@dataclass(frozen=True, slots=True)
class Basis:
    """What an answer was made of. It stands in [since, before) while the feed is at this version."""

    feed: OfficeFeed
    version: int
    since: datetime
    before: datetime

    @staticmethod
    def of(feed: OfficeFeed, version: int, now: datetime, notice: timedelta, found: list[DayOffer]) -> Basis:
        """Return the basis of what was `found` at `now` (aware); `version` is the feed's from before it was searched."""
        before = now.replace(second=0, microsecond=0) + _MINUTE
        if found:
            before = min(before, found[0].starts[0] - notice + _INSTANT)
        return Basis(feed, version, now, before)

    def stands(self, now: datetime, max_age: float) -> bool:
        """True if the same would be found at `now` (aware) with a feed that is at most `max_age` seconds old."""
        return (
            self.feed.version == self.version and self.since <= now < self.before and self.feed.age <= max_age
        )


@dataclass(frozen=True, slots=True)
class _Kept:
    basis: Basis
    headers: Headers
    etag: str
    body: bytes


def keep(environ: Environ, basis: Basis) -> None:
    """Say that the answer to this request may be given to others on this basis."""
    environ[_BASIS] = basis


class KeptOffers:
    """A WSGI application around `app` that answers again what it has answered. `now` returns the time, aware.

    At most `_MOST` answers are kept, that together with their queries take `_MOST_BYTES`; the oldest go first.
    """

    def __init__(self, app: App, now: Callable[[], datetime], max_age: float) -> None:
        self._app = app
        self._now = now
        self._max_age = max_age
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def at_hand(self, environ: Environ) -> bool:
        """True if the answer is there; the call with this `environ` then gives it without waiting for anything."""
        if (
            environ["PATH_INFO"] != PATH
            or environ["REQUEST_METHOD"] != "GET"
            or "HTTP_AUTHORIZATION" in environ
        ):
            return False
        kept = self._kept.get(_key(environ))
        if kept is None or not kept.basis.stands(self._now(), self._max_age):
            return False
        environ[_FOUND] = kept
        return True

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        kept: _Kept | None = environ.get(_FOUND)
        if kept is not None or self.at_hand(environ):
            return _given(kept or environ[_FOUND], environ, start_response)
        if environ["PATH_INFO"] != PATH:
            return self._app(environ, start_response)
        return self._made(environ, start_response)

    def _made(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Let the framework answer, and keep the answer if the view said that it may be kept."""
        told: list[tuple[str, Headers]] = []

        def start(status: str, headers: Headers, exc_info: Any = None) -> Any:
            told.append((status, headers))
            return start_response(status, headers, exc_info)

        chunks = self._app(environ, start)
        basis: Basis | None = environ.get(_BASIS)
        status, headers = told[-1] if told else ("", [])
        if basis is None or not status.startswith("200 ") or environ["REQUEST_METHOD"] != "GET":
            return chunks
        try:
            body = b"".join(chunks)
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()
        self._keep(_key(environ), _Kept(basis, headers, dict(headers).get("ETag", ""), body))
        return [body]

    def _keep(self, key: tuple[str, str], kept: _Kept) -> None:
        with self._lock:
            self._drop(key)
            self._kept[key] = kept
            self._bytes += _size(key, kept)
            while len(self._kept) > _MOST or self._bytes > _MOST_BYTES:
                self._drop(next(iter(self._kept)))

    def _drop(self, key: tuple[str, str]) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._bytes -= _size(key, kept)


def _key(environ: Environ) -> tuple[str, str]:
    """By https the answer has a header more."""
    return environ["wsgi.url_scheme"], environ["QUERY_STRING"]


def _size(key: tuple[str, str], kept: _Kept) -> int:
    # Whoever asks chooses how long her query is.
    return len(key[1]) + len(kept.body)


def _given(kept: _Kept, environ: Environ, start_response: Callable[..., Any]) -> list[bytes]:
    asked = environ.get("HTTP_IF_NONE_MATCH")
    if asked is not None and kept.etag and parse_etags(asked).contains_weak(kept.etag.strip('"')):
        start_response(
            "304 Not Modified", [each for each in kept.headers if each[0].lower() not in _OF_CONTENT]
        )
        return []
    start_response("200 OK", list(kept.headers))
    return [kept.body]

"""A WSGI middleware that remembers what clients asked and what they were answered."""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import WSGIApplication, WSGIEnvironment


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request with its answer; bodies as text."""

    method: str
    path: str
    account: bool
    """Whether it carried credentials."""
    body: str
    status: int
    answer: str


class Recorder:
    """Wraps a WSGI application; `exchanges` grows in the order of the answers."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        self._lock = threading.Lock()

    def around(self, app: WSGIApplication) -> WSGIApplication:
        """Return an application that does the same and is remembered."""

        def recorded(environ: WSGIEnvironment, start_response: Callable[..., Any]) -> Iterable[bytes]:
            status = 0

            def remember(line: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
                nonlocal status
                status = int(line.split(" ", 1)[0])
                return start_response(line, headers, *rest)

            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = io.BytesIO(body)
            environ.pop("HTTP_ACCEPT_ENCODING", None)
            method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
            answer = b"".join(app(environ, remember))
            exchange = Exchange(
                method,
                path,
                "HTTP_AUTHORIZATION" in environ,
                body.decode(errors="replace"),
                status,
                answer.decode(errors="replace"),
            )
            with self._lock:
                self.exchanges.append(exchange)
            return [answer]

        return recorded

    def since(self, mark: int, method: str) -> list[Exchange]:
        """Return the exchanges of a method after the first `mark` ones."""
        with self._lock:
            return [exchange for exchange in self.exchanges[mark:] if exchange.method == method]

    @property
    def mark(self) -> int:
        """How many there are by now."""
        with self._lock:
            return len(self.exchanges)

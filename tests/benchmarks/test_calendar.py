"""The comparison of calendar servers: its client, and how the servers take turns."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from benchmarks.calendar.__main__ import Run
from benchmarks.calendar.asking import ask, request_of
from benchmarks.calendar.operations import WrongAnswerError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REQUEST = request_of("REPORT", "/a/", {"Host": "a"}, b"<x/>")


@contextmanager
def answering(*pieces: bytes, ends: bool = False) -> Iterator[int]:
    """A port where one request is answered piece by piece; who reads on waits, unless the server `ends` it."""
    done = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            asked = b""
            while len(asked) < len(REQUEST):
                asked += connection.recv(65_536)
            for piece in pieces:
                connection.sendall(piece)
                done.wait(0.01)
            if not ends:
                done.wait(20)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        done.set()
        thread.join()


def test_a_request_is_as_http_wants_it() -> None:
    assert REQUEST == b"REPORT /a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n<x/>"
    assert request_of("GET", "/", {}, b"") == b"GET / HTTP/1.1\r\n\r\n"


@pytest.mark.parametrize(
    "pieces",
    [
        (b"HTTP/1.1 207 Multi-Status\r\ncontent-length: 5\r\n\r\nabcde",),
        (b"HTTP/1.0 207 Multi", b"-Status\r\nContent-Length: 5\r\nX: y\r\n\r", b"\nab", b"cde"),
        (b"HTTP/1.1 207 M\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3;x=y\r\ncde\r\n0\r\n\r\n",),
        (b"HTTP/1.1 207 M\r\ntransfer-encoding: chunked\r\n\r\n", b"5\r\nabc", b"de\r\n0\r", b"\n\r", b"\n"),
    ],
)
def test_an_answer_is_read_to_its_end_and_no_further(pieces: tuple[bytes, ...]) -> None:
    with answering(*pieces) as port:
        answer = ask(port, REQUEST)
    assert (answer.status, answer.body) == (207, b"abcde")
    assert answer.seconds > 0


def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    with answering(b"HTTP/1.0 200 OK\r\n\r\nab", b"cde", ends=True) as port:
        assert ask(port, REQUEST).body == b"abcde"


def test_an_answer_that_has_no_body_has_none() -> None:
    with answering(b"HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n") as port:
        assert ask(port, REQUEST)[:2] == (204, b"")


@pytest.mark.parametrize(
    "begun",
    [
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
    ],
)
def test_an_answer_that_breaks_off_is_none(begun: bytes) -> None:
    with answering(begun, ends=True) as port, pytest.raises(ConnectionError):
        ask(port, REQUEST)


def _run(tmp_path: Path, *, rounds: int = 2, burst: int = 3, budget: float = 3.0) -> Run:
    return Run(tmp_path / "result.json", rounds, burst, budget, "")


def test_each_turn_begins_with_a_request_that_does_not_count(tmp_path: Path) -> None:
    asked: list[str] = []

    def request(name: str) -> float:
        asked.append(name)
        return asked.count(name) / 1000

    times = _run(tmp_path).measure({name: lambda name=name: request(name) for name in ("a", "b")})
    assert asked == [*"aaaa", *"bbbb"] * 2
    assert times["a"] == times["b"] == [each / 1000 for each in (2, 3, 4, 6, 7, 8)]


def test_who_has_used_up_its_seconds_stops(tmp_path: Path) -> None:
    asked = {"slow": 0, "slower": 0, "slowest": 0}

    def request(name: str, seconds: float) -> float:
        asked[name] += 1
        return seconds

    times = _run(tmp_path).measure(
        {
            "slow": lambda: request("slow", 1.1),
            "slower": lambda: request("slower", 5.0),
            "slowest": lambda: request("slowest", 7.0),
        }
    )
    assert times == {"slow": [1.1] * 3, "slower": [5.0], "slowest": [7.0]}
    # What took longer than twice the budget counts, though it was the first.
    assert asked == {"slow": 4, "slower": 2, "slowest": 1}


def test_a_wrong_answer_is_told_and_not_asked_for_again(tmp_path: Path) -> None:
    def wrong() -> float:
        raise WrongAnswerError("404")

    assert _run(tmp_path).measure({"a": wrong, "b": lambda: 0.5}) == {"a": "404", "b": [0.5] * 6}

from __future__ import annotations

import asyncio
import io
import json
import threading
from typing import TYPE_CHECKING, Any
from wsgiref.validate import validator

import pytest

from config.processes import gateway
from config.processes.gateway import Gateway

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    App = Callable[..., Iterable[bytes]]

SCOPE: dict[str, Any] = {
    "type": "http",
    "http_version": "1.1",
    "method": "POST",
    "scheme": "http",
    "path": "/",
    "raw_path": b"/",
    "query_string": b"",
    "headers": [],
    "client": ("127.0.0.1", 40000),
    "server": ("127.0.0.1", 8000),
}


class Client:
    """The server's side of ASGI: hands out the body's chunks and keeps the answer."""

    def __init__(self, *chunks: bytes | None) -> None:
        """None stands for a client that goes away; after the last chunk nothing comes any more."""
        self.chunks = list(chunks)
        self.sent: list[dict[str, Any]] = []

    async def receive(self) -> dict[str, Any]:
        if not self.chunks:
            await asyncio.sleep(3600)
        chunk = self.chunks.pop(0)
        if chunk is None:
            return {"type": "http.disconnect"}
        more = not chunk.endswith(b"$")
        return {"type": "http.request", "body": chunk.removesuffix(b"$"), "more_body": more}

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        return self.sent[0]["status"]

    @property
    def body(self) -> bytes:
        return self.sent[1]["body"]


def ask(app: App, *chunks: bytes | None, trust_proxy: bool = False, **scope: Any) -> Client:
    client = Client(*(chunks or (b"$",)))
    gate = Gateway(app, threads=2, trust_proxy=trust_proxy)
    asyncio.run(gate({**SCOPE, **scope}, client.receive, client.send))
    return client


def seen(**scope: Any) -> dict[str, Any]:
    """The environment that an application gets."""
    found: dict[str, Any] = {}

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        found.update(environ)
        start_response("204 No Content", [])
        return []

    ask(app, **scope)
    return found


def echo(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def test_what_it_does_is_wsgi() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        environ["wsgi.input"].read(10)
        return [b"good"]

    answer = ask(validator(app), b"abc$", headers=[(b"host", b"x"), (b"content-length", b"3")])
    assert (answer.status, answer.body) == (200, b"good")


def test_a_body_in_pieces_arrives_whole_with_its_length() -> None:
    answer = ask(echo, b"ab", b"c" * 100_000, b"d$", headers=[(b"transfer-encoding", b"chunked")])
    assert answer.body == b"ab" + b"c" * 100_000 + b"d"
    assert (b"content-length", b"100003") in answer.sent[0]["headers"]


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/a%C3%A4b", "/aÃ¤b"),
        (b"/%FF", "/\xff"),
        (b"/a%2Fb%20c?x", "/a/b c"),
        (b"*", "*"),
    ],
)
def test_a_path_is_its_bytes_as_latin_1(raw: bytes, path: str) -> None:
    assert seen(raw_path=raw)["PATH_INFO"] == path


def test_headers_become_variables_and_none_can_pass_for_another() -> None:
    environ = seen(
        headers=[
            (b"accept", b"a"),
            (b"accept", b"b"),
            (b"cookie", b"a=1"),
            (b"cookie", b"b=2"),
            (b"x_real_ip", b"forged"),
            (b"content-type", b"text/x"),
            (b"x-name", b"\xe4"),
        ]
    )
    assert environ["HTTP_ACCEPT"] == "a,b"
    assert environ["HTTP_COOKIE"] == "a=1; b=2"
    assert "HTTP_X_REAL_IP" not in environ
    assert environ["CONTENT_TYPE"] == "text/x"
    assert environ["HTTP_X_NAME"] == "ä"


def test_the_environment_of_the_process_stays_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERMIN_SMTP_PASSWORD", "secret")
    assert "secret" not in map(str, seen().values())


FORWARDED = [(b"x-forwarded-for", b"6.6.6.6, 192.0.2.7"), (b"x-forwarded-proto", b"https")]


@pytest.mark.parametrize(
    ("trust", "headers", "address", "scheme"),
    [
        (True, FORWARDED, "192.0.2.7", "https"),
        (False, FORWARDED, "127.0.0.1", "http"),
        (True, [], "127.0.0.1", "http"),
        (True, [(b"x-forwarded-for", b"<x>"), (b"x-forwarded-proto", b"gopher")], "127.0.0.1", "http"),
        (True, [(b"x-forwarded-for", b"2001:DB8::1")], "2001:db8::1", "http"),
    ],
)
def test_a_proxy_is_believed_only_if_told_to(*, trust: bool, headers: Any, address: str, scheme: str) -> None:
    environ = seen(trust_proxy=trust, headers=headers)
    assert (environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]) == (address, scheme)


@pytest.mark.parametrize(
    ("headers", "chunks"),
    [
        ([(b"content-length", b"10000001")], (b"x",)),
        ([(b"transfer-encoding", b"chunked")], (b"x" * 6_000_000, b"x" * 6_000_000, b"$")),
    ],
)
def test_too_large_a_body_is_refused(headers: Any, chunks: tuple[bytes, ...]) -> None:
    answer = ask(echo, *chunks, headers=headers)
    assert answer.status == 413
    assert (b"connection", b"close") in answer.sent[0]["headers"]
    assert (b"content-type", b"application/problem+json") in answer.sent[0]["headers"]
    assert json.loads(answer.body)["status"] == 413


@pytest.mark.parametrize("pieces", [(b"abcd",), (b"a", b"bcd"), (b"x" * 70_000, b"y" * 70_000)])
def test_a_body_of_known_length_is_whole_without_a_further_message(
    monkeypatch: pytest.MonkeyPatch, pieces: tuple[bytes, ...]
) -> None:
    monkeypatch.setattr(gateway, "PAUSE_SECONDS", 1.0)
    length = b"%d" % sum(map(len, pieces))
    answer = ask(echo, *pieces, headers=[(b"content-length", length)])
    assert (answer.status, answer.body) == (200, b"".join(pieces))


def test_nothing_is_waited_for_where_nothing_comes() -> None:
    client = Client()
    scope = {**SCOPE, "headers": [(b"content-length", b"0")]}
    asyncio.run(asyncio.wait_for(Gateway(echo, threads=1)(scope, client.receive, client.send), 20))
    assert (client.status, client.body) == (200, b"")


@pytest.mark.parametrize("limit", ["PAUSE_SECONDS", "WHOLE_SECONDS"])
def test_a_body_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(gateway, limit, 0.05)
    assert ask(echo, b"x", headers=[(b"content-length", b"2")]).status == 408


def test_a_client_that_goes_away_bothers_no_thread() -> None:
    called = []

    def app(_environ: dict[str, Any], start_response: Any) -> list[bytes]:
        called.append(1)
        return echo(_environ, start_response)

    # What never came to an end may as well be chunks that are none, from a client that waits for an answer.
    assert ask(app, b"x", None, headers=[(b"content-length", b"2")]).sent[0]["status"] == 400
    assert called == []


def test_slow_bodies_keep_nobody_waiting() -> None:
    async def both() -> tuple[Client, list[asyncio.Task[None]]]:
        site = Gateway(echo, threads=1)
        slow = [Client(b"x") for _ in range(50)]
        scope = {**SCOPE, "headers": [(b"content-length", b"2")]}
        tasks = [asyncio.create_task(site(scope, client.receive, client.send)) for client in slow]
        await asyncio.sleep(0)
        quick = Client()
        await asyncio.wait_for(site(SCOPE, quick.receive, quick.send), 20)
        for task in tasks:
            task.cancel()
        return quick, tasks

    quick, _ = asyncio.run(both())
    assert quick.status == 200


def test_requests_are_answered_side_by_side() -> None:
    meeting = threading.Barrier(2, timeout=20)

    def app(_environ: dict[str, Any], start_response: Any) -> list[bytes]:
        meeting.wait()
        start_response("204 No Content", [])
        return []

    async def both() -> list[Client]:
        site = Gateway(app, threads=2)
        clients = [Client(), Client()]
        await asyncio.gather(*(site(SCOPE, client.receive, client.send) for client in clients))
        return clients

    assert [client.status for client in asyncio.run(both())] == [204, 204]


def test_an_application_that_fails_is_a_500_without_details(capfd: pytest.CaptureFixture[str]) -> None:
    def app(_environ: dict[str, Any], _start_response: Any) -> list[bytes]:
        raise ValueError("personal data")

    answer = ask(app)
    told = {"type": "about:blank", "title": "Internal Server Error", "status": 500}
    assert (answer.status, json.loads(answer.body)) == (500, told)
    capfd.readouterr()


def test_a_thread_that_an_application_ends_leaves_an_answer() -> None:
    def app(_environ: dict[str, Any], _start_response: Any) -> list[bytes]:
        raise SystemExit

    assert ask(app).status == 500


def test_an_iterator_is_used_up_and_closed_and_write_comes_first() -> None:
    class Chunks(io.BytesIO):
        pass

    chunks = Chunks(b"one\ntwo")

    def app(_environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        write = start_response("200 OK", [])
        write(b"zero\n")
        return chunks

    assert ask(app).body == b"zero\none\ntwo"
    assert chunks.closed


def test_what_is_at_hand_needs_no_thread() -> None:
    async def scenario() -> None:
        threads: list[str] = []

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            threads.append(threading.current_thread().name)
            start_response("200 OK", [])
            return [environ["PATH_INFO"].encode()]

        site = Gateway(app, threads=1, at_hand=lambda environ: environ["PATH_INFO"] == "/kept")
        for path in (b"/kept", b"/other"):
            client = Client(b"$")
            await site({**SCOPE, "method": "GET", "raw_path": path}, client.receive, client.send)
            assert client.body == path
        body = Client(b"x$")
        headers = [(b"content-length", b"1")]
        await site({**SCOPE, "raw_path": b"/kept", "headers": headers}, body.receive, body.send)
        assert threads[0] == threading.current_thread().name
        assert threads[1].startswith("request")
        assert threads[2].startswith("request")

    asyncio.run(scenario())


def test_what_fails_at_hand_is_an_answer_as_well() -> None:
    def app(_environ: dict[str, Any], _start_response: Any) -> list[bytes]:
        raise RuntimeError

    async def scenario() -> None:
        client = Client(b"$")
        site = Gateway(app, threads=1, at_hand=lambda _environ: True)
        await site({**SCOPE, "method": "GET"}, client.receive, client.send)
        assert client.status == 500

    asyncio.run(scenario())

"""Clients that send slowly, or nothing, or go away: nobody else waits for them."""

from __future__ import annotations

import contextlib
import time
from contextlib import ExitStack

import pytest

from tests.hostile.raw import authorization, connect, read_answer, request
from tests.hostile.texts import event

MANY = 60
"""Many times the server's threads."""
PROPFIND = b'<D:propfind xmlns:D="DAV:"><D:prop><D:displayname/></D:prop></D:propfind>'
HEAD = f"PUT /clerk1/calendar/slow.ics HTTP/1.1\r\nHost: a\r\nAuthorization: {authorization('clerk1')}\r\n".encode()
BEGUN = {
    "idle": b"",
    "one byte": b"G",
    "half a head": HEAD,
    "no body": HEAD + b"Content-Length: 100000\r\n\r\n",
    "half a body": HEAD + b"Content-Length: 100000\r\n\r\nBEGIN:VCALENDAR",
    "half a chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nffff\r\nBEGIN",
    "a body without credentials": b"PUT /clerk1/calendar/x.ics HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nBEGIN",
}


@pytest.mark.parametrize("begun", BEGUN.values(), ids=BEGUN)
def test_nobody_waits_for_those_who_send_slowly(url, begun):
    with ExitStack() as stack:
        for _ in range(MANY):
            connection = stack.enter_context(connect(url))
            connection.sendall(begun)
        for _ in range(3):
            answer = request(url, "PROPFIND", "/clerk1/calendar/", PROPFIND, headers={"Depth": "0"})
            assert answer.status == 207


def test_a_body_that_comes_byte_by_byte_arrives(url):
    text = event("slow@hostile", "DTSTART:20270106T100000Z", "DTEND:20270106T110000Z")
    with connect(url) as connection:
        connection.sendall(HEAD + f"Connection: close\r\nContent-Length: {len(text)}\r\n\r\n".encode())
        for at in range(0, len(text), 20):
            connection.sendall(text[at : at + 20])
            time.sleep(0.01)
        assert read_answer(connection).status in {201, 204}


def test_who_does_not_read_its_answer_holds_nobody_up(url):
    """Answers that nobody fetches fill the sockets' buffers; who writes them must not wait for that."""
    long = event(
        "long@hostile", "DTSTART:20261207T100000Z", "DTEND:20261207T110000Z", "DESCRIPTION:" + "x" * 900_000
    )
    assert request(url, "PUT", "/clerk1/calendar/long.ics", long).status in {201, 204}
    get = f"GET /clerk1/calendar/long.ics HTTP/1.1\r\nHost: a\r\nAuthorization: {authorization('clerk1')}\r\n\r\n".encode()
    with ExitStack() as stack:
        for _ in range(MANY):
            connection = stack.enter_context(connect(url))
            connection.sendall(get)
        for _ in range(3):
            answer = request(url, "PROPFIND", "/clerk1/calendar/", PROPFIND, headers={"Depth": "0"})
            assert answer.status == 207


def test_who_goes_away_leaves_nothing_behind(url):
    text = event("gone@hostile", "DTSTART:20270106T100000Z", "DTEND:20270106T110000Z")
    for at in range(0, len(text) - 1, 25):
        with connect(url) as connection, contextlib.suppress(ConnectionError):
            head = HEAD.replace(b"slow.ics", b"gone.ics") + f"Content-Length: {len(text)}\r\n\r\n".encode()
            connection.sendall(head + text[:at])
    assert request(url, "GET", "/clerk1/calendar/gone.ics").status == 404


def test_one_connection_serves_many_requests(url):
    ask = f"GET /healthz HTTP/1.1\r\nHost: a\r\nAuthorization: {authorization('clerk1')}\r\n\r\n".encode()
    with connect(url) as connection:
        for _ in range(100):
            connection.sendall(ask)
            assert read_answer(connection).status == 200


def test_one_connection_serves_many_requests_with_bodies(url):
    """Each body ends where its length says, wherever a packet ends."""
    head = f"PROPFIND /clerk1/calendar/ HTTP/1.1\r\nHost: a\r\nAuthorization: {authorization('clerk1')}\r\nDepth: 0\r\n"
    with connect(url) as connection:
        for number in range(40):
            body = PROPFIND + b" " * (number * 3_000)
            ask = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
            at = len(ask) * number // 40
            connection.sendall(ask[:at])
            time.sleep(0.002)
            connection.sendall(ask[at:])
            assert read_answer(connection).status == 207


def test_requests_one_after_another_without_waiting(url):
    ask = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
    last = b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    with connect(url) as connection:
        connection.sendall(ask * 50 + last)
        data = b""
        with contextlib.suppress(ConnectionError):
            while part := connection.recv(65_536):
                data += part
    assert data.count(b"HTTP/1.1 200") == 51

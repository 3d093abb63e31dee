from __future__ import annotations

import socket

import pytest

from tests.architecture import network


@pytest.fixture
def expected() -> list[str]:
    return network.attempts


def test_a_connection_beyond_loopback_is_refused_and_noted(expected: list[str]) -> None:
    with socket.socket() as client, pytest.raises(network.BeyondLoopbackError):
        client.connect(("192.0.2.1", 80))
    assert expected == ["socket.connect 192.0.2.1"]
    expected.clear()


def test_a_datagram_beyond_loopback_is_refused(expected: list[str]) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
        pytest.raises(network.BeyondLoopbackError),
    ):
        client.sendto(b"x", ("192.0.2.1", 9))
    expected.clear()


def test_a_name_is_not_looked_up(expected: list[str]) -> None:
    with pytest.raises(network.BeyondLoopbackError):
        socket.create_connection(("mail.example", 25), timeout=1)
    expected.clear()


def test_loopback_is_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        for host in ("127.0.0.1", "localhost"):
            socket.create_connection((host, server.getsockname()[1])).close()


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.8.9.1", b"127.0.0.1", "::1", "localhost", None, "0.0.0.0"]
)
def test_this_machine(host: object) -> None:
    assert network.is_local(host)


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "fe80::1%eth0", "example.org", b"example.org", "169.254.169.254"]
)
def test_other_machines(host: object) -> None:
    assert not network.is_local(host)

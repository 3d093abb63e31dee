from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.architecture import network

if TYPE_CHECKING:
    from collections.abc import Iterator

network.install()


@pytest.fixture(autouse=True)
def no_network_beyond_loopback() -> Iterator[None]:
    network.attempts.clear()
    yield
    assert network.attempts == []

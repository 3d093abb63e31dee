from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.architecture import network

if TYPE_CHECKING:
    from collections.abc import Iterator

network.install()
# How fast the machine is isn't what a test is about.
settings.register_profile("termin", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("termin")


@pytest.fixture(autouse=True)
def no_network_beyond_loopback() -> Iterator[None]:
    network.attempts.clear()
    yield
    assert network.attempts == []

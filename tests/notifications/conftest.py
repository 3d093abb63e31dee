"""The worker's tests run on both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.notifications.world import World
from tests.notifications.world import world as make_world
from tests.support.databases import fresh_postgresql, fresh_sqlite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["sqlite", "postgresql"])
def any_world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """Where the databases differ: storing, locking, claiming."""
    if request.param == "sqlite":
        urls = (fresh_sqlite(tmp_path), f"sqlite:///{tmp_path / 'worker.sqlite'}")
    else:
        urls = (fresh_postgresql(),) * 2
    with make_world(*urls, tmp_path) as made:
        yield made


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Where the database doesn't matter."""
    with make_world(fresh_sqlite(tmp_path), f"sqlite:///{tmp_path / 'worker.sqlite'}", tmp_path) as made:
        yield made

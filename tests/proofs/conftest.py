from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.databases import fresh_postgresql, fresh_sqlite

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return fresh_sqlite(tmp_path) if request.param == "sqlite" else fresh_postgresql()

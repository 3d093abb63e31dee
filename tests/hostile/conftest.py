"""One server for all hostile tests, in processes of its own as in production: what one test does to it, the next one feels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.hostile.raw import request
from tests.proofs.processes import running
from tests.support.databases import fresh_sqlite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.proofs.processes import Process

PROPFIND = b'<D:propfind xmlns:D="DAV:"><D:prop><D:displayname/></D:prop></D:propfind>'


@pytest.fixture(scope="session")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with running(fresh_sqlite(Path(tmp_path_factory.mktemp("hostile")))) as servers:
        yield servers.processes[0]


@pytest.fixture
def url(process: Process) -> Iterator[str]:
    """The server's address; afterwards it must still be the same process, and do its work."""
    before = process.workers()
    yield process.url
    answer = request(process.url, "PROPFIND", "/clerk1/calendar/", PROPFIND, headers={"Depth": "0"})
    assert answer.status == 207
    assert process.workers() == before

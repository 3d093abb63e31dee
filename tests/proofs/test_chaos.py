"""Servers are killed while eight clients work: what was answered holds, what wasn't leaves no trace or a whole one (long form: `make proofs`)."""

from __future__ import annotations

from collections import Counter

from tests.proofs.chaos import chaos
from tests.proofs.history import Kind, Result, write
from tests.proofs.judging import judge
from tests.proofs.processes import running

SECONDS = 6.0
SEED = 41


def test_what_was_answered_holds_whatever_is_killed(database_url, tmp_path):
    count = 1 if database_url.startswith("sqlite") else 2
    with running(database_url, count) as servers:
        operations, kills = chaos(servers, SECONDS, SEED, kills=2, operations=60)
        write(tmp_path / "history.json", SEED, operations)
        found = judge(servers.database_url, servers.began, operations)
    assert found == [], f"seed {SEED}, history in {tmp_path}"
    assert kills > 0
    heard = Counter(operation.kind for operation in operations if operation.result is Result.DONE)
    assert heard[Kind.BOOK] > 0

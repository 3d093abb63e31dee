"""Eight clients, the last places of each slot: nobody gets a place twice, nobody is refused without reason (long form: `make proofs`)."""

from __future__ import annotations

from collections import Counter

from tests.proofs.history import Kind, Result
from tests.proofs.judging import judge
from tests.proofs.processes import running
from tests.proofs.race import race

SLOTS = 20
SEED = 20261207


def test_nobody_gets_a_place_twice(database_url):
    # On PostgreSQL the clients are spread over two server processes.
    count = 1 if database_url.startswith("sqlite") else 2
    with running(database_url, count) as servers:
        operations = race(servers, SLOTS, SEED)
        assert judge(servers.database_url, servers.began, operations) == []
    heard = Counter((operation.kind, operation.result) for operation in operations)
    # They did get in each other's way, in every way there is.
    for kind in (Kind.BOOK, Kind.HOLD, Kind.TRANSFER):
        assert heard[kind, Result.DONE] > 0
        assert heard[kind, Result.REFUSED] > 0
    assert heard[Kind.CONFIRM, Result.DONE] == heard[Kind.HOLD, Result.DONE]

"""The checker finds broken servers out: otherwise its silence about ours would mean nothing."""

from __future__ import annotations

import pytest

from tests.proofs.chaos import chaos
from tests.proofs.clients import Client, together
from tests.proofs.judging import judge
from tests.proofs.office import slots
from tests.proofs.processes import running
from tests.proofs.race import race
from tests.support.databases import fresh_sqlite


@pytest.mark.parametrize("variant", ["check-outside", "no-overlap-rule"])
def test_a_race_finds_double_bookings(variant, tmp_path):
    with running(fresh_sqlite(tmp_path), variant=variant) as servers:
        found = judge(servers.database_url, servers.began, race(servers, 6, seed=3))
    assert "overlap" in {violation.rule for violation in found}


def test_one_client_alone_finds_refusals_without_reason(tmp_path):
    with running(fresh_sqlite(tmp_path), variant="timid") as servers:
        client = Client(0, servers.urls, servers.began, seed=3)
        operations = together(
            [client], lambda client: [client.book(client.uid(), start) for start in slots(5)]
        )
        found = judge(servers.database_url, servers.began, operations)
    assert {violation.rule for violation in found} == {"refused"}


def test_chaos_finds_what_was_acknowledged_before_it_was_kept(tmp_path):
    with running(fresh_sqlite(tmp_path), variant="early-answer") as servers:
        operations, _ = chaos(servers, 4, seed=3, kills=1, operations=60)
        found = judge(servers.database_url, servers.began, operations)
    assert "lost" in {violation.rule for violation in found}

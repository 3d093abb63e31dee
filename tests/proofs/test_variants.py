"""The checker finds broken servers out: otherwise its silence about ours would mean nothing."""

from __future__ import annotations

import pytest

from tests.proofs.chaos import chaos
from tests.proofs.judging import judge
from tests.proofs.processes import running
from tests.proofs.race import race
from tests.support.databases import fresh_sqlite


@pytest.mark.parametrize(
    ("variant", "rule"), [("check-outside", "overlap"), ("no-overlap-rule", "overlap"), ("timid", "refused")]
)
def test_a_race_finds(variant, rule, tmp_path):
    with running(fresh_sqlite(tmp_path), variant=variant) as servers:
        found = judge(servers.database_url, servers.began, race(servers, 6, seed=3))
    assert rule in {violation.rule for violation in found}


def test_chaos_finds_what_was_acknowledged_before_it_was_kept(tmp_path):
    with running(fresh_sqlite(tmp_path), variant="early-answer") as servers:
        operations, _ = chaos(servers, 4, seed=3, kills=1, operations=60)
        found = judge(servers.database_url, servers.began, operations)
    assert "lost" in {violation.rule for violation in found}

"""The long form of the proofs: `python -m tests.proofs race|chaos …` (`make proofs` runs both on both databases)."""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import click

from tests.proofs.chaos import chaos
from tests.proofs.history import write
from tests.proofs.judging import judge
from tests.proofs.processes import running
from tests.proofs.race import race
from tests.proofs.variants import VARIANTS
from tests.support.databases import fresh_postgresql, fresh_sqlite

_SHOWN = 20


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.proofs")
    parser.add_argument("proof", choices=["race", "chaos", "all"])
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long each run takes (chaos)")
    parser.add_argument("--slots", type=int, default=60, help="how many slots are fought over (race)")
    parser.add_argument(
        "--seed", type=int, default=None, help="to do again what an earlier run did; default: a new one"
    )
    parser.add_argument(
        "--variant", choices=sorted(VARIANTS), default="", help="a broken server, to be found out"
    )
    return parser


def run(proof: str, kind: str, given: argparse.Namespace, seed: int) -> int:
    """Run one proof on one database and say what came of it; return how much was wrong."""
    folder = Path(tempfile.mkdtemp(prefix="termin-proof-"))
    url = fresh_sqlite(folder) if kind == "sqlite" else fresh_postgresql()
    kills = 0
    with running(url, 1 if kind == "sqlite" else 2, given.variant) as servers:
        began = time.monotonic()
        if proof == "race":
            operations = race(servers, given.slots, seed)
        else:
            operations, kills = chaos(servers, given.seconds, seed)
        seconds = time.monotonic() - began
        found = judge(servers.database_url, servers.began, operations)
    history = folder / "history.json"
    write(history, seed, operations)
    results = Counter(operation.result.value for operation in operations)
    heard = ", ".join(f"{count} {result}" for result, count in sorted(results.items()))
    click.echo(
        f"{proof} on {kind}, seed {seed}: {seconds:.0f} s, {kills} kills, {len(operations)} operations ({heard})"
    )
    for violation in found[:_SHOWN]:
        click.echo(f"  {violation}")
    click.echo(f"  {len(found)} violations" + (f"; history: {history}" if found else ""))
    return len(found)


def main() -> int:
    """Run what was asked for."""
    given = _parser().parse_args()
    seed = secrets.randbelow(10**6) if given.seed is None else given.seed
    proofs = ["race", "chaos"] if given.proof == "all" else [given.proof]
    kinds = ["sqlite", "postgresql"] if given.database == "both" else [given.database]
    wrong = sum(run(proof, kind, given, seed) for proof in proofs for kind in kinds)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

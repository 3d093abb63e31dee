"""This calendar server beside stock Radicale and Xandikos, in one run: `python -m benchmarks.calendar` (`make bench`).

The servers take turns request by request, so that a busy machine is busy for all of them. Medians and ratios; JSON under
benchmarks/results/.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.calendar.operations import OPERATIONS, Calendar, WrongAnswerError
from benchmarks.calendar.servers import KINDS

RESULTS = Path(__file__).parents[1] / "results"


def _measure(
    calendars: dict[str, Calendar], operation: str, rounds: int, budget: float
) -> dict[str, list[float] | str]:
    """Let the servers take turns; who has used up its seconds stops early, but not before it was measured once."""
    times: dict[str, list[float]] = {name: [] for name in calendars}
    wrong: dict[str, str] = {}
    for index in range(rounds + 1):
        for name, calendar in calendars.items():
            spent = sum(times[name])
            if name in wrong or (index > 1 and spent > budget):
                continue
            try:
                seconds = OPERATIONS[operation](calendar)
            except WrongAnswerError as error:
                wrong[name] = str(error)
                continue
            # The first round warms caches up.
            if index > 0:
                times[name].append(seconds)
    return {name: wrong.get(name) or times[name] for name in calendars}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calendar")
    parser.add_argument("--sizes", default="100,1000,10000")
    parser.add_argument(
        "--servers", default=",".join(KINDS), help="the first one is compared with the others"
    )
    parser.add_argument("--operations", default="", help="only those whose name contains this")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--budget", type=float, default=6.0, help="seconds for one operation of one server")
    parser.add_argument("--output", type=Path, default=RESULTS / "calendar.json")
    return parser


def main() -> int:
    """Measure, print, and write down."""
    given = _parser().parse_args()
    # Ends through the exit stack, which ends the servers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended early"))
    sizes = [int(size) for size in given.sizes.split(",")]
    names = given.servers.split(",")
    rows: list[dict[str, object]] = []
    with ExitStack() as stack:
        servers = {}
        for name in names:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"bench-{name}-")))
            began = time.perf_counter()
            try:
                servers[name] = stack.enter_context(KINDS[name](folder, sizes))
            except subprocess.CalledProcessError as error:
                print(f"{name} is left out, since it can't be set up: {error}")
                continue
            print(
                f"{name} {servers[name].version} ready after {time.perf_counter() - began:.0f} s", flush=True
            )
        names = list(servers)
        for size in sizes:
            calendars = {name: Calendar(server, size) for name, server in servers.items()}
            for operation in OPERATIONS:
                if given.operations not in operation:
                    continue
                found = _measure(calendars, operation, given.rounds, given.budget)
                row: dict[str, object] = {"operation": operation, "events": size}
                for name, times in found.items():
                    row[name] = (
                        {"error": times}
                        if isinstance(times, str)
                        else {"median": statistics.median(times), "fastest": min(times), "rounds": len(times)}
                    )
                rows.append(row)
                _write(given.output, rows, {name: server.version for name, server in servers.items()})
                print(".", end="", flush=True)
    print()
    _show(rows, names)
    return 0


def _write(output: Path, rows: list[dict[str, object]], versions: dict[str, str]) -> None:
    """Keep what is known so far: a run takes long, and may be ended early."""
    output.parent.mkdir(parents=True, exist_ok=True)
    about = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "cpus": os.cpu_count(),
        "load": os.getloadavg(),
        "servers": versions,
    }
    output.write_text(json.dumps({**about, "rows": rows}, indent=1) + "\n", "utf-8")


def _show(rows: list[dict[str, object]], names: list[str]) -> None:
    first, *others = names
    table = Table(
        "events", "operation", *(f"{name} ms" for name in names), *(f"{first} : {name}" for name in others)
    )
    for row in rows:
        medians = {name: _median(row[name]) for name in names}
        cells = ["wrong" if value is None else f"{value * 1000:.1f}" for value in medians.values()]
        ratios = [_ratio(medians[first], medians[name]) for name in others]
        table.add_row(str(row["events"]), str(row["operation"]), *cells, *ratios)
    Console(width=130).print(table)
    for row in rows:
        for name in names:
            result = row[name]
            if isinstance(result, dict) and "error" in result:
                print(f"{name}, {row['operation']}, {row['events']} events: {result['error']}")


def _median(result: object) -> float | None:
    return result.get("median") if isinstance(result, dict) else None


def _ratio(ours: float | None, theirs: float | None) -> str:
    return "" if ours is None or theirs is None else f"{ours / theirs:.4f}"


if __name__ == "__main__":
    sys.exit(main())

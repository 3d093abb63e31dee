"""This calendar server beside stock Radicale and Xandikos, in one run: `python -m benchmarks.calendar` (`make bench`).

The servers take turns, so that a busy machine is busy for all of them. Who has waited while others worked finds the processor's caches full of their data and its
own threads asleep, which costs it a millisecond or two at its first request, as much as the quickest of them need for a whole one. So each turn begins with a request
that isn't timed, and then several are, one after another: the same for every server, and what a server does that is in use. Medians and ratios; JSON under
benchmarks/results/, a plot in docs/. First single calendars of several sizes, then many calendars on fresh servers; the requests of the latter go to a few of the
many in turn.
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
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from benchmarks.calendar import page, plot
from benchmarks.calendar.operations import (
    OPERATIONS,
    Calendar,
    WrongAnswerError,
    propfind_ctag,
    propfind_home,
    put_one,
)
from benchmarks.calendar.servers import KINDS, Layout, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "calendar.json"
PLOT = ROOT / "docs" / "calendar-benchmark.svg"
VISITED = 4
"""So many of the many calendars are visited: each must have been read once before, and Radicale takes seconds for that."""
HOME = "PROPFIND ctags of all calendars"
GOALS = {
    "PUT new": 0.010,
    "PUT new, 8 clients": 0.010,
    "query one day": 0.005,
    "free-busy one week": 0.003,
    "sync, nothing changed": 0.002,
    "sync, one change": 0.003,
    "PROPFIND ctag and token": 0.002,
    "PROPFIND all etags": 0.08,
    "initial sync": 0.05,
    "multiget 50": 0.4,
}
"""What we want to take of Radicale's time at 10,000 events."""
_GOALS_AT = 10_000

Times = dict[str, list[float] | str]


@dataclass
class Run:
    """What is measured, and written down after each row: a run takes minutes and may be ended early."""

    output: Path
    rounds: int
    burst: int
    budget: float
    only: str
    versions: dict[str, str] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    same_cost: dict[str, Any] = field(default_factory=dict)

    def measure(self, requests: Mapping[str, Callable[[], float]]) -> Times:
        """Let the servers take turns of `burst` timed requests, after one that isn't.

        Who has used up its seconds stops early, but not before it was measured once.
        """
        times: dict[str, list[float]] = {name: [] for name in requests}
        wrong: dict[str, str] = {}
        for _ in range(self.rounds):
            for name, request in requests.items():
                if name not in wrong and sum(times[name]) <= self.budget:
                    try:
                        times[name] += self._turn(request, self.budget - sum(times[name]))
                    except WrongAnswerError as error:
                        wrong[name] = str(error)
        return {name: wrong.get(name) or times[name] for name in requests}

    def _turn(self, request: Callable[[], float], left: float) -> list[float]:
        first = request()
        # Who takes very long for it isn't made to do it again.
        if first > 2 * self.budget:
            return [first]
        found: list[float] = []
        while len(found) < self.burst and sum(found) <= left:
            found.append(request())
        return found

    def row(
        self, operation: str, calendars: int, events: int, requests: Mapping[str, Callable[[], float]]
    ) -> None:
        """Measure an operation and keep its row."""
        if self.only not in operation:
            return
        row: dict[str, Any] = {"operation": operation, "calendars": calendars, "events": events}
        for name, times in self.measure(requests).items():
            row[name] = {"error": times} if isinstance(times, str) else _figures(times)
        first, *others = requests
        row["ratios"] = {name: _ratio(row[first], row[name]) for name in others}
        if calendars == 1 and events == _GOALS_AT and operation in GOALS:
            row["goal"] = GOALS[operation]
        self.rows.append(row)
        self.write()
        print(".", end="", flush=True)

    def write(self) -> None:
        """Write down what is known so far."""
        self.output.parent.mkdir(parents=True, exist_ok=True)
        about = {
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
            "cpus": os.cpu_count(),
            "load": os.getloadavg(),
            "servers": self.versions,
            "same_cost": self.same_cost,
        }
        self.output.write_text(json.dumps({**about, "rows": self.rows}, indent=1) + "\n", "utf-8")


def _figures(times: list[float]) -> dict[str, float]:
    return {"median": statistics.median(times), "fastest": min(times), "requests": len(times)}


def _ratio(ours: dict[str, Any], theirs: dict[str, Any]) -> float | None:
    if "median" not in ours or "median" not in theirs:
        return None
    ratio: float = ours["median"] / theirs["median"]
    return round(ratio, 5)


def _start(
    stack: ExitStack, names: list[str], layout: Layout, warm: Callable[[Server], object] = lambda _: None
) -> dict[str, Server]:
    """Start the servers with these calendars, and let each do `warm` once; they are filled and warmed at the same time."""

    def start(name: str) -> Server | None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"bench-{name}-")))
        began = time.perf_counter()
        try:
            server = stack.enter_context(KINDS[name](folder, layout))
        except subprocess.CalledProcessError as error:
            print(f"{name} is left out, since it can't be set up: {error}")
            return None
        with suppress(WrongAnswerError):
            warm(server)
        print(f"{name} {server.version} ready after {time.perf_counter() - began:.0f} s", flush=True)
        return server

    with ThreadPoolExecutor(len(names)) as pool:
        started = zip(names, pool.map(start, names), strict=True)
        return {name: server for name, server in started if server is not None}


def _single(run: Run, names: list[str], sizes: list[int]) -> None:
    """Calendars of these sizes, each for itself."""
    with ExitStack() as stack:
        layout = {f"c{size}": size for size in sizes}

        def warm(server: Server) -> None:
            for name, size in layout.items():
                propfind_ctag(Calendar(server, name, size))

        servers = _start(stack, names, layout, warm)
        run.versions = {name: server.version for name, server in servers.items()}
        calendars = {
            size: {name: Calendar(server, f"c{size}", size) for name, server in servers.items()}
            for size in sizes
        }
        for size, each in calendars.items():
            for operation, request in OPERATIONS.items():
                run.row(operation, 1, size, {name: partial(request, one) for name, one in each.items()})
        small, large = min(sizes), max(sizes)
        if run.only in "PUT new" and small < large:
            # In turns too, since the rows above were measured at different times.
            found = run.measure(
                {
                    f"{name} {size}": partial(put_one, calendars[size][name])
                    for name in servers
                    for size in (small, large)
                }
            )
            for name in servers:
                figures = [found[f"{name} {size}"] for size in (small, large)]
                kept = [{"error": one} if isinstance(one, str) else _figures(one) for one in figures]
                run.same_cost[name] = {
                    "operation": "PUT new",
                    str(small): kept[0],
                    str(large): kept[1],
                    "ratio": _ratio(kept[1], kept[0]),
                }
            run.write()


def _many(run: Run, names: list[str], count: int, size: int) -> None:
    """Many calendars of one user."""
    with ExitStack() as stack:
        # Radicale reads all the calendars for its first answer, which takes minutes.
        layout = {f"m{number:03}": size for number in range(count)}
        servers = _start(stack, names, layout, lambda server: propfind_home(server, count))
        run.versions = {name: server.version for name, server in servers.items()}
        visited = [f"m{number:03}" for number in range(0, count, max(1, count // VISITED))][:VISITED]
        groups = {
            name: [Calendar(server, each, size) for each in visited] for name, server in servers.items()
        }
        home = {name: partial(propfind_home, server, count) for name, server in servers.items()}
        run.row(HOME, count, size, home)
        for operation, request in OPERATIONS.items():
            for group in groups.values():
                for calendar in group:
                    if run.only in operation:
                        with suppress(WrongAnswerError):
                            request(calendar)
            run.row(
                operation, count, size, {name: _in_turn(request, group) for name, group in groups.items()}
            )


def _in_turn(request: Callable[[Calendar], float], group: list[Calendar]) -> Callable[[], float]:
    calendars: Iterator[Calendar] = cycle(group)
    return lambda: request(next(calendars))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calendar")
    parser.add_argument("--sizes", default="100,1000,10000", help="of single calendars; empty: none")
    parser.add_argument("--many", default="100x500", help="so many calendars of so many events; empty: none")
    parser.add_argument(
        "--servers", default=",".join(KINDS), help="the first one is compared with the others"
    )
    parser.add_argument("--operations", default="", help="only those whose name contains this")
    parser.add_argument("--rounds", type=int, default=11, help="turns of each server")
    parser.add_argument("--burst", type=int, default=5, help="timed requests of a turn")
    parser.add_argument("--budget", type=float, default=3.0, help="seconds for one operation of one server")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument(
        "--plot", type=Path, help=f"default: {PLOT.name} in docs; a page with tables beside it"
    )
    return parser


def main() -> int:
    """Measure, print, write down, and draw."""
    given = _parser().parse_args()
    # Ends through the exit stacks, which end the servers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended early"))
    names = given.servers.split(",")
    run = Run(given.output, given.rounds, given.burst, given.budget, given.operations)
    if given.sizes:
        _single(run, names, [int(size) for size in given.sizes.split(",")])
    if given.many:
        count, _, size = given.many.partition("x")
        _many(run, names, int(count), int(size))
    print()
    _show(run, names)
    drawn = given.plot or (PLOT if given.output == RESULTS else None)
    if drawn is not None:
        result = json.loads(given.output.read_text("utf-8"))
        drawn.write_text(plot.draw(result), "utf-8")
        drawn.with_suffix(".md").write_text(page.write(result), "utf-8")
    return 0


def _show(run: Run, names: list[str]) -> None:
    names = [name for name in names if name in run.versions]
    first, *others = names
    columns = [*(f"{name} ms" for name in names), *(f"{first} : {name}" for name in others), "goal"]
    table = Table("calendars", "events", "operation", *columns)
    for row in run.rows:
        cells = [f"{row[name]['median'] * 1000:.1f}" if "median" in row[name] else "wrong" for name in names]
        ratios = ["" if row["ratios"][name] is None else f"{row['ratios'][name]:.4f}" for name in others]
        goal = "" if "goal" not in row else f"{row['goal']:.3f}"
        table.add_row(str(row["calendars"]), str(row["events"]), row["operation"], *cells, *ratios, goal)
    Console(width=150).print(table)
    for row in run.rows:
        for name in names:
            if "error" in row[name]:
                print(f"{name}, {row['operation']}, {row['events']} events: {row[name]['error']}")
    for name, found in run.same_cost.items():
        print(f"{name}: PUT new in the largest calendar takes {found['ratio']} of its time in the smallest")


if __name__ == "__main__":
    sys.exit(main())

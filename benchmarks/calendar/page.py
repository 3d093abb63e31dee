"""Writes a comparison as a page of tables: `python -m benchmarks.calendar.page [JSON] > docs/calendar-benchmark.md`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

_RESULTS = Path(__file__).parents[1] / "results" / "calendar.json"
_NAMES = {"termin": "this server", "radicale": "stock Radicale", "xandikos": "Xandikos"}


def write(result: dict[str, Any]) -> str:
    """Return the page as Markdown: a table for each layout of calendars."""
    servers = list(result["servers"])
    first, *others = servers
    lines = [
        "# The calendar server beside others",
        "",
        (
            "Written by `make bench ARGS=calendar`; `benchmarks/results/calendar.json` has fastest times and numbers of timed requests too, and the"
            " [plot](calendar-benchmark.svg) shows the medians."
        ),
        "",
        f"{result['when'][:10]}, {result['cpus']} cores, load {result['load'][0]:.1f} at the end. "
        + ", ".join(f"{_NAMES.get(name, name)} {result['servers'][name]}" for name in servers)
        + ". Medians in milliseconds. The servers took turns, each of one request that isn't timed and then some that are; each request on a connection of its own.",
    ]
    layouts = dict.fromkeys((row["calendars"], row["events"]) for row in result["rows"])
    for calendars, events in layouts:
        rows = [row for row in result["rows"] if (row["calendars"], row["events"]) == (calendars, events)]
        goals = any("goal" in row for row in rows)
        titles = ["operation", *(_NAMES.get(name, name) for name in servers)]
        titles += [f"share of {_NAMES.get(name, name)}'s" for name in others] + (["goal"] if goals else [])
        what = "A calendar" if calendars == 1 else f"{calendars:,} calendars"
        lines += ["", f"## {what} of {events:,} events", "", _line(titles), _line(["---"] * len(titles))]
        for row in rows:
            cells = [row["operation"], *(_median(row[name]) for name in servers)]
            cells += [_share(row["ratios"].get(name)) for name in others]
            lines.append(_line(cells + ([_share(row.get("goal"))] if goals else [])))
    same = result["same_cost"].get(first)
    if same is not None:
        sizes = [key for key in same if key.isdecimal()]
        lines += [
            "",
            (
                f"{same['operation']} in turns in calendars of {' and '.join(f'{int(size):,}' for size in sizes)} events:"
                f" {' and '.join(_median(same[size]) for size in sizes)} ms."
            ),
        ]
    return "\n".join([*lines, ""])


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _median(found: dict[str, Any]) -> str:
    return f"{found['median'] * 1000:,.1f}" if "median" in found else "wrong answer"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def main() -> None:
    """Write the page to standard output."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", nargs="?", type=Path, default=_RESULTS, metavar="FILE.json")
    source: Path = parser.parse_args().results
    sys.stdout.write(write(json.loads(source.read_text("utf-8"))))


if __name__ == "__main__":
    main()

"""Draws a comparison's medians as SVG, on a logarithmic scale: `python -m benchmarks.calendar.plot [JSON] > docs/calendar-benchmark.svg`."""

from __future__ import annotations

import argparse
import json
import math
import sys
from html import escape
from pathlib import Path
from typing import Any

_RESULTS = Path(__file__).parents[1] / "results" / "calendar.json"
_COLOURS = ("#0b57d0", "#b3261e", "#5f6368")
_LEFT, _WIDTH, _LINE, _TOP = 230, 520, 24, 70


def draw(result: dict[str, Any]) -> str:
    """Return the SVG: a panel for each layout of calendars, a line for each operation, a dot for each server."""
    servers = list(result["servers"])
    rows = result["rows"]
    layouts = list(dict.fromkeys((row["calendars"], row["events"]) for row in rows))
    values = [row[name]["median"] * 1000 for row in rows for name in servers if "median" in row.get(name, {})]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))

    def across(milliseconds: float) -> float:
        return _LEFT + (math.log10(milliseconds) - low) / (high - low) * _WIDTH

    parts: list[str] = []
    for index, name in enumerate(servers):
        x = _LEFT + index * 170
        parts.append(f'<circle cx="{x}" cy="22" r="5" fill="{_COLOURS[index]}"/>')
        parts.append(f'<text x="{x + 10}" y="26">{escape(name)} {escape(result["servers"][name])}</text>')
    y: float = _TOP
    for calendars, size in layouts:
        shown = [row for row in rows if (row["calendars"], row["events"]) == (calendars, size)]
        panel = "A calendar" if calendars == 1 else f"{calendars:,} calendars"
        parts.append(f'<text x="10" y="{y - 8}" font-weight="bold">{panel} of {size:,} events</text>')
        bottom = y + _LINE * len(shown)
        for power in range(low, high + 1):
            x = across(10**power)
            parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y}" y2="{bottom}" stroke="#dadce0"/>')
            parts.append(
                f'<text x="{x:.1f}" y="{bottom + 14}" text-anchor="middle" font-size="11">{10**power:g} ms</text>'
            )
        for row in shown:
            middle = y + _LINE / 2
            parts.append(f'<text x="10" y="{middle + 4}">{escape(row["operation"])}</text>')
            for index, name in enumerate(servers):
                if "median" in row.get(name, {}):
                    x = across(row[name]["median"] * 1000)
                    parts.append(f'<circle cx="{x:.1f}" cy="{middle}" r="5" fill="{_COLOURS[index]}"/>')
            y += _LINE
        y += 60
    title = f"Medians, {result['when'][:10]}; the servers took turns"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + 40} {y}" font-family="sans-serif" font-size="13">'
        f'<title>{escape(title)}</title><rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}'
        f'<text x="10" y="{y - 16}" font-size="11">{escape(title)}</text></svg>\n'
    )


def main() -> None:
    """Write the SVG to standard output."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", nargs="?", type=Path, default=_RESULTS, metavar="FILE.json")
    source: Path = parser.parse_args().results
    sys.stdout.write(draw(json.loads(source.read_text("utf-8"))))


if __name__ == "__main__":
    main()

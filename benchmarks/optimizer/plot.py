"""Draws the optimizer's results as SVG: a dot for each plan at the time it took, on a logarithmic scale."""

from __future__ import annotations

import math
from typing import Any
from xml.sax.saxutils import escape

_LEFT, _WIDTH, _ROW = 260, 480, 26
_LEAST, _MOST = 0.01, 100.0
_COLOURS = {True: "#1f6f43", False: "#b3261e"}


def _x(seconds: float) -> float:
    place = math.log10(min(_MOST, max(_LEAST, seconds)) / _LEAST) / math.log10(_MOST / _LEAST)
    return _LEFT + _WIDTH * place


def rows(result: dict[str, Any]) -> list[tuple[str, list[tuple[float, bool]]]]:
    """Give each line's label, and the seconds of each plan with whether it's proven."""
    found = []
    for part, label in (
        ("town", "Repair, towns (processor)"),
        ("city", "Repair, offices of a city (processor)"),
    ):
        if part in result:
            found.append((label, [(row["processor"], row["proven"]) for row in result[part]["rows"]]))
    for row in result.get("growth", []):
        spread = row["processor"]
        found.append(
            (
                f"Repair, {row['clerks']} clerks: mean and worst",
                [(spread["mean"], True), (spread["worst"], row["proven"] == row["of"])],
            )
        )
    if "smptsp" in result:
        label = "Fixed tasks, fewest persons (wall)"
        found.append((label, [(row["seconds"], row["proven_optimal"]) for row in result["smptsp"]["rows"]]))
    return found


def draw(result: dict[str, Any]) -> str:
    """Give the picture's text."""
    parts = []
    y = 30
    for label, dots in rows(result):
        parts.append(f'<text x="10" y="{y + 4}">{escape(label)}</text>')
        parts.append(f'<line x1="{_LEFT}" x2="{_LEFT + _WIDTH}" y1="{y}" y2="{y}" stroke="#ddd"/>')
        parts += [
            f'<circle cx="{_x(seconds):.1f}" cy="{y}" r="4" fill="{_COLOURS[bool(proven)]}" fill-opacity="0.55"/>'
            for seconds, proven in dots
        ]
        y += _ROW
    for power in range(-2, 3):
        x = _x(10.0**power)
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="16" y2="{y - 10}" stroke="#bbb" stroke-dasharray="2 3"/>'
        )
        parts.append(f'<text x="{x:.1f}" y="{y + 6}" text-anchor="middle">{10.0**power:g} s</text>')
    title = "Seconds for each plan; green: proven optimal, red: not proven in time"
    parts.append(f'<text x="10" y="{y + 26}">{escape(title)}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + 40} {y + 40}" font-family="sans-serif" font-size="12">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>\n"
    )

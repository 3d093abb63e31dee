"""docs/rfc-support.md claims no more than tests show, and its numbers are those of the last run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.conformance.features import LEFT_OUT

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "rfc-support.md").read_text("utf-8")
RESULT = json.loads((ROOT / "benchmarks" / "results" / "conformance.json").read_text("utf-8"))
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT[TEXT.index("\n## ") :].splitlines()
    if line.startswith("| ") and line.count("|") == 5 and not line.startswith(("| section", "| ---"))
]


def test_there_are_rows():
    assert len(ROWS) > 60


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_what_is_claimed_is_shown_somewhere(row):
    _, verdict, _, shown = row
    assert verdict in {"yes", "partly", "no", "the town's"}
    places = [place for place in re.findall(r"`([^`]+)`", shown) if not place.startswith("make ")]
    assert verdict != "yes" or places or "suite" in shown, "claimed, but shown by nothing"
    for place in places:
        assert (ROOT / "tests" / place).exists(), place


def test_the_numbers_are_those_of_the_last_run():
    suites = RESULT["suites"]
    for name, counts in suites.items():
        assert f"| `{name}` | {counts['passed']} | {counts['failed']} | {counts['skipped']} |" in TEXT
    features = RESULT["features"]
    assert f"{features['full']} of {features['all']} features are full" in TEXT
    for name in features["other"]:
        assert f"`{name}`" in TEXT
    assert all(counts["failed"] == 0 for counts in suites.values())
    assert RESULT["left_out"] == LEFT_OUT
    for test in LEFT_OUT:
        assert f"`{test.rpartition('::')[2]}`" in TEXT


def test_links_between_the_documents_lead_somewhere():
    for name in ("clients.md", "rfc-support.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / "docs" / name).read_text("utf-8")):
            assert (ROOT / "docs" / target).exists(), f"{name}: {target}"

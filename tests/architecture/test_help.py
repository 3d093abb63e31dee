"""Whoever asks a program how it is used is told just that: nothing is run, made or written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "name",
    [
        "benchmarks.booking_web",
        "benchmarks.calendar",
        "benchmarks.calendar.page",
        "benchmarks.calendar.plot",
        "benchmarks.notifications",
        "benchmarks.optimizer",
        "benchmarks.optimizer.elastic",
        "config.reference",
        "optimizer",
        "tests.clients.thunderbird",
        "tests.clients.thunderbird_mail",
        "tests.conformance",
        "tests.proofs",
    ],
)
def test_a_program_says_how_it_is_used(name, tmp_path):
    done = run(tmp_path, "-m", name, "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.lower().startswith("usage:")
    assert list(tmp_path.iterdir()) == []


def test_the_benchmarks_say_how_they_are_run_and_which_there_are(tmp_path):
    script = str(ROOT / ".ci" / "bench.py")
    done = run(tmp_path, script, "--help")
    assert (done.returncode, done.stdout.startswith("usage:")) == (0, True)
    assert "benchmarks.notifications" in done.stdout
    wrong = run(tmp_path, script, "notifikations")
    assert (wrong.returncode, "no benchmark's name contains 'notifikations'" in wrong.stderr) == (2, True)


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

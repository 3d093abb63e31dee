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
    done = subprocess.run(
        [sys.executable, "-m", name, "--help"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.lower().startswith("usage:")
    assert list(tmp_path.iterdir()) == []

"""Fixed tasks, fewest persons: the published instances, or generated ones of the same kind.

Each instance runs in a process of its own, as the command does, two at a time.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

PROCESSES = 2
KINDS = ((40, 6, 0.2), (40, 12, 0.2), (80, 6, 0.3), (80, 12, 0.2), (120, 12, 0.2))
"""Persons of the plan that is hidden in an instance, tasks of each, part of all tasks that a person may take."""
DAY = 1440


def generated(persons: int, each: int, skill: float, seed: int) -> str:
    """Write an instance in the published format: days with nine tenths of work, and a third more persons to choose from."""
    chance = random.Random(seed)
    tasks: list[tuple[int, int]] = []
    able: list[set[int]] = [set() for _ in range(persons + persons // 3)]
    for person in range(persons):
        cuts = sorted(chance.sample(range(10, DAY, 10), each - 1))
        for start, end in pairwise([0, *cuts, DAY]):
            able[person].add(len(tasks))
            tasks.append((start, max(start + 1, end - round(0.2 * chance.random() * (end - start)))))
    for one in able:
        one |= {task for task in range(len(tasks)) if chance.random() < skill}
    lines = ["# generated", "Type = 1", f"Jobs = {len(tasks)}"]
    lines += [f" {start} {end}" for start, end in tasks]
    lines += [f"Qualifications = {len(able)}"]
    lines += [f" {len(one)}: {' '.join(map(str, sorted(one)))}" for one in able]
    return "\n".join(lines) + "\n"


def solve(file: Path, seconds: float) -> dict[str, Any]:
    """Run the command on one file."""
    command = [sys.executable, "-m", "optimizer", "smptsp", "--seconds", str(seconds), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found: dict[str, Any] = json.loads(done.stdout)
    print(
        "  {instance:38} used {used!s:5} bound {lower_bound:4} proven {proven_optimal!s:5} {seconds:7.2f} s".format(
            **found
        ),
        flush=True,
    )
    return found


def measure(folder: Path | None, seconds: float) -> dict[str, Any]:
    """Solve the folder's instances, or generated ones."""
    print(f"fixed tasks, fewest persons, {folder or 'generated'}:")
    with tempfile.TemporaryDirectory() as made, ThreadPoolExecutor(PROCESSES) as pool:
        files = sorted(folder.glob("*.dat")) if folder else []
        for number, (persons, each, skill) in enumerate([] if folder else KINDS):
            files.append(Path(made) / f"generated_{persons}_{each}_{round(100 * skill)}.dat")
            files[-1].write_text(generated(persons, each, skill, number), encoding="utf-8")
        rows = list(pool.map(solve, files, [seconds] * len(files)))
    return {"proven": sum(row["proven_optimal"] for row in rows), "of": len(rows), "rows": rows}

"""Fixed tasks, fewest persons: the published instances, or generated ones of the same kinds.

Three kinds: with a hidden plan; shifts cut into so many tasks, as Krishnamoorthy, Ernst and Baatar 2012 describe their instances
(tightness 0.9, a third or two thirds of the persons qualified for each task); and lengths drawn evenly, as the hard ones of Smet,
Wauters, Mihaylov and Vanden Berghe 2014 have them. Qualifications are drawn without a plan in mind, so the bound may be out of reach.

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
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

PROCESSES = 2
KINDS = ((40, 6, 0.2), (40, 12, 0.2), (80, 6, 0.3), (80, 12, 0.2), (120, 12, 0.2))
"""Persons of the plan that is hidden in an instance, tasks of each, part of all tasks that a person may take."""
CUT = (
    (21, 24, 40, 0.33),
    (64, 75, 131, 0.66),
    (181, 211, 446, 0.66),
    (211, 245, 2105, 0.33),
    (357, 415, 1610, 0.33),
)
"""Shifts, persons there, tasks, part of all tasks that a person may take."""
EVEN = ((40, 50, 100, 300, 0.2), (40, 44, 3, 200, 0.2), (60, 70, 3, 200, 0.2), (120, 153, 3, 200, 0.2))
"""Shifts, persons there, shortest and longest task, part of all tasks that a person may take."""
DAY = 1440
TIGHTNESS = 0.9
"""Part of the shifts' time that is work."""


def cut(shifts: int, persons: int, tasks: int, skill: float, seed: int) -> str:
    """Write an instance whose tasks are shifts of a day cut at random."""
    chance = random.Random(seed)
    periods: list[tuple[int, int]] = []
    for shift in range(shifts):
        count = tasks // shifts + (shift < tasks % shifts)
        lengths = [chance.uniform(0.6, 1.4) for _ in range(count)]
        gaps = [chance.random() for _ in range(count)]
        now = 0.0
        for length, gap in zip(lengths, gaps, strict=True):
            now += (1 - TIGHTNESS) * DAY * gap / sum(gaps)
            start, now = round(now), now + TIGHTNESS * DAY * length / sum(lengths)
            periods.append((start, max(start + 1, round(now))))
    return written(periods, qualified(len(periods), persons, skill, chance))


def even(shifts: int, persons: int, shortest: int, longest: int, skill: float, seed: int) -> str:
    """Write an instance whose tasks have lengths drawn evenly, one after the other in shifts of a day."""
    chance = random.Random(seed)
    idle = (shortest + longest) * (1 - TIGHTNESS) / TIGHTNESS
    periods: list[tuple[int, int]] = []
    for _ in range(shifts):
        now = round(chance.uniform(0, idle))
        while now + shortest <= DAY:
            periods.append((now, min(DAY, now + chance.randint(shortest, longest))))
            now = periods[-1][1] + round(chance.uniform(0, idle))
    return written(periods, qualified(len(periods), persons, skill, chance))


def qualified(tasks: int, persons: int, skill: float, chance: random.Random) -> list[set[int]]:
    """Draw what each person may take; somebody may take each task."""
    able = [{task for task in range(tasks) if chance.random() < skill} for _ in range(persons)]
    for task in set(range(tasks)) - set().union(*able):
        able[chance.randrange(persons)].add(task)
    return able


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
    return written(tasks, able)


def written(tasks: list[tuple[int, int]], able: list[set[int]]) -> str:
    """Give the published format."""
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


def instances() -> Iterator[tuple[str, str]]:
    """Give the generated instances with their names."""
    for number, (persons, each, skill) in enumerate(KINDS):
        yield f"generated_{persons}_{each}_{round(100 * skill)}", generated(persons, each, skill, number)
    for number, (shifts, persons, tasks, skill) in enumerate(CUT):
        yield f"cut_{persons}_{tasks}_{round(100 * skill)}", cut(shifts, persons, tasks, skill, number)
    for number, (shifts, persons, shortest, longest, skill) in enumerate(EVEN):
        text = even(shifts, persons, shortest, longest, skill, number)
        yield f"even_{persons}_{shortest}_{longest}_{round(100 * skill)}", text


def measure(folder: Path | None, seconds: float) -> dict[str, Any]:
    """Solve the folder's instances, or generated ones."""
    print(f"fixed tasks, fewest persons, {folder or 'generated'}:")
    with tempfile.TemporaryDirectory() as made, ThreadPoolExecutor(PROCESSES) as pool:
        files = sorted(folder.glob("*.dat")) if folder else []
        for name, text in [] if folder else instances():
            files.append(Path(made) / f"{name}.dat")
            files[-1].write_text(text, encoding="utf-8")
        rows = list(pool.map(solve, files, [seconds] * len(files)))
    return {"proven": sum(row["proven_optimal"] for row in rows), "of": len(rows), "rows": rows}

"""How fast and how good repair and balance are: town, city, growth with the office's size.

Each plan is verified without the solver. A day of the city is planned by two processes at once, the offices with the most work first.
"""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Any

from benchmarks.optimizer import generator
from benchmarks.optimizer.booking import spread
from optimizer import check
from optimizer.balance import Colleague, Task, balance
from optimizer.repair import repair

if TYPE_CHECKING:
    from optimizer.office import Office

PROCESSES = 2
SIZES = (4, 8, 12, 16, 24)
"""Clerks of the offices by which growth is measured, with twelve and a half appointments each."""


def repair_one(office: Office, seconds: float) -> dict[str, Any]:
    """Repair one office's day and tell what came out."""
    begun = time.process_time()
    plan = repair(office, seconds=seconds)
    processor = time.process_time() - begun
    assert not check.faults(office, plan.assignments)
    assert check.objective(office, plan.assignments) == plan.objective
    cost = plan.objective
    return {
        "instance": office.name,
        "clerks": len(office.clerks),
        "appointments": len(office.appointments),
        "hit": sum(entry.hit for entry in office.appointments),
        "objective": [cost.cancelled, cost.moved_grains, cost.clerk_changes, cost.imbalance_grains],
        "proven": plan.proven_optimal,
        "seconds": round(plan.seconds, 3),
        "processor": round(processor, 3),
    }


def _show(row: dict[str, Any]) -> None:
    print(
        "  {instance:12} {clerks:3} {appointments:4} {hit:3} {objective!s:24} {proven!s:5} {seconds:7.2f} {processor:7.2f}".format(
            **row
        ),
        flush=True,
    )


def _total(rows: list[dict[str, Any]], optima: dict[str, list[int]]) -> dict[str, Any]:
    known = [row for row in rows if row["instance"] in optima]
    return {
        "proven": sum(row["proven"] for row in rows),
        "of": len(rows),
        "known_optima_met": sum(row["objective"] == optima[row["instance"]] for row in known),
        "known_optima": len(known),
        "seconds": spread([row["seconds"] for row in rows], 1),
        "processor": spread([row["processor"] for row in rows], 1),
        "processor_sum": round(sum(row["processor"] for row in rows), 2),
    }


def repairs(name: str, offices: list[Office], seconds: float, optima: dict[str, list[int]]) -> dict[str, Any]:
    """Repair each, one after the other."""
    print(f"repair, {name}: clerks, appointments, hit, objective, proven, seconds, of the processor")
    rows = []
    for office in offices:
        rows.append(repair_one(office, seconds))
        _show(rows[-1])
    total = _total(rows, optima)
    print(f"  {total}")
    return {"total": total, "rows": rows}


def together(
    name: str, offices: list[Office], seconds: float, optima: dict[str, list[int]]
) -> dict[str, Any]:
    """Repair a city's offices by two processes, those with the most work first; `wall` is the time for all."""
    print(f"repair, {name}, {PROCESSES} processes:")

    def work(office: Office) -> int:
        return sum(entry.hit for entry in office.appointments) * len(office.appointments)

    rows = []
    with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn")) as pool:
        # The processes' own start is no part of planning.
        list(pool.map(repair_one, [generator.town(1)] * PROCESSES, [seconds] * PROCESSES))
        begun = time.perf_counter()
        for row in pool.map(repair_one, sorted(offices, key=work, reverse=True), [seconds] * len(offices)):
            rows.append(row)
            _show(row)
        wall = time.perf_counter() - begun
    total = {**_total(rows, optima), "wall": round(wall, 2)}
    print(f"  {total}")
    return {"total": total, "rows": sorted(rows, key=lambda row: row["instance"])}


def growth(seconds: float, seeds: int = 4) -> list[dict[str, Any]]:
    """Repair offices of growing size, one clerk ill."""
    print("growth with the number of clerks:")
    found = []
    for size in SIZES:
        rows = [
            repair_one(
                generator.office(f"n{size}-{seed}", size, round(12.5 * size), 1, 77 * size + seed), seconds
            )
            for seed in range(seeds)
        ]
        found.append({"clerks": size, **_total(rows, {})})
        print(f"  {found[-1]}", flush=True)
    return found


def balances(offices: list[Office]) -> list[dict[str, Any]]:
    """Balance the present clerks' part of each office's day."""
    rows = []
    print("balance:")
    for office in offices:
        present = [clerk for clerk in office.clerks if clerk.target is not None]
        team = [Colleague(clerk.id, clerk.services, 1.0, clerk.free[:1]) for clerk in present]
        tasks = [
            Task(a.id, a.clerk, 0, a.start, a.length, a.services) for a in office.appointments if not a.hit
        ]
        begun = time.process_time()
        curve = balance(team, tasks, office.grains_a_day, points=6, seconds=30)
        points = [[len(point.changes), point.imbalance_grains] for point in curve.points]
        proven = all(point.proven_optimal for point in curve.points)
        rows.append(
            {
                "instance": office.name,
                "curve": points,
                "proven": proven,
                "processor": round(time.process_time() - begun, 3),
            }
        )
        print(f"  {rows[-1]}", flush=True)
    return rows

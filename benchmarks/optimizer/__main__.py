"""How fast and how good plans are: `python -m benchmarks.optimizer [--instances FILE…] [--seconds N] [--smptsp FILE…]`.

Admission and offers on a simulated office, repair on instances from files or a seeded generator (20 of a town; a city with
--city), balance on the towns. Each time is given on the wall and as the processor's, for machines that do other work beside.
Results go to benchmarks/results/optimizer.json.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.optimizer import generator
from optimizer import check
from optimizer.admission import admit, starts
from optimizer.balance import Colleague, Task, balance
from optimizer.bits import span
from optimizer.instance import Booked, ClerkDay, OfficeDay, Placement, Request
from optimizer.offers import OfficeOffers, Window
from optimizer.office import Office, office_from_json
from optimizer.repair import repair

RESULT = Path(__file__).parents[2] / "benchmarks" / "results" / "optimizer.json"
GRAINS = 96


def spread(values: list[float], unit: float = 1e3) -> dict[str, float]:
    """Mean, median, 99th percentile and worst, in thousandths unless told otherwise."""
    ordered = sorted(values)
    return {
        "mean": round(unit * sum(values) / len(values), 4),
        "median": round(unit * ordered[len(ordered) // 2], 4),
        "p99": round(unit * ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))], 4),
        "worst": round(unit * ordered[-1], 4),
    }


def admission(days: int = 8, clerks: int = 20) -> dict[str, Any]:
    """Fill days of an office by requests at random times; time each answer, and now and then all starts."""
    kinds: dict[str, list[float]] = {"direct": [], "chain": [], "refused": [], "all": [], "all starts": []}
    unproven = 0
    for seed in range(days):
        chance = random.Random(seed)
        staff = tuple(
            ClerkDay(
                f"c{n:02}",
                frozenset(map(str, chance.sample(range(8), chance.randint(2, 5)))),
                span(0, GRAINS) & ~span(chance.choice([46, 48, 50]), 6),
            )
            for n in range(clerks)
        )
        booked: list[Booked] = []
        for number in range(13 * clerks):
            length = chance.choice([2, 3, 3, 4, 6, 6, 9, 12])
            start = 3 * chance.randrange((GRAINS - length) // 3 + 1)
            services = frozenset([str(chance.randrange(8))])
            day = OfficeDay(GRAINS, staff, tuple(booked))
            begun = time.process_time()
            answer = admit(day, Request(start, length, services, span(0, GRAINS)))
            took = time.process_time() - begun
            kinds["all"].append(took)
            if isinstance(answer, Placement):
                kinds["chain" if answer.reassigned else "direct"].append(took)
                to = {move.uid: move.to_clerk for move in answer.reassigned}
                booked = [
                    Booked(b.uid, to.get(b.uid, b.clerk), b.start, b.length, b.services) for b in booked
                ]
                booked.append(Booked(f"u{number}", answer.clerk, start, length, services))
            else:
                kinds["refused"].append(took)
                unproven += not answer.proven
            if number % 20 == 19:
                begun = time.process_time()
                starts(day, length, services, span(0, GRAINS))
                kinds["all starts"].append(time.process_time() - begun)
    found: dict[str, Any] = {name: {"count": len(v), **spread(v)} for name, v in kinds.items()}
    print(f"admission, {clerks} clerks, processor ms:")
    for name, row in found.items():
        print(f"  {name:10} {row}")
    print(f"  refusals not proven: {unproven} of {len(kinds['refused'])}")
    return {**found, "unproven": unproven}


def offers(clerks: int = 12, days: int = 60, offices: int = 45) -> dict[str, Any]:
    """Ask for all direct starts of two months, of one office and of a city of as many offices as given."""
    chance = random.Random(1)
    city = []
    for number in range(offices):
        office = OfficeOffers(0, days, low=84, high=228)
        for day in range(days):
            staff, booked = [], []
            for n in range(clerks if number == 0 else 11):
                staff.append(ClerkDay(f"c{n}", frozenset(str((n + k) % 8) for k in range(4)), span(96, 96)))
                at = 96
                while at < 180:
                    length = chance.choice([2, 3, 4, 6, 9])
                    if chance.random() < 0.8:
                        skill = frozenset([str((n + chance.randrange(4)) % 8)])
                        booked.append(Booked(f"{n}-{at}", f"c{n}", at, length, skill))
                    at += length
            office.update(day, OfficeDay(288, tuple(staff), tuple(booked)), [Window(span(96, 96))])
        city.append(office)
    first, wanted = city[0], frozenset("3")
    found: dict[str, Any] = {}

    def clock(name: str, repeat: int, action: Any) -> None:
        taken = []
        for _ in range(repeat):
            begun = time.perf_counter()
            action()
            taken.append(time.perf_counter() - begun)
        found[name] = spread(taken, 1e6)
        print(f"  {name:34} {found[name]}")

    print(f"offers, {days} days, {clerks} clerks, us:")
    lengths = iter(range(2, 2 + 40))
    clock("one office, new length", 20, lambda: first.starts(0, days, next(lengths), wanted, depth=0))
    clock("one office, asked before", 200, lambda: first.starts(0, days, 4, wanted, depth=0))
    staff_day = ClerkDay("c3", frozenset("3456"), span(96, 90))
    clock("a clerk's day changes", 100, lambda: first.update_clerk(5, staff_day, []))

    def changed() -> None:
        first.update_clerk(5, staff_day, [])
        first.starts(0, days, 4, wanted, depth=0)

    clock("a clerk's day changes, then asked", 100, changed)
    clock(f"city of {offices} offices", 20, lambda: [o.starts(0, days, 4, wanted, depth=0) for o in city])
    clock("one office with chains, cold, 1 day", 1, lambda: first.starts(7, 7, 6, wanted))
    clock("one office with chains, 60 days", 1, lambda: first.starts(0, days, 6, wanted))
    clock("the same again", 20, lambda: first.starts(0, days, 6, wanted))
    return found


def repairs(name: str, offices: list[Office], seconds: float) -> dict[str, Any]:
    """Repair each; verify without the solver."""
    rows = []
    print(f"repair, {name}:")
    for office in offices:
        begun = time.process_time()
        plan = repair(office, seconds=seconds)
        processor = time.process_time() - begun
        assert not check.faults(office, plan.assignments)
        assert check.objective(office, plan.assignments) == plan.objective
        cost = plan.objective
        rows.append(
            {
                "instance": office.name,
                "appointments": len(office.appointments),
                "hit": sum(entry.hit for entry in office.appointments),
                "objective": [cost.cancelled, cost.moved_grains, cost.clerk_changes, cost.imbalance_grains],
                "proven": plan.proven_optimal,
                "seconds": round(plan.seconds, 3),
                "processor": round(processor, 3),
            }
        )
        print(
            "  {instance:10} {appointments:4} {hit:3} {objective!s:22} {proven!s:5} {seconds:7.2f} {processor:7.2f}".format(
                **rows[-1]
            )
        )
    total = {
        "proven": sum(row["proven"] for row in rows),
        "of": len(rows),
        "seconds": spread([row["seconds"] for row in rows], 1),
        "processor": spread([row["processor"] for row in rows], 1),
        "processor_sum": round(sum(row["processor"] for row in rows), 2),
    }
    print(f"  {total}")
    return {"total": total, "rows": rows}


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
        print(f"  {rows[-1]}")
    return rows


def main() -> int:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", nargs="+", type=Path, help="files instead of the generator")
    parser.add_argument(
        "--smptsp", nargs="+", type=Path, help="files in the published format of that problem"
    )
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--city", action="store_true", help="a generated city too")
    chosen = parser.parse_args()
    result: dict[str, Any] = {"python": platform.python_version(), "machine": platform.machine()}
    result["admission"] = admission()
    result["offers"] = offers()
    towns = [generator.town(seed) for seed in range(1, 21)]
    if chosen.instances:
        files = sorted(chosen.instances)
        read = [office_from_json(json.loads(file.read_text(encoding="utf-8"))) for file in files]
        result["repair"] = repairs("from files", read, chosen.seconds)
    else:
        result["repair"] = repairs("generated towns", towns, chosen.seconds)
        if chosen.city:
            result["city"] = repairs("generated city", generator.city(1), chosen.seconds)
    result["balance"] = balances(towns[:5])
    if chosen.smptsp:
        command = [sys.executable, "-m", "optimizer", "smptsp", "--seconds", str(chosen.seconds)]
        done = subprocess.run(
            [*command, *map(str, sorted(chosen.smptsp))], capture_output=True, text=True, check=False
        )
        print(done.stdout, done.stderr)
        result["smptsp"] = [json.loads(line) for line in done.stdout.splitlines()]
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

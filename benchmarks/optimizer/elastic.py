"""Elastic slots: how many more requests are served when admission may reassign others at their same time.

`python -m benchmarks.optimizer.elastic [--seeds N] [--days N]`. Eight clerks with partial skills, requests at capacity,
each for one time (or a window of starts). Compared: first fit, best fit (the fullest clerk), least loss of future room, and
the last with chains. The bound above is the linear relaxation of choosing requests with the whole demand known in advance.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path

import highspy
import numpy as np

from optimizer.admission import Day
from optimizer.bits import each, span
from optimizer.instance import Booked, ClerkDay, OfficeDay, Placement, Request

GRAINS = 96
RESULT = Path(__file__).parents[2] / "benchmarks" / "results" / "optimizer-elastic.json"
STRATEGIES = ("first fit", "best fit", "least loss", "first fit with chains", "least loss with chains")


def demand(chance: random.Random) -> tuple[tuple[ClerkDay, ...], list[tuple[int, int, frozenset[str]]]]:
    """One day's clerks, and requests (start, length, services) in the order in which they come."""
    clerks = tuple(
        ClerkDay(
            f"c{number}",
            frozenset(map(str, chance.sample(range(8), chance.randint(2, 5)))),
            span(0, GRAINS) & ~span(chance.choice([44, 47, 50]), 6),
        )
        for number in range(8)
    )
    known = sorted(set().union(*(clerk.services for clerk in clerks)))
    room = sum(clerk.free.bit_count() for clerk in clerks)
    requests = []
    while room > 0:
        length = chance.choice([2, 3, 3, 4, 6, 6, 9, 12])
        start = chance.randrange((GRAINS - length) // 3 + 1) * 3
        requests.append((start, length, frozenset([chance.choice(known)])))
        room -= length
    return clerks, requests


class Book:
    """A day being booked by one strategy."""

    def __init__(self, clerks: tuple[ClerkDay, ...], strategy: str) -> None:
        self.clerks = clerks
        self.strategy = strategy
        self.booked: list[Booked] = []
        self.served = self.grains = 0
        self.seconds: list[float] = []

    def wish(self, number: int, start: int, length: int, services: frozenset[str], around: int) -> None:
        """Book the nearest possible start within `around` grains of the wanted one."""
        day = Day(OfficeDay(GRAINS, self.clerks, tuple(self.booked)))
        begun = time.perf_counter()
        chains = "chains" in self.strategy
        direct = day.starts(length, services, span(0, GRAINS), depth=0)
        allowed = span(max(0, start - around), min(GRAINS, start + around + 1) - max(0, start - around))
        found = direct & allowed
        if chains and not found:
            found = day.starts(length, services, span(0, GRAINS)) & allowed
        if not found:
            self.seconds.append(time.perf_counter() - begun)
            return
        best = min(each(found), key=lambda at: (abs(at - start), at))
        request = Request(best, length, services, span(0, GRAINS))
        answer = day.admit(request)
        self.seconds.append(time.perf_counter() - begun)
        assert isinstance(answer, Placement)
        clerk = answer.clerk
        if not answer.reassigned and not self.strategy.startswith("least loss"):
            clerk = self._other(day, request)
        to = {move.uid: move.to_clerk for move in answer.reassigned}
        self.booked = [
            Booked(entry.uid, to.get(entry.uid, entry.clerk), entry.start, entry.length, entry.services)
            for entry in self.booked
        ]
        self.booked.append(Booked(f"u{number}", clerk, best, length, services))
        self.served += 1
        self.grains += length

    def _other(self, day: Day, request: Request) -> str:
        fitting = [
            number
            for number in day.eligible(request.services)
            if not request.mask & (~self.clerks[number].free | day.occupied[number])
        ]
        if self.strategy.startswith("best fit"):
            fitting.sort(key=lambda number: (-day.occupied[number].bit_count(), number))
        return self.clerks[fitting[0]].clerk


def bound(clerks: tuple[ClerkDay, ...], requests: list[tuple[int, int, frozenset[str]]]) -> float:
    """At most so many requests at exactly their time can be served, all known in advance."""
    columns = [
        (number, clerk, start, length)
        for number, (start, length, services) in enumerate(requests)
        for clerk, entry in enumerate(clerks)
        if services <= entry.services and not span(start, length) & ~entry.free
    ]
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    rows: list[list[int]] = [[] for _ in range(len(requests) + len(clerks) * GRAINS)]
    for column, (number, clerk, start, length) in enumerate(columns):
        rows[number].append(column)
        for grain in range(start, start + length):
            rows[len(requests) + clerk * GRAINS + grain].append(column)
    for _ in columns:
        solver.addVar(0.0, 1.0)
    solver.changeColsCost(len(columns), np.arange(len(columns), dtype=np.int32), -np.ones(len(columns)))
    for row in rows:
        if len(row) > 1:
            solver.addRow(-highspy.kHighsInf, 1.0, len(row), np.array(row, dtype=np.int32), np.ones(len(row)))
    solver.run()
    return -float(solver.getInfo().objective_function_value)


def measure(seeds: int, days: int, around: int) -> dict[str, object]:
    """Serve the same demand by each strategy."""
    totals = {name: {"served": 0, "grains": 0, "ms": 0.0} for name in STRATEGIES}
    count = 0
    best = 0.0
    for seed in range(seeds):
        chance = random.Random(seed)
        for _ in range(days):
            clerks, requests = demand(chance)
            count += len(requests)
            if not around:
                best += bound(clerks, requests)
            for name in STRATEGIES:
                book = Book(clerks, name)
                for number, (start, length, services) in enumerate(requests):
                    book.wish(number, start, length, services, around)
                totals[name]["served"] += book.served
                totals[name]["grains"] += book.grains
                totals[name]["ms"] += sum(book.seconds) * 1000
    first = totals["first fit"]
    print(
        f"\n{count} requests, each within {around * 5} minutes of its time"
        + (f"; offline bound {best:.0f}" if best else "")
    )
    for name, total in totals.items():
        total["ms"] = round(total["ms"] / count, 3)
        more = 100 * (total["served"] / first["served"] - 1)
        longer = 100 * (total["grains"] / first["grains"] - 1)
        print(
            f"{name:24} {total['served']:6} served {more:+5.1f} %  {longer:+5.1f} % minutes  {total['ms']:.3f} ms a request"
        )
    return {
        "requests": count,
        "around_minutes": around * 5,
        "offline_bound": round(best, 1),
        "strategies": totals,
    }


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--days", type=int, default=10)
    chosen = parser.parse_args()
    results = [measure(chosen.seeds, chosen.days, around) for around in (0, 12)]
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""Elastic slots: how many more requests are served when admission may reassign others at their same time.

`python -m benchmarks.optimizer.elastic [--days N] [--seeds N…]`. Eight clerks with partial skills, drawn anew for each seed, demand at capacity over so many days
(about 174 requests a day), in the order in which they come. Each citizen accepts one time only, any within an hour before or after, or
any within three days; she gets the start nearest to her wish. Compared: first fit, best fit (the fullest clerk), least loss of future
room, and with chains; the last one also takes the start that loses least of those that she accepts. The bounds know the whole demand in advance: the linear relaxation of choosing requests and places,
once for the most requests and once for the most minutes; for three days only that no more minutes fit than there are.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import highspy
import numpy as np

from optimizer.admission import DEPTH, Day
from optimizer.bits import each, span
from optimizer.instance import Booked, ClerkDay, OfficeDay, Placement, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

GRAINS = 96
STEP = 3
RESULT = Path(__file__).parents[2] / "benchmarks" / "results" / "optimizer-elastic.json"
STRATEGIES = (
    "first fit",
    "best fit",
    "least loss",
    "first fit with chains",
    "least loss with chains",
    "least loss with chains, start too",
)
LENGTHS = (2, 2, 3, 3, 4, 4, 6, 9)
AROUND = 12
"""Grains before and after the wish that a citizen with some patience accepts."""
DAYS = 3
"""Days that one with much patience accepts, the wished one first."""
FULL = span(0, GRAINS)
SEEDS = (1, 2, 3, 4, 5)
DAYS_EACH = 6


@dataclass(frozen=True, slots=True)
class Wish:
    """A request as it comes."""

    day: int
    start: int
    length: int
    services: frozenset[str]

    def places(self, mode: str, days: int) -> list[tuple[int, int]]:
        """Give the days that she accepts, each with the grains at which she could start."""
        if mode == "one time":
            return [(self.day, 1 << self.start)]
        if mode == "within an hour":
            first, last = max(0, self.start - AROUND), min(GRAINS - 1, self.start + AROUND)
            return [(self.day, span(first, last - first + 1))]
        return [(day, FULL) for day in range(self.day, min(days, self.day + DAYS))]


def demand(days: int, seed: int) -> tuple[tuple[ClerkDay, ...], list[Wish]]:
    """Draw the clerks, the same each day, and wishes for as many minutes as they have."""
    chance = random.Random(seed)
    clerks = tuple(
        ClerkDay(
            f"c{number}",
            frozenset(map(str, chance.sample(range(8), chance.randint(2, 5)))),
            FULL & ~span(chance.choice([44, 47, 50]), 6),
        )
        for number in range(8)
    )
    known = sorted(set().union(*(clerk.services for clerk in clerks)))
    room = days * sum(clerk.free.bit_count() for clerk in clerks)
    wishes = []
    while room > 0:
        length = chance.choice(LENGTHS)
        start = chance.randrange((GRAINS - length) // STEP + 1) * STEP
        wishes.append(Wish(chance.randrange(days), start, length, frozenset([chance.choice(known)])))
        room -= length
    return clerks, wishes


class Book:
    """Days being booked by one strategy."""

    def __init__(self, clerks: tuple[ClerkDay, ...], days: int, strategy: str, mode: str) -> None:
        self.clerks = clerks
        self.strategy = strategy
        self.mode = mode
        self.booked: list[list[Booked]] = [[] for _ in range(days)]
        self.served = self.grains = self.chained = 0
        self.seconds: list[float] = []

    def wish(self, number: int, wish: Wish) -> None:
        """Book the nearest start that she accepts, by reassigning others only if there is none without."""
        begun = time.process_time()
        days = [
            (day, Day(OfficeDay(GRAINS, self.clerks, tuple(self.booked[day]))), allowed)
            for day, allowed in wish.places(self.mode, len(self.booked))
        ]
        place = self._nearest(wish, days, depth=0)
        if place is None and "chains" in self.strategy:
            place = self._nearest(wish, days, depth=DEPTH)
        if place is None:
            self.seconds.append(time.process_time() - begun)
            return
        day, start = place
        today = next(prepared for number_of_day, prepared, _ in days if number_of_day == day)
        request = Request(start, wish.length, wish.services, FULL)
        answer = today.admit(request)
        self.seconds.append(time.process_time() - begun)
        assert isinstance(answer, Placement)
        clerk = answer.clerk
        if not answer.reassigned and not self.strategy.startswith("least loss"):
            clerk = self._other(today, request)
        to = {move.uid: move.to_clerk for move in answer.reassigned}
        self.booked[day] = [
            Booked(entry.uid, to.get(entry.uid, entry.clerk), entry.start, entry.length, entry.services)
            for entry in self.booked[day]
        ]
        self.booked[day].append(Booked(f"u{number}", clerk, start, wish.length, wish.services))
        self.served += 1
        self.grains += wish.length
        self.chained += bool(answer.reassigned)

    def _nearest(self, wish: Wish, days: list[tuple[int, Day, int]], *, depth: int) -> tuple[int, int] | None:
        for day, prepared, allowed in days:
            if self.mode == "one time" and depth:
                # One start needs no list of all.
                answer = prepared.admit(Request(wish.start, wish.length, wish.services, FULL), depth=depth)
                return (day, wish.start) if isinstance(answer, Placement) else None
            found = prepared.starts(wish.length, wish.services, FULL, step=STEP, depth=depth) & allowed
            if found and "start too" in self.strategy and not depth:
                return day, self._cheapest(prepared, wish, found)
            if found:
                return day, min(each(found), key=lambda at: (abs(at - wish.start), at))
        return None

    def _cheapest(self, day: Day, wish: Wish, found: int) -> int:
        """Of these starts, the one at which somebody free loses least future room."""

        def loss(start: int) -> float:
            mask = span(start, wish.length)
            return min(
                day.loss(clerk, mask)
                for clerk in day.eligible(wish.services)
                if not mask & (~self.clerks[clerk].free | day.occupied[clerk])
            )

        return min(each(found), key=lambda at: (loss(at), abs(at - wish.start), at))

    def _other(self, day: Day, request: Request) -> str:
        fitting = [
            number
            for number in day.eligible(request.services)
            if not request.mask & (~self.clerks[number].free | day.occupied[number])
        ]
        if self.strategy.startswith("best fit"):
            fitting.sort(key=lambda number: (-day.occupied[number].bit_count(), number))
        return self.clerks[fitting[0]].clerk


def bound(
    clerks: tuple[ClerkDay, ...], wishes: Iterable[Wish], mode: str, worth: Callable[[Wish], float]
) -> float:
    """At most so much worth can be served on one day, all known in advance."""
    known = list(wishes)
    columns = [
        (number, clerk, start, wish.length)
        for number, wish in enumerate(known)
        for clerk, entry in enumerate(clerks)
        if wish.services <= entry.services
        for start in each(wish.places(mode, wish.day + 1)[0][1])
        if start % STEP == 0 and start + wish.length <= GRAINS and not span(start, wish.length) & ~entry.free
    ]
    rows: list[list[int]] = [[] for _ in range(len(known) + len(clerks) * GRAINS)]
    for column, (number, clerk, start, length) in enumerate(columns):
        rows[number].append(column)
        for grain in range(start, start + length):
            rows[len(known) + clerk * GRAINS + grain].append(column)
    rows = [row for row in rows if len(row) > 1]
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(columns), len(rows)
    lp.col_cost_ = np.array([-worth(known[column[0]]) for column in columns])
    lp.col_lower_, lp.col_upper_ = np.zeros(len(columns)), np.ones(len(columns))
    lp.row_lower_, lp.row_upper_ = np.full(len(rows), -highspy.kHighsInf), np.ones(len(rows))
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.cumsum([0, *map(len, rows)])
    lp.a_matrix_.index_ = np.array([column for row in rows for column in row])
    lp.a_matrix_.value_ = np.ones(len(lp.a_matrix_.index_))
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    solver.passModel(lp)
    solver.run()
    return -float(solver.getInfo().objective_function_value)


def bounds(clerks: tuple[ClerkDay, ...], wishes: list[Wish], days: int, mode: str) -> tuple[float, float]:
    """At most so many requests, and so many grains, that can be served."""
    if mode != "within three days":
        by_day = [[wish for wish in wishes if wish.day == day] for day in range(days)]
        most = sum(bound(clerks, today, mode, lambda _: 1.0) for today in by_day)
        return most, sum(bound(clerks, today, mode, lambda wish: wish.length) for today in by_day)
    room = days * sum(clerk.free.bit_count() for clerk in clerks)
    served = total = 0
    for length in sorted(wish.length for wish in wishes):
        if total + length <= room:
            served, total = served + 1, total + length
    return served, room


def measure(days: int, seed: int, mode: str) -> dict[str, Any]:
    """Serve the same demand by each strategy."""
    clerks, wishes = demand(days, seed)
    most, minutes = bounds(clerks, wishes, days, mode)
    totals: dict[str, dict[str, float]] = {}
    for name in STRATEGIES[:-1] if mode == "one time" else STRATEGIES:
        book = Book(clerks, days, name, mode)
        for number, wish in enumerate(wishes):
            book.wish(number, wish)
        totals[name] = {
            "served": book.served,
            "minutes": 5 * book.grains,
            "by_chain": book.chained,
            "mean_ms": round(1000 * sum(book.seconds) / len(wishes), 3),
            "worst_ms": round(1000 * max(book.seconds), 3),
        }
    return {
        "requests": len(wishes),
        "days": days,
        "seed": seed,
        "mode": mode,
        "bound_served": round(most, 1),
        "bound_minutes": round(5 * minutes),
        "strategies": totals,
    }


def more_percent(results: list[dict[str, Any]], name: str, what: str) -> list[float]:
    """How many per cent more than first fit a strategy reached with each seed; `name` may be "bound"."""
    found = []
    for result in results:
        first = result["strategies"]["first fit"][what]
        reached = result[f"bound_{what}"] if name == "bound" else result["strategies"][name][what]
        found.append(100 * (reached / first - 1))
    return found


def tell(results: list[dict[str, Any]]) -> None:
    """Print a mode's results over all seeds: means, and the range."""
    requests = sum(result["requests"] for result in results)
    served = sum(result["strategies"]["first fit"]["served"] for result in results)
    print(f"\n{results[0]['mode']}: {requests} requests, {len(results)} seeds; first fit serves {served}")
    for name in [*list(results[0]["strategies"])[1:], "bound"]:
        parts = []
        for what in ("served", "minutes"):
            values = more_percent(results, name, what)
            mean = sum(values) / len(values)
            parts.append(f"{mean:+6.2f} % {what} ({min(values):+.1f} to {max(values):+.1f})")
        spent = [result["strategies"].get(name, {}).get("mean_ms", 0.0) for result in results]
        print(f"{name:34} {parts[0]}, {parts[1]}, {sum(spent) / len(spent):.2f} ms a request", flush=True)


def run(days: int, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """Measure all modes and write the result."""
    results = []
    for mode in ("one time", "within an hour", "within three days"):
        found = [measure(days, seed, mode) for seed in seeds]
        tell(found)
        results += found
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return results


def main() -> None:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=DAYS_EACH)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    chosen = parser.parse_args()
    run(chosen.days, chosen.seeds)


if __name__ == "__main__":
    main()

"""How fast admission and offers answer, on simulated offices."""

from __future__ import annotations

import random
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from optimizer.admission import admit, starts
from optimizer.bits import span
from optimizer.instance import Booked, ClerkDay, OfficeDay, Placement, Request
from optimizer.offers import OfficeOffers, Window

if TYPE_CHECKING:
    from collections.abc import Callable

GRAINS = 96
REPEATS = 5


def spread(values: list[float], unit: float = 1e3) -> dict[str, float]:
    """Mean, median, 99th percentile and worst, in thousandths unless told otherwise."""
    ordered = sorted(values)
    return {
        "mean": round(unit * sum(values) / len(values), 4),
        "median": round(unit * ordered[len(ordered) // 2], 4),
        "p99": round(unit * ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))], 4),
        "worst": round(unit * ordered[-1], 4),
    }


def _clerk(name: str, chance: random.Random, *, gaps: bool) -> ClerkDay:
    """A clerk with a break, and with up to three further gaps if wanted."""
    services = frozenset(map(str, chance.sample(range(8), chance.randint(2, 5))))
    free = span(0, GRAINS) & ~span(chance.choice([46, 48, 50]), 6)
    for _ in range(chance.randint(0, 3) if gaps else 0):
        free &= ~span(chance.randrange(GRAINS - 10), chance.randint(2, 10))
    return ClerkDay(name, services, free)


def _fastest(action: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of the processor for the fastest of some runs, so that what else the machine does isn't counted; and the answer."""
    best, answer = float("inf"), None
    for _ in range(REPEATS):
        begun = time.process_time()
        answer = action()
        best = min(best, time.process_time() - begun)
    return best, answer


def admission(days: int = 8, clerks: int = 20, *, gaps: bool = False) -> dict[str, Any]:
    """Fill days of an office by requests at random times; time each answer, and now and then all starts."""
    kinds: dict[str, list[float]] = {"direct": [], "chain": [], "refused": [], "all": [], "all starts": []}
    unproven = 0
    changes: list[int] = []
    for seed in range(days):
        chance = random.Random(seed)
        staff = tuple(_clerk(f"c{n:02}", chance, gaps=gaps) for n in range(clerks))
        booked: list[Booked] = []
        for number in range(13 * clerks):
            length = chance.choice([2, 3, 3, 4, 6, 6, 9, 12])
            start = 3 * chance.randrange((GRAINS - length) // 3 + 1)
            services = frozenset([str(chance.randrange(8))])
            day = OfficeDay(GRAINS, staff, tuple(booked))
            took, answer = _fastest(partial(admit, day, Request(start, length, services, span(0, GRAINS))))
            kinds["all"].append(took)
            if isinstance(answer, Placement):
                kinds["chain" if answer.reassigned else "direct"].append(took)
                if answer.reassigned:
                    changes.append(len(answer.reassigned))
                to = {move.uid: move.to_clerk for move in answer.reassigned}
                booked = [
                    Booked(b.uid, to.get(b.uid, b.clerk), b.start, b.length, b.services) for b in booked
                ]
                booked.append(Booked(f"u{number}", answer.clerk, start, length, services))
            else:
                kinds["refused"].append(took)
                unproven += not answer.proven
            if number % 20 == 19:
                took, _ = _fastest(partial(starts, day, length, services, span(0, GRAINS)))
                kinds["all starts"].append(took)
    found: dict[str, Any] = {name: {"count": len(v), **spread(v)} for name, v in kinds.items()}
    found["all"]["over 1 ms"] = sum(took > 1e-3 for took in kinds["all"])
    print(f"admission, {clerks} clerks{', more gaps' if gaps else ''}, processor ms:")
    for name, row in found.items():
        print(f"  {name:10} {row}")
    print(f"  refusals not proven: {unproven} of {len(kinds['refused'])}")
    print(f"  changes of a chain: mean {sum(changes) / len(changes):.2f}, most {max(changes)}")
    return {**found, "unproven": unproven, "most changes": max(changes)}


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

"""How fast offers are found, with a city's data: 500 clerks in 45 offices, 60 days, 70 % booked.

Measured in one process: a month of offers for the largest office (40 clerks) and for the whole city at once, cold (every day has just
changed, nothing was prepared), prepared by the follower, after one change, and warm (asked before). Then over HTTP with site and calendar server as they
are run (`benchmarks.booking_web.whole`): offers while others book, and bookings.

    python -m benchmarks.booking_web [--seconds 5] [--seed 1]
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import statistics
import sys
import time as clock
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.booking_web import whole
from booking_web.booking.availability import OfficeFeed, _apply
from booking_web.booking.choice import Choice, choose
from calendar_server.client import BusyChanges, CalendarClient
from calendar_server.ical import busy
from config import compose
from config.settings import load

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

    from booking_web.town import OfficeInfo, Town

EXAMPLE = Path(compose.__file__).parent / "meschede"
RESULTS = Path(__file__).parents[1] / "results" / "booking_web.json"
NOW = datetime(2026, 12, 1, 6, 0, tzinfo=UTC)
DAYS = 60
BOOKED = 0.7
SIZES = whole.SIZES
MIX = ["reisepass:2", "personalausweis", "meldebescheinigung", "anmeldung:3", "fundbuero", "beglaubigung"]


def bounds(day: date, zone: ZoneInfo) -> tuple[int, int]:
    """Midnight to midnight, as epoch seconds."""
    start = datetime.combine(day, time(), zone)
    end = datetime.combine(day + timedelta(days=1), time(), zone)
    return int(start.timestamp()), int(end.timestamp())


def clerk_day(
    rng: random.Random, office: OfficeInfo, key: str, day: date, services: list[str]
) -> busy.ClerkDay:
    """A clerk's day from 8 to 17 that is booked to about 70 %, as the calendar server would tell it."""
    start, end = bounds(day, office.zone)
    opens, closes = start + 8 * 3600, start + 17 * 3600
    periods = [
        busy.BusyPeriod(start, opens, busy.BusyKind.UNAVAILABLE),
        busy.BusyPeriod(closes, end, busy.BusyKind.UNAVAILABLE),
    ]
    at = opens
    while at < closes:
        length = rng.choice((900, 1200, 1800, 2700))
        if rng.random() < BOOKED and at + length <= closes:
            needs = frozenset(rng.sample(sorted(services), 1))
            periods.append(busy.BusyPeriod(at, at + length, busy.BusyKind.APPOINTMENT, needs))
        at += length
    return busy.ClerkDay(key, day, start, end, frozenset(services), tuple(periods))


def office_days(rng: random.Random, office: OfficeInfo, clerks: int) -> BusyChanges:
    """The whole feed of an office."""
    skills = {
        f"c{at}": rng.sample(office.services, rng.randint(2, len(office.services))) for at in range(clerks)
    }
    first = NOW.date()
    days = [first + timedelta(days=at) for at in range(DAYS)]
    weekdays = [day for day in days if day.weekday() < 5]
    openings = tuple(
        busy.OpeningDay(
            day,
            *bounds(day, office.zone),
            (busy.Window(bounds(day, office.zone)[0] + 8 * 3600, bounds(day, office.zone)[0] + 17 * 3600),),
        )
        for day in weekdays
    )
    filled = tuple(clerk_day(rng, office, key, day, can) for day in weekdays for key, can in skills.items())
    return BusyChanges("1", filled, openings)


def city(seed: int) -> tuple[Town, dict[str, BusyChanges]]:
    """The town of the example, grown to 45 offices, and their feeds."""
    rng = random.Random(seed)
    town = compose.town(load(EXAMPLE))
    model = town.offices[0]
    offices = tuple(
        replace(
            model,
            id=f"office{at}",
            release=replace(model.release, public=replace(model.release.public, horizon_days=DAYS)),
        )
        for at in range(len(SIZES))
    )
    town = replace(town, offices=offices)
    return town, {
        office.id: office_days(rng, office, size) for office, size in zip(offices, SIZES, strict=True)
    }


def fill(feed: OfficeFeed, changes: BusyChanges) -> None:
    """Put a feed's content into memory as a synchronisation does."""
    days: dict[date, object] = {}
    _apply(days, changes)
    feed._days = days  # noqa: SLF001 - what a synchronisation does
    feed._synced_at = float("inf")  # noqa: SLF001 - never asks a calendar


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` of all lie."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def summary(values: list[float]) -> dict[str, float]:
    """Median, 99th percentile and worst, in milliseconds."""
    return {
        "p50_ms": round(statistics.median(values) * 1000, 3),
        "p99_ms": round(percentile(values, 0.99) * 1000, 3),
        "max_ms": round(max(values) * 1000, 3),
        "n": len(values),
    }


def timed(call: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    began = clock.perf_counter()
    call()
    return clock.perf_counter() - began


def choices(town: Town, office: OfficeInfo) -> list[Choice]:
    """What citizens ask for, in turn."""
    made = []
    for text in MIX:
        service, _, persons = text.partition(":")
        made.append(choose(town, office.id, [(service, int(persons or 1))]))
    return made


def in_memory(
    town: Town, feeds: dict[str, OfficeFeed], contents: dict[str, BusyChanges], rounds: int = 160
) -> dict[str, dict[str, float]]:
    """Questions to the memory itself, `rounds` of each kind: of fewer than a hundred the 99th percentile would be the worst one."""
    office = town.offices[0]
    feed, asked = feeds[office.id], choices(town, office)
    last = NOW.date() + timedelta(days=31)
    cold, warm, prepared, whole_cold, whole_prepared, whole_warm, touched = [], [], [], [], [], [], []
    for at in range(rounds):
        choice = asked[at % len(asked)]
        fill(feed, contents[office.id])
        cold.append(timed(lambda choice=choice: feed.offers(choice, NOW, None, last)))
        warm.append(timed(lambda choice=choice: feed.offers(choice, NOW, None, last)))
        # The follower has prepared the days, and nobody has asked for this yet.
        fill(feed, contents[office.id])
        feed._asked.clear()  # noqa: SLF001 - as if nobody had asked
        list(feed.preparing())
        prepared.append(timed(lambda choice=choice: feed.offers(choice, NOW, None, last)))
        # One clerk's day has changed since the last question, as after a booking.
        change(feed, contents[office.id], at)
        touched.append(timed(lambda choice=choice: feed.offers(choice, NOW, None, last)))
    for at in range(2):
        every = [(each, choices(town, each)[at % len(MIX)]) for each in town.offices]

        def ask(every: list[tuple[OfficeInfo, Choice]] = every) -> None:
            for each, choice in every:
                feeds[each.id].offers(choice, NOW, None, last)

        for each in town.offices:
            fill(feeds[each.id], contents[each.id])
        whole_cold.append(timed(ask))
        for each in town.offices:
            fill(feeds[each.id], contents[each.id])
            feeds[each.id]._asked.clear()  # noqa: SLF001 - likewise
            list(feeds[each.id].preparing())
        whole_prepared.append(timed(ask))
        whole_warm.extend(timed(ask) for _ in range(5))
    return {
        "month_40_clerks_cold": summary(cold),
        "month_40_clerks_prepared": summary(prepared),
        "month_40_clerks_after_one_change": summary(touched),
        "month_40_clerks_warm": summary(warm),
        "month_whole_city_cold": summary(whole_cold),
        "month_whole_city_prepared": summary(whole_prepared),
        "month_whole_city_warm": summary(whole_warm),
    }


def change(feed: OfficeFeed, content: BusyChanges, at: int) -> None:
    """Apply a change of one clerk's day, as the feed would bring it."""
    day = content.clerk_days[at * 37 % len(content.clerk_days)]
    days = dict(feed._days)  # noqa: SLF001 - what a synchronisation does
    _apply(days, BusyChanges("2", (replace(day, periods=day.periods[:-1]),)))
    feed._days = days  # noqa: SLF001 - likewise


def show(results: dict[str, dict[str, float]]) -> None:
    """Print a line for each measurement."""
    for name, values in results.items():
        print(f"{name:36}", "  ".join(f"{key} {value}" for key, value in values.items()), flush=True)


def main() -> int:
    """Measure, print a table, write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    town, contents = city(arguments.seed)
    client = CalendarClient("http://127.0.0.1:9", "site", "x")
    feeds = {office.id: OfficeFeed(office, client, clock.monotonic) for office in town.offices}
    results = in_memory(town, feeds, contents)
    show(results)
    over_http = whole.measure(arguments.seconds)
    show(over_http)
    results.update(over_http)
    RESULTS.parent.mkdir(exist_ok=True)
    machine = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "seed": arguments.seed,
        "clerks": sum(SIZES),
        "offices": len(SIZES),
    }
    RESULTS.write_text(json.dumps({**machine, **results}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What another window or another clerk would bring."""

from __future__ import annotations

from datetime import date, time

import pytest

from booking_web.planning.scenarios import (
    NewClerk,
    NewWindow,
    forecast,
    generated_demand,
    past_demand,
    weeks_before,
    weeks_from,
)
from optimizer.snapshot import Snapshot
from optimizer.whatif import Wish
from tests.support.calendar import calendar_server
from tests.support.databases import fresh_sqlite
from tests.support.town import BERLIN, NOW, appointment, at, clerk, directory, office

LENGTHS = {"reisepass": 6}
PASS = frozenset(LENGTHS)
THURSDAY = NewWindow(3, time(14), time(18), frozenset({"clerk1"}))


@pytest.fixture
def server(tmp_path):
    offices = directory(office(clerk("clerk1"), clerk("clerk2", "beglaubigung")))
    with calendar_server(fresh_sqlite(tmp_path), offices) as made:
        yield made


def seen(server, weeks: int = 1) -> Snapshot:
    """From Wednesday 2 December on."""
    first, last = weeks_from(date(2026, 12, 1), weeks)
    return Snapshot.from_json(server.client("lead").snapshot("buergerbuero", first, last))


def wishes(count: int, day: int = 0) -> list[Wish]:
    return [Wish(day, 6, PASS)] * count


def test_thursday_afternoon_adds_its_own_room(server):
    """One clerk: Wednesday 8 to 12 are 8 appointments of half an hour, Monday 8 to 16 are 16, Thursday 14 to 18 are 8 more."""
    found = forecast(seen(server), THURSDAY, wishes(40), LENGTHS)
    assert (found.difference.before.served, found.difference.after.served) == (24, 32)
    assert found.difference.more_served == 8


def test_the_wait_gets_shorter(server):
    found = forecast(seen(server), THURSDAY, wishes(16), LENGTHS)
    assert found.difference.before.waits == (0,) * 8 + (5,) * 8
    assert found.difference.after.waits == (0,) * 8 + (1,) * 8
    assert found.difference.shorter_wait == 2.0


def test_nobody_works_there_nothing_is_gained(server):
    away = NewWindow(3, time(14), time(18), frozenset({"clerk2"}))
    assert forecast(seen(server), away, wishes(40), LENGTHS).difference.more_served == 0


def test_one_more_clerk_doubles_the_room(server):
    found = forecast(seen(server), NewClerk(PASS, "clerk2"), wishes(60), LENGTHS)
    assert (found.difference.before.served, found.difference.after.served) == (24, 48)
    useless = NewClerk(frozenset({"fundbuero"}), "clerk2")
    assert forecast(seen(server), useless, wishes(60), LENGTHS).difference.more_served == 0


def test_the_next_free_start_counts_what_is_booked_now(server):
    for number in range(8):
        start = at(2, 8 + number // 2, 30 * (number % 2))
        server.client().book(appointment(f"a{number}@test", start, "reisepass"), now=NOW)
    (first,) = forecast(seen(server), THURSDAY, [], LENGTHS).first_free
    assert (first.before, first.after) == (at(7, 8), at(3, 14))


def test_asking_changes_nothing(server):
    server.client().book(appointment(), now=NOW)
    before = seen(server)
    forecast(before, THURSDAY, wishes(5), LENGTHS)
    assert seen(server) == before


@pytest.mark.parametrize(
    "change",
    [
        NewWindow(3, time(18), time(14), frozenset({"clerk1"})),
        NewWindow(3, time(14), time(18), frozenset()),
        NewClerk(PASS, "nobody"),
    ],
)
def test_nonsense_is_refused(server, change):
    with pytest.raises(ValueError, match=r"window|clerk"):
        forecast(seen(server), change, [], LENGTHS)


def test_a_past_demand_is_made_when_it_was_booked():
    first = weeks_before(date(2026, 12, 15), 2)[0]
    assert first == date(2026, 12, 1)

    def record(day: int, made: int | None, *services: str):
        start = int(at(day, 8).timestamp())
        return {
            "start": start,
            "end": start + 20 * 60,
            "services": list(services),
            "made": None if made is None else int(at(made, 12).timestamp()),
        }

    found = past_demand(
        [record(7, 4, "reisepass"), record(9, None, "abmeldung"), record(2, 1, "fundbuero"), record(3, 1)],
        first,
        BERLIN,
    )
    assert found == (
        Wish(0, 4, frozenset({"fundbuero"})),
        Wish(3, 4, frozenset({"reisepass"})),
        Wish(6, 4, frozenset({"abmeldung"})),
    )


def test_an_invented_demand_is_the_same_for_the_same_seed(server):
    snapshot = seen(server, 2)
    one, again, other = (generated_demand(snapshot, 50, LENGTHS, seed) for seed in (1, 1, 2))
    assert one == again != other
    assert len(one) == 100
    days = {date.fromisoformat(snapshot.days[wish.day].day).weekday() for wish in one}
    assert days == {0, 1, 2, 3, 4}

"""What stands in the way of a time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer import bits, why
from optimizer.admission import Day
from optimizer.instance import Booked, ClerkDay, OfficeDay

PASS = frozenset({"pass"})
WORKING = bits.span(96, 48)


def office(*booked: Booked, free: int = WORKING, services: frozenset[str] = PASS) -> OfficeDay:
    """One clerk who works four hours from eight o'clock."""
    return OfficeDay(288, (ClerkDay("ada", services, free),), booked)


def meeting(start: int, length: int, uid: str = "a") -> Booked:
    return Booked(uid, "ada", start, length, PASS)


@pytest.mark.parametrize(
    ("day", "start", "expected"),
    [
        (office(), 96, why.Obstacle("ada", "free")),
        (office(services=frozenset()), 96, why.Obstacle("ada", "not-eligible", ("pass",))),
        (office(), 142, why.Obstacle("ada", "not-working", periods=((144, 148),))),
        (office(free=bits.span(99, 40)), 96, why.Obstacle("ada", "own-entry", periods=((96, 99),))),
        (
            office(meeting(90, 8), meeting(101, 3, "b")),
            96,
            why.Obstacle("ada", "appointment", periods=((90, 98), (101, 104)), appointments=("a", "b")),
        ),
    ],
)
def test_what_stands_in_the_way_of_a_time(day, start, expected):
    assert why.at_time(day, {"ada": WORKING}, PASS, start, 6) == (expected,)


@pytest.mark.parametrize(
    ("day", "length", "reason", "longest"),
    [
        (office(), 6, "free", 48),
        (office(), 49, "not-working", 48),
        (office(free=bits.span(96, 4)), 6, "own-entry", 4),
        (office(meeting(96, 48)), 6, "appointment", 0),
        (office(meeting(96, 22), meeting(121, 23, "b")), 6, "gap", 3),
        (office(meeting(96, 25), meeting(123, 21, "b")), 2, "grid", 2),
    ],
)
def test_why_a_day_is_full(day, length, reason, longest):
    (found,) = why.on_day(day, {"ada": WORKING}, PASS, length, WORKING, 3)
    assert (found.reason, found.longest) == (reason, longest)


@given(
    st.lists(st.tuples(st.integers(0, 45), st.integers(1, 12)), max_size=6),
    st.integers(0, 47),
    st.integers(1, 10),
    st.integers(0, (1 << 48) - 1),
)
def test_nothing_stands_in_the_way_exactly_where_she_is_free(entries, start, length, away):
    booked = tuple(
        Booked(str(number), "ada", 96 + at, min(size, 48 - at), PASS)
        for number, (at, size) in enumerate(entries)
    )
    day = office(*booked, free=WORKING & ~(away << 96))
    (found,) = why.at_time(day, {"ada": WORKING}, PASS, 96 + start, length)
    starts = Day(day).starts(length, PASS, bits.span(0, 288), step=1, depth=0)
    assert (found.reason == "free") == bool(starts >> (96 + start) & 1)
    (whole,) = why.on_day(day, {"ada": WORKING}, PASS, length, WORKING, 1)
    assert (whole.reason == "free") == bool(starts)

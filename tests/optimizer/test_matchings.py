"""The complete search alone, without the search for the fewest reassignments that admission tries before."""

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer import matchings
from optimizer.admission import Day
from optimizer.bits import span
from optimizer.check import check_placement
from optimizer.instance import ClerkDay, OfficeDay, Placement, Reassignment, Request
from optimizer.matchings import Question
from tests.optimizer.days import (
    booked,
    can_be_rearranged,
    clerk,
    crowded_day,
    crowded_days,
    fewest_reassigned,
    needs,
    small_days,
)


def taken_in(day, start, length, services):
    """The placement that the complete search finds; None if there is none."""
    prepared = Day(day)
    mask = span(start, length)
    could = sum(
        1 << number
        for number in prepared.eligible(services)
        if not mask & ~day.clerks[number].free
        and not any(e.pinned and e.mask & mask and e.clerk == day.clerks[number].clerk for e in day.booked)
    )
    if not could:
        return None
    found, proven = Question(prepared.timetable, start, length, could).answer(1000)
    assert proven
    if found is None:
        return None
    moves = tuple(
        Reassignment(prepared.booked[item].uid, prepared.booked[item].clerk, day.clerks[to].clerk)
        for item, to in found.placed.items()
    )
    return Placement(day.clerks[found.clerk].clerk, moves)


THOROUGH = {"AT_FIRST": 0, "STAGES": (), "EJECTIONS": 0}
"""Without ejections, so that the thorough search decides."""


ways = pytest.mark.parametrize(
    "how",
    [
        {},
        {"AT_FIRST": 0},
        {"AT_FIRST": 1, "STAGES": ((0, 1, 2), (1, 1, 2)), "EJECTIONS": 2},
        THOROUGH,
        THOROUGH | {"SUSPECT": 1, "PATIENCE": (2, 400)},
    ],
)


@ways
@settings(max_examples=300, deadline=None)
@given(
    small_days,
    st.integers(0, 5),
    st.integers(1, 4),
    needs,
)
def test_it_finds_a_placement_exactly_when_there_is_one(how, day, start, length, services):
    length = min(length, day.grains - start)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in how.items():
            patch.setattr(matchings, name, value)
        found = taken_in(day, start, length, services)
    exists = fewest_reassigned(day, start, length, services, span(0, day.grains)) is not None
    assert (found is not None) == exists
    if found is not None:
        request = Request(start, length, services, span(0, day.grains))
        assert check_placement(day, request, found) == []


@ways
@settings(max_examples=150, deadline=None)
@given(
    crowded_days,
    st.lists(
        st.tuples(st.integers(0, 11), st.integers(1, 4), st.sampled_from("abcd").map(frozenset)),
        min_size=4,
        max_size=8,
    ),
)
def test_it_is_right_on_days_with_many_rings(how, day, wishes):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in how.items():
            patch.setattr(matchings, name, value)
        for start, most, services in wishes:
            length = min(most, day.grains - start)
            found = taken_in(day, start, length, services)
            assert (found is not None) == can_be_rearranged(day, start, length, services)
            if found is not None:
                assert check_placement(day, Request(start, length, services, span(0, 12)), found) == []


@pytest.mark.parametrize(
    ("seed", "start", "service"),
    [(5, 12, "c"), (18, 12, "a"), (30, 8, "b"), (35, 6, "d"), (49, 4, "d"), (119, 8, "d")],
)
@pytest.mark.parametrize("more", [{}, {"SUSPECT": 1, "PATIENCE": (2, 400)}])
def test_a_choice_that_leads_nowhere_is_taken_back(monkeypatch, more, seed, start, service):
    for name, value in (THOROUGH | more).items():
        monkeypatch.setattr(matchings, name, value)
    day = crowded_day(seed)
    found = taken_in(day, start, 2, frozenset(service))
    assert (found is not None) == can_be_rearranged(day, start, 2, frozenset(service))
    if found is not None:
        request = Request(start, 2, frozenset(service), span(0, 20))
        assert check_placement(day, request, found) == []


def test_too_many_for_the_clerks_who_may_do_it_are_refused_without_a_choice():
    day = OfficeDay(
        4,
        (clerk("one", "####", "ab"), clerk("two", "####", "ab"), clerk("three", "####", "b")),
        (booked("x", "one", 0, 4), booked("y", "two", 0, 4)),
    )
    assert Question(Day(day).timetable, 0, 2, 0b011).answer(0) == (None, True)


def test_a_lack_at_another_moment_is_found_without_a_choice():
    # At each grain of the request somebody could make room, but w, which nobody else may do, keeps x and y from three.
    day = OfficeDay(
        6,
        (clerk("one", "######", "ab"), clerk("two", "######", "a"), clerk("three", "######", "ac")),
        (booked("x", "one", 0, 6), booked("y", "two", 1, 5), booked("w", "three", 4, 2, "c")),
    )
    assert Question(Day(day).timetable, 0, 2, 0b001).answer(0) == (None, True)


def test_whoever_stands_on_another_one_may_stay_there():
    day = OfficeDay(
        6,
        (clerk("one", "######", "a"), clerk("two", "######", "a")),
        (booked("x", "one", 0, 6), booked("y", "one", 2, 2)),
    )
    assert taken_in(day, 0, 2, frozenset("a")) == Placement("two")


def test_nobody_is_moved_who_can_stay():
    day = OfficeDay(
        4,
        tuple(clerk(f"c{n}", "####", "a") for n in range(4)),
        (booked("x", "c0", 0, 4), booked("y", "c1", 0, 4), booked("z", "c2", 0, 4)),
    )
    found = taken_in(day, 0, 4, frozenset("a"))
    assert found is not None
    assert len(found.reassigned) <= 1


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_at_one_moment_everybody_keeps_exactly_the_clerks_of_some_matching(data):
    clerks = data.draw(st.integers(2, 5))
    booked_count = data.draw(st.integers(1, clerks - 1))
    # Who has it can have it; the last is the request's.
    able = [
        data.draw(st.sets(st.integers(0, clerks - 1), min_size=1))
        | ({item} if item < booked_count else set())
        for item in range(booked_count + 1)
    ]
    day = OfficeDay(
        2,
        tuple(
            ClerkDay(f"c{n}", frozenset(f"s{item}" for item, who in enumerate(able) if n in who), 3)
            for n in range(clerks)
        ),
        tuple(booked(f"u{item}", f"c{item}", 0, 2, {f"s{item}"}) for item in range(booked_count)),
    )
    ways = [
        way
        for way in permutations(range(clerks), booked_count + 1)
        if all(clerk in who for clerk, who in zip(way, able, strict=True))
    ]
    question = Question(Day(day).timetable, 0, 2, sum(1 << clerk for clerk in able[-1]))
    try:
        question._begin()
        question._work_out(0, 1000)
    except matchings._ConflictError:
        assert not ways
    else:
        assert question.domains == [
            sum(1 << clerk for clerk in {way[item] for way in ways}) for item in range(len(able))
        ]

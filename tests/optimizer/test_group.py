"""Groups: what is planned can be placed one by one, nothing that fits is left out, and the arrangement is kept."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.admission import Day
from optimizer.bits import span
from optimizer.group import REASSIGNING, Arrangement, Seats, plan, starts
from optimizer.instance import Booked, ClerkDay, OfficeDay, Refusal, Request

X = frozenset({"x"})
WINDOW = span(0, 24)


def day(*clerks: ClerkDay, booked: tuple[Booked, ...] = ()) -> Day:
    return Day(OfficeDay(48, clerks, booked))


def clerk(name: str, *services: str, free: int = WINDOW) -> ClerkDay:
    return ClerkDay(name, frozenset(services or ("x",)), free)


def wish(start: int, length: int = 4) -> Request:
    return Request(start, length, X, WINDOW)


def test_all_together_needs_as_many_clerks():
    two = day(clerk("a"), clerk("b"))
    assert plan(two, wish(4), 2, Arrangement.TOGETHER) == (4, 4)
    assert plan(two, wish(4), 3, Arrangement.TOGETHER) is None


def test_in_turn_has_no_gap_and_may_change_clerk():
    booked = (Booked("1", "a", 8, 4, X, pinned=True), Booked("2", "b", 4, 4, X, pinned=True))
    two = day(clerk("a"), clerk("b"), booked=booked)
    assert plan(two, wish(4), 2, Arrangement.IN_TURN) == (4, 8)
    assert plan(two, wish(4), 2, Arrangement.TOGETHER) is None


def test_soonest_takes_as_many_at_once_as_can_be():
    three = day(clerk("a"), clerk("b"), clerk("c", free=span(8, 16)))
    assert plan(three, wish(4), 5, Arrangement.SOONEST) == (4, 4, 8, 8, 8)


def test_others_are_reassigned_to_make_room():
    """Only b may do x; what b has now, a can take."""
    booked = (Booked("1", "b", 4, 8, frozenset({"y"})),)
    made = day(clerk("a", "y"), clerk("b", "x", "y"), booked=booked)
    assert plan(made, wish(4), 2, Arrangement.IN_TURN) == (4, 8)
    pinned = (Booked("1", "b", 4, 8, frozenset({"y"}), pinned=True),)
    assert (
        plan(day(clerk("a", "y"), clerk("b", "x", "y"), booked=pinned), wish(4), 2, Arrangement.IN_TURN)
        is None
    )


def test_a_group_ends_with_the_window_and_the_day():
    one = day(clerk("a", free=span(0, 48)))
    assert plan(one, wish(16), 2, Arrangement.IN_TURN) == (16, 20)
    assert plan(one, wish(20), 2, Arrangement.IN_TURN) is None
    late = Request(44, 4, X, span(0, 48))
    assert plan(one, late, 2, Arrangement.IN_TURN) is None


def test_a_group_of_nobody_is_an_error():
    with pytest.raises(ValueError, match="group of 0"):
        plan(day(clerk("a")), wish(0), 0, Arrangement.SOONEST)


names = st.sampled_from("abc")
skills = st.sampled_from([("x",), ("y",), ("x", "y")])
frees = st.sampled_from([span(0, 12), span(0, 24), span(3, 9)])
entries = st.lists(
    st.tuples(names, st.integers(0, 5), st.integers(1, 2), st.sampled_from("xy"), st.booleans()), max_size=5
)


@st.composite
def days(draw: st.DrawFn) -> Day:
    clerks = [clerk(name, *draw(skills), free=draw(frees)) for name in "abc"]
    booked: list[Booked] = []
    for number, (name, start, length, service, pinned) in enumerate(draw(entries)):
        holder = next(each for each in clerks if each.clerk == name)
        entry = Booked(str(number), name, start * 2, length * 2, frozenset({service}), pinned)
        clash = any(each.clerk == name and each.mask & entry.mask for each in booked)
        if service in holder.services and not entry.mask & ~holder.free and not clash:
            booked.append(entry)
    return day(*clerks, booked=tuple(booked))


def feasible(made: Day, wanted: list[tuple[int, int]]) -> bool:
    """Try all ways of giving everything that isn't pinned to somebody, with these further appointments for x."""
    items = [(each.mask, each.services, each.clerk if each.pinned else None) for each in made.booked]
    items += [(span(start, length), X, None) for start, length in wanted]
    choices = [
        [
            number
            for number, each in enumerate(made.clerks)
            if (held in {None, each.clerk}) and services <= each.services and not mask & ~each.free
        ]
        for mask, services, held in items
    ]
    for chosen in product(*choices):
        taken = [0] * len(made.clerks)
        for (mask, _, _), number in zip(items, chosen, strict=True):
            if taken[number] & mask:
                break
            taken[number] |= mask
        else:
            return True
    return False


@given(
    days(), st.integers(0, 4), st.integers(1, 3), st.sampled_from([Arrangement.TOGETHER, Arrangement.IN_TURN])
)
def test_a_group_fits_exactly_where_trying_everything_finds_room(made, at, count, arrangement):
    length = 2
    wanted = [
        (at * 2 + (number * length if arrangement is Arrangement.IN_TURN else 0), length)
        for number in range(count)
    ]
    found = plan(made, wish(at * 2, length), count, arrangement)
    if count <= REASSIGNING or arrangement is Arrangement.IN_TURN:
        assert (found is not None) == feasible(made, wanted)
    if found is not None:
        assert feasible(made, wanted)
        assert list(found) == [start for start, _ in wanted]


@given(days(), st.integers(0, 4), st.integers(1, 4))
def test_soonest_is_done_no_later_than_any_other_arrangement(made, at, count):
    request = wish(at * 2, 2)
    soonest = plan(made, request, count, Arrangement.SOONEST)
    for other in (Arrangement.TOGETHER, Arrangement.IN_TURN):
        found = plan(made, request, count, other)
        if found is not None:
            assert soonest is not None
            assert soonest[-1] <= found[-1]
    if soonest is not None:
        assert feasible(made, [(start, 2) for start in soonest])


@given(days(), st.integers(0, 4), st.integers(1, 4), st.sampled_from(Arrangement))
def test_what_is_planned_is_accepted_one_by_one(made, at, count, arrangement):
    """As the calendar server books a group, whatever the order of its clerks."""
    found = plan(made, wish(at * 2, 2), count, arrangement)
    state = OfficeDay(48, tuple(reversed(made.day.clerks)), made.day.booked)
    for number, start in enumerate(found or ()):
        answer = Day(state).admit(wish(start, 2))
        assert not isinstance(answer, Refusal)
        moved = {step.uid: step.to_clerk for step in answer.reassigned}
        booked = [
            Booked(e.uid, moved.get(e.uid, e.clerk), e.start, e.length, e.services, e.pinned)
            for e in state.booked
        ]
        booked.append(Booked(f"g{number}", answer.clerk, start, 2, X))
        state = OfficeDay(48, state.clerks, tuple(booked))


@settings(max_examples=300, deadline=None)
@given(days(), st.integers(0, 4), st.integers(1, 4), st.sampled_from(Arrangement))
def test_a_group_that_is_seated_without_a_search_has_room(made, at, count, arrangement):
    found = Seats(made).plan(wish(at * 2, 2), count, arrangement)
    if found is not None:
        assert feasible(made, [(start, 2) for start in found])
        assert plan(made, wish(at * 2, 2), count, arrangement) is not None


def test_a_group_is_seated_where_others_go_to_somebody_vacant():
    """As c is there only later, a takes over what b has; c would have to be searched for."""
    booked = (Booked("1", "b", 4, 4, frozenset({"y"})), Booked("2", "c", 8, 4, frozenset({"y"})))
    made = day(clerk("a", "y"), clerk("b", "x", "y"), clerk("c", "x", "y", free=span(8, 16)), booked=booked)
    assert Seats(made).plan(wish(4), 3, Arrangement.SOONEST) == (4, 8, 8)
    assert Seats(made).plan(wish(4), 2, Arrangement.TOGETHER) is None


def test_nobody_is_seated_where_two_stand_on_top_of_each_other():
    booked = (Booked("1", "b", 4, 4, frozenset({"y"})), Booked("2", "b", 6, 4, frozenset({"y"})))
    made = day(clerk("a", "y"), clerk("b", "x", "y"), booked=booked)
    assert Seats(made).plan(wish(4, 2), 2, Arrangement.IN_TURN) is None
    assert plan(made, wish(4, 2), 2, Arrangement.IN_TURN) is None
    assert starts(made, wish(0, 2), 2, Arrangement.IN_TURN, span(4, 1)) == 0


@given(days(), st.integers(1, 3), st.sampled_from(Arrangement))
def test_starts_are_those_that_have_a_plan(made, count, arrangement):
    found = starts(made, wish(0, 2), count, arrangement, span(0, 12))
    for start in range(12):
        assert bool(found >> start & 1) == (plan(made, wish(start, 2), count, arrangement) is not None)

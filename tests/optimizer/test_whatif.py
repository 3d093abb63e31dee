import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.instance import ClerkDay
from optimizer.offers import Window
from optimizer.whatif import OpenDay, Wish, compare, simulate, with_clerk, with_window
from tests.optimizer.days import bits, booked, clerk, office_days

A = frozenset("a")
NONE = OpenDay(6, (clerk("one", "######"),), ())
OPEN = OpenDay(6, (clerk("one", "######"),), (Window(bits("######")),))


def test_another_window_serves_more_and_sooner():
    days = [OPEN, NONE, OPEN]
    wider = with_window(days, Window(bits("###...")), lambda day: day == 1)
    found = compare(days, wider, [Wish(0, 6, A), Wish(0, 3, A), Wish(0, 3, A), Wish(0, 3, A)])
    assert found.before.days == (0, 2, 2, None)
    assert found.after.days == (0, 1, 2, 2)
    assert found.more_served == 1
    assert found.shorter_wait == pytest.approx(1 / 3)
    assert found.before.mean_wait == pytest.approx(4 / 3)
    assert (found.before.wait_of(0.3), found.before.wait_of(0.9), found.before.grains) == (0, 2, 12)


def test_another_clerk_serves_more():
    days = [OPEN]
    more = with_clerk(days, clerk("two", "######"), lambda _: True)
    found = compare(days, more, [Wish(0, 6, A), Wish(0, 6, A), Wish(0, 6, A)])
    assert (found.before.served, found.after.served) == (1, 2)


def test_more_room_never_serves_fewer():
    # One grain more, and the long one fits that takes the place of both short ones.
    days = [OpenDay(6, (clerk("one", "######"),), (Window(bits("####..")),))]
    demand = [Wish(0, 5, A), Wish(0, 2, A), Wish(0, 2, A)]
    more = with_window(days, Window(bits("#####.")), lambda _: True)
    assert simulate(more, demand, step=1).served == 1
    difference = compare(days, more, demand, step=1)
    assert (difference.more_served, difference.shorter_wait) == (0, 0)
    assert difference.after.served == 2


def test_chains_count_in_what_fits():
    day = OpenDay(
        3,
        (clerk("one", "###", "a"), clerk("two", "###", "b")),
        (Window(7),),
        (booked("x", "one", 0, 3, ""),),
    )
    assert simulate([day], [Wish(0, 3, A)]).days == (0,)
    assert simulate([day], [Wish(0, 3, A)], depth=0).days == (None,)


def test_nothing_asked_and_nothing_open_is_no_mistake():
    assert simulate([], [Wish(0, 1, A)]).days == (None,)
    empty = compare([OPEN], [OPEN], [])
    assert (empty.more_served, empty.shorter_wait, empty.before.mean_wait, empty.before.wait_of(0.5)) == (
        0,
        0,
        0,
        0,
    )
    with pytest.raises(ValueError, match="wish 0: day -1 lies before the first"):
        simulate([OPEN], [Wish(-1, 1, A)])
    with pytest.raises(ValueError, match="part 0 is not above 0"):
        empty.before.wait_of(0)


@settings(max_examples=80, deadline=None)
@given(office_days(), st.lists(st.builds(Wish, st.integers(0, 1), st.integers(1, 3), st.just(A)), max_size=5))
def test_a_first_wish_is_never_later_with_one_clerk_more(day, demand):
    open_day = OpenDay(6, day.clerks, (Window(63),), day.booked)
    more = with_clerk([open_day] * 2, ClerkDay("new", A, 63), lambda _: True)
    found = compare([open_day] * 2, more, demand[:1])
    assert found.more_served >= 0
    assert found.shorter_wait >= 0


def test_nobody_gets_a_day_before_the_wish():
    found = simulate([OPEN, OPEN, OPEN], [Wish(1, 6, A), Wish(1, 6, A), Wish(1, 6, A)])
    assert found.days == (1, 2, None)
    assert found.waits == (0, 1)

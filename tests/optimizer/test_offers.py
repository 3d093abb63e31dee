import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.admission import starts
from optimizer.instance import ClerkDay, OfficeDay
from optimizer.offers import OfferIndex, OfficeOffers, Window, window_for
from tests.optimizer.days import bits, booked, clerk, needs, office_days

windows = st.lists(st.builds(Window, st.integers(0, 63), st.one_of(st.none(), needs)), max_size=2)


@st.composite
def changes(draw):
    """Days that come, change as a whole, or change for one clerk, with questions in between."""
    return draw(
        st.lists(
            st.one_of(
                st.tuples(st.just("day"), st.integers(10, 13), office_days(), windows),
                st.tuples(st.just("clerk"), st.integers(10, 13), office_days(most_clerks=1)),
                st.tuples(st.just("ask"), st.integers(1, 4), needs, st.integers(1, 3)),
            ),
            max_size=12,
        )
    )


@settings(max_examples=300, deadline=None)
@given(changes())
def test_the_index_answers_as_admission_does_whatever_changed_before(steps):
    index = OfficeOffers(10, 4, high=6)
    known = {}
    for kind, first, *rest in [*steps, ("ask", 1, frozenset(), 1), ("ask", 2, frozenset("a"), 1)]:
        if kind == "day":
            known[first] = tuple(rest)
            index.update(first, *rest)
        elif kind == "clerk":
            (office,) = rest
            if first not in known or not office.clerks:
                continue
            (changed,) = office.clerks
            mine = tuple(entry for entry in office.booked if entry.clerk == changed.clerk)
            old, opened = known[first]
            kept = {entry.clerk: entry for entry in old.clerks} | {changed.clerk: changed}
            rest_booked = [
                e for e in old.booked if e.clerk != changed.clerk and e.uid not in {m.uid for m in mine}
            ]
            mixed = OfficeDay(6, tuple(kept.values()), (*rest_booked, *mine))
            if len(rest_booked) + len(mine) != len(mixed.booked) or {e.uid for e in mine} & {
                e.uid for e in old.booked if e.clerk != changed.clerk
            }:
                continue
            known[first] = (mixed, opened)
            index.update_clerk(first, changed, mine)
        else:
            services, step = rest
            for depth in (0, 12):
                expected = [
                    (day, found)
                    for day, (office, opened) in sorted(known.items())
                    if (
                        found := starts(
                            office, first, services, window_for(opened, services), step=step, depth=depth
                        )
                    )
                ]
                assert index.starts(0, 99, first, services, step=step, depth=depth) == expected


def test_only_the_days_asked_for_are_answered():
    index = OfficeOffers(100, 3, low=2, high=8)
    for day in (100, 101, 102):
        index.update(day, OfficeDay(8, (clerk("one", "########"),), ()), [Window(bits("..######"))])
    assert index.starts(101, 101, 5, frozenset("a"), step=1, depth=0) == [(101, bits("..##"))]
    assert [day for day, _ in index.starts(101, 500, 5, frozenset("a"), depth=0)] == [101, 102]
    assert index.starts(103, 105, 5, frozenset("a")) == []


def test_no_run_crosses_midnight():
    index = OfficeOffers(0, 2, high=4)
    for day in (0, 1):
        index.update(day, OfficeDay(4, (clerk("one", "####"),), ()), [Window(15)])
    assert index.starts(0, 1, 3, frozenset(), step=1, depth=0) == [(0, 0b11), (1, 0b11)]


def test_impossible_values_are_refused():
    with pytest.raises(ValueError, match="no room for 0 days"):
        OfficeOffers(0, 0)
    index = OfficeOffers(0, 2, low=1, high=3)
    day = OfficeDay(4, (clerk("one", "####"),), ())
    with pytest.raises(ValueError, match="day 2 is not between 0 and 1"):
        index.update(2, day, [])
    with pytest.raises(ValueError, match="day 1: a window reaches beyond grains 1 to 3"):
        index.update(1, day, [Window(15)])
    with pytest.raises(ValueError, match="day 1 is not in the index yet"):
        index.update_clerk(1, ClerkDay("one", frozenset(), 0), [])
    with pytest.raises(ValueError, match="appointment x is two's, not one's"):
        index.update_clerk(1, ClerkDay("one", frozenset(), 0), [booked("x", "two", 0, 1)])
    with pytest.raises(ValueError, match="length 0 is less than one grain"):
        index.starts(0, 1, 0, frozenset())


def test_a_city_keeps_its_offices_apart():
    city = OfferIndex(0, 1)
    city.add("north").update(0, OfficeDay(4, (clerk("one", "####"),), ()), [Window(15)])
    city.add("south")
    assert list(city) == ["north", "south"]
    assert city["north"].starts(0, 0, 4, frozenset()) == [(0, 1)]
    assert city["south"].starts(0, 0, 4, frozenset()) == []
    with pytest.raises(ValueError, match="office north is there twice"):
        city.add("north")

from itertools import pairwise

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from optimizer import check
from optimizer.columns import all_columns
from optimizer.interchange import Groups
from optimizer.office import Appointment, Clerk, Office
from tests.optimizer.offices import all_plans


@st.composite
def twins(draw):
    """An office with several hit appointments of few kinds, and somebody else's in their way."""
    grains = 4
    full = 2**grains - 1
    clerks = [Clerk("ill", frozenset("ab"), (0, 0))]
    clerks += [
        Clerk(
            name,
            draw(st.sampled_from([frozenset("a"), frozenset("ab")])),
            (full, draw(st.integers(0, full))),
            3,
        )
        for name in ("one", "two")
    ]
    entries = []
    for number in range(draw(st.integers(2, 3))):
        needs, length = draw(st.sampled_from([("a", 1), ("a", 2), ("b", 1)]))
        start = draw(st.integers(0, grains - length))
        entries.append(Appointment(number, "ill", start, length, frozenset(needs), hit=True))
    entries.append(Appointment("other", "one", draw(st.integers(0, 2)), 2, frozenset("a"), hit=False))
    return Office("twins", grains, tuple(clerks), tuple(entries))


def is_ordered(office, plan):
    place = {one.id: one.place for one in plan}
    kinds = {}
    for entry in office.appointments:
        if entry.hit and place[entry.id] is not None:
            able = frozenset(clerk.id for clerk in office.clerks if entry.services <= clerk.services)
            kinds.setdefault((entry.length, able), []).append((entry.start, entry.id))
    return all(
        place[first].start <= place[second].start
        for kind in kinds.values()
        for (_, first), (_, second) in pairwise(sorted(kind))
    )


def as_mask(columns, plan):
    """The columns of a plan."""
    office = columns.office
    clerks = {clerk.id: number for number, clerk in enumerate(office.clerks)}
    found = np.zeros(len(columns), dtype=bool)
    for number, one in enumerate(plan):
        mine = columns.appointment == number
        slot = -1 if one.place is None else clerks[one.place.clerk] * office.days + one.place.day
        here = columns.slot == slot
        found |= mine & here if one.place is None else mine & here & (columns.start == one.place.start)
    assert found.sum() == len(plan)
    return found


@settings(max_examples=40, deadline=None)
@given(twins())
def test_an_optimal_plan_is_ordered(office):
    plans = list(all_plans(office))
    best = min(check.objective(office, plan) for plan in plans)
    assert best == min(check.objective(office, plan) for plan in plans if is_ordered(office, plan))


@settings(max_examples=40, deadline=None)
@given(twins(), st.data())
def test_no_ordered_plan_is_lost_by_a_split_or_by_order(office, data):
    columns = all_columns(office)
    groups = Groups(columns)
    plans = [plan for plan in all_plans(office) if is_ordered(office, plan)]
    assume(plans)
    masks = [as_mask(columns, plan) for plan in plans]
    some = data.draw(st.lists(st.sampled_from(masks), min_size=1, max_size=4))
    values = np.mean(some, axis=0)
    # What is alive holds the values, and leaves out some columns so that not every appointment may be cancelled.
    alive = (values > 0) | (np.random.default_rng(data.draw(st.integers(0, 99))).random(len(columns)) > 0.5)
    within = [mask for mask in masks if not (mask & ~alive).any()]
    tight = groups.ordered(alive)
    assert not (tight & ~alive).any()
    assert all(not (mask & ~tight).any() for mask in within)
    for split in groups.splits(alive, values):
        assert 0 < split.doubt <= 0.5
        assert all(any(not (mask & ~side).any() for side in split.sides) for mask in within)
        # It parts the solution that was undecided.
        assert all(((values > 0) & ~side).any() for side in split.sides)


def test_appointments_with_other_places_are_no_twins():
    full = 0b111111
    office = Office(
        "o",
        6,
        (
            Clerk("ill", frozenset("ab"), (0,)),
            Clerk("c", frozenset("a"), (full,)),
            Clerk("d", frozenset("ab"), (full,)),
        ),
        (
            Appointment(0, "ill", 3, 2, frozenset("a"), hit=True),
            Appointment(1, "ill", 0, 2, frozenset("a"), hit=True),
            Appointment(2, "ill", 0, 2, frozenset("b"), hit=True),
            Appointment(3, "ill", 0, 1, frozenset("a"), hit=True),
            Appointment(4, "ill", 0, 2, frozenset("a"), hit=True, starts=(0b1,)),
            Appointment(5, "c", 0, 2, frozenset("a"), hit=False),
        ),
    )
    assert Groups(all_columns(office)).members == [[1, 0], [2], [3], [4]]

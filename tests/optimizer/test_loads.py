from dataclasses import astuple
from itertools import chain, combinations, pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.columns import all_columns
from optimizer.loads import DEEP, Choices, violated
from optimizer.office import Appointment, Clerk, Office
from optimizer.relaxation import EVENLY, Relaxation
from optimizer.repair import repair
from optimizer.solution import Objective
from tests.optimizer.offices import best_by_trying, offices

GRAINS = 12


def days_of(choices):
    """All sets of periods that don't overlap."""
    periods = list(
        zip(choices.start.tolist(), (choices.start + choices.length).tolist(), range(99), strict=False)
    )
    sets = chain.from_iterable(combinations(sorted(periods), size) for size in range(len(periods) + 1))
    for some in sets:
        if all(first[1] <= second[0] for first, second in pairwise(some)):
            yield [period[2] for period in some]


@st.composite
def points(draw):
    """What a clerk may have, and a mixture of a few of her days."""
    count = draw(st.integers(1, 8))
    periods = draw(
        st.lists(st.tuples(st.integers(0, GRAINS - 1), st.integers(1, 5)), min_size=count, max_size=count)
    )
    start = np.array([first for first, _ in periods])
    length = np.minimum([grains for _, grains in periods], GRAINS - start)
    choices = Choices(start, length, draw(st.integers(0, GRAINS)), GRAINS)
    days = list(days_of(choices))
    mixed = draw(st.lists(st.tuples(st.sampled_from(days), st.integers(1, 6)), min_size=1, max_size=4))
    values = np.zeros(count)
    for day, share in mixed:
        values[day] += share / sum(share for _, share in mixed)
    return choices, values


@settings(max_examples=300, deadline=None)
@given(points())
def test_a_cut_holds_for_every_day_and_not_for_the_point(point):
    choices, values = point
    deviation = abs(float(choices.length @ values) - choices.target)
    found = violated(choices, values, deviation)
    if found is None:
        return
    coefficients, least = found
    for day in days_of(choices):
        own = abs(int(choices.length[day].sum()) - choices.target)
        assert own >= least + coefficients[day].sum() - 1e-6
    assert least + coefficients @ values >= deviation + DEEP - 1e-6


def test_half_an_appointment_does_not_bring_a_clerk_to_her_target():
    # With the four grains or without, she has three too few or one too many.
    choices = Choices(np.array([0, 6]), np.array([5, 4]), 8, GRAINS)
    coefficients, least = violated(choices, np.array([1.0, 0.75]), 0.0)
    assert least + coefficients @ [1.0, 0.75] == pytest.approx(1.5)
    assert least + coefficients.sum() == pytest.approx(1.0)


def test_what_the_point_does_not_use_adds_as_much_as_it_may():
    choices = Choices(np.array([0, 6, 10]), np.array([5, 4, 1]), 8, GRAINS)
    coefficients, least = violated(choices, np.array([1.0, 0.75, 0.0]), 0.0)
    assert least + coefficients @ [1.0, 0.75, 0.0] == pytest.approx(1.5)
    # Five grains and one more are two from the target, and all ten are too.
    assert least + coefficients[[0, 2]].sum() == pytest.approx(2.0)


def test_a_whole_day_needs_no_cut():
    choices = Choices(np.array([0, 6]), np.array([5, 4]), 8, GRAINS)
    assert violated(choices, np.array([1.0, 0.0]), 3.0) is None


@settings(max_examples=60, deadline=None)
@given(offices())
def test_with_cuts_the_relaxation_still_allows_the_best_plan(office):
    best = best_by_trying(office)
    if best is None or not office.appointments:
        return
    columns = all_columns(office)
    relaxation = Relaxation(columns, np.ones(len(columns), dtype=bool))
    *levels, imbalance = astuple(best)
    for level, cost in enumerate(levels):
        relaxation.bound(level, cost, cost)
    value = relaxation.solve(EVENLY, 60.0)
    tightened = relaxation.tighten(value, lambda: 60.0)
    assert value - 1e-6 <= tightened <= imbalance + 1e-6


@pytest.fixture
def uneven():
    """Two clerks and three appointments of five grains, where 7 and 8 grains would be fair: no less than 4 grains are out of balance."""
    clerks = tuple(Clerk(number, frozenset("a"), (2**20 - 1,), 7 + number) for number in range(2))
    entries = (Appointment(number, 0, 6 * number, 5, frozenset("a"), hit=False) for number in range(3))
    return all_columns(Office("uneven", 20, clerks, tuple(entries)))


def test_cuts_raise_the_bound_and_a_smaller_program_keeps_them(uneven):
    relaxation = Relaxation(uneven, np.ones(len(uneven), dtype=bool))
    value = relaxation.solve(EVENLY, 60.0)
    assert value == pytest.approx(0.0)
    tightened = relaxation.tighten(value, lambda: 60.0)
    assert 3.9 < tightened < 4 + 1e-6
    assert relaxation.reduced.min() > -1e-6
    assert relaxation.reduced[relaxation.values() > 1e-6] == pytest.approx(0.0)
    smaller = relaxation.among(relaxation.alive, relaxation.basis())
    assert smaller.solve(EVENLY, 60.0) == pytest.approx(tightened)
    assert smaller._highs.getInfo().simplex_iteration_count <= 0
    assert smaller.reduced == pytest.approx(relaxation.reduced)


@st.composite
def shared_out(draw):
    """What an absent clerk had, one after the other, for three others who are free all day, and their targets."""
    lengths = draw(st.lists(st.integers(2, 9), min_size=3, max_size=7))
    targets = draw(st.tuples(*(st.integers(0, 20) for _ in range(3))))
    return lengths, targets


# Few cuts, so that something is left to look for and to refute.
@pytest.mark.parametrize(("few", "days"), [(0, 0), (0, 4), (300, 0), (300, 4), (300, 2000)])
@settings(max_examples=60, deadline=None)
@given(shared_out())
def test_what_can_go_to_anybody_is_shared_out_as_evenly_as_possible(few, days, case):
    lengths, targets = case
    grains = sum(lengths)
    full = 2**grains - 1
    clerks = [Clerk(number, frozenset("a"), (full,), target) for number, target in enumerate(targets)]
    absent = Clerk(3, frozenset("a"), (0,), None)
    entries = [
        Appointment(number, 3, sum(lengths[:number]), length, frozenset("a"), hit=True)
        for number, length in enumerate(lengths)
    ]
    least = min(
        sum(
            abs(sum(length for length, who in zip(lengths, taken, strict=True) if who == number) - target)
            for number, target in enumerate(targets)
        )
        for taken in product(range(3), repeat=len(lengths))
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("optimizer.branching.FEW", few)
        patch.setattr("optimizer.repair.EASY", 0)
        patch.setattr("optimizer.repair.LARGE", few)
        patch.setattr("optimizer.loads.DAYS", days)
        plan = repair(Office("shared out", grains, (*clerks, absent), tuple(entries)))
    assert plan.proven_optimal
    assert plan.objective == Objective(0, 0, 0, least)


def test_columns_that_cuts_were_not_made_for_never_come_back(uneven):
    relaxation = Relaxation(uneven, np.ones(len(uneven), dtype=bool))
    relaxation.restrict(uneven.appointment != 0)
    relaxation.restrict(np.ones(len(uneven), dtype=bool))
    relaxation.restrict((uneven.appointment != 0) | (uneven.clerk == 0))
    value = relaxation.solve(EVENLY, 60.0)
    assert relaxation.tighten(value, lambda: 60.0) > value
    for program in (relaxation, relaxation.among(relaxation.alive, relaxation.basis())):
        with pytest.raises(ValueError, match="load cuts"):
            program.restrict(np.ones(len(uneven), dtype=bool))

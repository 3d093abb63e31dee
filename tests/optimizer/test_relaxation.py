import numpy as np
import pytest

from optimizer.columns import MOVED, all_columns
from optimizer.relaxation import OutOfTimeError, Relaxation
from tests.optimizer.offices import crowded

WEIGHTS = (10**6, 10**3, 1, 0)


@pytest.fixture
def columns():
    return all_columns(crowded(1))


def test_what_the_simplex_leaves_in_doubt_is_not_called_infeasible(columns):
    doubtful = Relaxation(columns, np.ones(len(columns), dtype=bool))
    doubtful._highs.setOptionValue("simplex_iteration_limit", 1)
    with pytest.raises(OutOfTimeError):
        doubtful.solve(WEIGHTS, 60.0)


def test_a_program_of_the_useful_columns_goes_on_where_the_whole_one_ended(columns):
    whole = Relaxation(columns, np.ones(len(columns), dtype=bool))
    value = whole.solve(WEIGHTS, 60.0)
    useful = whole.reduced <= 10 * WEIGHTS[1]
    smaller = whole.among(useful, whole.basis())
    assert len(smaller) < len(whole)
    assert smaller.solve(WEIGHTS, 60.0) == pytest.approx(value)
    assert smaller._highs.getInfo().simplex_iteration_count <= 0
    assert smaller.reduced[useful] == pytest.approx(whole.reduced[useful])


def test_a_smaller_program_has_the_bounds_of_the_whole_one(columns):
    whole = Relaxation(columns, np.ones(len(columns), dtype=bool))
    free = whole.solve(WEIGHTS, 60.0)
    moved = float(columns.cost[MOVED] @ whole.values())
    whole.bound(MOVED, moved + 2, moved + 2)
    bound = whole.solve(WEIGHTS, 60.0)
    assert bound > free + 1
    smaller = whole.among(np.ones(len(columns), dtype=bool), whole.basis())
    assert smaller.solve(WEIGHTS, 60.0) == pytest.approx(bound)

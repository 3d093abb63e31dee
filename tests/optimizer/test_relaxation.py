import pytest

from optimizer.columns import all_columns
from optimizer.relaxation import OutOfTimeError, Relaxation
from tests.optimizer.offices import crowded

WEIGHTS = (10**6, 10**3, 1, 0)


@pytest.fixture
def columns():
    return all_columns(crowded(1))


def test_what_the_simplex_leaves_in_doubt_is_not_called_infeasible(columns):
    doubtful = Relaxation(columns)
    doubtful._highs.setOptionValue("simplex_iteration_limit", 1)
    with pytest.raises(OutOfTimeError):
        doubtful.solve(WEIGHTS, 60.0)

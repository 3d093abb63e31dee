import numpy as np
from hypothesis import given, settings

from optimizer import check
from optimizer.columns import CANCELLED, all_columns, parity
from tests.optimizer.offices import all_plans, offices


@settings(max_examples=100, deadline=None)
@given(offices())
def test_where_the_parity_of_the_imbalance_is_known_all_plans_have_it(office):
    known = parity(all_columns(office), np.ones(len(all_columns(office)), dtype=bool))
    found = {check.objective(office, plan).imbalance_grains % 2 for plan in all_plans(office)}
    assert known is None or found <= {known}


@settings(max_examples=100, deadline=None)
@given(offices())
def test_the_parity_is_known_where_nobody_is_cancelled_or_moved_to_another_day(office):
    columns = all_columns(office)
    today = (columns.cost[CANCELLED] == 0) & (columns.slot % office.days == 0)
    if len(np.unique(columns.appointment[today])) == len(office.appointments):
        assert parity(columns, today) is not None

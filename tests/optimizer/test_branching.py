"""The tree alone: what it was asked before, and what it's told of the best so far, must lose nothing."""

import time

import numpy as np
import pytest
from hypothesis import given, settings

from optimizer import greedy
from optimizer.branching import Goal
from optimizer.columns import CHANGED, MOVED, all_columns
from optimizer.relaxation import Relaxation
from optimizer.repair import _Task
from tests.optimizer.offices import best_by_trying, best_level_by_level, crowded, offices


def what_the_tree_finds(office, best):
    """The objective that it finds after it was asked for fewer moved grains than are possible, knowing of no choice."""
    columns = all_columns(office)
    whole = Relaxation(columns, np.ones(len(columns), dtype=bool))
    task = _Task(columns, time.monotonic() + 600, 1)
    task._relax_cancelled(whole)
    while task.least[0] < best.cancelled:
        task.least[0] += 1
        task._relax_moved(whole)
    settled = (best.cancelled,)
    fewer = Goal(MOVED, 0, best.moved_grains - 1, settled)
    assert task._better(whole, task.root, task.root.possible, fewer) is None

    task.least[MOVED] = best.moved_grains
    relaxation, root = task._relax_changed(whole, task.root.possible)
    # Two changes more, but then out of balance by less than nothing: what is found must change fewer clerks.
    goal = Goal(CHANGED, 0, best.clerk_changes + 2, (*settled, best.moved_grains), -1)
    found = task._better(relaxation, root, task.root.possible, goal)
    assert found is not None
    return greedy.objective(columns, found)


@pytest.mark.parametrize("seed", range(10))
def test_a_goal_that_nothing_reaches_leaves_all_that_reaches_the_next(monkeypatch, seed):
    monkeypatch.setattr("optimizer.branching.FEW", 0)
    office = crowded(seed, clerks=5, grains=40)
    best = best_level_by_level(office)
    assert what_the_tree_finds(office, best) == best


@settings(max_examples=80, deadline=None)
@given(offices(most_hit=4))
def test_a_relaxation_that_is_a_choice_already_may_have_a_more_even_one_beside_it(office):
    best = best_by_trying(office)
    if best is not None and office.appointments:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("optimizer.branching.FEW", 0)
            assert what_the_tree_finds(office, best) == best

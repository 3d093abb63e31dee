"""Solvers in a process of their own: answers come through, and a solver that hangs ends."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys

import pytest

from optimizer import aside, check, greedy, planning
from optimizer.balance import Colleague, Task, balance
from optimizer.office import Appointment, Clerk, Office
from optimizer.repair import repair
from optimizer.snapshot import BookedNow, ClerkNow, DayNow, Snapshot

HANGS = """
import highspy
def run(self):
    while True:
        pass
highspy.Highs.run = run
"""
"""A start-up file that makes every run of HiGHS last for ever."""


@pytest.fixture
def hanging_solver(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(HANGS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@pytest.fixture
def no_solver(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['highspy'] = None\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@pytest.fixture
def dead_solver(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['numpy'] = None\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


FULL = (1 << 12) - 1
SKILL = frozenset("a")
DAY = Office(
    "day",
    12,
    (Clerk("ill", SKILL, (0, 0)), *(Clerk(name, SKILL, (FULL, FULL), 3) for name in ("c0", "c1"))),
    (
        Appointment("hit", "ill", 0, 3, SKILL, hit=True),
        Appointment("kept", "c0", 1, 3, SKILL, hit=False),
        Appointment("also", "c1", 5, 3, SKILL, hit=False),
    ),
)
TEAM = [Colleague(name, SKILL, 1.0, (FULL,)) for name in ("c0", "c1")]
WORK = [Task(number, "c0", 0, 3 * number, 3, SKILL) for number in range(4)]


def test_the_answers_are_those_of_the_solvers_themselves():
    found = aside.repair(DAY, seconds=30)
    expected = repair(DAY)
    assert (found.assignments, found.objective, found.proven_optimal) == (
        expected.assignments,
        expected.objective,
        True,
    )
    assert (
        aside.balance(TEAM, WORK, 12, points=3, seconds=30).points == balance(TEAM, WORK, 12, points=3).points
    )


def test_a_solver_that_hangs_ends_with_a_plan_that_needs_none(hanging_solver):
    plan = aside.repair(DAY, seconds=1, grace=9)
    assert check.faults(DAY, plan.assignments) == []
    assert plan.objective.cancelled == 0
    assert not plan.proven_optimal


def test_balance_with_a_solver_that_hangs_shows_the_present(hanging_solver):
    curve = aside.balance(TEAM, WORK, 12, points=3, seconds=1, grace=9)
    assert [(point.imbalance_grains, point.changes) for point in curve.points] == [(12, ())]
    assert not curve.points[0].proven_optimal


def test_without_a_solver_there_is_the_plan_that_needs_none(no_solver):
    plan = aside.repair(DAY, seconds=30)
    assert plan.assignments == greedy.repair(DAY).assignments
    assert (plan.objective.cancelled, plan.objective.moved_grains) == (0, 0)
    assert not plan.proven_optimal


def test_where_nothing_answers_a_day_stays_as_it_is(dead_solver):
    with pytest.raises(aside.NoAnswerError, match="numpy"):
        aside.repair(DAY, seconds=0.1)
    full = (1 << 12) - 1
    clerks = tuple(ClerkNow(name, name, ("a",), 1.0, (full,), (full,)) for name in ("c0", "c1"))
    booked = (BookedNow("u", "e", "c0", 0, 3, 3, 900, 1800, ("a",), False, False, "", True),)
    taken = Snapshot("o", "UTC", 1, 0, 1, (DayNow("2026-12-07", 0, 12, full),), clerks, booked)
    draft = planning.repair(taken, planning.Absence("c0", 0, 3600))
    assert draft.changes == ()
    assert draft.objective["unplanned_days"] == 1
    assert not draft.proven_optimal
    points = planning.balance(taken)
    assert [(point.minutes, point.draft.changes) for point in points] == [({"c0": 15, "c1": 0}, ())]


def test_a_child_ends_by_itself_when_nobody_waits_for_it(hanging_solver):
    question = pickle.dumps(("repair", 5.0, (DAY,), {"seconds": 60.0}))
    child = subprocess.Popen(
        [sys.executable, "-m", "optimizer.aside"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    child.communicate(question)
    assert child.returncode == -signal.SIGALRM

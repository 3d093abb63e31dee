import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from optimizer.columns import CANCELLED, CHANGED, IMBALANCE, MOVED, all_columns
from optimizer.office import Appointment, Clerk, Office, office_from_json
from optimizer.selection import Question, choose
from tests.optimizer.offices import crowded


def test_a_program_on_which_presolve_looped_for_ever_is_answered():
    office = Office(
        "loop",
        12,
        (
            Clerk(0, frozenset("b"), (4095,), 3),
            Clerk(1, frozenset("b"), (3974,), -2),
            Clerk(2, frozenset("ab"), (3647,), 2),
        ),
        (
            Appointment("t0", 2, 3, 1, frozenset("a"), hit=False),
            Appointment("t2", 1, 1, 2, frozenset("b"), hit=False),
        ),
    )
    columns = all_columns(office)
    question = Question(np.ones(len(columns), dtype=bool), {IMBALANCE: (0, 4)}, CHANGED)
    choice = choose(columns, question, 5.0)
    assert choice.proven
    assert choice.columns is not None
    assert columns.cost[CHANGED, choice.columns].sum() == 1


def test_a_program_of_which_presolve_lost_all_solutions_is_answered():
    data = json.loads((Path(__file__).parent / "instances" / "presolve-loses-all.json").read_text())
    columns = all_columns(office_from_json(data))
    alive = np.unpackbits(np.frombuffer(bytes.fromhex(data["alive"]), dtype=np.uint8))[: len(columns)] > 0
    question = Question(alive, {CANCELLED: (2, 2), MOVED: (281, 286)}, MOVED, both=True)
    choice = choose(columns, question, 600.0)
    assert choice.columns is not None
    assert columns.cost[MOVED, choice.columns].sum() == 283


def test_bounds_that_nothing_keeps_are_proven_to_be_so():
    office = Office(
        "narrow",
        4,
        (Clerk("ill", frozenset("a"), (0,)), Clerk("one", frozenset("a"), (0b1111,), 2)),
        (
            Appointment("h", "ill", 0, 3, frozenset("a"), hit=True),
            Appointment("k", "one", 0, 2, frozenset("a"), hit=False),
        ),
    )
    columns = all_columns(office)
    alive = np.ones(len(columns), dtype=bool)
    assert choose(columns, Question(alive, {CANCELLED: (0, 0)}, MOVED), 5.0).proven
    assert choose(columns, Question(alive, {CANCELLED: (0, 0)}, MOVED), 5.0).columns is None
    assert choose(columns, Question(~alive, {}, None), 5.0).columns is None
    kept = choose(columns, Question(alive, {}, CANCELLED), 5.0).columns
    assert kept is not None
    assert columns.cost[CANCELLED, kept].sum() == 1


def test_branch_and_cut_ends_at_its_last_pause():
    columns = all_columns(crowded(7, clerks=5, grains=40))
    question = Question(np.ones(len(columns), dtype=bool), {CANCELLED: (0, 0)}, MOVED, both=True)
    assert not choose(columns, replace(question, pauses=1), 600.0).proven
    assert choose(columns, replace(question, pauses=10**9), 600.0).proven

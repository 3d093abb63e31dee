import pytest

from optimizer.constraints import complete, eligibility, no_overlap, promised_time, working_time
from optimizer.objectives import cancelled, clerk_changes, imbalance_grains, moved_grains
from optimizer.office import Appointment, Clerk, Office
from optimizer.solution import Assignment, Place

OFFICE = Office(
    "office",
    10,
    (
        Clerk("ill", frozenset("ab"), (0, 0)),
        Clerk("one", frozenset("ab"), (0b1111111111, 0b1111)),
        Clerk("two", frozenset("a"), (0b0000011111, 0), 4),
    ),
    (
        Appointment("hit", "ill", 2, 3, frozenset("a"), hit=True, starts=(0b1111, 0b11)),
        Appointment("kept", "one", 4, 2, frozenset("b"), hit=False),
        Appointment("pinned", "two", 0, 2, frozenset("a"), hit=False, pinned=True),
    ),
)
HIT = Assignment("hit", Place("two", 0, 2))
KEPT = Assignment("kept", Place("one", 0, 4))
PINNED = Assignment("pinned", Place("two", 0, 0))


def place(name, clerk, day, start):
    return Assignment(name, Place(clerk, day, start))


@pytest.mark.parametrize("rule", [complete, eligibility, working_time, no_overlap, promised_time])
def test_a_good_plan_breaks_no_rule(rule):
    assert rule.faults(OFFICE, [HIT, KEPT, PINNED]) == []


@pytest.mark.parametrize(
    ("rule", "plan", "fault"),
    [
        (complete, [HIT, KEPT], "appointment pinned is missing"),
        (complete, [HIT, KEPT, PINNED, place("x", "one", 0, 0)], "appointment x is unknown"),
        (complete, [HIT, KEPT, PINNED, HIT], "appointment hit is assigned 2 times"),
        (eligibility, [place("kept", "two", 0, 4)], "appointment kept: clerk two may not do it"),
        (eligibility, [place("kept", "none", 0, 4)], "appointment kept: unknown clerk none"),
        (working_time, [place("hit", "two", 0, 3)], "appointment hit: clerk two isn't free on day 0 at 3"),
        (working_time, [place("hit", "two", 2, 3)], "appointment hit: day 2, grain 3 does not exist"),
        (working_time, [place("hit", "two", 0, -1)], "appointment hit: day 0, grain -1 does not exist"),
        (
            no_overlap,
            [place("hit", "one", 0, 2), KEPT],
            "appointments hit and kept overlap at clerk 'one' on day 0",
        ),
        (promised_time, [place("hit", "one", 0, 4)], "appointment hit: start 4 of day 0 isn't allowed"),
        (promised_time, [Assignment("kept", None)], "appointment kept is cancelled without need"),
        (promised_time, [place("kept", "one", 0, 5)], "appointment kept is moved without need"),
        (promised_time, [place("kept", "one", 1, 4)], "appointment kept is moved without need"),
        (promised_time, [place("pinned", "one", 0, 0)], "appointment pinned is pinned"),
    ],
)
def test_each_rule_names_what_breaks_it(rule, plan, fault):
    assert rule.faults(OFFICE, plan) == [fault]


def test_touching_appointments_and_other_days_do_not_overlap():
    plan = [place("hit", "one", 0, 1), KEPT, place("pinned", "one", 1, 1)]
    assert no_overlap.faults(OFFICE, plan) == []


@pytest.mark.parametrize(
    ("level", "plan", "cost"),
    [
        (cancelled, [Assignment("hit", None), KEPT], 1),
        (moved_grains, [place("hit", "one", 1, 0), KEPT], 12),
        (moved_grains, [Assignment("hit", None), KEPT], 0),
        (clerk_changes, [HIT, KEPT, place("pinned", "one", 0, 0)], 1),
        (imbalance_grains, [HIT, KEPT, PINNED], 1),
        (imbalance_grains, [place("hit", "two", 1, 0), KEPT, PINNED], 2),
    ],
)
def test_each_level_counts_what_it_says(level, plan, cost):
    assert level.cost(OFFICE, plan) == cost

import copy
import json
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings

from optimizer import check, greedy
from optimizer.__main__ import main
from optimizer.columns import MOVED, all_columns
from optimizer.office import Appointment, Clerk, Office, office_from_json
from optimizer.relaxation import Relaxation
from optimizer.repair import InfeasibleError, _Task, repair
from optimizer.solution import Assignment, Objective, Place
from tests.optimizer.offices import best_by_trying, best_level_by_level, crowded, offices

FULL = 2**6 - 1


@settings(max_examples=80, deadline=None)
@given(offices())
def test_a_plan_is_as_good_as_the_best_of_all_plans(office):
    best = best_by_trying(office)
    if best is None:
        with pytest.raises(InfeasibleError):
            repair(office)
        return
    plan = repair(office)
    assert plan.proven_optimal
    assert check.faults(office, plan.assignments) == []
    assert plan.objective == best == check.objective(office, plan.assignments)


@pytest.mark.parametrize("few", [0, 100])
@pytest.mark.parametrize("seed", [1, 4, 7, 10, 12])
def test_branching_finds_what_branch_and_cut_finds(monkeypatch, seed, few):
    # So full that not all bounds can be reached, and small enough for either way.
    full = crowded(seed)
    monkeypatch.setattr("optimizer.branching.FEW", 10**9)
    expected = repair(full)
    monkeypatch.setattr("optimizer.branching.FEW", few)
    monkeypatch.setattr("optimizer.repair.EASY", 0)
    plan = repair(full)
    assert plan.proven_optimal
    assert plan.objective == expected.objective


@pytest.mark.parametrize("few", [0, 100])
@pytest.mark.parametrize("seed", range(8))
def test_levels_settled_together_cost_what_each_costs_after_the_other(monkeypatch, seed, few):
    full = crowded(seed, clerks=5, grains=40)
    monkeypatch.setattr("optimizer.branching.FEW", few)
    monkeypatch.setattr("optimizer.repair.EASY", 0)
    # Without them the best so far leaves something to look for.
    monkeypatch.setattr("optimizer.repair.DIVES", ())
    plan = repair(full)
    assert plan.proven_optimal
    assert plan.objective == best_level_by_level(full)


@pytest.mark.parametrize("seed", [4, 11])
def test_a_choice_far_from_the_bound_is_bettered_nearby(monkeypatch, seed):
    monkeypatch.setattr("optimizer.repair.MANY", 0)
    monkeypatch.setattr("optimizer.repair.STEPS", (0, 32))
    columns = all_columns(crowded(seed))
    found = []
    for _ in range(2):
        task = _Task(columns, math.inf, 1)
        relaxation = Relaxation(columns, np.ones(len(columns), dtype=bool))
        task._relax_cancelled(relaxation)
        far = task.incumbent = greedy.best(columns)
        task._look_nearby(task.root)
        found.append(task.incumbent.tolist())
        cost = greedy.objective(columns, task.incumbent)
        # These have an optimum so near to the bound.
        assert task.least[MOVED] <= cost.moved_grains <= task.least[MOVED] + 2
        assert cost < greedy.objective(columns, far)
        assert not check.faults(columns.office, greedy.assignments(columns, task.incumbent))
    assert found[0] == found[1]


@pytest.mark.parametrize("seed", [4, 8])
def test_looking_nearby_first_loses_no_better_plan(monkeypatch, seed):
    full = crowded(seed)
    expected = repair(full)
    monkeypatch.setattr("optimizer.repair.MANY", 0)
    monkeypatch.setattr("optimizer.repair.STEPS", (0, 32, 128))
    monkeypatch.setattr("optimizer.repair.EASY", 0)
    monkeypatch.setattr(_Task, "_dive", lambda task, *_: task._keep(greedy.best(task.columns)))
    plan = repair(full)
    assert plan.proven_optimal
    assert plan.objective == expected.objective


@settings(max_examples=60, deadline=None)
@given(offices(most_hit=4))
def test_a_plan_found_by_branching_alone_is_as_good_as_the_best_of_all_plans(office):
    best = best_by_trying(office)
    if best is None:
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("optimizer.branching.FEW", 0)
        patch.setattr("optimizer.repair.EASY", 0)
        assert repair(office).objective == best


@settings(max_examples=15, deadline=None)
@given(offices())
def test_the_same_day_gives_the_same_plan(office):
    try:
        assert repair(office, seed=7).assignments == repair(office, seed=7).assignments
    except InfeasibleError:
        return


def office(*appointments, free=(FULL, FULL), clerks=2):
    ill = Clerk("ill", frozenset("ab"), (0,) * len(free))
    others = [Clerk(f"c{n}", frozenset("ab"), free, 3) for n in range(clerks)]
    return Office("office", 6, (ill, *others), appointments)


def hit(name, start=0, length=3, **more):
    return Appointment(name, "ill", start, length, frozenset("a"), hit=True, **more)


def kept(name, clerk, start=0, length=3, **more):
    return Appointment(name, clerk, start, length, frozenset("a"), hit=False, **more)


def test_somebody_free_takes_over_at_the_same_time():
    plan = repair(office(hit("h"), kept("k", "c0")))
    assert plan.assignments == (
        Assignment("h", Place("c1", 0, 0)),
        Assignment("k", Place("c0", 0, 0)),
    )
    assert plan.objective == Objective(0, 0, 0, 0)


def test_a_later_day_is_better_than_a_cancellation():
    plan = repair(office(hit("h", length=6), kept("k", "c0"), kept("l", "c1")))
    assert plan.objective == Objective(0, 6, 0, 0)


def test_what_fits_nowhere_is_cancelled():
    plan = repair(office(hit("h", length=6), kept("k", "c0"), kept("l", "c1"), free=(FULL, 0)))
    assert plan.objective.cancelled == 1
    assert plan.to_json()["assignment"][0] == {"id": "h", "cancelled": True}


def test_only_allowed_starts_are_proposed():
    plan = repair(office(hit("h", starts=(0b1000, 0)), kept("k", "c0", 2)))
    assert plan.assignments[0].place == Place("c1", 0, 3)


def test_a_plan_without_time_takes_what_is_free_and_is_not_called_proven():
    plan = repair(office(hit("h"), hit("i", length=6), kept("k", "c0"), kept("l", "c1", 3)), seconds=0)
    assert not plan.proven_optimal
    assert plan.objective == Objective(0, 6, 0, 3)


@settings(max_examples=60, deadline=None)
@given(offices())
def test_a_plan_without_time_is_never_better_than_the_best_and_keeps_the_rules(office):
    best = best_by_trying(office)
    try:
        plan = repair(office, seconds=0)
    except InfeasibleError:
        return
    assert best is not None
    assert plan.objective >= best
    assert check.faults(office, plan.assignments) == []
    assert greedy.repair(office).assignments == plan.assignments


def test_a_day_that_cannot_stand_as_it_is_has_no_plan():
    with pytest.raises(InfeasibleError):
        repair(office(kept("k", "c0", pinned=True), kept("l", "c0", 2, pinned=True)))
    with pytest.raises(InfeasibleError, match="the day as it stands has faults"):
        repair(office(kept("k", "c0", pinned=True), kept("l", "c0", 2, pinned=True)), seconds=0)


@pytest.mark.parametrize("empty", [office(), Office("none", 6, (), ())])
def test_an_empty_day_needs_nothing(empty):
    plan = repair(empty)
    assert plan.assignments == ()
    assert plan.proven_optimal


DAY = {
    "name": "small",
    "grains_a_day": 6,
    "clerks": [
        {"id": 0, "services": [1], "absent": True, "target_grains": None, "free": [[[0, 6]], [[0, 6]]]},
        {"id": 1, "services": [1, 2], "absent": False, "target_grains": 3, "free": [[[0, 6]], [[0, 2]]]},
        {"id": 2, "services": [2], "absent": False, "target_grains": 2, "free": [[[0, 6]], []]},
    ],
    "appointments": [
        {"id": 0, "start": 1, "grains": 2, "service": 1, "clerk": 0},
        {"id": 1, "start": 0, "grains": 3, "service": 2, "clerk": 1},
    ],
}


def test_the_command_prints_a_plan_that_its_check_accepts(tmp_path, capsys):
    instance, solution = tmp_path / "small.json", tmp_path / "solution.json"
    instance.write_text(json.dumps(DAY))
    assert main(["repair", str(instance), "--seconds", "20"]) == 0
    printed = capsys.readouterr().out
    plan = json.loads(printed)
    assert plan.pop("seconds") >= 0
    assert plan == {
        "instance": "small",
        "cancelled": 0,
        "moved_grains": 0,
        "clerk_changes": 1,
        "imbalance_grains": 2,
        "proven_optimal": True,
        "assignment": [
            {"id": 0, "clerk": 1, "day": 0, "start": 1},
            {"id": 1, "clerk": 2, "day": 0, "start": 0},
        ],
    }
    solution.write_text(printed)
    assert main(["check", str(instance), str(solution)]) == 0
    assert json.loads(capsys.readouterr().out)["feasible"] is True
    plan["assignment"][1]["clerk"] = 1
    solution.write_text(json.dumps(plan))
    assert main(["check", str(instance), str(solution)]) == 1
    assert json.loads(capsys.readouterr().out)["faults"] == [
        "appointments 1 and 0 overlap at clerk 1 on day 0",
        "clerk_changes is 0, but the solution says 1",
        "imbalance_grains is 4, but the solution says 2",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ("{}", "there is no 'grains_a_day'"),
        ("[" * 100_000, "nested too deeply"),
        (json.dumps(DAY | {"clerks": [3]}), "clerks[0]: 3 is not an object"),
        (json.dumps(DAY | {"appointments": [DAY["appointments"][0]] * 2}), "an id is there twice"),
    ],
)
def test_a_bad_file_is_named_with_its_fault_and_others_still_count(tmp_path, capsys, text, message):
    bad, good = tmp_path / "bad.json", tmp_path / "good.json"
    bad.write_text(text)
    good.write_text(json.dumps(DAY))
    assert main(["repair", str(bad), str(good)]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["instance"] == "small"
    assert err.count("bad.json") == 1
    assert message in err


@pytest.mark.parametrize("seconds", ["nan", "-1", "inf", "1e300", "soon"])
def test_a_time_that_is_none_is_wrong_usage(capsys, seconds):
    for command in ("repair", "smptsp"):
        with pytest.raises(SystemExit) as ended:
            main([command, "x.json", "--seconds", seconds])
        assert ended.value.code == 2
        assert f"'{seconds}' is not between 0 and 1e+06 seconds" in capsys.readouterr().err


def test_a_missing_file_keeps_no_other_from_being_solved(tmp_path, capsys):
    good = tmp_path / "good.json"
    good.write_text(json.dumps(DAY))
    assert main(["repair", str(tmp_path / "missing.json"), str(good)]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["instance"] == "small"
    assert err == f"{tmp_path / 'missing.json'}: No such file or directory\n"


def test_a_missing_file_or_malformed_solution_is_reported(tmp_path, capsys):
    instance, solution = tmp_path / "small.json", tmp_path / "solution.json"
    instance.write_text(json.dumps(DAY))
    assert main(["check", str(instance), str(solution)]) == 1
    assert "solution.json" in capsys.readouterr().err
    solution.write_text('{"assignment": [{"id": 0}]}')
    assert main(["check", str(instance), str(solution)]) == 1
    assert "assignment[0]: there is no 'clerk'" in capsys.readouterr().err
    for value, message in (
        (3, "assignment: 3 is not a list"),
        ([{"id": 0, "clerk": 0, "day": 0, "start": "x"}], "assignment[0].start: 'x' is not a whole number"),
        (
            [{"id": 0, "clerk": 0, "day": math.inf, "start": 0}],
            "assignment[0].day: inf is not a whole number",
        ),
        ([{"id": 0, "clerk": [], "day": 0, "start": 0}], "assignment[0].clerk: [] is not a number or text"),
        ([{"id": {}, "cancelled": True}], "assignment[0].id: {} is not a number or text"),
        ([{"id": 0, "cancelled": "no"}], "assignment[0].cancelled: 'no' is not true or false"),
    ):
        solution.write_text(json.dumps({"assignment": value}))
        assert main(["check", str(instance), str(solution)]) == 1
        assert capsys.readouterr().err.startswith(f"{solution}: {message}")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"grains_a_day": 0, "clerks": [], "appointments": []}, "grains_a_day: 0 is not between 1 and 1500"),
        ({"grains_a_day": 5}, re.escape("clerks[0].free[0][0][1]: 6 is not between 0 and 5")),
        ({"clerks": [DAY["clerks"][0]] * 2}, "clerks: an id is there twice"),
        ({"clerks": DAY["clerks"][:1], "appointments": DAY["appointments"][1:]}, "unknown clerk 1"),
        ({"appointments": [DAY["appointments"][0] | {"grains": 0}]}, "appointment 0: its period doesn't lie"),
        (
            {"clerks": [DAY["clerks"][0] | {"free": []}, *DAY["clerks"][1:]]},
            "free covers different numbers of days",
        ),
    ],
)
def test_an_impossible_instance_is_refused_by_name(change, message):
    with pytest.raises(ValueError, match=message):
        office_from_json(DAY | change)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (["grains_a_day"], 10**30, "grains_a_day: 1000000000000000000000000000000 is not between 1 and 1500"),
        (["grains_a_day"], "6", "grains_a_day: '6' is not a whole number"),
        (["grains_a_day"], math.nan, "grains_a_day: nan is not a whole number"),
        (["name"], None, "there is no 'name'"),
        (["clerks"], {}, "clerks: {} is not a list"),
        (["clerks", 1, "id"], True, "clerks[1].id: True is not a number or text that can be an id"),
        (["clerks", 1, "services"], "passport", "clerks[1].services: 'passport' is not a list"),
        (["clerks", 1, "services", 0], [1], "clerks[1].services[0]: [1] is not a number or text"),
        (["clerks", 1, "absent"], "false", "clerks[1].absent: 'false' is not true or false"),
        (["clerks", 1, "target_grains"], None, "clerks[1]: there is no 'target_grains'"),
        (["clerks", 1, "target_grains"], math.inf, "clerks[1].target_grains: inf is not a whole number"),
        (
            ["clerks", 1, "target_grains"],
            10**30,
            "clerks[1].target_grains: 1000000000000000000000000000000 is",
        ),
        (["clerks", 0, "free", 1], 3, "clerks[0].free[1]: 3 is not a list"),
        (["clerks", 1, "free", 0, 0], [4, 2], "clerks[1].free[0][0]: a period has a start and an end"),
        (["clerks", 1, "free", 0, 0], [1, 2, 3], "clerks[1].free[0][0]: a period has a start and an end"),
        (["clerks", 1, "free", 0, 0, 0], 1.5, "clerks[1].free[0][0][0]: 1.5 is not a whole number"),
        (["appointments", 0, "start"], -math.inf, "appointments[0].start: -inf is not a whole number"),
        (["appointments", 0, "start"], None, "appointments[0]: there is no 'start'"),
        (["appointments", 1, "grains"], "x" * 99, f"appointments[1].grains: '{'x' * 39}… is not a whole"),
        (["appointments", 1, "service"], {}, "appointments[1].service: {} is not a number or text"),
        (["appointments", 1], "x", "appointments[1]: 'x' is not an object"),
    ],
)
def test_a_wrong_value_is_named_with_its_place(place, value, message):
    data = copy.deepcopy(DAY)
    found = data
    for key in place[:-1]:
        found = found[key]
    found[place[-1]] = value
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        office_from_json(data)


def test_who_cannot_keep_the_time_is_named():
    nobody = office(kept("k", "c0", start=3), free=(7, 7))
    with pytest.raises(
        InfeasibleError, match="appointment k keeps its time, but nobody who may take it is free then"
    ):
        repair(nobody)
    # Nobody has room for both: c0 isn't there, c1 has another one.
    away = Office(
        "o",
        6,
        (Clerk("c0", frozenset("a"), (0,), 3), Clerk("c1", frozenset("a"), (FULL,), 3)),
        (kept("k", "c0"), kept("l", "c1", start=2)),
    )
    with pytest.raises(InfeasibleError, match="as it stands, appointment k can't stay with clerk c0"):
        repair(away)
    three = office(kept("k", "c0"), kept("l", "c1"), kept("m", "c1", start=1))
    with pytest.raises(
        InfeasibleError,
        match="those that keep their time can't all be assigned; as it stands, appointments l and m overlap at clerk 'c1'",
    ):
        repair(three)


def test_whole_numbers_with_a_point_are_whole():
    assert office_from_json(DAY | {"grains_a_day": 6.0}) == office_from_json(DAY)


def test_a_number_and_the_same_in_letters_are_two_ids():
    clerks = tuple(Clerk(name, frozenset("a"), (FULL,), 3) for name in ("1", 1))
    mixed = Office("o", 6, clerks, (kept("k", "1"), kept("l", 1)))
    assert check.faults(mixed, repair(mixed).assignments) == []


def test_values_that_json_cannot_give_are_refused_too():
    with pytest.raises(ValueError, match="clerk c: free reaches beyond the day"):
        Office("o", 2, (Clerk("c", frozenset(), (4,)),), ())
    with pytest.raises(ValueError, match="starts cover another number of days"):
        office(hit("h", starts=(1,)))

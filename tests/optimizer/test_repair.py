import json

import pytest
from hypothesis import given, settings

from optimizer import check, greedy
from optimizer.__main__ import main
from optimizer.office import Appointment, Clerk, Office, office_from_json
from optimizer.repair import InfeasibleError, repair
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
        ("{}", "the instance has no 'grains_a_day'"),
        (json.dumps(DAY | {"clerks": [3]}), "the instance has a value of the wrong kind"),
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
    assert "the solution has no 'clerk'" in capsys.readouterr().err
    for text in ('{"assignment": 3}', '{"assignment": [{"id": 0, "clerk": 0, "day": 0, "start": "x"}]}'):
        solution.write_text(text)
        assert main(["check", str(instance), str(solution)]) == 1
        err = capsys.readouterr().err
        assert err.startswith(f"{solution}: the solution has a value of the wrong kind")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"grains_a_day": 0, "clerks": [], "appointments": []}, "grains_a_day must be at least 1"),
        ({"grains_a_day": 5}, "free period 0 to 6 doesn't lie within the day's 5 grains"),
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


def test_values_that_json_cannot_give_are_refused_too():
    with pytest.raises(ValueError, match="clerk c: free reaches beyond the day"):
        Office("o", 2, (Clerk("c", frozenset(), (4,)),), ())
    with pytest.raises(ValueError, match="starts cover another number of days"):
        office(hit("h", starts=(1,)))

import json
import random
import subprocess
import sys
from itertools import pairwise, product

import numpy as np
import pytest

from optimizer.smptsp import (
    PACES,
    PROOF,
    TaskInstance,
    TaskPlan,
    cliques,
    faults,
    fewest_persons,
    forced_chains,
    read,
)
from optimizer.staffing import OPEN, Ejections, Pace, Prices, again, clock

TEXT = """# made by hand
Type = 1
Jobs = 3
 0 4
 2 6
 4 8
Qualifications = 3
 2:  0 2
 2:  1 2
 1:  1
"""


def written(instance):
    lines = ["Type = 1", f"Jobs = {len(instance.tasks)}"]
    lines += [f" {start} {end}" for start, end in instance.tasks]
    lines += [f"Qualifications = {len(instance.persons)}"]
    lines += [f" {len(tasks)}: {' '.join(map(str, sorted(tasks)))}" for tasks in instance.persons]
    return "\n".join(lines)


def drawn(seed):
    chance = random.Random(seed)
    count = chance.randint(1, 6)
    starts = [chance.randint(0, 8) for _ in range(count)]
    tasks = tuple((start, start + chance.randint(1, 4)) for start in starts)
    persons = [{task for task in range(count) if chance.random() < 0.6} for _ in range(4)]
    for task in range(count):
        persons[chance.randrange(4)].add(task)
    return TaskInstance(f"drawn-{seed}", tasks, tuple(frozenset(tasks) for tasks in persons))


def fewest(instance):
    able = [[p for p, tasks in enumerate(instance.persons) if t in tasks] for t in range(len(instance.tasks))]
    plans = (TaskPlan(len(set(takers)), 0, 0.0, takers) for takers in product(*able))
    return min((plan.used for plan in plans if not faults(instance, plan)), default=None)


def test_the_command_uses_as_few_persons_as_the_best_of_all_plans(tmp_path):
    files, best = [], {}
    for seed in range(25):
        instance = drawn(seed)
        if seed == 0:
            # Two persons for three tasks at one time.
            instance = TaskInstance("drawn-0", ((0, 2), (0, 2), (1, 3)), (frozenset({0, 1, 2}),) * 2)
        best[instance.name] = fewest(instance)
        files.append(tmp_path / f"{instance.name}.dat")
        files[-1].write_text(written(instance))
    # A process of its own: OR-Tools can't be loaded beside HiGHS.
    command = [sys.executable, "-m", "optimizer", "smptsp", "--seconds", "60", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["instance"]: line["used"] for line in lines} == best
    for line in lines:
        assert set(line) == {"instance", "used", "lower_bound", "proven_optimal", "seconds"}
        assert line["proven_optimal"]
        assert line["used"] in {None, line["lower_bound"]}
    impossible = [name for name, used in best.items() if used is None]
    assert impossible
    assert done.returncode == 1
    for name in impossible:
        assert f"{name}.dat: no plan was found, there is none" in done.stderr


def full_house(persons, seed):
    """Nobody is ever idle: so many chains of tasks without a gap, each doable by one person, who has other skills too."""
    chance = random.Random(seed)
    tasks, able = [], [set() for _ in range(persons + 3)]
    for person in range(persons):
        ends = [*sorted(chance.sample(range(1, 60), 5)), 60]
        for start, end in pairwise([0, *ends]):
            able[person].add(len(tasks))
            tasks.append((start, end))
    for tasks_of_one in able:
        tasks_of_one |= {task for task in range(len(tasks)) if chance.random() < 0.3}
    return TaskInstance("full house", tuple(tasks), tuple(frozenset(one) for one in able))


def few_skills(seed):
    """Eight tasks at a time at most, twelve persons of whom each may take a quarter of the tasks."""
    chance = random.Random(seed)
    tasks = []
    for _ in range(8):
        ends = sorted(chance.sample(range(1, 40), 4))
        tasks += list(pairwise([0, *ends, 40]))
    able = [{task for task in range(len(tasks)) if chance.random() < 0.25} for _ in range(12)]
    for task in range(len(tasks)):
        able[chance.randrange(12)].add(task)
    return TaskInstance("few skills", tuple(tasks), tuple(frozenset(one) for one in able))


@pytest.mark.parametrize("seed", range(3))
def test_a_plan_without_any_slack_is_found(seed):
    instance = full_house(12, seed)
    plan = fewest_persons(instance, seconds=60)
    assert faults(instance, plan) == []
    assert (plan.used, plan.lower_bound) == (12, 12)


def test_the_same_seed_gives_the_same_plan():
    instance = full_house(12, 1)
    plans = {fewest_persons(instance, seconds=60, seed=5).persons for _ in range(2)}
    assert len(plans) == 1


def test_prices_prove_that_the_most_tasks_at_one_time_are_too_few_persons():
    # Two at a time, but three services with one person each.
    tasks = ((0, 4), (2, 6), (4, 8))
    instance = TaskInstance("three", tasks, tuple(frozenset([task]) for task in range(3)))
    prices = Prices(tasks, np.eye(3, dtype=bool), 2, 1, Pace())
    assert prices.settle() == 3
    plan = fewest_persons(instance, seconds=60)
    assert (plan.used, plan.lower_bound) == (3, 3)


def test_without_time_there_is_a_line_and_no_plan():
    plan = fewest_persons(full_house(12, 1), seconds=0)
    assert (plan.used, plan.lower_bound, plan.proven_optimal) == (None, 12, False)


def test_who_becomes_free_alone_must_go_on():
    # All three are busy from 0 to 5 and from 7 on; in between, one has finished at 5.
    tasks = ((0, 9), (0, 9), (0, 5), (5, 6), (7, 9))
    assert sorted(map(sorted, forced_chains(tasks, 3))) == [[0], [1], [2, 3, 4]]
    assert len(forced_chains(tasks, 4)) == 5


def test_ejections_put_in_what_is_open():
    tasks = ((0, 4), (0, 4), (4, 8))
    able = np.array([[True, True], [True, False], [True, True]])
    plan = Ejections(tasks, able, [0, OPEN, 1], 2, 1).run(100, clock(60))
    assert plan[:2] == [1, 0]
    assert OPEN not in plan


def test_another_person_is_called_where_those_who_work_cannot_do_it():
    tasks = ((0, 4), (4, 8))
    able = np.array([[True, True], [False, True]])
    assert Ejections(tasks, able, [0, OPEN], 1, 1).run(100, clock(60)) == [1, 1]


@pytest.mark.parametrize("seed", range(3))
def test_no_more_persons_are_called_than_may_work(seed):
    instance = full_house(8, seed)
    able = np.array([[task in one for one in instance.persons] for task in range(len(instance.tasks))])
    taker = Ejections(instance.tasks, able, [OPEN] * len(able), 7, seed).run(300, clock(60))
    kept = [task for task, person in enumerate(taker) if person != OPEN]
    assert 0 < len(kept) < len(taker)
    done = tuple(instance.tasks[task] for task in kept)
    skills = tuple(
        frozenset(place for place, task in enumerate(kept) if task in one) for one in instance.persons
    )
    persons = tuple(taker[task] for task in kept)
    assert len(set(persons)) <= 7
    plan = TaskPlan(len(set(persons)), 0, 0.0, persons)
    assert faults(TaskInstance("kept", done, skills), plan) == []


def test_a_dive_ends_though_something_must_be_lost():
    tasks = ((0, 4), (2, 6), (4, 8))
    prices = Prices(tasks, np.eye(3, dtype=bool), 2, 1, Pace())
    assert prices.settle() == 3
    rounds = iter(range(100))
    prices.dive(lambda: next(rounds, None) is None)
    assert prices.lost == 1
    assert min(prices.taker) == OPEN
    assert next(rounds, None) is not None


def test_a_part_is_planned_once_more_and_the_rest_stays():
    tasks = ((0, 4), (0, 4), (4, 8), (4, 8), (4, 8))
    able = np.array([[True, False, False]] + [[True, True, True]] * 3 + [[False, False, True]])
    taker = [0, 1, 2, 0, OPEN]
    found = again(tasks, able, taker, [2, 3, 4], 3, seed=1, pace=Pace(), out_of_time=clock(60))
    assert found[:2] == [0, 1]
    assert found[4] == 2
    assert sorted(found[2:]) == [0, 1, 2]
    two = again(
        tasks, able, [0, 1, OPEN, OPEN, OPEN], [2, 3, 4], 2, seed=1, pace=Pace(), out_of_time=clock(60)
    )
    assert two[4] == OPEN
    assert sorted(two[2:4]) == [0, 1]


def test_a_longer_settling_proves_what_short_ones_cannot():
    instance = few_skills(1)
    able = np.array([[task in one for one in instance.persons] for task in range(len(instance.tasks))])
    assert {Prices(instance.tasks, able, 10, 1, pace).settle() for pace in PACES} == {10}
    assert Prices(instance.tasks, able, 10, 1, PROOF).settle() == 11


def short_shifts(seed, persons=60, tasks=40):
    """Tasks round the clock, persons who are there for a few hours: many more are needed than work at one time."""
    chance = random.Random(seed)
    starts = [chance.randrange(200) for _ in range(tasks)]
    periods = tuple((start, start + chance.randint(5, 20)) for start in starts)
    there = [chance.randrange(-20, 200) for _ in range(persons)]
    able = [
        {
            task
            for task, (start, end) in enumerate(periods)
            if there[person] <= start and end <= there[person] + 60 and chance.random() < 0.6
        }
        for person in range(persons)
    ]
    for task in set(range(tasks)) - set().union(*able):
        able[chance.randrange(persons)].add(task)
    return TaskInstance("short shifts", periods, tuple(frozenset(one) for one in able))


@pytest.mark.parametrize("seed", range(2, 6))
def test_prices_climb_to_the_bound_at_once(seed):
    instance = short_shifts(seed)
    able = np.array([[task in one for one in instance.persons] for task in range(len(instance.tasks))])
    most = max(map(len, cliques(instance.tasks)))
    prices = Prices(instance.tasks, able, most, 1, PROOF)
    bound = prices.settle(rising=True)
    assert bound > most + 1
    assert prices.limit == bound
    plan = fewest_persons(instance, seconds=60)
    assert plan.proven_optimal
    assert bound <= plan.used


def test_prices_rule_out_no_plan_that_there_is():
    found = 0
    for seed in range(20):
        instance = drawn(seed)
        used = fewest(instance)
        if used is None:
            continue
        able = np.array([[task in one for one in instance.persons] for task in range(len(instance.tasks))])
        bound = Prices(instance.tasks, able, 1, 1, PROOF).settle(rising=True)
        assert bound <= used
        found += bound == used
    assert found > 15


def test_prices_stop_settling_when_the_time_is_over():
    instance = short_shifts(2)
    able = np.array([[task in one for one in instance.persons] for task in range(len(instance.tasks))])
    rounds = iter(range(5))
    prices = Prices(instance.tasks, able, 5, 1, PROOF)
    early = prices.settle(lambda: next(rounds, None) is None, rising=True)
    assert 5 <= early < Prices(instance.tasks, able, 5, 1, PROOF).settle(rising=True)


def test_a_proof_beyond_the_relaxation_is_left_to_an_exact_search(tmp_path):
    # Of three tasks one after the other, each person may take two: one and a half persons could, and two can.
    rings, tasks, persons = 4, [], []
    for ring in range(rings):
        first = len(tasks)
        tasks += [(10 * ring, 10 * ring + 1), (10 * ring + 1, 10 * ring + 2), (10 * ring + 2, 10 * ring + 3)]
        persons += [frozenset({first + one, first + (one + 1) % 3}) for one in range(3)]
    instance = TaskInstance("rings", tuple(tasks), tuple(persons))
    able = np.array([[task in one for one in persons] for task in range(len(tasks))])
    assert Prices(tasks, able, 1, 1, PROOF).settle(rising=True) == 6
    file = tmp_path / "rings.dat"
    file.write_text(written(instance))
    # A process of its own: OR-Tools can't be loaded beside HiGHS.
    program = (
        "import sys; from optimizer import smptsp; from optimizer.__main__ import main; "
        "smptsp.SMALL = 0; sys.exit(main(['smptsp', sys.argv[1]]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(file)], capture_output=True, text=True, check=True
    )
    line = json.loads(done.stdout)
    assert (line["used"], line["lower_bound"]) == (2 * rings, 2 * rings)


def test_the_published_format_is_read():
    instance = read("hand", TEXT)
    assert instance.tasks == ((0, 4), (2, 6), (4, 8))
    assert instance.persons == (frozenset({0, 2}), frozenset({1, 2}), frozenset({1}))


def test_tasks_that_only_touch_are_in_no_common_clique():
    assert [sorted(clique) for clique in cliques([(0, 4), (2, 6), (4, 8)])] == [[0, 1], [1, 2]]
    assert cliques([]) == []


def test_a_plan_is_checked_without_a_solver():
    instance = read("hand", TEXT)
    assert faults(instance, TaskPlan(2, 2, 0.0, (0, 1, 0))) == []
    assert faults(instance, TaskPlan(2, 2, 0.0, (0, 1, 1))) == ["person 1 has two tasks at one time"]
    assert faults(instance, TaskPlan(1, 2, 0.0, (0, 1, 0))) == ["2 persons are used, not 1"]
    assert faults(instance, TaskPlan(2, 2, 0.0, (0, 0, 1)))[0] == "person 0 may not take task 1"
    assert faults(instance, TaskPlan(2, 2, 0.0, (0, 1))) == ["not every task has a person"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "bad: no line 'Jobs'"),
        ("Jobs = 1\n 0 4", "bad: no line 'Qualifications'"),
        (TEXT.replace(" 2 6", " 2 x"), "bad: a malformed line"),
        (TEXT.replace(" 2 6", " 2 2"), "task 1: it ends at 2, not after its start 2"),
        (TEXT.replace(" 2 6", f" 2 {10**30}"), "task 1: its period is beyond 1000000000000"),
        (TEXT.replace("2:  0 2", "2:  0 9"), "person 0: an unknown task"),
        (TEXT.replace("2:  0 2", "1:  2"), "task 0: nobody may take it"),
        (TEXT.replace("Qualifications = 3", "Qualifications = 4"), "3 persons instead of 4"),
    ],
)
def test_a_malformed_file_is_refused_by_name(text, message):
    with pytest.raises(ValueError, match=message):
        read("bad", text)

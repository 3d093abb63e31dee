import json
import random
import subprocess
import sys
from itertools import product

import pytest

from optimizer.smptsp import TaskInstance, TaskPlan, cliques, faults, read

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
        best[instance.name] = fewest(instance)
        files.append(tmp_path / f"{instance.name}.dat")
        files[-1].write_text(written(instance))
    # A process of its own: OR-Tools can't be loaded beside HiGHS.
    command = [sys.executable, "-m", "optimizer", "smptsp", "--seconds", "1", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["instance"]: line["used"] for line in lines} == {
        name: used for name, used in best.items() if used is not None
    }
    for line in lines:
        assert set(line) == {"instance", "used", "lower_bound", "proven_optimal", "seconds"}
        assert line["proven_optimal"] == (line["used"] == line["lower_bound"])
    impossible = [name for name, used in best.items() if used is None]
    assert done.returncode == (1 if impossible else 0)
    for name in impossible:
        assert f"{name}: no plan was found" in done.stderr


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
        (TEXT.replace("2:  0 2", "2:  0 9"), "person 0: an unknown task"),
        (TEXT.replace("2:  0 2", "1:  2"), "task 0: nobody may take it"),
        (TEXT.replace("Qualifications = 3", "Qualifications = 4"), "3 persons instead of 4"),
    ],
)
def test_a_malformed_file_is_refused_by_name(text, message):
    with pytest.raises(ValueError, match=message):
        read("bad", text)

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.balance import Change, Colleague, Load, Task, _Curve, balance, fair_shares

GRAINS = 6
FULL = 2**GRAINS - 1


@st.composite
def teams(draw):
    """Clerks with part-time shares, and tasks on two days; some overlap or lie outside the free time."""
    skills = st.frozensets(st.sampled_from("ab"), min_size=1)
    free = st.sampled_from([FULL, FULL, FULL & ~1, 0b111000])
    colleagues = [
        Colleague(n, draw(skills), draw(st.sampled_from([0.5, 1.0])), (draw(free), draw(free)))
        for n in range(draw(st.integers(1, 3)))
    ]
    tasks = []
    for number in range(draw(st.integers(0, 5))):
        length = draw(st.integers(1, 3))
        tasks.append(
            Task(
                f"t{number}",
                draw(st.integers(0, len(colleagues) - 1)),
                draw(st.integers(0, 1)),
                draw(st.integers(0, GRAINS - length)),
                length,
                frozenset(draw(st.sampled_from("ab"))),
                draw(st.integers(0, 4)) == 0,
            )
        )
    return colleagues, tasks


def overlap(one, two):
    return one.day == two.day and one.mask & two.mask


def by_trying(colleagues, tasks):
    """The least imbalance for each number of changes."""
    targets = fair_shares([entry.share for entry in colleagues], sum(task.length for task in tasks))

    def stays(task):
        holder = colleagues[task.clerk]
        return (
            task.pinned
            or not task.services <= holder.services
            or task.mask & ~holder.free[task.day]
            or any(
                other is not task and other.clerk == task.clerk and overlap(task, other) for other in tasks
            )
        )

    choices = [
        [task.clerk]
        if stays(task)
        else [
            entry.id
            for entry in colleagues
            if task.services <= entry.services and not task.mask & ~entry.free[task.day]
        ]
        for task in tasks
    ]
    best = {}
    for holders in product(*choices):
        moved = [holder != task.clerk for holder, task in zip(holders, tasks, strict=True)]
        if any(
            holders[i] == holders[j] and overlap(tasks[i], tasks[j]) and (moved[i] or moved[j])
            for i in range(len(tasks))
            for j in range(i)
        ):
            continue
        loads = [sum(t.length for t, h in zip(tasks, holders, strict=True) if h == c.id) for c in colleagues]
        imbalance = sum(abs(load - target) for load, target in zip(loads, targets, strict=True))
        best[sum(moved)] = min(imbalance, best.get(sum(moved), imbalance))
    return best


@settings(max_examples=120, deadline=None)
@given(teams())
def test_each_point_is_as_even_as_its_number_of_changes_allows(team):
    best = by_trying(*team)
    curve = balance(*team, GRAINS)
    assert curve.points[0].changes == ()
    assert curve.points[0].imbalance_grains == best[0]
    for point in curve.points:
        assert point.proven_optimal
        count = len(point.changes)
        assert point.imbalance_grains == min(value for number, value in best.items() if number <= count)
    last = curve.points[-1]
    assert last.imbalance_grains == min(best.values())
    assert len(last.changes) == min(number for number, value in best.items() if value == min(best.values()))


@settings(max_examples=60, deadline=None)
@given(teams())
def test_the_loads_are_those_after_the_changes_and_pinned_ones_stay(team):
    colleagues, tasks = team
    for point in balance(colleagues, tasks, GRAINS).points:
        to = {change.id: change.to_clerk for change in point.changes}
        assert not any(task.pinned and task.id in to for task in tasks)
        for load in point.loads:
            assert load.grains == sum(t.length for t in tasks if to.get(t.id, t.clerk) == load.clerk)
        assert sum(abs(load.grains - load.target) for load in point.loads) == point.imbalance_grains


def team(*shares):
    return [Colleague(n, frozenset("a"), share, (FULL,)) for n, share in enumerate(shares)]


def task(name, start, length, clerk=0, **more):
    return Task(name, clerk, 0, start, length, frozenset("a"), **more)


def test_work_is_weighed_by_minutes_and_part_time_share_not_by_count():
    curve = balance(team(1.0, 0.5), [task("long", 0, 4), task("short", 4, 2)], GRAINS)
    assert curve.points[-1].changes == (Change("short", 0, 1),)
    assert curve.points[-1].loads == (Load(0, 4, 4), Load(1, 2, 2))


def test_the_curve_falls_while_the_number_of_changes_rises():
    tasks = [task(f"t{n}", n, 1) for n in range(6)]
    points = balance(team(1, 1), tasks, GRAINS).points
    assert [(len(point.changes), point.imbalance_grains) for point in points] == [
        (0, 6),
        (1, 4),
        (2, 2),
        (3, 0),
    ]
    assert len(balance(team(1, 1), tasks, GRAINS, points=1).points) == 2


def test_without_time_the_present_is_all_there_is():
    curve = balance(team(1, 1), [task("a", 0, 3), task("b", 3, 3)], GRAINS, seconds=0)
    assert [(point.changes, point.proven_optimal) for point in curve.points] == [((), False)]
    assert (
        not balance(team(1, 1), [task("a", 0, 3), task("b", 3, 3)], GRAINS, points=0).points[0].proven_optimal
    )


def test_what_is_even_already_is_proven():
    for shares, tasks in (((1, 1), [task("a", 0, 3), task("b", 3, 3, 1)]), ((1, 1), [task("a", 0, 3)])):
        (point,) = balance(team(*shares), tasks, GRAINS).points
        assert point.proven_optimal


def test_one_point_has_the_number_of_changes_asked_for():
    tasks = [task(f"t{n}", n, 1) for n in range(6)]
    for number in range(5):
        points = balance(team(1, 1), tasks, GRAINS, points=1, changes=number).points
        chosen = [point for point in points if len(point.changes) <= number][-1]
        assert (chosen.imbalance_grains, chosen.proven_optimal) == (max(0, 6 - 2 * number), True)


@pytest.mark.parametrize(
    ("times", "proven"), [(1, [False, False]), (2, [False, True]), (3, [True, True, True])]
)
def test_a_point_for_which_the_time_was_too_short_is_not_called_proven(monkeypatch, times, proven):
    tasks = [task(f"t{n}", n, 1) for n in range(6)]
    asked = []
    solve = _Curve._solve

    def late(solver, question):
        asked.append(question)
        return None if len(asked) > times else solve(solver, question)

    monkeypatch.setattr(_Curve, "_solve", late)
    points = balance(team(1, 1), tasks, GRAINS, points=1, changes=2).points
    assert [point.proven_optimal for point in points] == proven


def test_nobody_and_nothing_is_balanced_too():
    assert balance([], [], GRAINS).points[0].imbalance_grains == 0
    assert balance(team(1), [], GRAINS).points[0].loads == (Load(0, 0, 0),)


@given(st.lists(st.floats(0, 2), max_size=6), st.integers(0, 1000))
def test_fair_shares_add_up_and_are_off_by_less_than_one(shares, total):
    parts = fair_shares(shares, total)
    if sum(shares) <= 0:
        assert set(parts) <= {0}
        return
    assert sum(parts) == total
    for part, share in zip(parts, shares, strict=True):
        assert abs(part - total * share / sum(shares)) < 1 + 1e-6


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fair_shares([-1.0], 3), "a share is negative"),
        (lambda: balance(team(1), [task("x", 0, 1, clerk=7)], GRAINS), "appointment x: unknown clerk 7"),
        (lambda: balance(team(1), [task("x", 5, 2)], GRAINS), "appointment x: its period doesn't lie within"),
        (lambda: balance(team(1), [task("x", 0, 1)] * 2, GRAINS), "appointments: an id is there twice"),
        (
            lambda: balance(team(1), [Task("x", 0, 1, 0, 1, frozenset())], GRAINS),
            "appointment x: day 1 isn't among those to balance",
        ),
    ],
)
def test_impossible_values_are_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()

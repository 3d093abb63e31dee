"""Offices with an absence for tests: tiny, with every plan enumerated."""

import random
from dataclasses import astuple

import numpy as np
from hypothesis import strategies as st

from optimizer import check, greedy
from optimizer.columns import all_columns
from optimizer.constraints import no_overlap
from optimizer.office import Appointment, Clerk, Office
from optimizer.selection import Question, choose
from optimizer.solution import Assignment, Place


@st.composite
def offices(draw, grains=5, days=2, most_hit=2, most_others=3):
    """An office in which clerk 0 is absent; what stays may already be impossible."""
    skills = st.frozensets(st.sampled_from("ab"), min_size=1)
    count = draw(st.integers(2, 3))
    free = st.tuples(*[st.integers(0, 2**grains - 1)] * days)
    clerks = [Clerk(0, draw(skills), (0,) * days)]
    clerks += [
        Clerk(
            n,
            draw(skills),
            ((2**grains - 1) & ~draw(st.sampled_from([0, 1, 4, 24])), *draw(free)[1:]),
            draw(st.integers(0, 5)),
        )
        for n in range(1, count)
    ]
    entries = []
    for number in range(draw(st.integers(0, most_hit)) + draw(st.integers(0, most_others))):
        hit = number < most_hit
        length = draw(st.integers(1, 3))
        start = draw(st.integers(0, grains - length))
        clerk = 0 if hit else draw(st.integers(1, count - 1))
        needs = frozenset(draw(st.sampled_from("ab")))
        pinned = not hit and draw(st.integers(0, 4)) == 0
        starts = draw(st.sampled_from([None, None, (21, 10)])) if hit else None
        entries.append(Appointment(number, clerk, start, length, needs, hit, pinned, starts))
    return Office("tiny", grains, tuple(clerks), tuple(entries))


def all_plans(office):
    """All plans that `check` accepts, as lists of assignments."""
    everywhere = [
        Place(clerk.id, day, start)
        for clerk in office.clerks
        for day in range(office.days)
        for start in range(office.grains_a_day)
    ]
    choices = []
    for entry in office.appointments:
        alone = Office("alone", office.grains_a_day, office.clerks, (entry,))
        possible = [Assignment(entry.id, place) for place in [None, *everywhere]]
        choices.append([one for one in possible if not check.faults(alone, [one])])

    def extend(plan):
        if no_overlap.faults(office, plan):
            return
        if len(plan) < len(choices):
            for one in choices[len(plan)]:
                yield from extend([*plan, one])
            return
        assert not check.faults(office, plan)
        yield plan

    yield from extend([])


def best_by_trying(office):
    """The least objective over all plans that `check` accepts; None when there is none."""
    return min((check.objective(office, plan) for plan in all_plans(office)), default=None)


def best_level_by_level(office):
    """The objective that branch and cut over all columns finds, each level after those before it."""
    columns = all_columns(office)
    bounds = {}
    for level in range(4):
        choice = choose(columns, Question(np.ones(len(columns), dtype=bool), dict(bounds), level), 60.0)
        assert choice.proven
        objective = check.objective(office, greedy.assignments(columns, choice.columns))
        bounds[level] = (astuple(objective)[level],) * 2
    return objective


def crowded(seed, clerks=6, grains=60):
    """An office whose clerks have work nearly all day; the first two are absent."""
    chance = random.Random(seed)
    skills = [frozenset(chance.sample("abcd", 2)) for _ in range(clerks)]
    entries = []
    for number in range(clerks):
        at = chance.randint(0, 2)
        while at < grains - 6:
            length = chance.randint(1, 6)
            needs = frozenset(chance.choice(sorted(skills[number])))
            entries.append(Appointment(len(entries), number, at, length, needs, hit=number < 2))
            at += length + chance.choice([0, 0, 1, 2, 3])
    full = 2**grains - 1
    staff = [
        Clerk(number, skills[number], (0, 0) if number < 2 else (full, full), None if number < 2 else 40)
        for number in range(clerks)
    ]
    return Office(f"crowded-{seed}", grains, tuple(staff), tuple(entries))

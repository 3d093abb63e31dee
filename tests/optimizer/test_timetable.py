"""What the searches of admission look up, against the day itself, grain by grain."""

from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.admission import Day
from optimizer.bits import each, span
from optimizer.ejections import Ejections
from optimizer.instance import OfficeDay
from optimizer.matchings import Question
from tests.optimizer.days import booked, clerk, crowded_days, small_days


@settings(max_examples=200, deadline=None)
@given(small_days)
def test_an_appointment_can_go_to_whoever_may_do_it_and_is_there_all_the_time(day):
    prepared = Day(day)
    for item, entry in enumerate(prepared.booked):
        able = {
            number
            for number, clerk in enumerate(day.clerks)
            if clerk.clerk == entry.clerk
            or (
                not entry.pinned
                and entry.services <= clerk.services
                and not entry.mask & ~clerk.free
                and not any(e.pinned and e.mask & entry.mask and e.clerk == clerk.clerk for e in day.booked)
            )
        }
        assert set(each(prepared.timetable.domain(item))) == able


@settings(max_examples=200, deadline=None)
@given(small_days, st.lists(st.integers(0, 5), max_size=2))
def test_a_course_knows_who_is_going_on_when(day, more):
    prepared = Day(day)
    table, entries = prepared.timetable, prepared.booked
    assert len(table.course.at) == len(table.taken) == len(table.course.moments)
    for grain in more:
        table.course.require(grain)
    course = table.course
    assert course.moments == sorted({entry.start for entry in entries} | set(more))
    for item, entry in enumerate(entries):
        assert set(each(course.overlaps(item))) == {o for o, e in enumerate(entries) if e.mask & entry.mask}
        assert course.moments[course.first[item] : course.last[item]] == [
            grain for grain in course.moments if entry.mask >> grain & 1
        ]
    for number, grain in enumerate(course.moments):
        there = {item for item, entry in enumerate(entries) if entry.mask >> grain & 1}
        assert set(each(course.at[number])) == there
        assert set(each(table.taken[number])) == {prepared.holder[item] for item in there}


@settings(max_examples=200, deadline=None)
@given(st.one_of(small_days, crowded_days), st.integers(0, 5), st.integers(1, 4), st.integers(0, 12))
def test_ejections_know_who_is_vacant_after_any_number_of_steps(day, start, most, steps):
    prepared = Day(day)
    length = min(most, day.grains - start)
    question = Question(prepared.timetable, start, length, span(0, len(day.clerks)))
    search = Ejections(question)
    search.run(steps)
    masks = [*prepared.masks, span(start, length)]
    for number, grain in enumerate(prepared.timetable.course.moments):
        assert set(each(search.taken[number])) == {
            clerk
            for clerk, held in enumerate(search.held)
            if any(masks[item] >> grain & 1 for item in each(held))
        }


def test_whoever_stood_beneath_one_that_is_driven_away_still_has_her_clerk():
    day = OfficeDay(
        6,
        (clerk("one", "######", "a"), clerk("two", "######", "a")),
        (booked("x", "one", 0, 4), booked("y", "one", 2, 4)),
    )
    search = Ejections(Question(Day(day).timetable, 0, 2, 0b01))
    assert search.run(2)
    assert search.at == {2: 0, 0: 1}
    assert search.taken == [0b11, 0b11]

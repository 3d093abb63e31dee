"""Reminders: the day before at ten, for who asked."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking_web.notifications.reminders import reminder_due
from booking_web.notifications.told import Snapshot
from booking_web.town import ReminderRule
from tests.notifications.town import UID
from tests.notifications.world import LEAD, World
from tests.support.town import NOW, appointment, at

RULE = ReminderRule(1, time(10))


def due(start: datetime, *, told_at: datetime = NOW, rule: ReminderRule = RULE, wanted: bool = True):
    return reminder_due(
        Snapshot.of(appointment(start=start, reminder=wanted), "buergerbuero"), rule, told_at=told_at
    )


def test_the_day_before_at_ten():
    assert due(at(7, 8)) == at(6, 10)


def test_only_for_who_asked():
    assert due(at(7, 8), wanted=False) is None


def test_not_for_what_was_booked_later_than_that():
    assert due(at(7, 8), told_at=at(6, 9, 59)) == at(6, 10)
    assert due(at(7, 8), told_at=at(6, 10)) is None


def test_on_the_same_day_only_before_it_begins():
    assert due(at(7, 8), rule=ReminderRule(0, time(7))) == at(7, 7)
    assert due(at(7, 8), rule=ReminderRule(0, time(8))) is None


@pytest.mark.parametrize(
    ("start", "utc"),
    [
        # Clocks go forward on 28 March 2027, back on 31 October 2027: ten o'clock is by the clock on the wall.
        (at(29, 8, month=3, year=2027), datetime(2027, 3, 28, 8, tzinfo=UTC)),
        (at(28, 8, month=3, year=2027), datetime(2027, 3, 27, 9, tzinfo=UTC)),
        (at(1, 8, month=11, year=2027), datetime(2027, 10, 31, 9, tzinfo=UTC)),
    ],
)
def test_ten_is_ten_whatever_the_clocks_do(start, utc):
    assert due(start) == utc


@given(
    st.integers(1, 800).map(lambda days: at(1, 8) + timedelta(days=days)),
    st.integers(0, 14),
    st.times(),
)
def test_a_reminder_comes_between_booking_and_beginning(start, days, hour):
    found = due(start, rule=ReminderRule(days, hour))
    assert found is None or NOW < found < start


def remind(world: World):
    return [mail for mail in world.settle() if "Erinnerung" in mail.subject]


def test_she_is_reminded_once(any_world):
    any_world.book(reminder=True)
    assert remind(any_world) == []
    any_world.clock.now = at(6, 9, 59)
    assert remind(any_world) == []
    any_world.clock.now = at(6, 10)
    [mail] = remind(any_world)
    assert mail.calendar is None
    assert "7. Dezember 2026, 8:00 Uhr" in mail.subject
    any_world.clock.advance(minutes=5)
    assert remind(any_world) == []


def test_a_reminder_that_was_missed_comes_late(world):
    world.book(reminder=True)
    world.settle()
    world.clock.now = at(6, 22)
    world.restart()
    assert len(remind(world)) == 1


def test_a_reminder_that_was_missed_altogether_never_comes(world):
    world.book(reminder=True)
    world.settle()
    world.clock.now = at(7, 8)
    assert remind(world) == []
    world.clock.now = at(6, 11)
    assert remind(world) == []


def test_a_clock_that_steps_back_reminds_nobody_twice(world):
    world.book(reminder=True)
    world.settle()
    world.clock.now = at(6, 10)
    assert len(remind(world)) == 1
    world.clock.advance(hours=-2)
    world.restart()
    world.settle()
    world.clock.advance(hours=3)
    assert remind(world) == []


def test_after_a_move_the_new_time_counts(world):
    world.book(reminder=True)
    world.settle()
    world.change(start=at(9, 9))
    world.settle()
    world.clock.now = at(6, 10)
    assert remind(world) == []
    world.clock.now = at(8, 10)
    assert len(remind(world)) == 1


def test_what_was_cancelled_is_not_recalled(world):
    world.book(reminder=True)
    world.settle()
    world.delete()
    world.settle()
    world.clock.now = at(6, 10)
    assert remind(world) == []


def test_cancelled_in_the_moment_of_the_reminder(world):
    world.book(reminder=True)
    world.settle()
    world.clock.now = at(6, 10)
    world.delete(actor=LEAD)
    world.reminders.step()
    assert [mail.method for mail in world.settle()] == ["CANCEL"]


def test_the_wish_may_come_and_go_without_a_mail(world):
    world.book()
    world.settle()
    world.change(reminder=True)
    assert world.settle() == []
    world.clock.now = at(6, 10)
    assert len(remind(world)) == 1


def test_the_wish_may_go(world):
    world.book(reminder=True)
    world.settle()
    world.change(reminder=False)
    world.settle()
    world.clock.now = at(6, 10)
    assert remind(world) == []


def test_another_clerk_in_the_meantime_takes_no_reminder_away(world):
    world.book(reminder=True)
    world.settle()
    world.clock.now = at(6, 10)
    world.reminders.step()
    owner = world.holder()
    other = "clerk2" if owner == "clerk1" else "clerk1"
    world.service.move(
        f"{owner}/calendar", f"{UID}.ics", f"{other}/calendar", f"{UID}.ics", LEAD, overwrite=False
    )
    world.follow()
    assert len(remind(world)) == 1


def test_the_town_says_when():
    assert due(at(7, 8), rule=ReminderRule(3, time(16, 30))) == at(4, 16, 30)

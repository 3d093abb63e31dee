"""The rules of release: horizon, notice, shares of a day, and how long a time that was given back is kept from the public."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.bits import span
from optimizer.instance import Booked, ClerkDay, OfficeDay
from optimizer.release import Limits, Release, Room, Stage, room

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = date(2026, 12, 7)
SEVEN = time(7)
SHARES = Release(at=SEVEN, stages=(Stage(60, 60), Stage(7, 90), Stage(0, 100)))
NOTHING = frozenset[str]()


def local(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute), BERLIN)


def before(days: int, hour: int, minute: int = 0) -> datetime:
    return local(MONDAY - timedelta(days=days), hour, minute)


@pytest.mark.parametrize(
    ("now", "percent"),
    [
        (before(80, 12), 60),
        (before(60, 7), 60),
        (before(7, 6, 59), 60),
        (before(7, 7), 90),
        (before(1, 23), 90),
        (before(0, 6, 59), 90),
        (before(0, 7), 100),
    ],
)
def test_shares_begin_at_their_hour(now, percent):
    assert SHARES.percent(MONDAY, now, BERLIN) == percent


def test_without_shares_all_is_released():
    assert Release().percent(MONDAY, before(50, 0), BERLIN) == 100
    assert not Release().staged


def test_a_new_day_comes_into_the_horizon_at_the_hour_of_release():
    rule = Release(horizon_days=10, at=SEVEN)
    assert rule.period(NOTHING, before(10, 6, 59), BERLIN)[1] == local(MONDAY, 0)
    assert rule.period(NOTHING, before(10, 7), BERLIN)[1] == local(MONDAY + timedelta(days=1), 0)
    assert rule.opens(NOTHING, MONDAY, BERLIN) == before(10, 7)


def test_of_several_services_the_narrowest_limits_count():
    rule = Release(
        horizon_days=30, minimum_notice_minutes=60, services={"pass": Limits(10), "wedding": Limits(20, 600)}
    )
    assert rule.horizon({"pass", "wedding"}) == 10
    assert rule.horizon({"other"}) == 30
    assert rule.notice({"pass", "wedding"}) == timedelta(minutes=600)
    assert rule.notice({"pass"}) == timedelta(minutes=60)
    wider = Release(horizon_days=5, minimum_notice_minutes=90, services={"pass": Limits(10, 30)})
    assert (wider.horizon({"pass"}), wider.notice({"pass"})) == (5, timedelta(minutes=90))


@pytest.mark.parametrize("day", [date(2027, 3, 28), date(2026, 10, 25)])
def test_on_the_nights_of_the_clock_it_is_the_offices_hour_that_counts(day):
    rule = Release(horizon_days=1, at=SEVEN, stages=(Stage(1, 50), Stage(0, 100)))
    assert rule.percent(day, local(day, 6, 59), BERLIN) == 50
    assert rule.percent(day, local(day, 7), BERLIN) == 100
    eve = day - timedelta(days=1)
    assert rule.period(NOTHING, local(eve, 6, 59), BERLIN)[1] == local(day, 0)
    assert rule.period(NOTHING, local(eve, 7), BERLIN)[1] == local(day + timedelta(days=1), 0)


def office_day(*booked: Booked, free: int = span(0, 24)) -> OfficeDay:
    clerks = (ClerkDay("a", frozenset({"x"}), free), ClerkDay("b", frozenset({"x"}), free))
    return OfficeDay(288, clerks, booked)


def entry(uid: str, clerk: str, start: int, length: int) -> Booked:
    return Booked(uid, clerk, start, length, frozenset({"x"}))


def test_room_is_what_clerks_have_inside_windows():
    day = office_day(entry("1", "a", 0, 6), entry("2", "a", 3, 6), entry("3", "b", 20, 12))
    assert room(day, span(0, 24)) == Room(48, 9 + 4)
    assert room(day, span(0, 6)) == Room(12, 6)
    assert room(day, 0) == Room(0, 0)


def test_a_share_is_never_exceeded_and_wholly_used():
    found = Room(100, 54)
    assert found.has(6, 60)
    assert not found.has(7, 60)
    assert found.has(47, 100)


entries = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 22), st.integers(1, 6)), max_size=8)


@given(entries)
def test_reassigning_at_the_same_time_changes_no_room(first):
    """Whoever of two clerks that are there alike has an appointment, the day has the same room."""
    booked = [entry(str(at), *each) for at, each in enumerate(first)]
    alone = [each for each in booked if not any(o is not each and o.mask & each.mask for o in booked)]
    moved = [entry(each.uid, "b" if each.clerk == "a" else "a", each.start, each.length) for each in alone]
    assert room(office_day(*alone), span(2, 18)) == room(office_day(*moved), span(2, 18))
    assert room(office_day(*alone), span(2, 18)).taken <= room(office_day(*alone), span(2, 18)).capacity


moments = st.integers(0, 80 * 24 * 60).map(lambda minutes: before(79, 0) + timedelta(minutes=minutes))


@given(moments, moments, st.integers(0, 40), st.integers(1, 12))
def test_what_is_allowed_stays_allowed_until_the_notice_unless_somebody_books(one, other, taken, grains):
    first, second = sorted((one, other))
    found, start = Room(48, taken), local(MONDAY, 12)
    rule = Release(
        horizon_days=60,
        minimum_notice_minutes=0,
        at=SEVEN,
        stages=(Stage(60, 40), Stage(3, 80), Stage(0, 100)),
    )
    if rule.allows(NOTHING, start, grains, found, first, BERLIN) and second <= start:
        assert rule.allows(NOTHING, start, grains, found, second, BERLIN)


@given(moments, st.integers(0, 40), st.integers(1, 8))
def test_the_later_stages_are_exactly_when_more_is_allowed(now, taken, grains):
    found = Room(48, taken)
    percent = SHARES.percent(MONDAY, now, BERLIN)
    for moment, later in SHARES.later_stages(MONDAY, now, BERLIN):
        assert moment > now
        assert SHARES.percent(MONDAY, moment, BERLIN) == later >= percent
        assert SHARES.percent(MONDAY, moment - timedelta(seconds=1), BERLIN) <= later
        assert found.has(grains, later) or not found.has(grains, percent)


NOW = int(datetime(2026, 12, 1, 11, tzinfo=UTC).timestamp())


def test_a_time_comes_back_after_the_minutes_that_were_drawn():
    rule = Release(minimum_notice_minutes=60)
    assert rule.return_at(NOW, NOW + 86_400, NOTHING, 37.5) == NOW + 2_250


def test_a_near_time_comes_back_while_somebody_can_still_book_it():
    rule = Release(minimum_notice_minutes=60)
    assert rule.return_at(NOW, NOW + 2 * 3_600, NOTHING, 120) == NOW + 1_800
    assert rule.return_at(NOW, NOW + 1_800, NOTHING, 120) == NOW


@given(st.integers(-10_000, 1_000_000), st.floats(0, 1440), st.integers(0, 600))
def test_a_return_is_never_too_late_to_be_booked(ahead, minutes, notice):
    rule = Release(minimum_notice_minutes=notice)
    until = rule.return_at(NOW, NOW + ahead, NOTHING, minutes)
    assert until >= NOW
    assert until == NOW or until + notice * 60 <= NOW + ahead

"""Which times suit a wish, and how long an offer lasts: decisions without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calendar_server.wishes import WaitingRules, Wish, offer_until
from tests.support.town import BERLIN, at

RULES = WaitingRules(enabled=True)


def wish(**values: object) -> Wish:
    made: dict[str, object] = {
        "id": "w",
        "office": "buergerbuero",
        "uid": "u",
        "services": frozenset({"reisepass"}),
        "minutes": 30,
        "first": int(at(2, 0).timestamp()),
        "last": int(at(31, 0).timestamp()),
        "created": 0,
    }
    return Wish(**(made | values))


def suits(found: Wish, when: datetime) -> bool:
    return found.suits(int(when.timestamp()), BERLIN)


def until(now: datetime, latest: datetime, rules: WaitingRules = RULES) -> datetime | None:
    found = offer_until(int(now.timestamp()), int(latest.timestamp()), rules, BERLIN)
    return None if found is None else datetime.fromtimestamp(found, BERLIN)


def test_any_time_in_its_period_suits_a_plain_wish():
    assert suits(wish(), at(2, 0))
    assert suits(wish(), at(31, 0))
    assert not suits(wish(), at(1, 23, 59))
    assert not suits(wish(), at(31, 0, 1))


def test_only_its_weekdays_suit():
    mondays = wish(weekdays=1)
    assert suits(mondays, at(7, 8))
    assert not suits(mondays, at(9, 8))


def test_only_its_hours_suit_and_the_end_is_excluded():
    mornings = wish(from_minute=480, until_minute=720)
    assert [suits(mornings, at(7, hour)) for hour in (7, 8, 11, 12)] == [False, True, True, False]


def test_hours_are_by_the_office_clock_on_both_sides_of_a_change():
    # On 29 March 2027 the clocks have just gone forward, and on 1 November 2027 back.
    mornings = wish(from_minute=480, until_minute=720, last=int(at(31, 0, year=2027).timestamp()))
    for day, month in ((29, 3), (1, 11)):
        assert suits(mornings, at(day, 8, month=month, year=2027))
        assert not suits(mornings, at(day, 12, month=month, year=2027))


def test_what_she_has_not_taken_before_does_not_suit_again_nor_what_is_close_to_it():
    asked = wish(refused=(int(at(7, 10).timestamp()),))
    starts = [at(7, 8), at(7, 8, 5), at(7, 10), at(7, 11, 45), at(7, 12), at(14, 10)]
    assert [suits(asked, start) for start in starts] == [True, False, False, False, True, True]


def test_an_offer_lasts_four_hours_by_day():
    assert until(at(1, 10), at(20, 8)) == at(1, 14)


def test_the_night_does_not_count():
    assert until(at(1, 19), at(20, 8)) == at(2, 9)
    assert until(at(1, 23), at(20, 8)) == at(2, 11)
    assert until(at(2, 3), at(20, 8)) == at(2, 11)


def test_a_near_appointment_is_offered_for_half_of_the_time_that_is_left():
    assert until(at(1, 10), at(1, 14)) == at(1, 12)


def test_an_appointment_in_the_morning_is_offered_in_the_evening_before():
    # Twenty minutes of the evening and sixty of the morning are left.
    assert until(at(1, 20, 40), at(2, 8)) == at(2, 7, 20)


@pytest.mark.parametrize("latest", [at(1, 10, 59), at(1, 9), at(1, 10)])
def test_what_is_too_near_is_not_offered(latest):
    assert until(at(1, 10), latest) is None


def test_nothing_is_offered_that_had_to_be_answered_at_night():
    assert until(at(1, 22), at(2, 7, 30)) is None


def test_on_a_day_when_the_clocks_change_an_offer_ends_by_the_office_clock():
    # In the night to 28 March 2027 an hour is missing, in that to 31 October one comes twice: no daytime, so nothing changes.
    assert until(at(27, 20, month=3, year=2027), at(20, 8, month=4, year=2027)) == at(
        28, 10, month=3, year=2027
    )
    assert until(at(30, 20, month=10, year=2027), at(20, 8, month=11, year=2027)) == at(
        31, 10, month=10, year=2027
    )


MOMENTS = st.integers(
    int(at(1, 0, month=3, year=2027).timestamp()), int(at(30, 0, month=11, year=2027).timestamp())
)


@given(MOMENTS, st.integers(-3_600, 20 * 86_400))
def test_an_offer_ends_by_day_in_time_and_neither_too_soon_nor_too_late(now, ahead):
    end = offer_until(now, now + ahead, RULES, BERLIN)
    if end is None:
        assert ahead < 36 * 3_600
        return
    local = datetime.fromtimestamp(end, BERLIN)
    assert now + 30 * 60 <= end <= now + ahead
    assert RULES.day_from <= local.time() <= RULES.day_until
    assert timedelta(seconds=end - now) <= timedelta(days=1)


@given(MOMENTS)
def test_a_later_start_never_shortens_an_offer(now):
    ends = [offer_until(now, now + hours * 3_600, RULES, BERLIN) or now for hours in range(1, 60, 3)]
    assert ends == sorted(ends)
    assert datetime.fromtimestamp(ends[-1], UTC).timestamp() > now

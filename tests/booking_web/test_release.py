"""Releasing times on the site: what is offered is what booking accepts, and when nothing is free it says when there'll be more."""

from __future__ import annotations

import random
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, time, timedelta

import pytest

from booking_web.booking.availability import OfficeFeed
from booking_web.booking.choice import choose
from booking_web.site import site_of
from calendar_server.client import CalendarClient
from calendar_server.ical.appointment import to_ical
from calendar_server.offices import Directory
from calendar_server.refusals import RefusedError
from calendar_server.service import Actor
from calendar_server.upkeep import Upkeep
from optimizer.release import Limits, Release, Stage
from tests.booking_web.conftest import API_KEY, world
from tests.booking_web.test_api import MONDAY_8, book, booking, post, starts
from tests.booking_web.test_pages import Page
from tests.support.calendar import PASSWORD, calendars
from tests.support.town import appointment, at

STAFF = Actor("lead")
PUBLIC = Actor("site", authoritative=True, released_only=True)
VIEW = "buergerbuero/appointments"
HALF = Release(horizon_days=60, at=time(7), stages=(Stage(60, 50), Stage(0, 100)))
TRADING = Release(return_after=30, return_until=30)
PARTNER = {"Authorization": f"Bearer {API_KEY}"}


@contextmanager
def town_with(town, directory, rule, folder, **values):
    """A world whose office releases its times by this rule."""
    office, model = town.offices[0], directory.offices[0]
    public = replace(office, release=replace(office.release, public=rule))
    with world(
        replace(town, offices=(public,)), Directory((replace(model, release=rule),)), folder, **values
    ) as made:
        yield made


@pytest.fixture
def halved(town, directory, tmp_path):
    with town_with(town, directory, HALF, tmp_path, all_times=frozenset({"hotline"})) as made:
        yield made


@pytest.fixture
def trading(town, directory, tmp_path):
    with town_with(town, directory, TRADING, tmp_path, all_times=frozenset({"hotline"})) as made:
        yield made


def offered(made, rule, now, services):
    """What a site with this rule offers on 7 December 2026, read from the real feed."""
    office = made.town.offices[0]
    office = replace(office, release=replace(office.release, public=rule))
    town = replace(made.town, offices=(office,))
    feed = OfficeFeed(office, CalendarClient(made.calendar.url, "site", PASSWORD), iter(range(9)).__next__)
    feed.fresh(0)
    choice = choose(town, None, services)
    day = at(7, 0).date()
    return choice, {start for offer in feed.offers(choice, now, day, day) for start in offer.starts}


@pytest.mark.parametrize("seed", range(6))
def test_what_is_offered_is_what_booking_accepts(citizens, directory, seed):
    """Any rule, any bookings, any moment: the site's list of starts and the calendar server's yes are the same."""
    dice = random.Random(seed)
    rule = Release(
        horizon_days=dice.choice([5, 6, 30]),
        minimum_notice_minutes=dice.choice([0, 60, 8_000]),
        at=time(dice.choice([0, 7, 13])),
        stages=dice.choice([(), (Stage(30, 35), Stage(0, 100)), (Stage(10, 20), Stage(6, 45), Stage(1, 90))]),
        services={"reisepass": Limits(minimum_notice_minutes=dice.choice([None, 8_500]))},
        return_after=60,
        return_until=60,
    )
    office = replace(directory.offices[0], release=rule)
    citizens.clock.now = at(1, 6) + timedelta(minutes=dice.randrange(7 * 24 * 60 // 5) * 5)
    with calendars(citizens.calendar.database_url, Directory((office,)), citizens.clock) as service:
        for number in range(dice.randrange(30)):
            made = appointment(
                f"s{number}@x",
                at(7, dice.randrange(8, 15), dice.choice([0, 15, 30, 45])),
                dice.choice(["anmeldung", "beglaubigung", "reisepass"]),
                minutes=dice.choice([15, 25, 40, 60]),
            )
            try:
                service.put(VIEW, f"{made.uid}.ics", to_ical(made, now=citizens.clock.now), STAFF)
            except RefusedError:
                continue
            if dice.random() < 0.3:
                service.delete(VIEW, f"{made.uid}.ics", PUBLIC)
        for services in ([("reisepass", 2)], [("meldebescheinigung", 1)]):
            choice, found = offered(citizens, rule, citizens.clock.now, services)
            accepted = set()
            for minute in range(8 * 60, 16 * 60, 15):
                start = at(7, *divmod(minute, 60))
                made = appointment(
                    f"{minute}@y", start, services[0][0], minutes=choice.duration // timedelta(minutes=1)
                )
                try:
                    service.put(VIEW, f"{made.uid}.ics", to_ical(made, now=citizens.clock.now), PUBLIC)
                except RefusedError:
                    continue
                accepted.add(start)
                service.delete(VIEW, f"{made.uid}.ics", STAFF)
            assert found == accepted


def test_a_day_is_no_longer_offered_when_its_share_is_taken(halved):
    wish = [{"id": "beglaubigung", "persons": 1}]
    taken = 0
    while free := starts(halved, "service=beglaubigung", "2026-12-07"):
        assert post(halved, "appointments", booking(services=wish, start=free[0])).status_code == 201
        taken += 1
    assert taken > 10
    answer = post(halved, "appointments", booking(services=wish, start="2026-12-07T15:30:00+01:00"))
    assert (answer.status_code, answer.json["code"]) == (409, "slot-taken")
    assert "2026-12-07T15:30:00+01:00" not in answer.json["nearest"]
    halved.clock.now = at(7, 7)
    assert starts(halved, "service=beglaubigung", "2026-12-07")


def test_a_hotline_books_what_isnt_released_yet(halved):
    wish = [{"id": "meldebescheinigung", "persons": 1}]
    while free := starts(halved, "service=meldebescheinigung", "2026-12-07"):
        post(halved, "appointments", booking(services=wish, start=free[0]))
    browser = halved.browser()
    days = browser.get("/api/v1/offers?service=meldebescheinigung", headers=PARTNER).json["days"]
    late = next(day["starts"] for day in days if day["date"] == "2026-12-07")[-1]
    made = browser.post("/api/v1/appointments", json=booking(services=wish, start=late), headers=PARTNER)
    assert made.status_code == 201
    moved = browser.post(
        f"/api/v1/appointments/{made.json['token']}/move",
        json={"start": next(day["starts"] for day in days if day["date"] == "2026-12-07")[-2]},
        headers=PARTNER,
    )
    assert moved.status_code == 200


def test_another_partner_is_bound_like_everybody(town, directory, tmp_path):
    with town_with(town, directory, replace(HALF, horizon_days=3), tmp_path) as made:
        answer = made.browser().post("/api/v1/appointments", json=booking(), headers=PARTNER)
        assert answer.status_code == 422
        assert answer.json["errors"][0]["code"] == "too-far"


def test_a_cancelled_time_isnt_offered_before_its_while_is_over(trading, directory):
    query = "service=reisepass:2&service=beglaubigung"
    before = starts(trading, query, "2026-12-07")
    # Two clerks can do it at eight; one of them is taken all the morning.
    fill = [
        book(trading, start=MONDAY_8, name=f"Erika {letter}", email=f"{letter}@example.org")
        for letter in "abcd"
        if MONDAY_8 in starts(trading, query, "2026-12-07")
    ]
    assert MONDAY_8 not in starts(trading, query, "2026-12-07")
    trading.browser().delete(f"/api/v1/appointments/{fill[0]['token']}")
    assert MONDAY_8 not in starts(trading, query, "2026-12-07")
    assert post(trading, "appointments", booking(name="The buyer")).status_code == 409
    hotline = trading.browser().get(f"/api/v1/offers?{query}&from=2026-12-07&to=2026-12-07", headers=PARTNER)
    assert MONDAY_8 in hotline.json["days"][0]["starts"]
    trading.clock.advance(minutes=30)
    rule = replace(directory.offices[0], release=TRADING)
    with calendars(trading.calendar.database_url, Directory((rule,)), trading.clock) as service:
        Upkeep(service).end_returns()
    site_of(trading.app).follower.feeds["buergerbuero"].outdate()
    assert starts(trading, query, "2026-12-07") == [
        each for each in before if each in before and each >= MONDAY_8
    ]
    assert post(trading, "appointments", booking(name="Whoever looks")).status_code == 201


# When nothing is free ---------------------------------------------------------------------------------------------------------


def page(made, query="service=fundbuero", prefix=""):
    return Page(made.browser().get(f"{prefix}/termin/zeit?{query}")).text


def test_it_tells_on_which_day_the_horizon_opens(town, directory, tmp_path):
    rule = Release(horizon_days=2, at=time(7))
    with town_with(town, directory, rule, tmp_path) as made:
        # Wednesday the 2nd, afternoon: until Friday there is nothing; Monday the 7th comes into the horizon on Saturday at seven.
        made.clock.now = at(2, 14)
        assert "Neue Termine gibt es am Samstag, 5. Dezember, ab 7:00 Uhr." in page(made)
        assert "New appointments are released on Saturday, 5 December, from 7:00." in page(made, prefix="/en")
        answer = made.browser().get("/api/v1/offers?service=fundbuero").json
        assert (answer["days"], answer["next_release"]) == ([], "2026-12-05T07:00:00+01:00")
        made.clock.now = at(5, 7)
        assert starts(made, "service=fundbuero", "2026-12-07")


def test_public_holidays_and_narrow_windows_are_no_release(town, directory, tmp_path):
    rule = Release(horizon_days=1)
    with town_with(town, directory, rule, tmp_path) as made:
        # Wednesday the 23rd is the last day before Christmas; Friday the 25th is a holiday, Monday the 28th is open.
        made.clock.now = at(23, 14)
        assert "Neue Termine gibt es am Sonntag, 27. Dezember." in page(made)


def test_it_tells_when_the_next_share_of_a_day_is_released(town, directory, tmp_path):
    rule = Release(horizon_days=8, at=time(7), stages=(Stage(8, 1), Stage(3, 100)))
    with town_with(town, directory, rule, tmp_path) as made:
        assert "Neue Termine gibt es am Freitag, 4. Dezember, ab 7:00 Uhr." not in page(
            made, "service=reisepass:2"
        )
        # One per cent of a day is less than this appointment: Monday is released on Friday, Wednesday the 2nd was on Sunday.
        made.clock.now = at(2, 14)
        assert "Neue Termine gibt es am Freitag, 4. Dezember, ab 7:00 Uhr." in page(
            made, "service=reisepass:2"
        )
        made.clock.now = datetime.fromisoformat("2026-12-04T07:00:00+01:00")
        assert "Der früheste freie Termin" in page(made, "service=reisepass:2")


def test_walk_in_days_are_told_with_the_times_and_when_nothing_is_free(shared, town, directory, tmp_path):
    walk_in = "Ohne Termin können Sie zu diesen Zeiten kommen: Dienstag 8 bis 16 Uhr"
    assert walk_in in page(shared)
    with town_with(town, directory, Release(horizon_days=1), tmp_path) as made:
        made.clock.now = at(2, 14)
        assert walk_in in page(made)

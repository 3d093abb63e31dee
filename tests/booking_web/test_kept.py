"""Answers that are given again without being made again: always what would be made now, never what somebody mayn't see."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from werkzeug.test import EnvironBuilder

from booking_web.api import kept as kept_answers
from booking_web.booking.choice import choose
from booking_web.site import site_of
from optimizer.release import Limits, Release, Stage
from tests.booking_web.conftest import API_KEY, site, world
from tests.booking_web.test_api import MONDAY_8, book
from tests.booking_web.test_release import HALF, town_with
from tests.support.clock import Clock

QUERY = "service=reisepass&from=2026-12-07&to=2026-12-09"
OFFERS = f"/api/v1/offers?{QUERY}"
PASSPORT = [{"id": "reisepass"}]
PARTNER = {"Authorization": f"Bearer {API_KEY}"}


def at_hand(made, query=QUERY, **headers):
    """Whether the answer to this request needn't be made."""
    environ = EnvironBuilder(path="/api/v1/offers", query_string=query, headers=headers).get_environ()
    return site_of(made.app).kept.at_hand(environ)


@pytest.fixture
def asked(town, directory, tmp_path):
    """A world in which somebody has asked; its feed is fresh for long, unless something is booked by the site."""
    with world(town, directory, tmp_path, max_age_seconds=600.0) as made:
        first = made.browser().get(OFFERS)
        assert first.status_code == 200
        yield made, first


def test_the_same_is_given_again_with_the_same_headers(asked):
    made, first = asked
    again = made.browser().get(OFFERS)
    assert (again.data, dict(again.headers)) == (first.data, dict(first.headers))
    assert at_hand(made)
    assert not at_hand(made, QUERY + "&group=2")


def test_what_was_booked_is_gone_from_the_next_answer(asked):
    made, answer = asked
    rounds = 0
    while MONDAY_8 in answer.json["days"][0]["starts"]:
        book(made, start=MONDAY_8, services=PASSPORT)
        answer = made.browser().get(OFFERS)
        rounds += 1
    assert rounds > 1


def test_a_change_of_the_calendar_ends_an_answer(asked):
    made, _ = asked
    feed = site_of(made.app).follower.feeds["buergerbuero"]
    version = feed.version
    book(made, start=MONDAY_8, services=PASSPORT)
    feed.fresh(0)
    assert feed.version > version
    assert not at_hand(made)


def test_a_feed_that_isnt_fresh_ends_an_answer(town):
    with site(town, "http://127.0.0.1:9", Clock(), max_age_seconds=0.0) as app:
        kept, feed = site_of(app).kept, site_of(app).follower.feeds["buergerbuero"]
        environ = EnvironBuilder(path="/api/v1/offers").get_environ()
        basis = kept_answers.Basis.of(feed, feed.version, Clock()(), timedelta(), [])
        assert not basis.stands(Clock()(), 1.0)
        assert not kept.at_hand(environ)
        assert app.test_client().get(OFFERS).status_code == 503


def test_a_key_is_checked_each_time(asked):
    made, _ = asked
    browser = made.browser()
    assert at_hand(made)
    assert not at_hand(made, Authorization="Bearer wrong")
    assert browser.get(OFFERS, headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert browser.get(OFFERS, headers=PARTNER).status_code == 200


def test_what_only_a_partner_may_see_is_kept_for_nobody(town, directory, tmp_path):
    with town_with(town, directory, HALF, tmp_path, all_times=frozenset({"hotline"})) as made:
        browser = made.browser()
        while (answer := browser.get(OFFERS)).json["days"]:
            book(made, start=answer.json["days"][0]["starts"][0], services=PASSPORT)
        assert browser.get(OFFERS, headers=PARTNER).json["days"]
        assert browser.get(OFFERS).json == answer.json


def test_by_https_the_answer_has_its_own_headers(asked):
    made, first = asked
    secure = made.browser().get(OFFERS, base_url="https://termin.example")
    assert "Strict-Transport-Security" in secure.headers
    assert "Strict-Transport-Security" not in first.headers


def test_who_has_the_answer_is_told_that_it_stands(asked):
    made, first = asked
    browser = made.browser()
    headers = {"If-None-Match": first.headers["ETag"]}
    made.clock.advance(minutes=1)
    computed = browser.get(OFFERS, headers=headers)
    assert (computed.status_code, computed.data) == (304, b"")
    browser.get(OFFERS)
    assert at_hand(made)
    kept = browser.get(OFFERS, headers=headers)
    assert (kept.status_code, kept.data, kept.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert "Content-Length" not in kept.headers
    assert browser.get(OFFERS, headers={"If-None-Match": '"other"'}).data == first.data


def test_mistakes_and_other_methods_arent_kept(asked):
    made, first = asked
    browser = made.browser()
    assert browser.get("/api/v1/offers?service=nothing").status_code == 422
    assert not at_hand(made, "service=nothing")
    assert browser.head(OFFERS).data == b""
    assert browser.get(OFFERS).data == first.data
    assert browser.post(OFFERS).status_code == 405


def test_no_more_is_kept_than_agreed(asked, monkeypatch):
    made, _ = asked
    monkeypatch.setattr(kept_answers, "_MOST", 2)
    browser = made.browser()
    for number in (2, 3):
        browser.get(f"/api/v1/offers?service=reisepass:{number}")
    assert not at_hand(made)
    assert at_hand(made, "service=reisepass:3")
    long = "service=reisepass:3&more=" + "x" * 3_000
    size = len(browser.get(f"/api/v1/offers?{long}").data)
    assert at_hand(made, long)
    monkeypatch.setattr(kept_answers, "_MOST_BYTES", size + 2_000)
    made.clock.advance(minutes=1)
    browser.get(f"/api/v1/offers?{long}")
    assert not at_hand(made, long)
    browser.get("/api/v1/offers?service=reisepass:3")
    assert at_hand(made, "service=reisepass:3")


RULE = Release(
    horizon_days=30,
    minimum_notice_minutes=45,
    at=time(13),
    stages=(Stage(30, 5), Stage(5, 50), Stage(0, 100)),
    services={"fundbuero": Limits(horizon_days=6)},
)


@pytest.mark.parametrize("service", ["reisepass", "fundbuero"])
def test_at_any_moment_the_answer_is_what_would_be_computed(town, directory, tmp_path, service):
    """Around every moment at which a rule turns: midnight, the hour of release, and each start that comes too near."""
    moments = [
        datetime(2026, 12, day, hour, minute, tzinfo=UTC) + timedelta(seconds=seconds)
        for day, hour in ((1, 11), (1, 22), (2, 6), (2, 7), (2, 11), (7, 6), (7, 7), (7, 12))
        for minute in (0, 14, 15, 59)
        for seconds in (-0.5, 0, 0.5, 30, 59.999)
    ]
    with town_with(town, directory, RULE, tmp_path) as made:
        browser, feed = made.browser(), site_of(made.app).follower.feeds["buergerbuero"]
        choice = choose(town_of(made), None, [(service, 1)])
        computed, turns = None, 0
        for moment in sorted(moments):
            made.clock.now = moment
            answer = browser.get(f"/api/v1/offers?service={service}").json
            given = [start for day in answer["days"] for start in day["starts"]]
            before = computed
            computed = [start.isoformat() for offer in feed.offers(choice, moment) for start in offer.starts]
            assert given == computed, moment
            turns += before != computed
        assert turns > 8


def town_of(made):
    return site_of(made.app).settings.town

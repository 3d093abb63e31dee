"""Offers from the busy feed in memory: the same that the calendar server accepts, days of 23 and 25 hours included."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from threading import Event
from time import monotonic, sleep

import pytest

from booking_web.booking.availability import Follower, OfficeFeed, on_grid
from booking_web.booking.choice import choose, usual_choices
from calendar_server.client import BusyChanges, CalendarClient, UnavailableError
from calendar_server.ical import busy
from tests.support.servers import serving

NOW = datetime(2026, 12, 1, 11, 0, tzinfo=UTC)
MONDAY = date(2026, 12, 7)


class Wire:
    """What a calendar server would send for the busy feed, one answer after another, as a WSGI application."""

    def __init__(self, answers):
        self.answers = list(answers)
        self.asked = []

    def __call__(self, environ, start_response):
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])).decode()
        self.asked.append(re.search("sync-token>(.*?)</", body)[1])
        answer = self.answers.pop(0)
        status, text = answer if isinstance(answer, tuple) else ("207 Multi-Status", multistatus(answer))
        start_response(status, [("Content-Type", "application/xml")])
        return [text.encode()]


UNKNOWN_TOKEN = ("403 Forbidden", '<D:error xmlns:D="DAV:"><D:valid-sync-token/></D:error>')
BROKEN = ("500 Internal Server Error", "")


def multistatus(changes):
    texts = [busy.clerk_day_text(day, stamp=0) for day in changes.clerk_days]
    texts += [busy.opening_day_text(day, stamp=0) for day in changes.opening_days]
    responses = [
        f"<D:response><D:href>/x</D:href><D:propstat><D:prop><C:calendar-data>{text}</C:calendar-data></D:prop>"
        "</D:propstat></D:response>"
        for text in texts
    ]
    responses += [
        f"<D:response><D:href>/buergerbuero/busy/{name}</D:href><D:status>HTTP/1.1 404 Not Found</D:status></D:response>"
        for name in changes.gone
    ]
    return (
        '<D:multistatus xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav">'
        + "".join(responses)
        + f"<D:sync-token>{changes.token}</D:sync-token></D:multistatus>"
    )


@pytest.fixture
def feed_of():
    """Make a feed that has read the first of these answers; `feed_of.wire` knows what was asked."""
    with ExitStack() as servers:

        def make(office, *answers):
            make.wire = Wire(answers)
            url = servers.enter_context(serving(make.wire))
            made = OfficeFeed(office, CalendarClient(url, "site", "x"), iter(range(1_000)).__next__)
            made.fresh(0)
            return made

        yield make


def bounds(office, day):
    start = datetime.combine(day, time(), office.zone).timestamp()
    end = datetime.combine(day + timedelta(days=1), time(), office.zone).timestamp()
    return int(start), int(end)


def epoch(office, day, hour, minute=0):
    return int(datetime.combine(day, time(hour, minute), office.zone).timestamp())


def opening(office, day, first=8, last=16, services=None):
    return busy.OpeningDay(
        day,
        *bounds(office, day),
        (busy.Window(epoch(office, day, first), epoch(office, day, last), services),),
    )


def clerk(office, day, key="k1", periods=(), can=("reisepass", "fundbuero")):
    return busy.ClerkDay(key, day, *bounds(office, day), frozenset(can), tuple(periods))


def period(office, day, first, last, kind=busy.BusyKind.OWN, services=()):
    return busy.BusyPeriod(epoch(office, day, *first), epoch(office, day, *last), kind, frozenset(services))


@pytest.fixture
def office(town):
    return town.offices[0]


@pytest.fixture
def passport(town):
    return choose(town, None, [("reisepass", 1)])


def hours(offers):
    return [f"{start:%H:%M}" for offer in offers for start in offer.starts]


def test_an_own_event_and_a_closed_window_take_starts_away(feed_of, office, passport):
    minutes = passport.duration // timedelta(minutes=1)
    changes = BusyChanges(
        "1",
        (clerk(office, MONDAY, periods=[period(office, MONDAY, (9, 0), (15, 0))]),),
        (opening(office, MONDAY),),
    )
    found = hours(feed_of(office, changes).offers(passport, NOW))
    last = datetime(2026, 12, 7, 16) - timedelta(minutes=minutes)  # noqa: DTZ001 - a clock's time
    assert found[0] == "08:00"
    assert f"{last:%H:%M}" >= found[-1]
    assert not [each for each in found if "09:00" <= each < "15:00"]


def test_a_start_is_offered_if_others_can_make_room(feed_of, office, passport):
    booked = period(office, MONDAY, (8, 0), (16, 0), busy.BusyKind.APPOINTMENT, ["fundbuero"])
    changes = BusyChanges(
        "1",
        (clerk(office, MONDAY, "k1", [booked]), clerk(office, MONDAY, "k2", can=["fundbuero"])),
        (opening(office, MONDAY),),
    )
    assert "08:00" in hours(feed_of(office, changes).offers(passport, NOW))
    pinned = replace(
        changes,
        clerk_days=(clerk(office, MONDAY, "k1", [replace(booked, pinned=True)]), changes.clerk_days[1]),
    )
    assert hours(feed_of(office, pinned).offers(passport, NOW)) == []


def test_a_window_can_be_narrowed_to_services(feed_of, office, passport):
    clerks = (clerk(office, MONDAY),)
    other = BusyChanges("1", clerks, (opening(office, MONDAY, services=frozenset({"fundbuero"})),))
    assert feed_of(office, other).offers(passport, NOW) == []
    same = BusyChanges("1", clerks, (opening(office, MONDAY, services=frozenset({"reisepass"})),))
    assert feed_of(office, same).offers(passport, NOW)


@pytest.mark.parametrize("day", [date(2027, 3, 28), date(2026, 10, 25)])
def test_starts_lie_on_the_clocks_grid_on_days_of_23_and_25_hours(feed_of, office, passport, day):
    now = datetime.combine(day, time(), UTC) - timedelta(days=2)
    hourly = replace(office, release=replace(office.release, step_minutes=120))
    changes = BusyChanges("1", (clerk(hourly, day),), (opening(hourly, day, 9, 16),))
    assert hours(feed_of(hourly, changes).offers(passport, now)) == ["10:00", "12:00", "14:00"]


def test_changes_touch_only_their_days(feed_of, office, passport):
    tuesday = MONDAY + timedelta(days=1)
    first = BusyChanges(
        "1",
        (clerk(office, MONDAY), clerk(office, tuesday)),
        (opening(office, MONDAY), opening(office, tuesday)),
    )
    second = BusyChanges("2", (clerk(office, tuesday, periods=[period(office, tuesday, (0, 0), (23, 55))]),))
    gone = BusyChanges("3", (), (), (busy.opening_href(MONDAY),))
    feed = feed_of(office, first, second, gone)
    assert [offer.day for offer in feed.offers(passport, NOW)] == [MONDAY, tuesday]
    feed.fresh(0)
    assert [offer.day for offer in feed.offers(passport, NOW)] == [MONDAY]
    feed.fresh(0)
    assert feed.offers(passport, NOW) == []
    assert feed_of.wire.asked == ["", "1", "2"]


def test_a_start_is_written_once_for_all_wishes_while_its_day_begins_when_it_does(
    feed_of, office, town, passport
):
    lost = choose(town, None, [("fundbuero", 1)])
    start, end = (bound + 3600 for bound in bounds(office, MONDAY))
    moved = BusyChanges(
        "2",
        (replace(clerk(office, MONDAY), start=start, end=end),),
        (replace(opening(office, MONDAY), start=start, end=end),),
    )
    feed = feed_of(office, BusyChanges("1", (clerk(office, MONDAY),), (opening(office, MONDAY),)), moved)
    (first,), (other,) = feed.offers(passport, NOW), feed.offers(lost, NOW)
    assert first.starts[0] is other.starts[0]
    feed.fresh(0)
    (later,) = feed.offers(passport, NOW)
    assert later == first
    assert json.loads(later.json)["starts"] == [start.isoformat() for start in later.starts]


def test_what_is_answered_beforehand_is_what_would_be_answered(feed_of, office, passport):
    taken = period(office, MONDAY, (8, 0), (12, 0), busy.BusyKind.APPOINTMENT, ["fundbuero"])
    pinned = replace(taken, pinned=True)
    clerks = (clerk(office, MONDAY, "k1", [taken]), clerk(office, MONDAY, "k2", can=["fundbuero"]))
    first = BusyChanges("1", clerks, (opening(office, MONDAY),))
    # Only one clerk's day comes anew each time; what was read of the other's is kept.
    changed = [
        BusyChanges("2", (replace(clerks[0], periods=(pinned,)),)),
        BusyChanges("3", (clerk(office, MONDAY, "k2", [pinned], can=["fundbuero"]),)),
        BusyChanges("4", clerks),
        BusyChanges("5", (), (opening(office, MONDAY, 10, 14),)),
    ]
    warm, cold = feed_of(office, first, *changed), feed_of(office, first, *changed)
    warm.offers(passport, NOW)
    seen = []
    for _ in range(len(changed) + 1):
        list(warm.preparing())
        seen.append(tuple(hours(warm.offers(passport, NOW))))
        assert seen[-1] == tuple(hours(cold.offers(passport, NOW)))
        if len(seen) <= len(changed):
            warm.fresh(0)
            cold.fresh(0)
    assert len(set(seen)) == 3
    assert seen[1][0] == "12:00"


def test_the_earliest_start_is_the_first_of_all_offers(feed_of, office, passport):
    full = period(office, MONDAY, (8, 0), (16, 0))
    tuesday = MONDAY + timedelta(days=1)
    changes = BusyChanges(
        "1",
        (clerk(office, MONDAY, periods=[full]), clerk(office, tuesday)),
        (opening(office, MONDAY), opening(office, tuesday, 9)),
    )
    feed = feed_of(office, changes)
    assert feed.earliest(passport, NOW) == feed.offers(passport, NOW)[0].starts[0]
    late = datetime.combine(tuesday, time(12), office.zone)
    assert feed.earliest(passport, late) == feed.offers(passport, late)[0].starts[0] > late
    assert feed.earliest(passport, late + timedelta(days=1)) is None


def test_an_unknown_token_begins_again_and_forgets_the_rest(feed_of, office, passport):
    tuesday = MONDAY + timedelta(days=1)
    first = BusyChanges("1", (clerk(office, MONDAY),), (opening(office, MONDAY),))
    anew = BusyChanges("9", (clerk(office, tuesday),), (opening(office, tuesday),))
    feed = feed_of(office, first, UNKNOWN_TOKEN, anew)
    feed.fresh(0)
    assert [offer.day for offer in feed.offers(passport, NOW)] == [tuesday]


def test_when_the_calendar_is_away_the_asker_is_told_and_the_memory_stays(feed_of, office, passport):
    feed = feed_of(
        office, BusyChanges("1", (clerk(office, MONDAY),), (opening(office, MONDAY),)), UnavailableError()
    )
    with pytest.raises(UnavailableError):
        feed.fresh(0)
    assert feed.offers(passport, NOW)


def test_what_is_fresh_enough_isnt_asked_again(feed_of, office):
    feed = feed_of(office, BusyChanges("1"))
    feed.fresh(1_000)
    assert feed_of.wire.asked == [""]


def test_a_feed_is_fresh_again_if_the_calendar_stands_where_it_stood(feed_of, office):
    feed = feed_of(office, BusyChanges("1"), BusyChanges("2"))
    old = feed.age
    assert not feed.confirm("2", 400)
    assert feed.age == old + 1
    assert feed.confirm("1", 400)
    feed.fresh(0)
    assert feed_of.wire.asked == [""]


def test_what_was_booked_meanwhile_isnt_confirmed_away(feed_of, office):
    feed = feed_of(office, BusyChanges("1"), BusyChanges("1"))
    feed.outdate()
    assert feed.confirm("1", 0)
    feed.fresh(1_000)
    assert feed_of.wire.asked == ["", "1"]


def test_a_feed_that_was_never_read_isnt_confirmed(office):
    feed = OfficeFeed(office, CalendarClient("http://127.0.0.1:9", "site", "x"), iter(range(9)).__next__)
    assert not feed.confirm("", 0)


def test_what_is_usual_is_answered_before_anybody_asks(feed_of, town, office):
    feed = feed_of(office, BusyChanges("1", (clerk(office, MONDAY),), (opening(office, MONDAY),)))
    usual = usual_choices(town)
    assert [choice.chosen for choice in usual] == [((service, 1),) for service in town.services_of(office)]
    steps = len(list(feed.preparing(usual)))
    # Two services that take as long are still two wishes.
    assert steps == len(usual)
    assert list(feed.preparing(usual)) == []


def test_what_was_asked_long_ago_isnt_answered_beforehand(town, office):
    seconds = [0.0]
    services = ["reisepass", "fundbuero"]
    wire = Wire(
        [
            BusyChanges("1", (clerk(office, MONDAY),), (opening(office, MONDAY),)),
            BusyChanges("2", (), (opening(office, MONDAY, 9),)),
            BusyChanges("3", (), (opening(office, MONDAY, 10),)),
        ]
    )

    def steps():
        seconds[0] += 1
        feed.fresh(0)
        return len(list(feed.preparing()))

    with serving(wire) as url:
        feed = OfficeFeed(office, CalendarClient(url, "site", "x"), lambda: seconds[0])
        for service in services:
            feed.offers(choose(town, None, [(service, 1)]), NOW)
        assert steps() == 2
        seconds[0] += 600
        feed.offers(choose(town, None, [("reisepass", 1)]), NOW)
        assert steps() == 2
        seconds[0] += 600
        assert steps() == 1


class City:
    """A calendar server with the busy feeds of several offices, as a WSGI application: `tokens` is where each stands."""

    def __init__(self, offices):
        self.tokens = {office.id: "1" for office in offices}
        self.away = set()
        self.read = []

    def __call__(self, environ, start_response):
        if environ["PATH_INFO"] == "/.termin/busy":
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps({"tokens": self.tokens}).encode()]
        office = environ["PATH_INFO"].split("/")[1]
        if office in self.away:
            start_response("503 Service Unavailable", [])
            return [b""]
        self.read.append(office)
        start_response("207 Multi-Status", [("Content-Type", "application/xml")])
        return [multistatus(BusyChanges(self.tokens[office])).encode()]


@contextmanager
def following(offices, city):
    with serving(city) as url:
        follower = Follower(offices, CalendarClient(url, "site", "x"), monotonic, poll=0.01)
        follower.start()
        try:
            yield follower
        finally:
            follower.stop()


def eventually(condition):
    until = monotonic() + 30
    while not condition():
        assert monotonic() < until
        sleep(0.01)


@pytest.mark.parametrize("count", [2, 7])
def test_of_many_offices_only_what_changed_is_read(office, count):
    offices = [replace(office, id=f"o{number}") for number in range(count)]
    city = City(offices)
    with following(offices, city) as follower:
        eventually(lambda: all(feed.version for feed in follower.feeds.values()))
        assert sorted(city.read) == [each.id for each in offices]
        city.tokens["o1"] = "2"
        eventually(lambda: len(city.read) > count)
        confirmed = monotonic()
        eventually(lambda: all(monotonic() - feed.age > confirmed for feed in follower.feeds.values()))
        assert city.read[count:] == ["o1"]


@pytest.mark.parametrize("count", [2, 7])
def test_an_office_that_cant_be_read_keeps_no_other_from_it_and_comes_back(office, count):
    offices = [replace(office, id=f"o{number}") for number in range(count)]
    city = City(offices)
    city.away = {"o0"}
    with following(offices, city) as follower:
        first, *others = follower.feeds.values()
        eventually(lambda: all(feed.version for feed in others))
        assert not first.version
        city.away = set()
        eventually(lambda: first.version)


class Rests(Event):
    """An event that nobody sets, and that remembers for how long it was waited."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def wait(self, timeout=None):
        self.seconds.append(timeout)
        return False


@pytest.mark.parametrize("asked", [True, False])
def test_who_asks_goes_before_what_is_answered_beforehand(town, office, passport, asked):
    wire = Wire([BusyChanges("1", (clerk(office, MONDAY),), (opening(office, MONDAY),))])
    ticks = (tick / 1_000 for tick in range(100_000))
    with serving(wire) as url:
        follower = Follower(
            [office], CalendarClient(url, "site", "x"), ticks.__next__, usual=usual_choices(town)
        )
        feed = follower.feeds[office.id]
        feed.fresh(0)
        if asked:
            feed.offers(passport, NOW)
        follower._stop = rests = Rests()
        assert follower._prepare(float("inf"))
    assert rests.seconds
    assert all(seconds > 0 for seconds in rests.seconds) == asked


def test_the_nearest_times_are_near_and_in_order(feed_of, office, passport):
    feed = feed_of(office, BusyChanges("1", (clerk(office, MONDAY),), (opening(office, MONDAY),)))
    noon = datetime.combine(MONDAY, time(12), office.zone)
    assert [f"{each:%H:%M}" for each in feed.nearest(passport, NOW, noon, 3)] == ["11:45", "12:00", "12:15"]


def test_seconds_are_never_on_the_grid(office):
    noon = datetime.combine(MONDAY, time(12), office.zone)
    assert on_grid(noon, office)
    assert not on_grid(noon + timedelta(seconds=1), office)
    assert not on_grid(noon + timedelta(minutes=5), office)


def test_every_offered_start_can_be_booked_and_no_other(citizens):
    """The site's memory and the calendar server's decision are the same, on a day with bookings of all kinds."""
    browser = citizens.browser()

    def post(services, start):
        return browser.post(
            "/api/v1/appointments",
            json={
                "office": "buergerbuero",
                "services": services,
                "start": start,
                "name": "Erika M",
                "email": "e@example.org",
            },
        ).status_code

    for hour in range(8, 16):
        post([{"id": "meldebescheinigung"}], f"2026-12-07T{hour:02}:15:00+01:00")
        post([{"id": "anmeldung", "persons": 2}], f"2026-12-07T{hour:02}:00:00+01:00")
        post([{"id": "reisepass"}], f"2026-12-07T{hour:02}:30:00+01:00")
    wanted = "service=reisepass:2"
    while True:
        answer = browser.get(f"/api/v1/offers?{wanted}&from=2026-12-07&to=2026-12-07").json["days"]
        offered = answer[0]["starts"] if answer else []
        refused = next(
            (
                start
                for start in (
                    f"2026-12-07T{hour:02}:{minute:02}:00+01:00"
                    for hour in range(8, 16)
                    for minute in (0, 15, 30, 45)
                )
                if start not in offered
            ),
            None,
        )
        if refused:
            assert post([{"id": "reisepass", "persons": 2}], refused) == 409
        if not offered:
            break
        assert post([{"id": "reisepass", "persons": 2}], offered[len(offered) // 2]) == 201

"""What the public may book when, and what happens to times that citizens give back, in the transaction that decides; on both databases."""

from __future__ import annotations

import threading
import time as time_module
from dataclasses import replace
from datetime import time, timedelta

import pytest

from calendar_server.busy_feed import BusyFeed
from calendar_server.ical import busy
from calendar_server.ical.appointment import to_ical
from calendar_server.ical.group import split
from calendar_server.refusals import RefusedError
from calendar_server.service import Actor, Part
from calendar_server.setup import prepare
from calendar_server.storage.database import Database
from calendar_server.upkeep import Upkeep
from optimizer.release import Limits, Release, Stage
from tests.calendar_server.test_groups import UID, etags, family
from tests.calendar_server.test_service import CLERK, SITE, VIEW, book, holders
from tests.support.town import NOW, appointment, at, clerk, directory, office

PUBLIC = Actor("site", authoritative=True, released_only=True)
HALF = Release(at=time(7), minimum_notice_minutes=60, stages=(Stage(60, 50), Stage(0, 100)))
TRADING = Release(return_after=15, return_until=120)


@pytest.fixture
def open_with(database_url, clock):
    """Make a service for an office with these rules; the minutes that are drawn are `open_with.minutes`."""
    opened = []

    def make(rule, *clerks):
        database = Database.open(database_url)
        opened.append(database)
        made = prepare(database, directory(office(*clerks, release=rule)), clock)
        made._draw = lambda least, most: min(max(make.minutes, least), most)
        return made

    make.minutes = 45
    yield make
    for database in opened:
        database.close()


def refused(service, value, actor=PUBLIC):
    with pytest.raises(RefusedError) as error:
        book(service, value, actor)
    return error.value.rule


def test_the_public_gets_its_share_of_a_day_and_staff_the_rest(open_with):
    service = open_with(HALF, clerk("clerk1"))
    for hour in (8, 9, 10, 11):
        book(service, appointment(f"{hour}@t", at(7, hour), minutes=60), PUBLIC)
    assert refused(service, appointment("more@t", at(7, 12))) == "not-released"
    assert holders(service, "more@t") == []
    assert book(service, appointment("hotline@t", at(7, 12)), SITE).created


def test_on_the_day_itself_the_rest_is_released_at_its_hour(open_with, clock):
    service = open_with(HALF, clerk("clerk1"))
    for hour in (8, 9, 10, 11):
        book(service, appointment(f"{hour}@t", at(7, hour), minutes=60), PUBLIC)
    clock.now = at(7, 6, 59)
    assert refused(service, appointment("more@t", at(7, 12))) == "not-released"
    clock.now = at(7, 7)
    assert book(service, appointment("more@t", at(7, 12)), PUBLIC).created


def test_a_longer_appointment_that_would_exceed_the_share_is_refused(open_with):
    service = open_with(HALF, clerk("clerk1"))
    book(service, appointment("long@t", at(7, 8), minutes=210), PUBLIC)
    assert refused(service, appointment("b@t", at(7, 12), minutes=35)) == "not-released"
    assert book(service, appointment("c@t", at(7, 12), minutes=30), PUBLIC).created


def test_moving_within_a_full_share_needs_no_more_room(open_with):
    service = open_with(HALF, clerk("clerk1"))
    for hour in (8, 9, 10, 11):
        book(service, appointment(f"{hour}@t", at(7, hour), minutes=60), PUBLIC)
    assert not book(service, appointment("8@t", at(7, 14), minutes=60), PUBLIC, if_match="*").created


def test_horizon_and_notice_hold_in_the_calendar_server_too(open_with, clock):
    rule = Release(horizon_days=8, services={"reisepass": Limits(6, 60 * 24 * 6)})
    service = open_with(rule)
    assert refused(service, appointment("far@t", at(14, 8))) == "not-released"
    assert refused(service, appointment("pass@t", at(7, 8), "reisepass")) == "not-released"
    assert book(service, appointment("near@t", at(7, 8)), PUBLIC).created
    clock.now = at(7, 8)
    assert refused(service, appointment("soon@t", at(7, 8, 45))) == "not-released"
    assert book(service, appointment("later@t", at(7, 9)), PUBLIC).created


def test_confirming_a_hold_asks_for_no_release(open_with, clock):
    service = open_with(Release(minimum_notice_minutes=60))
    held = appointment(start=at(7, 8), hold_until=NOW + timedelta(days=30))
    clock.now = at(7, 6, 55)
    book(service, replace(held, hold_until=clock.now + timedelta(minutes=10)), PUBLIC)
    clock.now = at(7, 7, 1)
    assert not book(service, replace(held, hold_until=None), PUBLIC, if_match="*").created


# Times that come back ---------------------------------------------------------------------------------------------------------


def cancel(service, uid="a1@test", actor=PUBLIC):
    service.delete(VIEW, f"{uid}.ics", actor)


def feed_kinds(service, day="2026-12-07"):
    made = BusyFeed(service.database, service.directory, service._clock)
    found = made.items(service.directory.offices[0])
    days = [busy.parse(item.text) for item in found]
    return [
        period.kind
        for each in days
        if isinstance(each, busy.ClerkDay) and each.day.isoformat() == day
        for period in each.periods
        if period.kind not in {busy.BusyKind.UNAVAILABLE, busy.BusyKind.OWN}
    ]


def test_a_cancelled_time_comes_back_to_the_public_after_a_while(open_with, clock):
    service = open_with(TRADING, clerk("clerk1"))
    book(service, appointment(), PUBLIC)
    cancel(service)
    assert refused(service, appointment("buyer@t")) == "no-free-clerk"
    assert refused(service, appointment("near@t", at(7, 8, 15))) == "no-free-clerk"
    assert book(service, appointment("beside@t", at(7, 8, 30)), PUBLIC).created
    clock.advance(minutes=44)
    assert refused(service, appointment("buyer@t")) == "no-free-clerk"
    clock.advance(minutes=1)
    assert book(service, appointment("buyer@t"), PUBLIC).created


def test_what_its_citizen_declined_comes_back_after_a_while_and_to_her_at_once(open_with):
    service = open_with(TRADING, clerk("clerk1"))
    value = appointment("a@t", at(7, 8))
    book(service, value)
    book(service, replace(value, cancelled=True, declined=True), if_match="*")
    assert refused(service, appointment("b@t", at(7, 8))) == "no-free-clerk"
    book(service, value, if_match="*")
    assert refused(service, appointment("b@t", at(7, 8)), SITE) == "no-free-clerk"


def test_staff_and_partners_take_it_at_once(open_with):
    service = open_with(TRADING, clerk("clerk1"))
    for actor, uid in ((SITE, "hotline@t"), (CLERK, "drawn@t")):
        book(service, appointment(), PUBLIC)
        cancel(service)
        assert book(service, appointment(uid), actor).created
        service.delete(VIEW, f"{uid}.ics", CLERK)
        Upkeep(service).end_returns()
        service._clock.advance(hours=3)


def test_a_move_gives_the_old_time_back_the_same_way(open_with, clock):
    service = open_with(TRADING, clerk("clerk1"))
    book(service, appointment(), PUBLIC)
    book(service, appointment(start=at(7, 10)), PUBLIC, if_match="*")
    assert refused(service, appointment("buyer@t")) == "no-free-clerk"
    clock.advance(minutes=45)
    assert book(service, appointment("buyer@t"), PUBLIC).created


def test_the_busy_feed_shows_it_and_upkeep_ends_it(open_with, clock):
    service = open_with(TRADING, clerk("clerk1"))
    book(service, appointment(), PUBLIC)
    feed = BusyFeed(service.database, service.directory, clock)
    the_office = service.directory.offices[0]
    token = feed.token(the_office)
    cancel(service)
    assert feed_kinds(service) == [busy.BusyKind.RETURNING]
    assert Upkeep(service).end_returns() == 0
    token, changed, _ = feed.changes(the_office, token)
    assert len(changed) == 1
    clock.advance(minutes=45)
    assert Upkeep(service).end_returns() == 1
    assert feed_kinds(service) == []
    assert len(feed.changes(the_office, token)[1]) == 1
    assert Upkeep(service).end_returns() == 0


def test_it_survives_a_restart(open_with):
    first = open_with(TRADING, clerk("clerk1"))
    book(first, appointment(), PUBLIC)
    cancel(first)
    assert refused(open_with(TRADING, clerk("clerk1")), appointment("buyer@t")) == "no-free-clerk"


def test_what_staff_cancel_a_hold_and_a_town_without_the_rule_come_back_at_once(open_with, clock):
    service = open_with(TRADING, clerk("clerk1"))
    book(service, appointment(), PUBLIC)
    cancel(service, actor=CLERK)
    held = appointment("hold@t", hold_until=clock.now + timedelta(minutes=10))
    book(service, held, PUBLIC)
    cancel(service, "hold@t")
    assert feed_kinds(service) == []
    assert book(service, appointment("next@t"), PUBLIC).created
    without = open_with(Release(), clerk("clerk1"))
    cancel(without, "next@t")
    assert book(without, appointment("again@t"), PUBLIC).created


def test_others_are_still_moved_around_it(open_with):
    """Clerk 2 alone does passports and has another appointment, which clerk 1 could take over, but for the time given back."""
    service = open_with(TRADING, clerk("clerk1", "meldebescheinigung"), clerk("clerk2"))
    book(service, appointment("one@t"), PUBLIC)
    book(service, appointment("two@t"), PUBLIC)
    given_back = next(uid for uid in ("one@t", "two@t") if holders(service, uid) == ["clerk1"])
    cancel(service, given_back)
    passport = appointment("pass@t", at(7, 8), "reisepass")
    assert refused(service, passport) == "no-free-clerk"
    assert book(service, passport, SITE).created


def test_nothing_personal_is_remembered(open_with):
    service = open_with(TRADING, clerk("clerk1"))
    book(service, appointment(), PUBLIC)
    cancel(service)
    with service.database.read() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM returns").mappings().all()
    assert [set(row) for row in rows] == [{"id", "office", "clerk", "start", "end", "until"}]


def test_a_refused_move_gives_nothing_back(open_with):
    service = open_with(TRADING, clerk("clerk1"))
    book(service, appointment(), PUBLIC)
    book(service, appointment("other@t", at(7, 9)), PUBLIC)
    with pytest.raises(RefusedError):
        service.put(VIEW, "a1@test.ics", to_ical(appointment(start=at(7, 9)), now=NOW), PUBLIC)
    with pytest.raises(RefusedError):
        book(service, appointment(start=at(7, 9)), PUBLIC, if_match="*")
    assert busy.BusyKind.RETURNING not in feed_kinds(service)


# Groups -----------------------------------------------------------------------------------------------------------------------


def test_a_group_moves_in_a_full_office_although_its_times_come_back_later(open_with):
    """What its members leave is kept from the public, but not from those of them who come after."""
    service = open_with(TRADING, clerk("clerk1"))
    book(service, appointment("x@t", at(7, 9, 30), minutes=390), SITE)
    made = family(at(7, 8, 30), at(7, 9))
    service.write_together("buergerbuero", parts_of(made), [], PUBLIC)
    earlier = family(at(7, 8), at(7, 8, 30))
    service.write_together("buergerbuero", parts_of(earlier, etags(service)), [], PUBLIC)
    assert refused(service, appointment("buyer@t", at(7, 9))) == "no-free-clerk"
    assert book(service, appointment("hotline@t", at(7, 9)), SITE).created


def test_one_of_a_group_that_is_cancelled_comes_back_later_too(open_with, clock):
    service = open_with(TRADING, clerk("clerk1"))
    service.write_together("buergerbuero", parts_of(family(at(7, 8), at(7, 8, 30))), [], PUBLIC)
    known = etags(service)
    service.write_together("buergerbuero", [], [(UID, known[UID])], PUBLIC)
    assert refused(service, appointment("buyer@t", at(7, 8))) == "no-free-clerk"
    clock.advance(minutes=45)
    assert book(service, appointment("buyer@t", at(7, 8)), PUBLIC).created


def test_a_share_counts_all_of_a_group(open_with):
    service = open_with(HALF, clerk("clerk1"))
    book(service, appointment("long@t", at(7, 8), minutes=210), PUBLIC)
    with pytest.raises(RefusedError) as error:
        service.write_together("buergerbuero", parts_of(family(at(7, 12), at(7, 12, 30))), [], PUBLIC)
    assert error.value.rule == "not-released"
    assert etags(service) == {}


def parts_of(value, known=None):
    return [Part(to_ical(each, now=NOW), (known or {}).get(each.uid, "")) for each in split(value)]


def test_the_server_ends_pauses_by_itself(open_with, clock):
    service = open_with(TRADING, clerk("clerk1"))
    book(service, appointment(), PUBLIC)
    cancel(service)
    clock.advance(minutes=45)
    stop = threading.Event()
    upkeep = threading.Thread(target=Upkeep(service).run, args=(stop,))
    upkeep.start()
    try:
        while rows_of(service):
            assert upkeep.is_alive()
            time_module.sleep(0.02)
    finally:
        stop.set()
        upkeep.join()
    assert feed_kinds(service) == []


def rows_of(service):
    with service.database.read() as connection:
        return connection.exec_driver_sql("SELECT id FROM returns").all()

"""Nobody books more than a fair share: addresses, networks, holds, proofs and repeated mails, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from calendar_server import fairness
from calendar_server.client import Caller, RefusedError
from calendar_server.ical.appointment import ACTIVATION, to_ical
from calendar_server.limits import Limits
from calendar_server.refusals import RefusedError as Refused
from calendar_server.service import Actor, Preconditions
from calendar_server.storage.schema import claims
from calendar_server.upkeep import Upkeep
from tests.support.calendar import calendar_server, calendars
from tests.support.databases import fresh_sqlite
from tests.support.town import NOW, appointment, at, clerk, directory, office

VIEW = "buergerbuero/appointments"
SITE = Actor("site", authoritative=True)
HOME = Caller("203.0.113.0/24")
ELSEWHERE = Caller("198.51.100.0/24")


@pytest.fixture
def limited(database_url, clock):
    """A service with these limits."""
    opened = []

    def make(**limits):
        context = calendars(database_url, clock=clock, limits=Limits(**limits))
        opened.append(context)
        return context.__enter__()

    yield make
    for context in opened:
        context.__exit__(None, None, None)


def book(service, value, caller=HOME, **preconditions):
    actor = replace(SITE, caller=caller)
    put = service.put(
        VIEW, f"{value.uid}.ics", to_ical(value, now=NOW), actor, Preconditions(**preconditions)
    )
    return put.created


def refusal(service, value, caller=HOME, **preconditions):
    with pytest.raises(Refused) as refused:
        book(service, value, caller, **preconditions)
    return refused.value


def nth(number, start=None, **values):
    """One of many bookings at different times of one Monday."""
    start = start or at(7, 8) + timedelta(minutes=30 * number)
    return appointment(f"n{number}@test", start, email=values.pop("email", f"n{number}@x.example"), **values)


def test_an_address_has_at_most_so_many_open_appointments(limited):
    service = limited(per_address=2)
    book(service, nth(1, email="erika@x.example"))
    book(service, nth(2, email="erika@x.example"))
    refused = refusal(service, nth(3, email="erika@x.example"), ELSEWHERE)
    assert refused.rule == "address-limit"
    assert 0 < refused.retry_after <= 86_400
    assert book(service, nth(4, email="max@x.example"))


@pytest.mark.parametrize("spelling", ["Erika@X.example", "erika+bot7@x.example"])
def test_another_spelling_is_the_same_address(limited, spelling):
    service = limited(per_address=1)
    book(service, nth(1, email="erika@x.example"))
    assert refusal(service, nth(2, email=spelling)).rule == "address-limit"


def test_dots_make_no_other_address_where_the_provider_ignores_them():
    assert fairness.mailbox_of("E.Rika@gmail.com") == fairness.mailbox_of("erika@gmail.com")
    assert fairness.mailbox_of("e.rika@x.example") != fairness.mailbox_of("erika@x.example")


def test_cancelling_makes_room_for_another_one_and_the_past_does_not_count(limited, clock):
    service = limited(per_address=1)
    book(service, nth(1, email="erika@x.example"))
    service.delete(VIEW, "n1@test.ics", SITE)
    book(service, nth(2, email="erika@x.example"))
    clock.now = at(7, 12)
    assert book(service, nth(3, at(9, 8), email="erika@x.example"))


def test_a_cancelled_appointment_that_is_still_shown_does_not_count(limited):
    service = limited(per_address=1)
    value = nth(1, email="erika@x.example")
    book(service, value)
    book(service, replace(value, cancelled=True), if_match="*")
    assert book(service, nth(2, email="erika@x.example"))


def test_a_hold_that_waits_for_activation_counts_as_an_appointment_of_its_address(limited, clock):
    service = limited(per_address=1)
    waiting = replace(
        nth(1, email="erika@x.example"), hold_until=clock() + timedelta(hours=1), awaits=ACTIVATION
    )
    book(service, waiting)
    assert refusal(service, nth(2, email="erika@x.example")).rule == "address-limit"
    book(service, replace(waiting, hold_until=None, awaits=""), if_match="*")
    clock.advance(hours=2)
    assert refusal(service, nth(2, email="erika@x.example")).rule == "address-limit"


def test_moving_and_repeating_count_nothing_new(limited):
    service = limited(per_address=1, per_network_hour=2)
    value = nth(1, email="erika@x.example")
    assert book(service, value)
    assert not book(service, value)
    assert not book(service, value.at(at(7, 12)), if_match="*")


def test_a_network_books_at_most_so_much_within_an_hour(limited, clock):
    service = limited(per_network_hour=3)
    for number in range(3):
        book(service, nth(number))
        clock.advance(minutes=1)
    refused = refusal(service, nth(3))
    assert (refused.rule, refused.retry_after) == ("network-limit", 3600 - 3 * 60)
    assert book(service, nth(3), ELSEWHERE)
    clock.advance(seconds=refused.retry_after)
    assert book(service, nth(4))


def test_giving_back_does_not_make_room_in_the_hour(limited):
    service = limited(per_network_hour=2)
    for number in range(2):
        book(service, nth(number))
        service.delete(VIEW, f"n{number}@test.ics", SITE)
    assert refusal(service, nth(2)).rule == "network-limit"


def test_a_network_holds_at_most_its_share_of_a_day(limited):
    # Two clerks for eight hours: 16 hours of room. A quarter of it are eight appointments of half an hour.
    service = limited(network_percent=25)
    for number in range(8):
        book(service, nth(number))
    assert refusal(service, nth(8)).rule == "share-limit"
    assert book(service, nth(8), ELSEWHERE)
    assert book(service, nth(9, at(9, 8)))


def test_the_first_booking_of_a_network_always_fits(limited):
    service = limited(network_percent=1)
    assert book(service, nth(0))
    assert refusal(service, nth(1)).rule == "share-limit"


def test_holds_of_everybody_together_leave_the_rest_of_the_day(limited, clock):
    service = limited(unconfirmed_percent=25)
    until = clock() + timedelta(minutes=10)
    for number in range(8):
        book(service, nth(number, hold_until=until), Caller(f"203.0.{number}.0/24"))
    refused = refusal(service, nth(8, hold_until=until), ELSEWHERE)
    assert (refused.rule, refused.retry_after) == ("share-limit", 300)
    assert book(service, nth(9), ELSEWHERE), "a booking is no hold"
    clock.advance(minutes=11)
    assert book(service, nth(8, hold_until=clock() + timedelta(minutes=10)), ELSEWHERE)


def test_a_time_is_kept_longer_ten_times_and_not_for_ever(limited, clock):
    service = limited()
    held = nth(1, name="", email="", hold_until=clock() + timedelta(minutes=10))
    book(service, held)
    for _ in range(11):
        clock.advance(minutes=9)
        held = replace(held, hold_until=clock() + timedelta(minutes=10))
        book(service, held, if_match="*")
    clock.advance(minutes=9)
    prolonged = replace(held, hold_until=clock() + timedelta(minutes=10))
    book(service, prolonged, if_match="*")
    clock.advance(minutes=9)
    prolonged = replace(held, hold_until=clock() + timedelta(minutes=10))
    assert refusal(service, prolonged, if_match="*").rule == "hold-limit"
    other = prolonged.at(at(7, 14))
    assert not book(service, other, if_match="*"), "another time is kept anew"
    assert not book(service, replace(other, hold_until=None, name="Erika", email="e@x.example"), if_match="*")


def test_a_proof_counts_for_one_booking(limited, clock):
    service = limited()
    proven = Caller("203.0.113.0/24", "a" * 64, int(clock().timestamp()) + 600)
    value = nth(1)
    assert book(service, value, proven)
    assert not book(service, value, proven), "a repeat of the same booking is no second use"
    assert refusal(service, nth(2), proven).rule == "proof-used"


def test_a_refused_booking_uses_up_nothing(limited, clock):
    service = limited(per_network_hour=1)
    proven = Caller("203.0.113.0/24", "a" * 64, int(clock().timestamp()) + 600)
    night = nth(1, at(7, 22))
    assert refusal(service, night, proven).rule == "outside-opening-hours"
    assert book(service, nth(2), proven)


def test_staff_and_partners_are_free_of_limits(limited):
    service = limited(per_address=1, per_network_hour=1, network_percent=1)
    for number in range(3):
        assert book(service, nth(number, email="erika@x.example"), None)


def test_the_database_keeps_neither_addresses_nor_networks(limited):
    service = limited(per_address=1, per_network_hour=5)
    book(service, nth(1, email="erika@x.example"))
    with service.database.read() as connection:
        rows = connection.execute(select(claims)).all()
    assert {row.kind for row in rows} == {"address", "network"}
    assert all("erika" not in str(row) and "203.0" not in str(row) for row in rows)
    assert all(len(row.key) == 64 for row in rows)


def counted(service):
    with service.database.read() as connection:
        return connection.execute(select(func.count()).select_from(claims)).scalar_one()


def test_upkeep_forgets_what_no_longer_counts(limited, clock):
    service = limited(per_address=2, per_network_hour=5)
    book(service, nth(1))
    book(service, nth(2))
    service.delete(VIEW, "n1@test.ics", SITE)
    upkeep = Upkeep(service)
    upkeep.prune()
    assert counted(service) == 3, "the address of what is gone goes at once, its network counts for an hour"
    clock.now = at(7, 9, 30)
    upkeep.prune()
    assert counted(service) == 0


def test_the_mail_is_sent_again_a_few_times_an_hour(limited, clock):
    service = limited(resends_per_hour=2)
    value = nth(1)
    book(service, value)
    for _ in range(2):
        clock.advance(minutes=1)
        value = replace(value, resend=clock())
        book(service, value, if_match="*")
    clock.advance(minutes=1)
    refused = refusal(service, replace(value, resend=clock()), if_match="*")
    assert (refused.rule, refused.retry_after) == ("resend-limit", 3600 - 120)
    assert not book(service, replace(value, reminder=True), if_match="*"), "other changes are free"
    clock.advance(hours=1)
    book(service, replace(value, resend=clock()), if_match="*")


def test_nobody_changes_the_name_in_an_appointment(limited):
    service = limited()
    value = nth(1)
    book(service, value)
    for actor in (SITE, replace(SITE, caller=HOME)):
        with pytest.raises(Refused) as refused:
            service.put(
                VIEW,
                f"{value.uid}.ics",
                to_ical(replace(value, name="Max Händler"), now=NOW),
                actor,
                Preconditions(if_match="*"),
            )
        assert refused.value.rule == "name-fixed"
    for actor in (Actor("lead"), Actor("clerk1")):
        text = to_ical(replace(value, name="Max Händler"), now=NOW)
        service.put(VIEW, f"{value.uid}.ics", text, actor, Preconditions(if_match="*"))
        with service.database.read() as connection:
            kept = service.parse(fairness.reading.booking(connection, "buergerbuero", value.uid).text, None)
        assert str(kept.events[0]["X-TERMIN-NAME"]) == "Erika Muster"


def test_the_name_of_a_hold_is_entered_when_it_is_confirmed(limited, clock):
    service = limited()
    held = nth(1, name="", email="", hold_until=clock() + timedelta(minutes=10))
    book(service, held)
    book(service, replace(held, name="Erika Muster", hold_until=None), if_match="*")


def test_the_addresses_of_two_offices_are_counted_together(database_url, clock):
    other = office(clerk("clerk9"), name="standesamt")
    with calendars(database_url, directory(office(), other), clock, limits=Limits(per_address=1)) as service:
        book(service, nth(1, email="erika@x.example"))
        value = nth(2, email="erika@x.example", office="standesamt")
        with pytest.raises(Refused) as refused:
            service.put(
                "standesamt/appointments",
                "n2@test.ics",
                to_ical(value, now=NOW),
                replace(SITE, caller=HOME),
                Preconditions(),
            )
        assert refused.value.rule == "address-limit"


@pytest.mark.parametrize("what", ["address", "network", "proof"])
def test_no_race_gets_past_a_limit(database_url, clock, what):
    """Two offices, whose bookings don't wait for each other, and eight callers at once."""
    other = office(clerk("clerk8"), clerk("clerk9"), name="standesamt")
    limits = Limits(per_address=1) if what == "address" else Limits(per_network_hour=1)
    limits = Limits() if what == "proof" else limits
    with calendars(database_url, directory(office(), other), clock, limits=limits) as service:

        def attempt(number: int) -> str:
            where = ("buergerbuero", "standesamt")[number % 2]
            mail = "erika@x.example" if what == "address" else f"n{number}@x.example"
            value = nth(number, email=mail, office=where)
            network = "203.0.113.0/24" if what == "network" else f"198.51.{number}.0/24"
            proof = "b" * 64 if what == "proof" else ""
            actor = replace(SITE, caller=Caller(network, proof, int(clock().timestamp()) + 60))
            text = to_ical(value, now=NOW)
            try:
                service.put(f"{where}/appointments", f"{value.uid}.ics", text, actor, Preconditions())
            except Refused as refused:
                return refused.rule
            return "booked"

        with ThreadPoolExecutor(8) as pool:
            done = sorted(pool.map(attempt, range(8)))
        rule = "proof-used" if what == "proof" else f"{what}-limit"
        assert done == sorted(["booked", *[rule] * 7])


def test_the_sites_headers_count_and_nobody_elses(tmp_path, clock):
    limits = Limits(per_network_hour=1)
    with calendar_server(fresh_sqlite(tmp_path), clock=clock, limits=limits) as server:
        site = server.client()
        site.book(nth(1), now=NOW, caller=HOME)
        with pytest.raises(RefusedError) as refused:
            site.book(nth(2), now=NOW, caller=HOME)
        assert (refused.value.rule, refused.value.retry_after) == ("network-limit", 3600)
        server.client("lead").book(nth(3), now=NOW, caller=HOME)
        site.book(nth(4), now=NOW)

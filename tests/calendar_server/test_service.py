"""The rules that every writer keeps, on both databases."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from icalendar import Calendar

from calendar_server.ical.appointment import from_ical, to_ical
from calendar_server.refusals import MissingError, PreconditionFailedError, RefusedError
from calendar_server.service import Actor, Calendars, Preconditions
from calendar_server.storage import reading
from calendar_server.storage.changes import ChangeLog
from tests.support.town import BERLIN, NOW, appointment, at

if TYPE_CHECKING:
    from calendar_server.client import CalendarClient

SITE = Actor("site", authoritative=True)
CLERK = Actor("clerk1")
VIEW = "buergerbuero/appointments"


def book(service: Calendars, value, actor=SITE, **preconditions):
    return service.put(
        VIEW, f"{value.uid}.ics", to_ical(value, now=NOW), actor, Preconditions(**preconditions)
    )


def holders(service: Calendars, uid: str) -> list[str]:
    """Whose calendars an appointment lies in."""
    found = []
    for office in service.directory.offices:
        for clerk in office.clerks:
            where = service.find(f"{clerk.id}/calendar")
            with service.database.read() as connection:
                if reading.has_uid(connection, where, uid) is not None:
                    found.append(clerk.id)
    return found


def stored(service: Calendars, uid: str):
    with service.database.read() as connection:
        row = reading.booking(connection, "buergerbuero", uid)
    return row and from_ical(row.text, BERLIN)


def event(uid: str, start, minutes: int = 60, **properties: str) -> str:
    """A clerk's own event, as a client would send it."""
    value = appointment(uid, start, minutes=minutes)
    calendar = Calendar.from_ical(to_ical(value, now=NOW))
    component = calendar.walk("VEVENT")[0]
    for name in [name for name in component if name.startswith("X-TERMIN")]:
        del component[name]
    for name, text in properties.items():
        component.pop(name, None)
        component.add(name, text)
    return calendar.to_ical().decode()


def test_a_booking_lies_with_exactly_one_clerk(service):
    assert book(service, appointment()).created
    assert len(holders(service, "a1@test")) == 1


def test_no_more_bookings_at_a_time_than_clerks(service):
    book(service, appointment("a1@test"))
    book(service, appointment("a2@test"))
    with pytest.raises(RefusedError) as refused:
        book(service, appointment("a3@test"))
    assert refused.value.rule == "no-free-clerk"
    assert holders(service, "a3@test") == []


def test_a_repeated_booking_succeeds_and_changes_nothing(service):
    book(service, appointment())
    head = ChangeLog(service.database, BERLIN).head("buergerbuero")
    assert not book(service, appointment()).created
    assert ChangeLog(service.database, BERLIN).head("buergerbuero") == head


def test_a_repeated_booking_succeeds_even_after_a_move(service):
    book(service, appointment())
    book(service, appointment(start=at(7, 9)), if_match="*")
    assert not book(service, appointment()).created
    assert stored(service, "a1@test").start == at(7, 9)


def test_another_content_under_the_same_uid_is_refused(service):
    book(service, appointment())
    with pytest.raises(RefusedError) as refused:
        book(service, appointment(start=at(7, 9)))
    assert refused.value.rule == "already-booked"


def test_what_was_fetched_may_be_sent_back(service):
    book(service, appointment())
    book(service, appointment(start=at(7, 9)), if_match="*")
    with service.database.read() as connection:
        text = reading.booking(connection, "buergerbuero", "a1@test").text
    head = ChangeLog(service.database, BERLIN).head("buergerbuero")
    assert not service.put(VIEW, "a1@test.ics", text, SITE).created
    assert ChangeLog(service.database, BERLIN).head("buergerbuero") == head


def test_a_booking_that_comes_cancelled_is_refused(service):
    with pytest.raises(RefusedError) as refused:
        book(service, replace(appointment(), cancelled=True))
    assert refused.value.rule == "nothing-to-book"


@pytest.mark.parametrize("persons", ["0", "-1", "100", "0010000", "x", ""])
def test_a_service_is_for_a_number_of_persons(service, persons):
    text = to_ical(appointment(), now=NOW).replace("PERSONS=1:", f"PERSONS={persons}:")
    with pytest.raises(RefusedError) as refused:
        service.put(VIEW, "a1@test.ics", text, SITE)
    assert refused.value.rule == "persons-limit"


@pytest.mark.parametrize("until", ["soon", "20261207T080000", "20261207T256100Z"])
def test_a_hold_until_no_time_is_refused(service, until):
    text = to_ical(replace(appointment(), hold_until=at(7, 7)), now=NOW)
    text = re.sub("X-TERMIN-HOLD-UNTIL:.*", f"X-TERMIN-HOLD-UNTIL:{until}\r", text)
    with pytest.raises(RefusedError) as refused:
        service.put(VIEW, "a1@test.ics", text, SITE)
    assert refused.value.rule == "appointment-needs-a-time"


@pytest.mark.parametrize("start", [at(7, 7, 45), at(7, 15, 45), at(8, 9), at(9, 11, 45), at(25, 9)])
def test_outside_the_windows_nothing_is_booked(service, start):
    with pytest.raises(RefusedError) as refused:
        book(service, appointment(start=start))
    assert refused.value.rule == "outside-opening-hours"


def test_public_holidays_are_closed(service):
    # Monday 28 March 2027 is Easter Monday.
    with pytest.raises(RefusedError) as refused:
        book(service, appointment(start=at(29, 9, month=3, year=2027)))
    assert refused.value.rule == "outside-opening-hours"


def test_an_unknown_service_is_refused(service):
    with pytest.raises(RefusedError) as refused:
        book(service, appointment("a1@test", at(7, 8), "tauchschein"))
    assert refused.value.rule == "unknown-service"


def test_a_move_raises_the_sequence_once(service):
    book(service, appointment())
    book(service, appointment(start=at(7, 9)), if_match="*")
    assert stored(service, "a1@test").sequence == 1


def test_a_move_needs_the_current_etag(service):
    book(service, appointment())
    with pytest.raises(PreconditionFailedError):
        book(service, appointment(start=at(7, 9)), if_match='"old"')


def test_a_hold_counts_until_it_expires(service, clock):
    for uid in ("h1@test", "h2@test"):
        book(service, appointment(uid, hold_until=clock.now.replace(minute=10)))
    with pytest.raises(RefusedError):
        book(service, appointment("a1@test"))
    clock.advance(minutes=11)
    assert book(service, appointment("a1@test")).created
    assert stored(service, "h1@test") is None


def test_a_confirmed_hold_stays_at_revision_0(service, clock):
    book(service, appointment(hold_until=clock.now.replace(minute=10)))
    book(service, appointment(), if_match="*")
    assert stored(service, "a1@test").sequence == 0
    assert not stored(service, "a1@test").is_hold


def test_an_expired_hold_can_be_confirmed_while_nobody_took_its_place(service, clock):
    book(service, appointment(hold_until=clock.now.replace(minute=10)))
    clock.advance(minutes=30)
    book(service, appointment(), if_match="*")
    assert not stored(service, "a1@test").is_hold


def test_an_expired_hold_cannot_be_confirmed_after_its_place_was_taken(service, clock):
    book(service, appointment(hold_until=clock.now.replace(minute=10)))
    clock.advance(minutes=30)
    book(service, appointment("a2@test"))
    with pytest.raises(PreconditionFailedError):
        book(service, appointment(), if_match="*")


def test_an_expired_hold_is_in_nobodys_way_when_an_appointment_is_handed_over(service, clock):
    book(service, appointment("a1@test"))
    book(service, appointment("h1@test", hold_until=clock.now.replace(minute=10)))
    (clerk,), (holder,) = holders(service, "a1@test"), holders(service, "h1@test")
    clock.advance(minutes=11)
    service.move(
        f"{clerk}/calendar",
        "a1@test.ics",
        f"{holder}/calendar",
        "a1@test.ics",
        Actor("lead"),
        overwrite=False,
    )
    assert holders(service, "a1@test") == [holder]


def test_an_own_event_blocks_the_clerk(service):
    service.put("clerk1/calendar", "m.ics", event("m@test", at(7, 8)), CLERK)
    service.put("clerk2/calendar", "m.ics", event("m2@test", at(7, 8)), Actor("clerk2"))
    with pytest.raises(RefusedError) as refused:
        book(service, appointment())
    assert refused.value.rule == "no-free-clerk"


def test_an_absence_may_cover_appointments(service):
    book(service, appointment())
    (clerk,) = holders(service, "a1@test")
    service.put(
        f"{clerk}/calendar", "ill.ics", event("ill@test", at(7, 0), 24 * 60, SUMMARY="krank"), Actor(clerk)
    )
    assert stored(service, "a1@test") is not None


def test_an_appointment_never_lands_on_another_one(service):
    book(service, appointment("a1@test"))
    book(service, appointment("a2@test", at(7, 9)))
    (clerk,) = holders(service, "a2@test")
    moved = stored(service, "a2@test")
    (other,) = holders(service, "a1@test")
    with pytest.raises(RefusedError) as refused:
        service.put(f"{other}/calendar", "x.ics", to_ical(moved.at(at(7, 8, 15)), now=NOW), Actor(other))
    assert refused.value.rule == "time-taken"
    assert holders(service, "a2@test") == [clerk]


def test_a_clerk_moves_an_appointment_outside_the_windows(service):
    book(service, appointment())
    (clerk,) = holders(service, "a1@test")
    service.put(
        f"{clerk}/calendar", "a1@test.ics", to_ical(appointment(start=at(8, 18)), now=NOW), Actor(clerk)
    )
    assert stored(service, "a1@test").start == at(8, 18)
    assert stored(service, "a1@test").sequence == 1


def test_an_edit_by_a_client_that_drops_unknown_properties_loses_nothing(service):
    book(service, appointment(phone="0123", reminder=True, reference="BB-1"))
    (clerk,) = holders(service, "a1@test")
    service.put(
        f"{clerk}/calendar", "a1@test.ics", event("a1@test", at(7, 10), 30, SUMMARY="neu"), Actor(clerk)
    )
    now = stored(service, "a1@test")
    assert (now.email, now.phone, now.reminder, now.reference) == ("erika@example.org", "0123", True, "BB-1")
    assert (now.summary, now.start) == ("neu", at(7, 10))
    assert now.services == appointment().services


def test_no_etag_is_returned_for_a_text_that_was_altered(service):
    assert book(service, appointment()).etag is not None
    (clerk,) = holders(service, "a1@test")
    put = service.put(f"{clerk}/calendar", "a1@test.ics", event("a1@test", at(7, 10)), Actor(clerk))
    assert put.etag is None


@pytest.mark.parametrize("extra", [{"RRULE": {"FREQ": "DAILY"}}])
def test_an_appointment_does_not_recur(service, extra):
    book(service, appointment())
    (clerk,) = holders(service, "a1@test")
    with pytest.raises(RefusedError) as refused:
        service.put(f"{clerk}/calendar", "a1@test.ics", event("a1@test", at(7, 10), **extra), Actor(clerk))
    assert refused.value.rule == "appointment-needs-a-time"


def test_reassigning_others_at_their_time_makes_room(service):
    # The other clerk can't do passports, so who can must give her appointment away.
    from tests.support.town import clerk, directory, office  # noqa: PLC0415

    offices = directory(office(clerk("clerk1"), clerk("clerk2", "meldebescheinigung")))
    service.directory = offices
    service.put("clerk2/calendar", "m.ics", event("m@test", at(7, 8)), Actor("clerk2"))
    book(service, appointment("a1@test"))
    assert holders(service, "a1@test") == ["clerk1"]
    service.delete("clerk2/calendar", "m.ics", Actor("clerk2"))
    book(service, appointment("a2@test", at(7, 8), "reisepass"))
    assert holders(service, "a2@test") == ["clerk1"]
    assert holders(service, "a1@test") == ["clerk2"]


def test_a_deleted_appointment_is_gone_from_everywhere(service):
    book(service, appointment())
    service.delete(VIEW, "a1@test.ics", SITE)
    assert holders(service, "a1@test") == []
    with pytest.raises(MissingError):
        service.delete(VIEW, "a1@test.ics", SITE)


def test_an_appointment_that_returns_goes_on_from_its_last_revision(service):
    book(service, appointment())
    book(service, appointment(start=at(7, 9)), if_match="*")
    service.delete(VIEW, "a1@test.ics", SITE)
    book(service, appointment())
    assert stored(service, "a1@test").sequence == 2


def test_the_change_log_tells_who_did_what(service):
    book(service, appointment())
    (clerk,) = holders(service, "a1@test")
    service.delete(f"{clerk}/calendar", "a1@test.ics", Actor(clerk))
    log = [
        (change.uid, change.kind, change.action, change.clerk, change.actor)
        for change in ChangeLog(service.database, BERLIN).read("buergerbuero", 0)
        if change.kind == "appointment"
    ]
    assert log == [
        ("a1@test", "appointment", "stored", clerk, "site"),
        ("a1@test", "appointment", "deleted", clerk, clerk),
    ]


def test_the_site_reads_its_booking_over_http(server):
    client: CalendarClient = server.client()
    client.book(appointment(), now=NOW)
    assert client.read("buergerbuero", "a1@test", BERLIN).appointment.email == "erika@example.org"

"""What the calendar server does by itself, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from calendar_server import dispatch
from calendar_server.ical.appointment import to_ical
from calendar_server.offices import Directory
from calendar_server.plans import Plans
from calendar_server.plugin import sync_token, token_seq
from calendar_server.refusals import RefusedError
from calendar_server.service import Actor, Calendars
from calendar_server.storage import reading
from calendar_server.storage.changes import ChangeLog
from calendar_server.storage.schema import archive
from calendar_server.upkeep import Upkeep, UpkeepSettings
from tests.calendar_server.test_plans import propose, step
from tests.calendar_server.test_service import CLERK, VIEW, book, event, holders, stored
from tests.support.town import BERLIN, NOW, appointment, at


def actions(service, uid: str) -> list[str]:
    changes = ChangeLog(service.database, BERLIN).read("buergerbuero", 0)
    return [change.action for change in changes if change.uid == uid]


def test_expired_holds_are_released_and_live_ones_kept(service, clock):
    book(service, appointment("soon@test", hold_until=clock.now + timedelta(minutes=5)))
    book(service, appointment("later@test", hold_until=clock.now + timedelta(minutes=20)))
    clock.advance(minutes=6)
    assert Upkeep(service).release_holds() == 1
    assert stored(service, "soon@test") is None
    assert stored(service, "later@test") is not None


class Rounds:
    """A stop event for some rounds of the upkeep's loop: instead of waiting it moves the clock, and keeps what was asked for."""

    def __init__(self, clock, rounds: int) -> None:
        self.clock, self.left = clock, rounds
        self.pauses: list[float] = []

    def is_set(self) -> bool:
        return self.left == 0

    def wait(self, seconds: float) -> None:
        self.left -= 1
        self.pauses.append(seconds)
        self.clock.now += timedelta(seconds=seconds)


def test_a_hold_is_released_when_it_ends_and_not_some_seconds_later(service, clock):
    book(service, appointment("soon@test", hold_until=clock.now + timedelta(seconds=7)))
    rounds = Rounds(clock, 3)
    Upkeep(service).run(rounds)
    assert rounds.pauses == [5, pytest.approx(2), 5]
    assert stored(service, "soon@test") is None


def test_old_appointments_go_to_the_archive_and_nobody_is_told(service, clock):
    book(service, appointment("old@test"))
    book(service, appointment("new@test", at(9, 8)))
    clock.now = at(9, 7) + timedelta(days=30)
    assert Upkeep(service, UpkeepSettings(archive_after_days=30)).archive() == 1
    assert holders(service, "old@test") == []
    assert stored(service, "new@test") is not None
    assert actions(service, "old@test") == ["stored", "archived"]


def archived(service) -> list[tuple]:
    with service.database.read() as connection:
        return connection.execute(
            select(archive.c.uid, archive.c.text, archive.c.services, archive.c.owner, archive.c.start)
        ).all()


def test_after_the_retention_the_archive_knows_no_citizen(service, clock):
    book(service, appointment("old@test", name="Erika Mustermann"))
    book(service, appointment("late@test", at(9, 8)))
    upkeep = Upkeep(service, UpkeepSettings(archive_after_days=5, erase_after_days=30))
    clock.now = at(7, 9) + timedelta(days=10)
    upkeep.archive()
    assert upkeep.erase() == 0
    assert any("Erika" in text for _, text, *_ in archived(service))
    clock.now = at(7, 9) + timedelta(days=31)
    assert upkeep.erase() == 1
    known = {uid: (text, services, start) for uid, text, services, _, start in archived(service)}
    assert known[""] == ("", "meldebescheinigung", int(at(7, 8).timestamp()))
    assert known["late@test"][0]
    assert upkeep.erase() == 0


def test_a_calendar_keeps_nobody_longer_than_the_retention(service, clock):
    book(service, appointment("old@test"))
    clock.now = at(7, 9) + timedelta(days=31)
    upkeep = Upkeep(service, UpkeepSettings(archive_after_days=90, erase_after_days=30))
    assert (upkeep.archive(), upkeep.erase()) == (1, 1)
    assert holders(service, "old@test") == []


def test_plans_go_with_the_appointments_that_they_were_about(service, clock):
    book(service, appointment("a@test"))
    book(service, appointment("b@test", at(21, 8)))
    plans = [propose(service, step(service, uid, cancel=True)) for uid in ("a@test", "b@test")]
    clock.now = at(7, 9) + timedelta(days=31)
    upkeep = Upkeep(service)
    upkeep.archive()
    upkeep.erase()
    assert [plan.id for plan in Plans(service).all("buergerbuero")] == [plans[1].id]


def test_an_office_that_was_closed_for_good_is_erased_as_well(service, clock):
    book(service, appointment("old@test"))
    gone = Calendars(service.database, Directory.of([]), clock)
    clock.now = at(7, 9) + timedelta(days=31)
    assert (Upkeep(gone).archive(), Upkeep(gone).erase()) == (1, 1)


def test_clients_see_archived_appointments_leave(service, clock):
    book(service, appointment())
    view = service.find(VIEW)
    clock.now = at(7, 8) + timedelta(days=365)
    Upkeep(service).archive()
    with service.database.read() as connection:
        assert reading.changed_since(connection, view, view.seq) == ([], ["a1@test.ics"])


def test_recurring_events_are_expanded_anew_before_the_horizon_is_reached(service, clock):
    weekly = event("w@test", at(7, 8), RRULE={"FREQ": "WEEKLY"}, SUMMARY="Teamrunde")
    service.put("clerk1/calendar", "w.ics", weekly, CLERK)
    clock.advance(days=200)
    # The opening windows recur without end as well.
    assert Upkeep(service).roll_horizon() == 3
    assert Upkeep(service).roll_horizon() == 0
    far = at(6, 8, month=3, year=2028)
    with service.database.read() as connection:
        where = service.find("clerk1/calendar")
        seen = reading.instances_in(connection, [where.id], int(far.timestamp()), int(far.timestamp()) + 60)
    assert [instance.uid for instance in seen] == ["w@test"]


def test_a_range_beyond_the_horizon_is_answered_all_the_same(service):
    weekly = event("w@test", at(7, 8), RRULE={"FREQ": "WEEKLY"}, SUMMARY="Teamrunde")
    service.put("clerk1/calendar", "w.ics", weekly, CLERK)
    day = at(2, 0, month=12, year=2030).date()
    office = service.directory.offices[0]
    with service.database.read() as connection:
        known = reading.office_collections(connection, office.id)
        monday = dispatch.board(connection, office, known, day, service.now())
    free = {clerk.clerk: clerk.free for clerk in monday.office_day.clerks}
    eight = 1 << (8 * 12)
    assert not free["clerk1"] & eight
    assert free["clerk2"] & eight


def test_forgotten_changes_end_old_sync_tokens(service, clock):
    book(service, appointment("a1@test"))
    view = service.find(VIEW)
    service.delete(VIEW, "a1@test.ics", Actor("lead"))
    clock.advance(days=200)
    book(service, appointment("a2@test", at(5, 9, month=7, year=2027)))
    assert Upkeep(service).prune() > 0
    now = service.find(VIEW)
    with pytest.raises(ValueError, match="out of range"):
        token_seq(sync_token(view, "i"), now, "i")
    assert token_seq(sync_token(now, "i"), now, "i") == now.seq
    assert [change.uid for change in ChangeLog(service.database, BERLIN).read("buergerbuero", 0)] == [
        "a2@test"
    ]


def test_an_appointment_far_in_the_past_is_no_booking(service):
    with pytest.raises(RefusedError):
        service.put(
            VIEW, "p.ics", to_ical(appointment("p", at(6, 8, month=12, year=2026)), now=NOW), Actor("lead")
        )

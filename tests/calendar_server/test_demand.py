"""What is told of past appointments without anybody's name, on both databases and over HTTP."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from calendar_server import demand
from calendar_server.client import RefusedError
from calendar_server.plans import Plans
from calendar_server.service import Actor
from calendar_server.upkeep import Upkeep, UpkeepSettings
from tests.calendar_server.test_plans import propose, step
from tests.calendar_server.test_service import VIEW, book
from tests.support.calendar import calendar_server
from tests.support.databases import fresh_sqlite
from tests.support.town import NOW, appointment, at, clerk, directory, office

MONDAY = date(2026, 12, 7)
OFFICE = "buergerbuero"


def told(service, first=MONDAY, last=MONDAY):
    return demand.of(service, service.directory.office(OFFICE), first, last)


def called_off(service, first, last):
    return demand.called_off(service, service.directory.office(OFFICE), first, last)


def test_an_appointment_is_told_without_names(service):
    book(service, appointment("a1@test", at(7, 8), "meldebescheinigung", name="Erika Mustermann"))
    assert told(service) == [
        {
            "start": int(at(7, 8).timestamp()),
            "end": int(at(7, 8, 30).timestamp()),
            "services": ["meldebescheinigung"],
            "made": int(NOW.timestamp()),
            "cancelled": False,
        }
    ]
    assert told(service, date(2026, 12, 8), date(2026, 12, 9)) == []


def cancel_by_plan(service, uid: str) -> None:
    made = propose(service, step(service, uid, cancel=True))
    Plans(service).apply(made.id, Actor("lead"))


def test_a_cancelled_one_is_told_as_such_before_and_after_archive_and_erasure(service, clock):
    book(service, appointment("gone@test", at(7, 8)))
    book(service, appointment("there@test", at(7, 9)))
    cancel_by_plan(service, "gone@test")
    expected = [(8, True), (9, False)]

    def seen():
        return [(at(7, 8 + index).hour, each["cancelled"]) for index, each in enumerate(told(service))]

    assert seen() == expected
    upkeep = Upkeep(service, UpkeepSettings(archive_after_days=5, erase_after_days=30))
    clock.now = at(7, 9) + timedelta(days=31)
    assert upkeep.archive() == 2
    assert seen() == expected
    assert upkeep.erase() >= 2
    assert seen() == expected


def test_deleted_ones_are_counted_on_the_day_of_their_deletion(service, clock):
    for hour, uid in ((8, "a@test"), (9, "b@test"), (10, "kept@test")):
        book(service, appointment(uid, at(7, hour)))
    book(service, appointment("hold@test", at(7, 11), hold_until=NOW + timedelta(minutes=10)))
    for uid in ("a@test", "hold@test"):
        service.delete(VIEW, f"{uid}.ics", Actor("site"))
    clock.advance(days=1)
    service.delete(VIEW, "b@test.ics", Actor("clerk1"))
    today, tomorrow = NOW.date(), NOW.date() + timedelta(days=1)
    assert called_off(service, today, today) == 1
    assert called_off(service, today, tomorrow) == 2
    assert called_off(service, MONDAY, MONDAY) == 0


@pytest.mark.parametrize("days", [-1, 400])
def test_an_empty_or_endless_range_is_refused(service, days):
    with pytest.raises(ValueError, match="1 to 400 days"):
        told(service, MONDAY, MONDAY + timedelta(days=days))
    with pytest.raises(ValueError, match="1 to 400 days"):
        called_off(service, MONDAY, MONDAY + timedelta(days=days))


def test_the_lead_alone_is_told(tmp_path):
    with calendar_server(fresh_sqlite(tmp_path), directory(office(clerk("clerk1")))) as server:
        server.client().book(appointment("a1@test", at(7, 8)), now=NOW)
        lead = server.client("lead")
        assert [each["cancelled"] for each in lead.demand(OFFICE, MONDAY, MONDAY)] == [False]
        server.client().cancel(OFFICE, "a1@test")
        assert lead.called_off(OFFICE, NOW.date(), NOW.date()) == 1
        for ask in (
            server.client("clerk1").demand,
            server.client("clerk1").called_off,
            server.client().demand,
        ):
            with pytest.raises(RefusedError, match="forbidden"):
                ask(OFFICE, MONDAY, MONDAY)

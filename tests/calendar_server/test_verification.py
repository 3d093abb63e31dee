"""Each invariant is broken once by hand, on both databases, and found."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, select, update

from calendar_server.plans import Plans
from calendar_server.service import Actor
from calendar_server.storage.schema import (
    changes,
    collections,
    instances,
    objects,
    offices,
    plans,
    tombstones,
)
from calendar_server.storage.writing import etag_of
from calendar_server.verification import violations
from tests.calendar_server.test_plans import propose, step
from tests.calendar_server.test_service import CLERK, VIEW, book, event
from tests.support.town import appointment, at


@pytest.fixture
def filled(service, clock):
    """Everything that there can be."""
    for number, hour in enumerate((8, 9, 10)):
        book(service, appointment(f"a{number}@test", at(7, hour)))
    book(service, appointment("h@test", at(7, 12), hold_until=at(1, 13)))
    service.delete(VIEW, "a2@test.ics", Actor("lead"))
    service.put("clerk1/calendar", "m.ics", event("m@test", at(7, 14)), CLERK)
    weekly = event("w@test", at(7, 15), RRULE={"FREQ": "WEEKLY"})
    service.put("clerk1/calendar", "w.ics", weekly, CLERK)
    propose(service, step(service, "a0@test", cancel=True))
    clock.advance(minutes=1)
    return service


def rules(service) -> set[str]:
    return {one.rule for one in violations(service)}


def change(service, *statements) -> None:
    with service.database.write() as connection:
        for statement in statements:
            connection.execute(statement)


def of(uid: str):
    return objects.c.uid == uid


def object_id(uid: str):
    return select(objects.c.id).where(of(uid)).scalar_subquery()


def test_nothing_is_wrong_with_what_the_program_wrote(filled):
    assert list(violations(filled)) == []
    plan = Plans(filled).all("buergerbuero")[0]
    Plans(filled).apply(plan.id, Actor("lead"))
    Plans(filled).undo(plan.id, Actor("lead"))
    assert list(violations(filled)) == []


BREAKS = {
    "one-appointment-at-a-time": lambda: [
        update(instances)
        .where(instances.c.object_id.in_(select(objects.c.id).where(objects.c.view_href.is_not(None))))
        .values(
            start=1,
            end=1000,
            collection_id=select(collections.c.id)
            .where(collections.c.path == "clerk1/calendar")
            .scalar_subquery(),
        )
    ],
    "etag-of-text": lambda: [update(objects).where(of("m@test")).values(etag='"x"')],
    "office-of-calendar": lambda: [update(objects).where(of("m@test")).values(office="")],
    "appointments-in-view": lambda: [update(objects).where(of("m@test")).values(view_href="m.ics")],
    "text-readable": lambda: [
        update(objects).where(of("m@test")).values(text="nonsense", etag=etag_of("nonsense"), size=8)
    ],
    "columns-of-text": lambda: [update(objects).where(of("a0@test")).values(services="reisepass")],
    "instances-of-rule": lambda: [delete(instances).where(instances.c.object_id == object_id("w@test"))],
    "numbers-reached": lambda: [update(offices).where(offices.c.id == "buergerbuero").values(seq=1)],
    "instances-with-objects": lambda: [
        update(instances).where(instances.c.object_id == object_id("m@test")).values(collection_id=1)
    ],
    "log-tells-all": lambda: [update(changes).where(changes.c.uid == "a1@test").values(part=3)],
    "plans-readable": lambda: [update(plans).values(body="{}")],
}


@pytest.mark.parametrize("rule", BREAKS)
def test_what_is_broken_is_found(filled, rule):
    change(filled, *BREAKS[rule]())
    assert rule in rules(filled)


@pytest.mark.parametrize(
    "statement",
    [
        update(objects).where(of("h@test")).values(hold_until=None),
        update(objects).where(of("h@test")).values(hold_until=4_000_000_000),
        update(objects).where(of("w@test")).values(recurring=False),
        update(objects).where(of("m@test")).values(uid="other@test"),
    ],
)
def test_columns_are_compared_with_their_text(filled, statement):
    change(filled, statement)
    assert "columns-of-text" in rules(filled)


@pytest.mark.parametrize("table", [objects, tombstones])
def test_a_number_that_readers_would_miss_is_found(filled, table):
    change(filled, update(table).values(seq=1_000_000))
    assert "numbers-reached" in rules(filled)


def test_an_appointment_that_the_log_calls_deleted_is_found(filled):
    change(filled, update(changes).where(changes.c.uid == "a1@test").values(action="deleted"))
    assert "log-tells-all" in rules(filled)

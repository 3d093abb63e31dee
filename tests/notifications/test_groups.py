"""A group is told of as one: one mail with one entry for her calendar, whichever of its appointments changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from booking_web.notifications.told import Snapshot
from calendar_server.ical.appointment import Part as Times
from calendar_server.ical.appointment import to_ical
from calendar_server.ical.group import part_uid, split
from calendar_server.service import Part
from calendar_server.storage import reading
from tests.notifications.town import UID
from tests.notifications.world import CLERK, OFFICE, SITE, World
from tests.support.town import BERLIN, NOW, appointment, at

SECOND = part_uid(UID, 2)


def group(*starts: datetime, **values: object):
    parts = tuple(
        Times(number, start, start + timedelta(minutes=30)) for number, start in enumerate(starts, 1)
    )
    made = appointment(UID, min(starts), group=len(starts), reference="ABCD-2345", **values)
    return replace(made, end=max(part.end for part in parts), parts=parts)


def write(world: World, value, known=None):
    puts = [Part(to_ical(each, now=NOW), (known or {}).get(each.uid, "")) for each in split(value)]
    world.service.write_together(OFFICE, puts, [], SITE)


@pytest.fixture
def family(any_world: World) -> World:
    write(any_world, group(at(7, 8), at(7, 8)))
    return any_world


def test_one_mail_for_all_of_them(family):
    (mail,) = family.settle()
    assert mail.method == "REQUEST"
    assert len(mail.calendar.walk("VEVENT")) == 1
    assert str(mail.event["UID"]) == UID
    assert (mail.start, mail.event["DTEND"].dt) == (at(7, 8), at(7, 8, 30))
    assert "Die Termine: 8:00 Uhr und 8:00 Uhr" in mail.text
    assert "ABCD-2345" in mail.text
    assert family.settle() == []


def test_one_after_another_lasts_until_the_last_ends(any_world):
    write(any_world, group(at(7, 8), at(7, 8, 30), at(7, 9)))
    (mail,) = any_world.settle()
    assert mail.event["DTEND"].dt == at(7, 9, 30)
    assert "Die Termine: 8:00 Uhr, 8:30 Uhr und 9:00 Uhr" in mail.text


def test_when_one_is_cancelled_she_is_told_of_those_that_are_left(family):
    family.settle()
    family.delete(SECOND)
    (mail,) = family.settle()
    assert (mail.method, mail.sequence, str(mail.event["UID"])) == ("REQUEST", 1, UID)
    assert "Die Termine: 8:00 Uhr" in mail.text.splitlines()


@pytest.mark.parametrize("actor", [SITE, CLERK])
def test_when_the_first_is_cancelled_the_other_stays_hers(family, actor):
    family.settle()
    family.delete(UID, actor)
    (mail,) = family.settle()
    assert (mail.method, str(mail.event["UID"])) == ("REQUEST", UID)


def test_when_all_are_cancelled_there_is_one_cancellation(family):
    family.settle()
    family.delete(UID)
    family.delete(SECOND)
    (mail,) = family.settle()
    assert (mail.method, mail.sequence) == ("CANCEL", 1)
    assert str(mail.event["STATUS"]) == "CANCELLED"
    assert family.settle() == []


def test_one_by_one_gives_a_change_and_then_a_cancellation(family):
    family.settle()
    family.delete(UID)
    (changed,) = family.settle()
    family.delete(SECOND)
    (cancelled,) = family.settle()
    assert [changed.method, cancelled.method] == ["REQUEST", "CANCEL"]
    assert cancelled.sequence > changed.sequence


def test_a_clerk_who_moves_one_of_them_is_told_about(family):
    family.settle()
    family.change(SECOND, start=at(7, 9), actor=CLERK)
    (mail,) = family.settle()
    assert (mail.start, mail.event["DTEND"].dt) == (at(7, 8), at(7, 9, 30))
    assert "8:00 Uhr und 9:00 Uhr" in mail.text
    assert "Die Zeit und der Ort bleiben gleich" not in mail.text
    assert "Bisher: 8:00 Uhr und 8:00 Uhr" in mail.text


def test_a_plan_that_moves_one_of_them_asks_whether_that_suits(family):
    family.settle()
    plan = family.propose(family.step(SECOND, start=at(9, 8, 30)))
    family.plans.apply(plan.id, CLERK)
    (mail,) = family.settle()
    assert "Passt Ihnen die neue Zeit?" in mail.subject
    first, second = "Montag, 7. Dezember 2026, 8:00 Uhr", "Mittwoch, 9. Dezember 2026, 8:30 Uhr"
    assert f"Die Termine: {first} und {second}" in mail.text


def test_those_that_are_left_have_not_moved(family):
    family.settle()
    family.delete(SECOND, CLERK)
    (mail,) = family.settle()
    assert "Die Zeit und der Ort bleiben gleich" in mail.text


def test_a_change_of_clerk_alone_is_told_to_nobody(family):
    family.settle()
    holder = family.holder(SECOND)
    other = {"clerk1": "clerk2", "clerk2": "clerk1"}[holder]
    family.change(UID, start=at(7, 8))
    plan = family.propose(family.step(UID, clerk=holder), family.step(SECOND, clerk=other))
    family.plans.apply(plan.id, CLERK)
    assert family.settle() == []


def test_a_held_group_is_told_of_when_it_is_confirmed(any_world):
    held = group(at(7, 8), at(7, 8), hold_until=any_world.clock.now + timedelta(minutes=10))
    write(any_world, held)
    assert any_world.settle() == []
    etags = {}
    with any_world.service.database.read() as connection:
        for uid in (UID, SECOND):
            etags[uid] = reading.booking(connection, OFFICE, uid).etag
    write(any_world, replace(held, hold_until=None), etags)
    (mail,) = any_world.settle()
    assert mail.sequence == 0


def test_one_reminder_before_the_first(any_world):
    write(any_world, group(at(7, 8), at(7, 8, 30), reminder=True))
    any_world.settle()
    any_world.clock.now = datetime(2026, 12, 6, 9, tzinfo=UTC)
    (mail,) = any_world.settle()
    assert "Erinnerung" in mail.subject
    assert "8:00 Uhr und 8:30 Uhr" in mail.text


def test_what_she_knows_of_a_group_can_be_kept():
    seen = Snapshot.of(group(at(7, 8), at(7, 9)), OFFICE)
    assert Snapshot.from_json(seen.to_json()) == seen
    assert seen.parts[0][0] == at(7, 8).astimezone(UTC)
    alone = Snapshot.of(appointment(UID), OFFICE)
    assert Snapshot.from_json(alone.to_json()).parts == ()
    assert alone.start.astimezone(BERLIN) == at(7, 8)

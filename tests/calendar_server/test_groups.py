"""Appointments that are booked, changed and cancelled together: all or none, on both databases and over HTTP."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from calendar_server.client import ChangedError, NotFoundError, RefusedError
from calendar_server.ical.appointment import Part as Times
from calendar_server.ical.appointment import to_ical
from calendar_server.ical.group import all_uids, group_uid, join, number_of, part_uid, split
from calendar_server.refusals import PreconditionFailedError
from calendar_server.refusals import RefusedError as Refused
from calendar_server.service import Part
from calendar_server.storage import reading
from tests.calendar_server.test_service import SITE, VIEW, book, holders, stored
from tests.support.town import BERLIN, NOW, appointment, at

UID = "a1@test"


def family(*starts, minutes=30, **values):
    """One value for appointments at these starts."""
    parts = tuple(
        Times(number, start, start + timedelta(minutes=minutes)) for number, start in enumerate(starts, 1)
    )
    made = appointment(start=min(starts), minutes=minutes, group=len(starts), **values)
    return replace(made, end=max(part.end for part in parts), parts=parts)


def write(service, value, known=None, gone=()):
    parts = [Part(to_ical(each, now=NOW), (known or {}).get(each.uid, "")) for each in split(value)]
    return service.write_together("buergerbuero", parts, gone, SITE)


def etags(service):
    found = {}
    with service.database.read() as connection:
        for uid in all_uids(UID):
            row = reading.booking(connection, "buergerbuero", uid)
            if row is not None:
                found[uid] = row.etag
    return found


def where(service):
    return [(uid, holders(service, uid), stored(service, uid).start) for uid in etags(service)]


def test_uids_of_a_group_name_each_other():
    assert [part_uid("abc@h.example", number) for number in (1, 2)] == ["abc@h.example", "abc.g2@h.example"]
    for number in range(1, 9):
        assert group_uid(part_uid("abc@h.example", number)) == "abc@h.example"
        assert number_of(part_uid("abc@h.example", number)) == number
    for other in ("a.g2", "1.2@x", "abc.g1@x", "abc.g22@x", "a.b@x"):
        assert group_uid(other) == other


def test_what_is_split_can_be_joined_again():
    made = family(at(7, 8), at(7, 8), at(7, 8, 30))
    assert join(split(made)) == made
    assert join(split(appointment())) == appointment()
    assert join([]) is None


def test_those_that_are_cancelled_count_only_if_all_are():
    one, two = split(family(at(7, 8), at(7, 9)))
    left = join([replace(one, cancelled=True), two])
    assert (left.uid, left.start, [part.number for part in left.parts]) == (UID, at(7, 9), [2])
    assert join([replace(one, cancelled=True), replace(two, cancelled=True)]).cancelled


def test_a_family_is_booked_beside_each_other(service):
    write(service, family(at(7, 8), at(7, 8)))
    assert {tuple(each[1]) for each in where(service)} == {("clerk1",), ("clerk2",)}
    assert stored(service, "a1.g2@test").group == 2


def test_all_or_none(service):
    with pytest.raises(Refused) as refused:
        write(service, family(at(7, 8), at(7, 8), at(7, 8)))
    assert refused.value.rule == "no-free-clerk"
    assert where(service) == []


def test_it_can_be_repeated(service):
    made = family(at(7, 8), at(7, 8))
    first = write(service, made)
    again = write(service, made)
    assert [each.created for each in (*first, *again)] == [True, True, False, False]


def test_a_group_moves_over_its_own_places(service):
    """In a full office a family moves on by one place: its own old places are free for it."""
    book(service, appointment("x@t", at(7, 8), minutes=480, pinned=True))
    write(service, family(at(7, 8), at(7, 8, 30), at(7, 9)))
    known = etags(service)
    write(service, family(at(7, 8, 30), at(7, 9), at(7, 9, 30)), known)
    assert [each[2] for each in where(service)] == [at(7, 8, 30), at(7, 9), at(7, 9, 30)]
    write(service, family(at(7, 8), at(7, 8, 30), at(7, 9)), etags(service))
    assert [each[2] for each in where(service)] == [at(7, 8), at(7, 8, 30), at(7, 9)]


def test_a_move_needs_all_current_etags_and_changes_nothing_otherwise(service):
    write(service, family(at(7, 8), at(7, 8)))
    known = etags(service)
    book(service, replace(stored(service, "a1.g2@test"), start=at(7, 10), end=at(7, 10, 30)), if_match="*")
    with pytest.raises(PreconditionFailedError):
        write(service, family(at(7, 9), at(7, 9)), known)
    assert [each[2] for each in where(service)] == [at(7, 8), at(7, 10)]


def test_one_can_be_cancelled_while_the_others_stay(service):
    write(service, family(at(7, 8), at(7, 8)))
    service.write_together("buergerbuero", [], [(UID, etags(service)[UID])], SITE)
    assert [each[0] for each in where(service)] == ["a1.g2@test"]


def test_an_object_cant_come_twice(service):
    text = to_ical(appointment(), now=NOW)
    with pytest.raises(Refused) as refused:
        service.write_together("buergerbuero", [Part(text), Part(text)], [], SITE)
    assert refused.value.rule == "no-uid-conflict"


# Over HTTP --------------------------------------------------------------------------------------------------------------------


def test_the_client_books_reads_moves_and_cancels_a_group(server):
    client = server.client()
    made = family(at(7, 8), at(7, 8))
    client.book(made, now=NOW)
    read = client.read("buergerbuero", UID, BERLIN)
    assert [part.start for part in read.appointment.parts] == [at(7, 8), at(7, 8)]
    client.book(family(at(7, 9), at(7, 9, 30)), now=NOW, etag=read.etag)
    with pytest.raises(ChangedError):
        client.book(family(at(7, 10), at(7, 10)), now=NOW, etag=read.etag)
    with pytest.raises(RefusedError):
        client.book(replace(family(at(7, 8), at(7, 8), at(7, 8)), uid="b@test"), now=NOW)
    moved = client.read("buergerbuero", UID, BERLIN)
    assert [part.start for part in moved.appointment.parts] == [at(7, 9), at(7, 9, 30)]
    client.cancel("buergerbuero", UID, etag=moved.etag)
    with pytest.raises(NotFoundError):
        client.read("buergerbuero", UID, BERLIN)


def test_the_others_are_found_when_the_first_is_gone(server):
    client = server.client()
    client.book(family(at(7, 8), at(7, 9)), now=NOW)
    server.client("lead").cancel("buergerbuero", UID)
    left = client.read("buergerbuero", UID, BERLIN).appointment
    assert (left.uid, left.start, left.group, len(left.parts)) == (UID, at(7, 9), 2, 1)


@pytest.mark.parametrize("account", ["clerk1", "lead", "admin", "worker"])
def test_the_door_is_the_sites_alone(server, account):
    with pytest.raises(RefusedError) as refused:
        server.client(account).book(family(at(7, 8), at(7, 8)), now=NOW)
    assert refused.value.rule == "forbidden"


@pytest.mark.parametrize(
    "body",
    [
        {"put": 1},
        {"put": [1]},
        {"put": [{"text": 1}]},
        {"put": [{"text": "x", "etag": 1}]},
        {"delete": [{}]},
        {"put": [{"text": "x"}] * 9},
    ],
)
def test_bad_bodies_are_refused_by_name(server, body):
    with pytest.raises(RefusedError) as refused:
        server.client()._json("POST", "/.termin/groups/buergerbuero", body)
    assert refused.value.rule == "bad-request"


def test_what_is_no_calendar_object_is_refused(server):
    with pytest.raises(RefusedError) as refused:
        server.client()._json("POST", "/.termin/groups/buergerbuero", {"put": [{"text": "hello"}]})
    assert refused.value.rule == "valid-calendar-data"
    with pytest.raises(NotFoundError):
        server.client()._json("POST", "/.termin/groups/nowhere", {"put": []})


def test_the_view_still_lists_each_of_them(server):
    server.client().book(family(at(7, 8), at(7, 8)), now=NOW)
    events = server.calendar("lead", VIEW).events()
    assert sorted(str(event.icalendar_component["UID"]) for event in events) == ["a1.g2@test", "a1@test"]

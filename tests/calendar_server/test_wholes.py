"""A calendar as a whole: GET and PUT of a collection, all of it or nothing, and properties changed together."""

from __future__ import annotations

import threading

import pytest
from icalendar import Calendar

from calendar_server import service as service_module
from calendar_server.refusals import RefusedError
from calendar_server.service import Actor
from calendar_server.storage import reading
from calendar_server.storage.changes import ChangeLog
from tests.calendar_server.test_declined import OUTLOOK, THUNDERBIRD, meeting
from tests.calendar_server.test_service import CLERK, book, event, holders, stored
from tests.clients.dav import CS, D, Dav
from tests.support.town import BERLIN, NOW, appointment, at

CALENDAR = "clerk1/calendar"
COPY = "/clerk1/copy/"


@pytest.fixture
def clerk1(server):
    return Dav(server, "clerk1", "x")


def stream(*objects: str, head: str = "") -> str:
    """Several objects as one stream."""
    inner = [each[each.index("BEGIN:VTIMEZONE") : each.index("END:VCALENDAR")] for each in objects]
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{head}{''.join(inner)}END:VCALENDAR\r\n"


def named(body: str, uid: str) -> str:
    return meeting(body, "ACCEPTED").replace("UID:meeting", f"UID:{uid}")


def uids(text: str) -> list[str]:
    return sorted(str(each["UID"]) for each in Calendar.from_ical(text).walk("VEVENT"))


def names_and_etags(service) -> dict[str, str]:
    with service.database.read() as connection:
        return dict(reading.names_and_etags(connection, service.find(CALENDAR)))


def log(service) -> list[tuple[str, str]]:
    return [(each.uid, each.action) for each in ChangeLog(service.database, BERLIN).read("buergerbuero", 0)]


def test_what_is_put_as_a_whole_is_read_as_a_whole(clerk1):
    series = named(THUNDERBIRD, "a").replace("DTSTART;", "RRULE:FREQ=WEEKLY;COUNT=3\nDTSTART;")
    changed = named(THUNDERBIRD, "a").replace("DTSTART;", "RECURRENCE-ID:20261214T080000Z\nDTSTART;")
    sent = stream(series, changed, named(OUTLOOK, "b"), head="X-WR-CALNAME:Meine\\, alte\r\n")
    assert clerk1.put(COPY, sent).status_code == 201
    got = clerk1.send("GET", COPY)
    assert got.status_code == 200
    assert uids(got.text) == ["a", "a", "b"]
    assert got.text.count("TZID:W. Europe Standard Time\r\n") == 1
    assert (
        clerk1.find(COPY, '<propfind xmlns="DAV:"><prop><displayname/></prop></propfind>')[COPY].text(
            f"{D}displayname"
        )
        == "Meine, alte"
    )
    assert clerk1.send("GET", COPY, If_None_Match=got.headers["ETag"]).status_code == 304
    assert clerk1.put(COPY, got.text).status_code == 204


def test_only_what_differs_is_written(service):
    first = [event("a", at(7, 9)), event("b", at(7, 11)), event("c", at(7, 13))]
    service.replace_calendar(CALENDAR, first, {}, CLERK)
    before, seq = names_and_etags(service), service.find(CALENDAR).seq
    service.replace_calendar(CALENDAR, first, {}, CLERK)
    assert (names_and_etags(service), service.find(CALENDAR).seq) == (before, seq)
    service.replace_calendar(CALENDAR, [first[0], event("b", at(7, 12)), event("d", at(9, 9))], {}, CLERK)
    after = names_and_etags(service)
    assert sorted(after) == ["a.ics", "b.ics", "d.ics"]
    assert after["a.ics"] == before["a.ics"]
    assert after["b.ics"] != before["b.ics"]
    with service.database.read() as connection:
        where = service.find(CALENDAR)
        assert reading.changed_since(connection, where, seq) == (["b.ics", "d.ics"], ["c.ics"])
        days = {day for key, day in reading.busy_changed(connection, "buergerbuero", seq)}
        taken = reading.instances_in(connection, [where.id], 0, 2**40)
    assert days == {"2026-12-07", "2026-12-09"}
    assert [each.uid for each in taken] == ["a", "b", "d"]
    assert sorted(log(service)[-3:]) == [("b", "stored"), ("c", "deleted"), ("d", "stored")]


def test_an_object_whose_name_another_one_has_gets_one_of_its_own(service):
    service.put(CALENDAR, "b.ics", event("a", at(7, 9)), CLERK)
    service.replace_calendar(CALENDAR, [event("a", at(7, 9)), event("b", at(7, 11))], {}, CLERK)
    assert len(names_and_etags(service)) == 2


def test_appointments_stay_whatever_is_put(service):
    book(service, appointment())
    (mine,) = holders(service, "a1@test")
    service.replace_calendar(f"{mine}/calendar", [event("own", at(9, 9))], {}, Actor(mine))
    assert holders(service, "a1@test") == [mine]
    # What she exported with it may come back, changed by no more than her program would do.
    with service.database.read() as connection:
        text = reading.booking(connection, "buergerbuero", "a1@test").text
    service.replace_calendar(
        f"{mine}/calendar", [text.replace("DTSTAMP", "X-SEEN:1\r\nDTSTAMP")], {}, Actor(mine)
    )
    assert stored(service, "a1@test").start == at(7, 8)


def test_nothing_is_done_if_one_of_it_is_refused(service):
    service.replace_calendar(CALENDAR, [event("a", at(7, 9))], {}, CLERK)
    book(service, appointment("one@test", at(7, 12)))
    book(service, appointment("two@test", at(7, 12)))
    (mine,) = holders(service, "one@test")
    before, path = names_and_etags(service), f"{mine}/calendar"
    with service.database.read() as connection:
        other = reading.booking(connection, "buergerbuero", "two@test").text
    with pytest.raises(RefusedError, match="time-taken"):
        service.replace_calendar(path, [event("b", at(9, 9)), other], {}, Actor(mine))
    bad = event("c", at(9, 9)).replace("DTSTART", "RRULE:FREQ=DAILY;INTERVAL=0\r\nDTSTART")
    with pytest.raises(RefusedError):
        service.replace_calendar("clerk1/new", [event("b", at(9, 9)), bad], {}, CLERK)
    assert names_and_etags(service) == before
    assert service.find("clerk1/new") is None


def test_too_many_objects_are_refused_by_name(clerk1):
    one = named(THUNDERBIRD, "x")
    member = one[one.index("BEGIN:VEVENT") : one.index("END:VCALENDAR")]
    many = "".join(member.replace("UID:x", f"UID:x{n}") for n in range(service_module.MOST_OBJECTS + 1))
    answer = clerk1.put(COPY, one.replace(member, many))
    assert answer.status_code == 403
    assert "too-many-objects" in answer.text
    assert clerk1.send("GET", COPY).status_code == 404


def test_too_many_instances_are_refused_by_name(service, monkeypatch):
    monkeypatch.setattr(service_module, "MOST_INSTANCES", 100)
    daily = event("a", at(7, 9), RRULE={"FREQ": "DAILY", "COUNT": 101})
    with pytest.raises(RefusedError, match="too many instances"):
        service.replace_calendar(CALENDAR, [daily], {}, CLERK)
    service.replace_calendar(CALENDAR, [daily.replace("101", "100")], {}, CLERK)


def test_preconditions_hold_for_the_whole(clerk1):
    sent = stream(named(THUNDERBIRD, "a"))
    assert clerk1.put(COPY, sent, If_Match='"1-1"').status_code == 412
    assert clerk1.put(COPY, sent, If_None_Match="*").status_code == 201
    assert clerk1.put(COPY, sent, If_None_Match="*").status_code == 412
    etag = clerk1.send("GET", COPY).headers["ETag"]
    assert clerk1.put(f"{COPY}b.ics", named(THUNDERBIRD, "b")).status_code == 201
    assert clerk1.put(COPY, sent, If_Match=etag).status_code == 412
    etag = clerk1.send("GET", COPY).headers["ETag"]
    assert clerk1.put(COPY, sent, If_Match=etag).status_code == 204


@pytest.mark.parametrize(
    ("account", "path", "status"),
    [
        ("clerk2", "/clerk1/calendar/", 403),
        ("lead", "/clerk1/calendar/", 403),
        ("lead", "/buergerbuero/appointments/", 403),
        ("lead", "/buergerbuero/busy/", 403),
        ("site", "/buergerbuero/appointments/", 403),
        ("clerk1", "/clerk1/", 403),
        ("clerk1", "/clerk1/inbox/", 403),
        ("clerk1", "/clerk1/a/b/", 403),
    ],
)
def test_who_may_not_put_a_whole_calendar(server, account, path, status):
    assert Dav(server, account, "x").put(path, stream(named(THUNDERBIRD, "a"))).status_code == status


@pytest.mark.parametrize(
    "body", ["", "nonsense", "BEGIN:VCARD\r\nEND:VCARD\r\n", "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n"]
)
def test_what_is_no_calendar_is_refused_and_not_logged(clerk1, body, capfd):
    answer = clerk1.put(COPY, body + "SUMMARY:Erika Mustermann\r\n")
    assert answer.status_code == 403
    assert "valid-calendar-data" in answer.text
    said = capfd.readouterr()
    assert "Erika" not in said.out + said.err


def test_a_calendar_is_read_by_who_may(server, clerk1):
    server.client().book(appointment(), now=NOW)
    lead = Dav(server, "lead", "x")
    assert uids(lead.send("GET", "/buergerbuero/appointments/").text) == ["a1@test"]
    assert "X-TERMIN-SERVICE" in lead.send("GET", "/buergerbuero/appointments/").text
    assert "VFREEBUSY" in lead.send("GET", "/buergerbuero/busy/").text
    assert Dav(server, "site", "x").send("GET", "/buergerbuero/appointments/").status_code == 403
    assert lead.send("GET", "/clerk1/").status_code == 403
    assert clerk1.send("GET", "/clerk1/none/").status_code == 404


def prop_patch(name: str, value: str) -> str:
    return (
        f'<propertyupdate xmlns="DAV:" xmlns:S="http://example.org/"><set><prop><S:{name}>{value}</S:{name}></prop></set>'
        "</propertyupdate>"
    )


def test_properties_set_at_the_same_time_are_all_kept(service):
    names = [f"{{http://example.org/}}p{number}" for number in range(16)]
    threads = [
        threading.Thread(target=service.change_props, args=(CALENDAR, {name: "x"}, CLERK)) for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(names) <= service.find(CALENDAR).props.keys()
    service.change_props(CALENDAR, dict.fromkeys(names), CLERK)
    assert not set(names) & service.find(CALENDAR).props.keys()


def test_changing_properties_changes_the_ctag_once(clerk1):
    ctag = '<propfind xmlns="DAV:" xmlns:CS="http://calendarserver.org/ns/"><prop><CS:getctag/></prop></propfind>'
    path = f"/{CALENDAR}/"

    def seen() -> str:
        return clerk1.find(path, ctag)[path].text(f"{CS}getctag")

    first = seen()
    answer = clerk1.send("PROPPATCH", path, prop_patch("p", "1"))
    assert (answer.status_code, "200 OK" in answer.text) == (207, True)
    second = seen()
    assert second != first
    clerk1.send("PROPPATCH", path, prop_patch("p", "1"))
    assert seen() == second


def test_what_has_no_properties_is_told_apart(server, clerk1):
    clerk1.put(f"/{CALENDAR}/a.ics", named(THUNDERBIRD, "a"))
    assert clerk1.send("PROPPATCH", f"/{CALENDAR}/a.ics", prop_patch("p", "1")).status_code == 403
    assert clerk1.send("PROPPATCH", "/clerk1/none/", prop_patch("p", "1")).status_code == 404
    site = Dav(server, "site", "x")
    assert site.send("PROPPATCH", "/buergerbuero/appointments/", prop_patch("p", "1")).status_code == 403


def test_a_zone_with_a_prefix_is_read_and_not_logged(clerk1, capfd):
    prefixed = named(THUNDERBIRD, "a").replace("TZID:Europe", "TZID:/Erika/Europe")
    prefixed = prefixed.replace("TZID=Europe", "TZID=/Erika/Europe")
    assert clerk1.put(f"/{CALENDAR}/a.ics", prefixed).status_code == 201
    assert clerk1.put(COPY, prefixed).status_code == 201
    said = capfd.readouterr()
    assert "Erika" not in said.out + said.err

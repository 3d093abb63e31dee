"""Calendar on macOS and iOS: it asks for everything that Apple's own server has, and takes what it gets."""

from __future__ import annotations

import re

import pytest

from calendar_server.ical.appointment import to_ical
from tests.clients.dav import CS, ICAL, C, D, Dav, multistatus, sync_token
from tests.support.town import BERLIN, NOW, appointment, at

AGENT = "macOS/26.0 (25A354) CalendarAgent/1044"
CALENDAR = "/clerk1/calendar/"
NS = (
    'xmlns:A="DAV:" xmlns:B="urn:ietf:params:xml:ns:caldav" xmlns:C="http://calendarserver.org/ns/" '
    'xmlns:D="http://apple.com/ns/ical/" xmlns:E="http://me.com/_namespace/"'
)
XML = '<?xml version="1.0" encoding="UTF-8"?>'


def propfind(*names: str) -> str:
    return f"{XML}<A:propfind {NS}><A:prop>{''.join(f'<{name}/>' for name in names)}</A:prop></A:propfind>"


PRINCIPAL = (
    "B:calendar-home-set",
    "B:calendar-user-address-set",
    "A:current-user-principal",
    "A:displayname",
    "C:dropbox-home-URL",
    "C:email-address-set",
    "B:max-attendees-per-instance",
    "C:notification-URL",
    "A:principal-URL",
    "A:principal-collection-set",
    "A:resource-id",
    "B:schedule-inbox-URL",
    "B:schedule-outbox-URL",
    "A:supported-report-set",
)
HOME = (
    "A:add-member",
    "C:allowed-sharing-modes",
    "D:autoprovisioned",
    "E:bulk-requests",
    "B:calendar-alarms",
    "D:calendar-color",
    "B:calendar-description",
    "B:calendar-free-busy-set",
    "D:calendar-order",
    "B:calendar-timezone",
    "A:current-user-privilege-set",
    "B:default-alarm-vevent-date",
    "A:displayname",
    "C:getctag",
    "A:owner",
    "C:pre-publish-url",
    "A:quota-available-bytes",
    "D:refreshrate",
    "A:resource-id",
    "A:resourcetype",
    "B:schedule-calendar-transp",
    "B:schedule-default-calendar-URL",
    "C:source",
    "C:subscribed-strip-alarms",
    "B:supported-calendar-component-set",
    "B:supported-calendar-component-sets",
    "A:supported-report-set",
    "A:sync-token",
    "C:xmpp-uri",
)


@pytest.fixture
def apple(server):
    return Dav(server, "clerk1", AGENT)


def plain(uid: str, start: str = "20261209T140000", *, summary: str = "Zahnarzt") -> str:
    return (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Apple Inc.//macOS 26.0//EN\r\nCALSCALE:GREGORIAN\r\n"
        "BEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\nBEGIN:DAYLIGHT\r\nTZOFFSETFROM:+0100\r\n"
        "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\r\nDTSTART:19810329T020000\r\nTZNAME:MESZ\r\nTZOFFSETTO:+0200\r\n"
        "END:DAYLIGHT\r\nBEGIN:STANDARD\r\nTZOFFSETFROM:+0200\r\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r\n"
        "DTSTART:19961027T030000\r\nTZNAME:MEZ\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
        f"BEGIN:VEVENT\r\nTRANSP:OPAQUE\r\nDTEND;TZID=Europe/Berlin:{start[:9]}150000\r\nUID:{uid}\r\n"
        "DTSTAMP:20261201T110000Z\r\nLOCATION:Platz 1\\nMeschede\r\n"
        'X-APPLE-STRUCTURED-LOCATION;VALUE=URI;X-TITLE="Platz 1\\nMeschede":geo:51.34\\,8.28\r\n'
        f"SEQUENCE:0\r\nSUMMARY:{summary}\r\nDTSTART;TZID=Europe/Berlin:{start}\r\nX-APPLE-TRAVEL-ADVISORY-BEHAVIOR:AUTOMATIC\r\n"
        "BEGIN:VALARM\r\nX-WR-ALARMUID:1B\r\nUID:1B\r\nTRIGGER:-PT15M\r\nDESCRIPTION:Ereignis\r\nACTION:DISPLAY\r\n"
        "END:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )


def test_it_finds_the_calendar_from_the_servers_name(apple):
    first = apple.send(
        "PROPFIND", "/.well-known/caldav", propfind("A:current-user-principal", "A:principal-URL"), Depth="0"
    )
    assert first.status_code in {301, 302, 307}
    root = first.headers["Location"]
    (principal,) = apple.find(
        root, propfind("A:current-user-principal", "A:principal-URL", "A:resourcetype")
    )[root].hrefs(f"{D}current-user-principal")
    assert apple.send("OPTIONS", principal).status_code == 200
    found = apple.find(principal, propfind(*PRINCIPAL))[principal]
    (home,) = found.hrefs(f"{C}calendar-home-set")
    assert found.hrefs(f"{D}principal-URL") == [principal]
    calendars = apple.find(home, propfind(*HOME), 1)
    shown = calendars[CALENDAR]
    assert f"{C}calendar" in shown.names(f"{D}resourcetype")
    assert shown.hrefs(f"{D}owner") == [principal]
    comps = {element.get("name") for element in shown.props[f"{C}supported-calendar-component-set"]}
    assert "VEVENT" in comps
    assert shown.text(f"{D}sync-token")
    assert shown.text(f"{CS}getctag")
    assert f"{C}calendar-free-busy-set" in shown.missing


def test_it_asks_which_properties_principals_can_be_searched_by(apple):
    body = f'{XML}<A:principal-search-property-set xmlns:A="DAV:"/>'
    answer = apple.send("REPORT", "/", body, Depth="0")
    assert answer.status_code == 200
    assert "principal-search-property-set" in answer.text


def test_colour_order_and_name_are_kept(apple):
    body = (
        f'{XML}<A:propertyupdate {NS}><A:set><A:prop><D:calendar-color symbolic-color="blue">#1BADF8FF</D:calendar-color>'
        "<D:calendar-order>2</D:calendar-order><A:displayname>Arbeit</A:displayname></A:prop></A:set></A:propertyupdate>"
    )
    assert multistatus(apple.send("PROPPATCH", CALENDAR, body))[CALENDAR].missing == set()
    found = apple.find(CALENDAR, propfind("D:calendar-color", "D:calendar-order", "A:displayname"))[CALENDAR]
    assert found.text(f"{ICAL}calendar-color") == "#1BADF8FF"
    assert found.text(f"{ICAL}calendar-order") == "2"
    assert found.text(f"{D}displayname") == "Arbeit"


def test_a_new_calendar_with_all_it_sends(apple):
    body = (
        f'{XML}<B:mkcalendar {NS}><A:set><A:prop><B:supported-calendar-component-set><B:comp name="VEVENT"/>'
        "</B:supported-calendar-component-set><A:displayname>Privat</A:displayname><D:calendar-order>7</D:calendar-order>"
        '<B:calendar-free-busy-set><NO/></B:calendar-free-busy-set><D:calendar-color symbolic-color="red">#FF2968FF'
        "</D:calendar-color></A:prop></A:set></B:mkcalendar>"
    )
    path = "/clerk1/7C1D9D1C-96BD-46B4-8D36-7C1C0E1DB7E1/"
    assert apple.send("MKCALENDAR", path, body).status_code == 201
    found = apple.find(path, propfind(*HOME))[path]
    assert found.text(f"{D}displayname") == "Privat"
    assert {e.get("name") for e in found.props[f"{C}supported-calendar-component-set"]} == {"VEVENT"}
    assert apple.send("DELETE", path).status_code in {200, 204}


def test_a_first_look_and_what_changes_later(apple, server):
    body = (
        f"{XML}<B:calendar-query {NS}><A:prop><A:getetag/><A:getcontenttype/></A:prop><B:filter>"
        '<B:comp-filter name="VCALENDAR"><B:comp-filter name="VEVENT"><B:time-range start="20261107T000000Z"/>'
        "</B:comp-filter></B:comp-filter></B:filter></B:calendar-query>"
    )
    listed = apple.report(CALENDAR, body)
    assert sorted(listed) == [f"{CALENDAR}first@test.ics", f"{CALENDAR}second@test.ics"]

    def sync(token: str):
        body = (
            f'{XML}<A:sync-collection xmlns:A="DAV:"><A:sync-token>{token}</A:sync-token><A:sync-level>1</A:sync-level>'
            "<A:prop><A:getcontenttype/><A:getetag/></A:prop></A:sync-collection>"
        )
        answer = apple.send("REPORT", CALENDAR, body)
        return multistatus(answer), sync_token(answer)

    found, token = sync("")
    assert found.keys() == listed.keys()
    server.client().cancel("buergerbuero", "first@test")
    new = "5B7A0E5C-4D5E-4B3B-9C57-0E3B1D0E2A11"
    put = apple.put(f"{CALENDAR}{new}.ics", plain(new), If_None_Match="*")
    assert put.status_code == 201
    found, token = sync(token)
    assert found[f"{CALENDAR}first@test.ics"].status == 404
    assert found[f"{CALENDAR}{new}.ics"].text(f"{D}getetag") == put.headers["ETag"]
    hrefs = f"<A:href>{CALENDAR}{new}.ics</A:href>"
    props = "<A:prop><A:getetag/><B:schedule-tag/><B:calendar-data/><C:updated-by/><C:created-by/></A:prop>"
    got = apple.report(CALENDAR, f"{XML}<B:calendar-multiget {NS}>{props}{hrefs}</B:calendar-multiget>")
    text = re.sub(r"\n ", "", got[f"{CALENDAR}{new}.ics"].text(f"{C}calendar-data"))
    assert 'X-TITLE="Platz 1\\nMeschede"' in text
    assert sync(token)[0] == {}


def test_an_edit_and_a_deletion_of_what_another_has_changed(apple, server):
    uid = "5B7A0E5C-4D5E-4B3B-9C57-0E3B1D0E2A11"
    href = f"{CALENDAR}{uid}.ics"
    first = apple.put(href, plain(uid), If_None_Match="*").headers["ETag"]
    assert apple.put(href, plain(uid), If_None_Match="*").status_code == 412
    second = apple.put(href, plain(uid, summary="Zahnärztin"), If_Match=first)
    assert second.status_code == 204
    assert apple.put(href, plain(uid, summary="zu spät"), If_Match=first).status_code == 412
    assert apple.send("DELETE", href, If_Match=first).status_code == 412
    assert apple.send("DELETE", href, If_Match=second.headers["ETag"]).status_code == 204


def test_an_appointment_dragged_on_the_phone(apple, server):
    href = f"{CALENDAR}first@test.ics"
    etag = apple.send("GET", href).headers["ETag"]
    moved = to_ical(appointment("first@test", at(7, 14), "anmeldung"), now=NOW)
    bare = re.sub(r"X-TERMIN-[^\r\n]*\r\n", "", moved)
    assert apple.put(href, bare, If_Match=etag).status_code == 204
    stored = server.client().read("buergerbuero", "first@test", BERLIN).appointment
    assert (stored.start, stored.name) == (at(7, 14), "Erika Muster")
    onto = to_ical(appointment("first@test", at(7, 11), "anmeldung"), now=NOW)
    etag = apple.send("GET", href).headers["ETag"]
    assert apple.put(href, onto, If_Match=etag).status_code == 403

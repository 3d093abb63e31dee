"""Outlook with CalDav Synchronizer: every 30 minutes a query for etags, then multigets of 100, and PUTs with If-Match.

"WebDAV collection sync" is an option there: with it on, changes come by sync-collection instead of the query.
"""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from calendar_server.ical.appointment import from_ical
from tests.clients.dav import CS, C, D, Dav, multistatus, sync_token
from tests.support.town import BERLIN, NOW, at

AGENT = "CalDavSynchronizer/4.4"
CALENDAR = "/clerk1/calendar/"
XML = '<?xml version="1.0"?>'
NS = 'xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:D="DAV:"'
# As Outlook names zones, with the rules it ships.
ZONE = """BEGIN:VTIMEZONE
TZID:W. Europe Standard Time
BEGIN:STANDARD
DTSTART:16011028T030000
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010325T020000
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
END:DAYLIGHT
END:VTIMEZONE
"""


@pytest.fixture
def outlook(server):
    return Dav(server, "clerk1", AGENT)


def query() -> str:
    start, end = NOW - timedelta(days=60), NOW + timedelta(days=365)
    return (
        f"{XML}<C:calendar-query {NS}><D:prop><D:getetag/></D:prop><C:filter><C:comp-filter name='VCALENDAR'>"
        f"<C:comp-filter name='VEVENT'><C:time-range start='{start:%Y%m%dT%H%M%SZ}' end='{end:%Y%m%dT%H%M%SZ}'/>"
        "</C:comp-filter></C:comp-filter></C:filter></C:calendar-query>"
    )


def multiget(hrefs: list[str]) -> str:
    wanted = "".join(f"<D:href>{href}</D:href>" for href in hrefs)
    props = "<D:prop><D:getetag/><D:displayname/><C:calendar-data/></D:prop>"
    return f"{XML}<C:calendar-multiget {NS}>{props}{wanted}</C:calendar-multiget>"


def sync(token: str) -> str:
    return (
        f'{XML}<D:sync-collection xmlns:D="DAV:"><D:sync-token>{token}</D:sync-token>'
        "<D:sync-level>1</D:sync-level><D:prop><D:getetag/></D:prop></D:sync-collection>"
    )


def meeting(uid: str, start, *, lines: str = "") -> str:
    end = start + timedelta(minutes=30)
    return (
        "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//github.com/rianjs/ical.net//NONSGML ical.net 2.2//EN\n"
        f"{ZONE}BEGIN:VEVENT\nCLASS:PUBLIC\nDTSTAMP:20261201T110000Z\n"
        f"DTSTART;TZID=W. Europe Standard Time:{start:%Y%m%dT%H%M%S}\n"
        f"DTEND;TZID=W. Europe Standard Time:{end:%Y%m%dT%H%M%S}\n"
        f"{lines}PRIORITY:5\nSEQUENCE:0\nSUMMARY:Besprechung\nTRANSP:OPAQUE\nUID:{uid}\n"
        "X-MICROSOFT-CDO-BUSYSTATUS:BUSY\nEND:VEVENT\nEND:VCALENDAR\n"
    )


def test_its_settings_page_finds_what_it_tests_for(outlook):
    options = outlook.send("OPTIONS", CALENDAR)
    assert "calendar-access" in options.headers["DAV"]
    body = (
        f"{XML}<D:propfind {NS}><D:prop><D:resourcetype/><D:displayname/><C:supported-calendar-component-set/>"
        "<D:current-user-privilege-set/><D:supported-report-set/></D:prop></D:propfind>"
    )
    found = outlook.find(CALENDAR, body)[CALENDAR]
    assert f"{C}calendar" in found.names(f"{D}resourcetype")
    assert {f"{D}write-content", f"{D}bind", f"{D}unbind"} <= found.names(f"{D}current-user-privilege-set")
    assert f"{D}sync-collection" in found.names(f"{D}supported-report-set")


def test_its_account_wizard_finds_the_calendar(outlook):
    principal = outlook.find(
        "/", f"{XML}<D:propfind {NS}><D:prop><D:current-user-principal/></D:prop></D:propfind>"
    )
    (path,) = principal["/"].hrefs(f"{D}current-user-principal")
    home = outlook.find(path, f"{XML}<D:propfind {NS}><D:prop><C:calendar-home-set/></D:prop></D:propfind>")
    (place,) = home[path].hrefs(f"{C}calendar-home-set")
    body = (
        f'{XML}<D:propfind {NS} xmlns:E="http://apple.com/ns/ical/"><D:prop><D:resourcetype/><D:displayname/>'
        "<E:calendar-color/><C:supported-calendar-component-set/><D:acl/></D:prop></D:propfind>"
    )
    calendars = [
        href
        for href, found in outlook.find(place, body, 1).items()
        if f"{C}calendar" in found.names(f"{D}resourcetype")
    ]
    assert calendars == [CALENDAR]


@pytest.mark.parametrize("collection_sync", [False, True], ids=["query", "collection sync"])
def test_a_round_of_synchronisation(outlook, server, collection_sync):
    token = ""

    def versions() -> dict[str, str]:
        nonlocal token
        body = sync(token) if collection_sync else query()
        answer = outlook.send("REPORT", CALENDAR, body, Depth="0" if collection_sync else "1")
        if collection_sync:
            token = sync_token(answer)
        return {
            href: found.text(f"{D}getetag") if found.status is None else str(found.status)
            for href, found in multistatus(answer).items()
        }

    first = versions()
    assert sorted(first) == [f"{CALENDAR}first@test.ics", f"{CALENDAR}second@test.ics"]
    got = outlook.report(CALENDAR, multiget(list(first)))
    assert {href: found.text(f"{D}getetag") for href, found in got.items()} == first

    # She moves the appointment in Outlook, which knows nothing of X-TERMIN properties and names the zone its own way.
    href = f"{CALENDAR}first@test.ics"
    changed = meeting("first@test", at(7, 14)).replace("SUMMARY:Besprechung", "SUMMARY:Anmeldung · Muster")
    put = outlook.put(href, changed, If_Match=first[href])
    assert put.status_code == 204
    assert "ETag" not in put.headers
    moved = server.client().read("buergerbuero", "first@test", BERLIN).appointment
    assert (moved.start, moved.email, moved.services[0].id) == (
        at(7, 14),
        "erika@example.org",
        "anmeldung",
    )

    second = versions()
    assert second[href] != first[href]
    assert set(second) == ({href} if collection_sync else set(first))
    server.client().cancel("buergerbuero", "second@test")
    third = versions()
    assert third.get(f"{CALENDAR}second@test.ics") == ("404" if collection_sync else None)
    assert versions() == ({} if collection_sync else {href: second[href]})


def test_a_stale_etag_is_refused(outlook):
    href = f"{CALENDAR}first@test.ics"
    assert outlook.put(href, meeting("first@test", at(7, 14)), If_Match='"old"').status_code == 412
    assert outlook.send("DELETE", href, If_Match='"old"').status_code == 412


def test_an_appointment_dragged_onto_another_is_refused_by_name(outlook):
    href = f"{CALENDAR}first@test.ics"
    (etag,) = [found.text(f"{D}getetag") for found in outlook.report(CALENDAR, multiget([href])).values()]
    answer = outlook.put(href, meeting("first@test", at(7, 11, 15)), If_Match=etag)
    assert answer.status_code == 403
    assert "time-taken" in answer.text
    assert outlook.send("GET", href).headers["ETag"] == etag


def test_hundreds_of_events_come_in_multigets_of_a_hundred(outlook):
    for number in range(105):
        start = at(9, 13) + timedelta(hours=number)
        uid = f"040000008200E00074C5B7101A82E008{number:08X}"
        assert outlook.put(f"{CALENDAR}{uid}.ics", meeting(uid, start), If_None_Match="*").status_code == 201
    hrefs = list(outlook.report(CALENDAR, query()))
    assert len(hrefs) == 107
    got: dict[str, str] = {}
    for at_ in range(0, len(hrefs), 100):
        for href, found in outlook.report(CALENDAR, multiget(hrefs[at_ : at_ + 100])).items():
            got[href] = found.text(f"{C}calendar-data")
    assert sorted(got) == sorted(hrefs)
    assert sum("W. Europe Standard Time" in text for text in got.values()) == 105


def test_a_meeting_keeps_who_organises_it_and_who_sends_mails(outlook):
    lines = (
        "ORGANIZER;CN=Clerk 1;SCHEDULE-AGENT=CLIENT:mailto:clerk1@example.org\n"
        "ATTENDEE;CN=Gast;CUTYPE=INDIVIDUAL;PARTSTAT=NEEDS-ACTION;ROLE=REQ-PARTICIPANT;RSVP=TRUE:mailto:gast@example.org\n"
    )
    assert (
        outlook.put(f"{CALENDAR}m.ics", meeting("m", at(9, 14), lines=lines), If_None_Match="*").status_code
        == 201
    )
    text = re.sub(r"\r\n ", "", outlook.send("GET", f"{CALENDAR}m.ics").text)
    assert "ORGANIZER;CN=Clerk 1;SCHEDULE-AGENT=CLIENT:mailto:clerk1@example.org" in text
    assert "mailto:gast@example.org" in text


def test_times_in_outlooks_zones_block_the_right_hours(outlook, server):
    assert outlook.put(f"{CALENDAR}m.ics", meeting("m", at(9, 9))).status_code == 201
    body = f"{XML}<C:free-busy-query {NS}><C:time-range start='20261209T000000Z' end='20261210T000000Z'/></C:free-busy-query>"
    assert "20261209T080000Z/20261209T083000Z" in outlook.send("REPORT", CALENDAR, body, Depth="1").text
    assert from_ical(outlook.send("GET", f"{CALENDAR}first@test.ics").text, BERLIN).start == at(7, 9)
    assert (
        f"{CS}getctag"
        in outlook.find(
            CALENDAR,
            f"{XML}<D:propfind {NS} xmlns:S='http://calendarserver.org/ns/'><D:prop><S:getctag/></D:prop></D:propfind>",
        )[CALENDAR].props
    )

"""DAVx⁵ on Android: finds calendars from a base address, syncs by collection sync in pages, and downloads in small multigets."""

from __future__ import annotations

import pytest

from tests.clients.dav import CS, C, D, Dav, multistatus, sync_token
from tests.support.town import BERLIN, at

AGENT = "DAVx5/4.5.6-ose (dav4jvm; okhttp/5.1.0) Android/16"
CALENDAR = "/clerk1/calendar/"
XML = "<?xml version='1.0' encoding='UTF-8' ?>"
NS = 'xmlns="DAV:" xmlns:CAL="urn:ietf:params:xml:ns:caldav" xmlns:CARD="urn:ietf:params:xml:ns:carddav"'


@pytest.fixture
def phone(server):
    return Dav(server, "clerk1", AGENT)


def propfind(names: str) -> str:
    return f"{XML}<propfind {NS}><prop>{names}</prop></propfind>"


def event(uid: str, summary: str) -> str:
    return (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:DAVx5/4.5.6-ose ical4j/3.2.19 (com.android.calendar)\r\n"
        f"BEGIN:VEVENT\r\nDTSTAMP:20261201T110000Z\r\nUID:{uid}\r\nSUMMARY:{summary}\r\n"
        "DTSTART;TZID=Europe/Berlin:20261209T140000\r\nDTEND;TZID=Europe/Berlin:20261209T150000\r\nSTATUS:CONFIRMED\r\n"
        "END:VEVENT\r\nEND:VCALENDAR\r\n"
    )


def test_it_finds_calendars_from_the_base_address(phone):
    found = phone.find("/", propfind("<current-user-principal/><CAL:calendar-home-set/><resourcetype/>"))
    (principal,) = found["/"].hrefs(f"{D}current-user-principal")
    assert "calendar-access" in phone.send("OPTIONS", principal).headers["DAV"]
    found = phone.find(principal, propfind("<displayname/><CAL:calendar-home-set/><group-membership/>"))
    (home,) = found[principal].hrefs(f"{C}calendar-home-set")
    names = (
        "<resourcetype/><displayname/><owner/><current-user-privilege-set/><CAL:calendar-description/>"
        '<color xmlns="http://apple.com/ns/ical/"/><CAL:calendar-timezone/><CAL:calendar-timezone-id/>'
        '<CAL:supported-calendar-component-set/><source xmlns="http://calendarserver.org/ns/"/><CARD:addressbook-description/>'
    )
    calendar = phone.find(home, propfind(names), 1)[CALENDAR]
    assert f"{C}calendar" in calendar.names(f"{D}resourcetype")
    assert {f"{D}write-content", f"{D}unbind"} <= calendar.names(f"{D}current-user-privilege-set")
    assert f"{C}calendar-timezone" in calendar.missing


def test_it_asks_what_the_calendar_can_do_and_whether_it_changed(phone):
    names = '<CAL:max-resource-size/><supported-report-set/><getctag xmlns="http://calendarserver.org/ns/"/><sync-token/>'
    found = phone.find(CALENDAR, propfind(names))[CALENDAR]
    assert f"{D}sync-collection" in found.names(f"{D}supported-report-set")
    assert int(found.text(f"{C}max-resource-size")) > 100_000
    before = found.text(f"{CS}getctag"), found.text(f"{D}sync-token")
    assert phone.put(f"{CALENDAR}e1.ics", event("e1", "Zahnarzt"), If_None_Match="*").status_code == 201
    after = phone.find(CALENDAR, propfind(names))[CALENDAR]
    assert after.text(f"{CS}getctag") != before[0]
    assert after.text(f"{D}sync-token") != before[1]


def test_it_lists_by_a_query_without_end(phone):
    body = (
        f"{XML}<CAL:calendar-query {NS}><prop><getetag/></prop><CAL:filter><CAL:comp-filter name='VCALENDAR'>"
        "<CAL:comp-filter name='VEVENT'><CAL:time-range start='20260902T110000Z'/></CAL:comp-filter></CAL:comp-filter>"
        "</CAL:filter></CAL:calendar-query>"
    )
    assert sorted(phone.report(CALENDAR, body)) == [f"{CALENDAR}first@test.ics", f"{CALENDAR}second@test.ics"]


def sync(phone: Dav, token: str, limit: int):
    body = (
        f"{XML}<sync-collection {NS}><sync-token>{token}</sync-token><sync-level>1</sync-level>"
        f"<limit><nresults>{limit}</nresults></limit><prop><getetag/></prop></sync-collection>"
    )
    answer = phone.send("REPORT", CALENDAR, body, Depth="0")
    found = multistatus(answer)
    more = found.pop(CALENDAR, None)
    assert more is None or more.status == 507
    return found, sync_token(answer), more is not None


def test_it_syncs_in_pages_and_downloads_what_is_new(phone, server):
    for number in range(5):
        assert (
            phone.put(
                f"{CALENDAR}e{number}.ics", event(f"e{number}", "Termin"), If_None_Match="*"
            ).status_code
            == 201
        )
    names: list[str] = []
    token, more = "", True
    while more:
        found, token, more = sync(phone, token, 3)
        assert len(found) <= 3
        names += found
    assert len(names) == len(set(names)) == 7
    props = '<prop><getcontenttype/><getetag/><CAL:schedule-tag/><CAL:calendar-data content-type="text/calendar" version="2.0"/></prop>'
    hrefs = "".join(f"<href>{name}</href>" for name in [*names, f"{CALENDAR}gone.ics"])
    got = phone.report(CALENDAR, f"{XML}<CAL:calendar-multiget {NS}>{props}{hrefs}</CAL:calendar-multiget>")
    assert got.pop(f"{CALENDAR}gone.ics").status == 404
    for found in got.values():
        assert found.text(f"{D}getcontenttype").startswith("text/calendar")
        assert found.text(f"{C}calendar-data").startswith("BEGIN:VCALENDAR")
        assert found.missing == {f"{C}schedule-tag"}
    server.client().cancel("buergerbuero", "second@test")
    found, token, more = sync(phone, token, 3)
    assert {name: one.status for name, one in found.items()} == {f"{CALENDAR}second@test.ics": 404}
    assert sync(phone, token, 3) == ({}, token, False)


def test_a_token_from_elsewhere_makes_it_start_anew(phone):
    body = (
        f"{XML}<sync-collection {NS}><sync-token>http://example.org/sync/1</sync-token><sync-level>1</sync-level>"
        "<prop><getetag/></prop></sync-collection>"
    )
    answer = phone.send("REPORT", CALENDAR, body, Depth="0")
    assert answer.status_code == 403
    assert "valid-sync-token" in answer.text


def test_it_uploads_changes_and_deletes_with_etags(phone, server):
    first = phone.put(f"{CALENDAR}e1.ics", event("e1", "Zahnarzt"), If_None_Match="*")
    again = phone.put(f"{CALENDAR}e1.ics", event("e1", "Zahnärztin"), If_Match=first.headers["ETag"])
    assert again.status_code == 204
    assert phone.send("DELETE", f"{CALENDAR}e1.ics", If_Match=first.headers["ETag"]).status_code == 412
    assert phone.send("DELETE", f"{CALENDAR}e1.ics", If_Match=again.headers["ETag"]).status_code == 204
    assert phone.send("DELETE", f"{CALENDAR}e1.ics").status_code == 404
    assert server.client().read("buergerbuero", "first@test", BERLIN).appointment.start == at(7, 9)

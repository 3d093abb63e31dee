"""What Thunderbird sends, as recorded from version 153 (`tests.clients.thunderbird` runs the program itself)."""

from __future__ import annotations

import pytest
import requests

from tests.clients.dav import CS, C, D, Dav, multistatus, sync_token
from tests.support.town import at

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Thunderbird/153.7.0"
CALENDAR = "/clerk1/calendar/"
XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
NS = "xmlns:D='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav' xmlns:CS='http://calendarserver.org/ns/'"
PROPFIND = (
    f"{XML}<D:propfind {NS}><D:prop><D:resourcetype/><D:owner/><D:current-user-principal/><D:current-user-privilege-set/>"
    "<D:supported-report-set/><C:supported-calendar-component-set/><CS:getctag/></D:prop></D:propfind>"
)


@pytest.fixture
def bird(server):
    return Dav(server, "clerk1", AGENT)


def sync(token: str) -> str:
    return (
        f'{XML}<sync-collection xmlns="DAV:"><sync-token>{token}</sync-token><sync-level>1</sync-level>'
        "<prop><getcontenttype/><getetag/></prop></sync-collection>"
    )


def multiget(*hrefs: str) -> str:
    wanted = "".join(f"<D:href>{href}</D:href>" for href in hrefs)
    return (
        f'{XML}<C:calendar-multiget xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><D:getetag/>'
        f"<C:calendar-data/></D:prop>{wanted}</C:calendar-multiget>"
    )


def test_its_first_request_has_no_password_and_is_asked_for_one(server):
    answer = requests.request(
        "PROPFIND", server.url + CALENDAR, data=PROPFIND, headers={"Depth": "0"}, timeout=10
    )
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="termin"'


def test_it_learns_what_the_calendar_is(bird):
    found = bird.find(CALENDAR, PROPFIND)[CALENDAR]
    assert f"{C}calendar" in found.names(f"{D}resourcetype")
    assert f"{D}write" in found.names(f"{D}current-user-privilege-set")
    assert f"{D}sync-collection" in found.names(f"{D}supported-report-set")
    assert found.text(f"{CS}getctag")
    assert bird.send("OPTIONS", "/clerk1/").status_code == 200


def test_it_subscribes_to_the_offices_calendar_as_a_reader(bird):
    office = "/buergerbuero/appointments/"
    found = bird.find(office, PROPFIND)[office]
    assert f"{D}write" not in found.names(f"{D}current-user-privilege-set")
    assert len(multistatus(bird.send("REPORT", office, sync(""), Depth="1"))) == 2


def test_it_syncs_then_fetches_with_encoded_names(bird):
    answer = bird.send("REPORT", CALENDAR, sync(""), Depth="1")
    listed = multistatus(answer)
    hrefs = [href.replace("@", "%40") for href in listed]
    got = bird.report(CALENDAR, multiget(*hrefs))
    assert got.keys() == listed.keys()
    assert all("X-TERMIN-SERVICE" in found.text(f"{C}calendar-data") for found in got.values())
    again = bird.send("REPORT", CALENDAR, sync(sync_token(answer)), Depth="1")
    assert multistatus(again) == {}


def test_it_saves_and_asks_for_what_the_server_made_of_it(bird):
    href = f"{CALENDAR}first@test.ics"
    got = bird.report(CALENDAR, multiget(href))[href]
    text = got.text(f"{C}calendar-data").replace("T090000", "T140000").replace("T093000", "T143000")
    text = text.replace("END:VEVENT", "X-MOZ-GENERATION:1\nEND:VEVENT").replace("\n", "\r\n")
    assert bird.put(href, text, If_Match=got.text(f"{D}getetag")).status_code == 204
    new = bird.report(CALENDAR, multiget(href))[href]
    assert f"{at(7, 14):%Y%m%dT%H%M%S}" in new.text(f"{C}calendar-data")
    assert new.text(f"{D}getetag") != got.text(f"{D}getetag")


def test_it_snoozes_a_reminder_of_an_own_event(bird):
    text = (
        "BEGIN:VCALENDAR\r\nPRODID:-//Mozilla.org/NONSGML Mozilla Calendar V1.1//EN\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\n"
        "CREATED:20261201T110000Z\r\nLAST-MODIFIED:20261201T110000Z\r\nDTSTAMP:20261201T110000Z\r\nUID:own\r\nSUMMARY:Arzt\r\n"
        "DTSTART;TZID=Europe/Berlin:20261209T140000\r\nDTEND;TZID=Europe/Berlin:20261209T150000\r\nTRANSP:OPAQUE\r\n"
        "BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT15M\r\nDESCRIPTION:Mozilla Standard\r\nEND:VALARM\r\n{}END:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    first = bird.put(f"{CALENDAR}own.ics", text.format(""), If_None_Match="*")
    snoozed = text.format("X-MOZ-LASTACK:20261209T125000Z\r\nX-MOZ-SNOOZE-TIME:20261209T125500Z\r\n")
    second = bird.put(f"{CALENDAR}own.ics", snoozed, If_Match=first.headers["ETag"])
    assert second.status_code == 204
    assert "X-MOZ-SNOOZE-TIME:20261209T125500Z" in bird.send("GET", f"{CALENDAR}own.ics").text

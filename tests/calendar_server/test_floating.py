"""Floating times and dates are read in the zone that the request names, else the calendar's, else the office's (RFC 4791 section 7.3)."""

from __future__ import annotations

import pytest

from tests.calendar_server.test_properties import NEW_YORK, NS, patch
from tests.calendar_server.test_scheduling import event
from tests.clients.dav import Dav, multistatus

CALENDAR = "/clerk1/calendar/"
ZONE = f"<C:timezone>{NEW_YORK}</C:timezone>"
TOKYO = "<C:timezone-id>Asia/Tokyo</C:timezone-id>"


@pytest.fixture
def clerk1(server):
    """A clerk (office in Berlin) with a floating event at nine, one on the whole day, one of every day, and one at a fixed time."""
    client = Dav(server, "clerk1", "test")
    for uid, start, end, lines in [
        ("floating", "20261207T090000", "20261207T100000", ""),
        ("day", "20261207", "20261208", ""),
        ("daily", "20261201T120000", "20261201T123000", "RRULE:FREQ=DAILY\r\n"),
        ("fixed", "20261207T200000Z", "20261207T210000Z", ""),
    ]:
        assert client.put(f"{CALENDAR}{uid}.ics", event(start, end, uid=uid, lines=lines)).status_code == 201
    return client


def ask(client: Dav, start: str, end: str, zone: str = "", data: str = "", **headers: str):
    body = (
        f"<C:calendar-query {NS}><prop><getetag/>{data}</prop><C:filter><C:comp-filter name='VCALENDAR'><C:comp-filter name='VEVENT'>"
        f"<C:time-range start='202612{start}00Z' end='202612{end}00Z'/></C:comp-filter></C:comp-filter></C:filter>{zone}</C:calendar-query>"
    )
    return client.send("REPORT", CALENDAR, body, **{"Depth": "1", **headers})


def names(client: Dav, start: str, end: str, zone: str = "") -> set[str]:
    found = multistatus(ask(client, start, end, zone))
    return {href.removeprefix(CALENDAR).removesuffix(".ics") for href in found}


@pytest.mark.parametrize(
    ("zone", "nine", "midnight", "noon"),
    [
        ("", "07T08", "06T23", "07T11"),
        (ZONE, "07T14", "07T05", "07T17"),
        (TOKYO, "07T00", "06T15", "07T03"),
        ("<C:timezone-id>Europe/Berlin</C:timezone-id>", "07T08", "06T23", "07T11"),
    ],
)
def test_a_query_may_name_the_zone(clerk1, zone, nine, midnight, noon):
    assert "floating" in names(clerk1, f"{nine}00", f"{nine}01", zone)
    assert "floating" not in names(clerk1, f"{nine[:3]}{int(nine[3:]) + 1:02}00", "08T2359", zone)
    assert "day" in names(clerk1, f"{midnight}00", f"{midnight}01", zone)
    assert "day" not in names(clerk1, "06T1000", f"{midnight}00", zone)
    assert "daily" in names(clerk1, f"{noon}00", f"{noon}01", zone)
    assert "daily" not in names(clerk1, f"{noon}30", f"{noon}31", zone)
    assert "fixed" in names(clerk1, "07T2030", "07T2031", zone)


def test_expanding_takes_place_in_the_zone(clerk1):
    data = "<C:calendar-data><C:expand start='20261207T160000Z' end='20261207T180000Z'/></C:calendar-data>"
    answer = ask(clerk1, "07T1600", "07T1800", ZONE, data)
    assert "DTSTART:20261207T120000\n" in answer.text
    assert "DTSTART:20261207T120000\n" not in ask(clerk1, "07T1600", "07T1800", "", data).text


def test_without_one_the_calendars_zone_holds(clerk1):
    busy = f"<C:free-busy-query {NS}><C:time-range start='20261207T060000Z' end='20261208T040000Z'/></C:free-busy-query>"

    def taken() -> set[str]:
        lines = clerk1.send("REPORT", CALENDAR, busy).text.splitlines()
        return {line.partition(":")[2] for line in lines if line.startswith("FREEBUSY")}

    all_day = {"20261207T060000Z/20261207T230000Z"}
    assert taken() == all_day
    assert patch(clerk1, f"<C:calendar-timezone>{NEW_YORK}</C:calendar-timezone>").status_code == 207
    assert "floating" in names(clerk1, "07T1400", "07T1401")
    assert "floating" in names(clerk1, "07T0800", "07T0801", "<C:timezone-id>Europe/Berlin</C:timezone-id>")
    assert clerk1.send("DELETE", f"{CALENDAR}day.ics").status_code == 204
    assert taken() == {
        "20261207T140000Z/20261207T150000Z",
        "20261207T170000Z/20261207T173000Z",
        "20261207T200000Z/20261207T210000Z",
    }


@pytest.mark.parametrize(
    ("zone", "rule"),
    [
        ("<C:timezone>Europe/Berlin</C:timezone>", "valid-calendar-data"),
        ("<C:timezone/>", "valid-calendar-data"),
        ("<C:timezone-id>Mars/Base</C:timezone-id>", "valid-timezone"),
        ("<C:timezone-id/>", "valid-timezone"),
        (ZONE + TOKYO, "valid-timezone"),
    ],
)
def test_what_is_no_zone_is_refused_by_name(clerk1, zone, rule):
    refused = ask(clerk1, "07T0000", "08T0000", zone)
    assert refused.status_code == 403
    assert f"<C:{rule} " in refused.text


def test_a_query_of_the_calendar_alone_finds_nothing(clerk1):
    assert multistatus(ask(clerk1, "01T0000", "31T0000", Depth="0")) == {}
    assert len(multistatus(ask(clerk1, "01T0000", "31T0000", Depth="infinity"))) == 4
    refused = clerk1.send("REPORT", CALENDAR, f"<C:calendar-query {NS}><prop/></C:calendar-query>", Depth="0")
    assert refused.status_code == 403

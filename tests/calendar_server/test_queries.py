"""calendar-query, calendar-multiget and free-busy-query over HTTP, against a real server."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import pytest
from icalendar import Calendar

from calendar_server import queries
from tests.calendar_server.test_caldav import OFFICE, http, names
from tests.calendar_server.test_service import event
from tests.clients.dav import C, D, Dav
from tests.support.town import NOW, appointment, at

NS = 'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"'


def utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def query(server, path: str, condition: str, data: str = "", account: str = "lead"):
    body = (
        f"<C:calendar-query {NS}><D:prop><D:getetag/><C:calendar-data>{data}</C:calendar-data></D:prop>"
        f'<C:filter><C:comp-filter name="VCALENDAR">{condition}</C:comp-filter></C:filter></C:calendar-query>'
    )
    return http(server, "REPORT", path + "/", account, data=body, headers={"Depth": "1"})


def events(condition: str = "") -> str:
    return f'<C:comp-filter name="VEVENT">{condition}</C:comp-filter>'


def within(start: datetime, end: datetime) -> str:
    return f'<C:time-range start="{utc(start)}" end="{utc(end)}"/>'


def hrefs(answer) -> list[str]:
    assert answer.status_code == 207, answer.text
    return sorted(re.findall(r"<href>[^<]*/([^/<]+)</href>", answer.text))


@pytest.fixture
def filled(server):
    own = server.calendar("clerk1")
    for name, text in {
        "early": event("early@t", at(7, 8), SUMMARY="Früh"),
        "late": event("late@t", at(7, 14), SUMMARY="Spät"),
        "weekly": event("weekly@t", at(2, 9), RRULE={"FREQ": "WEEKLY"}, SUMMARY="Teamrunde"),
        "long": event("long@t", at(10, 0), minutes=3 * 24 * 60, SUMMARY="Urlaub"),
    }.items():
        assert http(server, "PUT", f"clerk1/calendar/{name}.ics", "clerk1", data=text).status_code == 201
    assert own is not None
    return server


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [
        (at(7, 0), at(8, 0), ["early.ics", "late.ics"]),
        (at(7, 9), at(7, 14), []),
        (at(7, 8, 59), at(7, 9), ["early.ics"]),
        (at(9, 9), at(9, 10), ["weekly.ics"]),
        (at(12, 12), at(12, 13), ["long.ics"]),
        (at(4, 9, month=12, year=2030), at(4, 10, month=12, year=2030), ["weekly.ics"]),
        (at(1, 0, year=2020), at(1, 0, year=2021), []),
    ],
)
def test_a_time_range_finds_what_takes_place_in_it(filled, start, end, found):
    assert hrefs(query(filled, "clerk1/calendar", events(within(start, end)))) == found


def test_a_filter_on_a_property_looks_inside(filled):
    condition = events('<C:prop-filter name="SUMMARY"><C:text-match>team</C:text-match></C:prop-filter>')
    assert hrefs(query(filled, "clerk1/calendar", condition)) == ["weekly.ics"]
    both = events(
        within(at(7, 0), at(8, 0))
        + '<C:prop-filter name="SUMMARY"><C:text-match>sp</C:text-match></C:prop-filter>'
    )
    assert hrefs(query(filled, "clerk1/calendar", both)) == ["late.ics"]


def test_what_a_query_may_cost_is_bounded_for_all_objects_together(filled, monkeypatch):
    condition = events(within(at(7, 0), at(30, 0)) + '<C:prop-filter name="SUMMARY"/>')
    assert len(hrefs(query(filled, "clerk1/calendar", condition))) == 4
    monkeypatch.setattr(queries, "MAX_WORK", 1)
    refused = query(filled, "clerk1/calendar", condition)
    assert refused.status_code == 403
    assert "number-of-matches-within-limits" in refused.text
    # What the index answers costs nothing.
    assert len(hrefs(query(filled, "clerk1/calendar", events(within(at(7, 0), at(30, 0)))))) == 4


def test_what_is_expanded_for_an_answer_is_bounded(filled, monkeypatch):
    data = f'<C:expand start="{utc(at(7, 0))}" end="{utc(at(30, 0))}"/>'
    assert len(hrefs(query(filled, "clerk1/calendar", events(), data))) == 4
    monkeypatch.setattr(queries, "MAX_RENDERED", 1_000)
    refused = query(filled, "clerk1/calendar", events(), data)
    assert refused.status_code == 403
    assert "number-of-matches-within-limits" in refused.text
    assert len(hrefs(query(filled, "clerk1/calendar", events()))) == 4


def test_another_component_finds_nothing(filled):
    assert hrefs(query(filled, "clerk1/calendar", '<C:comp-filter name="VTODO"/>')) == []
    assert len(hrefs(query(filled, "clerk1/calendar", ""))) == 4


def test_recurring_events_are_expanded_on_demand(filled):
    start, end = at(1, 0), at(24, 0)
    data = f'<C:expand start="{utc(start)}" end="{utc(end)}"/>'
    answer = query(filled, "clerk1/calendar", events(within(at(16, 0), at(17, 0))), data)
    assert hrefs(answer) == ["weekly.ics"]
    assert answer.text.count("BEGIN:VEVENT") == 4
    assert "RRULE" not in answer.text


def test_the_office_view_is_queried_like_a_calendar(filled):
    filled.client().book(appointment("a1@test"), now=NOW)
    answer = query(filled, OFFICE, events(within(at(7, 0), at(8, 0))))
    assert names_in(answer) == ["a1@test.ics"]
    found = filled.calendar("lead", OFFICE).search(start=at(7, 0), end=at(8, 0), event=True)
    assert names(found) == ["a1@test.ics"]


def names_in(answer) -> list[str]:
    return [name.replace("%40", "@") for name in hrefs(answer)]


def test_multiget_tells_of_what_is_missing(filled):
    body = (
        f"<C:calendar-multiget {NS}><D:prop><D:getetag/><C:calendar-data/></D:prop>"
        "<D:href>/clerk1/calendar/early.ics</D:href><D:href>/clerk1/calendar/none.ics</D:href>"
        "<D:href>/clerk2/calendar/x.ics</D:href></C:calendar-multiget>"
    )
    answer = http(filled, "REPORT", "clerk1/calendar/", "clerk1", data=body)
    assert answer.text.count("404 Not Found") == 2
    assert answer.text.count("BEGIN:VEVENT") == 1


def reports(*wanted: str) -> list[str]:
    inner = "".join(wanted)
    return [
        f'<C:calendar-query {NS}>{inner}<C:filter><C:comp-filter name="VCALENDAR"/></C:filter></C:calendar-query>',
        f"<C:calendar-multiget {NS}>{inner}<D:href>/clerk1/calendar/early.ics</D:href></C:calendar-multiget>",
        f"<D:sync-collection {NS}><D:sync-token/><D:sync-level>1</D:sync-level>{inner}</D:sync-collection>",
    ]


PROPS = "<D:resourcetype/><D:getlastmodified/><D:getcontentlength/><D:owner/><D:current-user-privilege-set/><D:displayname/>"


@pytest.mark.parametrize(
    "data", ["", "<C:calendar-data/>", '<C:calendar-data><C:comp name="VCALENDAR"/></C:calendar-data>']
)
@pytest.mark.parametrize("number", range(3))
def test_a_report_tells_the_same_properties_as_propfind(filled, number, data):
    body = f"<D:propfind {NS}><D:prop>{PROPS}</D:prop></D:propfind>"
    client = Dav(filled, "clerk1", "test")
    told = client.find("/clerk1/calendar/early.ics", body)["/clerk1/calendar/early.ics"]
    report = reports(f"<D:prop>{PROPS}{data}</D:prop>")[number]
    found = client.report("/clerk1/calendar/", report)["/clerk1/calendar/early.ics"]
    assert found.missing == told.missing == {f"{D}displayname"}
    plain = {
        name: ET.tostring(element) for name, element in found.props.items() if name != f"{C}calendar-data"
    }
    assert plain == {name: ET.tostring(element) for name, element in told.props.items()}


@pytest.mark.parametrize("number", range(3))
def test_a_report_may_ask_for_all_properties(filled, number):
    report = reports("<D:allprop/>")[number]
    found = Dav(filled, "clerk1", "test").report("/clerk1/calendar/", report)["/clerk1/calendar/early.ics"]
    assert {
        f"{D}getetag",
        f"{D}getcontentlength",
        f"{D}resourcetype",
        f"{D}getcontenttype",
    } <= found.props.keys()
    assert found.missing == set()


def test_free_busy_of_a_calendar(filled):
    body = f"<C:free-busy-query {NS}>{within(at(7, 0), at(10, 0))}</C:free-busy-query>"
    answer = http(filled, "REPORT", "clerk1/calendar/", "clerk1", data=body, headers={"Depth": "1"})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/calendar")
    (busy,) = Calendar.from_ical(answer.text).walk("VFREEBUSY")
    listed = busy["FREEBUSY"] if isinstance(busy["FREEBUSY"], list) else [busy["FREEBUSY"]]
    periods = [period.start for entry in listed for period in getattr(entry, "periods", [entry])]
    assert [moment.astimezone(at(7, 0).tzinfo) for moment in periods] == [at(7, 8), at(7, 14), at(9, 9)]


@pytest.mark.parametrize("path", ["clerk1/calendar/", f"{OFFICE}/"])
def test_a_hold_that_has_ended_is_not_busy(server, path):
    hold = appointment("h1", at(7, 9), hold_until=NOW.replace(minute=10))
    server.client().book(hold, now=NOW)
    body = f"<C:free-busy-query {NS}>{within(at(7, 0), at(8, 0))}</C:free-busy-query>"
    paths = [path] if path.startswith(OFFICE) else [f"clerk{number}/calendar/" for number in (1, 2)]

    def busy() -> int:
        answers = [http(server, "REPORT", each, "lead", data=body) for each in paths]
        return sum(answer.text.count("FREEBUSY;") for answer in answers)

    assert busy() == 1
    server.clock.advance(minutes=11)
    assert busy() == 0


@pytest.mark.parametrize(
    "body",
    [
        f"<C:calendar-query {NS}><D:prop><D:getetag/></D:prop></C:calendar-query>",
        f'<C:calendar-query {NS}><C:filter><C:comp-filter name="VEVENT"/></C:filter></C:calendar-query>',
        f"<C:free-busy-query {NS}/>",
        f'<C:free-busy-query {NS}><C:time-range start="1" end="2"/></C:free-busy-query>',
    ],
)
def test_a_bad_filter_is_refused_by_its_precondition(filled, body):
    answer = http(filled, "REPORT", "clerk1/calendar/", "clerk1", data=body, headers={"Depth": "1"})
    assert answer.status_code == 403
    assert "valid-filter" in answer.text

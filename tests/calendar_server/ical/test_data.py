"""CALDAV:calendar-data: expand, limits and selections (RFC 4791 section 9.6)."""

from xml.etree.ElementTree import fromstring

import pytest

from calendar_server.ical.data import DataRequest, limit_freebusy_set, parse_calendar_data, render
from calendar_server.ical.data import expand as expanded
from calendar_server.ical.objects import InvalidObjectError
from calendar_server.ical.query import InvalidFilterError
from tests.calendar_server.ical.texts import calendar, component, event, parse, times, utc

BERLIN_START = "DTSTART;TZID=Europe/Berlin:20260327T090000"


def request(inner, attributes=""):
    element = (
        f'<C:calendar-data xmlns:C="urn:ietf:params:xml:ns:caldav" {attributes}>{inner}</C:calendar-data>'
    )
    return parse_calendar_data(fromstring(element))


def ranged(name, start="20260301T000000Z", end="20260401T000000Z"):
    return f'<C:{name} start="{start}" end="{end}"/>'


def body(text, *, without=("UID", "DTSTAMP", "PRODID", "VERSION")):
    """The lines between BEGIN and END of VCALENDAR that matter."""
    lines = text.split("\r\n")
    assert (lines[0], lines[-2:]) == ("BEGIN:VCALENDAR", ["END:VCALENDAR", ""])
    return [line for line in lines[1:-2] if line.partition(":")[0] not in without]


def expand(*components, start="2026-03-01", end="2026-04-01"):
    return body(expanded(parse(*components), utc(start), utc(end)))


def test_instances_become_events_of_their_own_in_utc():
    found = expand(
        event(
            BERLIN_START,
            "DTEND;TZID=Europe/Berlin:20260327T100000",
            "RRULE:FREQ=DAILY;INTERVAL=3;COUNT=2",
            "SUMMARY:a",
        )
    )
    assert found == [
        "BEGIN:VEVENT",
        "RECURRENCE-ID:20260327T080000Z",
        "DTSTART:20260327T080000Z",
        "DTEND:20260327T090000Z",
        "SUMMARY:a",
        "END:VEVENT",
        "BEGIN:VEVENT",
        "RECURRENCE-ID:20260330T070000Z",
        "DTSTART:20260330T070000Z",
        "DTEND:20260330T080000Z",
        "SUMMARY:a",
        "END:VEVENT",
    ]


def test_an_event_that_does_not_recur_has_no_recurrence_id():
    assert expand(event(BERLIN_START, "X-AT;TZID=Europe/Berlin:20260327T090000")) == [
        "BEGIN:VEVENT",
        "DTSTART:20260327T080000Z",
        "X-AT:20260327T080000Z",
        "END:VEVENT",
    ]


def test_days_stay_days_and_floating_times_float():
    assert expand(event("DTSTART;VALUE=DATE:20260302", "DURATION:P2D", "RRULE:FREQ=WEEKLY;COUNT=1")) == [
        "BEGIN:VEVENT",
        "RECURRENCE-ID;VALUE=DATE:20260302",
        "DTSTART;VALUE=DATE:20260302",
        "DTEND;VALUE=DATE:20260304",
        "END:VEVENT",
    ]
    assert expand(event("DTSTART:20260302T090000", "DURATION:PT1H")) == [
        "BEGIN:VEVENT",
        "DTSTART:20260302T090000",
        "DTEND:20260302T100000",
        "END:VEVENT",
    ]


def test_an_override_keeps_the_start_that_it_replaces():
    found = expand(
        event(BERLIN_START, "RRULE:FREQ=DAILY;COUNT=2", "EXDATE:20260327T080000Z"),
        event("RECURRENCE-ID;TZID=Europe/Berlin:20260328T090000", "DTSTART:20260328T120000Z", "SUMMARY:b"),
    )
    assert found == [
        "BEGIN:VEVENT",
        "RECURRENCE-ID:20260328T080000Z",
        "DTSTART:20260328T120000Z",
        "SUMMARY:b",
        "END:VEVENT",
    ]


def test_a_period_and_a_nominal_length_are_written_as_ends():
    found = expand(
        event(
            "DTSTART;TZID=Europe/Berlin:20260328T120000",
            "DURATION:P1D",
            "RDATE;VALUE=PERIOD:20260310T080000Z/PT5M",
        )
    )
    assert [line for line in found if line.startswith("DT")] == [
        "DTSTART:20260310T080000Z",
        "DTEND:20260310T080500Z",
        "DTSTART:20260328T110000Z",
        "DTEND:20260329T100000Z",
    ]


def test_tasks_are_expanded_with_what_is_due():
    found = expand(
        component("VTODO", "DTSTART:20260302T080000Z", "DUE:20260302T090000Z", "RRULE:FREQ=DAILY;COUNT=1")
    )
    assert "DUE:20260302T090000Z" in found
    assert expand(component("VTODO", "DTSTART;VALUE=DATE:20260302")) == [
        "BEGIN:VTODO",
        "DTSTART;VALUE=DATE:20260302",
        "END:VTODO",
    ]
    assert expand(component("VTODO", "SUMMARY:a")) == ["BEGIN:VTODO", "SUMMARY:a", "END:VTODO"]


def test_alarms_come_along_and_zones_do_not():
    zone = component("VTIMEZONE", "TZID:x")
    found = expand(zone, event(BERLIN_START, "BEGIN:VALARM", "TRIGGER:-PT5M", "END:VALARM"))
    assert found[2:-1] == ["BEGIN:VALARM", "TRIGGER:-PT5M", "END:VALARM"]


def test_what_meets_nothing_is_an_empty_calendar():
    assert expand(event(BERLIN_START), start="2027-01-01", end="2027-02-01") == []


def test_an_expansion_can_be_stored_again_and_takes_place_at_the_same_times():
    obj = parse(
        event(BERLIN_START, "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=4"),
        event("RECURRENCE-ID:20260328T080000Z", "DTSTART:20260328T120000Z"),
    )
    low, high = utc("2026-03-01"), utc("2026-04-01")
    again = parse(tuple(expanded(obj, low, high).split("\r\n")[1:-2]))
    assert times(again.instances(low, high)) == times(obj.instances(low, high))


SERIES = (
    event(BERLIN_START, "DURATION:PT1H", "RRULE:FREQ=MONTHLY", "SUMMARY:master"),
    event("RECURRENCE-ID:20260427T070000Z", "DTSTART:20260311T080000Z", "SUMMARY:moved here"),
    event("RECURRENCE-ID:20260327T080000Z", "DTSTART:20260627T080000Z", "SUMMARY:moved away"),
    event("RECURRENCE-ID:20260527T070000Z", "DTSTART:20260528T080000Z", "SUMMARY:elsewhere"),
    event("RECURRENCE-ID;RANGE=THISANDFUTURE:20260227T080000Z", "DTSTART:20260227T090000Z", "SUMMARY:since"),
    event("RECURRENCE-ID;RANGE=THISANDFUTURE:20270227T080000Z", "DTSTART:20270227T090000Z", "SUMMARY:from"),
)


def test_overrides_that_touch_nothing_are_left_out():
    text = render(parse(*SERIES), request(ranged("limit-recurrence-set")))
    summaries = [line.removeprefix("SUMMARY:") for line in text.split("\r\n") if line.startswith("SUMMARY")]
    assert summaries == ["master", "moved here", "moved away", "since"]


def test_one_component_always_stays():
    alone = parse(event("RECURRENCE-ID:20270327T080000Z", "DTSTART:20270327T080000Z", "SUMMARY:a"))
    assert render(alone, request(ranged("limit-recurrence-set"))) == alone.text


def test_free_busy_periods_outside_are_left_out():
    obj = parse(
        component(
            "VFREEBUSY",
            "FREEBUSY;FBTYPE=BUSY:20260301T080000Z/PT1H,20260501T080000Z/PT1H",
            "FREEBUSY:20270301T080000Z/PT1H",
        )
    )
    found = body(limit_freebusy_set(obj, utc("2026-02-01"), utc("2026-04-01")))
    assert found == ["BEGIN:VFREEBUSY", "FREEBUSY;FBTYPE=BUSY:20260301T080000Z/PT1H", "END:VFREEBUSY"]


def comp(name, *inner):
    return f'<C:comp name="{name}">{"".join(inner)}</C:comp>'


def prop(name, attributes=""):
    return f'<C:prop name="{name}" {attributes}/>'


ALARM = ("BEGIN:VALARM", "TRIGGER:-PT5M", "END:VALARM")
PLAIN = parse(component("VTIMEZONE", "TZID:x"), event(BERLIN_START, "SUMMARY;LANGUAGE=de:a", *ALARM))


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (comp("VCALENDAR", "<C:allprop/>", "<C:allcomp/>"), PLAIN.text),
        (comp("VCALENDAR"), PLAIN.text),
        (
            comp("VCALENDAR", prop("VERSION"), comp("VEVENT", prop("summary"), prop("UID"))),
            "BEGIN:VCALENDAR|VERSION:2.0|BEGIN:VEVENT|UID:u|SUMMARY;LANGUAGE=de:a|END:VEVENT|END:VCALENDAR|",
        ),
        (
            comp(
                "VCALENDAR", prop("VERSION"), comp("VEVENT", prop("SUMMARY", 'novalue="yes"'), "<C:allcomp/>")
            ),
            "BEGIN:VCALENDAR|VERSION:2.0|BEGIN:VEVENT|SUMMARY;LANGUAGE=de:|BEGIN:VALARM|TRIGGER:-PT5M|END:VALARM|END:VEVENT|END:VCALENDAR|",
        ),
        (
            comp("VCALENDAR", prop("VERSION"), comp("VTIMEZONE")),
            "BEGIN:VCALENDAR|VERSION:2.0|BEGIN:VTIMEZONE|UID:u|DTSTAMP:20260101T000000Z|TZID:x|END:VTIMEZONE|END:VCALENDAR|",
        ),
        (
            comp("VCALENDAR", prop("VERSION"), comp("VEVENT", prop("UID"), comp("VALARM"))),
            "BEGIN:VCALENDAR|VERSION:2.0|BEGIN:VEVENT|UID:u|BEGIN:VALARM|TRIGGER:-PT5M|END:VALARM|END:VEVENT|END:VCALENDAR|",
        ),
    ],
)
def test_a_selection_gives_what_it_names(selection, expected):
    assert render(PLAIN, request(selection)) == expected.replace("|", "\r\n")


def test_a_selection_applies_to_what_expansion_gives():
    series = parse(event(BERLIN_START, "RRULE:FREQ=DAILY;COUNT=1", "SUMMARY:a"))
    asked = comp("VCALENDAR", prop("VERSION"), comp("VEVENT", prop("DTSTART"))) + ranged("expand")
    assert body(render(series, request(asked))) == ["BEGIN:VEVENT", "DTSTART:20260327T080000Z", "END:VEVENT"]


def test_nothing_asked_is_the_text_as_stored():
    assert request("").plain
    assert request("", 'content-type="text/calendar" version="2.0"') == DataRequest()
    assert not request(ranged("expand")).plain
    assert render(PLAIN, request("")) == PLAIN.text == calendar(*PLAIN.text.split("\r\n")[3:-2])


@pytest.mark.parametrize(
    ("inner", "attributes", "precondition"),
    [
        ("", 'content-type="application/calendar+json"', "supported-calendar-data"),
        ("", 'version="3.0"', "supported-calendar-data"),
        (comp("VEVENT"), "", "valid-filter"),
        (ranged("expand", end=""), "", "valid-filter"),
        ('<C:expand start="20260301T000000Z"/>', "", "valid-filter"),
        (ranged("expand", end="20200101T000000Z"), "", "valid-filter"),
        (ranged("expand") + ranged("limit-recurrence-set"), "", "valid-filter"),
        (comp("VCALENDAR", prop("X") * 600), "", "supported-calendar-data"),
        (comp("VCALENDAR", *["<C:comp name='X'>"] * 9, *["</C:comp>"] * 9), "", "supported-calendar-data"),
    ],
)
def test_what_cannot_be_given_is_refused(inner, attributes, precondition):
    with pytest.raises(InvalidFilterError) as error:
        request(inner, attributes)
    assert error.value.precondition == precondition


def test_the_ends_of_the_calendar_can_be_expanded():
    obj = parse(event("DTSTART;VALUE=DATE:99991231", "DURATION:P9D", "RRULE:FREQ=DAILY"))
    assert len(body(expanded(obj, -(10**12), 10**12))) > 0
    obj = parse(event("DTSTART:00010101T000000", "RRULE:FREQ=YEARLY;COUNT=2"))
    assert len(body(expanded(obj, -(10**12), 10**12))) > 0


@pytest.mark.parametrize(
    "lines", [["DESCRIPTION:" + "x" * 500_000, "RRULE:FREQ=DAILY"], ["RRULE:FREQ=DAILY"]]
)
def test_an_expansion_that_is_too_large_is_refused(lines):
    obj = parse(event("DTSTART:20000101T080000Z", *lines))
    with pytest.raises(InvalidObjectError) as error:
        expanded(obj, utc("2000-01-01"), utc("2099-01-01"))
    assert error.value.precondition == "max-instances"

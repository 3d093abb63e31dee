"""CALDAV:filter (RFC 4791 sections 7.8 and 9.7 to 9.9)."""

from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calendar_server.ical.query import InvalidFilterError, matches, parse_filter, simple_time_range
from calendar_server.ical.rules import WORK, Work
from calendar_server.ical.values import MAX_EPOCH
from tests.calendar_server.ical.texts import component, event, parse, utc

MARCH = "20260302T080000Z"


def filter_of(inner):
    return parse_filter(
        fromstring(f'<C:filter xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:X="urn:x">{inner}</C:filter>')
    )


def comp(name, *inner):
    return f'<C:comp-filter name="{name}">{"".join(inner)}</C:comp-filter>'


def prop(name, *inner):
    return f'<C:prop-filter name="{name}">{"".join(inner)}</C:prop-filter>'


def param(name, *inner):
    return f'<C:param-filter name="{name}">{"".join(inner)}</C:param-filter>'


def text(value, attributes=""):
    return f"<C:text-match {attributes}>{value}</C:text-match>"


def within(start="", end=""):
    return "<C:time-range" + (f' start="{start}"' if start else "") + (f' end="{end}"' if end else "") + "/>"


def calendar(*inner):
    return comp("VCALENDAR", *inner)


ABSENT = "<C:is-not-defined/>"
ON_2_MARCH = within("20260302T000000Z", "20260303T000000Z")
ON_3_MARCH = within("20260303T000000Z", "20260304T000000Z")


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        ("", ("", None, None)),
        (calendar(), ("", None, None)),
        (calendar(comp("VEVENT")), ("VEVENT", None, None)),
        (calendar(comp("vevent")), ("VEVENT", None, None)),
        (calendar(comp("VEVENT", ON_2_MARCH)), ("VEVENT", utc("2026-03-02"), utc("2026-03-03"))),
        (calendar(comp("VTODO", within(start=MARCH))), ("VTODO", utc("2026-03-02 08:00"), MAX_EPOCH)),
        (calendar(comp("VEVENT", ON_2_MARCH, prop("UID"))), None),
        (calendar(comp("VEVENT", comp("VALARM"))), None),
        (calendar(comp("VEVENT"), comp("VTODO")), None),
        (calendar(comp("VEVENT", ABSENT)), None),
        (calendar(prop("VERSION"), comp("VEVENT")), None),
        (calendar(ON_2_MARCH), None),
        (calendar(ON_2_MARCH, comp("VEVENT")), None),
        (calendar(comp("VTIMEZONE")), None),
    ],
)
def test_a_filter_that_the_index_can_answer_is_told_apart(inner, expected):
    assert simple_time_range(filter_of(inner)) == expected


@pytest.mark.parametrize(
    ("inner", "precondition"),
    [
        (comp("VEVENT"), "valid-filter"),
        (calendar() * 2, "valid-filter"),
        (prop("UID"), "valid-filter"),
        (calendar(comp("")), "valid-filter"),
        (calendar(comp("VEVENT", within())), "valid-filter"),
        (calendar(comp("VEVENT", within("20260303T000000Z", "20260302T000000Z"))), "valid-filter"),
        (calendar(comp("VEVENT", within(MARCH, MARCH))), "valid-filter"),
        (calendar(comp("VEVENT", within("20260302"))), "valid-filter"),
        (calendar(comp("VEVENT", within("20260302T080000"))), "valid-filter"),
        (calendar(comp("VEVENT", within("20260230T080000Z"))), "valid-filter"),
        (calendar(comp("VEVENT", within("now-and-then-itZ"))), "valid-filter"),
        (calendar(comp("VEVENT", ABSENT, ON_2_MARCH)), "valid-filter"),
        (calendar(comp("VEVENT", text("x"))), "valid-filter"),
        (calendar(comp("VEVENT", prop("UID", ABSENT, text("x")))), "valid-filter"),
        (calendar(comp("VEVENT", prop("UID", ON_2_MARCH, text("x")))), "valid-filter"),
        (calendar(comp("VEVENT", prop("UID", param("X", ABSENT, text("x"))))), "valid-filter"),
        (calendar(comp("VEVENT", prop("UID", text("x", 'negate-condition="perhaps"')))), "valid-filter"),
        (calendar(comp("VEVENT", prop("UID", text("x", 'collation="i;klingon"')))), "supported-collation"),
        (calendar(comp("VEVENT", prop("UID", text("x" * 2_000)))), "supported-filter"),
        (calendar(comp("VTIMEZONE", ON_2_MARCH)), "supported-filter"),
        (calendar(comp("VEVENT") * 300), "supported-filter"),
        (calendar(comp("A", comp("B", comp("C", comp("D"))))), "supported-filter"),
    ],
)
def test_a_wrong_filter_is_refused(inner, precondition):
    with pytest.raises(InvalidFilterError) as error:
        filter_of(inner)
    assert error.value.precondition == precondition


def test_elements_of_other_namespaces_are_overlooked():
    assert simple_time_range(filter_of(calendar(comp("VEVENT", "<X:hint/>")))) == ("VEVENT", None, None)


MEETING = event(
    f"DTSTART:{MARCH}",
    "DURATION:PT1H",
    "SUMMARY:Besprechung Grün\\, Raum 3",
    "CATEGORIES:A,B",
    "LAST-MODIFIED:20260220T120000Z",
    "X-DAY;VALUE=DATE:20260302",
    'ATTENDEE;PARTSTAT=NEEDS-ACTION;MEMBER="a","b":mailto:anna@town.example',
    "ATTENDEE:mailto:ben@town.example",
)


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        ([], True),
        ([ON_2_MARCH], True),
        ([ON_3_MARCH], False),
        ([within(end=MARCH)], False),
        ([within(start="20260302T085959Z")], True),
        ([prop("SUMMARY")], True),
        ([prop("LOCATION")], False),
        ([prop("SUMMARY", ABSENT)], False),
        ([prop("LOCATION", ABSENT)], True),
        ([prop("SUMMARY", text("besprechung"))], True),
        ([prop("SUMMARY", text("GRÜN"))], False),
        ([prop("SUMMARY", text("GRÜN", 'collation="i;unicode-casemap"'))], True),
        ([prop("SUMMARY", text("besprechung", 'collation="i;octet"'))], False),
        ([prop("SUMMARY", text("Grün, Raum"))], True),
        ([prop("SUMMARY", text("Urlaub"))], False),
        ([prop("SUMMARY", text("Urlaub", 'negate-condition="yes"'))], True),
        ([prop("SUMMARY", text("Raum", 'negate-condition="yes"'))], False),
        ([prop("LOCATION", text("x", 'negate-condition="yes"'))], False),
        ([prop("ATTENDEE", text("ben@"))], True),
        ([prop("ATTENDEE", text("ben@"), param("PARTSTAT", text("needs-action")))], False),
        ([prop("ATTENDEE", text("anna@"), param("PARTSTAT", text("needs-action")))], True),
        ([prop("ATTENDEE", param("MEMBER", text("b")))], True),
        ([prop("ATTENDEE", param("RSVP"))], False),
        ([prop("ATTENDEE", param("PARTSTAT"))], True),
        ([prop("ATTENDEE", text("ben@"), param("PARTSTAT", ABSENT))], True),
        ([prop("ATTENDEE", text("anna@"), param("PARTSTAT", ABSENT))], False),
        ([prop("LAST-MODIFIED", within("20260220T000000Z", "20260221T000000Z"))], True),
        ([prop("LAST-MODIFIED", within("20260221T000000Z", "20260222T000000Z"))], False),
        ([prop("X-DAY", within("20260302T120000Z", "20260302T130000Z"))], True),
        ([prop("SUMMARY", within("20260302T120000Z", "20260302T130000Z"))], False),
        ([comp("VALARM")], False),
        ([comp("VALARM", ABSENT)], True),
        ([prop("UID"), prop("LOCATION")], False),
        ([ON_2_MARCH, prop("LOCATION")], False),
    ],
)
def test_an_event_matches(inner, expected):
    assert matches(filter_of(calendar(comp("VEVENT", *inner))), parse(MEETING)) is expected


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        ([comp("VTODO")], False),
        ([comp("VTODO", ABSENT)], True),
        ([comp("VEVENT", ABSENT)], False),
        ([comp("VTIMEZONE", ABSENT)], True),
        ([comp("VTODO", ON_2_MARCH)], False),
        ([prop("VERSION", text("2.0")), comp("VEVENT")], True),
        ([prop("VERSION", text("1.0")), comp("VEVENT")], False),
        ([comp("VEVENT"), comp("VTODO")], False),
        ([ABSENT], False),
        ([ON_2_MARCH], True),
        ([ON_3_MARCH], False),
        ([ON_3_MARCH, comp("VEVENT")], False),
        ([prop("SUMMARY", text("Raum"))], True),
        ([prop("SUMMARY", text("Urlaub"))], False),
        ([prop("SUMMARY", ABSENT)], False),
        ([prop("LOCATION", ABSENT)], True),
        ([prop("METHOD", ABSENT)], True),
        ([prop("VERSION", ABSENT)], False),
    ],
)
def test_a_calendar_matches(inner, expected):
    assert matches(filter_of(calendar(*inner)), parse(MEETING)) is expected


SERIES = (
    event(f"DTSTART:{MARCH}", "RRULE:FREQ=DAILY;COUNT=3", "DURATION:PT1H", "SUMMARY:Runde"),
    event("RECURRENCE-ID:20260303T080000Z", "DTSTART:20260303T120000Z", "DURATION:PT1H", "SUMMARY:verlegt"),
)


@pytest.mark.parametrize(
    ("day", "summary", "expected"),
    [
        (ON_2_MARCH, "Runde", True),
        (ON_2_MARCH, "verlegt", False),
        (ON_3_MARCH, "verlegt", True),
        (ON_3_MARCH, "Runde", False),
    ],
)
def test_one_component_must_match_in_all_that_is_asked(day, summary, expected):
    found = filter_of(calendar(comp("VEVENT", day, prop("SUMMARY", text(summary)))))
    assert matches(found, parse(*SERIES)) is expected


def test_this_and_future_is_met_where_it_moves_to():
    series = parse(
        event(f"DTSTART:{MARCH}", "RRULE:FREQ=DAILY"),
        event("RECURRENCE-ID;RANGE=THISANDFUTURE:20260303T080000Z", "DTSTART:20260303T120000Z", "SUMMARY:x"),
    )
    later = within("20270101T120000Z", "20270101T120001Z")
    assert matches(filter_of(calendar(comp("VEVENT", later, prop("SUMMARY")))), series)
    assert not matches(filter_of(calendar(comp("VEVENT", later, prop("SUMMARY", ABSENT)))), series)


def test_a_task_matches_by_its_time_or_lack_of_it():
    task = parse(component("VTODO", "DUE:20260302T090000Z"))
    assert matches(filter_of(calendar(comp("VTODO", ON_2_MARCH))), task)
    assert not matches(filter_of(calendar(comp("VTODO", ON_3_MARCH))), task)


def alarm(*lines):
    return ("BEGIN:VALARM", "ACTION:DISPLAY", *lines, "END:VALARM")


@pytest.mark.parametrize(
    ("lines", "start", "expected"),
    [
        (["TRIGGER:-PT15M"], "2026-03-02 07:45", True),
        (["TRIGGER:-PT15M"], "2026-03-02 07:44", False),
        (["TRIGGER:-PT15M"], "2026-03-03 07:45", True),
        (["TRIGGER:-PT15M"], "2026-03-04 07:45", False),
        (["TRIGGER;RELATED=END:PT5M"], "2026-03-02 09:05", True),
        (["TRIGGER;RELATED=START:PT5M"], "2026-03-02 09:05", False),
        (["TRIGGER;VALUE=DATE-TIME:20260101T000000Z"], "2026-01-01 00:00", True),
        (["TRIGGER:-PT15M", "REPEAT:2", "DURATION:PT5M"], "2026-03-02 07:55", True),
        (["TRIGGER:-PT15M", "REPEAT:1", "DURATION:PT5M"], "2026-03-02 07:55", False),
        (["TRIGGER:-PT15M", "REPEAT:²", "DURATION:PT5M"], "2026-03-02 07:50", False),
        (["TRIGGER:-P1W"], "2026-02-23 08:00", True),
        (["TRIGGER:soon"], "2026-03-02 08:00", False),
        ([], "2026-03-02 08:00", False),
    ],
)
def test_an_alarm_matches_when_it_goes_off(lines, start, expected):
    obj = parse(event(f"DTSTART:{MARCH}", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=2", *alarm(*lines)))
    stamp = start.replace("-", "").replace(":", "").replace(" ", "T")
    minute = within(f"{stamp}00Z", f"{stamp}59Z")
    assert matches(filter_of(calendar(comp("VEVENT", comp("VALARM", minute)))), obj) is expected


def test_many_alarms_of_an_endless_series_cost_no_more_than_the_limit():
    alarms = [line for _ in range(3_000) for line in alarm("TRIGGER;RELATED=END:-PT1H")]
    obj = parse(event("DTSTART:19000101T000000Z", "RRULE:FREQ=DAILY", *alarms))
    never = within("20260302T120000Z", "20990302T120001Z")
    assert matches(filter_of(calendar(comp("VEVENT", comp("VALARM", never)))), obj)
    none = comp("VALARM", never, prop("SUMMARY"))
    assert not matches(filter_of(calendar(comp("VEVENT", none))), obj)


@pytest.mark.parametrize(
    "inner",
    [
        comp("VTODO", within(MARCH)),
        comp("VEVENT", within(MARCH), prop("SUMMARY", text("never"))),
        comp("VEVENT", comp("VALARM", within(MARCH))),
    ],
)
def test_a_series_that_was_moved_as_a_whole_is_not_searched_to_its_end_for_its_first_form(inner):
    first = event(f"DTSTART:{MARCH}", "RRULE:FREQ=DAILY", *alarm("TRIGGER:-PT15M"))
    moved = event(f"RECURRENCE-ID;RANGE=THISANDFUTURE:{MARCH}", "DTSTART:20260302T120000Z")
    work = Work()
    assert not matches(filter_of(calendar(inner)), parse(first, moved), work)
    assert work.left > WORK - 100


HOURS = st.integers(0, 40)


@given(
    st.lists(st.tuples(st.integers(1, 14), st.booleans(), HOURS), max_size=4, unique_by=lambda one: one[0]),
    st.sets(st.integers(1, 14), max_size=3),
    st.integers(-24, 400),
    st.integers(1, 100),
)
def test_the_components_that_meet_a_range_are_those_of_its_occurrences(overrides, without, start, length):
    lines = [f"EXDATE:202603{day:02}T080000Z" for day in sorted(without)]
    members = [event("DTSTART:20260301T080000Z", "DURATION:PT3H", "RRULE:FREQ=DAILY;COUNT=14", *lines)]
    for day, spreads, hour in overrides:
        spread = ";RANGE=THISANDFUTURE" if spreads else ""
        moved = f"DTSTART:202603{day + hour // 24:02}T{hour % 24:02}0000Z"
        members.append(event(f"RECURRENCE-ID{spread}:202603{day:02}T080000Z", moved, "DURATION:PT1H"))
    obj = parse(*members)
    low = utc("2026-03-01") + start * 3600
    high = low + length * 3600
    expected = {one.index for one in obj.occurrences(low, high)}
    assert obj.members_meeting(low, high) == expected
    for index in range(len(members)):
        made = list(obj.series.made_of(index, low, high, Work()))
        assert {one.index for one in made} == expected & {index}


ELEMENTS = st.recursive(
    st.sampled_from(
        [ABSENT, ON_2_MARCH, within(MARCH), text("a"), text("u", 'negate-condition="yes"'), "<X:y/>"]
    ),
    lambda inner: st.builds(
        lambda tag, name, parts: f'<C:{tag} name="{name}">{"".join(parts)}</C:{tag}>',
        st.sampled_from(["comp-filter", "prop-filter", "param-filter"]),
        st.sampled_from(["VEVENT", "VALARM", "VTIMEZONE", "SUMMARY", "DTSTART", "PARTSTAT", ""]),
        st.lists(inner, max_size=3),
    ),
    max_leaves=12,
)


@given(
    st.lists(ELEMENTS, max_size=3),
    st.sampled_from([parse(MEETING), parse(*SERIES), parse(component("VTODO"))]),
)
def test_any_filter_is_refused_or_answered(inner, obj):
    try:
        found = filter_of(calendar(*inner))
    except InvalidFilterError:
        return
    assert matches(found, obj) in {True, False}
    simple = simple_time_range(found)
    if simple is not None and simple[1] is not None:
        assert matches(found, obj) is (obj.component == simple[0] and bool(obj.instances(*simple[1:])))

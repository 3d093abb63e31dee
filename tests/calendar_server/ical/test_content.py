"""Content lines and hostile texts: refused at once, or read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calendar_server.ical import content
from calendar_server.ical.content import ContentError
from calendar_server.ical.objects import InvalidObjectError, parse_object
from tests.calendar_server.ical.texts import BERLIN, calendar, event

PLAIN = calendar(*event("DTSTART:20260302T080000Z"))


@pytest.mark.parametrize(
    ("line", "name", "parameters", "value"),
    [
        ("SUMMARY:a:b;c", "SUMMARY", {}, "a:b;c"),
        ("dtstart;tzid=Europe/Berlin:1", "DTSTART", {"TZID": ["Europe/Berlin"]}, "1"),
        ('A;B=1,"x,y;z:w",2;C=:v', "A", {"B": ["1", "x,y;z:w", "2"], "C": [""]}, "v"),
        ("A;B=a,,b:v", "A", {"B": ["a", "", "b"]}, "v"),
        ("A;B=^n^^^':v", "A", {"B": ['\n^"']}, "v"),
        ('A;CN=O"Neill:v', "A", {"CN": ['O"Neill']}, "v"),
        # As iOS writes it, against the grammar.
        ("A;X-TITLE=Rathaus\\; Linz;B=1:v", "A", {"X-TITLE": ["Rathaus\\; Linz"], "B": ["1"]}, "v"),
        ("A;RSVP:v", "A", {}, "v"),
        ("A:", "A", {}, ""),
    ],
)
def test_a_content_line_is_read(line, name, parameters, value):
    read = content.parse_line(line)
    assert (read.name, read.parameters, read.value, read.line) == (name, parameters, value, line)


@pytest.mark.parametrize(
    "line", ["", "SUMMARY", ":v", " A:v", 'A;B="x:v', "Ä:v", "A B:v", "A" * 200 + ":v", f"A;B={'x' * 5000}:v"]
)
def test_what_is_no_content_line_is_refused(line):
    with pytest.raises(ContentError):
        content.parse_line(line)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"])))
def test_folded_lines_are_short_and_unfold_to_the_same(text):
    line = "SUMMARY:" + text
    folded = content.fold(line)
    assert all(len(part.encode()) <= 75 for part in folded.split("\r\n"))
    assert folded.replace("\r\n ", "") == line


def test_a_tree_is_written_as_it_was_read():
    assert content.to_text(content.parse(PLAIN)) == PLAIN


def nested(depth):
    return "\r\n".join(["BEGIN:VEVENT"] * depth + ["END:VEVENT"] * depth)


HOSTILE = {
    "empty": "",
    "blank": "\r\n \r\n",
    "no colon": calendar("garbage"),
    "NUL": PLAIN.replace("DTSTAMP", "X:\x00\r\nDTSTAMP"),
    "half a character": PLAIN.replace("DTSTAMP", "X:\ud800\r\nDTSTAMP"),
    "binary": bytes(range(256)) * 40,
    "UTF-16": PLAIN.encode("utf-16"),
    "latin-1": PLAIN.replace("test", "tést").encode("latin-1"),
    "half": PLAIN[: len(PLAIN) // 2],
    "no end": PLAIN.replace("END:VCALENDAR\r\n", ""),
    "wrong end": PLAIN.replace("END:VEVENT", "END:VTODO"),
    "end first": "END:VCALENDAR\r\n",
    "two calendars": PLAIN + PLAIN,
    "tail": PLAIN + "SUMMARY:x\r\n",
    "only an event": nested(1),
    "continuation first": " x\r\n" + PLAIN,
    "vCalendar 1.0": PLAIN.replace("VERSION:2.0", "VERSION:1.0"),
    "deep": calendar(nested(100_000)),
    "open": "BEGIN:VCALENDAR\r\n" * 60_000,
    "lines": calendar(*event("DTSTART:20260302T080000Z", *["A:"] * 200_000)),
    "blank lines": "\r\n" * 490_000 + "x",
    "folds": "A:" + "\r\n " * 330_000,
    "quotes": calendar('A;B="' + '";C="' * 190_000),
    "semicolons": calendar("A" + ";" * 900_000),
    "commas": calendar("A;B=" + "," * 900_000 + '"'),
    "parameters": calendar("A" + ";B=c" * 220_000 + ":v"),
    "long name": calendar("A" * 900_000),
    "components": calendar("BEGIN:VEVENT\r\nEND:VEVENT\r\n" * 30_000),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_refused(name):
    with pytest.raises(InvalidObjectError) as error:
        parse_object(HOSTILE[name], zone=BERLIN, max_bytes=10_000_000)
    assert error.value.precondition in {"valid-calendar-data", "valid-calendar-object-resource"}


def test_components_are_nested_only_so_deep():
    inner = [*["BEGIN:A"] * (content.MAX_DEPTH - 1), *["END:A"] * (content.MAX_DEPTH - 1)]
    content.parse(calendar(*inner))
    with pytest.raises(ContentError, match="deep"):
        content.parse(calendar("BEGIN:A", *inner, "END:A"))


def test_a_huge_property_is_data_like_any_other():
    text = calendar(*event("DTSTART:20260302T080000Z", "ATTACH;ENCODING=BASE64:" + "A" * 900_000))
    assert parse_object(text, zone=BERLIN).text == text


def test_control_characters_are_left_out():
    text = PLAIN.replace("DTSTAMP", "DESCRIPTION:a\x0bb\tc\x7f\ufffe\r\nDTSTAMP")
    assert "DESCRIPTION:ab\tc\r\n" in parse_object(text, zone=BERLIN).text


LINES = st.sampled_from(
    [
        *PLAIN.split("\r\n"),
        "BEGIN:VTIMEZONE",
        "END:VTIMEZONE",
        "BEGIN:STANDARD",
        "END:STANDARD",
        "TZID:Own",
        "TZOFFSETFROM:+0100",
        "TZOFFSETTO:+0200",
        "DTSTART;TZID=Own:20260302T080000",
        "DTSTART;VALUE=DATE:99991231",
        "DTSTART:00010101T000000",
        "DTEND:99991231T235959",
        "DURATION:P146000D",
        "DUE:00010101",
        "RRULE:FREQ=DAILY;BYMONTH=1",
        "RRULE:FREQ=MONTHLY;BYDAY=-1SU;COUNT=3",
        "RDATE;VALUE=PERIOD:20260302T080000Z/P1D",
        "EXDATE;VALUE=DATE:20260302",
        "RECURRENCE-ID:20260302T080000Z",
        "RECURRENCE-ID;RANGE=THISANDFUTURE;VALUE=DATE:20260302",
        "BEGIN:VTODO",
        "END:VTODO",
    ]
)


@given(st.lists(st.one_of(LINES, st.text(max_size=30)), max_size=25), st.booleans())
def test_any_text_is_refused_or_expanded(lines, framed):
    text = calendar("BEGIN:VEVENT", "UID:u", *lines, "END:VEVENT") if framed else "\r\n".join(lines)
    try:
        obj = parse_object(text, zone=BERLIN)
    except InvalidObjectError:
        return
    found = obj.instances(-(10**12), 10**12, limit=500)
    assert found == sorted(found)
    assert all(one.start <= one.end for one in found)
    start, end = obj.enclosing()
    assert not found or start <= found[0].start
    assert not found or end is None or max(one.end for one in found) <= end


@given(st.binary(max_size=300))
def test_any_bytes_are_refused(data):
    with pytest.raises(InvalidObjectError):
        parse_object(data, zone=BERLIN)

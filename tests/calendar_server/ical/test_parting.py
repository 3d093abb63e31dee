"""A stream of many objects is taken apart, and joining it again loses nothing."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from calendar_server.ical.appointment import to_ical
from calendar_server.ical.content import ContentError
from calendar_server.ical.joining import joined
from calendar_server.ical.parting import parted
from tests.support.town import NOW, appointment, at

HEAD = ["VERSION:2.0", "PRODID:-//test//EN"]
STREAM = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Somebody//EN
METHOD:PUBLISH
BEGIN:VTIMEZONE
TZID:Here
BEGIN:STANDARD
DTSTART:19700101T000000
TZOFFSETFROM:+0100
TZOFFSETTO:+0100
END:STANDARD
END:VTIMEZONE
BEGIN:VTIMEZONE
TZID:Elsewhere
BEGIN:STANDARD
DTSTART:19700101T000000
TZOFFSETFROM:+0200
TZOFFSETTO:+0200
END:STANDARD
END:VTIMEZONE
BEGIN:VEVENT
UID:a
DTSTAMP:20260101T000000Z
DTSTART;TZID=Here:20260105T080000
RRULE:FREQ=WEEKLY
BEGIN:VALARM
UID:alarm
ACTION:DISPLAY
TRIGGER:-PT5M
DESCRIPTION:x
END:VALARM
END:VEVENT
BEGIN:VEVENT
UID:b
DTSTAMP:20260101T000000Z
DTSTART:20260105T080000Z
END:VEVENT
BEGIN:VEVENT
UID:a
DTSTAMP:20260101T000000Z
RECURRENCE-ID;TZID=Here:20260112T080000
DTSTART;TZID=Here:20260112T090000
END:VEVENT
END:VCALENDAR
"""


def test_an_object_has_its_exceptions_and_the_zones_that_it_names():
    (first, one), (second, other) = parted(STREAM)
    assert (first, second) == ("a", "b")
    assert one.count("BEGIN:VEVENT") == 2
    assert ("TZID:Here" in one, "TZID:Elsewhere" in one, "TZID:Here" in other) == (True, False, False)
    assert "METHOD" not in one
    assert [str(each["UID"]) for each in Calendar.from_ical(one).walk("VEVENT")] == ["a", "a"]


def test_several_streams_in_one_file():
    assert [uid for uid, _ in parted(STREAM + STREAM.replace("UID:", "UID:2"))] == ["a", "b", "2a", "2b"]


def test_a_stream_without_a_version_gets_one():
    [(_, text), _] = parted(STREAM.replace("VERSION:2.0\n", ""))
    assert text.startswith("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("UID:b\n", "", "a VEVENT without a UID"),
        ("END:VCALENDAR\n", "", "no END"),
        ("END:VALARM\n", "", "END does not match"),
        ("RRULE:FREQ=WEEKLY\n", "RRULE\n", "content line 25"),
        ("BEGIN:VCALENDAR\n", "", "outside of VCALENDAR"),
        ("BEGIN:VCALENDAR\n", "BEGIN:VEVENT\n", "VEVENT outside of VCALENDAR"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(old, new, told):
    with pytest.raises(ContentError, match=told):
        parted(STREAM.replace(old, new, 1))


def test_no_depth_is_too_much():
    with pytest.raises(ContentError, match="nested"):
        parted("BEGIN:VCALENDAR\n" + "BEGIN:X\n" * 100_000)


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(ContentError):
        parted(text)


@given(
    st.lists(st.text("abcdefgh:;,\\ äöü🙂", min_size=1, max_size=120), min_size=1, max_size=5, unique=True)
)
def test_joining_and_parting_are_each_others_reverse(names):
    texts = [
        to_ical(appointment(f"u{number}", at(7, 8), name=name, remarks=name), now=NOW)
        for number, name in enumerate(names)
    ]
    back = parted(joined(texts, HEAD, 2026, private=True))
    assert [uid for uid, _ in back] == [f"u{number}" for number in range(len(names))]
    for (_, text), old in zip(back, texts, strict=True):
        assert Calendar.from_ical(text).walk("VEVENT") == Calendar.from_ical(old).walk("VEVENT")

"""Joining objects to one stream and parting it again changes no time, whatever zones they bring."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from calendar_server.ical.joining import joined
from calendar_server.ical.objects import parse_object
from calendar_server.ical.parting import parted

BERLIN = ZoneInfo("Europe/Berlin")
HEAD = ["VERSION:2.0", "PRODID:-//test//EN"]
FROM, TO = 1_767_222_000, 1_830_294_000
"""2026 and 2027."""


def rules(winter: str, summer: str) -> str:
    return (
        f"BEGIN:STANDARD\r\nDTSTART:16010101T030000\r\nTZOFFSETFROM:{summer}\r\nTZOFFSETTO:{winter}\r\n"
        "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\r\nEND:STANDARD\r\n"
        f"BEGIN:DAYLIGHT\r\nDTSTART:16010101T020000\r\nTZOFFSETFROM:{winter}\r\nTZOFFSETTO:{summer}\r\n"
        "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\r\nEND:DAYLIGHT\r\n"
    )


OWN = [rules("+0100", "+0200"), rules("+0300", "+0400"), rules("-0500", "-0400"), ""]
NAMES = [
    "Europe/Berlin",
    "W. Europe Standard Time",
    "/mozilla.org/20070129_1/Europe/Berlin",
    "America/New_York",
    "Customized Time Zone",
    "Customized Time Zone 2",
    "Rathaus",
    "(UTC+01:00) Amsterdam, Berlin",
]


@st.composite
def objects(draw, number: int) -> str:
    name, own = draw(st.sampled_from(NAMES)), draw(st.sampled_from(OWN))
    day, hour = draw(st.integers(1, 28)), draw(st.integers(0, 23))
    month = draw(st.sampled_from([1, 3, 7, 10]))
    start = f"2026{month:02}{day:02}T{hour:02}3000"
    head = draw(st.sampled_from([f';TZID="{name}"', f';X-A=b;TZID="{name}"', "", "Z"]))
    begins = f"DTSTART:{start}Z" if head == "Z" else f"DTSTART{head}:{start}"
    rule = draw(st.sampled_from(["", "RRULE:FREQ=WEEKLY;COUNT=60\r\n"]))
    text = draw(st.text("aä,;:\\ \u2028😀", max_size=120))
    zone = f"BEGIN:VTIMEZONE\r\nTZID:{name}\r\n{own}END:VTIMEZONE\r\n" if own else ""
    return (
        f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{zone}BEGIN:VEVENT\r\nUID:u{number}\r\nDTSTAMP:20260101T000000Z\r\n"
        f"{begins}\r\nDURATION:PT1H\r\n{rule}DESCRIPTION:;TZID={name}:{text}\r\nX-TERMIN-NAME:Erika\r\n"
        "END:VEVENT\r\nEND:VCALENDAR\r\n"
    )


def times(text: str) -> list[tuple[int, int]]:
    return [(each.start, each.end) for each in parse_object(text, zone=BERLIN).instances(FROM, TO)]


def description(text: str) -> str:
    (found,) = (
        one for one in parse_object(text, zone=BERLIN).members[0].properties if one.name == "DESCRIPTION"
    )
    return found.line


@given(st.integers(0, 6).flatmap(lambda count: st.tuples(*(objects(number) for number in range(count)))))
def test_times_and_texts_are_as_before(texts):
    stored = [parse_object(text, zone=BERLIN).text for text in texts]
    stream = joined(stored, HEAD, 2026, private=True)
    after = dict(parted(stream))
    assert list(after) == [f"u{number}" for number in range(len(texts))]
    for number, text in enumerate(stored):
        assert times(after[f"u{number}"]) == times(text)
        assert description(after[f"u{number}"]) == description(text)
    zones = [line for line in stream.split("\r\n") if line.startswith("TZID:")]
    assert len(zones) == len(set(zones))
    assert all(len(line.encode()) <= 75 for line in stream.split("\r\n"))


def one(uid: str, rules_: str) -> str:
    zone = f"BEGIN:VTIMEZONE\r\nTZID:Rathaus\r\n{rules_}END:VTIMEZONE\r\n" if rules_ else ""
    return (
        f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{zone}BEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20260101T000000Z\r\n"
        "DTSTART;TZID=Rathaus:20260701T090000\r\nDURATION:PT1H\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )


def test_a_zone_that_one_brings_is_not_anothers():
    texts = {"a": one("a", ""), "b": one("b", OWN[1]), "c": one("c", OWN[2]), "d": one("d", OWN[1])}
    after = dict(parted(joined(texts.values(), HEAD, 2026)))
    assert {uid: times(text) for uid, text in after.items()} == {
        uid: times(text) for uid, text in texts.items()
    }


@given(objects(0))
def test_what_is_ours_is_left_out_unless_it_is_asked_for(text):
    stored = parse_object(text, zone=BERLIN).text
    assert "Erika" not in joined([stored], HEAD, 2026)
    assert "X-TERMIN-NAME:Erika" in joined([stored], HEAD, 2026, private=True)


def test_nothing_is_a_calendar_too():
    assert Calendar.from_ical(joined([], HEAD, 2026)).walk("VEVENT") == []

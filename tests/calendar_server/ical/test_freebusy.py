"""VFREEBUSY answers (RFC 4791 section 7.10)."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from calendar_server.ical.freebusy import free_busy_text, merged, without
from calendar_server.ical.objects import Instance, Transparency, parse_object
from tests.calendar_server.ical.texts import BERLIN, times, utc

BUSY, FREE, TENTATIVE = Transparency.BUSY, Transparency.FREE, Transparency.TENTATIVE


def at(start, end, kind=BUSY):
    return Instance(utc(f"2026-03-02 {start}"), utc(f"2026-03-02 {end}"), kind)


def periods(*calendars, start="2026-03-02 08:00", end="2026-03-02 18:00"):
    text = free_busy_text(calendars, utc(start), utc(end), utc("2026-03-01"))
    return [
        line.removeprefix("FREEBUSY;FBTYPE=").replace("20260302T", "").replace("00Z", "")
        for line in text.split("\r\n")
        if line.startswith("FREEBUSY")
    ]


def test_periods_of_all_calendars_are_merged_and_clipped():
    first = [at("07:00", "08:30"), at("09:00", "10:00"), at("17:00", "19:00")]
    second = [at("09:30", "11:00"), at("11:00", "11:30")]
    assert periods(first, second) == ["BUSY:0800/0830", "BUSY:0900/1130", "BUSY:1700/1800"]


def test_free_and_empty_instances_leave_no_trace():
    assert periods([at("09:00", "10:00", FREE), at("09:00", "09:00"), at("06:00", "07:00")]) == []


def test_busy_goes_before_tentative():
    found = periods([at("09:00", "12:00", TENTATIVE), at("10:00", "11:00"), at("11:30", "13:00")])
    assert found == [
        "BUSY-TENTATIVE:0900/1000",
        "BUSY:1000/1100",
        "BUSY-TENTATIVE:1100/1130",
        "BUSY:1130/1300",
    ]


def test_the_text_is_a_calendar_object():
    text = free_busy_text(
        [[at("09:00", "10:00")]], utc("2026-03-02"), utc("2026-03-03"), utc("2026-03-01"), uid="u"
    )
    obj = parse_object(text, zone=BERLIN)
    assert obj.component == "VFREEBUSY"
    assert times(obj.instances(utc("2026-03-02"), utc("2026-03-03"))) == ["2026-03-02 00:00/2026-03-03 00:00"]


def test_an_answer_from_the_outbox_says_whom_it_is_about():
    text = free_busy_text(
        [], 0, 86_400, 0, method="REPLY", uid="q", lines=["ATTENDEE:mailto:" + "a" * 80 + "@town.example"]
    )
    lines = text.replace("\r\n ", "").split("\r\n")
    assert lines[3:6] == ["METHOD:REPLY", "BEGIN:VFREEBUSY", "UID:q"]
    assert "ATTENDEE:mailto:" + "a" * 80 + "@town.example" in lines


PERIODS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=8)


def covered(found):
    return {one for start, end in found for one in range(start, end)}


@given(PERIODS, PERIODS)
def test_merging_and_taking_away_keep_every_second(first, second):
    left, taken = merged(first), merged(second)
    assert covered(left) == covered(first)
    assert all(before[1] < after[0] for before, after in pairwise(left))
    rest = without(left, taken)
    assert covered(rest) == covered(first) - covered(second)
    assert rest == merged(rest)

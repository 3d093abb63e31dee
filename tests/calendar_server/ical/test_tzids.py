"""Zones as Outlook, Thunderbird and others name them (RFC 5545 sections 3.2.19 and 3.6.5)."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calendar_server.ical import tzids
from calendar_server.ical.content import Component, Property
from calendar_server.ical.tzids import OwnZone, named_zone, own_zone
from tests.calendar_server.ical.texts import event, times_of

BERLIN_RULES = (
    "BEGIN:STANDARD",
    "DTSTART:16010101T030000",
    "TZOFFSETFROM:+0200",
    "TZOFFSETTO:+0100",
    "RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=10",
    "END:STANDARD",
    "BEGIN:DAYLIGHT",
    "DTSTART:16010101T020000",
    "TZOFFSETFROM:+0100",
    "TZOFFSETTO:+0200",
    "RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3",
    "END:DAYLIGHT",
)


def zone(tzid, *lines):
    return ("BEGIN:VTIMEZONE", f"TZID:{tzid}", *lines, "END:VTIMEZONE")


def fixed(offset):
    return (
        "BEGIN:STANDARD",
        "DTSTART:19700101T000000",
        f"TZOFFSETFROM:{offset}",
        f"TZOFFSETTO:{offset}",
        "END:STANDARD",
    )


def starts_with(tzid, *components, at="20260702T090000"):
    (found,) = times_of(*components, event(f'DTSTART;TZID="{tzid}":{at}'))
    return found.split("/")[0].removeprefix("2026-")


@pytest.mark.parametrize(
    ("tzid", "key"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("W. Europe Standard Time", "Europe/Berlin"),
        ("Eastern Standard Time", "America/New_York"),
        ("/freeassociation.sourceforge.net/Europe/Berlin", "Europe/Berlin"),
        ("/freeassociation.sourceforge.net/Tzfile/Europe/Berlin", "Europe/Berlin"),
        ("/mozilla.org/20050126_1/America/Argentina/Salta", "America/Argentina/Salta"),
        ("/softwarestudio.org/Olson_20011030_5/Europe/Berlin", "Europe/Berlin"),
        ('"Europe/Berlin"', "Europe/Berlin"),
        (" Europe/Berlin ", "Europe/Berlin"),
        ("UTC", "UTC"),
    ],
)
def test_a_name_stands_for_a_zone(tzid, key):
    assert named_zone(tzid) == ZoneInfo(key)


@pytest.mark.parametrize(
    "tzid",
    ["", "/", "Europe", "Mars/Phobos", "../../etc/passwd", "/etc/localtime", "localtime", "Europe/Berlin/../..", "x" * 500, "\x00", "(UTC+01:00) Amsterdam, Berlin"],
)  # fmt: skip
def test_other_names_stand_for_nothing(tzid):
    assert named_zone(tzid) is None


def test_a_windows_name_needs_no_definition():
    assert starts_with("W. Europe Standard Time") == "07-02 07:00"


def test_an_unknown_name_is_read_in_the_offices_zone():
    assert starts_with("Mars/Phobos") == "07-02 07:00"


def test_outlooks_own_names_are_read_by_their_definition():
    tzid = "(UTC+01:00) Amsterdam, Berlin, Bern, Rom, Stockholm, Wien"
    assert starts_with(tzid, zone(tzid.replace(",", "\\,"), *BERLIN_RULES)) == "07-02 07:00"
    assert starts_with("Own", zone("Own", *fixed("-0330"))) == "07-02 12:30"


def test_a_known_name_goes_before_its_definition():
    assert starts_with("Europe/Berlin", zone("Europe/Berlin", *fixed("-0500"))) == "07-02 07:00"


def test_a_definition_may_say_where_it_lies():
    assert (
        starts_with("Own", zone("Own", "X-LIC-LOCATION:America/New_York", *fixed("+0000"))) == "07-02 13:00"
    )


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("BEGIN:STANDARD", "END:STANDARD"),
        ("BEGIN:STANDARD", "DTSTART:never", "TZOFFSETFROM:+0100", "TZOFFSETTO:+0100", "END:STANDARD"),
        ("BEGIN:STANDARD", "DTSTART:19700101T000000", "TZOFFSETFROM:1", "TZOFFSETTO:+0100", "END:STANDARD"),
        ("BEGIN:STANDARD", "DTSTART:19700101T000000", "TZOFFSETFROM:+9900", "TZOFFSETTO:+9900", "END:STANDARD"),
        ("BEGIN:STANDARD", "DTSTART:19700101T000000", "TZOFFSETFROM:+0100", "TZOFFSETTO:+0200", "RRULE:FREQ=SECONDLY", "END:STANDARD"),
        ("BEGIN:STANDARD", "DTSTART:19700101T000000", "TZOFFSETFROM:+0100", "TZOFFSETTO:+0200", "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "END:STANDARD"),
        ("BEGIN:STANDARD", "DTSTART:19700101T000000", "TZOFFSETFROM:+0100", "TZOFFSETTO:+0200", "RDATE:" + ",".join(f"{y:04}0101" for y in range(1, 9999)), "END:STANDARD"),
    ],
)  # fmt: skip
def test_a_broken_definition_is_read_as_the_offices_zone(lines):
    assert starts_with("Own", zone("Own", *lines)) == "07-02 07:00"


def own(*lines):
    definition = Component("VTIMEZONE")
    current = definition
    for line in lines:
        name, _, value = line.partition(":")
        if name == "BEGIN":
            current = Component(value)
            definition.components.append(current)
        elif name != "END":
            current.properties.append(Property(name, "", value, line))
    found = own_zone(definition, "Own")
    assert isinstance(found, OwnZone)
    return found


@given(st.datetimes(datetime(1997, 1, 1), datetime(2037, 1, 1)), st.integers(0, 1))  # noqa: DTZ001 - wall-clock times
def test_a_definition_of_berlin_is_berlin(moment, fold):
    mine, berlin = own(*BERLIN_RULES), ZoneInfo("Europe/Berlin")
    moment = moment.replace(fold=fold, microsecond=0)
    assert moment.replace(tzinfo=mine).utcoffset() == moment.replace(tzinfo=berlin).utcoffset()
    instant = moment.replace(tzinfo=UTC)
    here, there = instant.astimezone(mine), instant.astimezone(berlin)
    assert (here.replace(tzinfo=None), here.fold) == (there.replace(tzinfo=None), there.fold)


@pytest.mark.parametrize("text", ["20260329T020000", "20260329T023000", "20260329T030000", "20261025T015959", "20261025T020000", "20261025T023000", "20261025T030000"])  # fmt: skip
@pytest.mark.parametrize("fold", [0, 1])
def test_a_definition_of_berlin_is_berlin_in_both_nights(text, fold):
    moment = datetime.fromisoformat(text).replace(fold=fold)
    berlin = moment.replace(tzinfo=ZoneInfo("Europe/Berlin"))
    mine = moment.replace(tzinfo=own(*BERLIN_RULES))
    assert mine.utcoffset() == berlin.utcoffset()


def test_a_definition_ends_with_until_and_lists_dates():
    zone_ = own(
        "BEGIN:STANDARD", "DTSTART:20000101T000000", "TZOFFSETFROM:+0000", "TZOFFSETTO:+0100", "RDATE:20260101T000000", "END:STANDARD",
        "BEGIN:DAYLIGHT", "DTSTART:20000601T000000", "TZOFFSETFROM:+0100", "TZOFFSETTO:+0300", "RRULE:FREQ=YEARLY;UNTIL=20010531T230000Z", "END:DAYLIGHT",
    )  # fmt: skip

    def hours(text):
        return datetime.fromisoformat(text).replace(tzinfo=zone_).utcoffset().total_seconds() / 3600

    assert [hours(text) for text in ("1999-06-01", "2000-03-01", "2000-07-01", "2025-12-31", "2026-01-02")] == [
        0, 1, 3, 3, 1,
    ]  # fmt: skip


def test_the_last_change_of_a_rule_that_ended_long_ago_still_holds():
    zone_ = own(
        "BEGIN:DAYLIGHT", "DTSTART:19480502T000000", "TZOFFSETFROM:+0900", "TZOFFSETTO:+1000", "RRULE:FREQ=YEARLY;UNTIL=19510505T000000Z;BYMONTH=5;BYDAY=1SU", "END:DAYLIGHT",
        "BEGIN:STANDARD", "DTSTART:19480912T010000", "TZOFFSETFROM:+1000", "TZOFFSETTO:+0900", "RRULE:FREQ=YEARLY;UNTIL=19510908T150000Z;BYMONTH=9;BYDAY=SU;BYMONTHDAY=8,9,10,11,12,13,14", "END:STANDARD",
    )  # fmt: skip
    assert datetime(2026, 7, 1, tzinfo=zone_).utcoffset().total_seconds() == 9 * 3600


def test_zones_beyond_the_limit_are_read_as_the_offices_zone():
    zones = [line for number in range(30) for line in zone(f"Own{number}", *fixed("-0330"))]
    dates = [f"RDATE;TZID=Own{number}:20260702T090000" for number in range(30)]
    found = times_of(tuple(zones), event("DTSTART;TZID=Europe/Berlin:20260701T090000", *dates))
    assert found == ["2026-07-01 07:00/07:00", "2026-07-02 07:00/07:00", "2026-07-02 12:30/12:30"]


def test_a_definition_with_many_rules_is_read_as_the_offices_zone():
    rule = (*fixed("-0330")[:-1], "RRULE:FREQ=YEARLY", "END:STANDARD")
    assert starts_with("Own", zone("Own", *rule)) == "07-02 12:30"
    assert starts_with("Own", zone("Own", *(rule * 40))) == "07-02 07:00"


def test_a_large_definition_is_read_for_each_of_its_dates_once():
    lines = [f"X-{number}:{'x' * 50}" for number in range(5_000)]
    dates = ["RDATE;TZID=Own:20260702T090000"] * 4_000
    found = times_of(zone("Own", *lines, *fixed("-0330")), event("DTSTART;TZID=Own:20260702T090000", *dates))
    assert found == ["2026-07-02 12:30/12:30"]


def test_a_name_that_is_too_long_to_be_one_is_not_kept():
    kept = tzids._named_zone.cache_info().currsize
    location = f"X-LIC-LOCATION:{'x' * 10_000}"
    assert starts_with("long", zone("long", location, *fixed("+0300"))) == "07-02 06:00"
    assert named_zone("Europe/" + "x" * 10_000) is None
    # "long" itself is a name of usual length, looked up once.
    assert tzids._named_zone.cache_info().currsize <= kept + 1

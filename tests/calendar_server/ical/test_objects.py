"""When an object takes place (RFC 5545 sections 3.3.5, 3.6 and 3.8.5; RFC 4791 section 9.9), in an office in Berlin."""

from zoneinfo import ZoneInfo

import pytest

from calendar_server.ical.objects import InvalidObjectError, Transparency, parse_object
from calendar_server.ical.values import MAX_EPOCH, MIN_EPOCH
from tests.calendar_server.ical.texts import BERLIN, calendar, component, event, parse, times, times_of, utc

MARCH = "DTSTART;TZID=Europe/Berlin:20260302T090000"


def only(*lines, **options):
    return times_of(event(*lines), **options)


# Lengths.


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([MARCH, "DTEND;TZID=Europe/Berlin:20260302T093000"], "2026-03-02 08:00/08:30"),
        ([MARCH, "DTEND:20260302T083000Z"], "2026-03-02 08:00/08:30"),
        ([MARCH, "DURATION:PT1H30M"], "2026-03-02 08:00/09:30"),
        ([MARCH], "2026-03-02 08:00/08:00"),
        ([MARCH, "DTEND;TZID=Europe/Berlin:20260302T090000"], "2026-03-02 08:00/08:00"),
        ([MARCH, "DURATION:PT0S"], "2026-03-02 08:00/08:00"),
        (["DTSTART;VALUE=DATE:20260302"], "2026-03-01 23:00/2026-03-02 23:00"),
        (["DTSTART:20260302"], "2026-03-01 23:00/2026-03-02 23:00"),
        # Of a day no zone counts, though Google wrote one (RFC 5545 section 3.2.19).
        (["DTSTART;VALUE=DATE;TZID=Asia/Tokyo:20260302"], "2026-03-01 23:00/2026-03-02 23:00"),
        (["DTSTART:20260302Z"], "2026-03-01 23:00/2026-03-02 23:00"),
        (["DTSTART;VALUE=DATE:20260302T090000"], "2026-03-01 23:00/2026-03-02 23:00"),
        (["DTSTART;VALUE=DATE:20260302", "DTEND;VALUE=DATE:20260304"], "2026-03-01 23:00/2026-03-03 23:00"),
        (["DTSTART;VALUE=DATE:20260302", "DTEND;VALUE=DATE:20260302"], "2026-03-01 23:00/2026-03-02 23:00"),
        (["DTSTART;VALUE=DATE:20260302", "DURATION:P2D"], "2026-03-01 23:00/2026-03-03 23:00"),
        (["DTSTART;VALUE=DATE:20260302", "DURATION:PT0S"], "2026-03-01 23:00/2026-03-02 23:00"),
        (["DTSTART;VALUE=DATE:20260302", "DURATION:P1W"], "2026-03-01 23:00/2026-03-08 23:00"),
        (["DTSTART:20260302T090000", "DTEND:20260302T100000"], "2026-03-02 08:00/09:00"),
        (["DTSTART;VALUE=DATE:20260302", "DTEND:20260302T110000Z"], "2026-03-01 23:00/2026-03-02 11:00"),
        (["DTSTART:20260302T235960", "DURATION:PT1M"], "2026-03-02 22:59/23:00"),
    ],
)
def test_an_event_lasts(lines, expected):
    assert only(*lines) == [expected]


def test_days_of_a_duration_are_nominal_and_hours_exact():
    # The night of 28 to 29 March 2026 has 23 hours.
    begin = "DTSTART;TZID=Europe/Berlin:20260328T120000"
    assert only(begin, "DURATION:P1D") == ["2026-03-28 11:00/2026-03-29 10:00"]
    assert only(begin, "DURATION:PT24H") == ["2026-03-28 11:00/2026-03-29 11:00"]
    assert only(begin, "DURATION:P1DT1H") == ["2026-03-28 11:00/2026-03-29 11:00"]


def test_a_day_of_23_or_25_hours_is_a_day():
    assert only("DTSTART;VALUE=DATE:20260329") == ["2026-03-28 23:00/2026-03-29 22:00"]
    assert only("DTSTART;VALUE=DATE:20261025") == ["2026-10-24 22:00/2026-10-25 23:00"]


def test_a_skipped_time_is_read_with_the_offset_before_the_gap():
    assert only("DTSTART;TZID=Europe/Berlin:20260329T023000", "DURATION:PT1H") == ["2026-03-29 01:30/02:30"]


def test_an_ambiguous_time_is_the_first_of_the_two():
    assert only("DTSTART;TZID=Europe/Berlin:20261025T023000", "DURATION:PT1H") == ["2026-10-25 00:30/01:30"]


def test_an_end_that_only_the_clock_change_puts_before_the_start_is_no_mistake():
    lines = "DTSTART;TZID=Europe/Berlin:20260329T023000", "DTEND;TZID=Europe/Berlin:20260329T031500"
    assert only(*lines) == ["2026-03-29 01:30/01:30"]


@pytest.mark.parametrize(
    "lines",
    [
        [MARCH, "DTEND;TZID=Europe/Berlin:20260302T085900"],
        [MARCH, "DTEND:20260302T075900Z"],
        ["DTSTART;VALUE=DATE:20260302", "DTEND;VALUE=DATE:20260301"],
        [MARCH, "DURATION:-PT1H"],
        [MARCH, "DURATION:P"],
        [MARCH, "DURATION:PT"],
        [MARCH, "DURATION:P999999999W"],
        [MARCH, "DTEND:tomorrow"],
        ["DTSTART:20260230T090000"],
        ["DTSTART:20260301T250000"],
        ["DTSTART:00000101"],
        ["DTSTART:２０２６0101"],
        ["SUMMARY:without a start"],
    ],
)
def test_a_time_that_makes_no_sense_is_refused(lines):
    with pytest.raises(InvalidObjectError) as error:
        parse(event(*lines))
    assert error.value.precondition == "valid-calendar-data"
    assert str(error.value).split(":")[0].split(" ")[0] in {"DTSTART", "DTEND", "DURATION"}


# What meets a time-range.


@pytest.mark.parametrize(
    ("start", "end", "meets"),
    [
        ("2026-03-02 07:00", "2026-03-02 08:00", False),
        ("2026-03-02 07:00", "2026-03-02 08:01", True),
        ("2026-03-02 08:29", "2026-03-02 09:00", True),
        ("2026-03-02 08:30", "2026-03-02 09:00", False),
        ("2026-03-02 08:10", "2026-03-02 08:11", True),
    ],
)
def test_periods_are_half_open(start, end, meets):
    found = only(MARCH, "DURATION:PT30M", start=start, end=end)
    assert bool(found) is meets


@pytest.mark.parametrize(
    ("start", "end", "meets"),
    [
        ("2026-03-02 07:00", "2026-03-02 08:00", False),
        ("2026-03-02 08:00", "2026-03-02 08:01", True),
        ("2026-03-02 07:59", "2026-03-02 08:00", False),
    ],
)
def test_an_event_without_length_is_a_point(start, end, meets):
    assert bool(only(MARCH, start=start, end=end)) is meets


@pytest.mark.parametrize(
    ("lines", "start", "end", "meets"),
    [
        (["DTSTART:20260302T080000Z", "DUE:20260302T090000Z"], "2026-03-02 09:00", "2026-03-02 10:00", False),
        (["DTSTART:20260302T080000Z", "DUE:20260302T090000Z"], "2026-03-02 08:30", "2026-03-02 10:00", True),
        (["DUE:20260302T090000Z"], "2026-03-02 09:00", "2026-03-02 10:00", False),
        (["DUE:20260302T090000Z"], "2026-03-02 08:00", "2026-03-02 09:00", True),
        (["COMPLETED:20260302T090000Z"], "2026-03-02 09:00", "2026-03-02 10:00", True),
        (["COMPLETED:20260302T090000Z"], "2026-03-02 08:00", "2026-03-02 09:00", True),
        (["COMPLETED:20260302T090000Z"], "2026-03-02 09:01", "2026-03-02 10:00", False),
        (
            ["COMPLETED:20260302T090000Z", "CREATED:20260301T090000Z"],
            "2026-03-02 08:00",
            "2026-03-02 08:30",
            True,
        ),
        (["CREATED:20260302T090000Z"], "2027-03-02 09:00", "2027-03-02 10:00", True),
        (["CREATED:20260302T090000Z"], "2026-03-02 08:00", "2026-03-02 09:00", False),
        ([], "1980-01-01", "1980-01-02", True),
    ],
)
def test_tasks_meet_a_time_range_by_the_table_of_rfc_4791(lines, start, end, meets):
    assert bool(parse(component("VTODO", *lines)).instances(utc(start), utc(end))) is meets


def test_a_done_instance_of_a_task_needs_no_start():
    found = parse(
        component("VTODO", "DTSTART:20260302T080000Z", "RRULE:FREQ=DAILY;COUNT=2", "STATUS:NEEDS-ACTION"),
        component("VTODO", "RECURRENCE-ID:20260303T080000Z", "STATUS:COMPLETED"),
    )
    assert times(found.instances(MIN_EPOCH, MAX_EPOCH)) == [
        "2026-03-02 08:00/08:00",
        "2026-03-03 08:00/08:00",
    ]
    assert found.members_meeting(utc("2026-03-03"), utc("2026-03-04")) == {1}


def test_a_task_may_be_due_before_it_begins():
    assert times_of(component("VTODO", "DTSTART:20260302T080000Z", "DUE:20260301T080000Z")) == [
        "2026-03-02 08:00/08:00"
    ]
    days = "DTSTART;VALUE=DATE:20260302", "DUE;VALUE=DATE:20260301"
    assert times_of(component("VTODO", *days)) == ["2026-03-01 23:00/2026-03-02 23:00"]


def test_a_journal_without_a_start_meets_no_time_range():
    assert parse(component("VJOURNAL", "SUMMARY:a")).instances(MIN_EPOCH, MAX_EPOCH) == []
    assert times_of(component("VJOURNAL", "DTSTART;VALUE=DATE:20260302")) == [
        "2026-03-01 23:00/2026-03-02 23:00"
    ]


def test_free_busy_objects_take_place_where_their_periods_do():
    found = times_of(
        component("VFREEBUSY", "FREEBUSY:20260302T080000Z/PT1H,20260303T080000Z/20260303T090000Z")
    )
    assert found == ["2026-03-02 08:00/09:00", "2026-03-03 08:00/09:00"]


# Recurrence sets.


def test_a_weekly_meeting_stays_at_its_wall_clock_time_over_both_clock_changes():
    found = only("DTSTART;TZID=Europe/Berlin:20260322T090000", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;COUNT=2")
    assert found == ["2026-03-22 08:00/09:00", "2026-03-29 07:00/08:00"]
    found = only("DTSTART;TZID=Europe/Berlin:20261018T090000", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;COUNT=2")
    assert found == ["2026-10-18 07:00/08:00", "2026-10-25 08:00/09:00"]


def test_a_recurrence_into_the_gap_is_read_with_the_offset_before_it():
    found = only("DTSTART;TZID=Europe/Berlin:20260328T023000", "DURATION:PT15M", "RRULE:FREQ=DAILY;COUNT=3")
    assert found == ["2026-03-28 01:30/01:45", "2026-03-29 01:30/01:45", "2026-03-30 00:30/00:45"]


def test_an_end_gives_each_instance_the_same_exact_length():
    begin = "DTSTART;TZID=Europe/Berlin:20260327T220000"
    exact = only(begin, "DTEND;TZID=Europe/Berlin:20260328T060000", "RRULE:FREQ=DAILY;COUNT=2")
    assert exact == ["2026-03-27 21:00/2026-03-28 05:00", "2026-03-28 21:00/2026-03-29 05:00"]


def test_utc_and_floating_events_recur_on_their_own_clocks():
    rule = "RRULE:FREQ=WEEKLY;COUNT=2"
    assert only("DTSTART:20260322T080000Z", rule) == ["2026-03-22 08:00/08:00", "2026-03-29 08:00/08:00"]
    assert only("DTSTART:20260322T090000", rule) == ["2026-03-22 08:00/08:00", "2026-03-29 07:00/07:00"]


@pytest.mark.parametrize(
    ("until", "days"),
    [
        ("20260304T080000Z", 3),
        ("20260304T075959Z", 2),
        ("20260304T090000", 3),
        ("20260304", 3),
        ("20260301T000000Z", 0),
    ],
)
def test_until_is_inclusive(until, days):
    assert len(only(MARCH, f"RRULE:FREQ=DAILY;UNTIL={until}")) == days


@pytest.mark.parametrize(
    ("until", "days"),
    [("20260304", 3), ("20260304T000000Z", 3), ("20260303T230000Z", 3), ("20260303T225959Z", 2)],
)
def test_until_of_an_all_day_series_may_be_a_day_or_an_instant(until, days):
    assert len(only("DTSTART;VALUE=DATE:20260302", f"RRULE:FREQ=DAILY;UNTIL={until}")) == days


def test_midnight_in_utc_stands_for_the_day_west_of_greenwich_too():
    lines = "DTSTART;VALUE=DATE:20260302", "RRULE:FREQ=DAILY;UNTIL=20260304T000000Z"
    assert len(only(*lines, zone=ZoneInfo("America/New_York"))) == 3


@pytest.mark.parametrize(
    "exdate",
    [
        "EXDATE;TZID=Europe/Berlin:20260303T090000",
        "EXDATE:20260303T080000Z",
        "EXDATE;TZID=America/New_York:20260303T030000",
        "EXDATE:20260303T090000",
        "EXDATE;VALUE=DATE:20260303",
        "EXDATE:20200101T000000Z,20260303T080000Z,",
    ],
)
def test_exdate_removes_an_instance_in_whatever_form(exdate):
    assert only(MARCH, "RRULE:FREQ=DAILY;COUNT=3", exdate) == [
        "2026-03-02 08:00/08:00",
        "2026-03-04 08:00/08:00",
    ]


@pytest.mark.parametrize(
    "exdate", ["EXDATE;VALUE=DATE:20260303", "EXDATE:20260303T000000Z", "EXDATE:20260302T230000Z"]
)
def test_exdate_removes_a_day_in_whatever_form(exdate):
    found = only("DTSTART;VALUE=DATE:20260302", "RRULE:FREQ=DAILY;COUNT=3", exdate)
    assert found == ["2026-03-01 23:00/2026-03-02 23:00", "2026-03-03 23:00/2026-03-04 23:00"]


def test_rdate_adds_instances_and_periods_with_their_own_length():
    found = only(
        MARCH,
        "DURATION:PT1H",
        "RDATE;TZID=Europe/Berlin:20260303T090000,20260303T090000",
        "RDATE;VALUE=PERIOD:20260304T080000Z/20260304T081000Z,20260305T080000Z/PT20M",
    )
    assert found == [
        "2026-03-02 08:00/09:00",
        "2026-03-03 08:00/09:00",
        "2026-03-04 08:00/08:10",
        "2026-03-05 08:00/08:20",
    ]


def test_a_period_reaches_into_a_later_window():
    found = only(MARCH, "RDATE;VALUE=PERIOD:20260310T080000Z/P30D", start="2026-04-01", end="2026-04-02")
    assert found == ["2026-03-10 08:00/2026-04-09 08:00"]


def test_exdate_removes_what_rdate_adds():
    assert only(MARCH, "RDATE:20260303T080000Z", "EXDATE:20260303T080000Z") == ["2026-03-02 08:00/08:00"]


def master(*lines):
    return event(MARCH, "DURATION:PT1H", *lines)


def override(recurrence_id, *lines):
    return event(f"RECURRENCE-ID{recurrence_id}", *lines)


@pytest.mark.parametrize(
    "recurrence_id", [";TZID=Europe/Berlin:20260303T090000", ":20260303T080000Z", ";VALUE=DATE:20260303"]
)
def test_an_override_replaces_its_instance(recurrence_id):
    found = times_of(
        master("RRULE:FREQ=DAILY;COUNT=3"),
        override(recurrence_id, "DTSTART:20260303T130000Z", "DTEND:20260303T140000Z"),
    )
    assert found == ["2026-03-02 08:00/09:00", "2026-03-03 13:00/14:00", "2026-03-04 08:00/09:00"]


@pytest.mark.parametrize(("first", "second", "hour"), [(0, 0, 13), (0, 1, 13), (2, 1, 12)])
def test_of_two_overrides_of_one_instance_the_later_revision_holds(first, second, hour):
    found = times_of(
        master("RRULE:FREQ=DAILY;COUNT=2"),
        override(":20260303T080000Z", "DTSTART:20260303T120000Z", f"SEQUENCE:{first}"),
        override(":20260303T080000Z", "DTSTART:20260303T130000Z", f"SEQUENCE:{second}"),
    )
    assert found == ["2026-03-02 08:00/09:00", f"2026-03-03 {hour}:00/{hour}:00"]


def test_an_override_stands_though_an_exdate_removes_what_it_replaces():
    # Apple's iCal wrote both for a detached instance.
    found = times_of(
        master("RRULE:FREQ=DAILY;COUNT=2", "EXDATE:20260303T080000Z"),
        override(":20260303T080000Z", "DTSTART:20260303T130000Z"),
    )
    assert found == ["2026-03-02 08:00/09:00", "2026-03-03 13:00/13:00"]


def test_an_override_moves_into_and_out_of_a_window():
    components = (
        override(":20260303T080000Z", "DTSTART:20280303T130000Z", "DURATION:PT1H"),
        master("RRULE:FREQ=DAILY;COUNT=3"),
    )
    assert times_of(*components, start="2028-01-01", end="2029-01-01") == ["2028-03-03 13:00/14:00"]
    assert times_of(*components, start="2026-03-03", end="2026-03-04") == []


def test_overrides_without_a_master_stand_alone():
    found = times_of(
        override(":20260303T080000Z", "DTSTART:20260303T130000Z"),
        override(":20260304T080000Z", "DTSTART:20260304T130000Z"),
    )
    assert found == ["2026-03-03 13:00/13:00", "2026-03-04 13:00/13:00"]


def test_this_and_future_moves_what_follows_but_no_other_override():
    found = times_of(
        master("RRULE:FREQ=DAILY;COUNT=5"),
        override(";RANGE=THISANDFUTURE:20260304T080000Z", "DTSTART:20260304T093000Z", "DURATION:PT30M"),
        override(":20260305T080000Z", "DTSTART:20260305T060000Z", "DURATION:PT5M"),
    )
    assert found == [
        "2026-03-02 08:00/09:00",
        "2026-03-03 08:00/09:00",
        "2026-03-04 09:30/10:00",
        "2026-03-05 06:00/06:05",
        "2026-03-06 09:30/10:00",
    ]


def test_the_later_this_and_future_holds():
    found = times_of(
        master("RRULE:FREQ=DAILY;COUNT=4"),
        override(";RANGE=THISANDFUTURE:20260305T080000Z", "DTSTART:20260306T080000Z", "DURATION:PT30M"),
        override(";RANGE=THISANDFUTURE:20260303T080000Z", "DTSTART:20260303T090000Z", "DURATION:PT15M"),
    )
    assert found == [
        "2026-03-02 08:00/09:00",
        "2026-03-03 09:00/09:15",
        "2026-03-04 09:00/09:15",
        "2026-03-06 08:00/08:30",
    ]


def test_this_and_future_moves_into_a_far_window():
    found = times_of(
        master("RRULE:FREQ=DAILY;COUNT=3"),
        override(";RANGE=THISANDFUTURE:20260303T080000Z", "DTSTART:20280303T080000Z", "DURATION:PT1H"),
        start="2028-03-04",
        end="2028-03-05",
    )
    assert found == ["2028-03-04 08:00/09:00"]


def test_this_and_future_keeps_the_wall_clock_over_the_clock_change():
    found = times_of(
        master("RRULE:FREQ=WEEKLY;COUNT=5"),
        override(
            ";RANGE=THISANDFUTURE;TZID=Europe/Berlin:20260323T090000",
            "DTSTART;TZID=Europe/Berlin:20260323T110000",
            "DURATION:PT1H",
        ),
    )
    assert found[-2:] == ["2026-03-23 10:00/11:00", "2026-03-30 09:00/10:00"]


def test_this_and_future_of_an_all_day_series():
    found = times_of(
        event("DTSTART;VALUE=DATE:20260601", "RRULE:FREQ=WEEKLY;COUNT=3"),
        override(";RANGE=THISANDFUTURE;VALUE=DATE:20260608", "DTSTART;VALUE=DATE:20260609"),
    )
    assert found == [
        "2026-05-31 22:00/2026-06-01 22:00",
        "2026-06-08 22:00/2026-06-09 22:00",
        "2026-06-15 22:00/2026-06-16 22:00",
    ]


def test_a_cancelled_override_frees_its_instance_only():
    obj = parse(
        master("RRULE:FREQ=DAILY;COUNT=2"),
        override(":20260303T080000Z", "DTSTART:20260303T080000Z", "STATUS:CANCELLED"),
    )
    kinds = [one.transparency for one in obj.instances(utc("2026-01-01"), utc("2027-01-01"))]
    assert kinds == [Transparency.BUSY, Transparency.FREE]


def test_instances_are_limited():
    obj = parse(master("RRULE:FREQ=DAILY"))
    found = obj.instances(utc("2026-03-01"), MAX_EPOCH, limit=3)
    assert times(found) == ["2026-03-02 08:00/09:00", "2026-03-03 08:00/09:00", "2026-03-04 08:00/09:00"]


def test_long_instances_of_an_endless_rule_stay_within_the_limit():
    obj = parse(event(MARCH, "DURATION:P99999D", "RRULE:FREQ=DAILY"))
    assert len(obj.instances(utc("2200-01-01"), utc("2200-01-02"), limit=100)) == 100


# Where they lie.


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([MARCH, "DURATION:PT1H"], ("2026-03-02 08:00", "2026-03-02 09:00")),
        ([MARCH, "RRULE:FREQ=DAILY"], ("2026-03-02 08:00", None)),
        ([MARCH, "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=3"], ("2026-03-02 08:00", "2026-03-04 09:00")),
        ([MARCH, "RRULE:FREQ=WEEKLY;UNTIL=20260320T000000Z"], ("2026-03-02 08:00", "2026-03-16 08:00")),
        (
            [MARCH, "RRULE:FREQ=DAILY;COUNT=3", "RDATE;VALUE=PERIOD:20250101T000000Z/P999D"],
            ("2025-01-01 00:00", "2027-09-27 00:00"),
        ),
        ([MARCH, "RRULE:FREQ=DAILY;UNTIL=20200101T000000Z"], ("1970-01-01", "1970-01-01")),
        (
            [MARCH, "RRULE:FREQ=DAILY;UNTIL=20200101T000000Z", "RDATE:20250101T000000Z"],
            ("2025-01-01", "2025-01-01"),
        ),
    ],
)
def test_an_object_is_enclosed(lines, expected):
    start, end = expected
    assert parse(event(*lines)).enclosing() == (utc(start), None if end is None else utc(end))


def test_overrides_are_enclosed():
    obj = parse(
        master("RRULE:FREQ=DAILY;COUNT=3"),
        override(":20260303T080000Z", "DTSTART:20200303T130000Z"),
        override(":20260304T080000Z", "DTSTART:20300303T130000Z"),
    )
    assert obj.enclosing() == (utc("2020-03-03 13:00"), utc("2030-03-03 13:00"))


def test_a_task_without_time_has_no_end():
    assert parse(component("VTODO")).enclosing() == (MIN_EPOCH, None)


# What instances mean.


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], Transparency.BUSY),
        (["TRANSP:OPAQUE"], Transparency.BUSY),
        (["TRANSP:TRANSPARENT"], Transparency.FREE),
        (["transp:transparent"], Transparency.FREE),
        (["STATUS:CANCELLED"], Transparency.FREE),
        (["STATUS:TENTATIVE"], Transparency.TENTATIVE),
        (["STATUS:TENTATIVE", "TRANSP:TRANSPARENT"], Transparency.FREE),
        (["X-MICROSOFT-CDO-BUSYSTATUS:OOF", "TRANSP:TRANSPARENT"], Transparency.BUSY),
        (["X-MICROSOFT-CDO-INTENDEDSTATUS:OOF", "TRANSP:TRANSPARENT"], Transparency.BUSY),
        (["X-MICROSOFT-CDO-BUSYSTATUS:FREE"], Transparency.FREE),
        (["X-MICROSOFT-CDO-BUSYSTATUS:TENTATIVE"], Transparency.TENTATIVE),
        (["X-MICROSOFT-CDO-BUSYSTATUS:OOF", "STATUS:CANCELLED"], Transparency.FREE),
        (["TRANSP:TRANSPARENT", "SUMMARY:krank"], Transparency.FREE),
        (["TRANSP:TRANSPARENT", "SUMMARY:krank", "X-MICROSOFT-CDO-ALLDAYEVENT:TRUE"], Transparency.BUSY),
        (
            ["X-MICROSOFT-CDO-BUSYSTATUS:FREE", "SUMMARY:krank", "X-MICROSOFT-CDO-ALLDAYEVENT:TRUE"],
            Transparency.BUSY,
        ),
        (["ATTENDEE;PARTSTAT=DECLINED:mailto:Anna@town.example"], Transparency.FREE),
        (["ATTENDEE;PARTSTAT=DECLINED:mailto:ben@town.example"], Transparency.BUSY),
        (["ATTENDEE;PARTSTAT=ACCEPTED:mailto:anna@town.example"], Transparency.BUSY),
    ],
)
def test_an_event_is_busy_or_free(lines, expected):
    obj = parse(
        event(MARCH, *lines),
        absence_words=frozenset({"krank"}),
        addresses=frozenset({"anna@town.example"}),
    )
    assert [one.transparency for one in obj.instances(MIN_EPOCH, MAX_EPOCH)] == [expected]


@pytest.mark.parametrize(
    ("summary", "expected"),
    [
        ("Krank", Transparency.BUSY),
        ("bin krank!", Transparency.BUSY),
        ("Urlaub\\, endlich", Transparency.BUSY),
        ("KRANKENKASSE", Transparency.FREE),
        ("Straßenfest", Transparency.FREE),
        ("STRASSE", Transparency.BUSY),
        ("", Transparency.FREE),
        ("heute außer Haus", Transparency.BUSY),
        ("O\u0308sterreich", Transparency.BUSY),
    ],
)
def test_an_all_day_absence_is_busy_though_clients_mark_it_free(summary, expected):
    obj = parse(
        event("DTSTART;VALUE=DATE:20260302", "TRANSP:TRANSPARENT", f"SUMMARY:{summary}"),
        absence_words=frozenset({"krank", "Urlaub", "Straße", "außer Haus", "österreich", ""}),
    )
    assert [one.transparency for one in obj.instances(MIN_EPOCH, MAX_EPOCH)] == [expected]


# What is refused, and what is stored.


def refused(text, **options):
    with pytest.raises(InvalidObjectError) as error:
        parse_object(text, **{"zone": BERLIN, **options})
    return error.value.precondition


PLAIN = event("DTSTART:20260302T080000Z")


@pytest.mark.parametrize(
    "text",
    [
        calendar("METHOD:REQUEST", *PLAIN),
        calendar(),
        calendar(*component("VTIMEZONE", "TZID:x")),
        calendar(*PLAIN, *component("VTODO")),
        calendar(*PLAIN, *event("DTSTART:20260302T080000Z", uid="other")),
        calendar(*PLAIN, *PLAIN),
        calendar("BEGIN:VEVENT", "DTSTART:20260302T080000Z", "END:VEVENT"),
        calendar(*event("DTSTART:20260302T080000Z", uid="")),
    ],
)
def test_what_is_not_one_object_is_refused(text):
    assert refused(text) == "valid-calendar-object-resource"


@pytest.mark.parametrize("name", ["VAVAILABILITY", "X-THING", "VALARM", "STANDARD", "VCALENDAR"])
def test_other_components_are_refused(name):
    assert refused(calendar(*component(name))) == "supported-calendar-component"


@pytest.mark.parametrize(
    "lines",
    [
        ["RRULE:FREQ=DAILY", "RRULE:FREQ=WEEKLY"],
        ["EXRULE:FREQ=DAILY"],
        ["RRULE:FREQ=DAILY;INTERVAL=0"],
        ["RDATE:never"],
        ["EXDATE:never"],
        ["RDATE:20260101T000000Z/"],
        ["RECURRENCE-ID:never"],
    ],
)
def test_a_recurrence_that_cannot_be_served_is_refused(lines):
    assert refused(calendar(*event(MARCH, *lines))) == "valid-calendar-data"


@pytest.mark.parametrize(
    "lines",
    [
        ["RRULE:FREQ=SECONDLY"],
        ["RDATE:" + ",".join(["20260101T000000Z"] * 6000)],
        ["EXDATE:" + ",".join(["20260101T000000Z"] * 6000)],
    ],
)
def test_too_many_instances_are_refused(lines):
    assert refused(calendar(*event(MARCH, *lines))) == "max-instances"


def test_too_many_overrides_are_refused():
    text = calendar(*(line for _ in range(2_001) for line in override(":20260303T080000Z", MARCH)))
    assert refused(text) == "max-instances"


def test_a_text_that_is_too_large_is_refused():
    text = calendar(*event(MARCH, "DESCRIPTION:" + "ü" * 600))
    assert refused(text, max_bytes=1_000) == "max-resource-size"
    assert refused(text.encode(), max_bytes=1_000) == "max-resource-size"
    parse_object(text, zone=BERLIN, max_bytes=1_500)


def test_messages_quote_nothing():
    with pytest.raises(InvalidObjectError) as error:
        parse(event("DTSTART:Frau Müller 0171 2345"))
    assert "Müller" not in str(error.value)


def test_the_text_is_kept_as_sent_but_for_its_line_ends():
    text = calendar(*event(MARCH, "SUMMARY:ein langer Titel", "  der weitergeht", 'x-Own;A="b":c\\,d'))
    assert parse_object(text, zone=BERLIN).text == text
    loose = "\ufeff\r\n" + text.replace("\r\n", "\n").replace("END:VEVENT\n", "\n  \nEND:VEVENT\n\n") + "\n\n"
    assert parse_object(loose.encode(), zone=BERLIN).text == text
    assert parse_object(text.replace("\r\n", "\r"), zone=BERLIN).text == text


def test_an_object_says_what_it_is():
    obj = parse(
        override(":20260303T080000Z", "DTSTART:20260303T130000Z", "SUMMARY:moved"),
        event(MARCH, "RRULE:FREQ=DAILY", "SUMMARY:Grüße\\, alle"),
    )
    assert (obj.uid, obj.component, obj.recurring) == ("u", "VEVENT", True)
    assert [str(one["SUMMARY"]) for one in obj.events] == ["Grüße, alle", "moved"]
    assert obj.members[0].first("SUMMARY").text == "Grüße, alle"
    assert not parse(event(MARCH)).recurring
    assert parse(component("VTODO")).events == []


def test_what_icalendar_cannot_read_is_refused_when_it_is_asked():
    obj = parse(component("VJOURNAL", "DTSTART:20260302T080000Z", "CREATED:19970901T1300Z"))
    assert times(obj.instances(utc("2026-01-01"), utc("2027-01-01"))) == ["2026-03-02 08:00/08:00"]
    with pytest.raises(InvalidObjectError):
        assert obj.calendar

"""RRULE expansion against dateutil's where both follow the RFC, and against what the RFC says where they don't."""

from datetime import date, datetime, timedelta
from itertools import islice
from random import Random

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from calendar_server.ical.rules import RuleError, Work, candidates, parse_rule, starts, vet
from calendar_server.ical.values import DAY, EPOCH_LOCAL, Moment
from tests.calendar_server.ical.texts import BERLIN

WEEKDAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]


def local(text):
    moment = datetime.fromisoformat(text)
    return moment.toordinal() * DAY + moment.hour * 3600 + moment.minute * 60 + moment.second


def shown(seconds):
    return f"{date.fromordinal(seconds // DAY)} {seconds % DAY // 3600:02}:{seconds % 3600 // 60:02}"


def first(text, *, is_date=False):
    return Moment(local(text), BERLIN, is_date=is_date)


def rule_starts(text, start, *, number=6, is_date=False, since=None):
    moment = first(start, is_date=is_date)
    rule = parse_rule(text, moment, BERLIN)
    low = local(since) if since else moment.local
    return [
        shown(one) for one in islice(starts(rule, moment.local, low, local("9990-01-01"), Work()), number)
    ]


def joined(values):
    return ",".join(map(str, values))


def random_rule(random):
    """A valid rule on which dateutil agrees with the RFC and works: it fails on numbers that a month doesn't have, takes mixed
    numbered and plain BYDAY as both at once, and BYWEEKNO without BYDAY as the whole week."""

    def some(*values):
        return ",".join(map(str, random.sample(values, random.randint(1, min(3, len(values))))))

    freq = random.choice(["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY"])
    parts = {"FREQ": freq, "INTERVAL": random.choice([1, 1, 2, 3, 5]), "WKST": random.choice(WEEKDAYS)}
    numbers = [1, 2, 4, -1, -2, -4]
    shapes = {
        "YEARLY": [
            {"BYDAY": some(*(f"{n}{day}" for n in [*numbers, 20, -20] for day in WEEKDAYS))},
            {"BYWEEKNO": some(1, 2, 20, 52, 53, -1, -53), "BYDAY": some(*WEEKDAYS)},
            {"BYYEARDAY": some(1, 59, 60, 100, 366, -1, -366)},
            {
                "BYMONTH": some(*range(1, 13)),
                "BYDAY": some(*(f"{n}{day}" for n in numbers for day in WEEKDAYS)),
            },
        ],
        "MONTHLY": [{"BYDAY": some(*(f"{n}{day}" for n in numbers for day in WEEKDAYS))}],
        "HOURLY": [{"BYYEARDAY": some(*range(1, 366, 30)), "BYHOUR": some(*range(24))}],
    }
    any_freq = [{}, {"BYDAY": some(*WEEKDAYS)}, {"BYMONTH": some(*range(1, 13)), "BYDAY": some(*WEEKDAYS)}]
    by_month_day = {"BYMONTHDAY": some(*range(1, 32), -1, -2, -31), "BYDAY": some(*WEEKDAYS)}
    parts |= random.choice([*shapes.get(freq, []), *any_freq, *([by_month_day] if freq != "WEEKLY" else [])])
    if freq != "HOURLY" and random.randrange(3) == 0:
        parts["BYHOUR"] = some(0, 9, 14, 23)
    if random.randrange(3) == 0:
        parts["BYMINUTE"] = some(0, 15, 30)
    if any(part.startswith("BY") for part in parts) and random.randrange(3) == 0:
        parts["BYSETPOS"] = some(1, 2, 3, -1, -2)
    return ";".join(f"{name}={value}" for name, value in parts.items())


def produces(rule, moment):
    try:
        vet(rule, moment)
    except RuleError as error:
        return error.precondition == "max-instances"
    return True


@pytest.mark.parametrize("seed", range(20))
def test_rules_give_what_dateutil_gives(seed):
    random = Random(seed)
    zero = datetime(1, 1, 1)  # noqa: DTZ001 - wall-clock times
    compared = 0
    while compared < 20:
        text = random_rule(random)
        start = datetime(2015, 1, 1) + timedelta(minutes=random.randrange(15 * 365 * 1440))  # noqa: DTZ001
        moment = first(start.isoformat())
        # dateutil goes hour by hour from DTSTART on.
        days, window = (10, 60) if "HOURLY" in text else (random.randrange(400), 400)
        low = moment.local + days * DAY
        high = low + window * DAY
        rule = parse_rule(text, moment, BERLIN)
        if not produces(rule, moment):
            # dateutil looks for an instance of an empty rule until the year 9999.
            continue
        compared += 1
        mine = list(candidates(rule, moment.local, low, high, Work()))
        oracle = rrulestr(text, dtstart=start).replace(until=zero + timedelta(seconds=high - DAY))
        theirs = [int((one - zero).total_seconds()) + DAY for one in oracle]
        assert (text, start, mine) == (text, start, [one for one in theirs if one >= low])


@pytest.mark.parametrize(
    ("text", "start", "expected"),
    [
        # RFC 5545 section 3.8.5.3's examples that a careless expansion gets wrong.
        ("FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", "1997-05-12 09:00", ["1997-05-12 09:00", "1998-05-11 09:00"]),
        ("FREQ=YEARLY;BYDAY=20MO", "1997-05-19 09:00", ["1997-05-19 09:00", "1998-05-18 09:00"]),
        (
            "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
            "1998-02-13 09:00",
            ["1998-02-13 09:00", "1998-03-13 09:00", "1998-11-13 09:00"],
        ),
        (
            "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
            "1996-11-05 09:00",
            ["1996-11-05 09:00", "2000-11-07 09:00", "2004-11-02 09:00"],
        ),
        (
            "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO",
            "1997-08-05 09:00",
            ["1997-08-05 09:00", "1997-08-10 09:00", "1997-08-19 09:00", "1997-08-24 09:00"],
        ),
        (
            "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU",
            "1997-08-05 09:00",
            ["1997-08-05 09:00", "1997-08-17 09:00", "1997-08-19 09:00", "1997-08-31 09:00"],
        ),
        ("FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=3", "2007-01-15 09:00", ["2007-01-15 09:00", "2007-01-30 09:00", "2007-02-15 09:00"]),
        # No part but DTSTART's: days that a month doesn't have are left out, not moved.
        ("FREQ=MONTHLY", "2026-01-31 09:00", ["2026-01-31 09:00", "2026-03-31 09:00", "2026-05-31 09:00"]),
        ("FREQ=YEARLY", "2024-02-29 09:00", ["2024-02-29 09:00", "2028-02-29 09:00", "2032-02-29 09:00"]),
        ("FREQ=YEARLY;BYWEEKNO=1", "2025-12-30 09:00", ["2025-12-30 09:00", "2027-01-05 09:00", "2028-01-04 09:00"]),
        # Plain and numbered weekdays together are either.
        ("FREQ=MONTHLY;BYDAY=1MO,FR;COUNT=4", "2026-03-02 09:00", ["2026-03-02 09:00", "2026-03-06 09:00", "2026-03-13 09:00", "2026-03-20 09:00"]),
        # Numbers mean nothing in a weekly rule.
        ("FREQ=WEEKLY;BYDAY=1MO", "2026-03-02 09:00", ["2026-03-02 09:00", "2026-03-09 09:00"]),
        # DTSTART is an instance, but COUNT counts the rule's own.
        ("FREQ=WEEKLY;BYDAY=MO;COUNT=2", "2026-03-03 09:00", ["2026-03-03 09:00", "2026-03-09 09:00", "2026-03-16 09:00"]),
        ("FREQ=DAILY;BYSECOND=60;COUNT=1", "2026-03-03 09:00", ["2026-03-03 09:00"]),
        ("freq=daily;count=2;", "2026-03-03 09:00", ["2026-03-03 09:00", "2026-03-04 09:00"]),
        ("RSCALE=GREGORIAN;FREQ=DAILY;SKIP=OMIT;X-A=1", "2026-03-03 09:00", ["2026-03-03 09:00"]),
        ("FREQ=HOURLY;INTERVAL=5;BYHOUR=9,14", "2026-03-03 09:00", ["2026-03-03 09:00", "2026-03-03 14:00", "2026-03-08 09:00"]),
        ("FREQ=MINUTELY;INTERVAL=90;COUNT=3", "2026-03-03 09:00", ["2026-03-03 09:00", "2026-03-03 10:30", "2026-03-03 12:00"]),
    ],
)  # fmt: skip
def test_a_rule_gives_what_the_rfc_says(text, start, expected):
    assert rule_starts(text, start, number=len(expected)) == expected


@pytest.mark.parametrize("since", ["2026-03-03", "2026-03-04", "2026-03-05"])
def test_count_ends_a_rule_wherever_the_window_begins(since):
    assert rule_starts("FREQ=DAILY;COUNT=3", "2026-03-03 09:00", since=since)[-1] == "2026-03-05 09:00"
    assert len(rule_starts("FREQ=WEEKLY;BYDAY=MO;COUNT=2", "2026-03-03 09:00")) == 3


def test_parts_finer_than_a_day_are_ignored_beside_a_date():
    found = rule_starts("FREQ=DAILY;BYHOUR=9,10;COUNT=2", "2026-03-03", is_date=True)
    assert found == ["2026-03-03 00:00", "2026-03-04 00:00"]


def test_a_far_window_costs_what_it_contains():
    moment = first("1601-01-01 00:00")
    work = Work(50)
    rule = parse_rule("FREQ=DAILY", moment, BERLIN)
    found = list(starts(rule, moment.local, local("2026-01-01"), local("2026-01-07"), work))
    assert len(found) == 7
    assert work.left > 30


@pytest.mark.parametrize(
    "text",
    [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=HOURLY;BYMONTH=4;BYMONTHDAY=31",
        "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30;COUNT=1",
        "FREQ=SECONDLY;INTERVAL=2;BYSECOND=1;COUNT=3",
        "FREQ=MINUTELY;INTERVAL=60;BYMINUTE=1;COUNT=3",
        "FREQ=HOURLY;INTERVAL=24;BYHOUR=3",
        "FREQ=YEARLY;BYMONTH=1;BYYEARDAY=366",
        "FREQ=YEARLY;BYMONTH=7;BYWEEKNO=53;BYDAY=MO",
        "FREQ=MONTHLY;BYDAY=1MO;BYMONTHDAY=8",
        "FREQ=MONTHLY;BYDAY=6MO",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=6",
        "FREQ=WEEKLY;BYDAY=MO;BYSETPOS=2",
        "FREQ=YEARLY;INTERVAL=999999999;BYDAY=53MO",
    ],
)
def test_a_rule_without_instances_is_refused(text):
    moment = first("2026-03-02 09:00")
    with pytest.raises(RuleError, match="never") as error:
        vet(parse_rule(text, moment, BERLIN), moment)
    assert error.value.precondition == "valid-calendar-data"


@pytest.mark.parametrize(
    "text",
    [
        "FREQ=SECONDLY",
        "FREQ=SECONDLY;UNTIL=20990101T000000Z",
        "FREQ=SECONDLY;COUNT=5000",
        "FREQ=MINUTELY",
        "FREQ=MINUTELY;BYMONTH=12",
        "FREQ=MINUTELY;BYSECOND=0,1,2,3,4,5;COUNT=2001",
        "FREQ=HOURLY",
        "FREQ=HOURLY;BYMINUTE=0,5,10,15,20,25,30;BYSECOND=" + ",".join(map(str, range(60))),
        "FREQ=DAILY;BYHOUR=8,9,10,11,12,13",
        "FREQ=DAILY;COUNT=999999999;BYHOUR=8,9,10,11,12,13",
        "FREQ=DAILY;BYMINUTE=" + ",".join(map(str, range(60))) + ";BYSECOND=" + ",".join(map(str, range(60))),
        "FREQ=YEARLY;INTERVAL=50;BYMONTHDAY=" + ",".join(map(str, range(1, 32))) + ";BYHOUR=8,9,10,11,12,13",
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=8,9,10,11,12,13;BYMINUTE=0,30",
    ],
)
def test_a_rule_with_too_many_instances_is_refused(text):
    moment = first("2026-03-02 09:00")
    with pytest.raises(RuleError) as error:
        vet(parse_rule(text, moment, BERLIN), moment)
    assert error.value.precondition == "max-instances"


@pytest.mark.parametrize(
    "text",
    [
        "FREQ=SECONDLY;COUNT=5",
        "FREQ=MINUTELY;INTERVAL=15;UNTIL=20260302T120000Z",
        "FREQ=HOURLY;BYHOUR=9,10,11;BYDAY=MO,TU,WE,TH,FR",
        "FREQ=DAILY;BYHOUR=8,10,12,14,16",
        "FREQ=DAILY;COUNT=99999",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=SU",
        "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=8,9,10,11,12,13",
        "FREQ=WEEKLY;UNTIL=20200101T000000Z",
    ],
)
def test_a_bounded_rule_is_accepted(text):
    moment = first("2026-03-02 09:00")
    vet(parse_rule(text, moment, BERLIN), moment)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "FREQ",
        "FREQ=",
        "DAILY",
        "FREQ=FORTNIGHTLY",
        "FREQ=DAILY;FREQ=DAILY",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;INTERVAL=-1",
        "FREQ=DAILY;INTERVAL=1e9",
        "FREQ=DAILY;INTERVAL=٣",
        "FREQ=DAILY;INTERVAL=99999999999999999999",
        "FREQ=DAILY;COUNT=0",
        "FREQ=DAILY;COUNT=-1",
        "FREQ=DAILY;UNTIL=tomorrow",
        "FREQ=DAILY;UNTIL=20260231",
        "FREQ=DAILY;BYHOUR=24",
        "FREQ=DAILY;BYMINUTE=60",
        "FREQ=DAILY;BYSECOND=61",
        "FREQ=DAILY;BYHOUR=-1",
        "FREQ=DAILY;BYHOUR=1,",
        "FREQ=DAILY;BYMONTH=0",
        "FREQ=DAILY;BYMONTH=13",
        "FREQ=MONTHLY;BYMONTHDAY=0",
        "FREQ=MONTHLY;BYMONTHDAY=32",
        "FREQ=MONTHLY;BYMONTHDAY=+-3",
        "FREQ=YEARLY;BYYEARDAY=367",
        "FREQ=YEARLY;BYWEEKNO=54",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=0",
        "FREQ=MONTHLY;BYDAY=XX",
        "FREQ=MONTHLY;BYDAY=0MO",
        "FREQ=MONTHLY;BYDAY=+MO",
        "FREQ=MONTHLY;BYDAY=99999999999MO",
        "FREQ=WEEKLY;WKST=XX",
        "FREQ=DAILY;BYEASTER=1",
        "RSCALE=HEBREW;FREQ=YEARLY",
        "FREQ=DAILY;BYSECOND=" + ",".join(["1"] * 1000),
        "FREQ=DAILY;X-A=" + "1" * 10_000,
    ],
)
def test_a_malformed_rule_is_refused(text):
    with pytest.raises(RuleError) as error:
        parse_rule(text, first("2026-03-02 09:00"), BERLIN)
    assert error.value.precondition == "valid-calendar-data"


def test_a_rule_finer_than_a_day_is_refused_beside_a_date():
    with pytest.raises(RuleError):
        parse_rule("FREQ=HOURLY;COUNT=2", first("2026-03-02", is_date=True), BERLIN)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["BYMONTH", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYDAY", "BYHOUR", "BYMINUTE", "BYSECOND", "BYSETPOS", "COUNT", "UNTIL", "WKST", "INTERVAL"]),
            st.one_of(
                st.lists(st.integers(-400, 400), min_size=1, max_size=5).map(joined),
                st.lists(st.sampled_from([*WEEKDAYS, "1MO", "-1SU", "5TU"]), min_size=1, max_size=3).map(joined),
                st.sampled_from(["20260401T000000Z", "00010101", "99991231T235959Z"]),
            ),
        ),
        max_size=6,
    ),
    st.sampled_from(["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY"]),
    st.sampled_from(["0001-01-01 00:00", "1601-01-01 00:00", "2026-03-02 09:00", "9999-12-31 23:59"]),
)  # fmt: skip
def test_any_rule_is_refused_or_expanded_within_its_work(parts, freq, start):
    moment = first(start)
    text = ";".join([f"FREQ={freq}", *(f"{name}={value}" for name, value in parts)])
    try:
        rule = parse_rule(text, moment, BERLIN)
        vet(rule, moment)
    except RuleError:
        return
    found = list(starts(rule, moment.local, moment.local, moment.local + 366 * DAY, Work()))
    assert found == sorted(set(found))
    if rule.until is not None:
        found = [one for one in found if one - EPOCH_LOCAL <= rule.until]
    assert len(found) <= 2_001

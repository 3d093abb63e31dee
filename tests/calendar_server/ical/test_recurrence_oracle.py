"""Whole recurrence sets against recurring-ical-events, on valid objects where the two read the RFC alike."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import icalendar
import recurring_ical_events
from hypothesis import given, settings
from hypothesis import strategies as st

from calendar_server.ical.data import expand
from calendar_server.ical.objects import parse_object
from calendar_server.ical.recurrence import intersects
from tests.calendar_server.ical.texts import BERLIN, calendar, event

WINDOW = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 6, 1, tzinfo=UTC)
RULES = st.sampled_from(
    [
        "FREQ=DAILY;INTERVAL=3",
        "FREQ=DAILY;COUNT=40",
        "FREQ=WEEKLY",
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE,SU;WKST=SU",
        "FREQ=WEEKLY;BYDAY=TU,TH;UNTIL=20261101T120000Z",
        "FREQ=MONTHLY;BYDAY=-1FR",
        "FREQ=MONTHLY;BYMONTHDAY=1,15,-1",
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
        "FREQ=YEARLY",
        "FREQ=YEARLY;BYMONTH=3,10;BYDAY=-1SU",
    ]
)
ZONES = st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Tokyo"])


def stamped(name, moment, tzid):
    return f"{name};TZID={tzid}:{moment:%Y%m%dT%H%M%S}"


@st.composite
def objects(draw):
    """A series with exceptions, additions and overrides at times that no clock change touches: there the oracle keeps an
    instance's wall-clock length where the RFC has its exact length."""
    tzid = draw(ZONES)
    start = datetime(2026, 1, 1, 6) + timedelta(  # noqa: DTZ001 - a wall-clock time
        days=draw(st.integers(0, 200)), minutes=draw(st.integers(0, 12 * 60))
    )
    rule = draw(RULES)
    master = [stamped("DTSTART", start, tzid), f"DURATION:PT{draw(st.integers(0, 90))}M", f"RRULE:{rule}"]
    plain = list(
        recurring_ical_events.of(icalendar.Calendar.from_ical(calendar(*event(*master)))).between(*WINDOW)
    )
    chosen = draw(st.lists(st.sampled_from(plain), max_size=5, unique_by=id)) if plain else []
    components = []
    for one in chosen:
        at = one.start.replace(tzinfo=None)
        if draw(st.booleans()):
            master.append(stamped("EXDATE", at, tzid))
        else:
            moved = at.replace(hour=12) + timedelta(days=draw(st.integers(-20, 20)))
            components.append(
                event(
                    stamped("RECURRENCE-ID", at, tzid),
                    stamped("DTSTART", moved, tzid),
                    stamped("DTEND", moved + timedelta(minutes=draw(st.integers(0, 90))), tzid),
                )
            )
    additions = draw(st.lists(st.integers(1, 300), max_size=3, unique=True))
    evening = start.replace(hour=20, minute=1)
    master += [stamped("RDATE", evening + timedelta(days=days), tzid) for days in additions]
    return calendar(*event(*master), *(line for one in components for line in one))


def theirs(text):
    found = recurring_ical_events.of(icalendar.Calendar.from_ical(text)).between(*WINDOW)
    return sorted((int(one.start.timestamp()), int(one.end.timestamp())) for one in found)


@settings(max_examples=60, deadline=None)
@given(objects())
def test_a_series_takes_place_when_recurring_ical_events_says(text):
    low, high = (int(one.timestamp()) for one in WINDOW)
    found = parse_object(text, zone=BERLIN).instances(low, high)
    assert [(one.start, one.end) for one in found] == theirs(text)


@settings(max_examples=40, deadline=None)
@given(objects())
def test_an_expansion_takes_place_when_the_series_does(text):
    low, high = (int(one.timestamp()) for one in WINDOW)
    obj = parse_object(text, zone=BERLIN)
    found = obj.instances(low, high)
    if found:
        assert parse_object(expand(obj, low, high), zone=BERLIN).instances(low, high) == found


@settings(max_examples=40, deadline=None)
@given(objects(), st.integers(0, 500), st.integers(1, 40))
def test_a_window_shows_what_the_whole_does(text, first, days):
    low = int(WINDOW[0].timestamp()) + first * 86_400
    high = low + days * 86_400
    obj = parse_object(text, zone=BERLIN)
    whole = obj.instances(0, 10**10)
    assert obj.instances(low, high) == [one for one in whole if intersects(one.start, one.end, low, high)]


@settings(max_examples=30, deadline=None)
@given(RULES, st.integers(0, 200), st.integers(1, 5), st.lists(st.integers(0, 60), max_size=5))
def test_an_all_day_series_takes_place_when_recurring_ical_events_says(rule, start, days, exceptions):
    first = date(2026, 1, 1) + timedelta(start)
    lines = [
        f"DTSTART;VALUE=DATE:{first:%Y%m%d}",
        f"DURATION:P{days}D",
        f"RRULE:{rule.replace('T120000Z', '')}",
    ]
    lines += [f"EXDATE;VALUE=DATE:{first + timedelta(day):%Y%m%d}" for day in exceptions]
    text = calendar(*event(*lines))
    found = parse_object(text, zone=ZoneInfo("UTC")).instances(*(int(one.timestamp()) for one in WINDOW))
    mine = [datetime.fromtimestamp(one.start, UTC).date() for one in found]
    oracle = recurring_ical_events.of(icalendar.Calendar.from_ical(text)).between(*WINDOW)
    assert mine == sorted(one.start for one in oracle)
    assert {one.end - one.start for one in found} <= {86_400 * days}

"""How busy everybody is, and what statistics count."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from booking_web.planning import load, statistics
from booking_web.planning.load import Share
from optimizer.bits import span
from optimizer.snapshot import BookedNow, ClerkNow, DayNow, Snapshot

BERLIN = ZoneInfo("Europe/Berlin")
MORNING = span(96, 48)
"""From 8 to 12 o'clock, in grains."""


def snapshot(*booked: BookedNow, free: tuple[int, ...] = (MORNING, MORNING), **days: int) -> Snapshot:
    clerks = tuple(
        ClerkNow(f"clerk{number}", f"Clerk {number}", ("pass",), share, (bits,), (MORNING,))
        for number, (bits, share) in enumerate(zip(free, (1.0, 0.5), strict=True), 1)
    )
    day = DayNow("2026-12-07", 0, 288, days.get("window", MORNING), days.get("narrowed", ()))
    return Snapshot("office", "Europe/Berlin", 1, 0, 3, (day,), clerks, booked)


def booked(clerk: str, length: int = 6, **values) -> BookedNow:
    fixed = {"uid": f"{clerk}-{length}@test", "etag": "", "day": 0, "start": 96, "starts_at": 0, "ends_at": 0}
    rest = {"services": ("pass",), "pinned": False, "hold": False, "summary": "", "mailed": True}
    return BookedNow(clerk=clerk, length=length, **{**fixed, **rest, **values})


def test_booked_minutes_stand_beside_those_that_can_be_booked():
    found = load.of(snapshot(booked("clerk1", 12), booked("clerk1", 12, hold=True), booked("clerk2", 6)))
    assert found.days == (date(2026, 12, 7),)
    assert [clerk.days for clerk in found.clerks] == [(Share(120, 240),), (Share(30, 240),)]
    assert found.together == (Share(150, 480),)
    assert found.whole.percent == 31


def test_the_fair_share_goes_by_part_time():
    found = load.of(snapshot(booked("clerk1", 18)))
    assert [(clerk.whole.booked, clerk.fair) for clerk in found.clerks] == [(90, 60), (0, 30)]


def test_what_an_absence_covers_has_no_time():
    away, there = load.of(snapshot(booked("clerk1"), free=(0, MORNING))).clerks
    assert away.whole == Share(30, 0)
    assert away.whole.percent is None
    assert away.whole.is_too_much
    assert not there.whole.is_too_much


def test_windows_for_some_services_count_and_overlaps_only_once():
    found = load.of(snapshot(window=span(96, 12), narrowed=((span(102, 12), ("pass",)),)))
    assert found.together == (Share(0, 2 * 90),)


def test_a_day_without_windows_and_appointments_is_left_out():
    assert load.of(snapshot(window=0)).days == ()
    assert load.of(snapshot(booked("clerk1"), window=0)).days == (date(2026, 12, 7),)


def record(start: datetime, *services: str, minutes: int = 20, made: datetime | None = None, **values):
    end = start.astimezone(UTC) + timedelta(minutes=minutes)
    return {
        "start": int(start.timestamp()),
        "end": int(end.timestamp()),
        "services": list(services),
        "made": None if made is None else int(made.timestamp()),
        "cancelled": False,
        **values,
    }


def counted(*records, called_off: int = 0):
    return statistics.of(statistics.visits(records, BERLIN), called_off)


def at(day: int, hour: int, month: int = 12) -> datetime:
    return datetime(2026, month, day, hour, 30, tzinfo=BERLIN)


def test_cancelled_appointments_are_counted_apart():
    found = counted(record(at(7, 8), "pass"), record(at(7, 9), "pass", cancelled=True), called_off=2)
    assert (found.whole.appointments, found.whole.minutes, found.cancelled) == (1, 20, 3)
    assert found.begun == {(0, 8): 1}


def test_several_services_count_for_each_but_once_in_all():
    found = counted(record(at(7, 8), "id", "pass"), record(at(9, 8), "pass"), record(at(9, 9)))
    assert found.whole.appointments == 3
    assert [(name, count.appointments) for name, count in found.services] == [
        ("pass", 2),
        (statistics.DRAWN, 1),
        ("id", 1),
    ]


def test_days_from_booking_to_appointment_are_the_median_of_those_known():
    known = [record(at(7, 8), "pass", made=at(7 - days, 23)) for days in (0, 1, 6)]
    assert counted(*known, record(at(7, 9), "pass")).lead_days == 1
    assert counted(record(at(7, 9), "pass")).lead_days is None
    assert counted().lead_days is None


def test_weeks_begin_on_monday_and_hours_are_the_offices():
    found = counted(record(at(6, 8), "pass"), record(at(7, 10), "pass"), record(at(9, 8), "pass"))
    assert [(week, count.appointments) for week, count in found.weeks] == [
        (date(2026, 11, 30), 1),
        (date(2026, 12, 7), 2),
    ]
    assert (found.weekdays, found.hours, found.busiest) == ((0, 2, 6), (8, 9, 10), 1)


def test_a_length_is_what_passed_while_the_clock_went_back():
    night = datetime(2026, 10, 25, 2, 50, tzinfo=BERLIN)
    assert counted(record(night, "pass", minutes=30)).whole.minutes == 30


def test_the_table_is_what_a_german_spreadsheet_reads():
    every = statistics.visits(
        [
            record(at(9, 8), "pass"),
            record(at(7, 8), "pass", "id"),
            record(at(7, 9), "pass", cancelled=True),
        ],
        BERLIN,
    )
    text = statistics.table(
        every, ("Tag", "Anliegen", "Termine", "Minuten", "Abgesagt"), {"pass": "Pass; neu"}
    )
    assert text == (
        "\ufeffTag;Anliegen;Termine;Minuten;Abgesagt\r\n"
        "2026-12-07;id;1;20;0\r\n"
        '2026-12-07;"Pass; neu";1;20;1\r\n'
        '2026-12-09;"Pass; neu";1;20;0\r\n'
    )


@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.integers(7, 17), st.integers(5, 90), st.booleans(), st.booleans())
    )
)
def test_every_breakdown_adds_up(entries):
    first = datetime(2026, 10, 5, 0, 30, tzinfo=BERLIN)
    records = [
        record(
            first + timedelta(days=day, hours=hour), "a" if one else "b", minutes=minutes, cancelled=cancelled
        )
        for day, hour, minutes, one, cancelled in entries
    ]
    found = counted(*records)
    assert found.whole.appointments + found.cancelled == len(entries)
    for parts in (found.weeks, found.services):
        assert sum(count.appointments for _, count in parts) == found.whole.appointments
        assert sum(count.minutes for _, count in parts) == found.whole.minutes
    assert sum(found.begun.values()) == found.whole.appointments
    assert all(weekday in found.weekdays and hour in found.hours for weekday, hour in found.begun)

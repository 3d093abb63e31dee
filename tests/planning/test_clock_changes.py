"""Absences over the nights in which the clocks change, from the calendar to the plan, in an office that is open on those weekends."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest

from booking_web.planning.planner import Planner
from booking_web.planning.watch import RepairSettings, RepairWatch
from calendar_server.offices import OpeningRule, WeeklyPeriod
from optimizer import planning
from optimizer.snapshot import Snapshot
from tests.support.calendar import calendar_server
from tests.support.clock import Clock
from tests.support.databases import fresh_sqlite
from tests.support.town import BERLIN, appointment, clerk, directory, office

TIMES = tuple(WeeklyPeriod(day, time(8), time(16)) for day in range(7))
SUNDAYS = [date(2027, 3, 28), date(2026, 10, 25), date(2027, 10, 31)]
HOURS = (8, 9, 15)
FLOATING = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:x
BEGIN:VEVENT
UID:floating@test
DTSTAMP:20260101T000000Z
DTSTART:{:%Y%m%dT%H%M%S}
DTEND:{:%Y%m%dT%H%M%S}
SUMMARY:krank
END:VEVENT
END:VCALENDAR
"""


def on(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute), BERLIN)


@pytest.fixture(params=SUNDAYS, ids=str)
def sunday(request):
    return request.param


@pytest.fixture
def server(tmp_path, sunday):
    """Whoever is away has three appointments on each of four days, her colleague none."""
    clerks = (clerk("clerk1", working_times=TIMES), clerk("clerk2", working_times=TIMES))
    rules = tuple(OpeningRule(each) for each in TIMES)
    made = directory(office(*clerks, initial_windows=rules, holiday_region=""))
    clock = Clock(on(sunday - timedelta(days=10), 12).astimezone(UTC))
    with calendar_server(fresh_sqlite(tmp_path), made, clock) as running:
        yield running


def uid_of(day: date, hour: int) -> str:
    return f"{day:%d}-{hour}@test"


def fill(server, sunday: date) -> None:
    """Book with clerk1, whose colleague is away meanwhile."""
    first = sunday - timedelta(days=2)
    away = server.calendar("clerk2").save_event(
        dtstart=first, dtend=first + timedelta(days=4), summary="krank"
    )
    for day in (first + timedelta(days=ahead) for ahead in range(4)):
        for hour in HOURS:
            server.client().book(appointment(uid_of(day, hour), on(day, hour)), now=server.clock())
    away.delete()


def repair(server) -> None:
    settings = RepairSettings(notice_hours=0)
    RepairWatch(server.client("worker"), server.change_log(), BERLIN, settings, server.clock).look()


def taken_over(server) -> set[str]:
    holders = {change.uid: change.clerk for change in server.change_log().read("buergerbuero", 0)}
    return {uid for uid, holder in holders.items() if holder == "clerk2" and "@test" in uid}


def whole(*days: date) -> set[str]:
    return {uid_of(day, hour) for day in days for hour in HOURS}


def absences(sunday: date) -> dict[str, tuple[dict, set[str]]]:
    """What is entered, by name, and what it covers."""
    saturday, monday = sunday - timedelta(days=1), sunday + timedelta(days=1)
    day = timedelta(days=1)
    night = on(saturday, 20)
    return {
        "the Sunday": ({"dtstart": sunday, "dtend": monday}, whole(sunday)),
        "the Saturday": ({"dtstart": saturday, "dtend": sunday}, whole(saturday)),
        "both days": ({"dtstart": saturday, "dtend": monday}, whole(saturday, sunday)),
        "overnight": ({"dtstart": night, "dtend": on(sunday, 9)}, {uid_of(sunday, 8)}),
        "overnight in UTC": (
            {"dtstart": night.astimezone(UTC), "dtend": on(sunday, 9).astimezone(UTC)},
            {uid_of(sunday, 8)},
        ),
        "overnight, floating": (
            {"ical": FLOATING.format(night, on(sunday, 9))},
            {uid_of(sunday, 8)},
        ),
        "into Monday": (
            {"dtstart": on(saturday, 15, 30), "dtend": on(monday, 8, 30)},
            {*whole(sunday), uid_of(monday, 8)},
        ),
        "the night alone": ({"dtstart": on(sunday, 1), "dtend": on(sunday, 4)}, set()),
        "each day at eight": (
            {"dtstart": on(saturday, 8), "dtend": on(saturday, 9), "rrule": {"FREQ": "DAILY", "COUNT": 3}},
            {uid_of(each, 8) for each in (saturday, sunday, monday)},
        ),
        "three whole days, one by one": (
            {"dtstart": saturday, "dtend": saturday + day, "rrule": {"FREQ": "DAILY", "COUNT": 3}},
            whole(saturday, sunday, monday),
        ),
    }


@pytest.mark.parametrize("name", absences(SUNDAYS[0]))
def test_an_entry_covers_what_lies_in_it_by_the_clock(server, sunday, name):
    fill(server, sunday)
    entered, covered = absences(sunday)[name]
    server.calendar("clerk1").save_event(**{"summary": "krank", **entered})
    repair(server)
    assert taken_over(server) == covered
    assert not planning.conflicts(seen(server, sunday))


def seen(server, sunday: date) -> Snapshot:
    return Snapshot.from_json(
        server.client("lead").snapshot(
            "buergerbuero", sunday - timedelta(days=2), sunday + timedelta(days=20), open_only=True
        )
    )


def test_who_moves_to_the_day_after_comes_at_her_time_of_day(server, sunday):
    """Nobody is there on Saturday, so its appointments go to Sunday, on which clerk2 is back."""
    saturday = sunday - timedelta(days=1)
    server.calendar("clerk2").save_event(dtstart=saturday, dtend=sunday, summary="krank")
    server.client().book(appointment("a@test", on(saturday, 10)), now=server.clock())
    server.calendar("clerk1").save_event(dtstart=saturday, dtend=sunday, summary="krank")
    repair(server)
    (plan,) = server.client("lead").plans("buergerbuero")
    assert [datetime.fromisoformat(each["to"]) for each in plan["moved"]] == [on(sunday, 10)]
    assert plan["objective"]["moved_grains"] >= 288


def test_who_moves_from_the_day_of_the_change_comes_at_her_time_of_day(server, sunday):
    monday = sunday + timedelta(days=1)
    server.calendar("clerk2").save_event(dtstart=sunday, dtend=monday, summary="krank")
    server.client().book(appointment("a@test", on(sunday, 10)), now=server.clock())
    server.calendar("clerk1").save_event(dtstart=sunday, dtend=monday, summary="krank")
    repair(server)
    (plan,) = server.client("lead").plans("buergerbuero")
    assert [datetime.fromisoformat(each["to"]) for each in plan["moved"]] == [on(monday, 10)]
    server.client("lead").decide_plan(plan["id"], "apply")
    assert server.client().read("buergerbuero", "a@test", BERLIN).appointment.start == on(monday, 10)


def test_a_group_moves_over_the_night_as_it_came(server, sunday):
    saturday = sunday - timedelta(days=1)
    for number, uid in enumerate(("g@test", "g.g2@test")):
        value = appointment(uid, on(saturday, 9, 30 * number), group=2)
        server.client().book(value, now=server.clock())
    for name in ("clerk1", "clerk2"):
        server.calendar(name).save_event(dtstart=saturday, dtend=sunday, summary="krank")
    repair(server)
    (plan,) = server.client("lead").plans("buergerbuero")
    assert {datetime.fromisoformat(each["to"]) for each in plan["moved"]} <= {
        on(sunday, 9),
        on(sunday, 9, 30),
    }


@pytest.mark.parametrize("name", ["the Sunday", "both days", "overnight", "into Monday"])
def test_a_lead_plans_the_same_and_takes_it_back(server, sunday, name):
    """What the staff page and `termin plan repair` do."""
    fill(server, sunday)
    entered, covered = absences(sunday)[name]
    start, end = (
        each if isinstance(each, datetime) else on(each, 0) for each in (entered["dtstart"], entered["dtend"])
    )
    lead = server.client("lead")

    def take(first, last, *, open_only):
        return Snapshot.from_json(lead.snapshot("buergerbuero", first, last, open_only=open_only))

    away = planning.Absence("clerk1", int(start.timestamp()), int(end.timestamp()))
    body = Planner(take, BERLIN, 20.0, 0).absence(away, "abwesend")
    assert {step["uid"] for step in body["steps"]} == covered
    made = lead.propose_plan("buergerbuero", body)["id"]
    lead.decide_plan(made, "apply")
    assert taken_over(server) == covered
    (event,) = [each for each in server.calendar("clerk1").events() if "abwesend" in each.data]
    entry = event.icalendar_component
    if isinstance(entered["dtstart"], datetime):
        assert (entry["DTSTART"].dt, entry["DTEND"].dt) == (start, end)
    else:
        assert (entry["DTSTART"].dt, entry["DTEND"].dt) == (entered["dtstart"], entered["dtend"])
    assert not planning.conflicts(seen(server, sunday))
    lead.decide_plan(made, "undo")
    assert taken_over(server) == set()
    assert not [each for each in server.calendar("clerk1").events() if "abwesend" in each.data]

"""Clerks' recurring events block the right hours in every zone that programs write, over both nights in which clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from calendar_server import dispatch
from calendar_server.storage import reading
from calendar_server.upkeep import Upkeep
from tests.calendar_server.test_service import CLERK
from tests.support.calendar import calendars
from tests.support.clock import Clock
from tests.support.databases import fresh_sqlite
from tests.support.town import BERLIN

AUTUMN = datetime(2026, 10, 1, 11, tzinfo=UTC)
"""Clocks change on 25 October 2026 and 28 March 2027."""
OUTLOOK_RULES = """BEGIN:STANDARD
DTSTART:16010101T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010101T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3
END:DAYLIGHT
"""
THUNDERBIRD_RULES = """X-TZINFO:Europe/Berlin[2025b]
BEGIN:DAYLIGHT
TZOFFSETTO:+020000
TZOFFSETFROM:+010000
TZNAME:CEST
DTSTART:19810329T020000
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
END:DAYLIGHT
BEGIN:STANDARD
TZOFFSETTO:+010000
TZOFFSETFROM:+020000
TZNAME:CET
DTSTART:19961027T030000
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
END:STANDARD
"""
DATES_ALONE = """BEGIN:STANDARD
DTSTART:20251026T030000
RDATE:20261025T030000
RDATE:20271031T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:20260329T020000
RDATE:20270328T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
END:DAYLIGHT
"""
ZONES = {
    "Thunderbird": ("Europe/Berlin", THUNDERBIRD_RULES),
    "Thunderbird, old": ("/mozilla.org/20070129_1/Europe/Berlin", THUNDERBIRD_RULES),
    "Outlook": ("W. Europe Standard Time", OUTLOOK_RULES),
    "Outlook, its name alone": ("W. Europe Standard Time", ""),
    "Outlook, as shown": ('"(UTC+01:00) Amsterdam, Berlin, Bern, Rom, Stockholm, Wien"', OUTLOOK_RULES),
    "Outlook, changed by hand": ("Customized Time Zone", OUTLOOK_RULES),
    "Exchange": ('"tzone://Microsoft/Custom"', OUTLOOK_RULES),
    "by dates": ("Rathaus", DATES_ALONE),
    "Apple": ("Europe/Vienna", THUNDERBIRD_RULES),
}


@pytest.fixture
def autumn(tmp_path):
    """A service in October, of an office whose clerks could be there every day."""
    with calendars(fresh_sqlite(tmp_path), clock=Clock(AUTUMN)) as made:
        yield made


def weekly(tzid: str, rules: str, lines: str = "RRULE:FREQ=WEEKLY;BYDAY=TH\n", more: str = "") -> str:
    """A team meeting on Thursdays, 9 to 10 by the clock of its zone."""
    plain = tzid.strip('"')
    zone = f"BEGIN:VTIMEZONE\nTZID:{plain}\n{rules}END:VTIMEZONE\n" if rules else ""
    return (
        f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\n{zone}BEGIN:VEVENT\nUID:team\nDTSTAMP:20261001T080000Z\n"
        f"DTSTART;TZID={tzid}:20261001T090000\nDTEND;TZID={tzid}:20261001T100000\nSUMMARY:Teamrunde\n{lines}"
        f"END:VEVENT\n{more}END:VCALENDAR\n"
    )


def changed(tzid: str, instance: str, start: str, end: str, recurrence: str = "RECURRENCE-ID") -> str:
    """An exception of it."""
    return (
        f"BEGIN:VEVENT\nUID:team\nDTSTAMP:20261001T080000Z\nSUMMARY:Teamrunde\n{recurrence};TZID={tzid}:{instance}\n"
        f"DTSTART;TZID={tzid}:{start}\nDTEND;TZID={tzid}:{end}\nEND:VEVENT\n"
    )


def hours(service, first: date, last: date) -> dict[str, str]:
    """What of the days the clerk's own events take, by the town's clock."""
    found = {}
    with service.database.read() as connection:
        where = service.find("clerk1/calendar")
        start, end = (
            int(datetime.combine(day, datetime.min.time(), BERLIN).timestamp()) for day in (first, last)
        )
        for each in reading.instances_in(connection, [where.id], start, end):
            begins, ends = (datetime.fromtimestamp(at, BERLIN) for at in (each.start, each.end))
            found[f"{begins:%Y-%m-%d}"] = f"{begins:%H:%M}-{ends:%H:%M}"
    return found


def offered(service, day: date) -> bool:
    """Whether the dispatch would give clerk1 something at nine on that day."""
    office = service.directory.offices[0]
    with service.database.read() as connection:
        known = reading.office_collections(connection, office.id)
        board = dispatch.board(connection, office, known, day, service.now())
    (mine,) = (each for each in board.office_day.clerks if each.clerk == "clerk1")
    return bool(mine.free >> (9 * 12) & 1)


def thursdays(first: date, last: date) -> list[str]:
    days = [first + timedelta(days=number) for number in range((last - first).days)]
    return [day.isoformat() for day in days if day.weekday() == 3]


@pytest.mark.parametrize(("tzid", "rules"), ZONES.values(), ids=ZONES)
def test_every_thursday_at_nine_whatever_the_clocks_do(autumn, tzid, rules):
    autumn.put("clerk1/calendar", "team.ics", weekly(tzid, rules), CLERK)
    first, last = date(2026, 10, 1), date(2027, 11, 20)
    assert hours(autumn, first, last) == dict.fromkeys(thursdays(first, last), "09:00-10:00")


@pytest.mark.parametrize("tzid", ["Europe/Berlin", "W. Europe Standard Time"])
def test_exceptions_as_programs_send_them(autumn, tzid):
    lines = (
        "RRULE:FREQ=WEEKLY;UNTIL=20261217T080000Z\n"
        f"EXDATE;TZID={tzid}:20261008T090000,20261029T090000\n"
        f"RDATE;TZID={tzid}:20261030T140000\n"
    )
    moved = changed(tzid, "20261105T090000", "20261106T110000", "20261106T123000")
    later = changed(
        tzid, "20261126T090000", "20261126T080000", "20261126T083000", "RECURRENCE-ID;RANGE=THISANDFUTURE"
    )
    autumn.put("clerk1/calendar", "team.ics", weekly(tzid, "", lines, moved + later), CLERK)
    assert hours(autumn, date(2026, 10, 1), date(2027, 2, 1)) == {
        "2026-10-01": "09:00-10:00",
        "2026-10-15": "09:00-10:00",
        "2026-10-22": "09:00-10:00",
        "2026-10-30": "14:00-15:00",
        "2026-11-06": "11:00-12:30",
        "2026-11-12": "09:00-10:00",
        "2026-11-19": "09:00-10:00",
        "2026-11-26": "08:00-08:30",
        "2026-12-03": "08:00-08:30",
        "2026-12-10": "08:00-08:30",
        "2026-12-17": "08:00-08:30",
    }


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        # The night in which 2:30 comes twice: the first is meant (RFC 5545 section 3.3.5).
        ("20261025T023000", "20261025T043000", "02:30-04:30"),
        # The night in which 2:30 doesn't come: read with the offset before (likewise).
        ("20270328T023000", "20270328T043000", "03:30-04:30"),
    ],
)
@pytest.mark.parametrize("tzid", ["Europe/Berlin", "W. Europe Standard Time"])
def test_the_nights_themselves(autumn, tzid, start, end, expected):
    text = weekly(tzid, "", "").replace("20261001T090000", start).replace("20261001T100000", end)
    autumn.put("clerk1/calendar", "team.ics", text, CLERK)
    day = date.fromisoformat(start[:8])
    assert list(hours(autumn, day, day + timedelta(days=1)).values()) == [expected]


def test_the_hour_is_not_offered_however_much_later(database_url):
    """Nobody touches the event; upkeep moves the horizon on."""
    clock = Clock(AUTUMN)
    with calendars(database_url, clock=clock) as service:
        mondays = weekly("W. Europe Standard Time", OUTLOOK_RULES, "RRULE:FREQ=WEEKLY\n").replace(
            "20261001T", "20261005T"
        )
        service.put("clerk1/calendar", "team.ics", mondays, CLERK)
        for _ in range(8):
            clock.advance(days=91)
            Upkeep(service).roll_horizon()
            monday = clock.now.date() + timedelta(days=7 - clock.now.weekday())
            assert not offered(service, monday)
            assert offered(service, monday + timedelta(days=2))

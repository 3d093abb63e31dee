"""What the owner of a calendar declined takes none of her time, however her calendar program writes her down."""

from __future__ import annotations

import pytest

from calendar_server import dispatch
from calendar_server.accounts import Account, AccountRole, Accounts
from calendar_server.storage import reading
from calendar_server.upkeep import Upkeep
from tests.calendar_server.test_service import CLERK
from tests.clients.dav import Dav
from tests.support.town import NOW, appointment, at

CALENDAR = "/clerk1/calendar/"
THUNDERBIRD = """BEGIN:VCALENDAR
PRODID:-//Mozilla.org/NONSGML Mozilla Calendar V1.1//EN
VERSION:2.0
BEGIN:VTIMEZONE
TZID:Europe/Berlin
BEGIN:DAYLIGHT
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
TZNAME:CEST
DTSTART:19700329T020000
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
END:DAYLIGHT
BEGIN:STANDARD
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
TZNAME:CET
DTSTART:19701025T030000
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
END:STANDARD
END:VTIMEZONE
BEGIN:VEVENT
CREATED:20261201T090000Z
LAST-MODIFIED:20261201T091500Z
DTSTAMP:20261201T091500Z
UID:meeting
SUMMARY:Runder Tisch
ORGANIZER;CN=Amtsleitung;SCHEDULE-AGENT=CLIENT:mailto:amt@example.org
ATTENDEE;PARTSTAT={answer};CN=Clerk One;ROLE=REQ-PARTICIPANT;RSVP=TRUE;SCHEDULE-AGENT=CLIENT:{me}
ATTENDEE;PARTSTAT=ACCEPTED;CN=Clerk Two:mailto:clerk2@example.org
X-MOZ-RECEIVED-DTSTAMP:20261201T090000Z
{more}DTSTART;TZID=Europe/Berlin:20261207T090000
DTEND;TZID=Europe/Berlin:20261207T120000
TRANSP:OPAQUE
END:VEVENT
END:VCALENDAR
"""
OUTLOOK = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//github.com/rianjs/ical.net//NONSGML ical.net 2.2//EN
BEGIN:VTIMEZONE
TZID:W. Europe Standard Time
BEGIN:STANDARD
DTSTART:16011028T030000
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010325T020000
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
END:DAYLIGHT
END:VTIMEZONE
BEGIN:VEVENT
ATTENDEE;CN="clerk1@example.org";CUTYPE=INDIVIDUAL;PARTSTAT={answer};ROLE=REQ-PARTICIPANT;RSVP=TRUE;SCHEDULE-AGENT=CLIENT:{me}
CLASS:PUBLIC
DTSTAMP:20261201T091500Z
DTSTART;TZID=W. Europe Standard Time:20261207T090000
DTEND;TZID=W. Europe Standard Time:20261207T120000
ORGANIZER;CN=Amtsleitung;SCHEDULE-AGENT=CLIENT:MAILTO:amt@example.org
PRIORITY:5
{more}SEQUENCE:0
SUMMARY:Runder Tisch
TRANSP:OPAQUE
UID:meeting
X-MICROSOFT-CDO-BUSYSTATUS:BUSY
END:VEVENT
END:VCALENDAR
"""
MAIL = "mailto:clerk1@example.org"


@pytest.fixture
def clerk1(server):
    return Dav(server, "clerk1", "Thunderbird")


def meeting(body: str, answer: str, me: str = MAIL, more: str = "") -> str:
    return body.format(answer=answer, me=me, more=more)


def own_hours(server) -> list[tuple[str, int, int]]:
    """The own events that the busy feed tells of: day, first and last hour."""
    zone = server.directory.offices[0].zone
    found = []
    for day in server.client().busy_changes("buergerbuero").clerk_days:
        for period in day.periods:
            if period.kind == "own":
                first, last = (NOW.fromtimestamp(each, zone) for each in (period.start, period.end))
                found.append((f"{first:%d.%m.}", first.hour, last.hour))
    return sorted(found)


@pytest.mark.parametrize(
    ("body", "me"),
    [
        (THUNDERBIRD, MAIL),
        (THUNDERBIRD, "mailto:Clerk1@Example.ORG"),
        (THUNDERBIRD, "/clerk1/"),
        (THUNDERBIRD, "http://127.0.0.1:5232/clerk1/"),
        (OUTLOOK, "MAILTO:CLERK1@EXAMPLE.ORG"),
        (OUTLOOK, "mailto:clerk1%40example.org"),
    ],
)
def test_it_takes_her_time_until_she_declines(server, clerk1, body, me):
    assert clerk1.put(f"{CALENDAR}m.ics", meeting(body, "ACCEPTED", me)).status_code == 201
    assert own_hours(server) == [("07.12.", 9, 12)]
    assert clerk1.put(f"{CALENDAR}m.ics", meeting(body, "DECLINED", me)).status_code == 204
    assert own_hours(server) == []
    for uid in ("a1@test", "a2@test"):
        server.client().book(appointment(uid, at(7, 10)), now=NOW)


@pytest.mark.parametrize("body", [THUNDERBIRD, OUTLOOK])
def test_what_somebody_else_declined_is_hers_still(server, clerk1, body):
    declined = meeting(body, "DECLINED", "mailto:clerk3@example.org")
    assert clerk1.put(f"{CALENDAR}m.ics", declined).status_code == 201
    assert own_hours(server) == [("07.12.", 9, 12)]


def test_she_declines_one_of_a_series(server, clerk1):
    series = meeting(THUNDERBIRD, "ACCEPTED", more="RRULE:FREQ=WEEKLY;COUNT=3\n")
    event = meeting(THUNDERBIRD, "DECLINED", more="RECURRENCE-ID;TZID=Europe/Berlin:20261214T090000\n")
    event = event[event.index("BEGIN:VEVENT") : event.index("END:VCALENDAR")].replace(
        "20261207T", "20261214T"
    )
    both = series.replace("END:VCALENDAR", f"{event}END:VCALENDAR")
    assert clerk1.put(f"{CALENDAR}m.ics", both).status_code == 201
    assert own_hours(server) == [("07.12.", 9, 12), ("21.12.", 9, 12)]


def test_a_line_folded_within_the_word_is_read_all_the_same(server, clerk1):
    folded = meeting(THUNDERBIRD, "DECLINED").replace("PARTSTAT=DECLINED", "PARTSTAT=DECL\n INED")
    assert clerk1.put(f"{CALENDAR}m.ics", folded).status_code == 201
    assert own_hours(server) == []


def test_an_address_beside_another_kind_of_name_counts(server, clerk1):
    named = meeting(THUNDERBIRD, "DECLINED", "urn:uuid:0f3f1f5c").replace(
        "CN=Clerk One;", "CN=Clerk One;EMAIL=clerk1@example.org;"
    )
    assert clerk1.put(f"{CALENDAR}m.ics", named).status_code == 201
    assert own_hours(server) == []


def taken(service, start) -> list[str]:
    """Who of the office has something of her own at that time, as the dispatch sees it."""
    office = service.directory.offices[0]
    with service.database.read() as connection:
        known = reading.office_collections(connection, office.id)
        board = dispatch.board(connection, office, known, start.date(), service.now())
    grain = 1 << ((start.hour * 60 + start.minute) // 5)
    return [clerk.clerk for clerk in board.office_day.clerks if not clerk.free & grain]


def test_a_new_mail_address_is_heeded_for_what_is_there(service, clock):
    service.put("clerk1/calendar", "m.ics", meeting(THUNDERBIRD, "DECLINED"), CLERK)
    upkeep = Upkeep(service)
    upkeep.read_answers_anew()
    assert taken(service, at(7, 10)) == ["clerk1"]
    accounts = Accounts(service.database, clock)
    accounts.add(Account("clerk1", AccountRole.CLERK, email="Clerk1@example.org"))
    before = service.find("buergerbuero/busy").seq
    assert upkeep.read_answers_anew() == 1
    assert taken(service, at(7, 10)) == []
    with service.database.read() as connection:
        assert reading.busy_changed(connection, "buergerbuero", before) == [("clerk1", "2026-12-07")]
    assert upkeep.read_answers_anew() == 0


def test_a_declined_series_stays_free_beyond_the_horizon_and_when_it_moves_on(service, clock):
    Accounts(service.database, clock).add(Account("clerk1", AccountRole.CLERK, email="clerk1@example.org"))
    weekly = meeting(OUTLOOK, "DECLINED", more="RRULE:FREQ=WEEKLY\n")
    service.put("clerk1/calendar", "m.ics", weekly, CLERK)
    far = at(2, 10, month=12, year=2030)
    assert taken(service, far) == []
    service.put("clerk1/calendar", "m.ics", weekly.replace("DECLINED", "ACCEPTED"), CLERK)
    assert taken(service, far) == ["clerk1"]
    service.put("clerk1/calendar", "m.ics", weekly, CLERK)
    clock.advance(days=200)
    assert Upkeep(service).roll_horizon() == 3
    assert taken(service, at(1, 10, month=5, year=2028)) == []

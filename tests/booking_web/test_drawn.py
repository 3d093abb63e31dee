"""What is drawn in calendars changes what the site offers, soon and by itself: windows, closures, meetings, and answers to invitations."""

from __future__ import annotations

import time

import pytest

from booking_web.settings import SiteSettings
from tests.calendar_server.test_declined import OUTLOOK, THUNDERBIRD, meeting
from tests.clients.dav import Dav
from tests.support.town import at

PATIENCE = 30.0
"""Seconds; on an idle machine it takes as long as the site waits between two looks."""
OPENING = "/buergerbuero/opening/"
CLERKS = ("clerk1", "clerk2", "clerk3", "clerk4")
THURSDAY = "2026-12-10"
MONDAY = "2026-12-07"


@pytest.fixture
def browser(citizens):
    return citizens.browser()


def starts(browser, day: str) -> list[str]:
    """When something is offered on a day, to the minute."""
    query = {"office": "buergerbuero", "service": "meldebescheinigung", "from": day, "to": day}
    days = browser.get("/api/v1/offers", query_string=query).json["days"]
    return [start[11:16] for each in days for start in each["starts"]]


def becomes(browser, day: str, wanted) -> bool:
    """Ask until the offers of a day are as wanted."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if wanted(starts(browser, day)):
            return True
        time.sleep(0.05)
    return False


def drawn(uid: str, start, end, *lines: str) -> str:
    """An event as Thunderbird's dialog makes it."""
    extra = "".join(f"{line}\r\n" for line in lines)
    return (
        "BEGIN:VCALENDAR\r\nPRODID:-//Mozilla.org/NONSGML Mozilla Calendar V1.1//EN\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\n"
        f"CREATED:20261201T110000Z\r\nDTSTAMP:20261201T110000Z\r\nUID:{uid}\r\nSUMMARY:Terminzeit\r\n{extra}"
        f"DTSTART;TZID=Europe/Berlin:{start:%Y%m%dT%H%M%S}\r\nDTEND;TZID=Europe/Berlin:{end:%Y%m%dT%H%M%S}\r\n"
        "END:VEVENT\r\nEND:VCALENDAR\r\n"
    )


def test_the_site_looks_more_often_than_once_a_second():
    assert SiteSettings.__dataclass_fields__["poll_seconds"].default < 1


def test_a_thursday_afternoon_is_opened_closed_and_taken_away(citizens, browser):
    lead = Dav(citizens.calendar, "lead", "Thunderbird")
    assert starts(browser, THURSDAY) == []
    window = drawn("do", at(10, 14), at(10, 17), "TRANSP:TRANSPARENT", "RRULE:FREQ=WEEKLY;COUNT=2")
    assert lead.put(f"{OPENING}do.ics", window).status_code == 201
    assert becomes(browser, THURSDAY, lambda seen: "14:00" in seen and "16:30" in seen)
    assert becomes(browser, "2026-12-17", lambda seen: "14:00" in seen)
    closure = drawn("zu", at(10, 15), at(10, 16), "TRANSP:OPAQUE")
    assert lead.put(f"{OPENING}zu.ics", closure).status_code == 201
    assert becomes(browser, THURSDAY, lambda seen: "14:00" in seen and "15:15" not in seen)
    assert lead.send("DELETE", f"{OPENING}do.ics").status_code == 204
    assert becomes(browser, THURSDAY, lambda seen: seen == [])


@pytest.mark.parametrize("body", [THUNDERBIRD, OUTLOOK], ids=["Thunderbird", "Outlook"])
def test_a_meeting_takes_offers_away_until_it_is_declined(citizens, browser, body):
    assert "09:30" in starts(browser, MONDAY)

    def answer(partstat: str) -> None:
        for clerk in CLERKS:
            text = meeting(body, partstat, f"mailto:{clerk}@example.org")
            put = Dav(citizens.calendar, clerk, "x").put(f"/{clerk}/calendar/m.ics", text)
            assert put.status_code in {201, 204}

    answer("ACCEPTED")
    assert becomes(browser, MONDAY, lambda seen: "09:30" not in seen)
    answer("DECLINED")
    assert becomes(browser, MONDAY, lambda seen: "09:30" in seen)

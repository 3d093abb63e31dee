"""iTIP messages, compared by meaning: the order of lines and the DTSTAMP don't matter."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from calendar_server.ical.itip import Invitation, Method, Party, message
from tests.support.town import BERLIN, NOW, at

INVITATION = Invitation(
    uid="a1@test",
    sequence=2,
    start=at(7, 8),
    end=at(7, 8, 30),
    zone=BERLIN,
    organizer=Party("buergerbuero@stadt.test", "Stadt Meschede"),
    attendee=Party("erika@example.org", "Erika Muster"),
    summary="Termin: Reisepass – Bürgerbüro Meschede",
    description="Bitte bringen Sie mit:\n- Foto, Pass; und mehr",
    location="Marktplatz 1, 59872 Meschede",
    url="https://termin.test/termin/abc",
)

REQUEST = """\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//termin//Terminvergabe//DE
METHOD:REQUEST
BEGIN:VTIMEZONE
TZID:Europe/Berlin
BEGIN:DAYLIGHT
DTSTART:19700329T020000
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3
TZNAME:CEST
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
END:DAYLIGHT
BEGIN:STANDARD
DTSTART:19701025T030000
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10
TZNAME:CET
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
END:STANDARD
END:VTIMEZONE
BEGIN:VEVENT
UID:a1@test
DTSTAMP:*
SEQUENCE:2
DTSTART;TZID=Europe/Berlin:20261207T080000
DTEND;TZID=Europe/Berlin:20261207T083000
SUMMARY:Termin: Reisepass – Bürgerbüro Meschede
TRANSP:OPAQUE
STATUS:CONFIRMED
CLASS:PRIVATE
DESCRIPTION:Bitte bringen Sie mit:\\n- Foto\\, Pass\\; und mehr
LOCATION:Marktplatz 1\\, 59872 Meschede
URL:https://termin.test/termin/abc
ORGANIZER;CN="Stadt Meschede":mailto:buergerbuero@stadt.test
ATTENDEE;CN="Erika Muster";CUTYPE=INDIVIDUAL;PARTSTAT=ACCEPTED;ROLE=REQ-PARTICIPANT;RSVP=FALSE:mailto:erika@example.org
END:VEVENT
END:VCALENDAR
"""
CANCEL = REQUEST.replace("METHOD:REQUEST", "METHOD:CANCEL").replace("STATUS:CONFIRMED", "STATUS:CANCELLED")


def meaning(text: str) -> list[str]:
    """Unfolded lines in an order of their own, DTSTAMP's value left open."""
    lines = text.replace("\r\n", "\n").replace("\n ", "").splitlines()
    return sorted("DTSTAMP:*" if line.startswith("DTSTAMP") else line for line in lines)


def test_a_request():
    assert meaning(message(Method.REQUEST, INVITATION, now=NOW)) == meaning(REQUEST)


def test_a_cancellation():
    assert meaning(message(Method.CANCEL, INVITATION, now=NOW)) == meaning(CANCEL)


def test_where_replies_are_read_one_may_be_asked_for():
    assert meaning(message(Method.REQUEST, replace(INVITATION, rsvp=True), now=NOW)) == meaning(
        REQUEST.replace("RSVP=FALSE", "RSVP=TRUE")
    )


def test_dtstamp_is_when_the_message_was_made():
    assert "DTSTAMP:20261201T110000Z\r\n" in message(Method.REQUEST, INVITATION, now=NOW)


def test_summer_time_is_shown_in_the_offices_zone():
    summer = replace(INVITATION, start=at(5, 8, month=7, year=2027), end=at(5, 9, month=7, year=2027))
    assert "DTSTART;TZID=Europe/Berlin:20270705T080000\r\n" in message(Method.REQUEST, summer, now=NOW)


def test_no_alarm_and_nothing_that_only_the_town_needs():
    text = message(Method.REQUEST, INVITATION, now=NOW)
    assert "VALARM" not in text
    assert "X-TERMIN" not in text


@given(
    name=st.text(max_size=40),
    description=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=80),
    local=st.text(st.sampled_from("abcäß%+&?#/"), min_size=1, max_size=12),
)
def test_whatever_people_are_called_the_message_can_be_read(name, description, local):
    party = Party(f"{local}@example.org", name)
    text = message(Method.REQUEST, replace(INVITATION, attendee=party, description=description), now=NOW)
    event = Calendar.from_ical(text).walk("VEVENT")[0]
    assert str(event.get("DESCRIPTION", "")) == description
    assert event["ATTENDEE"].params["PARTSTAT"] == "ACCEPTED"
    assert str(event["ATTENDEE"]).startswith("mailto:")
    assert str(event["ATTENDEE"]).isascii()
    assert len(Calendar.from_ical(text).walk("VEVENT")) == 1


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"end": at(7, 8)}, "end after it starts"),
        ({"start": at(7, 8).replace(tzinfo=None)}, "aware"),
        ({"sequence": -1}, "negative"),
    ],
)
def test_what_is_no_invitation(values, said):
    with pytest.raises(ValueError, match=said):
        replace(INVITATION, **values)

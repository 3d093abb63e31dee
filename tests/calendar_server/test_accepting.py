"""What the calendar server's door refuses though it could be expanded: bookings are read with icalendar's classes."""

import pytest

from calendar_server.refusals import RefusedError
from calendar_server.service import Actor
from tests.calendar_server.ical.texts import calendar, component

UNREADABLE = calendar(*component("VJOURNAL", "DTSTART:20260302T080000Z", "CREATED:19970901T1300Z"))


def test_an_object_that_icalendar_cannot_read_is_refused(service):
    with pytest.raises(RefusedError) as error:
        service.put("clerk1/calendar", "a.ics", UNREADABLE, Actor("clerk1"))
    assert error.value.rule == "valid-calendar-data"

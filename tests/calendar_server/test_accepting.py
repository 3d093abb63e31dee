"""What the calendar server's door refuses though it could be expanded: bookings and windows are read with icalendar's classes."""

import pytest

from calendar_server.ical.appointment import NotAnAppointmentError, from_ical
from calendar_server.refusals import RefusedError
from calendar_server.service import Actor
from tests.calendar_server.ical.texts import BERLIN, calendar, event

TIMES = ("DTSTART:20261207T080000Z", "DTEND:20261207T083000Z")
ZONE = ("BEGIN:VTIMEZONE", "TZID:Own", "LAST-MODIFIED:19970901T1300Z", "END:VTIMEZONE")
UNREADABLE = calendar(*ZONE, *event(*TIMES))
CLAIMS = calendar(*ZONE, *event(*TIMES, "X-TERMIN-OFFICE:buergerbuero"))
LEAD = Actor("lead")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("buergerbuero/appointments", UNREADABLE),
        ("buergerbuero/opening", UNREADABLE),
        ("clerk1/calendar", CLAIMS),
    ],
)
def test_an_object_that_icalendar_cannot_read_is_refused(service, path, text):
    with pytest.raises(RefusedError) as error:
        service.put(path, "a.ics", text, LEAD)
    assert error.value.rule == "valid-calendar-data"


def test_an_own_event_that_icalendar_cannot_read_is_stored_and_never_becomes_an_appointment(service):
    assert service.put("clerk1/calendar", "a.ics", UNREADABLE, LEAD).created
    with pytest.raises(RefusedError) as error:
        service.move("clerk1/calendar", "a.ics", "buergerbuero/appointments", "a.ics", LEAD, overwrite=True)
    assert error.value.rule == "valid-calendar-data"
    with pytest.raises(NotAnAppointmentError):
        from_ical(UNREADABLE, BERLIN)

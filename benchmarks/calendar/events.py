"""What lies in the calendars: plain events of half an hour, as Thunderbird writes them, evenly spread over 500 days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 500
_ZONE = """BEGIN:VTIMEZONE
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
"""


def uid(number: int) -> str:
    """Return the uid of event `number`; its file is called after it."""
    return f"event-{number:06d}@bench.example"


def text(name: str, start: datetime) -> str:
    """Return one calendar object of about 1 kB; `start` is shown in Berlin's winter time."""
    lines = f"""BEGIN:VCALENDAR
PRODID:-//Mozilla.org/NONSGML Mozilla Calendar V1.1//EN
VERSION:2.0
{_ZONE}BEGIN:VEVENT
CREATED:20251201T080000Z
LAST-MODIFIED:20251201T080000Z
DTSTAMP:20251201T080000Z
UID:{name}
SUMMARY:Besprechung
LOCATION:Franz-Stahlmecke-Platz 2\\, Meschede
DESCRIPTION:Was zu besprechen ist\\, steht hier in zwei Zeilen\\nund Unterl
 agen liegen bei.
CATEGORIES:Amt
DTSTART;TZID=Europe/Berlin:{start:%Y%m%dT%H%M%S}
DTEND;TZID=Europe/Berlin:{start + timedelta(minutes=30):%Y%m%dT%H%M%S}
TRANSP:OPAQUE
X-MOZ-GENERATION:1
END:VEVENT
END:VCALENDAR
"""
    return lines.replace("\n", "\r\n")


def start_of(number: int, size: int) -> datetime:
    """Return when event `number` of `size` begins: on its day, between 8 and 18."""
    day = number * DAYS // size
    return FIRST_DAY + timedelta(days=day, hours=8, minutes=30 * (number % 20))


def filling(size: int) -> list[tuple[str, str]]:
    """Return (uid, text) of a calendar's events."""
    return [(uid(number), text(uid(number), start_of(number, size))) for number in range(size)]

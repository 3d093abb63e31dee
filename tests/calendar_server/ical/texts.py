"""Calendar object texts in which a test says only what matters to it."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from calendar_server.ical.objects import CalendarObject, Instance, parse_object

BERLIN = ZoneInfo("Europe/Berlin")


def calendar(*lines: str) -> str:
    return "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//", *lines, "END:VCALENDAR", ""])


def component(name: str, *lines: str, uid: str = "u") -> tuple[str, ...]:
    return (f"BEGIN:{name}", f"UID:{uid}", "DTSTAMP:20260101T000000Z", *lines, f"END:{name}")


def event(*lines: str, uid: str = "u") -> tuple[str, ...]:
    return component("VEVENT", *lines, uid=uid)


def parse(*components: tuple[str, ...], **options) -> CalendarObject:
    text = calendar(*(line for one in components for line in one))
    return parse_object(text, **{"zone": BERLIN, **options})


def utc(text: str) -> int:
    """`2026-03-29 01:30` as epoch seconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def times(found: list[Instance]) -> list[str]:
    """Instances as `2026-03-29 01:30/02:30` in UTC, the end's day only where it differs."""
    return [_period(one.start, one.end) for one in found]


def _period(start: int, end: int) -> str:
    first, last = datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC)
    tail = f"{last:%H:%M}" if first.date() == last.date() else f"{last:%Y-%m-%d %H:%M}"
    return f"{first:%Y-%m-%d %H:%M}/{tail}"


def times_of(*components: tuple[str, ...], start: str = "2020-01-01", end: str = "2030-01-01", **options):
    return times(parse(*components, **options).instances(utc(start), utc(end)))

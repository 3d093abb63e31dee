"""DATE, DATE-TIME, DURATION, PERIOD and UTC-OFFSET values (RFC 5545 section 3.3), read leniently and as whole seconds.

Time is counted in *local seconds*: seconds since 0001-01-01T00:00:00 of the wall clock that a value names. A
zone turns them into epoch seconds by section 3.3.5's rules: the first of two ambiguous times, and for a time that the clock skips the
offset before the gap, which is what `fold=0` means (PEP 495).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

DAY = 86_400
EPOCH_LOCAL = date(1970, 1, 1).toordinal() * DAY
"""The epoch as local seconds of UTC."""
MIN_EPOCH = -EPOCH_LOCAL - DAY
MAX_EPOCH = (date.max.toordinal() + 2) * DAY - EPOCH_LOCAL
"""Before and after every start that a value can name; MAX_EPOCH stands for "without end" in an instance."""
MAX_DURATION = 400 * 366 * DAY
_FIRST_LOCAL = date(2, 1, 1).toordinal() * DAY
_LAST_LOCAL = date(9998, 12, 31).toordinal() * DAY

_LAST_SECOND = (date.max.toordinal() + 1) * DAY - 1

_STAMP = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d))?(Z)?", re.ASCII | re.IGNORECASE)
_DURATION = re.compile(
    r"([+-])?P(?:(\d{1,9})W)?(?:(\d{1,9})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})S)?)?",
    re.ASCII | re.IGNORECASE,
)
_OFFSET = re.compile(r"([+-])(\d\d)(\d\d)(\d\d)?", re.ASCII)


class InvalidValueError(ValueError):
    """A value isn't of its type; the message names the type and quotes nothing."""


@dataclass(frozen=True, slots=True)
class Span:
    """A duration: whole days of the calendar, then exact seconds (RFC 5545 section 3.3.6)."""

    days: int
    seconds: int


def offset_at(zone: tzinfo, local: int) -> int:
    """Return the offset from UTC, in seconds, of local seconds in a zone, by the rules of RFC 5545 section 3.3.5."""
    if zone is UTC:
        return 0
    # No zone has rules for the ends of the calendar, and datetime can't add an offset there.
    days, seconds = divmod(min(max(local, _FIRST_LOCAL), _LAST_LOCAL), DAY)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    day = date.fromordinal(days)
    offset = datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=zone).utcoffset()
    return 0 if offset is None else offset.days * DAY + offset.seconds


def to_epoch(zone: tzinfo, local: int) -> int:
    """Return the epoch seconds of local seconds in a zone."""
    return local - EPOCH_LOCAL - offset_at(zone, local)


def to_local(zone: tzinfo, epoch: int) -> int:
    """Return the local seconds that a zone's clock shows at an instant."""
    if zone is UTC:
        return epoch + EPOCH_LOCAL
    bounded = min(max(epoch, _FIRST_LOCAL - EPOCH_LOCAL), _LAST_LOCAL - EPOCH_LOCAL)
    moment = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=bounded)).astimezone(zone)
    offset = moment.utcoffset()
    return epoch + EPOCH_LOCAL + (0 if offset is None else offset.days * DAY + offset.seconds)


@dataclass(frozen=True, slots=True)
class Moment:
    """A DATE or DATE-TIME: local seconds in `zone`; `floating` if the value named no zone (a DATE never does)."""

    local: int
    zone: tzinfo
    is_date: bool = False
    floating: bool = False

    @property
    def epoch(self) -> int:
        """The instant as epoch seconds; of a DATE its midnight in `zone`."""
        return to_epoch(self.zone, self.local)

    def after(self, span: Span) -> int:
        """The instant a duration later: days by the calendar, seconds exactly."""
        return to_epoch(self.zone, self.local + span.days * DAY) + span.seconds


def moment(value: str, zone: tzinfo | None, office: tzinfo, *, is_date: bool = False) -> Moment:
    """Read a DATE or DATE-TIME; `zone` is what its TZID stands for, `office` where floating times are read.

    A value of eight digits is a DATE with or without `VALUE=DATE`, as many clients write it;
    so is one with a Z behind (Google's birthdays). Raises InvalidValueError.
    """
    match = _STAMP.fullmatch(value.strip())
    if match is None:
        raise InvalidValueError("not a DATE or DATE-TIME")
    year, month, day, hour, minute, second, utc = match.groups()
    try:
        local = date(int(year), int(month), int(day)).toordinal() * DAY
    except ValueError:
        raise InvalidValueError("no such day in the calendar") from None
    if hour is None or is_date:
        return Moment(local, office, is_date=True, floating=True)
    hours, minutes, seconds = int(hour), int(minute), int(second)
    if hours > 23 or minutes > 59 or seconds > 60:
        raise InvalidValueError("no such time of day")
    local += hours * 3600 + minutes * 60 + min(seconds, 59)
    if utc:
        return Moment(local, UTC)
    return Moment(local, zone or office, floating=zone is None)


def duration(value: str) -> Span:
    """Read a DURATION; InvalidValueError if it isn't one or is longer than 400 years."""
    match = _DURATION.fullmatch(value.strip())
    if match is None or not any(match.groups()[1:]):
        raise InvalidValueError("not a DURATION")
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups()[1:])
    sign = -1 if match[1] == "-" else 1
    span = Span(sign * (7 * weeks + days), sign * (hours * 3600 + minutes * 60 + seconds))
    if abs(span.days) * DAY + abs(span.seconds) > MAX_DURATION:
        raise InvalidValueError("a DURATION of more than 400 years")
    return span


def period(value: str, zone: tzinfo | None, office: tzinfo) -> tuple[Moment, int]:
    """Read a PERIOD as its start and its end in epoch seconds; an end before the start counts as the start."""
    first, slash, second = value.partition("/")
    start = moment(first, zone, office)
    if not slash:
        raise InvalidValueError("not a PERIOD")
    end = (
        start.after(duration(second))
        if second.lstrip("+-")[:1] in {"P", "p"}
        else moment(second, zone, office).epoch
    )
    return start, max(end, start.epoch)


def utc_offset(value: str) -> int:
    """Read a UTC-OFFSET as seconds; InvalidValueError if it isn't one or reaches a day."""
    match = _OFFSET.fullmatch(value.strip())
    if match is None:
        raise InvalidValueError("not a UTC-OFFSET")
    seconds = int(match[2]) * 3600 + int(match[3]) * 60 + int(match[4] or 0)
    if seconds >= DAY:
        raise InvalidValueError("a UTC-OFFSET of a day or more")
    return -seconds if match[1] == "-" else seconds


def stamp(moment_: Moment) -> str:
    """Return a DATE or DATE-TIME as text, in UTC with a Z; what lies beyond the calendar becomes its first or last second."""
    days, seconds = divmod(min(max(moment_.local, DAY), _LAST_SECOND), DAY)
    day = date.fromordinal(days)
    text = f"{day.year:04}{day.month:02}{day.day:02}"
    if moment_.is_date:
        return text
    minutes, second = divmod(seconds, 60)
    return f"{text}T{minutes // 60:02}{minutes % 60:02}{second:02}{'Z' if moment_.zone is UTC else ''}"


def utc_stamp(epoch: int) -> str:
    """Return an instant as a DATE-TIME in UTC."""
    return stamp(Moment(epoch + EPOCH_LOCAL, UTC))

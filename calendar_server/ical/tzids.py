"""What a TZID stands for: IANA names, Windows names, prefixed names, and zones that an object defines in its own VTIMEZONE.

A name that we know goes before the object's VTIMEZONE: the definitions that clients write along with "Europe/Berlin" are
copies, often old ones. Only names of their own making ("Customized Time Zone", "(UTC+01:00) Amsterdam, Berlin, …")
are read by RFC 5545 section 3.6.5.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from calendar_server.ical.rules import RuleError, Work, parse_rule, starts
from calendar_server.ical.values import DAY, EPOCH_LOCAL, InvalidValueError, moment, utc_offset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from calendar_server.ical.content import Component

MAX_TZID = 200
_FIRST = date(1968, 1, 1).toordinal() * DAY
_LAST = date(2100, 1, 1).toordinal() * DAY
"""An object's own zone is worked out for these years; before and after, its first and last offset hold."""
_MAX_CHANGES = 4_000
_WORK = 2_500
"""Candidates of all rules of one zone: nine rules without end; real zones have two."""
_MAX_KEPT = 10_000
"""Characters of a definition whose zone is kept for the next object."""
_UTC_ZONE = ZoneInfo("UTC")


class OwnZone(tzinfo):
    """A zone from a VTIMEZONE: the offset before the first change and the changes as (epoch, offset from there on), ascending."""

    def __init__(self, name: str, before: int, changes: Sequence[tuple[int, int]]) -> None:
        self._name = name
        self._offsets = [before, *(offset for _, offset in changes)]
        self._epochs = [epoch for epoch, _ in changes]
        pairs = list(zip(self._epochs, self._offsets[:-1], self._offsets[1:], strict=True))
        # PEP 495: fold=0 is the first of two ambiguous times, and reads a skipped one with the offset before the gap.
        self._earlier = [epoch + max(old, new) for epoch, old, new in pairs]
        self._later = [epoch + min(old, new) for epoch, old, new in pairs]

    def utcoffset(self, moment_: datetime | None) -> timedelta:
        """The offset at a wall-clock time."""
        if moment_ is None:
            return timedelta(seconds=self._offsets[-1])
        local = moment_.toordinal() * DAY + 3600 * moment_.hour + 60 * moment_.minute + moment_.second
        places = self._later if moment_.fold else self._earlier
        return timedelta(seconds=self._offsets[bisect_right(places, local - EPOCH_LOCAL)])

    def dst(self, _moment: datetime | None) -> timedelta:
        """Not told apart from the offset."""
        return timedelta(0)

    def tzname(self, _moment: datetime | None) -> str:
        """The TZID as the object has it."""
        return self._name

    def fromutc(self, moment_: datetime) -> datetime:
        """The wall-clock time of an instant; fold=1 for the second of two ambiguous ones."""
        epoch = (
            moment_.toordinal() * DAY
            + 3600 * moment_.hour
            + 60 * moment_.minute
            + moment_.second
            - EPOCH_LOCAL
        )
        at = bisect_right(self._epochs, epoch)
        shown = moment_ + timedelta(seconds=self._offsets[at])
        overlap = at > 0 and epoch - self._epochs[at - 1] < self._offsets[at - 1] - self._offsets[at]
        return shown.replace(fold=1) if overlap else shown.replace(fold=0)


@lru_cache(maxsize=1)
def _known() -> dict[str, str]:
    names = {name.casefold(): name for name in available_timezones() if name not in {"localtime", "Factory"}}
    for windows, olson in WINDOWS_TO_OLSON.items():
        if olson.casefold() in names:
            names.setdefault(windows.casefold(), olson)
    return names


def named_zone(tzid: str) -> ZoneInfo | None:
    """Return the zone that a name alone stands for: IANA or Windows, in any case, quoted or behind a prefix; None if unknown."""
    # What is longer must not be kept either: a client's value can have a megabyte.
    return _named_zone(tzid) if len(tzid) <= MAX_TZID else None


@lru_cache(maxsize=1024)
def _named_zone(tzid: str) -> ZoneInfo | None:
    known = _known()
    name = tzid.strip().strip('"').strip().casefold()
    found = known.get(name)
    if found is None and "/" in name:
        parts = name.strip("/").split("/")
        # "/mozilla.org/20050126_1/America/Argentina/Salta": the longest end that is a name.
        for at in range(max(1, len(parts) - 3), len(parts)):
            found = known.get("/".join(parts[at:]))
            if found is not None:
                break
    return None if found is None else ZoneInfo(found)


def _observance_changes(observance: Component, work: Work) -> list[tuple[int, int, int]]:
    """(epoch, offset before, offset after) of each onset of a STANDARD or DAYLIGHT observance."""
    begin = observance.first("DTSTART")
    before, after = observance.first("TZOFFSETFROM"), observance.first("TZOFFSETTO")
    if begin is None or before is None or after is None:
        raise InvalidValueError("an observance needs DTSTART, TZOFFSETFROM and TZOFFSETTO")
    old, new = utc_offset(before.value), utc_offset(after.value)
    first = moment(begin.value, _UTC_ZONE, _UTC_ZONE)
    onsets = {first.local}
    for dates in observance.all("RDATE"):
        onsets.update(
            moment(value.partition("/")[0], _UTC_ZONE, _UTC_ZONE).local for value in dates.value.split(",")
        )
    rules = observance.all("RRULE")
    if rules:
        rule = parse_rule(rules[0].value, first, _UTC_ZONE)
        until = None if rule.until is None else rule.until + EPOCH_LOCAL + old
        # A rule that ended before these years counts with its last change: that offset may still hold.
        low = max(first.local, _FIRST if until is None else min(_FIRST, until - 2 * 366 * DAY))
        high = _LAST if until is None else min(_LAST, until)
        onsets.update(starts(rule, first.local, low, high, work))
    return [(local - EPOCH_LOCAL - old, old, new) for local in onsets]


def _own_zone(definition: Component, tzid: str) -> OwnZone | None:
    changes: list[tuple[int, int, int]] = []
    work = Work(_WORK)
    try:
        for one in definition.components:
            if one.name in {"STANDARD", "DAYLIGHT"}:
                changes.extend(_observance_changes(one, work))
            if work.left < 0 or len(changes) > _MAX_CHANGES:
                return None
    except (InvalidValueError, RuleError):
        return None
    if not changes:
        return None
    changes.sort()
    return OwnZone(tzid, changes[0][1], [(epoch, new) for epoch, _, new in changes])


_own_zones: dict[tuple[str, ...], OwnZone | None] = {}


def _lines(definition: Component) -> tuple[str, ...]:
    return tuple(line for one in definition.walk() for line in (one.name, *(p.line for p in one.properties)))


def own_zone(definition: Component, tzid: str) -> tzinfo | None:
    """Return the zone that a VTIMEZONE describes, None if it's not usable. Clients repeat theirs, so results are kept."""
    location = definition.first("X-LIC-LOCATION")
    named = named_zone(location.value) if location else None
    if named is not None:
        return named
    lines = _lines(definition)
    if sum(map(len, lines)) > _MAX_KEPT:
        return _own_zone(definition, tzid)
    if lines not in _own_zones:
        if len(_own_zones) >= 64:
            _own_zones.clear()
        _own_zones[lines] = _own_zone(definition, tzid)
    return _own_zones[lines]

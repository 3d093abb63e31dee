"""The busy feed: what the public site may know of an office, as VFREEBUSY objects (RFC 5545 section 3.6.4).

One object for each clerk and day, under an opaque key instead of her name, and one for each day's opening windows. A period
taken by an appointment carries the services it needs, so that a reader can work out which times become free
by giving that appointment to somebody else. No personal data, no uid.

The texts are written by this module and read by this module: `parse` is strict and only for them, because
a city's first synchronisation has some 30,000 of these objects.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_STAMP = re.compile("[0-9]{8}T[0-9]{6}Z")
_EPOCH = date(1970, 1, 1).toordinal()
_DAY = 86_400
_OPENING = "opening"


class BusyKind(StrEnum):
    """Why a period can't simply be booked."""

    UNAVAILABLE = "unavailable"
    """Outside her working time."""
    OWN = "own"
    """Her own event: a meeting, an absence."""
    APPOINTMENT = "appointment"
    HOLD = "hold"
    RETURNING = "returning"
    """Given back by a citizen, and not offered to the public yet; staff may use it."""


@dataclass(frozen=True, slots=True)
class BusyPeriod:
    """[start, end) as epoch seconds. `services` are what an appointment or hold needs (empty: any clerk may take it)."""

    start: int
    end: int
    kind: BusyKind
    services: frozenset[str] = frozenset()
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class ClerkDay:
    """One clerk's day: [start, end) as epoch seconds from midnight to midnight in the office's zone (23, 24 or 25 hours).

    `key` is opaque and stable; `services` are the ids she may do.
    """

    key: str
    day: date
    start: int
    end: int
    services: frozenset[str]
    periods: tuple[BusyPeriod, ...]


@dataclass(frozen=True, slots=True)
class Window:
    """A bookable period [start, end) as epoch seconds; `services` narrows it (None: all of the office's services)."""

    start: int
    end: int
    services: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class OpeningDay:
    """One day's opening windows, closures and public holidays already taken out."""

    day: date
    start: int
    end: int
    windows: tuple[Window, ...]


class NotABusyDayError(ValueError):
    """The text isn't one that this module wrote."""


def href(key: str, day: date) -> str:
    """Return the name in `/<office>/busy/` of a clerk's day, or of the opening windows for `opening_href`."""
    return f"{key}-{day.isoformat()}.ics"


def opening_href(day: date) -> str:
    """Return the name in `/<office>/busy/` of a day's opening windows."""
    return href(_OPENING, day)


def split_href(name: str) -> tuple[str, date] | None:
    """Return (key, day) of a name in `/<office>/busy/`; the key is "opening" for windows. None if it's no such name."""
    stem = name.removesuffix(".ics")
    key, dash, text = stem[:-11], stem[-11:-10], stem[-10:]
    if stem == name or dash != "-" or not key:
        return None
    try:
        return key, date.fromisoformat(text)
    except ValueError:
        return None


def is_opening_key(key: str) -> bool:
    """True for the key of the days that carry opening windows."""
    return key == _OPENING


# A feed has millions of times, but few different ones: the grid of some two months.
@lru_cache(maxsize=20_000)
def _stamp(epoch: int) -> str:
    days, seconds = divmod(epoch, _DAY)
    minutes, second = divmod(seconds, 60)
    return f"{_date_text(days)}T{minutes // 60:02}{minutes % 60:02}{second:02}Z"


@lru_cache(maxsize=20_000)
def _epoch(stamp: str) -> int:
    if not _STAMP.fullmatch(stamp):
        raise NotABusyDayError("a time that isn't in UTC")
    hour, minute, second = int(stamp[9:11]), int(stamp[11:13]), int(stamp[13:15])
    if hour > 23 or minute > 59 or second > 59:
        raise NotABusyDayError("a time that no clock shows")
    return _days(stamp[:8]) * _DAY + hour * 3600 + minute * 60 + second


@lru_cache(maxsize=2_000)
def _date_text(days: int) -> str:
    return f"{date.fromordinal(_EPOCH + days):%Y%m%d}"


@lru_cache(maxsize=2_000)
def _days(text: str) -> int:
    return date(int(text[:4]), int(text[4:6]), int(text[6:])).toordinal() - _EPOCH


def _fold(line: str) -> str:
    """Fold at 75 octets (RFC 5545 section 3.1); these lines are ASCII."""
    if len(line) <= 75:
        return line
    parts = [line[:75]] + [line[at : at + 74] for at in range(75, len(line), 74)]
    return "\r\n ".join(parts)


@lru_cache(maxsize=1_000)
def _quoted(services: frozenset[str]) -> str:
    return '"' + ",".join(sorted(services)) + '"'


_FBTYPE = {
    BusyKind.UNAVAILABLE: "BUSY-UNAVAILABLE",
    BusyKind.OWN: "BUSY",
    BusyKind.APPOINTMENT: "BUSY",
    BusyKind.HOLD: "BUSY-TENTATIVE",
    BusyKind.RETURNING: "BUSY-TENTATIVE",
}


def _object(uid: str, start: int, end: int, stamp: int, lines: Iterable[str]) -> str:
    body = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//termin//Terminvergabe//DE",
        "BEGIN:VFREEBUSY",
        f"UID:{uid}",
        f"DTSTAMP:{_stamp(stamp)}",
        f"DTSTART:{_stamp(start)}",
        f"DTEND:{_stamp(end)}",
        *lines,
        "END:VFREEBUSY",
        "END:VCALENDAR",
        "",
    ]
    return "\r\n".join(_fold(line) for line in body)


def clerk_day_text(day: ClerkDay, *, stamp: int) -> str:
    """Return the VCALENDAR text of a clerk's day; `stamp` (epoch seconds) becomes DTSTAMP."""
    lines = [f"X-TERMIN-CAN:{','.join(sorted(day.services))}"]
    for period in day.periods:
        parameters = f"FBTYPE={_FBTYPE[period.kind]}"
        if period.kind in {BusyKind.APPOINTMENT, BusyKind.HOLD}:
            parameters += f";X-TERMIN-SERVICES={_quoted(period.services)}"
        if period.kind is BusyKind.RETURNING:
            parameters += ";X-TERMIN-RETURNING=TRUE"
        if period.pinned:
            parameters += ";X-TERMIN-PINNED=TRUE"
        lines.append(f"FREEBUSY;{parameters}:{_stamp(period.start)}/{_stamp(period.end)}")
    return _object(f"{day.key}-{day.day.isoformat()}", day.start, day.end, stamp, lines)


def opening_day_text(day: OpeningDay, *, stamp: int) -> str:
    """Return the VCALENDAR text of a day's opening windows; `stamp` (epoch seconds) becomes DTSTAMP."""
    lines = []
    for window in day.windows:
        narrowed = "" if window.services is None else f";X-TERMIN-SERVICES={_quoted(window.services)}"
        lines.append(f"FREEBUSY;FBTYPE=FREE{narrowed}:{_stamp(window.start)}/{_stamp(window.end)}")
    return _object(f"{_OPENING}-{day.day.isoformat()}", day.start, day.end, stamp, lines)


def _ids(text: str) -> frozenset[str]:
    return frozenset(name for name in text.split(",") if name)


@dataclass(frozen=True, slots=True)
class _Head:
    """What the parameters of a FREEBUSY say. `services` is None where they name none."""

    kind: BusyKind
    services: frozenset[str] | None
    pinned: bool


@lru_cache(maxsize=1_000)
def _head(text: str) -> _Head:
    parameters = {}
    for part in text.split(";")[1:]:
        name, equals, value = part.partition("=")
        if not equals:
            raise NotABusyDayError(f"bad parameter {part!r}")
        parameters[name] = value.strip('"')
    services = _ids(parameters["X-TERMIN-SERVICES"]) if "X-TERMIN-SERVICES" in parameters else None
    return _Head(_kind(parameters), services, "X-TERMIN-PINNED" in parameters)


def _kind(parameters: dict[str, str]) -> BusyKind:
    fbtype = parameters.get("FBTYPE", "BUSY")
    if fbtype == "BUSY-UNAVAILABLE":
        return BusyKind.UNAVAILABLE
    if "X-TERMIN-RETURNING" in parameters:
        return BusyKind.RETURNING
    if "X-TERMIN-SERVICES" not in parameters:
        return BusyKind.OWN
    return BusyKind.HOLD if fbtype == "BUSY-TENTATIVE" else BusyKind.APPOINTMENT


def parse(text: str) -> ClerkDay | OpeningDay:
    """Read what `clerk_day_text` or `opening_day_text` wrote; NotABusyDayError for anything else."""
    values: dict[str, str] = {}
    periods: list[tuple[_Head, int, int]] = []
    try:
        for line in text.replace("\r\n ", "").split("\r\n"):
            head, _, value = line.partition(":")
            if head.startswith("FREEBUSY"):
                start, _, end = value.partition("/")
                periods.append((_head(head), _epoch(start), _epoch(end)))
            else:
                values[head] = value
        named = split_href(values["UID"] + ".ics")
        if named is None:
            raise NotABusyDayError("a UID that names no day")
        key, day = named
        start_of_day, end_of_day = _epoch(values["DTSTART"]), _epoch(values["DTEND"])
    except KeyError as error:
        raise NotABusyDayError(f"{error.args[0]} is missing") from error
    except ValueError as error:
        raise NotABusyDayError(str(error)) from error
    if is_opening_key(key):
        return OpeningDay(
            day,
            start_of_day,
            end_of_day,
            tuple(Window(start, end, given.services) for given, start, end in periods),
        )
    return ClerkDay(
        key,
        day,
        start_of_day,
        end_of_day,
        _ids(values.get("X-TERMIN-CAN", "")),
        tuple(
            BusyPeriod(start, end, given.kind, given.services or frozenset(), given.pinned)
            for given, start, end in periods
        ),
    )

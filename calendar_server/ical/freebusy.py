"""Free/busy answers as VFREEBUSY: for the free-busy-query REPORT (RFC 4791 section 7.10) and the outbox (RFC 6638 section 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calendar_server.ical.content import fold
from calendar_server.ical.objects import Transparency
from calendar_server.ical.values import utc_stamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_PRODID = "-//termin//Terminvergabe//DE"


def merged(periods: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return half-open periods ascending and without overlap; those that touch become one, empty ones vanish."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(periods):
        if start >= end:
            continue
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((start, end))
    return found


def _within(periods: Iterable[tuple[int, int]], start: int, end: int) -> list[tuple[int, int]]:
    """Return merged periods as far as they lie in [start, end)."""
    return [(max(first, start), min(last, end)) for first, last in periods if first < end and last > start]


def without(periods: Sequence[tuple[int, int]], taken: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return what is left of merged periods outside of other merged ones."""
    left: list[tuple[int, int]] = []
    at = 0
    for start, end in periods:
        begin = start
        while at < len(taken) and taken[at][1] <= begin:
            at += 1
        number = at
        while number < len(taken) and taken[number][0] < end:
            if taken[number][0] > begin:
                left.append((begin, taken[number][0]))
            begin = taken[number][1]
            number += 1
        if begin < end:
            left.append((begin, end))
    return left


def free_busy_text(
    calendars: Iterable[Iterable[tuple[int, int, int]]],
    start: int,
    end: int,
    stamp: int,
    *,
    method: str = "",
    uid: str = "",
    lines: Iterable[str] = (),
) -> str:
    """Return the VCALENDAR text with one VFREEBUSY for [start, end), of the instances of all the calendars together.

    An instance is (start, end, transparency), all times epoch seconds; `stamp` becomes DTSTAMP. Busy goes before tentative, free instances leave no trace. For an answer
    from the outbox, `method` is "REPLY", and `uid` and `lines` (content lines: ORGANIZER, ATTENDEE) are the request's.
    """
    busy: list[tuple[int, int]] = []
    tentative: list[tuple[int, int]] = []
    for instances in calendars:
        for first, last, transparency in instances:
            if transparency != Transparency.FREE:
                (tentative if transparency == Transparency.TENTATIVE else busy).append((first, last))
    taken = _within(merged(busy), start, end)
    periods = [(*one, "BUSY") for one in taken]
    periods += [(*one, "BUSY-TENTATIVE") for one in without(_within(merged(tentative), start, end), taken)]
    text = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        f"PRODID:{_PRODID}",
        *([f"METHOD:{method}"] if method else []),
        "BEGIN:VFREEBUSY",
        *([f"UID:{uid}"] if uid else []),
        f"DTSTAMP:{utc_stamp(stamp)}",
        f"DTSTART:{utc_stamp(start)}",
        f"DTEND:{utc_stamp(end)}",
        *lines,
        *(
            f"FREEBUSY;FBTYPE={kind}:{utc_stamp(first)}/{utc_stamp(last)}"
            for first, last, kind in sorted(periods)
        ),
        "END:VFREEBUSY",
        "END:VCALENDAR",
        "",
    ]
    return "\r\n".join(fold(line) for line in text)

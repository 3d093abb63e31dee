"""Many calendar objects as one iCalendar stream, for programs that read a whole calendar at once.

Objects are joined by their content lines, without being parsed. What joining has to mind are time zones: each TZID is defined once
(RFC 5545 section 3.6.5), by our own rules where the name is known, since those are what the server reads it by
(`calendar_server.ical.tzids`), else as the object brought it; two definitions of one name are told apart by a number.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from calendar_server.ical.content import MAX_HEAD, fold, parse_line
from calendar_server.ical.tzids import named_zone
from calendar_server.ical.zones import vtimezone

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_FOLD = re.compile("\r\n[ \t]")
_TZID = re.compile(r';TZID=("[^"]*"|[^":;,]*)(?=[:;])', re.IGNORECASE)
_ZONE_NAME = re.compile(r"TZID(?:;[^:]*)?:(.*)", re.IGNORECASE)
_PRIVATE = "X-TERMIN-"


def _parts(text: str, *, private: bool) -> tuple[list[list[str]], list[str]]:
    """The VTIMEZONEs of one object, and the lines of its other components; X-TERMIN- properties only if `private`."""
    zones: list[list[str]] = []
    lines: list[str] = []
    depth = 0
    into = lines
    for line in _FOLD.sub("", text).split("\r\n"):
        start = line[:20].upper()
        if start.startswith("BEGIN:"):
            depth += 1
            if depth == 1:
                continue
            if depth == 2 and start[6:].strip() == "VTIMEZONE":
                into = []
                zones.append(into)
        if depth > 1 and (private or not start.startswith(_PRIVATE)):
            into.append(line)
        if start.startswith("END:"):
            depth -= 1
            if depth == 1:
                into = lines
    return zones, lines


def _zone_name(zone: Sequence[str]) -> str:
    for line in zone:
        match = _ZONE_NAME.fullmatch(line)
        if match:
            return match[1].strip()
    return ""


class _Zones:
    """The definitions of one stream."""

    def __init__(self, year: int) -> None:
        self._year = year
        self._known: dict[str, list[str]] = {}

    def lines(self) -> Iterable[str]:
        """All of them."""
        for zone in self._known.values():
            yield from zone

    def name_for(self, name: str, brought: Sequence[str]) -> str:
        """Return under which name the stream defines what an object means by `name`, with its definition (empty: none)."""
        zone = named_zone(name)
        if zone is not None:
            if name not in self._known:
                text: bytes = vtimezone(zone, self._year).to_ical()
                lines = _FOLD.sub("", text.decode()).split("\r\n")[:-1]
                self._known[name] = [f"TZID:{name}" if line.startswith("TZID:") else line for line in lines]
            return name
        number, unique = 1, name
        while self._known.get(unique, brought) != brought:
            number += 1
            unique = f"{name} {number}"
            brought = [f"TZID:{unique}" if _ZONE_NAME.fullmatch(line) else line for line in brought]
        self._known[unique] = list(brought)
        return unique


def joined(texts: Iterable[str], head: Iterable[str], year: int, *, private: bool = False) -> str:
    """Return one VCALENDAR with the components of all these objects; `texts` as the server stored them.

    `head` are the content lines at its top, VERSION and PRODID among them, unfolded; `year` is the one whose rules VTIMEZONEs tell;
    `private`: with our own X-TERMIN- properties.
    """
    zones = _Zones(year)
    members: list[str] = []
    for text in texts:
        brought, lines = _parts(text, private=private)
        members += _renamed(lines, {_zone_name(zone): zone for zone in brought}, zones)
    body = ["BEGIN:VCALENDAR", *head, *zones.lines(), *members, "END:VCALENDAR", ""]
    return "\r\n".join(map(fold, body))


def _renamed(lines: Iterable[str], definitions: Mapping[str, list[str]], zones: _Zones) -> Iterator[str]:
    """Yield an object's lines with its zones under the names that the stream has for them."""

    def new_name(match: re.Match[str]) -> str:
        name = match[1].strip('"').strip()
        known = zones.name_for(name, definitions.get(name, []))
        return f';TZID="{known}"' if set(known) & set(":;,") else f";TZID={known}"

    for line in lines:
        if ";TZID=" not in line[:MAX_HEAD].upper():
            yield line
            continue
        # A value may look like a parameter, so only what stands before it is changed.
        value = parse_line(line).value
        yield _TZID.sub(new_name, line[: len(line) - len(value)]) + value

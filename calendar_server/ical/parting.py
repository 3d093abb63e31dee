"""One iCalendar stream as many calendar objects: the reverse of `calendar_server.ical.joining`.

A calendar object has one UID, with its exceptions and the time zones that it names (RFC 4791 section 4.1). Programs export
whole calendars as one stream, or several streams in one file, often with a METHOD, which a stored object must not have.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from calendar_server.ical.content import ContentError, fold, normalise, parse_line

MAX_DEPTH = 8
_FOLD = re.compile("\r\n[ \t]")
_TZID = re.compile(r';TZID=("[^"]*"|[^":;,]*)(?=[:;])', re.IGNORECASE)
_KEPT = frozenset({"VERSION", "PRODID", "CALSCALE"})


def parted(text: str | bytes) -> list[tuple[str, str]]:
    """Return (uid, object) for every object in the text, in the order in which they begin.

    Raises ContentError, naming the line, for what isn't iCalendar, and for a component without a UID.
    """
    reader = _Reader()
    lines = _FOLD.sub("", normalise(text)).split("\r\n")[:-1]
    try:
        for line in lines:
            reader.read(line)
    except ContentError as error:
        raise ContentError(f"content line {reader.lines}: {error}") from error
    if reader.stream is not None:
        raise ContentError("a component has no END")
    return reader.found


@dataclass(slots=True)
class _Stream:
    """One VCALENDAR: its own properties, and its components as content lines."""

    head: list[str] = field(default_factory=list)
    zones: dict[str, list[str]] = field(default_factory=dict)
    members: dict[str, list[str]] = field(default_factory=dict)


class _Reader:
    """Reads content lines one by one."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str]] = []
        self.lines = 0
        self.stream: _Stream | None = None
        self._component: list[str] = []
        self._open: list[str] = []

    def read(self, line: str) -> None:
        """Take in one unfolded content line."""
        self.lines += 1
        one = parse_line(line)
        name = one.value.strip().upper() if one.name in {"BEGIN", "END"} else ""
        if self.stream is None:
            if (one.name, name) != ("BEGIN", "VCALENDAR"):
                raise ContentError(f"{name or one.name} outside of VCALENDAR")
            self.stream = _Stream()
        elif one.name == "BEGIN":
            self._begin(name, line)
        elif self._open:
            self._component.append(line)
            if one.name == "END":
                self._end(self.stream, name)
        elif one.name == "END":
            if name != "VCALENDAR":
                raise ContentError("END does not match BEGIN")
            self.found += _objects(self.stream)
            self.stream = None
        elif one.name in _KEPT:
            self.stream.head.append(line)

    def _begin(self, name: str, line: str) -> None:
        self._open.append(name)
        if len(self._open) > MAX_DEPTH:
            raise ContentError(f"components nested more than {MAX_DEPTH} deep")
        self._component.append(line)

    def _end(self, stream: _Stream, name: str) -> None:
        if self._open.pop() != name:
            raise ContentError("END does not match BEGIN")
        if self._open:
            return
        component, self._component = self._component, []
        if name == "VTIMEZONE":
            stream.zones[_own(component, "TZID")] = component
            return
        uid = _own(component, "UID")
        if not uid:
            raise ContentError(f"a {name} without a UID")
        stream.members.setdefault(uid, []).extend(component)


def _own(component: list[str], name: str) -> str:
    """The value of a component's own property, not of one within it; empty if there's none."""
    depth = 0
    for line in component:
        start = line[:6].upper()
        depth += (start == "BEGIN:") - start.startswith("END:")
        if depth == 1 and start.startswith(name):
            one = parse_line(line)
            if one.name == name:
                return one.value.strip()
    return ""


def _objects(stream: _Stream) -> list[tuple[str, str]]:
    head = stream.head
    if not any(line.upper().startswith("VERSION") for line in head):
        head = ["VERSION:2.0", *head]
    found = []
    for uid, members in stream.members.items():
        named = {match[1].strip('"').strip() for line in members for match in _TZID.finditer(line)}
        zones = [line for name, zone in stream.zones.items() if name in named for line in zone]
        body = ["BEGIN:VCALENDAR", *head, *zones, *members, "END:VCALENDAR", ""]
        found.append((uid, "\r\n".join(map(fold, body))))
    return found

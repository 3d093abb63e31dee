"""Content lines and the component tree of an iCalendar stream (RFC 5545 sections 3.1 and 3.4 to 3.6), from text that anybody sent.

This module splits and bounds; what a value means is `calendar_server.ical.values`' business. It reads a 1 kB event some
ten times faster than a full parser, because it leaves every value as the text that was sent: that text is also what a partial
`calendar-data` gives back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_DEPTH = 8
"""Components within components; VCALENDAR > VEVENT > VALARM are three."""
MAX_LINES = 20_000
"""Content lines (unfolded) of one object."""
MAX_NAME = 100
MAX_HEAD = 4_000
"""Characters of a content line's name and parameters."""

_UNUSABLE = re.compile("[\x00\ud800-\udfff]")
_CONTROL = re.compile("[\x01-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
_BREAK = re.compile("\r\n?|\n")
_BLANK = re.compile("(?:\r\n[ \t]*+)+(?=\r\n)")
_FOLD = re.compile("\r\n[ \t]")
# A quote inside an unquoted value (CN=O"Neill) and "\;" (Apple's X-TITLE) break the grammar but are common. Alternatives
# are tried in one order and every quantifier is possessive, so matching is linear.
_PLAIN = r"(?:\\[;,]|[^,;:])*+"
_VALUE = rf'(?:"[^"]*+"{_PLAIN}|(?!"){_PLAIN})'
_VALUES = rf"{_VALUE}(?:,{_VALUE})*+"
_HEAD = re.compile(rf"([A-Za-z0-9._-]++)((?:;[A-Za-z0-9._-]++={_VALUES})*+):")
_LOOSE_HEAD = re.compile(r'([A-Za-z0-9._-]++)(;(?:"[^"]*+"|[^":])*+):')
_EACH_PARAMETER = re.compile(rf";([A-Za-z0-9._-]++)=({_VALUES})")
_EACH_VALUE = re.compile(r'(?:"([^"]*+)"(?:\\,|[^,])*+|((?:\\,|[^,])*+))(?:,|$)')
_CARET = re.compile(r"\^([n^'])")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class ContentError(ValueError):
    """The text is no iCalendar stream; the message names the rule and quotes nothing."""


def _caret(match: re.Match[str]) -> str:
    return {"n": "\n", "^": "^", "'": '"'}[match[1]]


def _unescaped(match: re.Match[str]) -> str:
    return "\n" if match[1] in "nN" else match[1]


def unescape(value: str) -> str:
    """Return the text of a TEXT value (RFC 5545 section 3.3.11)."""
    return _ESCAPED.sub(_unescaped, value) if "\\" in value else value


@dataclass(slots=True)
class Property:
    """One content line. `name` is in upper case, `value` as sent (escapes included), `line` the unfolded line as sent."""

    name: str
    head: str
    value: str
    line: str

    @property
    def parameters(self) -> dict[str, list[str]]:
        """The parameters' values by name in upper case, unquoted and decoded (RFC 6868)."""
        if not self.head:
            return {}
        found: dict[str, list[str]] = {}
        for name, values in _EACH_PARAMETER.findall(self.head):
            # The pattern matches once more, emptily, behind the last value.
            each = [quoted or plain for quoted, plain in _EACH_VALUE.findall(values)][: 1 + values.count(",")]
            if len(each) > 1 and not each[-1] and not values.endswith(","):
                each.pop()
            found.setdefault(name.upper(), []).extend(_CARET.sub(_caret, one) for one in each)
        return found

    def parameter(self, name: str) -> str | None:
        """The first value of a parameter, None if it's not there; `name` in upper case."""
        if not self.head or name not in self.head.upper():
            return None
        values = self.parameters.get(name)
        return values[0] if values else None

    @property
    def text(self) -> str:
        """The value read as TEXT."""
        return unescape(self.value)


@dataclass(slots=True)
class Component:
    """A component as sent: its name in upper case, its properties and its components, both in order."""

    name: str
    properties: list[Property] = field(default_factory=list)
    components: list[Component] = field(default_factory=list)

    def first(self, name: str) -> Property | None:
        """The first property of that name (upper case), None if there is none."""
        for one in self.properties:
            if one.name == name:
                return one
        return None

    def all(self, name: str) -> list[Property]:
        """All properties of that name (upper case)."""
        return [one for one in self.properties if one.name == name]

    def walk(self) -> Iterator[Component]:
        """This component and all below it; the depth is bounded by MAX_DEPTH."""
        yield self
        for one in self.components:
            yield from one.walk()


def normalise(text: str | bytes) -> str:
    """Return the text with CRLF line ends and no blank lines, byte order mark or control characters.

    Control characters (Outlook pastes vertical tabs) stand in no iCalendar value and in no XML answer, so they are
    left out. Raises ContentError for what isn't UTF-8 text.
    """
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ContentError("the text is not UTF-8") from error
    if _UNUSABLE.search(text):
        raise ContentError("the text contains NUL or half a character")
    text = _CONTROL.sub("", text.removeprefix("\ufeff"))
    text = _BLANK.sub("", _BREAK.sub("\r\n", text.strip("\r\n\t ")))
    return text + "\r\n"


def parse_line(line: str) -> Property:
    """Read one unfolded content line; ContentError if it isn't one."""
    match = _HEAD.match(line) or _LOOSE_HEAD.match(line)
    if match is None:
        raise ContentError("a content line is not of the form name:value")
    end = match.end()
    if end > MAX_HEAD:
        raise ContentError(f"a content line's name and parameters are longer than {MAX_HEAD} characters")
    name = match[1].upper()
    if len(name) > MAX_NAME:
        raise ContentError(f"a property's name is longer than {MAX_NAME} characters")
    return Property(name, match[2], line[end:], line)


def parse(text: str) -> Component:
    """Read text that `normalise` made as exactly one VCALENDAR.

    Raises ContentError for half lines, components that don't close, nesting deeper than MAX_DEPTH and more than MAX_LINES lines.
    """
    lines = _FOLD.sub("", text).split("\r\n")
    lines.pop()
    if len(lines) > MAX_LINES:
        raise ContentError(f"more than {MAX_LINES} content lines")
    root = Component("")
    open_components = [root]
    current = root
    for line in lines:
        one = parse_line(line)
        if one.name == "BEGIN":
            if len(open_components) > MAX_DEPTH:
                raise ContentError(f"components nested more than {MAX_DEPTH} deep")
            begun = Component(one.value.strip().upper())
            current.components.append(begun)
            open_components.append(begun)
            current = begun
        elif one.name == "END":
            if len(open_components) == 1 or one.value.strip().upper() != current.name:
                raise ContentError("END does not match BEGIN")
            open_components.pop()
            current = open_components[-1]
        elif current is root:
            raise ContentError("a property outside of VCALENDAR")
        else:
            current.properties.append(one)
    if current is not root:
        raise ContentError("a component has no END")
    if len(root.components) != 1 or root.components[0].name != "VCALENDAR":
        raise ContentError("not exactly one VCALENDAR")
    return root.components[0]


def fold(line: str) -> str:
    """Fold a content line at 75 octets, never within a character (RFC 5545 section 3.1); no line end."""
    data = line.encode()
    if len(data) <= 75:
        return line
    parts = []
    at, width = 0, 75
    while len(data) - at > width:
        end = at + width
        while data[end] & 0xC0 == 0x80:
            end -= 1
        parts.append(data[at:end])
        at, width = end, 74
    parts.append(data[at:])
    return b"\r\n ".join(parts).decode()


def to_text(component: Component) -> str:
    """Return the component as folded content lines with CRLF after each."""
    lines: list[str] = []
    _collect(component, lines)
    lines.append("")
    return "\r\n".join(lines)


def _collect(component: Component, lines: list[str]) -> None:
    lines.append(f"BEGIN:{component.name}")
    lines.extend(fold(one.line) for one in component.properties)
    for one in component.components:
        _collect(one, lines)
    lines.append(f"END:{component.name}")

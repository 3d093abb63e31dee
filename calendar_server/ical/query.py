"""CALDAV:filter (RFC 4791 sections 9.7 to 9.9): read from XML, and matched against calendar objects.

What a matching object is answered with is `calendar_server.ical.data`'s business.
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from calendar_server.ical.objects import COMPONENTS
from calendar_server.ical.recurrence import intersects
from calendar_server.ical.rules import Work
from calendar_server.ical.values import (
    DAY,
    MAX_EPOCH,
    MIN_EPOCH,
    InvalidValueError,
    Span,
    duration,
    moment,
    period,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from xml.etree.ElementTree import Element

    from calendar_server.ical.content import Component, Property
    from calendar_server.ical.objects import CalendarObject

CALDAV = "{urn:ietf:params:xml:ns:caldav}"
COLLATIONS = ("i;ascii-casemap", "i;octet", "i;unicode-casemap")
MAX_ELEMENTS = 50
"""Elements of one filter; clients use about five."""
MAX_TEXT = 1_000
_MAX_DEPTH = 4
_MAX_REPEATS = 100
_DIGITS = re.compile("[0-9]{1,4}")
_UTC = ZoneInfo("UTC")
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


class InvalidFilterError(ValueError):
    """A filter that is wrong or isn't supported; `precondition` is CALDAV's name for it (RFC 4791 section 7.8)."""

    def __init__(self, message: str, precondition: str = "valid-filter") -> None:
        super().__init__(message)
        self.precondition = precondition


@dataclass(frozen=True, slots=True)
class TimeRange:
    """[start, end) in epoch seconds; MIN_EPOCH and MAX_EPOCH where an end is left open."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class TextMatch:
    """A substring that a value must contain, or must not."""

    text: str
    collation: str = COLLATIONS[0]
    negate: bool = False

    def matches(self, value: str) -> bool:
        """Whether a value matches."""
        fold = _FOLD[self.collation]
        return (fold(self.text) in fold(value)) is not self.negate


def _ascii_casemap(text: str) -> str:
    return text.translate(_LOWER)


_FOLD: dict[str, Callable[[str], str]] = {
    "i;ascii-casemap": _ascii_casemap,
    "i;octet": str,
    "i;unicode-casemap": str.casefold,
}


@dataclass(frozen=True, slots=True)
class ParamFilter:
    """A parameter that must be there, must be absent, or must match."""

    name: str
    is_not_defined: bool = False
    text: TextMatch | None = None


@dataclass(frozen=True, slots=True)
class PropFilter:
    """A property that must be absent, or of which one must match in all that is given."""

    name: str
    is_not_defined: bool = False
    time_range: TimeRange | None = None
    text: TextMatch | None = None
    params: tuple[ParamFilter, ...] = ()


@dataclass(frozen=True, slots=True)
class CompFilter:
    """A component that must be absent, or of which one must match in all that is given."""

    name: str
    is_not_defined: bool = False
    time_range: TimeRange | None = None
    props: tuple[PropFilter, ...] = ()
    comps: tuple[CompFilter, ...] = ()


@dataclass(frozen=True, slots=True)
class Filter:
    """A whole CALDAV:filter; `calendar` is about the VCALENDAR."""

    calendar: CompFilter


def utc_attribute(element: Element, name: str) -> int | None:
    """Read an attribute that is a DATE-TIME in UTC (RFC 4791 section 9.9), None if it's absent; InvalidFilterError else."""
    text = element.get(name)
    if text is None:
        return None
    if len(text) != 16 or not text.endswith("Z"):
        raise InvalidFilterError(f"{name} is not a date and time in UTC")
    try:
        return moment(text, None, _UTC).epoch
    except InvalidValueError as error:
        raise InvalidFilterError(f"{name} is {error}") from error


def time_range(element: Element) -> TimeRange:
    """Read the attributes of CALDAV:time-range; InvalidFilterError if both are absent or the end isn't after the start."""
    start, end = utc_attribute(element, "start"), utc_attribute(element, "end")
    if start is None and end is None:
        raise InvalidFilterError("a time-range has neither start nor end")
    low, high = MIN_EPOCH if start is None else start, MAX_EPOCH if end is None else end
    if low >= high:
        raise InvalidFilterError("a time-range ends before it starts")
    return TimeRange(low, high)


class _Reader:
    """Reads one filter and counts its elements."""

    def __init__(self) -> None:
        self._left = MAX_ELEMENTS

    def children(self, element: Element, *allowed: str) -> Iterator[tuple[str, Element]]:
        """The CALDAV children by local name; other namespaces are extensions that may be overlooked (RFC 4918 section 17)."""
        for child in element:
            self._left -= 1
            if self._left < 0:
                raise InvalidFilterError(f"a filter of more than {MAX_ELEMENTS} elements", "supported-filter")
            if not isinstance(child.tag, str) or not child.tag.startswith(CALDAV):
                continue
            name = child.tag.removeprefix(CALDAV)
            if name not in allowed:
                raise InvalidFilterError(f"an element stands where it has no meaning in {_local(element)}")
            yield name, child

    def comp(self, element: Element, depth: int) -> CompFilter:
        name = _name(element)
        if depth > _MAX_DEPTH:
            raise InvalidFilterError("comp-filters are nested too deep", "supported-filter")
        absent, within = False, None
        props: list[PropFilter] = []
        comps: list[CompFilter] = []
        for tag, child in self.children(
            element, "is-not-defined", "time-range", "prop-filter", "comp-filter"
        ):
            if tag == "is-not-defined":
                absent = True
            elif tag == "time-range":
                within = time_range(child)
            elif tag == "prop-filter":
                props.append(self.prop(child))
            else:
                comps.append(self.comp(child, depth + 1))
        if absent and (within or props or comps):
            raise InvalidFilterError("is-not-defined stands beside other conditions")
        if within is not None and name not in COMPONENTS | {"VALARM", "VCALENDAR"}:
            raise InvalidFilterError("a time-range on a component without time", "supported-filter")
        return CompFilter(name, absent, within, tuple(props), tuple(comps))

    def prop(self, element: Element) -> PropFilter:
        name = _name(element)
        absent, within, text = False, None, None
        params: list[ParamFilter] = []
        for tag, child in self.children(
            element, "is-not-defined", "time-range", "text-match", "param-filter"
        ):
            if tag == "is-not-defined":
                absent = True
            elif tag == "time-range":
                within = time_range(child)
            elif tag == "text-match":
                text = _text_match(child)
            else:
                params.append(self.param(child))
        if absent and (within or text or params):
            raise InvalidFilterError("is-not-defined stands beside other conditions")
        if within and text:
            raise InvalidFilterError("a prop-filter has a time-range and a text-match")
        return PropFilter(name, absent, within, text, tuple(params))

    def param(self, element: Element) -> ParamFilter:
        absent, text = False, None
        for tag, child in self.children(element, "is-not-defined", "text-match"):
            if tag == "is-not-defined":
                absent = True
            else:
                text = _text_match(child)
        if absent and text:
            raise InvalidFilterError("is-not-defined stands beside other conditions")
        return ParamFilter(_name(element), absent, text)


def _local(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _name(element: Element) -> str:
    name = element.get("name", "").strip().upper()
    if not name or len(name) > 100:
        raise InvalidFilterError(f"{_local(element)} has no usable name")
    return name


def _text_match(element: Element) -> TextMatch:
    collation = element.get("collation", "default").strip()
    if collation == "default":
        collation = COLLATIONS[0]
    if collation not in COLLATIONS:
        raise InvalidFilterError("text-match: this collation is not supported", "supported-collation")
    negate = element.get("negate-condition", "no").strip()
    if negate not in {"yes", "no"}:
        raise InvalidFilterError("text-match: negate-condition is neither yes nor no")
    text = element.text or ""
    if len(text) > MAX_TEXT:
        raise InvalidFilterError(f"text-match: longer than {MAX_TEXT} characters", "supported-filter")
    return TextMatch(text, collation, negate == "yes")


def parse_filter(element: Element) -> Filter:
    """Read a CALDAV:filter element. An empty one matches everything, as clients that send it mean.

    Raises InvalidFilterError with the precondition "valid-filter", "supported-filter" or "supported-collation".
    """
    reader = _Reader()
    found = [reader.comp(child, 1) for _, child in reader.children(element, "comp-filter")]
    if not found:
        return Filter(CompFilter("VCALENDAR"))
    if len(found) > 1 or found[0].name != "VCALENDAR":
        raise InvalidFilterError("a filter is one comp-filter for VCALENDAR")
    return Filter(found[0])


def simple_time_range(filter_: Filter) -> tuple[str, int | None, int | None] | None:
    """Return (component, start, end) if the filter is exactly "VCALENDAR > component [time-range]", else None.

    Start and end are None if there's no time-range: then every object of that component matches. The component is "" if
    every object matches. An index over `CalendarObject.instances` answers such a filter alone.
    """
    calendar = filter_.calendar
    if calendar.is_not_defined or calendar.time_range or calendar.props or len(calendar.comps) > 1:
        return None
    if not calendar.comps:
        return "", None, None
    (comp,) = calendar.comps
    if comp.is_not_defined or comp.props or comp.comps or comp.name not in COMPONENTS:
        return None
    if comp.time_range is None:
        return comp.name, None, None
    return comp.name, comp.time_range.start, comp.time_range.end


def matches(filter_: Filter, obj: CalendarObject, work: Work | None = None) -> bool:
    """Whether an object matches, as far as `work` suffices to tell.

    Clients that don't care for a component's type put conditions directly below VCALENDAR, where a time-range and most properties
    mean nothing (section 9.7.1): there they are about the object's components too.
    """
    calendar = filter_.calendar
    if calendar.is_not_defined:
        return False
    work = work or Work()
    within = calendar.time_range
    if within is not None and not obj.instances(within.start, within.end, limit=1, work=work):
        return False
    if not all(_prop_matches(one, [obj.root, *obj.members], obj) for one in calendar.props):
        return False
    return all(_comp_matches(one, obj, work) for one in calendar.comps)


def _comp_matches(condition: CompFilter, obj: CalendarObject, work: Work) -> bool:
    """Whether one of the object's components satisfies all that a comp-filter directly below VCALENDAR says."""
    if condition.name == obj.component:
        members = list(enumerate(obj.members))
    else:
        members = [(-1, one) for one in obj.root.components if one.name == condition.name]
    if condition.is_not_defined:
        return not members
    if not members:
        return False
    if condition.time_range is not None:
        low, high = condition.time_range.start, condition.time_range.end
        if condition.name == obj.component and not condition.props and not condition.comps:
            return bool(obj.instances(low, high, limit=1, work=work))
        met = obj.members_meeting(low, high, work)
        members = [(index, one) for index, one in members if index in met]
    return any(_member_matches(condition, index, one, obj, work) for index, one in members)


def _member_matches(
    condition: CompFilter, index: int, component: Component, obj: CalendarObject, work: Work
) -> bool:
    if not all(_prop_matches(one, [component], obj) for one in condition.props):
        return False
    return all(_part_matches(one, index, component, obj, work) for one in condition.comps)


def _part_matches(
    condition: CompFilter, index: int, parent: Component, obj: CalendarObject, work: Work
) -> bool:
    """A comp-filter below a component: an alarm, or a part of a VTIMEZONE."""
    parts = [one for one in parent.components if one.name == condition.name]
    if condition.is_not_defined:
        return not parts
    within = condition.time_range
    if within is not None:
        parts = [one for one in parts if _rings(one, index, within, obj, work)]
    return any(_member_matches(condition, index, one, obj, work) for one in parts)


def _rings(alarm: Component, index: int, within: TimeRange, obj: CalendarObject, work: Work) -> bool:
    """Whether an alarm, one of its repetitions included, goes off in a time-range (RFC 5545 section 3.8.6, RFC 4791 section 9.9)."""
    trigger = alarm.first("TRIGGER")
    if trigger is None or not work.spend(1):
        return False
    repeats = _repeats(alarm)
    try:
        if trigger.value.strip()[:1].isdecimal():
            at = obj.zones.moment(trigger).epoch
            return any(within.start <= at + repeat < within.end for repeat in repeats)
        offset = _seconds(duration(trigger.value))
    except ValueError:
        return False
    if obj.series is None:
        return False
    at_end = (trigger.parameter("RELATED") or "").upper() == "END"
    low, high = within.start - offset - repeats[-1] - 1, within.end - offset + 1
    return any(
        within.start <= (one.end if at_end else one.start) + offset + repeat < within.end
        for one in obj.series.made_of(index, low, high, work)
        for repeat in repeats
    )


def _seconds(span: Span) -> int:
    return span.days * DAY + span.seconds


def _repeats(alarm: Component) -> list[int]:
    """Seconds after the trigger at which an alarm goes off, ascending from 0."""
    count, gap = alarm.first("REPEAT"), alarm.first("DURATION")
    if count is None or gap is None or _DIGITS.fullmatch(count.value.strip()) is None:
        return [0]
    try:
        seconds = _seconds(duration(gap.value))
    except InvalidValueError:
        return [0]
    number = min(int(count.value), _MAX_REPEATS)
    return [seconds * n for n in range(number + 1)] if seconds > 0 else [0]


def _prop_matches(condition: PropFilter, components: list[Component], obj: CalendarObject) -> bool:
    found = [one for component in components for one in component.all(condition.name)]
    if condition.is_not_defined:
        return not found
    return any(_one_matches(condition, one, obj) for one in found)


def _one_matches(condition: PropFilter, one: Property, obj: CalendarObject) -> bool:
    if condition.time_range is not None and not _value_meets(one, condition.time_range, obj):
        return False
    if condition.text is not None and not condition.text.matches(one.text):
        return False
    return all(_param_matches(param, one) for param in condition.params)


def _param_matches(condition: ParamFilter, one: Property) -> bool:
    values = one.parameters.get(condition.name)
    if condition.is_not_defined or values is None:
        return condition.is_not_defined and values is None
    text = condition.text
    return text is None or any(text.matches(value) for value in values)


def _value_meets(one: Property, within: TimeRange, obj: CalendarObject) -> bool:
    """Whether a DATE, DATE-TIME or PERIOD value meets a time-range; False for other values."""
    zone = obj.zones.of(one)
    for value in one.value.split(","):
        try:
            if "/" in value:
                start, end = period(value, zone, obj.office)
                low = start.epoch
            else:
                start = moment(value, zone, obj.office)
                low = start.epoch
                end = start.after(Span(1, 0)) if start.is_date else low
        except InvalidValueError:
            continue
        if intersects(low, end, within.start, within.end):
            return True
    return False

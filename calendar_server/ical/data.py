"""What CALDAV:calendar-data asks for (RFC 4791 section 9.6): expanded, limited, or only some components and properties.

Everything is taken from the text as it was stored; only expansion writes times of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from calendar_server.ical.content import Component, Property, to_text
from calendar_server.ical.objects import MAX_INSTANCES, InvalidObjectError
from calendar_server.ical.query import CALDAV, InvalidFilterError, TimeRange, time_range
from calendar_server.ical.recurrence import intersects
from calendar_server.ical.values import Moment, stamp, to_local, utc_stamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import tzinfo
    from xml.etree.ElementTree import Element

    from calendar_server.ical.objects import CalendarObject
    from calendar_server.ical.recurrence import Occurrence

MAX_EXPANDED = 10_000_000
"""Characters of one object's expansion: a usual event every day for sixty years."""
MAX_ELEMENTS = 500
_MAX_DEPTH = 5
_RANGES = ("expand", "limit-recurrence-set", "limit-freebusy-set")
_SET = frozenset({"RRULE", "RDATE", "EXDATE", "EXRULE"})
_PLACED = _SET | {"DTSTART", "DTEND", "DUE", "DURATION", "RECURRENCE-ID"}
_FINAL = {"VEVENT": "DTEND", "VTODO": "DUE"}


@dataclass(frozen=True, slots=True)
class Selection:
    """CALDAV:comp: what to give of a component. None stands for all; of properties, whether their value is left out."""

    name: str
    props: Mapping[str, bool] | None = None
    comps: Mapping[str, Selection] | None = None


@dataclass(frozen=True, slots=True)
class DataRequest:
    """CALDAV:calendar-data: what to make of each object; nothing set means as it is stored."""

    selection: Selection | None = None
    expand: TimeRange | None = None
    limit_recurrence_set: TimeRange | None = None
    limit_freebusy_set: TimeRange | None = None

    @property
    def plain(self) -> bool:
        """True if objects are wanted as they are stored, so that they needn't be parsed."""
        return self == _PLAIN


_PLAIN = DataRequest()


@dataclass(slots=True)
class _Reader:
    left: int = field(default=MAX_ELEMENTS)

    def comp(self, element: Element, depth: int) -> Selection:
        """Read a CALDAV:comp; one that lists no property, or nothing at all, asks for all of them (RFC 4791 section 7.8.1)."""
        if depth > _MAX_DEPTH:
            raise InvalidFilterError(
                "calendar-data: comp elements are nested too deep", "supported-calendar-data"
            )
        props: dict[str, bool] = {}
        comps: dict[str, Selection] = {}
        all_props = all_comps = False
        for child in element:
            self.left -= 1
            if self.left < 0:
                raise InvalidFilterError(
                    f"calendar-data: more than {MAX_ELEMENTS} elements", "supported-calendar-data"
                )
            if child.tag == f"{CALDAV}allprop":
                all_props = True
            elif child.tag == f"{CALDAV}allcomp":
                all_comps = True
            elif child.tag == f"{CALDAV}prop":
                props[child.get("name", "").strip().upper()] = child.get("novalue") == "yes"
            elif child.tag == f"{CALDAV}comp":
                one = self.comp(child, depth + 1)
                comps[one.name] = one
        return Selection(
            element.get("name", "").strip().upper(),
            None if all_props or not props else props,
            None if all_comps or not (props or comps or all_props) else comps,
        )


def parse_calendar_data(element: Element) -> DataRequest:
    """Read a CALDAV:calendar-data element of a REPORT.

    Raises InvalidFilterError with the precondition "supported-calendar-data" for another media type, else "valid-filter".
    """
    if (
        element.get("content-type", "text/calendar") != "text/calendar"
        or element.get("version", "2.0") != "2.0"
    ):
        raise InvalidFilterError("calendar-data: only text/calendar 2.0", "supported-calendar-data")
    selection = None
    ranges: dict[str, TimeRange] = {}
    for child in element:
        name = child.tag.removeprefix(CALDAV) if isinstance(child.tag, str) else ""
        if name == "comp":
            selection = _Reader().comp(child, 1)
            if selection.name != "VCALENDAR":
                raise InvalidFilterError("calendar-data: the outermost comp is not VCALENDAR")
        elif name in _RANGES:
            if child.get("start") is None or child.get("end") is None:
                raise InvalidFilterError(f"{name} needs start and end")
            ranges[name] = time_range(child)
    if "expand" in ranges and "limit-recurrence-set" in ranges:
        raise InvalidFilterError("expand and limit-recurrence-set exclude each other")
    return DataRequest(
        selection,
        ranges.get("expand"),
        ranges.get("limit-recurrence-set"),
        ranges.get("limit-freebusy-set"),
    )


def render(obj: CalendarObject, request: DataRequest) -> str:
    """Return an object's text as calendar-data asks for it; InvalidObjectError if that would be too large (see `expand`)."""
    if request.plain:
        return obj.text
    root = obj.root
    if request.expand is not None:
        root = _expanded(obj, request.expand)
    elif request.limit_recurrence_set is not None:
        root = _limited(obj, request.limit_recurrence_set)
    if request.limit_freebusy_set is not None:
        root = _free_busy_limited(root, obj, request.limit_freebusy_set)
    if request.selection is not None:
        root = _selected(root, request.selection)
    return to_text(root)


def expand(obj: CalendarObject, start: int, end: int) -> str:
    """Return the instances that meet [start, end) as components of their own, in UTC and without VTIMEZONEs (section 9.6.5).

    A calendar without components if none does. Floating times stay floating. Raises InvalidObjectError with the precondition
    "max-instances" if the text would be longer than MAX_EXPANDED.
    """
    return to_text(_expanded(obj, TimeRange(start, end)))


def limit_recurrence_set(obj: CalendarObject, start: int, end: int) -> str:
    """Return the object without the overrides that don't touch [start, end) (section 9.6.6)."""
    return to_text(_limited(obj, TimeRange(start, end)))


def limit_freebusy_set(obj: CalendarObject, start: int, end: int) -> str:
    """Return the object without the FREEBUSY periods that don't meet [start, end) (section 9.6.7)."""
    return to_text(_free_busy_limited(obj.root, obj, TimeRange(start, end)))


def select(obj: CalendarObject, selection: Selection) -> str:
    """Return only the components and properties that a selection names (section 9.6.1)."""
    return to_text(_selected(obj.root, selection))


def _property(name: str, parameters: str, value: str) -> Property:
    return Property(name, parameters, value, f"{name}{parameters}:{value}")


def _placed(name: str, at: Moment, epoch: int) -> Property:
    """A DATE, a floating time, or an instant in UTC."""
    if at.is_date:
        return _property(name, ";VALUE=DATE", stamp(at))
    return _property(name, "", stamp(at) if at.floating else utc_stamp(epoch))


def _end(occurrence: Occurrence, office: tzinfo) -> Moment:
    at = occurrence.at
    zone = office if at.is_date or at.floating else at.zone
    return Moment(to_local(zone, occurrence.end), zone, at.is_date, at.floating)


def _in_utc(one: Property, obj: CalendarObject) -> Property:
    """A property without the reference to a zone that the expanded object doesn't define."""
    if one.parameter("TZID") is None:
        return one
    try:
        at = obj.zones.moment(one)
    except InvalidObjectError:
        return one
    return _placed(one.name, at, at.epoch)


def _parts_in_utc(component: Component, obj: CalendarObject) -> Component:
    return Component(
        component.name,
        [_in_utc(one, obj) for one in component.properties],
        [_parts_in_utc(one, obj) for one in component.components],
    )


def _instance(occurrence: Occurrence, obj: CalendarObject) -> Component:
    source = obj.members[occurrence.index]
    properties: list[Property] = []
    if occurrence.recurrence_id is not None:
        properties.append(_placed("RECURRENCE-ID", occurrence.recurrence_id, occurrence.recurrence_id.epoch))
    properties.append(_placed("DTSTART", occurrence.at, occurrence.start))
    # A task that only starts isn't due; an event's end may be written wherever it has one.
    ends = source.name == "VEVENT" or any(one.name in {"DUE", "DURATION"} for one in source.properties)
    if ends and occurrence.end > occurrence.start and source.name in _FINAL:
        properties.append(_placed(_FINAL[source.name], _end(occurrence, obj.office), occurrence.end))
    properties.extend(_in_utc(one, obj) for one in source.properties if one.name not in _PLACED)
    return Component(source.name, properties, [_parts_in_utc(one, obj) for one in source.components])


def _size(component: Component) -> int:
    """Characters of a component's text, roughly."""
    return sum(20 + len(one.line) for part in component.walk() for one in part.properties)


def _expanded(obj: CalendarObject, within: TimeRange) -> Component:
    if obj.series is None:
        met = obj.members if obj.instances(within.start, within.end) else []
        parts = [_parts_in_utc(one, obj) for one in met]
    else:
        found = obj.occurrences(within.start, within.end, limit=MAX_INSTANCES)
        sizes = [_size(one) for one in obj.members]
        if len(found) >= MAX_INSTANCES or sum(sizes[one.index] for one in found) > MAX_EXPANDED:
            raise InvalidObjectError("the expansion would be too large", "max-instances")
        parts = [_instance(one, obj) for one in found]
    return Component("VCALENDAR", obj.root.properties, parts)


def _limited(obj: CalendarObject, within: TimeRange) -> Component:
    if obj.series is None:
        return obj.root
    dropped = {
        id(obj.members[one.index])
        for one in obj.series.overrides
        if not obj.series.touches(one, within.start, within.end)
    }
    # An object has at least one component, even where none of its overrides touches the range.
    if len(dropped) == len(obj.members):
        dropped.discard(id(obj.members[0]))
    return Component(
        "VCALENDAR", obj.root.properties, [one for one in obj.root.components if id(one) not in dropped]
    )


def _meeting_periods(one: Property, obj: CalendarObject, within: TimeRange) -> Property | None:
    kept = [
        value
        for value in one.value.split(",")
        for start, end in obj.zones.moments([Property(one.name, one.head, value, "")])
        if end is not None and intersects(start.epoch, end, within.start, within.end)
    ]
    return _property(one.name, one.head, ",".join(kept)) if kept else None


def _free_busy_limited(root: Component, obj: CalendarObject, within: TimeRange) -> Component:
    parts = []
    for component in root.components:
        if component.name != "VFREEBUSY":
            parts.append(component)
            continue
        properties = [
            kept
            for one in component.properties
            if (kept := _meeting_periods(one, obj, within) if one.name == "FREEBUSY" else one) is not None
        ]
        parts.append(Component(component.name, properties, component.components))
    return Component(root.name, root.properties, parts)


def _selected(component: Component, selection: Selection) -> Component:
    properties: Iterable[Property] = component.properties
    wanted = selection.props
    if wanted is not None:
        properties = (
            _property(one.name, one.head, "") if wanted[one.name] else one
            for one in component.properties
            if one.name in wanted
        )
    parts: Iterable[Component] = component.components
    comps = selection.comps
    if comps is not None:
        parts = (_selected(one, comps[one.name]) for one in component.components if one.name in comps)
    return Component(component.name, list(properties), list(parts))

"""Calendar object resources (RFC 4791 section 4.1): what is refused, what they are, and when they take place.

`parse_object` is the door for every text that a client stores: what it accepts can be expanded, filtered and served
within fixed limits. Recurrence is `calendar_server.ical.recurrence`'s, zones are `calendar_server.ical.tzids`', filters and partial answers
`calendar_server.ical.query`'s.
"""

from __future__ import annotations

import re
import unicodedata
from enum import IntEnum
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, NamedTuple

import icalendar

from calendar_server.ical import content
from calendar_server.ical.addresses import normal
from calendar_server.ical.content import Component, ContentError, Property
from calendar_server.ical.recurrence import Entry, Occurrence, Series, intersects
from calendar_server.ical.rules import Rule, RuleError, Work, parse_rule, vet
from calendar_server.ical.tzids import named_zone, own_zone
from calendar_server.ical.values import (
    DAY,
    MAX_EPOCH,
    MIN_EPOCH,
    InvalidValueError,
    Moment,
    Span,
    duration,
    moment,
    period,
)

if TYPE_CHECKING:
    from datetime import tzinfo

COMPONENTS = frozenset({"VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY"})
MAX_INSTANCES = 12_000
"""More than any accepted object has in two years."""
MAX_MEMBERS = 2_000
"""Components of one object besides VTIMEZONEs: a weekly series has 520 overrides after ten years."""
MAX_DATES = 5_000
"""RDATE and EXDATE values of one object."""
MAX_UID = 1_000
MAX_OWN_ZONES = 10
"""VTIMEZONEs of one object that are worked out; names that we know don't count."""


class Transparency(IntEnum):
    """What an instance means for free/busy."""

    FREE = 0
    BUSY = 1
    TENTATIVE = 2


class InvalidObjectError(ValueError):
    """The text can't be stored. `precondition` is CALDAV's (RFC 4791 section 5.3.2.1).

    The message names the property or the rule and quotes nothing of the text.
    """

    def __init__(self, message: str, precondition: str = "valid-calendar-data") -> None:
        super().__init__(message)
        self.precondition = precondition


class Instance(NamedTuple):
    """[start, end) in epoch seconds; start == end for one without length."""

    start: int
    end: int
    transparency: Transparency


class CalendarObject:
    """One calendar object resource: components of one type and one UID, and the VTIMEZONEs they use.

    `text` has CRLF line ends and is otherwise as sent. `root` is the VCALENDAR as a tree of content lines, `members` its components
    besides VTIMEZONEs, the master first. Made by `parse_object` only.
    """

    def __init__(
        self,
        *,
        text: str,
        root: Component,
        uid: str,
        members: list[Component],
        series: Series | None,
        fixed: tuple[Instance, ...],
        transparencies: tuple[Transparency, ...],
        office: tzinfo,
        zones: Zones,
    ) -> None:
        self.text = text
        self.root = root
        self.uid = uid
        self.component = members[0].name
        self.members = members
        self.series = series
        self.office = office
        self.zones = zones
        self.transparencies = transparencies
        self._fixed = fixed
        self.recurring = series is not None and series.recurs

    @cached_property
    def calendar(self) -> icalendar.Calendar:
        """The whole object in icalendar's classes; parsed at the first use, which takes a millisecond or two.

        Raises InvalidObjectError where icalendar is stricter about a property than storing it asks for.
        """
        try:
            return icalendar.Calendar.from_ical(self.text)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise InvalidObjectError("a property that icalendar can't read") from error

    @cached_property
    def events(self) -> list[icalendar.Event]:
        """The VEVENTs, master first, in icalendar's classes."""
        found = [one for one in self.calendar.walk("VEVENT") if isinstance(one, icalendar.Event)]
        return sorted(found, key=lambda one: "RECURRENCE-ID" in one)

    def occurrences(self, start: int, end: int, *, limit: int = MAX_INSTANCES) -> list[Occurrence]:
        """All occurrences that meet [start, end), ascending; none for components that don't take place in time."""
        return [] if self.series is None else self.series.occurrences(start, end, limit=limit)

    def instances(
        self, start: int, end: int, *, limit: int = MAX_INSTANCES, work: Work | None = None
    ) -> list[Instance]:
        """All instances that meet [start, end), ascending, at most `limit`.

        They meet it exactly where RFC 4791 section 9.9 says that a time-range does, for every component type: an instance of a VTODO
        or VFREEBUSY is that test written as a period, so one that has no time at all reaches from MIN_EPOCH to MAX_EPOCH.
        """
        if self.series is None:
            return [one for one in self._fixed if intersects(one.start, one.end, start, end)]
        kinds = self.transparencies
        found = [
            Instance(one.start, one.end, kinds[one.index])
            for one in self.series.occurrences(start, end, limit=limit, work=work)
        ]
        found.sort()
        return found

    def members_meeting(self, start: int, end: int, work: Work | None = None) -> set[int]:
        """The indexes in `members` of the components of which an instance meets [start, end)."""
        if self.series is not None:
            return self.series.meeting(start, end, work)
        return {0} if self.instances(start, end) else set()

    def enclosing(self) -> tuple[int, int | None]:
        """Epoch of the first start, and of the last end (None: without end).

        Where UNTIL ends a rule, the end is a bound that no instance passes. An object without instances has (0, 0).
        """
        if self.series is not None:
            return self.series.bounds() or (0, 0)
        if not self._fixed:
            return 0, 0
        end = max(one.end for one in self._fixed)
        return min(one.start for one in self._fixed), None if end >= MAX_EPOCH else end


class Zones:
    """The zones of one object: its VTIMEZONEs, and the office's zone for what names none."""

    __slots__ = ("_found", "_own", "_root", "office")

    def __init__(self, root: Component, office: tzinfo) -> None:
        self._root = root
        self.office = office
        self._found: dict[str, tzinfo] = {}
        self._own = 0

    def of(self, one: Property) -> tzinfo | None:
        """The zone that a property's TZID names, None if it has none.

        A name that neither we nor the object know is read as the office's zone: an event an hour off is worse than one read as
        local time.
        """
        tzid = one.parameter("TZID")
        if tzid is None:
            return None
        zone = self._found.get(tzid)
        if zone is None:
            zone = self._found[tzid] = named_zone(tzid) or self._defined(tzid) or self.office
        return zone

    def _defined(self, tzid: str) -> tzinfo | None:
        for definition in self._root.components:
            name = definition.first("TZID") if definition.name == "VTIMEZONE" else None
            if name is not None and tzid in {name.text, name.value}:
                self._own += 1
                return own_zone(definition, tzid) if self._own <= MAX_OWN_ZONES else None
        return None

    def moment(self, one: Property) -> Moment:
        """Read a property's DATE or DATE-TIME; InvalidObjectError names the property."""
        try:
            return moment(one.value, self.of(one), self.office, is_date=_is_date(one))
        except InvalidValueError as error:
            raise InvalidObjectError(f"{one.name}: {error}") from error

    def moments(self, properties: list[Property]) -> list[tuple[Moment, int | None]]:
        """Read RDATEs or EXDATEs; with each the end of a PERIOD."""
        found: list[tuple[Moment, int | None]] = []
        for one in properties:
            zone, is_date = self.of(one), _is_date(one)
            for value in one.value.split(","):
                try:
                    if "/" in value:
                        found.append(period(value, zone, self.office))
                    elif value.strip():
                        found.append((moment(value, zone, self.office, is_date=is_date), None))
                except InvalidValueError as error:
                    raise InvalidObjectError(f"{one.name}: {error}") from error
            if len(found) > MAX_DATES:
                raise InvalidObjectError(f"{one.name}: more than {MAX_DATES} dates", "max-instances")
        return found


def _is_date(one: Property) -> bool:
    value = one.parameter("VALUE")
    return value is not None and value.upper() == "DATE"


def _index(component: Component) -> dict[str, Property]:
    found: dict[str, Property] = {}
    for one in component.properties:
        found.setdefault(one.name, one)
    return found


def _length(found: dict[str, Property], start: Moment, end_name: str, zones: Zones) -> Span:
    """How long a component lasts: its end or its DURATION, else a day for a DATE and nothing for a DATE-TIME.

    RFC 5545 section 3.8.5.3: an end gives an exact length, a DURATION a nominal one.
    """
    ends = found.get(end_name)
    if ends is not None:
        end = zones.moment(ends)
        if start.is_date and end.is_date:
            days = (end.local - start.local) // DAY
            if days < 0 and end_name == "DTEND":
                raise InvalidObjectError(f"{end_name} is before DTSTART")
            # DTEND is exclusive, but clients write one-day events with DTEND = DTSTART.
            return Span(max(days, 1), 0)
        seconds = end.epoch - start.epoch
        if seconds < 0:
            # A time that the clock skips can turn round what is in order on the clock's face.
            # And a task may be due before somebody plans to begin: it takes nobody's time.
            if end_name == "DUE" or (start.zone == end.zone and start.local <= end.local):
                return Span(0, 0)
            raise InvalidObjectError(f"{end_name} is before DTSTART")
        return Span(0, seconds)
    lasts = found.get("DURATION")
    if lasts is not None:
        try:
            span = duration(lasts.value)
        except InvalidValueError as error:
            raise InvalidObjectError(f"DURATION: {error}") from error
        if span.days < 0 or span.seconds < 0:
            raise InvalidObjectError("DURATION is negative")
        return Span(1, 0) if start.is_date and span == Span(0, 0) else span
    return Span(1, 0) if start.is_date else Span(0, 0)


def _rule(component: Component, start: Moment, office: tzinfo) -> Rule | None:
    rules = component.all("RRULE")
    if not rules:
        return None
    if len(rules) > 1:
        raise InvalidObjectError("more than one RRULE")
    try:
        rule = parse_rule(rules[0].value, start, office)
        vet(rule, start)
    except RuleError as error:
        raise InvalidObjectError(str(error), error.precondition) from error
    return rule


def _entry(index: int, component: Component, found: dict[str, Property], zones: Zones) -> Entry | None:
    """The times of a VEVENT, VTODO or VJOURNAL; None for one that has no DTSTART.

    An override of a task, "this one is done", may do without: then it begins when the instance would.
    """
    begins = found.get("DTSTART")
    if begins is None and component.name != "VEVENT":
        begins = found.get("RECURRENCE-ID")
    if begins is None:
        return None
    start = zones.moment(begins)
    end_name = {"VTODO": "DUE", "VEVENT": "DTEND"}.get(component.name, "")
    length = _length(found, start, end_name, zones)
    recurrence_id = found.get("RECURRENCE-ID")
    if recurrence_id is not None:
        spread = recurrence_id.parameter("RANGE") or ""
        return Entry(
            index,
            start,
            length,
            recurrence_id=zones.moment(recurrence_id),
            this_and_future=spread.upper() == "THISANDFUTURE",
        )
    rule = _rule(component, start, zones.office) if "RRULE" in found else None
    additions = zones.moments(component.all("RDATE")) if "RDATE" in found else []
    exceptions = zones.moments(component.all("EXDATE")) if "EXDATE" in found else []
    return Entry(
        index, start, length, rule, tuple(additions), tuple(exception for exception, _ in exceptions)
    )


_BUSY_STATUS = ("X-MICROSOFT-CDO-BUSYSTATUS", "X-MICROSOFT-CDO-INTENDEDSTATUS")


def _value(found: dict[str, Property], name: str) -> str:
    one = found.get(name)
    return one.value.strip().upper() if one else ""


def _declined(component: Component, addresses: frozenset[str]) -> bool:
    """Whether the owner, by one of her addresses, declined (RFC 5545 section 3.2.12)."""
    return any(
        (one.parameter("PARTSTAT") or "").upper() == "DECLINED" and _names_one_of(one, addresses)
        for one in component.all("ATTENDEE")
    )


def _names_one_of(attendee: Property, addresses: frozenset[str]) -> bool:
    """Whether an attendee is one of these, by its value or by EMAIL beside a value that says little (RFC 7986 section 6.2)."""
    mail = attendee.parameter("EMAIL")
    return normal(attendee.value) in addresses or (mail is not None and mail.strip().casefold() in addresses)


@lru_cache(maxsize=64)
def _absence_pattern(words: frozenset[str]) -> re.Pattern[str]:
    folded = sorted(re.escape(unicodedata.normalize("NFC", word.strip()).casefold()) for word in words)
    return re.compile(rf"(?<!\w)(?:{'|'.join(word for word in folded if word) or '(?!)'})(?!\w)")


def _transparency(
    component: Component,
    found: dict[str, Property],
    absence_words: frozenset[str],
    addresses: frozenset[str],
) -> Transparency:
    if component.name != "VEVENT" or _value(found, "STATUS") == "CANCELLED":
        return Transparency.FREE
    if addresses and _declined(component, addresses):
        return Transparency.FREE
    statuses = [_value(found, name) for name in _BUSY_STATUS]
    if "OOF" in statuses:
        return Transparency.BUSY
    if _value(found, "TRANSP") == "TRANSPARENT" or statuses[0] == "FREE":
        begins = found.get("DTSTART")
        all_day = _value(found, "X-MICROSOFT-CDO-ALLDAYEVENT") == "TRUE" or (
            begins is not None and (_is_date(begins) or "T" not in begins.value.upper())
        )
        summary = found.get("SUMMARY")
        if all_day and summary is not None and absence_words:
            text = unicodedata.normalize("NFC", summary.text).casefold()
            if _absence_pattern(absence_words).search(text):
                return Transparency.BUSY
        return Transparency.FREE
    if statuses[0] == "TENTATIVE" or _value(found, "STATUS") == "TENTATIVE":
        return Transparency.TENTATIVE
    return Transparency.BUSY


def _todo_instances(found: dict[str, Property], zones: Zones) -> tuple[Instance, ...]:
    """When a VTODO without DTSTART meets a time-range (the last five rows of RFC 4791 section 9.9's table)."""
    due = found.get("DUE")
    if due is not None:
        epoch = zones.moment(due).epoch
        low, high = epoch - 1, epoch
    else:
        completed, created = (
            zones.moment(found[name]).epoch if name in found else None for name in ("COMPLETED", "CREATED")
        )
        if completed is not None and created is not None:
            low, high = min(completed, created) - 1, max(completed, created) + 1
        elif completed is not None:
            low, high = completed - 1, completed + 1
        elif created is not None:
            low, high = created, MAX_EPOCH
        else:
            low, high = MIN_EPOCH, MAX_EPOCH
    return (Instance(low, high, Transparency.FREE),)


_FREE_BUSY_TYPES = {
    "FREE": Transparency.FREE,
    "BUSY-TENTATIVE": Transparency.TENTATIVE,
}


def _free_busy_instances(component: Component, zones: Zones) -> tuple[Instance, ...]:
    """A VFREEBUSY meets what its DTSTART and DTEND enclose, else what its periods do (RFC 4791 section 9.9)."""
    instances = []
    for one in component.all("FREEBUSY"):
        kind = _FREE_BUSY_TYPES.get((one.parameter("FBTYPE") or "").upper(), Transparency.BUSY)
        for start, end in zones.moments([one]):
            if end is None:
                raise InvalidObjectError("FREEBUSY: not a PERIOD")
            instances.append(Instance(start.epoch, end, kind))
        if len(instances) > MAX_DATES:
            raise InvalidObjectError(f"FREEBUSY: more than {MAX_DATES} periods", "max-instances")
    begins, ends = component.first("DTSTART"), component.first("DTEND")
    if begins is not None and ends is not None:
        low, high = zones.moment(begins).epoch, zones.moment(ends).epoch
        return (Instance(low, max(low, high) + 1, Transparency.FREE),)
    return tuple(sorted(instances))


def _members(root: Component) -> list[Component]:
    """The components besides VTIMEZONEs, master first, once the rules of RFC 4791 section 4.1 hold."""
    resource = "valid-calendar-object-resource"
    for one in root.properties:
        if one.name == "METHOD":
            raise InvalidObjectError("METHOD is not allowed in a stored object", resource)
        if one.name == "VERSION" and one.value.strip() != "2.0":
            raise InvalidObjectError("VERSION is not 2.0")
    members = [one for one in root.components if one.name != "VTIMEZONE"]
    if not members:
        raise InvalidObjectError("there is no component besides VTIMEZONE", resource)
    if len(members) > MAX_MEMBERS:
        raise InvalidObjectError(f"more than {MAX_MEMBERS} components", "max-instances")
    name = members[0].name
    if any(one.name != name for one in members):
        raise InvalidObjectError("components of more than one type", resource)
    if name not in COMPONENTS:
        raise InvalidObjectError("this type of component is not supported", "supported-calendar-component")
    return members


def _uid(indexes: list[dict[str, Property]]) -> str:
    resource = "valid-calendar-object-resource"
    uids = {found["UID"].text.strip() if "UID" in found else "" for found in indexes}
    if "" in uids:
        raise InvalidObjectError("UID is missing", resource)
    if len(uids) > 1:
        raise InvalidObjectError("components with different UIDs", resource)
    (uid,) = uids
    if len(uid) > MAX_UID:
        raise InvalidObjectError(f"UID is longer than {MAX_UID} characters")
    return uid


def parse_object(
    text: str | bytes,
    *,
    zone: tzinfo,
    absence_words: frozenset[str] = frozenset(),
    addresses: frozenset[str] = frozenset(),
    max_bytes: int = 1_000_000,
) -> CalendarObject:
    """Read and vet a calendar object resource.

    `zone` is the office's: floating times and dates are read in it. `absence_words` make all-day events busy whose
    summary contains one as a word, in upper or lower case. `addresses` are the owner's, in the form of `calendar_server.ical.addresses.normal`:
    events that she declined are free.
    Raises InvalidObjectError for everything that can't be stored, and nothing else.
    """
    if len(text) > max_bytes or (isinstance(text, str) and len(text.encode(errors="replace")) > max_bytes):
        raise InvalidObjectError(f"larger than {max_bytes} bytes", "max-resource-size")
    try:
        normal = content.normalise(text)
        root = content.parse(normal)
    except ContentError as error:
        raise InvalidObjectError(str(error)) from error
    members = _members(root)
    indexes = [_index(one) for one in members]
    uid = _uid(indexes)
    if len(members) > 1:
        order = sorted(range(len(members)), key=lambda number: "RECURRENCE-ID" in indexes[number])
        members = [members[number] for number in order]
        indexes = [indexes[number] for number in order]
        if "RECURRENCE-ID" not in indexes[1]:
            raise InvalidObjectError("two components without RECURRENCE-ID", "valid-calendar-object-resource")
    zones = Zones(root, zone)
    series, fixed = _times(members, indexes, zones)
    return CalendarObject(
        text=normal,
        root=root,
        uid=uid,
        members=members,
        series=series,
        fixed=fixed,
        transparencies=tuple(
            _transparency(one, found, absence_words, addresses)
            for one, found in zip(members, indexes, strict=True)
        ),
        office=zone,
        zones=zones,
    )


def _times(
    members: list[Component], indexes: list[dict[str, Property]], zones: Zones
) -> tuple[Series | None, tuple[Instance, ...]]:
    """The series of an object that takes place in time, else the periods that stand for it."""
    name = members[0].name
    if name == "VFREEBUSY":
        if len(members) > 1:
            raise InvalidObjectError("more than one VFREEBUSY", "valid-calendar-object-resource")
        return None, _free_busy_instances(members[0], zones)
    if any("EXRULE" in found for found in indexes):
        raise InvalidObjectError("EXRULE is not supported (RFC 5545 has dropped it)")
    entries = [
        _entry(index, one, found, zones)
        for index, (one, found) in enumerate(zip(members, indexes, strict=True))
    ]
    placed = [entry for entry in entries if entry is not None]
    if len(placed) < len(entries):
        if name == "VEVENT":
            raise InvalidObjectError("DTSTART is missing")
        if not placed and name == "VTODO":
            return None, _todo_instances(indexes[0], zones)
        if not placed:
            return None, ()
    masters = [entry for entry in placed if entry.recurrence_id is None]
    overrides = _latest([entry for entry in placed if entry.recurrence_id is not None], indexes)
    return Series(masters[0] if masters else None, overrides, zones.office), ()


def _latest(overrides: list[Entry], indexes: list[dict[str, Property]]) -> tuple[Entry, ...]:
    """One override for each instance, the latest revision where there are several."""
    found: dict[int, Entry] = {}
    for entry in overrides:
        assert entry.recurrence_id is not None
        earlier = found.setdefault(entry.recurrence_id.epoch, entry)
        if _sequence(indexes[entry.index]) >= _sequence(indexes[earlier.index]):
            found[entry.recurrence_id.epoch] = entry
    return tuple(found.values())


def _sequence(found: dict[str, Property]) -> int:
    """SEQUENCE, by which of two overrides of one instance the later is known (RFC 5545 section 3.8.7.4)."""
    text = _value(found, "SEQUENCE")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0

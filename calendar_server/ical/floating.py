"""The zone in which somebody wants floating times and dates to be read: CALDAV:timezone and CALDAV:calendar-timezone (RFC 4791 sections 5.2.2 and 7.3)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from calendar_server.ical import content
from calendar_server.ical.content import ContentError
from calendar_server.ical.tzids import named_zone, own_zone
from calendar_server.ical.zones import vtimezone

if TYPE_CHECKING:
    from datetime import tzinfo

    from calendar_server.ical.content import Component

_OBSERVANCES = frozenset({"STANDARD", "DAYLIGHT"})
_NEEDED = ("DTSTART", "TZOFFSETFROM", "TZOFFSETTO")


class InvalidZoneError(ValueError):
    """The text isn't an iCalendar object with one VTIMEZONE; the message quotes nothing."""


def _definition(text: str) -> tuple[Component, str]:
    try:
        root = content.parse(content.normalise(text))
    except ContentError as error:
        raise InvalidZoneError(str(error)) from error
    if [one.name for one in root.components] != ["VTIMEZONE"]:
        raise InvalidZoneError("not exactly one VTIMEZONE")
    (definition,) = root.components
    name = definition.first("TZID")
    observances = [one for one in definition.components if one.name in _OBSERVANCES]
    if name is None or not name.text.strip() or not observances:
        raise InvalidZoneError("a VTIMEZONE without TZID or without observances")
    if any(one.first(needed) is None for one in observances for needed in _NEEDED):
        raise InvalidZoneError(f"an observance without one of {', '.join(_NEEDED)}")
    return definition, name.text


def zone_of_calendar(text: str) -> tzinfo:
    """Return the zone of an iCalendar object that is one VTIMEZONE; InvalidZoneError for everything else.

    A name that we know goes before the definition, as in `calendar_server.ical.tzids`.
    """
    definition, name = _definition(text)
    zone = named_zone(name) or own_zone(definition, name)
    if zone is None:
        raise InvalidZoneError("a VTIMEZONE that describes no zone")
    return zone


@lru_cache(maxsize=64)
def zone_of_property(text: str) -> tzinfo | None:
    """Return the same for the text of a property that somebody once set; None if there is no such zone."""
    try:
        return zone_of_calendar(text) if text else None
    except InvalidZoneError:
        return None


def name_of_zone(text: str) -> str | None:
    """Return the IANA name of such a property's zone, None if it has none."""
    zone = zone_of_property(text)
    return zone.key if isinstance(zone, ZoneInfo) else None


def zone_text(zone: ZoneInfo, year: int) -> str:
    """Return such an object for a zone, with the rules of a year."""
    inner = vtimezone(zone, year).to_ical().decode()
    return (
        f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//termin//Terminvergabe//DE\r\n{inner}END:VCALENDAR\r\n"
    )

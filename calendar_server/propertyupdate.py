"""What PROPPATCH, MKCALENDAR and an extended MKCOL want to change (RFC 4918 section 9.2, RFC 4791 section 5.3.1, RFC 5689), and how properties are kept.

A property is kept as its text, under its customary name ("D:displayname") or in Clark notation. One that is more than text, with elements, attributes
or a language (RFC 4918 section 4.3), is kept as XML beside it, under `whole_name`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from radicale import xmlutils

from calendar_server.ical.floating import InvalidZoneError, zone_of_calendar, zone_text
from calendar_server.ical.objects import COMPONENTS
from calendar_server.ical.tzids import named_zone
from calendar_server.multistatus import attribute, element, escape

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from xml.etree.ElementTree import Element

_D = "{DAV:}"
_C = "{urn:ietf:params:xml:ns:caldav}"
_XML = "{http://www.w3.org/XML/1998/namespace}"
_WHOLE = "xml "
"""No name begins so: neither a prefix nor an element's name holds a space."""
_TYPE = _D + "resourcetype"
_CALENDAR_TYPE = frozenset({_D + "collection", _C + "calendar"})
COMPONENT_SET = _C + "supported-calendar-component-set"
TIMEZONE: Final = _C + "calendar-timezone"
TIMEZONE_ID: Final = _C + "calendar-timezone-id"
MAX_SIZE = 100_000
"""Characters of all properties of a collection: they are read with it at every request."""


def name_of(tag: str) -> str:
    """Return the name under which a property is kept, of its tag as ElementTree writes it."""
    namespace, brace, name = tag.removeprefix("{").rpartition("}")
    if not brace:
        return f"{{}}{tag}"
    prefix = xmlutils.NAMESPACES_REV.get(namespace)
    return f"{prefix}:{name}" if prefix else tag


def tag_of(name: str) -> str:
    """Return the tag of a property that is kept under this name."""
    if name.startswith("{"):
        return name.removeprefix("{}")
    prefix, _, local = name.partition(":")
    return f"{{{xmlutils.NAMESPACES[prefix]}}}{local}"


def whole_name(name: str) -> str:
    """Return the name under which the XML of a property is kept."""
    return _WHOLE + name


def tags_in(props: Mapping[str, str]) -> Iterator[str]:
    """Yield the tags of the properties that are kept, each once."""
    return (tag_of(name) for name in props if name != "tag" and not name.startswith(_WHOLE))


def merged(before: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    """Return properties with these changes made; a property that gets another text is no longer what its XML says."""
    after = {
        **before,
        **{whole_name(name): None for name in changes if not name.startswith(_WHOLE)},
        **changes,
    }
    return {name: value for name, value in after.items() if value is not None}


def _written(given: Element, language: str = "") -> str:
    """Return an element as XML that can stand anywhere; prefixes are ours."""
    namespace, brace, name = given.tag.removeprefix("{").rpartition("}")
    tag, declared = (f"X:{name}", f' xmlns:X="{attribute(namespace)}"') if brace else (name, ' xmlns=""')
    attributes = {_XML + "lang": language, **given.attrib} if language else given.attrib
    for number, (key, value) in enumerate(attributes.items()):
        space, has_space, local = key.removeprefix("{").rpartition("}")
        if not has_space:
            declared += f' {key}="{attribute(value)}"'
        elif key.startswith(_XML):
            declared += f' xml:{local}="{attribute(value)}"'
        else:
            declared += f' xmlns:A{number}="{attribute(space)}" A{number}:{local}="{attribute(value)}"'
    inner = escape(given.text or "") + "".join(_written(one) + escape(one.tail or "") for one in given)
    return f"<{tag}{declared}>{inner}</{tag}>"


@dataclass(slots=True)
class Update:
    """What is wanted: `changes` by the names under which they are kept (None: removed), `tags` in order.

    `refused` gives the precondition that a property breaks, as XML: then nothing may be changed.
    """

    changes: dict[str, str | None] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def props(self) -> dict[str, str]:
        """The changes as the properties of something new."""
        return {name: value for name, value in self.changes.items() if value is not None}

    def propstats(self) -> str:
        """Return the propstat elements of a refusal: what breaks a precondition, and what fails with it (RFC 4918 section 9.2.1)."""
        by_error: dict[str, list[str]] = {}
        for tag, error in self.refused.items():
            by_error.setdefault(error, []).append(tag)
        parts = [
            f"<propstat><prop>{''.join(map(element, tags))}</prop><status>HTTP/1.1 403 Forbidden</status>"
            f"<error>{error}</error></propstat>"
            for error, tags in by_error.items()
        ]
        rest = "".join(element(tag) for tag in self.tags if tag not in self.refused)
        if rest:
            parts.append(
                f"<propstat><prop>{rest}</prop><status>HTTP/1.1 424 Failed Dependency</status></propstat>"
            )
        return "".join(parts)


class _Reader:
    def __init__(self, protected: Collection[str], year: int, *, creating: bool) -> None:
        self._protected = protected
        self._year = year
        self._special: dict[str, Callable[[Element], None]] = {
            TIMEZONE: self._timezone,
            TIMEZONE_ID: self._timezone_id,
        }
        if creating:
            self._special |= {_TYPE: self._type, COMPONENT_SET: self._components}
        self.update = Update()

    def read(self, root: Element) -> Update:
        # The order of the document is the order of the changes (RFC 4918 section 9.2).
        spoken = root.get(_XML + "lang", "")
        for part in root:
            if part.tag in {_D + "set", _D + "remove"}:
                language = part.get(_XML + "lang", spoken)
                for prop in part.iterfind(_D + "prop"):
                    for one in prop:
                        self._change(one, prop.get(_XML + "lang", language), is_set=part.tag == _D + "set")
        return self.update

    def _change(self, given: Element, language: str, *, is_set: bool) -> None:
        tag = given.tag
        if tag not in self.update.tags:
            self.update.tags.append(tag)
        special = self._special.get(tag)
        if special is None and tag in self._protected:
            self.update.refused[tag] = "<cannot-modify-protected-property/>"
        elif not is_set:
            self._keep(TIMEZONE if tag == TIMEZONE_ID else tag, None)
        elif special is not None:
            special(given)
        else:
            text = given.text or ""
            is_more = len(given) or given.attrib or (language and text.strip())
            self._keep(tag, text, _written(given, language) if is_more else None)

    def _keep(self, tag: str, text: str | None, whole: str | None = None) -> None:
        name = name_of(tag)
        self.update.changes[name] = text
        self.update.changes[whole_name(name)] = whole

    def _type(self, given: Element) -> None:
        types = {one.tag for one in given}
        if types == _CALENDAR_TYPE:
            self.update.changes["tag"] = "VCALENDAR"
        else:
            self.update.refused[_TYPE] = "<valid-resourcetype/>"

    def _components(self, given: Element) -> None:
        names = [one.get("name", "").strip().upper() for one in given if one.tag == _C + "comp"]
        known = [name for name in dict.fromkeys(names) if name in COMPONENTS]
        if known:
            self.update.changes[name_of(COMPONENT_SET)] = ",".join(known)
        else:
            self.update.refused[COMPONENT_SET] = "<C:supported-calendar-component/>"

    def _timezone(self, given: Element) -> None:
        text = given.text or ""
        try:
            zone_of_calendar(text)
        except InvalidZoneError:
            self.update.refused[TIMEZONE] = "<C:valid-calendar-data/>"
        else:
            self._keep(TIMEZONE, text)

    def _timezone_id(self, given: Element) -> None:
        zone = named_zone(given.text or "")
        if zone is None:
            self.update.refused[TIMEZONE_ID] = "<C:valid-timezone/>"
        else:
            # The two properties tell the same zone (RFC 7809 section 5.2).
            self._keep(TIMEZONE, zone_text(zone, self._year))


def read(root: Element | None, protected: Collection[str], year: int, *, creating: bool = False) -> Update:
    """Read the body of a request; without one nothing is wanted.

    `protected` are tags that nobody may change. `creating`: something new may also be told its type and its components. `year`: whose rules a zone that is
    named gets.
    """
    return Update() if root is None else _Reader(protected, year, creating=creating).read(root)

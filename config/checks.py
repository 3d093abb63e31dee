"""What must hold between the tables of a configuration: references, overlaps, and that every service has somebody who does it.

These checks read what TOML gave, not the models, so that they still say what they can when a table is wrong in itself:
a town is told all its mistakes at once. What has a wrong type is left to `config.schema`, which reports it.
"""

from __future__ import annotations

from collections import Counter
from datetime import time
from typing import TYPE_CHECKING, Any

from config.mistakes import Mistake, dotted, similar
from config.schema import ALL_SERVICES, WEEKDAYS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TOWN, SERVICES, OFFICES, SERVER = "town.toml", "services.toml", "offices.toml", "server.toml"


def check(files: dict[str, dict[str, Any]], *, people: bool = True) -> list[Mistake]:
    """Return what is wrong between the tables; `files` holds what TOML gave, by file name.

    Without `people` (a host that runs the public site alone) clerks may be left out, and what needs them isn't checked.
    """
    town, services, offices = (files.get(name, {}) for name in (TOWN, SERVICES, OFFICES))
    return [
        *_duplicates(TOWN, town, "groups"),
        *_duplicates(SERVICES, services, "documents"),
        *_duplicates(SERVICES, services, "services"),
        *_duplicates(OFFICES, offices, "offices"),
        *_people_ids(offices),
        *_service_references(services, town),
        *_office_references(offices, services),
        *_overlaps(offices),
        *(_nobody(offices) if people else ()),
        *_documents_unused(services),
        *_ports(files.get(SERVER, {})),
    ]


def _items(raw: Any, key: str) -> Iterator[tuple[int, dict[str, Any]]]:
    found = raw.get(key) if isinstance(raw, dict) else None
    for index, item in enumerate(found if isinstance(found, list) else ()):
        if isinstance(item, dict):
            yield index, item


def _texts(raw: dict[str, Any], key: str) -> Iterator[tuple[int, str]]:
    found = raw.get(key)
    for index, item in enumerate(found if isinstance(found, list) else ()):
        if isinstance(item, str):
            yield index, item


def _ids(raw: Any, key: str) -> list[str]:
    return [item["id"] for _, item in _items(raw, key) if isinstance(item.get("id"), str)]


def _duplicates(file: str, raw: dict[str, Any], key: str) -> Iterator[Mistake]:
    times = Counter(_ids(raw, key))
    for index, item in _items(raw, key):
        identity = item.get("id")
        if isinstance(identity, str) and times[identity] > 1:
            yield Mistake(
                file, dotted(raw, (key, index, "id")), f'the id "{identity}" is given {times[identity]} times'
            )


def _people_ids(offices: dict[str, Any]) -> Iterator[Mistake]:
    """A clerk belongs to one office, and clerks and offices share one space of names: both are addresses of calendars."""
    office_ids = set(_ids(offices, "offices"))
    times = Counter(
        identity for _, office in _items(offices, "offices") for identity in _ids(office, "clerks")
    )
    for number, office in _items(offices, "offices"):
        for index, clerk in _items(office, "clerks"):
            identity = clerk.get("id")
            if not isinstance(identity, str):
                continue
            key = dotted(offices, ("offices", number, "clerks", index, "id"))
            if times[identity] > 1:
                yield Mistake(
                    OFFICES,
                    key,
                    f'the id "{identity}" is given {times[identity]} times; a clerk works in one office',
                )
            if identity in office_ids:
                yield Mistake(OFFICES, key, f'"{identity}" is already the id of an office')


def _unknown(file: str, key: str, what: str, name: str, known: Iterable[str]) -> Iterator[Mistake]:
    known = list(known)
    if name not in known:
        yield Mistake(file, key, f'there is no {what} "{name}"{similar(name, known)}')


def _service_references(services: dict[str, Any], town: dict[str, Any]) -> Iterator[Mistake]:
    documents, groups = _ids(services, "documents"), _ids(town, "groups")
    languages = [language for _, language in _texts(town, "languages")] or ["de", "en"]
    for index, service in _items(services, "services"):
        group = service.get("group")
        if isinstance(group, str):
            key = dotted(services, ("services", index, "group"))
            yield from _unknown(SERVICES, key, "group in town.toml named", group, groups)
        if service.get("id") == ALL_SERVICES:
            key = dotted(services, ("services", index, "id"))
            yield Mistake(SERVICES, key, f'"{ALL_SERVICES}" is reserved: it stands for all services')
        words = service.get("search_words")
        for language in words if isinstance(words, dict) else ():
            key = dotted(services, ("services", index, "search_words", language))
            yield from _unknown(SERVICES, key, "language of the town named", language, languages)
        used: set[str] = set()
        found = service.get("documents")
        for place, item in enumerate(found if isinstance(found, list) else ()):
            name = item.get("id") if isinstance(item, dict) else item
            if not isinstance(name, str):
                continue
            key = dotted(services, ("services", index, "documents", place))
            yield from _unknown(SERVICES, key, "document named", name, documents)
            if name in used:
                yield Mistake(SERVICES, key, f'the document "{name}" is named twice')
            used.add(name)


def _documents_unused(services: dict[str, Any]) -> Iterator[Mistake]:
    used = set()
    for _, service in _items(services, "services"):
        found = service.get("documents")
        for item in found if isinstance(found, list) else ():
            used.add(item.get("id") if isinstance(item, dict) else item)
    for index, document in _items(services, "documents"):
        name = document.get("id")
        if isinstance(name, str) and name not in used:
            key = dotted(services, ("documents", index))
            yield Mistake(SERVICES, key, f'no service asks for the document "{name}"')


def _office_references(offices: dict[str, Any], services: dict[str, Any]) -> Iterator[Mistake]:
    known = _ids(services, "services")
    for number, office in _items(offices, "offices"):
        offered = [name for _, name in _texts(office, "services")]
        for index, name in _texts(office, "services"):
            key = dotted(offices, ("offices", number, "services", index))
            yield from _unknown(OFFICES, key, "service in services.toml with the id", name, known)
            if offered.index(name) < index:
                yield Mistake(OFFICES, key, f'the service "{name}" is named twice')
        for table in ("windows", "clerks"):
            for place, item in _items(office, table):
                for index, name in _texts(item, "services"):
                    key = dotted(offices, ("offices", number, table, place, "services", index))
                    if name in known and name not in offered:
                        yield Mistake(OFFICES, key, f'this office doesn\'t offer the service "{name}"')
                    else:
                        yield from _unknown(OFFICES, key, "service with the id", name, known)


def _clock(value: Any) -> time | None:
    try:
        return value if isinstance(value, time) else time.fromisoformat(value)
    except (TypeError, ValueError):
        return None


def _periods(raw: dict[str, Any], key: str) -> list[tuple[int, str, time, time]]:
    found = []
    for index, item in _items(raw, key):
        start, end = _clock(item.get("from")), _clock(item.get("to"))
        if item.get("day") in WEEKDAYS and start is not None and end is not None and start < end:
            found.append((index, item["day"], start, end))
    return found


def _overlaps(offices: dict[str, Any]) -> Iterator[Mistake]:
    """Windows of one office may touch, never overlap: one that narrows the services would otherwise be undone by another."""
    for number, office in _items(offices, "offices"):
        path: tuple[int | str, ...] = ("offices", number)
        yield from _overlaps_within(offices, (*path, "windows"), _periods(office, "windows"))
        for index, clerk in _items(office, "clerks"):
            yield from _overlaps_within(
                offices, (*path, "clerks", index, "working_times"), _periods(clerk, "working_times")
            )


def _overlaps_within(
    raw: dict[str, Any], path: tuple[int | str, ...], periods: list[tuple[int, str, time, time]]
) -> Iterator[Mistake]:
    for position, (index, day, start, end) in enumerate(periods):
        for other, other_day, other_start, other_end in periods[:position]:
            if day == other_day and start < other_end and other_start < end:
                yield Mistake(
                    OFFICES,
                    dotted(raw, (*path, index)),
                    f"{day} {start:%H:%M}-{end:%H:%M} overlaps [{other}] {other_start:%H:%M}-{other_end:%H:%M}",
                )


def _nobody(offices: dict[str, Any]) -> Iterator[Mistake]:
    """Every service of an office needs a clerk who may do it and works at some time in a window that admits it."""
    for number, office in _items(offices, "offices"):
        key = dotted(offices, ("offices", number, "clerks"))
        clerks = [clerk for _, clerk in _items(office, "clerks")]
        if not clerks:
            yield Mistake(OFFICES, key, "an office needs at least one clerk")
            continue
        windows = _windows(office)
        for index, name in _texts(office, "services"):
            service_key = dotted(offices, ("offices", number, "services", index))
            able = [clerk for clerk in clerks if _may_do(clerk, name)]
            if not able:
                yield Mistake(OFFICES, service_key, f'no clerk of this office may do "{name}"')
            elif windows and not any(_meets(clerk, name, windows) for clerk in able):
                yield Mistake(
                    OFFICES,
                    service_key,
                    f'nobody who may do "{name}" works in a window in which it can be booked',
                )


def _windows(office: dict[str, Any]) -> list[tuple[str, time, time, frozenset[str]]]:
    tables = dict(_items(office, "windows"))
    return [
        (day, start, end, frozenset(name for _, name in _texts(tables[index], "services")))
        for index, day, start, end in _periods(office, "windows")
    ]


def _may_do(clerk: dict[str, Any], service: str) -> bool:
    return clerk.get("services") == ALL_SERVICES or service in {name for _, name in _texts(clerk, "services")}


def _meets(
    clerk: dict[str, Any], service: str, windows: list[tuple[str, time, time, frozenset[str]]]
) -> bool:
    return any(
        day == window_day and start < window_end and window_start < end
        for _, day, start, end in _periods(clerk, "working_times")
        for window_day, window_start, window_end, services in windows
        if not services or service in services
    )


def _ports(server: dict[str, Any]) -> Iterator[Mistake]:
    table = server.get("server")
    if not isinstance(table, dict):
        return
    defaults = {"site_port": 8000, "staff_port": 8001, "dav_port": 5232}
    ports = {key: table.get(key, default) for key, default in defaults.items()}
    times = Counter(port for port in ports.values() if isinstance(port, int))
    for key, port in ports.items():
        if isinstance(port, int) and times[port] > 1 and key in table:
            yield Mistake(SERVER, f"server.{key}", f"the port {port} is given {times[port]} times")

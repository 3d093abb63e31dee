"""Why a time isn't free: for staff who ask, and for drawings that were refused.

The answer names rules, clerks and what lies in their calendars. Titles of a clerk's own entries are for those who may read her calendar;
citizens' data never stands in it. `optimizer.why` finds the reasons.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from calendar_server import agenda, bookings, dispatch, opening, refusals
from calendar_server.refusals import RefusedError
from calendar_server.storage import reading
from calendar_server.storage.rows import Kind, Role
from calendar_server.storage.writing import set_meta
from optimizer import bits, why
from optimizer.admission import Day
from optimizer.release import room

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from calendar_server.ical.busy import Window
    from calendar_server.ical.objects import CalendarObject
    from calendar_server.offices import Office
    from calendar_server.service import Actor, Calendars
    from calendar_server.storage.database import Database

_GRAIN = dispatch.GRAIN
_KEPT = 20
"""Refused drawings that are remembered for each office."""
_KEPT_SECONDS = 14 * 86_400
"""And for how long."""
_FARTHEST = 400 * 86_400
"""Seconds from now, before or after, within which a refused drawing is explained."""
_EXPLAINED = frozenset({refusals.TIME_TAKEN, refusals.NO_FREE_CLERK, refusals.OUTSIDE_OPENING_HOURS})


@dataclass(frozen=True, slots=True)
class Question:
    """What somebody would like to book: `services` for `minutes` on a day; with `start` at that time of the office's clock, else at any."""

    day: date
    services: frozenset[str]
    minutes: int
    start: time | None = None

    @property
    def grains(self) -> int:
        """Its length in grains."""
        return max(1, -(-self.minutes * 60 // _GRAIN))


def explain(calendars: Calendars, office: Office, asked: Question, *, titles: bool = False) -> dict[str, Any]:
    """Return as JSON what stands in the way; `titles`: with those of clerks' own entries.

    "possible" has the starts that are free (if a start was asked for, at most that one), "rules" why there's none, or why the public can't book.
    """
    now = calendars.now()
    with calendars.database.read() as connection:
        known = reading.office_collections(connection, office.id)
        board = dispatch.board(connection, office, known, asked.day, now)
        closures = _closures(connection, office, known, board)
        own = _own_entries(connection, office, known, board, titles=titles)
    window = dispatch.window_bits(board.windows, asked.services)
    working = {clerk.id: _working(office, clerk.id, board) for clerk in office.clerks}
    starts = Day(board.office_day).starts(
        asked.grains, asked.services, window, step=1 if asked.start else max(1, office.step_minutes // 5)
    )
    rules = _rules(office, board, asked, window, closures)
    if asked.start is not None:
        moment = int(datetime.combine(asked.day, asked.start, office.zone).timestamp())
        first = (moment - board.base) // _GRAIN
        starts &= bits.span(first, 1)
        found = why.at_time(board.office_day, working, asked.services, first, asked.grains)
    else:
        found = why.on_day(
            board.office_day,
            working,
            asked.services,
            asked.grains,
            window,
            max(1, office.step_minutes // 5),
        )
    earliest, public = _public(office, board, asked, starts, now)
    return {
        "day": asked.day.isoformat(),
        "start": None if asked.start is None else asked.start.isoformat("minutes"),
        "minutes": asked.minutes,
        "services": sorted(asked.services),
        "possible": [_at(board, office, grain) for grain in bits.each(starts)],
        "by_reassigning": bool(starts) and all(each.reason != "free" for each in found),
        "rules": rules + ([] if rules else public),
        "earliest": earliest,
        "windows": [_window(each, office) for each in board.windows.windows],
        "closures": closures,
        "clerks": [_clerk(each, office, board, own.get(each.clerk, [])) for each in found],
    }


def _at(board: dispatch.Board, office: Office, grain: int) -> str:
    return _local(board.base + grain * _GRAIN, office)


def _local(epoch: int, office: Office) -> str:
    return datetime.fromtimestamp(epoch, office.zone).isoformat()


def _window(window: Window, office: Office) -> dict[str, Any]:
    services = None if window.services is None else sorted(window.services)
    return {
        "start": _local(window.start, office),
        "end": _local(window.end, office),
        "services": services,
    }


def _working(office: Office, clerk_id: str, board: dispatch.Board) -> int:
    clerk = office.clerk(clerk_id)
    assert clerk is not None
    found = 0
    for start, end in dispatch.working_periods(clerk, board.day, office):
        found |= dispatch.inner_bits(start, end, board.base, board.office_day.grains)
    return found


def _rules(
    office: Office, board: dispatch.Board, asked: Question, window: int, closures: list[dict[str, str]]
) -> list[str]:
    """Why the office as a whole isn't there for it."""
    if asked.services - office.services:
        return [refusals.UNKNOWN_SERVICE]
    if opening.is_holiday(board.day, office.holiday_region):
        return ["holiday"]
    if asked.start is not None:
        moment = int(datetime.combine(asked.day, asked.start, office.zone).timestamp())
        wanted = dispatch.bits(
            *dispatch.outer_grains(moment, moment + asked.minutes * 60, board.base, board.office_day.grains)
        )
        missing = bool(wanted & ~window) or not wanted
    else:
        missing = not bits.runs(window, asked.grains)
    if not missing:
        return []
    if closures:
        return ["closed"]
    if not board.windows.windows:
        return ["no-window"]
    return [refusals.OUTSIDE_OPENING_HOURS if window else "other-services"]


def _public(
    office: Office, board: dispatch.Board, asked: Question, starts: int, now: int
) -> tuple[str | None, list[str]]:
    """Why the public can't book what is free: when it comes into the horizon, and rules' names."""
    if office.release is None or not starts:
        return None, []
    moment = datetime.fromtimestamp(now, UTC)
    earliest, beyond = office.release.period(asked.services, moment, office.zone)
    times = [datetime.fromtimestamp(board.base + grain * _GRAIN, UTC) for grain in bits.each(starts)]
    if all(each < moment for each in times):
        return None, ["past"]
    if all(each < earliest for each in times):
        return None, ["too-soon"]
    if all(each >= beyond for each in times):
        return office.release.opens(asked.services, asked.day, office.zone).isoformat(), ["too-far"]
    found = room(board.office_day, dispatch.open_bits(board.windows))
    if any(
        office.release.allows(asked.services, each, asked.grains, found, moment, office.zone)
        for each in times
    ):
        return None, []
    coming = office.release.later_stages(asked.day, moment, office.zone)
    return (coming[0][0].isoformat() if coming else None), [refusals.NOT_RELEASED]


def _closures(
    connection: Connection, office: Office, known: reading.OfficeCollections, board: dispatch.Board
) -> list[dict[str, str]]:
    ids = [row.id for row in known.of(Role.OPENING)]
    found = [
        each
        for each in agenda.instances(connection, ids, board.windows.start, board.windows.end, office)
        if each.kind is Kind.CLOSURE and each.transparency
    ]
    titles = _titles(connection, [each.object_id for each in found])
    return [
        {
            "start": _local(max(each.start, board.windows.start), office),
            "end": _local(min(each.end, board.windows.end), office),
            "title": titles[each.object_id],
        }
        for each in found
    ]


def _own_entries(
    connection: Connection,
    office: Office,
    known: reading.OfficeCollections,
    board: dispatch.Board,
    *,
    titles: bool,
) -> dict[str, list[dict[str, str]]]:
    where = dispatch.calendars(known, office)
    found = [
        each
        for each in agenda.instances(connection, where.ids, board.windows.start, board.windows.end, office)
        if each.kind is Kind.EVENT and each.transparency
    ]
    named = _titles(connection, [each.object_id for each in found]) if titles else {}
    entries: dict[str, list[dict[str, str]]] = {}
    for each in found:
        entries.setdefault(where.clerk_of[each.collection_id], []).append(
            {
                "start": _local(max(each.start, board.windows.start), office),
                "end": _local(min(each.end, board.windows.end), office),
                "title": named.get(each.object_id, ""),
            }
        )
    return entries


def _titles(connection: Connection, ids: list[int]) -> dict[int, str]:
    return {
        object_id: bookings.words_of(row.text)[0]
        for object_id, row in reading.objects_by_id(connection, ids).items()
    }


def _clerk(
    found: why.Obstacle, office: Office, board: dispatch.Board, own: list[dict[str, str]]
) -> dict[str, Any]:
    clerk = office.clerk(found.clerk)
    assert clerk is not None
    return {
        "id": clerk.id,
        "name": clerk.name,
        "reason": found.reason,
        "missing": list(found.missing),
        "periods": [[_at(board, office, start), _at(board, office, end)] for start, end in found.periods],
        "own": own if found.reason != "not-eligible" else [],
        "appointments": len(found.appointments),
        "longest_minutes": found.longest * 5,
    }


class Refused:
    """The drawings that were refused lately, with the reasons as they were then; in the database, for all processes and the time after a restart."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, office_id: str, now: int) -> list[dict[str, Any]]:
        """Return an office's refused drawings of the last days, the newest first; `now` in epoch seconds."""
        with self._database.read() as connection:
            return _noted(connection, office_id, now)

    @contextmanager
    def noting(
        self, calendars: Calendars, office_id: str, obj: CalendarObject, actor: Actor
    ) -> Iterator[None]:
        """Remember a refusal that happens within the block, unless the site tried for the public."""
        try:
            yield
        except RefusedError as error:
            office = calendars.directory.office(office_id)
            if office is not None and not actor.authoritative and error.rule in _EXPLAINED:
                self._note(calendars, office, obj, actor, error.rule)
            raise

    def _note(
        self, calendars: Calendars, office: Office, obj: CalendarObject, actor: Actor, rule: str
    ) -> None:
        wanted = bookings.read(obj, office)
        away = abs(int(wanted.start.timestamp()) - calendars.now())
        if away > _FARTHEST or wanted.end - wanted.start > timedelta(days=1):
            # Nobody asks why of the year 1 or of a drawing of weeks, and it would take long to tell.
            return
        local = wanted.start.astimezone(office.zone)
        asked = Question(
            local.date(),
            frozenset(line.id for line in wanted.services),
            int((wanted.end - wanted.start).total_seconds() // 60),
            local.time(),
        )
        found = explain(calendars, office, asked)
        with calendars.writing(office.id, actor) as writer:
            at = datetime.fromtimestamp(writer.now, UTC).isoformat()
            noted = _noted(writer.connection, office.id, writer.now)
            kept = [{**found, "rule": rule, "by": actor.name, "at": at}, *noted][:_KEPT]
            set_meta(writer.connection, _key(office.id), json.dumps(kept))


def _key(office_id: str) -> str:
    """Under which name an office's refused drawings lie in the table `meta`."""
    return f"refused {hashlib.sha256(office_id.encode()).hexdigest()[:32]}"


def _noted(connection: Connection, office_id: str, now: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(reading.meta_value(connection, _key(office_id)) or "[]")
    since = now - _KEPT_SECONDS
    return [each for each in found if datetime.fromisoformat(each["at"]).timestamp() >= since]

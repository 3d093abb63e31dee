"""An office as a planner needs to see it: who is free when, and all appointments of some days, read in one transaction.

Plain values that go through JSON unchanged, so that a planner can run in another process than the calendar server. Bits count grains of five
minutes from the day's midnight in the office's zone.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from calendar_server import dispatch, opening
from calendar_server.storage import reading
from calendar_server.storage.rows import Kind

if TYPE_CHECKING:
    from calendar_server.offices import Office
    from calendar_server.service import Calendars

MOST_DAYS = 62


@dataclass(frozen=True, slots=True)
class ClerkNow:
    """A clerk: what she may do, her part-time share, and her free grains on each of the days (own events taken out, appointments not)."""

    id: str
    name: str
    services: tuple[str, ...]
    share: float
    free: tuple[int, ...]
    working: tuple[int, ...]
    """Her working time in grains, own events not taken out."""


@dataclass(frozen=True, slots=True)
class BookedNow:
    """An appointment as it stands: `day` is the index of its day, `start` and `length` are in grains, `etag` guards a plan made from it."""

    uid: str
    etag: str
    clerk: str
    day: int
    start: int
    length: int
    starts_at: int
    """Epoch seconds, exact."""
    ends_at: int
    services: tuple[str, ...]
    pinned: bool
    hold: bool
    summary: str
    mailed: bool
    """True if the citizen left an address and so would be told of another time."""


@dataclass(frozen=True, slots=True)
class DayNow:
    """A day: its midnight in epoch seconds, its length in grains, and where windows admit all services (bits), or only some."""

    day: str
    base: int
    grains: int
    window: int
    narrowed: tuple[tuple[int, tuple[str, ...]], ...] = ()
    """(bits, services) of windows that admit only these services."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An office over some days (ascending, not necessarily without gaps); `seq` is the office's last write."""

    office: str
    zone: str
    seq: int
    now: int
    step: int
    """Bookable starts lie on multiples of so many grains."""
    days: tuple[DayNow, ...]
    clerks: tuple[ClerkNow, ...]
    booked: tuple[BookedNow, ...]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON; ints of any size (bit sets) as hexadecimal text."""
        plain = asdict(self)
        for day in plain["days"]:
            day["window"] = hex(day["window"])
            day["narrowed"] = [[hex(bits), list(services)] for bits, services in day["narrowed"]]
        for clerk in plain["clerks"]:
            clerk["free"] = [hex(bits) for bits in clerk["free"]]
            clerk["working"] = [hex(bits) for bits in clerk["working"]]
        return plain

    @staticmethod
    def from_json(data: dict[str, Any]) -> Snapshot:
        """Read what `to_json` wrote."""
        days = tuple(
            DayNow(
                day["day"],
                day["base"],
                day["grains"],
                int(day["window"], 16),
                tuple((int(bits, 16), tuple(services)) for bits, services in day["narrowed"]),
            )
            for day in data["days"]
        )
        clerks = tuple(
            ClerkNow(
                clerk["id"],
                clerk["name"],
                tuple(clerk["services"]),
                clerk["share"],
                tuple(int(bits, 16) for bits in clerk["free"]),
                tuple(int(bits, 16) for bits in clerk["working"]),
            )
            for clerk in data["clerks"]
        )
        booked = tuple(
            BookedNow(**{**entry, "services": tuple(entry["services"])}) for entry in data["booked"]
        )
        return Snapshot(
            data["office"], data["zone"], data["seq"], data["now"], data["step"], days, clerks, booked
        )


def take(
    calendars: Calendars, office: Office, first: date, last: date, *, open_only: bool = False
) -> Snapshot:
    """Return the office from `first` to `last` (both included); with `open_only` just the days that have a window or an appointment.

    Raises ValueError for an empty or too long range.
    """
    count = (last - first).days + 1
    if not 1 <= count <= MOST_DAYS:
        raise ValueError(f"a snapshot covers 1 to {MOST_DAYS} days")
    now = calendars.now()
    days: list[DayNow] = []
    boards: list[dispatch.Board] = []
    booked: list[BookedNow] = []
    with calendars.database.read() as connection:
        known = reading.office_collections(connection, office.id)
        seq = reading.office_seq(connection, office.id)
        for ahead in range(count):
            board = dispatch.board(connection, office, known, first + timedelta(days=ahead), now)
            if open_only and ahead and not board.windows.windows and not board.office_day.booked:
                continue
            index = len(days)
            days.append(_day(board, office))
            boards.append(board)
            booked.extend(_booked(connection, office, known, board, index, now))
    clerks = tuple(
        ClerkNow(
            clerk.id,
            clerk.name,
            tuple(sorted(clerk.services)),
            clerk.share,
            tuple(board.office_day.clerks[position].free for board in boards),
            tuple(_working(office, clerk.id, board) for board in boards),
        )
        for position, clerk in enumerate(office.clerks)
    )
    return Snapshot(
        office.id, office.zone.key, seq, now, office.step_minutes // 5, tuple(days), clerks, tuple(booked)
    )


def _day(board: dispatch.Board, office: Office) -> DayNow:
    general = dispatch.window_bits(board.windows, office.services)
    narrowed = tuple(
        (
            dispatch.inner_bits(window.start, window.end, board.base, board.office_day.grains),
            tuple(sorted(window.services)),
        )
        for window in board.windows.windows
        if window.services is not None
    )
    return DayNow(board.day.isoformat(), board.base, board.office_day.grains, general, narrowed)


def _working(office: Office, clerk_id: str, board: dispatch.Board) -> int:
    clerk = office.clerk(clerk_id)
    assert clerk is not None
    found = 0
    for start, end in dispatch.working_periods(clerk, board.day, office):
        found |= dispatch.inner_bits(start, end, board.base, board.office_day.grains)
    return found


def _booked(
    connection: Any,
    office: Office,
    known: reading.OfficeCollections,
    board: dispatch.Board,
    index: int,
    now: int,
) -> list[BookedNow]:
    where = dispatch.calendars(known, office)
    start, end = opening.day_bounds(board.day, office.zone)
    instances = [
        instance
        for instance in reading.instances_in(connection, where.ids, start, end)
        if instance.kind.is_booking and start <= instance.start < end and dispatch.is_live(instance, now)
    ]
    rows = reading.objects_by_id(connection, [instance.object_id for instance in instances])
    found = []
    for instance in instances:
        row = rows[instance.object_id]
        summary, mailed = _words(row.text)
        first, last = dispatch.outer_grains(instance.start, instance.end, board.base, board.office_day.grains)
        found.append(
            BookedNow(
                row.uid,
                row.etag,
                where.clerk_of[row.collection_id],
                index,
                first,
                last - first,
                instance.start,
                instance.end,
                tuple(sorted(row.services)),
                row.pinned,
                row.kind is Kind.HOLD,
                summary,
                mailed,
            )
        )
    return found


def _words(text: str) -> tuple[str, bool]:
    """The summary, and whether there is an address, of a stored text, by its unfolded lines: parsing it whole would cost far more."""
    summary, mailed = "", False
    for line in text.replace("\r\n ", "").replace("\r\n\t", "").split("\r\n"):
        head, _, value = line.partition(":")
        name = head.partition(";")[0].upper()
        if name == "SUMMARY" and not summary:
            summary = value.replace("\\,", ",").replace("\\;", ";").replace("\\n", " ").replace("\\\\", "\\")
        elif name == "X-TERMIN-EMAIL":
            mailed = bool(value)
    return summary, mailed

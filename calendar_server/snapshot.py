"""Taking the snapshot of an office that planners work on (`optimizer.snapshot`), in one read transaction."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from calendar_server import bookings, dispatch
from calendar_server.ical.group import group_uid
from calendar_server.storage import reading
from calendar_server.storage.rows import Kind
from optimizer.snapshot import BookedNow, ClerkNow, DayNow, Snapshot

if TYPE_CHECKING:
    from datetime import date

    from sqlalchemy import Connection

    from calendar_server.offices import Office
    from calendar_server.service import Calendars

MOST_DAYS = 400


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
    with calendars.database.read() as connection:
        known = reading.office_collections(connection, office.id)
        seq = reading.office_seq(connection, office.id)
        every = [first + timedelta(days=ahead) for ahead in range(count)]
        boards = [
            board
            for index, board in enumerate(dispatch.boards(connection, office, known, every, now))
            if not (open_only and index) or board.windows.windows or board.office_day.booked
        ]
        booked = _booked(connection, office, known, boards, now)
    days = [_day(board, office) for board in boards]
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
    connection: Connection,
    office: Office,
    known: reading.OfficeCollections,
    boards: list[dispatch.Board],
    now: int,
) -> list[BookedNow]:
    where = dispatch.calendars(known, office)
    index = {board.day: position for position, board in enumerate(boards)}
    first, last = boards[0].windows.start, boards[-1].windows.end
    instances = [
        instance
        for instance in reading.instances_in(connection, where.ids, first, last)
        if instance.kind.is_booking and instance.start >= first and dispatch.is_live(instance, now)
    ]
    rows = reading.objects_by_id(connection, [instance.object_id for instance in instances])
    sizes = Counter(group_uid(rows[instance.object_id].uid) for instance in instances)
    found = []
    for instance in instances:
        row = rows[instance.object_id]
        board = boards[index[dispatch.local_day(instance.start, office)]]
        summary, mailed = bookings.words_of(row.text)
        start, end = dispatch.outer_grains(instance.start, instance.end, board.base, board.office_day.grains)
        found.append(
            BookedNow(
                row.uid,
                row.etag,
                where.clerk_of[row.collection_id],
                index[board.day],
                start,
                end - start,
                instance.start,
                instance.end,
                tuple(sorted(row.services)),
                row.pinned,
                row.kind is Kind.HOLD,
                summary,
                mailed,
                group_uid(row.uid) if sizes[group_uid(row.uid)] > 1 else "",
            )
        )
    return found

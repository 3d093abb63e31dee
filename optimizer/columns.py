"""Repair as columns: every (appointment, clerk, day, start) that may be, as arrays.

Column generation over time-indexed columns with one row for each grain of a clerk's day; because periods are
intervals, the rows of the grains are all maximal cliques of the conflict graph (Dyer and Wolsey 1990 for the
time-indexed form; Krishnamoorthy, Ernst and Baatar 2012 for cliques of fixed tasks).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.office import Appointment, Office

    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]

CANCELLED, MOVED, CHANGED, IMBALANCE = range(4)
"""The levels of the objective, in their order."""


@dataclass(frozen=True, slots=True)
class Columns:
    """All columns of an instance, n of them, sorted by appointment.

    `slot` is clerk × days + day, -1 for a cancellation. `cost` is (3, n): what a column adds to the first three
    levels. `work` is the grains that it adds to its clerk on day 0.
    """

    office: Office
    appointment: Ints
    clerk: Ints
    slot: Ints
    start: Ints
    length: Ints
    cost: Ints
    work: Ints
    kept: Flags

    def __len__(self) -> int:
        return len(self.appointment)


def all_columns(office: Office) -> Columns:
    """List the columns; `kept` marks each unhit appointment's present place."""
    number = {clerk.id: index for index, clerk in enumerate(office.clerks)}
    free = _free(office)
    fits: dict[int, Flags] = {}
    parts: list[tuple[int, Ints, Ints, Ints]] = []
    for index, entry in enumerate(office.appointments):
        if entry.length not in fits:
            fits[entry.length] = _fits(free, entry.length)
        eligible = [number[c.id] for c in office.clerks if entry.services <= c.services]
        if entry.hit:
            found = fits[entry.length][eligible] & _allowed(office, entry)
            clerk, day, start = np.nonzero(found)
            parts.append((index, np.asarray(eligible, dtype=np.int64)[clerk], day, start))
            none = np.array([-1])
            parts.append((index, none, none, np.array([entry.start])))
            continue
        if entry.pinned:
            eligible = [taker for taker in eligible if taker == number[entry.clerk]]
        takers = np.asarray([c for c in eligible if fits[entry.length][c, 0, entry.start]], dtype=np.int64)
        parts.append((index, takers, np.zeros_like(takers), np.full_like(takers, entry.start)))
    return _assemble(office, number, parts)


def _assemble(
    office: Office, number: dict[int | str, int], parts: list[tuple[int, Ints, Ints, Ints]]
) -> Columns:
    empty = np.zeros(0, dtype=np.int64)
    appointment = np.repeat([part[0] for part in parts], [len(part[1]) for part in parts]).astype(np.int64)
    clerk = np.concatenate([empty, *(part[1] for part in parts)])
    day = np.concatenate([empty, *(part[2] for part in parts)])
    start = np.concatenate([empty, *(part[3] for part in parts)])
    entries = office.appointments
    hit = np.array([entry.hit for entry in entries], dtype=bool)[appointment]
    before = np.array([entry.start for entry in entries], dtype=np.int64)[appointment]
    own = np.array([number[entry.clerk] for entry in entries], dtype=np.int64)[appointment]
    length = np.array([entry.length for entry in entries], dtype=np.int64)[appointment]
    cancelled = clerk < 0
    moved = np.where(hit & ~cancelled, office.grains_a_day * day + np.abs(start - before), 0)
    changed = ~hit & (clerk != own)
    return Columns(
        office,
        appointment,
        clerk,
        np.where(cancelled, -1, clerk * max(1, office.days) + day),
        start,
        np.where(cancelled, 0, length),
        np.stack([cancelled.astype(np.int64), moved, changed.astype(np.int64)]),
        np.where(day == 0, length, 0),
        ~hit & ~changed,
    )


def _free(office: Office) -> Flags:
    size = (office.grains_a_day + 7) // 8
    data = b"".join(bits.to_bytes(size, "little") for clerk in office.clerks for bits in clerk.free)
    unpacked = np.unpackbits(np.frombuffer(data, dtype=np.uint8), bitorder="little")
    shaped = unpacked.reshape(len(office.clerks), office.days, size * 8)
    return shaped[:, :, : office.grains_a_day].astype(bool)


def _fits(free: Flags, length: int) -> Flags:
    """Mark, per clerk and day, the starts from which `length` grains are free."""
    total = np.zeros((*free.shape[:2], free.shape[2] + 1), dtype=np.int64)
    np.cumsum(free, axis=2, out=total[:, :, 1:])
    found = np.zeros_like(free)
    ends = free.shape[2] - length + 1
    if ends > 0:
        found[:, :, :ends] = total[:, :, length:] - total[:, :, :ends] == length
    return found


def _allowed(office: Office, entry: Appointment) -> Flags:
    if entry.starts is None:
        return np.ones((office.days, office.grains_a_day), dtype=bool)
    return np.array(
        [[bool(bits >> grain & 1) for grain in range(office.grains_a_day)] for bits in entry.starts],
        dtype=bool,
    )


def parity(columns: Columns, alive: Flags) -> int | None:
    """Give whether the imbalance of every choice among these columns is even (0) or odd (1); None if both occur, or may.

    The sum of |load - target| and the sum of load - target are both even or both odd, and the latter is the same in any choice
    where each appointment adds the same work wherever it goes.
    """
    office = columns.office
    targets = {number: clerk.target for number, clerk in enumerate(office.clerks) if clerk.target is not None}
    work = np.where(np.isin(columns.clerk, list(targets)), columns.work, 0)[alive]
    owner = columns.appointment[alive]
    most = np.zeros(len(office.appointments), dtype=np.int64)
    least = np.full(len(office.appointments), np.iinfo(np.int64).max)
    np.maximum.at(most, owner, work)
    np.minimum.at(least, owner, work)
    if (most != least).any():
        return None
    return (int(most.sum()) - sum(targets.values())) % 2

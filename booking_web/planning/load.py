"""How busy everybody is: booked minutes beside those that could be booked, for each clerk and day of a snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from optimizer.workload import fair_shares

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.snapshot import DayNow, Snapshot

_GRAIN_MINUTES = 5


@dataclass(frozen=True, slots=True)
class Share:
    """Minutes that are booked, of those in which the office may book: its windows, without the clerk's own entries.

    More can be booked than may be: who falls ill keeps her appointments until somebody takes over, and clerks place some outside the windows.
    """

    booked: int
    bookable: int

    @property
    def percent(self) -> int | None:
        """Rounded; None where nothing may be booked."""
        return round(100 * self.booked / self.bookable) if self.bookable else None

    @property
    def is_too_much(self) -> bool:
        """True if some of it has no time."""
        return self.booked > self.bookable

    def __add__(self, other: Share) -> Share:
        return Share(self.booked + other.booked, self.bookable + other.bookable)


NOTHING = Share(0, 0)


@dataclass(frozen=True, slots=True)
class ClerkLoad:
    """One clerk: her days in order, all of them together, and the minutes that her part-time share of all work comes to."""

    clerk: str
    name: str
    days: tuple[Share, ...]
    whole: Share
    fair: int


@dataclass(frozen=True, slots=True)
class Load:
    """An office: the days with windows or appointments, its clerks, and everybody together on each day and in all."""

    days: tuple[date, ...]
    clerks: tuple[ClerkLoad, ...]
    together: tuple[Share, ...]
    whole: Share


def of(snapshot: Snapshot) -> Load:
    """Return the load of a snapshot's days. Holds count as booked, since nobody else can have their time."""
    booked = {(entry.clerk, entry.day): 0 for entry in snapshot.booked}
    for entry in snapshot.booked:
        booked[entry.clerk, entry.day] += entry.length * _GRAIN_MINUTES
    with_appointments = {day for _, day in booked}
    shown = [index for index, day in enumerate(snapshot.days) if _windows(day) or index in with_appointments]
    rows = [
        [
            Share(
                booked.get((clerk.id, index), 0),
                (clerk.free[index] & _windows(snapshot.days[index])).bit_count() * _GRAIN_MINUTES,
            )
            for index in shown
        ]
        for clerk in snapshot.clerks
    ]
    wholes = [_sum(row) for row in rows]
    fair = fair_shares([clerk.share for clerk in snapshot.clerks], sum(whole.booked for whole in wholes))
    return Load(
        tuple(date.fromisoformat(snapshot.days[index].day) for index in shown),
        tuple(
            ClerkLoad(clerk.id, clerk.name, tuple(row), whole, minutes)
            for clerk, row, whole, minutes in zip(snapshot.clerks, rows, wholes, fair, strict=True)
        ),
        tuple(_sum(column) for column in zip(*rows, strict=True)) if rows else (NOTHING,) * len(shown),
        _sum(wholes),
    )


def _windows(day: DayNow) -> int:
    found = day.window
    for bits, _ in day.narrowed:
        found |= bits
    return found


def _sum(shares: Sequence[Share]) -> Share:
    return sum(shares, NOTHING)

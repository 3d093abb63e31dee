"""A day of an office after somebody fell ill, as repair takes it, and reading it from JSON.

A grain is five minutes; a day has `grains_a_day` of them, whatever hour it begins with. Day 0 is the day in
question. Periods are half-open. Admission has a smaller picture of a day of its own, `optimizer.instance`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optimizer.fields import Field

if TYPE_CHECKING:
    from collections.abc import Mapping

Id = int | str
MAX_GRAINS_A_DAY = 1500
"""25 hours have as many minutes. A bound keeps a wrong length from filling the memory."""


@dataclass(frozen=True, slots=True)
class Clerk:
    """A clerk, and for each day the grains in which she may be booked, as a bit set.

    On day 0 the appointments of day 0 are not subtracted, on later days those of that day are. `target` is her
    fair share of day 0 in grains; without one (she is absent) she doesn't count for balance.
    """

    id: Id
    services: frozenset[Id]
    free: tuple[int, ...]
    target: int | None = None


@dataclass(frozen=True, slots=True)
class Appointment:
    """An appointment of day 0 as its clerk has it today.

    One that is `hit` needs another place: a clerk and a start on any day, or it is cancelled. Any other keeps its
    start and may change clerk unless it is `pinned`. `starts` may narrow a hit one's starts, a bit set for each day.
    """

    id: Id
    clerk: Id
    start: int
    length: int
    services: frozenset[Id]
    hit: bool
    pinned: bool = False
    starts: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Office:
    """An instance of the repair problem.

    Raises ValueError for ids that are there twice, unknown clerks and periods outside the day.
    """

    name: str
    grains_a_day: int
    clerks: tuple[Clerk, ...]
    appointments: tuple[Appointment, ...]

    def __post_init__(self) -> None:
        if self.grains_a_day < 1:
            raise ValueError("grains_a_day must be at least 1")
        self._check_clerks()
        self._check_appointments()

    def _check_clerks(self) -> None:
        if len({clerk.id for clerk in self.clerks}) < len(self.clerks):
            raise ValueError("clerks: an id is there twice")
        if len({len(clerk.free) for clerk in self.clerks}) > 1:
            raise ValueError("clerks: free covers different numbers of days")
        for clerk in self.clerks:
            if any(bits < 0 or bits.bit_length() > self.grains_a_day for bits in clerk.free):
                raise ValueError(f"clerk {clerk.id}: free reaches beyond the day")

    def _check_appointments(self) -> None:
        if len({entry.id for entry in self.appointments}) < len(self.appointments):
            raise ValueError("appointments: an id is there twice")
        clerks = {clerk.id for clerk in self.clerks}
        for entry in self.appointments:
            if entry.clerk not in clerks:
                raise ValueError(f"appointment {entry.id}: unknown clerk {entry.clerk}")
            if entry.length < 1 or entry.start < 0 or entry.start + entry.length > self.grains_a_day:
                raise ValueError(f"appointment {entry.id}: its period doesn't lie within the day")
            if entry.starts is not None and len(entry.starts) != self.days:
                raise ValueError(
                    f"appointment {entry.id}: starts cover another number of days than the clerks"
                )

    @property
    def days(self) -> int:
        """How many days the clerks' free time covers."""
        return len(self.clerks[0].free) if self.clerks else 0


def office_from_json(data: Mapping[str, Any]) -> Office:
    """Read an instance: `grains_a_day`, `clerks` with periods of free grains, `appointments` with one service.

    Raises ValueError that names what is missing or of the wrong kind, and where.
    """
    whole = Field("", data)
    grains = whole["grains_a_day"].whole(1, MAX_GRAINS_A_DAY)
    clerks = tuple(_clerk(entry, grains) for entry in whole["clerks"].items())
    absent = {clerk.id for clerk in clerks if clerk.target is None}
    appointments = tuple(_appointment(entry, absent) for entry in whole["appointments"].items())
    return Office(str(whole["name"].value), grains, clerks, appointments)


def _clerk(entry: Field, grains: int) -> Clerk:
    absent = entry["absent"].flag()
    days = [_bits(day, grains) for day in entry["free"].items()]
    return Clerk(
        entry["id"].id(),
        frozenset(service.id() for service in entry["services"].items()),
        (0,) * len(days) if absent else tuple(days),
        None if absent else entry["target_grains"].whole(0),
    )


def _appointment(entry: Field, absent: set[Id]) -> Appointment:
    clerk = entry["clerk"].id()
    return Appointment(
        entry["id"].id(),
        clerk,
        entry["start"].whole(),
        entry["grains"].whole(),
        frozenset([entry["service"].id()]),
        clerk in absent,
    )


def _bits(periods: Field, grains: int) -> int:
    found = 0
    for period in periods.items():
        bounds = [bound.whole(0, grains) for bound in period.items()]
        if len(bounds) != 2 or bounds[0] > bounds[1]:
            raise period.wrong("a period has a start and an end, and begins before it ends")
        start, end = bounds
        found |= (1 << end) - (1 << start)
    return found

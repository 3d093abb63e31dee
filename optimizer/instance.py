"""What admission is asked about, and what it answers.

A *grain* is five minutes of UTC time. A day is the range of grains that begins at the office's local midnight,
so it has 276, 288 or 300 of them; bit i of an integer stands for grain i of that day. Periods are half-open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from optimizer.bits import span

GRAIN_MINUTES = 5
MAX_GRAINS = 600
"""No day is longer: 25 hours are 300 grains. A bound keeps a wrong length from filling the memory."""

Rule = Literal["outside-opening-hours", "unknown-service", "no-free-clerk"]
Reason = Literal["not-eligible", "not-working", "occupied"]


def _require_period(name: str, start: int, length: int) -> None:
    if start < 0:
        raise ValueError(f"{name}: start {start} lies before the day")
    if length < 1:
        raise ValueError(f"{name}: length {length} is less than one grain")
    if start + length > MAX_GRAINS:
        raise ValueError(f"{name}: grains {start} to {start + length} reach beyond any day")


@dataclass(frozen=True, slots=True)
class ClerkDay:
    """A clerk on one day.

    `free` has the grains in which the office may book her, as far as her working time and own events go;
    appointments are not subtracted.
    """

    clerk: str
    services: frozenset[str]
    free: int

    def __post_init__(self) -> None:
        if self.free < 0:
            raise ValueError(f"clerk {self.clerk}: free must not be negative")


@dataclass(frozen=True, slots=True)
class Booked:
    """An appointment or live hold as it stands.

    Its grains may lie outside its clerk's `free`: people keep authority over their own calendars.
    With no `services` any clerk may take it. A pinned one stays with its clerk.
    """

    uid: str
    clerk: str
    start: int
    length: int
    services: frozenset[str]
    pinned: bool = False

    def __post_init__(self) -> None:
        # A month of an office makes ten thousand of these at once, so the name is only put together where it's wrong.
        if self.start < 0 or self.length < 1 or self.start + self.length > MAX_GRAINS:
            _require_period(f"appointment {self.uid}", self.start, self.length)

    @property
    def mask(self) -> int:
        """The grains that it takes."""
        return span(self.start, self.length)


@dataclass(frozen=True, slots=True)
class OfficeDay:
    """An office on one day: its clerks and what is booked.

    Something booked with a clerk who isn't among `clerks` is in nobody's way and is never moved.

    Raises ValueError when a clerk or uid is there twice, or something doesn't lie within the day.
    """

    grains: int
    clerks: tuple[ClerkDay, ...]
    booked: tuple[Booked, ...]

    def __post_init__(self) -> None:
        if not 1 <= self.grains <= MAX_GRAINS:
            raise ValueError(f"grains {self.grains} is not between 1 and {MAX_GRAINS}")
        names: set[str] = set()
        for clerk in self.clerks:
            if clerk.clerk in names:
                raise ValueError(f"clerk {clerk.clerk} is there twice")
            names.add(clerk.clerk)
            if clerk.free.bit_length() > self.grains:
                raise ValueError(f"clerk {clerk.clerk}: free reaches beyond the day's {self.grains} grains")
        uids: set[str] = set()
        for booked in self.booked:
            if booked.uid in uids:
                raise ValueError(f"appointment {booked.uid} is there twice")
            uids.add(booked.uid)
            if booked.start + booked.length > self.grains:
                raise ValueError(
                    f"appointment {booked.uid}: its end at grain {booked.start + booked.length} "
                    f"reaches beyond the day's {self.grains} grains"
                )


@dataclass(frozen=True, slots=True)
class Request:
    """A wish for an appointment: `length` grains from `start` for all of `services`.

    `window` has the grains inside opening windows that admit all these services.
    """

    start: int
    length: int
    services: frozenset[str]
    window: int

    def __post_init__(self) -> None:
        _require_period("request", self.start, self.length)
        if self.window < 0:
            raise ValueError("request: window must not be negative")

    @property
    def mask(self) -> int:
        """The grains that it takes."""
        return span(self.start, self.length)


@dataclass(frozen=True, slots=True)
class Reassignment:
    """An appointment that changes clerk and keeps its time."""

    uid: str
    from_clerk: str
    to_clerk: str


@dataclass(frozen=True, slots=True)
class Placement:
    """Who takes the request, and who takes over what first.

    The reassignments stand in an order in which none of them meets an appointment that is still to move.
    When two or more change places in a ring there is no such order; then `atomic` is true, and only all of
    them together make sense.
    """

    clerk: str
    reassigned: tuple[Reassignment, ...] = ()
    atomic: bool = False


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why one clerk can't take a request: "occupied" names the appointments in the way."""

    clerk: str
    reason: Reason
    appointments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """No placement, by which rule, and what stands in the way for each clerk.

    `proven` is false when the search for a chain of reassignments was ended by its limits.
    """

    rule: Rule
    obstacles: tuple[Obstacle, ...] = ()
    proven: bool = True

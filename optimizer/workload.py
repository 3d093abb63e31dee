"""What balance is asked about and what it answers, without any solver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.office import Id


@dataclass(frozen=True, slots=True)
class Colleague:
    """A clerk over the days to balance.

    `share` is her weight: the part-time share, times the part of the days that she is present if wanted. `free` has,
    for each day, the grains in which the office may book her, appointments not subtracted.
    """

    id: Id
    services: frozenset[Id]
    share: float
    free: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Task:
    """An appointment as it stands, on a day counted from 0."""

    id: Id
    clerk: Id
    day: int
    start: int
    length: int
    services: frozenset[Id]
    pinned: bool = False

    @property
    def mask(self) -> int:
        """The grains of its day that it takes."""
        return ((1 << self.length) - 1) << self.start


@dataclass(frozen=True, slots=True)
class Change:
    """An appointment that gets another clerk."""

    id: Id
    from_clerk: Id
    to_clerk: Id


@dataclass(frozen=True, slots=True)
class Load:
    """A clerk's grains of work, and her fair share of the whole."""

    clerk: Id
    target: int
    grains: int


@dataclass(frozen=True, slots=True)
class Point:
    """What is reached with a number of changes: the sum of |grains - target|, and who has how much then.

    All changes of a point belong together: some may be possible only because of others.
    """

    imbalance_grains: int
    changes: tuple[Change, ...]
    loads: tuple[Load, ...]
    proven_optimal: bool


@dataclass(frozen=True, slots=True)
class Curve:
    """Points of falling imbalance and rising number of changes; the first one is the present."""

    points: tuple[Point, ...]
    seconds: float


def fair_shares(shares: Sequence[float], total: int) -> list[int]:
    """Split a number of grains by shares into whole ones that add up to it, by largest remainder.

    Without any positive share nobody's target is above 0. Raises ValueError for a negative share.
    """
    if any(share < 0 for share in shares):
        raise ValueError("a share is negative")
    whole = sum(shares)
    if whole <= 0:
        return [0] * len(shares)
    exact = [total * share / whole for share in shares]
    parts = [int(value) for value in exact]
    order = sorted(range(len(shares)), key=lambda place: (parts[place] - exact[place], place))
    for place in order[: total - sum(parts)]:
        parts[place] += 1
    return parts


def present(colleagues: Sequence[Colleague], tasks: Sequence[Task]) -> Point:
    """Give the point of no changes; whether something better exists isn't known."""
    targets = fair_shares([entry.share for entry in colleagues], sum(task.length for task in tasks))
    loads = {entry.id: 0 for entry in colleagues}
    for task in tasks:
        loads[task.clerk] += task.length
    pairs = list(zip(colleagues, targets, strict=True))
    return Point(
        sum(abs(loads[entry.id] - target) for entry, target in pairs),
        (),
        tuple(Load(entry.id, target, loads[entry.id]) for entry, target in pairs),
        proven_optimal=False,
    )

"""What-if: how many more appointments fit, and how the wait changes, with another window or another clerk.

A demand, past or generated, is booked request by request through admission, each at the first start from the day on
which it is made. The same demand goes through two scenarios; what differs is what the change brings.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from optimizer.admission import DEPTH, Day
from optimizer.instance import Booked, ClerkDay, OfficeDay, Placement, Request
from optimizer.offers import Window, window_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, slots=True)
class OpenDay:
    """One day of a scenario: its length, its clerks, its windows, and what is booked at the beginning."""

    grains: int
    clerks: tuple[ClerkDay, ...]
    windows: tuple[Window, ...]
    booked: tuple[Booked, ...] = ()


@dataclass(frozen=True, slots=True)
class Wish:
    """Somebody who on day `day` wants the first appointment there is."""

    day: int
    length: int
    services: frozenset[str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a demand: `waits` has each served wish's days of waiting, in the demand's order.

    `days` has for each wish the day of its appointment, None if none was free within the scenario.
    """

    days: tuple[int | None, ...]
    waits: tuple[int, ...]
    grains: int

    @property
    def served(self) -> int:
        """How many got an appointment."""
        return len(self.waits)

    @property
    def mean_wait(self) -> float:
        """Mean days of waiting of those served; 0 when nobody was."""
        return sum(self.waits) / len(self.waits) if self.waits else 0.0

    def wait_of(self, part: float) -> int:
        """Give the days within which this part of those served had an appointment, 0.9 for nine of ten."""
        if not 0 < part <= 1:
            raise ValueError(f"part {part} is not above 0 and at most 1")
        ordered = sorted(self.waits)
        return ordered[max(0, -int(-part * len(ordered) // 1) - 1)] if ordered else 0


@dataclass(frozen=True, slots=True)
class Difference:
    """The same demand before and after a change."""

    before: Outcome
    after: Outcome

    @property
    def more_served(self) -> int:
        """How many more appointments fit."""
        return self.after.served - self.before.served

    @property
    def shorter_wait(self) -> float:
        """Mean days less of waiting, over the wishes that are served in both."""
        both = [
            (one, two)
            for one, two in zip(self.before.days, self.after.days, strict=True)
            if one is not None and two is not None
        ]
        return sum(one - two for one, two in both) / len(both) if both else 0.0


def with_window(
    days: Sequence[OpenDay], window: Window, applies: Callable[[int], bool]
) -> tuple[OpenDay, ...]:
    """Open a window on the days for whose number `applies` holds.

    Everybody's free time stays as it is: add to it where clerks would have to work longer.
    """
    return tuple(
        replace(day, windows=(*day.windows, window)) if applies(number) else day
        for number, day in enumerate(days)
    )


def with_clerk(
    days: Sequence[OpenDay], clerk: ClerkDay, applies: Callable[[int], bool]
) -> tuple[OpenDay, ...]:
    """Add a clerk on the days for whose number `applies` holds."""
    return tuple(
        replace(day, clerks=(*day.clerks, clerk)) if applies(number) else day
        for number, day in enumerate(days)
    )


def simulate(
    days: Sequence[OpenDay], demand: Sequence[Wish], *, step: int = 3, depth: int = DEPTH
) -> Outcome:
    """Book the demand in its order; nobody cancels. Raises ValueError for a wish on a day before the first."""
    book = _Book(days, step, depth)
    found: list[int | None] = []
    waits: list[int] = []
    grains = 0
    for number, wish in enumerate(demand):
        if wish.day < 0:
            raise ValueError(f"wish {number}: day {wish.day} lies before the first")
        day = book.take(number, wish)
        found.append(day)
        if day is not None:
            waits.append(day - wish.day)
            grains += wish.length
    return Outcome(tuple(found), tuple(waits), grains)


def compare(
    before: Sequence[OpenDay],
    after: Sequence[OpenDay],
    demand: Sequence[Wish],
    *,
    step: int = 3,
    depth: int = DEPTH,
) -> Difference:
    """Book the same demand in both scenarios, of which `after` has all the room that `before` has.

    First come, first served may serve fewer with more room: one long appointment that fits at last takes the place of
    two short ones. What was booked before fits still, and then stands for both.
    """
    first = simulate(before, demand, step=step, depth=depth)
    second = simulate(after, demand, step=step, depth=depth)
    return Difference(first, second if second.served >= first.served else first)


class _Book:
    def __init__(self, days: Sequence[OpenDay], step: int, depth: int) -> None:
        self.days = days
        self.step = step
        self.depth = depth
        self.prepared = [Day(OfficeDay(day.grains, day.clerks, day.booked)) for day in days]
        # Bookings only take room: a day that was full for such a wish stays so.
        self.full: dict[tuple[frozenset[str], int], set[int]] = {}

    def take(self, number: int, wish: Wish) -> int | None:
        full = self.full.setdefault((wish.services, wish.length), set())
        for day in range(wish.day, len(self.days)):
            if day in full:
                continue
            prepared = self.prepared[day]
            window = window_for(self.days[day].windows, wish.services)
            direct = prepared.starts(wish.length, wish.services, window, step=self.step, depth=0)
            possible = direct or prepared.starts(
                wish.length, wish.services, window, step=self.step, depth=self.depth
            )
            if not possible:
                full.add(day)
                continue
            start = (possible & -possible).bit_length() - 1
            request = Request(start, wish.length, wish.services, window)
            placement = prepared.admit(request, depth=self.depth)
            assert isinstance(placement, Placement)
            self._write(day, placement, request, f"wish {number}")
            return day
        return None

    def _write(self, day: int, placement: Placement, request: Request, uid: str) -> None:
        office = self.prepared[day].day
        to = {move.uid: move.to_clerk for move in placement.reassigned}
        booked = tuple(
            replace(entry, clerk=to[entry.uid]) if entry.uid in to else entry for entry in office.booked
        )
        new = Booked(uid, placement.clerk, request.start, request.length, request.services)
        self.prepared[day] = Day(OfficeDay(office.grains, office.clerks, (*booked, new)))

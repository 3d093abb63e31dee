"""Which times are free, from the office's busy feed held in memory as bit sets; it never asks the calendar per question.

A day's state is immutable: a change of the feed replaces the days it touches, so that readers need no lock and the
starts found for a day (by services and duration) can be kept with it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING

from calendar_server.client import CalendarError, SyncTokenError, UnavailableError
from calendar_server.ical import busy
from optimizer.admission import Day
from optimizer.instance import Booked, ClerkDay, OfficeDay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from booking_web.booking.choice import Choice
    from booking_web.town import OfficeInfo
    from calendar_server.client import BusyChanges, CalendarClient

_GRAIN = 300
_LONGEST_PAUSE = 5.0


@dataclass(frozen=True, slots=True)
class DayOffer:
    """A day's bookable starts, in the office's zone, ascending; never empty. `texts` are the same in ISO 8601."""

    day: date
    starts: tuple[datetime, ...]
    texts: tuple[str, ...]

    def within(self, earliest: datetime, beyond: datetime) -> DayOffer:
        """The starts in [earliest, beyond); possibly none."""
        if earliest <= self.starts[0] and self.starts[-1] < beyond:
            return self
        kept = [at for at, start in enumerate(self.starts) if earliest <= start < beyond]
        return DayOffer(self.day, tuple(self.starts[at] for at in kept), tuple(self.texts[at] for at in kept))


def _bits(first: int, after_last: int, grains: int) -> int:
    """The set of grains [first, after_last), cut to [0, grains)."""
    first, after_last = max(0, first), min(grains, after_last)
    return ((1 << (after_last - first)) - 1) << first if after_last > first else 0


def _clerk_day(day: busy.ClerkDay, grains: int) -> tuple[ClerkDay, list[Booked]]:
    """Read a clerk's busy periods; one that lies off the grid takes every grain that it touches."""
    free = _bits(0, grains, grains)
    booked = []
    for number, period in enumerate(day.periods):
        first = max(0, (period.start - day.start) // _GRAIN)
        after_last = min(grains, -(-(period.end - day.start) // _GRAIN))
        if after_last <= first:
            continue
        if period.kind in {busy.BusyKind.APPOINTMENT, busy.BusyKind.HOLD}:
            booked.append(
                Booked(
                    f"{day.key}/{number}",
                    day.key,
                    first,
                    after_last - first,
                    period.services,
                    period.pinned,
                )
            )
        else:
            free &= ~_bits(first, after_last, grains)
    return ClerkDay(day.key, day.services, free), booked


@dataclass(frozen=True, slots=True)
class _Day:
    """One day of one office: its windows and its clerks' days, and the starts found so far."""

    opening: busy.OpeningDay | None = None
    clerks: Mapping[str, busy.ClerkDay] = field(default_factory=dict)
    found: dict[tuple[frozenset[str], int, int], DayOffer | None] = field(default_factory=dict)
    solved: list[Day] = field(default_factory=list)

    def offer(self, services: frozenset[str], seconds: int, office: OfficeInfo) -> DayOffer | None:
        """All bookable starts of the day; None if there's none."""
        if self.opening is None or not self.opening.windows:
            return None
        key = (services, seconds, office.release.step_minutes)
        if key not in self.found:
            epochs = self._search(self.opening, services, seconds, office)
            starts = tuple(datetime.fromtimestamp(epoch, office.zone) for epoch in epochs)
            texts = tuple(start.isoformat() for start in starts)
            self.found[key] = DayOffer(self.opening.day, starts, texts) if starts else None
        return self.found[key]

    def _search(
        self, opening: busy.OpeningDay, services: frozenset[str], seconds: int, office: OfficeInfo
    ) -> Iterator[int]:
        grains = (opening.end - opening.start) // _GRAIN
        window = 0
        for period in opening.windows:
            if period.services is None or services <= period.services:
                window |= _bits(
                    -((opening.start - period.start) // _GRAIN),
                    (period.end - opening.start) // _GRAIN,
                    grains,
                )
        if not window:
            return
        step = office.release.step_minutes // 5
        # On the day the clocks change, the grid by the office's clock isn't the grid from midnight.
        regular = opening.end - opening.start == 86_400
        bits = self._day(grains).starts(seconds // _GRAIN, services, window, step=step if regular else 1)
        while bits:
            lowest = bits & -bits
            epoch = opening.start + (lowest.bit_length() - 1) * _GRAIN
            bits ^= lowest
            if regular or _on_grid(epoch, office):
                yield epoch

    def _day(self, grains: int) -> Day:
        if not self.solved:
            pairs = [_clerk_day(clerk, grains) for clerk in self.clerks.values()]
            self.solved.append(
                Day(
                    OfficeDay(
                        grains,
                        tuple(clerk for clerk, _ in pairs),
                        tuple(each for _, booked in pairs for each in booked),
                    )
                )
            )
        return self.solved[0]


def _on_grid(epoch: int, office: OfficeInfo) -> bool:
    local = datetime.fromtimestamp(epoch, office.zone)
    return (local.hour * 60 + local.minute) % office.release.step_minutes == 0


def on_grid(start: datetime, office: OfficeInfo) -> bool:
    """True if `start` (aware) lies on the office's grid of bookable starts, to the second."""
    return start.second == 0 and start.microsecond == 0 and _on_grid(int(start.timestamp()), office)


class OfficeFeed:
    """One office's busy feed in memory. `fresh` brings it up to date; questions are answered from memory."""

    def __init__(self, office: OfficeInfo, client: CalendarClient, monotonic: Callable[[], float]) -> None:
        self.office = office
        self._client = client
        self._monotonic = monotonic
        self._token = ""
        self._days: dict[date, _Day] = {}
        self._synced_at: float | None = None
        self._failed_at: float | None = None
        self._lock = threading.Lock()

    @property
    def age(self) -> float:
        """Seconds since the last successful synchronisation; infinite before the first."""
        return float("inf") if self._synced_at is None else self._monotonic() - self._synced_at

    def fresh(self, max_age: float) -> None:
        """Synchronise unless that was done within `max_age` seconds. Raises UnavailableError."""
        if self.age <= max_age:
            return
        asked_at = self._monotonic()
        with self._lock:
            # Somebody else may have asked the calendar while this thread waited for the lock: what she learned holds for all.
            if self._synced_at is not None and self._synced_at >= asked_at:
                return
            if self._failed_at is not None and self._failed_at >= asked_at:
                raise UnavailableError("the calendar didn't answer")
            began = self._monotonic()
            try:
                self._synchronise(began)
            except CalendarError as error:
                self._failed_at = began
                raise UnavailableError("the busy feed can't be read") from error

    def outdate(self) -> None:
        """Make the next `fresh` synchronise: something was just booked or given back."""
        self._synced_at = None

    def _synchronise(self, began: float) -> None:
        try:
            changes = self._client.busy_changes(self.office.id, self._token)
        except SyncTokenError:
            changes = self._client.busy_changes(self.office.id)
            self._token = ""
        days = {} if not self._token else dict(self._days)
        if not self._token or changes.clerk_days or changes.opening_days or changes.gone:
            _apply(days, changes)
            self._days = days
        self._token = changes.token
        self._synced_at = began

    def offers(
        self,
        choice: Choice,
        now: datetime,
        first: date | None = None,
        last: date | None = None,
    ) -> list[DayOffer]:
        """Return the days from `first` to `last` (both included; None: as far as is released) with their free starts.

        The release rules hold: nothing before the minimum notice, nothing beyond the horizon.
        """
        earliest, beyond = self.office.release.bookable(now, self.office.zone)
        services = choice.service_ids
        seconds = int(choice.duration.total_seconds())
        days = self._days
        found = []
        for day in sorted(days):
            if (first is not None and day < first) or (last is not None and day > last):
                continue
            offer = days[day].offer(services, seconds, self.office)
            if offer is not None and (released := offer.within(earliest, beyond)).starts:
                found.append(released)
        return found

    def nearest(self, choice: Choice, now: datetime, start: datetime, count: int = 6) -> list[datetime]:
        """Return the `count` free starts that are nearest to `start`, ascending."""
        free = [each for offer in self.offers(choice, now) for each in offer.starts]
        free.sort(key=lambda each: (abs(each - start), each))
        return sorted(free[:count])


def _apply(days: dict[date, _Day], changes: BusyChanges) -> None:
    """Replace the days that the changes touch."""
    openings: dict[date, busy.OpeningDay | None] = {day.day: day for day in changes.opening_days}
    clerks: dict[date, dict[str, busy.ClerkDay | None]] = {}
    for clerk_day in changes.clerk_days:
        clerks.setdefault(clerk_day.day, {})[clerk_day.key] = clerk_day
    for name in changes.gone:
        named = busy.split_href(name)
        if named is None:
            continue
        key, day = named
        if busy.is_opening_key(key):
            openings[day] = None
        else:
            clerks.setdefault(day, {})[key] = None
    for day in openings.keys() | clerks.keys():
        known = days.get(day, _Day())
        merged: dict[str, busy.ClerkDay | None] = {**known.clerks, **clerks.get(day, {})}
        days[day] = _Day(
            openings.get(day, known.opening),
            {key: clerk_day for key, clerk_day in sorted(merged.items()) if clerk_day is not None},
        )


class Follower:
    """Keeps the feeds of all offices near to the calendar from a thread of its own, so that questions needn't wait.

    `poll` is the pause between rounds in seconds. A round that can't reach the calendar changes nothing; `fresh` tells
    the one who asks.
    """

    def __init__(
        self,
        offices: Iterable[OfficeInfo],
        client: CalendarClient,
        monotonic: Callable[[], float],
        poll: float = 0.5,
    ) -> None:
        self.feeds = {office.id: OfficeFeed(office, client, monotonic) for office in offices}
        self._poll = poll
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def start(self) -> None:
        """Begin to follow; a second call does nothing. To be called in the process that serves (after any fork)."""
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="busy-feed", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        pause = self._poll
        while not self._stop.wait(pause):
            reached = True
            for feed in self.feeds.values():
                try:
                    feed.fresh(self._poll)
                except UnavailableError:
                    # `fresh` tells whoever asks; here it only means to knock less often.
                    reached = False
            pause = self._poll if reached else min(_LONGEST_PAUSE, pause * 2)

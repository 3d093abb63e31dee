"""Which times are free, from the office's busy feed held in memory as bit sets; it never asks the calendar per question.

A day's state is immutable: a change of the feed replaces the days it touches, so that readers need no lock and the
starts found for a day (by services and duration) can be kept with it.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, NamedTuple

from calendar_server.client import CalendarError, SyncTokenError, UnavailableError
from calendar_server.ical import busy
from optimizer import group
from optimizer.admission import Day
from optimizer.bits import aligned, each
from optimizer.group import Arrangement
from optimizer.instance import Booked, ClerkDay, OfficeDay, Request
from optimizer.release import Room, room

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from booking_web.booking.choice import Choice
    from booking_web.town import OfficeInfo
    from calendar_server.client import BusyChanges, CalendarClient

_GRAIN = 300
_NEVER = datetime(9000, 1, 1, tzinfo=UTC)
_LONGEST_PAUSE = 5.0
_MANY = 4
"""Feeds that are read two at a time."""
_REMEMBERED = 64
"""Wishes of an office that are answered beforehand, as long as they were asked within `_LATELY` seconds: each costs some
milliseconds for each day that changes."""
_LATELY = 900.0
_JUST_NOW = 0.25
_YIELD = 3
"""While somebody has asked within so many seconds, the thread that answers beforehand rests so many times as long as it works."""


class Start(NamedTuple):
    """A start in the office's zone, and how it's written in JSON: the same for whatever begins then."""

    at: datetime
    json: str

    @staticmethod
    def of(at: datetime) -> Start:
        """Write it."""
        return Start(at, f'"{at.isoformat()}"')


@dataclass(frozen=True, slots=True)
class DayOffer:
    """A day's bookable starts, in the office's zone, ascending; never empty. `json` is the day as the JSON API tells it."""

    day: date
    starts: tuple[datetime, ...]
    json: str

    @staticmethod
    def of(day: date, starts: Iterable[Start]) -> DayOffer:
        """Return the offer with its JSON: written once, since a month has some 700 starts that hundreds may ask for."""
        known = tuple(starts)
        listed = ",".join([start.json for start in known])
        at = tuple([start.at for start in known])
        return DayOffer(day, at, f'{{"date":"{day.isoformat()}","starts":[{listed}]}}')

    def within(self, earliest: datetime, beyond: datetime) -> DayOffer:
        """The starts in [earliest, beyond); possibly none."""
        if earliest <= self.starts[0] and self.starts[-1] < beyond:
            return self
        return DayOffer.of(self.day, (Start.of(start) for start in self.starts if earliest <= start < beyond))


def _bits(first: int, after_last: int, grains: int) -> int:
    """The set of grains [first, after_last), cut to [0, grains)."""
    first, after_last = max(0, first), min(grains, after_last)
    return ((1 << (after_last - first)) - 1) << first if after_last > first else 0


_TAKEN = frozenset({busy.BusyKind.APPOINTMENT, busy.BusyKind.HOLD, busy.BusyKind.RETURNING})


def _clerk_day(day: busy.ClerkDay, grains: int, *, public: bool) -> tuple[ClerkDay, list[Booked]]:
    """Read a clerk's busy periods; one that lies off the grid takes every grain that it touches.

    What was given back is still taken for the public.
    """
    free = _bits(0, grains, grains)
    booked = []
    for number, period in enumerate(day.periods):
        first = max(0, (period.start - day.start) // _GRAIN)
        after_last = min(grains, -(-(period.end - day.start) // _GRAIN))
        if after_last <= first or (period.kind is busy.BusyKind.RETURNING and not public):
            continue
        if period.kind in _TAKEN:
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


_Read = tuple[busy.ClerkDay, tuple[ClerkDay, list[Booked]]]
"""A clerk's day with what was read of it."""


@dataclass(frozen=True, slots=True)
class _Wish:
    """What is looked for: `count` appointments of so many grains, each for all of the services."""

    services: frozenset[str]
    grains: int
    count: int = 1
    arrangement: Arrangement = Arrangement.SOONEST

    @staticmethod
    def of(choice: Choice) -> _Wish:
        """Return what a choice needs."""
        grains = int(choice.duration.total_seconds()) // _GRAIN
        return _Wish(choice.service_ids, grains, choice.group, choice.arrangement)


@dataclass(frozen=True, slots=True)
class _Day:
    """One day of one office: its windows and its clerks' days, and the starts found so far."""

    opening: busy.OpeningDay | None = None
    clerks: Mapping[str, busy.ClerkDay] = field(default_factory=dict)
    found: dict[tuple[_Wish, int, bool], DayOffer | None] = field(default_factory=dict)
    solved: dict[bool, Day] = field(default_factory=dict)
    read: dict[tuple[str, bool], _Read] = field(default_factory=dict)
    counted: list[Room] = field(default_factory=list)
    written: dict[int, Start] = field(default_factory=dict)
    """Starts by their grain; they are the same as long as the day begins when it does."""

    def offer(self, wish: _Wish, office: OfficeInfo, *, public: bool = True) -> DayOffer | None:
        """All starts of the day that are free, released or not; None if there's none. Not `public`: what was given back counts as free."""
        if self.opening is None or not self.opening.windows or not self.clerks:
            return None
        key = (wish, office.release.step_minutes, public)
        if key not in self.found:
            grains = self._search(self.opening, wish, office, public=public)
            starts = [self._written(grain, office) for grain in grains]
            self.found[key] = DayOffer.of(self.opening.day, starts) if starts else None
        return self.found[key]

    def room(self) -> Room:
        """The day's room as release shares count it."""
        if not self.counted:
            assert self.opening is not None
            grains = (self.opening.end - self.opening.start) // _GRAIN
            self.counted.append(room(self._day(grains, public=True).day, _window(self.opening, None)))
        return self.counted[0]

    def admits(self, wish: _Wish) -> bool:
        """True if an opening window is long enough for it, whoever is there."""
        return self.opening is not None and any(
            (window.services is None or wish.services <= window.services)
            and window.end - window.start >= wish.grains * _GRAIN
            for window in self.opening.windows
        )

    def plan(self, wish: _Wish, start: datetime, *, public: bool) -> tuple[int, ...] | None:
        """When each appointment of a group that begins at `start` is, in epoch seconds; None if it doesn't fit."""
        if self.opening is None or not self.clerks:
            return None
        grains = (self.opening.end - self.opening.start) // _GRAIN
        first = (int(start.timestamp()) - self.opening.start) // _GRAIN
        request = Request(first, wish.grains, wish.services, _window(self.opening, wish.services))
        found = group.plan(self._day(grains, public=public), request, wish.count, wish.arrangement)
        if found is None:
            return None
        return tuple(self.opening.start + grain * _GRAIN for grain in found)

    def _search(
        self,
        opening: busy.OpeningDay,
        wish: _Wish,
        office: OfficeInfo,
        *,
        public: bool,
    ) -> Iterator[int]:
        grains = (opening.end - opening.start) // _GRAIN
        window = _window(opening, wish.services)
        if not window:
            return
        step = office.release.step_minutes // 5
        # On the day the clocks change, the grid by the office's clock isn't the grid from midnight.
        regular = opening.end - opening.start == 86_400
        day = self._day(grains, public=public)
        bits = day.starts(wish.grains, wish.services, window, step=step if regular else 1)
        if wish.count > 1:
            request = Request(0, wish.grains, wish.services, window)
            bits = group.starts(day, request, wish.count, wish.arrangement, bits)
        while bits:
            lowest = bits & -bits
            grain = lowest.bit_length() - 1
            bits ^= lowest
            if regular or _on_grid(opening.start + grain * _GRAIN, office):
                yield grain

    def _written(self, grain: int, office: OfficeInfo) -> Start:
        known = self.written.get(grain)
        if known is None:
            assert self.opening is not None
            at = datetime.fromtimestamp(self.opening.start + grain * _GRAIN, office.zone)
            known = self.written[grain] = Start.of(at)
        return known

    def _day(self, grains: int, *, public: bool) -> Day:
        if public not in self.solved:
            pairs = [self._clerk(key, clerk, grains, public=public) for key, clerk in self.clerks.items()]
            self.solved[public] = Day(
                OfficeDay(
                    grains,
                    tuple(clerk for clerk, _ in pairs),
                    tuple(entry for _, booked in pairs for entry in booked),
                )
            )
        return self.solved[public]

    def _clerk(
        self, key: str, clerk: busy.ClerkDay, grains: int, *, public: bool
    ) -> tuple[ClerkDay, list[Booked]]:
        """Read a clerk's day once, also for the days that take this one's place while hers stays the same."""
        known = self.read.get((key, public))
        if known is not None and known[0] is clerk:
            return known[1]
        found = _clerk_day(clerk, grains, public=public)
        self.read[key, public] = (clerk, found)
        return found

    def prepare(self, office: OfficeInfo) -> None:
        """Work out what is the same for all wishes."""
        if self.opening is not None and self.opening.windows and self.clerks:
            grains = (self.opening.end - self.opening.start) // _GRAIN
            self._day(grains, public=True).prepare()
            for grain in each(
                _window(self.opening, None) & aligned(grains, office.release.step_minutes // 5)
            ):
                self._written(grain, office)


def _window(opening: busy.OpeningDay, services: frozenset[str] | None) -> int:
    """The grains inside windows that admit all these services; None: inside any window."""
    grains = (opening.end - opening.start) // _GRAIN
    window = 0
    for period in opening.windows:
        if services is None or period.services is None or services <= period.services:
            window |= _bits(
                -((opening.start - period.start) // _GRAIN), (period.end - opening.start) // _GRAIN, grains
            )
    return window


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
        self._version = 0
        self._synced_at: float | None = None
        self._outdated_at = float("-inf")
        self._failed_at: float | None = None
        self._lock = threading.Lock()
        self._warm: dict[date, _Day] = {}
        self._asked: dict[_Wish, float] = {}
        self.asked_at = float("-inf")
        """When somebody asked for offers last (monotonic seconds)."""

    @property
    def age(self) -> float:
        """Seconds since the last successful synchronisation; infinite before the first, and after `outdate` until the next begins."""
        synced_at = self._synced_at
        if synced_at is None or synced_at <= self._outdated_at:
            return float("inf")
        return self._monotonic() - synced_at

    @property
    def version(self) -> int:
        """A number that has become another once `offers` may differ because the calendar changed."""
        return self._version

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

    def confirm(self, token: str, began: float) -> bool:
        """Tell that the feed stood at `token` at `began` (monotonic seconds) or later; False if what is known is another state."""
        # Whoever holds the lock is synchronising, which tells more.
        if not self._lock.acquire(blocking=False):
            return True
        try:
            if self._synced_at is None or self._token != token:
                return False
            self._synced_at = max(began, self._synced_at)
            return True
        finally:
            self._lock.release()

    def outdate(self) -> None:
        """Make the next `fresh` synchronise: something was just booked or given back."""
        self._outdated_at = self._monotonic()

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
            # In this order: what is found in the old days must not pass for what the new ones hold.
            self._version += 1
        self._token = changes.token
        self._synced_at = began

    def offers(
        self,
        choice: Choice,
        now: datetime,
        first: date | None = None,
        last: date | None = None,
        *,
        released_only: bool = True,
    ) -> list[DayOffer]:
        """Return the days from `first` to `last` (both included; None: as far as is released) with their free starts.

        The release rules hold, as the calendar server applies them (`optimizer.release`). Not `released_only`: for somebody whom they
        don't bind, everything that is free from `now` on.
        """
        return list(self._found(choice, now, first, last, released_only=released_only))

    def earliest(self, choice: Choice, now: datetime) -> datetime | None:
        """Return the first start of `offers`; the days behind it needn't be searched."""
        offer = next(self._found(choice, now, None, None, released_only=True), None)
        return offer.starts[0] if offer is not None else None

    def _found(
        self, choice: Choice, now: datetime, first: date | None, last: date | None, *, released_only: bool
    ) -> Iterator[DayOffer]:
        rule, zone = self.office.release.public, self.office.zone
        wish = _Wish.of(choice)
        if released_only:
            self._remember(wish)
        earliest, beyond = rule.period(wish.services, now, zone) if released_only else (now, _NEVER)
        after_last = beyond.astimezone(zone).date()
        days = self._days
        for day in sorted(days):
            if day >= after_last or (first is not None and day < first) or (last is not None and day > last):
                continue
            offer = days[day].offer(wish, self.office, public=released_only)
            if offer is None or not (released := offer.within(earliest, beyond)).starts:
                continue
            if released_only and rule.staged:
                percent = rule.percent(day, now, zone)
                if not days[day].room().has(wish.grains * wish.count, percent):
                    continue
            yield released

    def _remember(self, wish: _Wish) -> None:
        self.asked_at = self._monotonic()
        # What is asked for again comes to the end, so that what goes is what nobody wanted for longest.
        self._asked.pop(wish, None)
        self._asked[wish] = self.asked_at
        if len(self._asked) > _REMEMBERED:
            # Only a guess of what will be asked next: it doesn't matter which one two threads drop at once.
            with suppress(KeyError, RuntimeError):
                del self._asked[next(iter(self._asked))]

    def preparing(self, usual: Iterable[Choice] = ()) -> Iterator[None]:
        """Answer beforehand, on the days that have changed, what was asked lately and these choices, so that whoever asks needn't wait for it.

        Each step takes some milliseconds at most.
        """
        since = self._monotonic() - _LATELY
        lately = [wish for wish, at in reversed(list(self._asked.items())) if at >= since]
        wishes = list(dict.fromkeys([*lately, *(_Wish.of(choice) for choice in usual)]))
        rule = self.office.release.public
        for day, state in sorted(self._days.items()):
            if self._warm.get(day) is state:
                continue
            state.prepare(self.office)
            for wish in wishes:
                state.offer(wish, self.office)
                yield
            if rule.staged and state.opening is not None:
                state.room()
            self._warm[day] = state
        for day in self._warm.keys() - self._days.keys():
            del self._warm[day]

    def weekdays(self, services: frozenset[str]) -> frozenset[int]:
        """Return on which weekdays (Monday is 0) there are opening windows for these services."""
        return frozenset(
            day.weekday()
            for day, known in self._days.items()
            for window in (known.opening.windows if known.opening is not None else ())
            if window.services is None or services <= window.services
        )

    def nearest(
        self,
        choice: Choice,
        now: datetime,
        start: datetime,
        count: int = 6,
        *,
        released_only: bool = True,
    ) -> list[datetime]:
        """Return the `count` free starts that are nearest to `start`, ascending."""
        offers = self.offers(choice, now, released_only=released_only)
        free = [each for offer in offers for each in offer.starts]
        free.sort(key=lambda each: (abs(each - start), each))
        return sorted(free[:count])

    def plan(
        self, choice: Choice, start: datetime, *, released_only: bool = True
    ) -> tuple[datetime, ...] | None:
        """Return the start of each of a group's appointments if the first is at `start`; None if they don't fit."""
        zone = self.office.zone
        day = self._days.get(start.astimezone(zone).date())
        found = day.plan(_Wish.of(choice), start, public=released_only) if day is not None else None
        if found is None:
            return None
        return tuple(datetime.fromtimestamp(epoch, zone) for epoch in found)

    def next_release(self, choice: Choice, now: datetime) -> datetime | None:
        """Return when more times are released next, for a choice that nothing is free for; None if that can't be told.

        Either a day with a window for it comes into the horizon, or a further share of a day with free starts is released.
        """
        rule, zone = self.office.release.public, self.office.zone
        wish = _Wish.of(choice)
        notice = rule.notice(wish.services)
        moments = []
        for day, state in sorted(self._days.items()):
            opens = rule.opens(wish.services, day, zone)
            if opens > now:
                if state.admits(wish):
                    moments.append(opens)
                    break
                continue
            offer = state.offer(wish, self.office)
            for moment, percent in rule.later_stages(day, now, zone) if offer is not None else ():
                assert offer is not None
                fits = state.room().has(wish.grains * wish.count, percent)
                if fits and offer.starts[-1] >= moment + notice:
                    moments.append(moment)
                    break
        return min(moments, default=None)


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
        opening = openings.get(day, known.opening)
        same = opening is not None and known.opening is not None and opening.start == known.opening.start
        days[day] = _Day(
            opening,
            {key: clerk_day for key, clerk_day in sorted(merged.items()) if clerk_day is not None},
            read=dict(known.read),
            written=dict(known.written) if same else {},
        )


def _read(feed: OfficeFeed) -> bool:
    """Read what has changed; one office that can't be read keeps no other from it."""
    try:
        feed.fresh(0)
    except UnavailableError:
        return False
    return True


class Follower:
    """Keeps the feeds of all offices near to the calendar from a thread of its own, so that questions needn't wait.

    `poll` is the pause between rounds in seconds. A round that can't reach the calendar changes nothing; `fresh` tells
    the one who asks. What time a round leaves goes into answering beforehand; `usual` are the choices that are likely to be asked.
    """

    def __init__(
        self,
        offices: Iterable[OfficeInfo],
        client: CalendarClient,
        monotonic: Callable[[], float],
        poll: float = 0.5,
        usual: Iterable[Choice] = (),
    ) -> None:
        self.feeds = {office.id: OfficeFeed(office, client, monotonic) for office in offices}
        self._usual: dict[str, list[Choice]] = {}
        for choice in usual:
            self._usual.setdefault(choice.office.id, []).append(choice)
        self._client = client
        self._monotonic = monotonic
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

    def _look(self) -> bool:
        """Ask for all offices at once what has changed, and read that; False if something couldn't be read. Raises CalendarError."""
        began = self._monotonic()
        tokens = self._client.busy_tokens()
        changed = [
            feed for office, feed in self.feeds.items() if not feed.confirm(tokens.get(office, ""), began)
        ]
        if len(changed) < _MANY:
            read = list(map(_read, changed))
        else:
            # As at the start: while one answer is read here, the calendar server makes the next.
            with ThreadPoolExecutor(2, thread_name_prefix="busy-feed") as pool:
                read = list(pool.map(_read, changed))
        return all(read)

    def _prepare(self, until: float) -> bool:
        """Answer beforehand until that moment (monotonic seconds); True if nothing is left to do."""
        # What somebody asked for lately comes first, in every office.
        feeds = sorted(self.feeds.values(), key=lambda feed: feed.asked_at, reverse=True)
        for feed in feeds:
            began = self._monotonic()
            for _ in feed.preparing(self._usual.get(feed.office.id, ())):
                # Somebody who asks meanwhile goes first: threads of one interpreter take turns, and none of them has precedence.
                now = self._monotonic()
                asked = max(each.asked_at for each in feeds) >= now - _JUST_NOW
                if self._stop.wait((now - began) * _YIELD if asked else 0) or self._monotonic() >= until:
                    return False
                began = self._monotonic()
        return True

    def _run(self) -> None:
        pause = self._poll
        while not self._stop.wait(pause):
            try:
                reached = self._look()
            except CalendarError:
                reached = False
            if not reached:
                # `fresh` tells whoever asks; here it only means to knock less often.
                pause = min(_LONGEST_PAUSE, max(pause, self._poll) * 2)
                continue
            pause = self._poll if self._prepare(self._monotonic() + self._poll) else 0

"""The waiting list's values and decisions: which times suit a wish, and how long an offer lasts. Pure: no storage, no clock.

Times are epoch seconds, as everywhere below the edge; the office's zone says what weekday and what hour an instant is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

AROUND = 7_200
"""Seconds around a start that she didn't take, in which nothing else is offered to her: a quarter of an hour later won't suit her either."""
EVERY_DAY = 0b1111111
WHOLE_DAY = 1440


class WishState(StrEnum):
    """Where a wish stands."""

    WAITING = "waiting"
    OFFERED = "offered"
    """A time is kept in her name until she answers or the offer runs out."""
    TAKEN = "taken"
    LEFT = "left"
    """She left the list."""
    UNANSWERED = "unanswered"
    """She let too many offers run out."""
    OVER = "over"
    """The last time that would have suited her has passed."""

    @property
    def is_open(self) -> bool:
        """True while she is on the list."""
        return self in OPEN


OPEN = frozenset({WishState.WAITING, WishState.OFFERED})


@dataclass(frozen=True, slots=True)
class WaitingRules:
    """An office's rules for its waiting list."""

    enabled: bool = False
    offer_minutes: int = 240
    """So long an offer lasts, counting only the hours from `day_from` to `day_until`."""
    shortest_minutes: int = 30
    """What would have to be answered sooner than that isn't offered."""
    day_from: time = time(7)
    day_until: time = time(21)
    per_address: int = 3
    """Wishes that one mail address may have at a time."""
    unanswered: int = 2
    """After so many offers without an answer a wish ends."""
    most: int = 2000
    """Wishes that may be open in the office at a time."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody waits for. See `calendar_server.storage.schema.wishes`; without the appointment's text.

    A start suits her in [first, last], on `weekdays` (a bit set, Monday is 1), between `from_minute` and `until_minute` of the office's
    day, unless it is around one of `refused`, which she has not taken before.
    """

    id: str
    office: str
    uid: str
    services: frozenset[str]
    minutes: int
    first: int
    last: int
    created: int
    state: WishState = WishState.WAITING
    revision: int = 0
    weekdays: int = EVERY_DAY
    from_minute: int = 0
    until_minute: int = WHOLE_DAY
    refused: tuple[int, ...] = ()
    unanswered: int = 0
    offered_start: int | None = None
    offered_until: int | None = None
    ended: int | None = None
    replaces: str = ""
    """The uid of an appointment of hers, which moves to the offered time when she takes it; empty without one."""

    def suits(self, start: int, zone: ZoneInfo) -> bool:
        """Tell whether an appointment that starts then is what she waits for."""
        if not self.first <= start <= self.last:
            return False
        if any(abs(start - refused) < AROUND for refused in self.refused):
            return False
        local = datetime.fromtimestamp(start, zone)
        return (
            bool(self.weekdays >> local.weekday() & 1)
            and self.from_minute <= local.hour * 60 + local.minute < self.until_minute
        )


def _daytime(day: datetime, rules: WaitingRules, zone: ZoneInfo) -> tuple[int, int]:
    """The hours of a day in which an offer's time counts, as instants."""
    begin = datetime.combine(day.date(), rules.day_from, zone)
    end = datetime.combine(day.date(), rules.day_until, zone)
    return int(begin.timestamp()), int(end.timestamp())


def offer_until(now: int, latest: int, rules: WaitingRules, zone: ZoneInfo) -> int | None:
    """Return until when an appointment that nobody can book any more after `latest` is offered from `now` on; None if that's too short.

    Only the day counts, so nobody must answer at night. An offer takes at most half of what is left until `latest`, so that others have a
    chance if she doesn't want it.
    """
    wanted = rules.offer_minutes * 60
    spans: list[tuple[int, int]] = []
    left = 0
    day = datetime.fromtimestamp(now, zone)
    while left < 2 * wanted:
        begin, end = _daytime(day, rules, zone)
        if begin >= latest:
            break
        begin, end = max(begin, now), min(end, latest)
        if end > begin:
            spans.append((begin, end))
            left += end - begin
        day += timedelta(days=1)
    length = min(wanted, left // 2)
    if length < rules.shortest_minutes * 60:
        return None
    for begin, end in spans:
        if length <= end - begin:
            return begin + length
        length -= end - begin
    raise AssertionError("the spans are twice as long as the offer")

"""What somebody on the waiting list was last told, and what she must be told now: the decision alone, without any I/O.

The same idea as `told`, for wishes: two states are compared, never the steps between them. What she decided herself is told by the page on
which she did it, and an accepted offer by the appointment's own confirmation.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from booking_web.notifications.told import Decision, Kind, Snapshot, Told

if TYPE_CHECKING:
    from calendar_server.ical.appointment import Appointment
    from calendar_server.storage.changes import Wish

WAITING, OFFERED, UNANSWERED, OVER = "waiting", "offered", "unanswered", "over"
"""The states of `calendar_server.wishes.WishState` in which there may be something to tell."""


def snapshot_of(wish: Wish, wanted: Appointment) -> Snapshot:
    """Return what she sees of her wish; `wanted` is the appointment that she waits for.

    `start` and `end` are those of the time that is offered, or else of the period in which a time may be found.
    """
    length = timedelta(minutes=wish.minutes)
    if wish.offered_start is not None:
        start = datetime.fromtimestamp(wish.offered_start, UTC)
        end = start + length
    else:
        start = datetime.fromtimestamp(wish.first, UTC)
        end = datetime.fromtimestamp(wish.last, UTC) + length
    until = None if wish.offered_until is None else datetime.fromtimestamp(wish.offered_until, UTC)
    return replace(
        Snapshot.of(wanted, wish.office),
        uid=wish.id,
        start=start,
        end=end,
        wish=wish.state.value,
        held_until=until,
        replaces=bool(wish.replaces),
        reference="",
        reminder=False,
    )


def decide_wish(
    told: Told | None,
    wish: Wish,
    wanted: Appointment,
    *,
    now: datetime,
    at: datetime | None = None,
    by_citizen: bool = False,
    refused: Told | None = None,
) -> Decision | None:
    """Return the mail that brings her from `told` to what her wish is now, or None.

    `now` is aware, and so is `at`, when the wish was last changed (None: now). `by_citizen`: she made the change herself. `refused` is a mail that could not be delivered for good: the same isn't
    tried again.
    """
    seen = snapshot_of(wish, wanted)
    before = told.snapshot if told else None
    kind: Kind | None = None
    if seen.wish == OFFERED:
        kind = (
            None if seen.held_until is None or seen.held_until <= now or _same(before, seen) else Kind.OFFER
        )
    elif seen.wish == WAITING and before is None:
        kind = Kind.WAITING
    elif seen.wish == WAITING and before is not None and before.wish == OFFERED:
        # An offer that ran out needs no mail: she was told until when it lasts. One that the office took back does.
        if before.held_until is not None and before.held_until > (at or now) and not by_citizen:
            kind, seen = Kind.WITHDRAWN, replace(seen, start=before.start, end=before.end)
    elif seen.wish in {UNANSWERED, OVER} and before is not None and before.wish not in {UNANSWERED, OVER}:
        kind = Kind.WAITING_OVER
    if kind is None or (refused is not None and _same(refused.snapshot, seen)):
        return None
    sequence = max(wish.revision, told.sequence + 1 if told else 0)
    return Decision(kind, Told(seen, sequence), before, by_citizen)


def _same(before: Snapshot | None, seen: Snapshot) -> bool:
    return before is not None and (before.wish, before.start, before.held_until) == (
        seen.wish,
        seen.start,
        seen.held_until,
    )

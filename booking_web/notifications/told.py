"""What the citizen was last told, and what she must be told now: the decision alone, without any I/O.

Like a scheduling broker, `decide` compares two states and never looks at the steps between them. Hence several changes
before a mail leaves give one mail, and a change that was taken back gives none. Texts are `letters`', delivery is `sender`'s.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from calendar_server.ical.appointment import ACTIVATION, ServiceLine
from calendar_server.ical.itip import Method

if TYPE_CHECKING:
    from calendar_server.ical.appointment import Appointment


class Kind(StrEnum):
    """What a mail is about."""

    CONFIRMATION = "confirmation"
    MOVED = "moved"
    PROPOSAL = "proposal"
    """The office moved it and asks whether the new time suits her."""
    CHANGED = "changed"
    CANCELLED = "cancelled"
    RESTORED = "restored"
    REMINDER = "reminder"
    COUNTER = "counter"
    """An answer to the proposal of another time, which her calendar program made."""

    ACTIVATION = "activation"
    """It's only kept until she confirms her address."""
    EXPIRED = "expired"
    """She didn't, and the time is free again."""
    RESENT = "resent"
    """She asked for the mail about her appointment once more."""
    WAITING = "waiting"
    """She is on the waiting list."""
    OFFER = "offer"
    """A time has become free, and is kept for her until she answers."""
    WITHDRAWN = "withdrawn"
    """The office took back what was offered."""
    WAITING_OVER = "waiting_over"
    """She is on the waiting list no longer."""
    FEEDBACK = "feedback"
    """What somebody wrote to the town about the site (`booking_web.notifications.feedback`): the one mail that isn't to a citizen."""

    @property
    def is_news(self) -> bool:
        """True if it tells of a change."""
        return self not in _ASIDE

    @property
    def is_of_waiting(self) -> bool:
        """True if it is about a wish on the waiting list: there is no appointment yet."""
        return self in _OF_WAITING

    @property
    def invites(self) -> bool:
        """True if it carries an iTIP message."""
        return self.is_news and not self.is_of_waiting


_ASIDE = frozenset({Kind.REMINDER, Kind.COUNTER, Kind.ACTIVATION, Kind.EXPIRED, Kind.FEEDBACK})
_OF_WAITING = frozenset({Kind.WAITING, Kind.OFFER, Kind.WITHDRAWN, Kind.WAITING_OVER})
_RESENT_WITHIN = timedelta(hours=24)
"""Who follows the change log anew long afterwards, sends no mail once more."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An appointment as the citizen knows it; `start` and `end` in UTC. Who serves her isn't part of it.

    `reason` is what the appointment says of why it was last changed.
    """

    office: str
    uid: str
    start: datetime
    end: datetime
    zone: ZoneInfo
    services: tuple[ServiceLine, ...]
    email: str
    location: str = ""
    name: str = ""
    phone: str = ""
    language: str = "de"
    reference: str = ""
    reminder: bool = False
    reason: str = ""
    held_until: datetime | None = None
    """Until when it's kept for her, if she must still confirm it."""
    wish: str = ""
    """The state of a wish on the waiting list (`booking_web.notifications.wishes`); empty for an appointment."""
    replaces: bool = False
    """True for a wish if an appointment of hers moves to the offered time once she takes it."""
    parts: tuple[tuple[datetime, datetime], ...] = ()
    """When each appointment of a group is, in UTC; empty for a single one."""

    @staticmethod
    def of(appointment: Appointment, office: str) -> Snapshot:
        """Return what the citizen sees of `appointment`, which stands in the calendar of `office`."""
        return Snapshot(
            office=office,
            uid=appointment.uid,
            start=appointment.start.astimezone(UTC),
            end=appointment.end.astimezone(UTC),
            zone=appointment.zone,
            services=appointment.services,
            email=appointment.email.strip(),
            location=appointment.location,
            name=appointment.name,
            phone=appointment.phone,
            language=appointment.language,
            reference=appointment.reference,
            reminder=appointment.reminder,
            reason=appointment.reason,
            held_until=appointment.hold_until,
            parts=tuple((part.start.astimezone(UTC), part.end.astimezone(UTC)) for part in appointment.parts),
        )

    def same_time(self, other: Snapshot) -> bool:
        """True if both begin and end at the same instants."""
        return (self.start, self.end) == (other.start, other.end)

    @property
    def starts(self) -> tuple[datetime, ...]:
        """When it begins, or each appointment of a group."""
        return tuple(sorted(start for start, _ in self.parts)) or (self.start,)

    def says_the_same(self, other: Snapshot) -> bool:
        """True if nothing differs that would need a mail: time, place, services, and whom it is told."""
        return (
            self.same_time(other)
            and self.parts == other.parts
            and self.location == other.location
            and sorted(self.services, key=_service_key) == sorted(other.services, key=_service_key)
            and self.email == other.email
        )

    def to_json(self) -> str:
        """Return it as JSON text; `from_json` reads it."""
        values = asdict(self)
        values["start"], values["end"] = self.start.isoformat(), self.end.isoformat()
        values["zone"] = self.zone.key
        values["held_until"] = self.held_until.isoformat() if self.held_until else None
        values["services"] = [[line.id, line.persons] for line in self.services]
        values["parts"] = [[start.isoformat(), end.isoformat()] for start, end in self.parts]
        return json.dumps(values, ensure_ascii=False)

    @staticmethod
    def from_json(text: str) -> Snapshot:
        """Read what `to_json` wrote."""
        values: dict[str, Any] = json.loads(text)
        values["start"] = datetime.fromisoformat(values["start"])
        values["end"] = datetime.fromisoformat(values["end"])
        values["zone"] = ZoneInfo(values["zone"])
        held_until = values.get("held_until")
        values["held_until"] = datetime.fromisoformat(held_until) if held_until else None
        values["services"] = tuple(ServiceLine(id_, persons) for id_, persons in values["services"])
        values["parts"] = tuple(
            (datetime.fromisoformat(start), datetime.fromisoformat(end))
            for start, end in values.get("parts", ())
        )
        return Snapshot(**values)


def _service_key(line: ServiceLine) -> tuple[str, int]:
    return (line.id, line.persons)


@dataclass(frozen=True, slots=True)
class Told:
    """What the citizen was last told, by the message of that `sequence`."""

    snapshot: Snapshot
    sequence: int
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """The message that is due. After it, she has been told `told`.

    `previous` is what she knew before (None: nothing); `reason` is why, in the office's words, if somebody said so.
    """

    kind: Kind
    told: Told
    previous: Snapshot | None = None
    by_citizen: bool = False
    reason: str = ""
    declined: bool = False
    """It's cancelled because she declined it in her own calendar; she may take that back."""
    repeat: str = ""
    """Tells one repetition that she asked for from another, and from the first mail."""

    @property
    def method(self) -> Method:
        """The iTIP method that carries it."""
        return Method.CANCEL if self.told.cancelled else Method.REQUEST


def decide(
    told: Told | None,
    current: Appointment | None,
    *,
    office: str,
    now: datetime,
    by_citizen: bool = False,
    refused: Told | None = None,
) -> Decision | None:
    """Return the message that brings the citizen from `told` to `current`, or None.

    `current` is the appointment as it stands; None only if its deletion is stored (a signal that is merely absent must not come here).
    `now` is aware. `by_citizen`: she made the change herself. `refused` is a message that could not be delivered for good:
    the same isn't tried again.

    A changed address gets a confirmation, and the former one nothing: as a rule it was mistyped.
    """
    if current is None or current.cancelled:
        decision = _cancellation(told, current, now)
    elif current.is_hold or not current.email.strip() or current.end <= now:
        decision = None
    else:
        seen = Snapshot.of(current, office)
        decision = _news(told, seen, current.sequence, is_proposal=current.proposed is not None)
    if decision is None or (refused is not None and _is_refused(decision.told, refused)):
        return None
    # The appointment keeps the reason of an earlier change; it isn't that of this one.
    known = told.snapshot.reason if told else ""
    reason = "" if by_citizen or decision.reason == known else decision.reason
    return replace(decision, by_citizen=by_citizen, reason=reason)


def beside(
    told: Told | None,
    awaiting: Snapshot | None,
    current: Appointment | None,
    *,
    office: str,
    now: datetime,
) -> Decision | None:
    """Return what is to be said while there's no news: confirm it, it ran out, or the last mail once more. It may have been said before.

    `awaiting` is what she was asked to confirm, if she was; `told`, `current`, `office` and `now` as for `decide`.
    """
    if current is None:
        return _expired(told, awaiting, now)
    repeat = current.resend.astimezone(UTC) if current.resend is not None else None
    said = repeat.strftime("%Y%m%dT%H%M%SZ") if repeat is not None else ""
    if current.is_hold:
        waits = current.awaits == ACTIVATION and current.hold_until is not None and now < current.hold_until
        if not waits or not current.email.strip():
            return None
        return Decision(Kind.ACTIVATION, Told(Snapshot.of(current, office), current.sequence), repeat=said)
    if told is None or told.cancelled or current.cancelled or current.end <= now:
        return None
    if repeat is None or not repeat <= now + _RESENT_WITHIN or now - repeat > _RESENT_WITHIN:
        return None
    return Decision(Kind.RESENT, told, repeat=said)


def _expired(told: Told | None, awaiting: Snapshot | None, now: datetime) -> Decision | None:
    if told is not None or awaiting is None or awaiting.held_until is None or awaiting.end <= now:
        return None
    # What goes before its time, she gave back herself.
    return Decision(Kind.EXPIRED, Told(awaiting, 0)) if awaiting.held_until <= now else None


def _cancellation(told: Told | None, current: Appointment | None, now: datetime) -> Decision | None:
    if told is None or told.cancelled or told.snapshot.end <= now:
        return None
    sequence, reason = (current.sequence, current.reason) if current else (0, "")
    after = Told(replace(told.snapshot, reason=reason), max(sequence, told.sequence + 1), cancelled=True)
    declined = current is not None and current.declined
    return Decision(Kind.CANCELLED, after, previous=told.snapshot, reason=reason, declined=declined)


def _news(told: Told | None, seen: Snapshot, sequence: int, *, is_proposal: bool = False) -> Decision | None:
    if told is None:
        return Decision(Kind.CONFIRMATION, Told(seen, sequence))
    before = told.snapshot
    after = Told(seen, max(sequence, told.sequence + 1))
    if before.email != seen.email:
        return Decision(Kind.CONFIRMATION, after)
    if told.cancelled:
        return Decision(Kind.RESTORED, after, previous=before, reason=seen.reason)
    if before.says_the_same(seen):
        return None
    # Those of a group that are left when one is cancelled haven't moved.
    shifted = not Counter(seen.starts) <= Counter(before.starts)
    kind = Kind.MOVED if shifted or before.location != seen.location else Kind.CHANGED
    if is_proposal and shifted:
        kind = Kind.PROPOSAL
    return Decision(kind, after, previous=before, reason=seen.reason)


def _is_refused(due: Told, refused: Told) -> bool:
    return due.cancelled == refused.cancelled and due.snapshot.says_the_same(refused.snapshot)

"""Every mail as it would be written today, about an invented citizen, so that staff can read them all beforehand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Literal

from booking_web.booking.tokens import derived_uid
from booking_web.notifications.letters import Letters
from booking_web.notifications.mails import compose
from booking_web.notifications.told import Decision, Kind, Snapshot, Told
from booking_web.reasons import ABSENCE
from calendar_server.ical.appointment import ServiceLine

if TYPE_CHECKING:
    from booking_web.notifications.mails import Mail
    from booking_web.town import OfficeInfo, Town

_SECRET = b"a preview's links lead nowhere"
_AHEAD = timedelta(days=7)
_ROOM = "Raum 2.14"


@dataclass(frozen=True, slots=True)
class Preview:
    """One mail; `by_citizen`: she caused it herself; `declined`: by declining in her own calendar; `room`: another one, with or without another time."""

    kind: Kind
    language: str
    by_citizen: bool
    declined: bool
    room: Literal["", "alone", "too"]
    mail: Mail

    @property
    def name(self) -> str:
        """What tells it from the others of its language."""
        cause = "-declined" if self.declined else "-by-citizen" if self.by_citizen else ""
        return f"{self.kind.value}{cause}{f'-room-{self.room}' if self.room else ''}"


def previews(
    town: Town, office: OfficeInfo, now: datetime, languages: tuple[str, ...] = ()
) -> tuple[Preview, ...]:
    """Return all mails of an office in these languages, or all; `now` (aware) is when they would be written."""
    letters = Letters(town, _SECRET)
    return tuple(
        Preview(
            kind,
            language,
            decision.by_citizen,
            decision.declined,
            _room(decision),
            compose(decision, letters, town, now=now),
        )
        for language in languages or town.languages
        for kind in Kind
        if kind is not Kind.FEEDBACK
        for decision in _decisions(town, office, kind, language, now)
    )


def _decisions(
    town: Town, office: OfficeInfo, kind: Kind, language: str, now: datetime
) -> tuple[Decision, ...]:
    """The ways in which a mail of this kind can come about."""
    by_office = _decision(town, office, kind, language, by_citizen=False, now=now)
    if kind not in {Kind.MOVED, Kind.CHANGED, Kind.CANCELLED}:
        return (by_office,)
    by_citizen = _decision(town, office, kind, language, by_citizen=True, now=now)
    if kind is Kind.CANCELLED:
        return by_office, by_citizen, replace(by_citizen, declined=True)
    if kind is Kind.MOVED:
        return by_office, by_citizen, *_to_another_room(by_office)
    return by_office, by_citizen


def _to_another_room(decision: Decision) -> tuple[Decision, Decision]:
    """The same mail where the time stays and only the room is another one, and where both are."""
    told = replace(decision.told, snapshot=replace(decision.told.snapshot, location=_ROOM))
    alone = replace(decision, told=told, previous=decision.told.snapshot, reason="")
    return alone, replace(decision, told=told)


def _room(decision: Decision) -> Literal["", "alone", "too"]:
    before, seen = decision.previous, decision.told.snapshot
    if before is None or before.location == seen.location:
        return ""
    return "alone" if before.start == seen.start else "too"


def _decision(
    town: Town, office: OfficeInfo, kind: Kind, language: str, *, by_citizen: bool, now: datetime
) -> Decision:
    day = (now.astimezone(office.zone) + _AHEAD).date()
    start = datetime.combine(day, time(9), office.zone).astimezone(UTC)
    seen = Snapshot(
        office=office.id,
        uid=derived_uid(_SECRET, town.host, "preview"),
        start=start,
        end=start + timedelta(minutes=30),
        zone=office.zone,
        services=tuple(ServiceLine(service) for service in office.services[:2]),
        email="erika.muster@example.org",
        name="Erika Muster",
        language=language,
        reference="K7QM-3XPD",
        held_until=now + timedelta(hours=1) if kind in {Kind.ACTIVATION, Kind.EXPIRED, Kind.OFFER} else None,
    )
    before = replace(seen, start=start - timedelta(hours=1), end=seen.end - timedelta(hours=1))
    said = kind in {Kind.MOVED, Kind.PROPOSAL, Kind.CANCELLED} and not by_citizen
    reason = ABSENCE if said else ""
    previous = None if kind is Kind.CONFIRMATION else before
    return Decision(kind, Told(seen, 1, cancelled=kind is Kind.CANCELLED), previous, by_citizen, reason)

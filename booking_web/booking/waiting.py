"""The waiting list as the citizen uses it: put herself on it, look, take what is offered or not, leave.

The calendar server keeps the list and makes the offers (`calendar_server.waiting`). A wish is found by its token alone, as an appointment is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from booking_web.booking.errors import (
    FieldError,
    InvalidError,
    KeyReusedError,
    LimitedError,
    ListClosedError,
    OfferOverError,
    WishGoneError,
)
from booking_web.booking.event import make_appointment
from booking_web.booking.tokens import derived_uid, make_token, random_uid, read_token
from calendar_server.client import Caller, NotFoundError, RefusedError
from calendar_server.ical.appointment import from_ical, to_ical

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import date

    from booking_web.booking.appointments import Booked
    from booking_web.booking.choice import Choice
    from booking_web.booking.person import Person
    from booking_web.town import OfficeInfo, Town
    from calendar_server.client import CalendarClient
    from calendar_server.ical.appointment import Appointment

LONGEST_DAYS = 180
"""Nobody waits longer."""
_SHORTEST_KEY = 20
_NOON = 720
_WHOLE_DAY = 1440
LIMITS = frozenset({"address-limit", "network-limit", "share-limit"})
"""The rules of `LimitedError`s that a wish may meet."""
_RETRY_SECONDS = 600
_SOMEBODY = Caller()


class Part(StrEnum):
    """When on a day."""

    ANY = "any"
    MORNING = "morning"
    AFTERNOON = "afternoon"


@dataclass(frozen=True, slots=True)
class Preference:
    """Which times she wants: on `weekdays` (Monday is 0; empty: any), in that part of the day, on `until` at the latest."""

    until: date
    weekdays: frozenset[int] = frozenset()
    part: Part = Part.ANY

    def suits(self, start: datetime) -> bool:
        """Tell whether a start, in the office's zone, is what she wants."""
        morning = start.hour < 12
        return (
            start.date() <= self.until
            and (not self.weekdays or start.weekday() in self.weekdays)
            and (self.part is Part.ANY or morning == (self.part is Part.MORNING))
        )


@dataclass(frozen=True, slots=True)
class Wish:
    """A wish as it stands, and the token that leads to it. `state` is a `calendar_server.wishes.WishState`.

    `offered` and `offered_until` are in the office's zone, None without an offer. `booked` is the token of the appointment once it is taken.
    `replaces` is the token of an appointment of hers that moves to the offered time when she takes it, or has moved; empty without one.
    """

    token: str
    office: OfficeInfo
    state: str
    wanted: Appointment
    preference: Preference
    offered: datetime | None
    offered_until: datetime | None
    booked: str
    replaces: str = ""


def check_preference(
    office: OfficeInfo,
    *,
    until: date | None,
    weekdays: Iterable[int],
    part: str,
    now: datetime,
    errors: list[FieldError],
) -> Preference | None:
    """Check what she wants; None if something can't be, with the reasons in `errors`. `now` is aware; `until` None: missing or no date."""
    today = now.astimezone(office.zone).date()
    found = len(errors)
    if until is None:
        errors.append(FieldError("until", "wish-until"))
    elif until < today:
        errors.append(FieldError("until", "wish-past"))
    elif until > today + timedelta(days=LONGEST_DAYS):
        errors.append(FieldError("until", "wish-too-far", LONGEST_DAYS))
    days = frozenset(weekdays)
    if not days <= frozenset(range(7)):
        errors.append(FieldError("weekdays", "unknown"))
    if part not in {each.value for each in Part}:
        errors.append(FieldError("part", "unknown"))
    if len(errors) > found or until is None:
        return None
    return Preference(until, days, Part(part))


class WaitingList:
    """The use cases for one town. `secret` signs tokens; `now` returns an aware datetime."""

    def __init__(
        self,
        town: Town,
        client: CalendarClient,
        *,
        secret: bytes,
        now: Callable[[], datetime],
        caller: Caller | None = _SOMEBODY,
    ) -> None:
        self._town = town
        self._client = client
        self._secret = secret
        self._now = now
        self._caller = caller

    def on_behalf_of(self, caller: Caller | None) -> WaitingList:
        """Return the same for one member of the public; for None, a trusted partner, without limits of networks."""
        return WaitingList(self._town, self._client, secret=self._secret, now=self._now, caller=caller)

    def add(self, choice: Choice, preference: Preference, person: Person, key: str, scope: str = "") -> Wish:
        """Put her on the list; the same `key` (within `scope`) again is the same wish.

        Raises InvalidError (field "email": too many wishes), ListClosedError, LimitedError, KeyReusedError, UnavailableError.
        """
        if not choice.office.waiting:
            raise ListClosedError
        wish_id, uid = self._ids(key, scope)
        # Each waits for herself: a group's appointments don't become free together.
        wanted = make_appointment(
            replace(choice, group=1), uid, self._any_start(), person, secret=self._secret
        )
        return self._add(choice.office, wish_id, wanted, preference)

    def add_instead(self, booked: Booked, preference: Preference, key: str) -> Wish:
        """Put her on the list for another time of the appointment that she has: it moves there when she takes an offer.

        The same `key` again is the same wish. Raises as `add` does; ListClosedError also for a group and for what is only reserved.
        """
        now = booked.appointment
        if not booked.office.waiting or now.is_hold or now.parts:
            raise ListClosedError
        wish_id, uid = self._ids(key, booked.token)
        # Booked as it is here only if hers is gone by then.
        wanted = replace(
            now.at(self._any_start()),
            uid=uid,
            sequence=0,
            dtstamp=None,
            pinned=False,
            reason="",
            proposed=None,
            resend=None,
        )
        return self._add(booked.office, wish_id, wanted, preference, replaces=now.uid)

    def _ids(self, key: str, scope: str) -> tuple[str, str]:
        """Return the ids of a wish and of what is booked for it."""
        if len(key) < _SHORTEST_KEY and not scope:
            return random_uid(self._town.host), random_uid(self._town.host)
        return (
            derived_uid(self._secret, self._town.host, "wish", scope, key),
            derived_uid(self._secret, self._town.host, "wished", scope, key),
        )

    def _any_start(self) -> datetime:
        now = self._now().replace(microsecond=0)
        return (now + timedelta(days=1)).astimezone(UTC).replace(minute=0, second=0)

    def _add(
        self,
        office: OfficeInfo,
        wish_id: str,
        wanted: Appointment,
        preference: Preference,
        *,
        replaces: str = "",
    ) -> Wish:
        now = self._now().replace(microsecond=0)
        last = datetime.combine(preference.until, time(23, 59), office.zone)
        try:
            made = self._client.add_wish(
                {
                    "id": wish_id,
                    "office": office.id,
                    "text": to_ical(wanted, now=now),
                    "first": int(now.timestamp()),
                    "last": int(last.timestamp()),
                    "weekdays": sum(1 << day for day in preference.weekdays) or 127,
                    "from_minute": _NOON if preference.part is Part.AFTERNOON else 0,
                    "until_minute": _NOON if preference.part is Part.MORNING else _WHOLE_DAY,
                    "replaces": replaces,
                },
                caller=self._caller,
            )
        except RefusedError as error:
            raise _refusal(error) from error
        return self._wish(office, made)

    def find(self, token: str) -> Wish:
        """Return the wish behind a token. Raises WishGoneError, UnavailableError."""
        office, wish_id = self._identify(token)
        try:
            return self._wish(office, self._client.wish(wish_id))
        except NotFoundError as error:
            raise WishGoneError from error

    def accept(self, token: str, start: datetime) -> Wish:
        """Take what is offered, if that is at `start`; a repeat returns the same. Raises OfferOverError, WishGoneError, UnavailableError."""
        return self._decide(token, "accept", start)

    def decline(self, token: str, start: datetime) -> Wish:
        """Leave what is offered at `start` to others, and wait on. Raises WishGoneError, UnavailableError."""
        return self._decide(token, "decline", start)

    def leave(self, token: str) -> Wish:
        """Take her off the list. Raises WishGoneError, UnavailableError."""
        return self._decide(token, "leave")

    def _decide(self, token: str, verb: str, start: datetime | None = None) -> Wish:
        office, wish_id = self._identify(token)
        at = max(0, int(start.timestamp())) if start is not None else 0
        try:
            return self._wish(office, self._client.decide_wish(wish_id, verb, at))
        except NotFoundError as error:
            raise WishGoneError from error
        except RefusedError as error:
            raise OfferOverError(too_short=error.rule == "offer-too-short") from error

    def _identify(self, token: str) -> tuple[OfficeInfo, str]:
        offices = {office.id: office for office in self._town.offices}
        found = read_token(self._secret, self._town.host, offices, token)
        if found is None:
            raise WishGoneError
        return offices[found[0]], found[1]

    def _wish(self, office: OfficeInfo, values: dict[str, Any]) -> Wish:
        def local(epoch: int | None) -> datetime | None:
            return None if epoch is None else datetime.fromtimestamp(epoch, office.zone)

        wanted = from_ical(values["text"], office.zone)
        until = local(values["last"])
        assert until is not None
        days = frozenset(day for day in range(7) if values["weekdays"] >> day & 1)
        part = Part.ANY
        if values["from_minute"] == _NOON:
            part = Part.AFTERNOON
        elif values["until_minute"] == _NOON:
            part = Part.MORNING
        state, offered_until = values["state"], local(values["offered_until"])
        if offered_until is not None and offered_until <= self._now():
            # It has run out; the calendar notes that within seconds.
            state, offered_until = "waiting", None
        taken = state == "taken"
        return Wish(
            token=make_token(self._secret, office.id, values["id"]),
            office=office,
            state=state,
            wanted=wanted,
            preference=Preference(until.date(), frozenset() if len(days) == 7 else days, part),
            offered=local(values["offered_start"]) if state == "offered" else None,
            offered_until=offered_until,
            booked=make_token(self._secret, office.id, values["replaces"] or wanted.uid) if taken else "",
            replaces=make_token(self._secret, office.id, values["replaces"]) if values["replaces"] else "",
        )


def _refusal(error: RefusedError) -> Exception:
    if error.rule in LIMITS:
        return LimitedError(error.rule, error.retry_after or _RETRY_SECONDS)
    if error.rule == "too-many-wishes":
        return InvalidError([FieldError("email", "too-many-wishes")])
    if error.rule == "already-booked":
        return KeyReusedError()
    if error.rule == "unknown-service":
        return InvalidError([FieldError("services", "unknown-service")])
    if error.rule == "bad-wish":
        return InvalidError([FieldError("until", "wish-past")])
    return ListClosedError()

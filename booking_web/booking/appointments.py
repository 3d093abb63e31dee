"""The citizen's use cases: hold a time, confirm it, book at once, look at, move and cancel her appointment.

Every write is one conditional PUT or DELETE of one object, so that the calendar server alone decides who gets a time.
Every use case can be repeated: a double click, the back button or a retry finds what the first attempt made.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from booking_web.booking.availability import on_grid
from booking_web.booking.choice import chosen_in
from booking_web.booking.errors import (
    FieldError,
    GoneError,
    InvalidError,
    KeyEndedError,
    KeyReusedError,
    LimitedError,
    OutdatedError,
    ProofUsedError,
    SlotTakenError,
    TooLateError,
)
from booking_web.booking.event import make_appointment, make_hold
from booking_web.booking.tokens import activation_code, derived_uid, make_token, random_uid, read_token
from calendar_server.client import Caller, ChangedError, NotFoundError, RefusedError, UnavailableError
from calendar_server.ical.appointment import ACTIVATION, Part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from booking_web.booking.availability import Follower
    from booking_web.booking.choice import Choice
    from booking_web.booking.person import Person
    from booking_web.town import OfficeInfo, Town
    from calendar_server.client import CalendarClient, Stored
    from calendar_server.ical.appointment import Appointment

_SHORTEST_KEY = 20
"""Keys of our own forms have 24 characters (`new_key`)."""
_LIMITS = frozenset({"address-limit", "network-limit", "share-limit", "resend-limit"})
_RETRY_SECONDS = 600
_SOMEBODY = Caller()
_FRESH_SECONDS = 1.0
"""So old may be what a group is planned from; the calendar decides in any case."""
_ATTEMPTS = 4
"""How often a write is tried again after somebody else changed the same appointment in between."""


@dataclass(frozen=True, slots=True)
class Booked:
    """An appointment or a hold as it stands, the office it is in, and the token that leads to it."""

    token: str
    office: OfficeInfo
    appointment: Appointment

    @property
    def times(self) -> str:
        """When it begins, or each appointment of a group: what somebody has seen who agrees to it."""
        parts = self.appointment.parts
        return times_of([part.start for part in parts] if parts else [self.appointment.start])


def times_of(starts: Iterable[datetime]) -> str:
    """Return times as `Booked.times` has them: epoch seconds in their order."""
    return " ".join(str(int(start.timestamp())) for start in sorted(starts))


class Appointments:
    """The use cases for one town. `secret` signs tokens; `now` returns an aware datetime."""

    def __init__(
        self,
        town: Town,
        client: CalendarClient,
        follower: Follower,
        *,
        secret: bytes,
        now: Callable[[], datetime],
        caller: Caller | None = _SOMEBODY,
        released_only: bool = True,
    ) -> None:
        self._town = town
        self._client = client
        self._follower = follower
        self._secret = secret
        self._now = now
        self._caller = caller
        self._released_only = released_only

    def _of(self, caller: Caller | None, *, released_only: bool) -> Appointments:
        return Appointments(
            self._town,
            self._client,
            self._follower,
            secret=self._secret,
            now=self._now,
            caller=caller,
            released_only=released_only,
        )

    def on_behalf_of(self, caller: Caller) -> Appointments:
        """Return the same for one member of the public, whose network and proof of work count in what is booked."""
        return self._of(caller, released_only=self._released_only)

    def without_limits(self) -> Appointments:
        """Return the same for a trusted partner: no limits for addresses and networks."""
        return self._of(None, released_only=self._released_only)

    def with_all_times(self) -> Appointments:
        """Return the same for a partner who may book what isn't released to the public yet (a hotline), without limits."""
        return self._of(None, released_only=False)

    def hold(self, choice: Choice, start: datetime, key: str, previous: str | None = None) -> Booked:
        """Keep a time for the office's `hold_minutes`; the same `key` again moves that hold, and never makes a second one.

        `previous` is the token of an earlier hold of the same citizen: it moves along, so that she never has two. If the
        hold has become an appointment by now, that appointment is returned unchanged.
        Raises InvalidError (field "start"), SlotTakenError, UnavailableError.
        """
        self._check_start(choice.office, choice.service_ids, start)
        uid = self._uid_of_hold(choice, key, previous)
        until = self._now() + timedelta(minutes=choice.office.release.hold_minutes)
        wanted = make_hold(choice, uid, start, until.replace(microsecond=0))
        for _ in range(_ATTEMPTS):
            stored = self._find(choice.office, uid)
            if stored is not None and (not stored.appointment.is_hold or stored.appointment.awaits):
                return self._booked(choice.office, stored.appointment)
            whole = self._as_group(wanted, choice, stored)
            try:
                self._put(choice.office, whole, stored)
            except ChangedError:
                continue
            return self._booked(choice.office, whole)
        raise UnavailableError("the hold kept changing")

    def _uid_of_hold(self, choice: Choice, key: str, previous: str | None) -> str:
        if previous is not None:
            try:
                held = self.find(previous)
            except GoneError:
                held = None
            if held is not None and held.appointment.is_hold and not held.appointment.awaits:
                if held.office == choice.office and _size(held.appointment) == choice.group:
                    return held.appointment.uid
                self.release(previous)
        # A key that somebody could hit on by chance must not lead to another citizen's hold.
        if len(key) < _SHORTEST_KEY:
            return random_uid(self._town.host)
        return derived_uid(self._secret, self._town.host, "hold", key)

    def hold_once(self, choice: Choice, start: datetime, key: str | None, scope: str) -> Booked:
        """Keep a time for a program. With an idempotency `key` (within `scope`) a repeat returns the same hold.

        Raises InvalidError, SlotTakenError, KeyReusedError (the key with other content), KeyEndedError (it became an appointment that the
        office cancelled), UnavailableError.
        """
        self._check_start(choice.office, choice.service_ids, start)
        if key is None:
            uid = random_uid(self._town.host)
        else:
            uid = derived_uid(self._secret, self._town.host, "api-hold", scope, key)
        until = self._now() + timedelta(minutes=choice.office.release.hold_minutes)
        wanted = make_hold(choice, uid, start, until.replace(microsecond=0))
        for _ in range(_ATTEMPTS):
            stored = self._find(choice.office, uid)
            if stored is not None and not self._has_run_out(stored.appointment):
                held = stored.appointment
                if held.cancelled:
                    raise KeyEndedError
                if (held.services, held.start, held.group) != (wanted.services, start, choice.group):
                    raise KeyReusedError
                return self._booked(choice.office, stored.appointment)
            whole = self._as_group(wanted, choice, stored)
            try:
                self._put(choice.office, whole, stored)
            except ChangedError:
                continue
            return self._booked(choice.office, whole)
        raise UnavailableError("the hold kept changing")

    def _has_run_out(self, appointment: Appointment) -> bool:
        return appointment.hold_until is not None and appointment.hold_until <= self._now()

    def prolong(self, token: str) -> Booked:
        """Keep a held time for another `hold_minutes` from now. Raises GoneError, SlotTakenError, UnavailableError."""
        office, stored = self._read(token)
        if not stored.appointment.is_hold or stored.appointment.awaits:
            return self._booked(office, stored.appointment)
        until = self._now() + timedelta(minutes=office.release.hold_minutes)
        wanted = replace(stored.appointment, hold_until=until.replace(microsecond=0))
        try:
            self._put(office, wanted, stored)
        except ChangedError as error:
            raise GoneError from error
        return self._booked(office, wanted)

    def release(self, token: str) -> None:
        """Give a held time back; an appointment stays, and so does anything that the token doesn't lead to."""
        try:
            office, stored = self._read(token)
            if stored.appointment.is_hold and not stored.appointment.awaits:
                self._client.cancel(office.id, stored.appointment.uid, etag=stored.etag)
                self._follower.feeds[office.id].outdate()
        except (GoneError, NotFoundError, ChangedError):
            return

    def confirm(
        self,
        token: str,
        choice: Choice,
        start: datetime,
        person: Person,
        *,
        activate_within: timedelta | None = None,
    ) -> Booked:
        """Make the hold behind `token` an appointment at `start`; if it has run out, book that time if it's still free.

        With `activate_within` it stays a hold for so long, until she has confirmed her address (`activate`).
        A repeat returns the appointment as it stands. Raises InvalidError, SlotTakenError, GoneError (no such token),
        UnavailableError.
        """
        office, uid = self._identify(token)
        if office != choice.office:
            raise GoneError
        for _ in range(_ATTEMPTS):
            stored = self._find(office, uid)
            if stored is not None and not stored.appointment.is_hold:
                return self._booked(office, stored.appointment)
            if stored is None or stored.appointment.start != start:
                self._check_start(office, choice.service_ids, start)
            if stored is not None and _size(stored.appointment) != choice.group:
                raise GoneError
            wanted = make_appointment(choice, uid, start, person, secret=self._secret)
            wanted = self._as_group(wanted, choice, stored)
            if activate_within is not None:
                wanted = self._awaiting(wanted, activate_within, stored)
                if stored is not None and _same_booking(wanted, stored.appointment):
                    return self._booked(office, stored.appointment)
            try:
                self._put(office, wanted, stored)
            except ChangedError:
                continue
            return self._booked(office, wanted)
        raise UnavailableError("the appointment kept changing")

    def confirm_once(
        self,
        token: str,
        choice: Choice,
        start: datetime,
        person: Person,
        *,
        activate_within: timedelta | None = None,
    ) -> Booked:
        """The same for a program, which isn't shown what stands: what is booked for another person is refused (KeyReusedError)."""
        booked = self.confirm(token, choice, start, person, activate_within=activate_within)
        wanted = make_appointment(choice, booked.appointment.uid, start, person, secret=self._secret)
        if not _same_person(wanted, booked.appointment):
            raise KeyReusedError
        return booked

    def _awaiting(self, wanted: Appointment, within: timedelta, stored: Stored | None) -> Appointment:
        """The same as a hold until her address is confirmed. Correcting what was entered doesn't keep the time longer."""
        until = min((self._now() + within).replace(microsecond=0), wanted.start)
        if stored is not None and stored.appointment.awaits and stored.appointment.hold_until is not None:
            until = stored.appointment.hold_until
        return replace(wanted, hold_until=until, awaits=ACTIVATION)

    def activate(self, token: str, code: str) -> Booked:
        """Make the hold behind `token` an appointment: `code` was in the mail to her address. A repeat returns the appointment.

        Raises GoneError (also for another address's code), UnavailableError.
        """
        for _ in range(_ATTEMPTS):
            office, stored = self._read(token)
            self._check_code(office, stored.appointment, code)
            if not stored.appointment.is_hold:
                return self._booked(office, stored.appointment)
            if stored.appointment.awaits != ACTIVATION:
                raise GoneError
            booked = replace(stored.appointment, hold_until=None, awaits="")
            try:
                self._put(office, booked, stored)
            except (ChangedError, SlotTakenError):
                continue
            return self._booked(office, booked)
        raise UnavailableError("the appointment kept changing")

    def to_activate(self, token: str, code: str) -> Booked:
        """Return what `activate` would make an appointment of, or has. Raises GoneError, UnavailableError."""
        office, stored = self._read(token)
        self._check_code(office, stored.appointment, code)
        return self._booked(office, stored.appointment)

    def _check_code(self, office: OfficeInfo, appointment: Appointment, code: str) -> None:
        right = activation_code(self._secret, office.id, appointment.uid, appointment.email)
        if not hmac.compare_digest(right, code):
            raise GoneError

    def resend(self, token: str) -> Booked:
        """Have the last mail sent once more. Raises GoneError, TooLateError, LimitedError, UnavailableError."""
        for _ in range(_ATTEMPTS):
            office, stored = self._read(token)
            if (stored.appointment.is_hold and not stored.appointment.awaits) or not stored.appointment.email:
                raise GoneError
            if stored.appointment.end <= self._now():
                raise TooLateError
            wanted = replace(stored.appointment, resend=self._now().replace(microsecond=0))
            try:
                self._put(office, wanted, stored)
            except ChangedError:
                continue
            return self._booked(office, wanted)
        raise UnavailableError("the appointment kept changing")

    def book(
        self,
        choice: Choice,
        start: datetime,
        person: Person,
        key: str | None = None,
        scope: str = "",
        *,
        activate_within: timedelta | None = None,
    ) -> Booked:
        """Book at once. With an idempotency `key` (within `scope`) a repeat returns the same appointment; `activate_within` as for `confirm`.

        Raises InvalidError, SlotTakenError, KeyReusedError (the key with other content), KeyEndedError (what it booked is cancelled),
        UnavailableError.
        """
        if key is None:
            uid = random_uid(self._town.host)
        else:
            uid = derived_uid(self._secret, self._town.host, "api", scope, key)
        wanted = make_appointment(choice, uid, start, person, secret=self._secret)
        if activate_within is not None:
            wanted = self._awaiting(wanted, activate_within, None)
        if key is not None:
            stored = self._find(choice.office, uid)
            if stored is not None:
                return self._repeat(choice, wanted, stored.appointment)
        self._check_start(choice.office, choice.service_ids, start)
        wanted = self._as_group(wanted, choice, None)
        try:
            self._put(choice.office, wanted, None, once=key is not None)
        except ChangedError as error:
            stored = self._find(choice.office, uid)
            if stored is None:
                raise SlotTakenError(start) from error
            return self._repeat(choice, wanted, stored.appointment)
        return self._booked(choice.office, wanted)

    def find(self, token: str) -> Booked:
        """Return the appointment or hold behind a token. Raises GoneError, UnavailableError."""
        office, stored = self._read(token)
        return self._booked(office, stored.appointment)

    def move(self, token: str, start: datetime) -> Booked:
        """Move the appointment to another time; to its own time nothing is done.

        Raises GoneError, TooLateError, InvalidError, SlotTakenError, UnavailableError.
        """
        for _ in range(_ATTEMPTS):
            office, stored = self._read(token)
            self._check_change(office, stored.appointment)
            if stored.appointment.start == start:
                try:
                    return self._agree(office, stored)
                except ChangedError:
                    continue
            services = frozenset(line.id for line in stored.appointment.services)
            self._check_start(office, services, start)
            moved = replace(self._at(stored.appointment, start), reason="", proposed=None)
            try:
                self._put(office, moved, stored)
            except ChangedError:
                continue
            return self._booked(office, self._read(token)[1].appointment)
        raise UnavailableError("the appointment kept changing")

    def cancel(self, token: str) -> Booked:
        """Cancel the appointment and return it as it was. Raises GoneError, TooLateError, UnavailableError."""
        for _ in range(_ATTEMPTS):
            office, stored = self._read(token)
            self._check_change(office, stored.appointment)
            try:
                self._client.cancel(office.id, stored.appointment.uid, etag=stored.etag)
            except ChangedError:
                continue
            except NotFoundError as error:
                raise GoneError from error
            self._follower.feeds[office.id].outdate()
            return self._booked(office, stored.appointment)
        raise UnavailableError("the appointment kept changing")

    def cancel_part(self, token: str, number: int) -> Booked:
        """Cancel one appointment of a group, by its number; of the last one that is left, all. Returns the group as it was.

        Raises GoneError, TooLateError, UnavailableError.
        """
        for _ in range(_ATTEMPTS):
            office, stored = self._read(token)
            self._check_change(office, stored.appointment)
            if number not in {part.number for part in stored.appointment.parts}:
                raise GoneError
            try:
                self._client.cancel_part(office.id, stored, number)
            except ChangedError:
                continue
            except NotFoundError as error:
                raise GoneError from error
            self._follower.feeds[office.id].outdate()
            return self._booked(office, stored.appointment)
        raise UnavailableError("the appointment kept changing")

    def remind(self, token: str, *, wanted: bool) -> Booked:
        """Switch the reminder on or off. Raises GoneError, TooLateError, UnavailableError."""
        for _ in range(_ATTEMPTS):
            office, stored = self._read(token)
            self._check_change(office, stored.appointment)
            if stored.appointment.is_hold:
                raise GoneError
            if stored.appointment.reminder == wanted:
                return self._booked(office, stored.appointment)
            changed = replace(stored.appointment, reminder=wanted)
            try:
                self._put(office, changed, stored)
            except ChangedError:
                continue
            return self._booked(office, changed)
        raise UnavailableError("the appointment kept changing")

    def accept(self, token: str, seen: str = "") -> Booked:
        """Agree to the time that the office chose; a repeat changes nothing.

        `seen` are the times that she was asked about (`Booked.times`). Raises OutdatedError if they're others now, GoneError, TooLateError,
        UnavailableError.
        """
        for _ in range(_ATTEMPTS):
            office, stored = self._read(token)
            if stored.appointment.is_hold:
                raise GoneError
            if seen and seen != self._booked(office, stored.appointment).times:
                raise OutdatedError
            self._check_change(office, stored.appointment)
            try:
                return self._agree(office, stored)
            except ChangedError:
                continue
        raise UnavailableError("the appointment kept changing")

    def _agree(self, office: OfficeInfo, stored: Stored) -> Booked:
        if stored.appointment.proposed is None:
            return self._booked(office, stored.appointment)
        agreed = replace(stored.appointment, proposed=None)
        self._put(office, agreed, stored)
        return self._booked(office, agreed)

    def cancelled(self, token: str) -> Booked:
        """Return the cancelled appointment behind a token, for as long as it's kept. Raises GoneError, UnavailableError."""
        office, uid = self._identify(token)
        stored = self._find(office, uid)
        if stored is None or not stored.appointment.cancelled or stored.appointment.end <= self._now():
            raise GoneError
        return self._booked(office, stored.appointment)

    def followed(self, token: str) -> tuple[OfficeInfo, Booked | None]:
        """Return the office and the appointment behind a token, also a cancelled one; None if it's gone.

        For calendar programs that follow it, which must learn what became of it. Raises GoneError (no such token), UnavailableError.
        """
        office, uid = self._identify(token)
        stored = self._find(office, uid)
        if stored is None or stored.appointment.is_hold:
            return office, None
        return office, self._booked(office, stored.appointment)

    def restore(self, token: str) -> Booked:
        """Bring back an appointment that she declined in her own calendar; a repeat returns it as it stands.

        Raises GoneError (also if the office cancelled it), TooLateError, SlotTakenError, UnavailableError.
        """
        for _ in range(_ATTEMPTS):
            office, uid = self._identify(token)
            stored = self._find(office, uid)
            if stored is None:
                raise GoneError
            if not stored.appointment.cancelled:
                return self.find(token)
            if not stored.appointment.declined:
                raise GoneError
            if stored.appointment.start <= self._now():
                raise TooLateError
            back = replace(stored.appointment, cancelled=False, declined=False)
            try:
                # What is released to the public, and when times come back, doesn't bind her: it was hers.
                self._put(office, back, stored, released_only=False)
            except ChangedError:
                continue
            return self.find(token)
        raise UnavailableError("the appointment kept changing")

    def may_change(self, booked: Booked) -> bool:
        """True while the citizen may still move or cancel it online; what the office moved, she may change until it begins."""
        return self._is_changeable(booked.office, booked.appointment)

    def _booked(self, office: OfficeInfo, appointment: Appointment) -> Booked:
        return Booked(make_token(self._secret, office.id, appointment.uid), office, appointment)

    def _repeat(self, choice: Choice, wanted: Appointment, stored: Appointment) -> Booked:
        """A key that came before: the same person and services mean the same booking, wherever it has moved since."""
        same = (
            stored.services == wanted.services
            and stored.group == choice.group
            and _same_person(wanted, stored)
            and (stored.start == wanted.start or stored.sequence > 0)
        )
        if not same:
            raise KeyReusedError
        if stored.cancelled or self._has_run_out(stored):
            raise KeyEndedError
        return self._booked(choice.office, stored)

    def _identify(self, token: str) -> tuple[OfficeInfo, str]:
        offices = {office.id: office for office in self._town.offices}
        found = read_token(self._secret, self._town.host, offices, token)
        if found is None:
            raise GoneError
        return offices[found[0]], found[1]

    def _as_group(self, wanted: Appointment, choice: Choice, stored: Stored | None) -> Appointment:
        """Return the appointments of a group, in the places they have already or in those that are free now. Raises SlotTakenError."""
        if choice.group == 1:
            return wanted
        if stored is not None and _is_same_time(stored.appointment, wanted):
            parts = stored.appointment.parts
        else:
            parts = self._places(choice, wanted.start)
        return replace(wanted, group=choice.group, parts=parts, end=max(part.end for part in parts))

    def _places(self, choice: Choice, start: datetime) -> tuple[Part, ...]:
        feed = self._follower.feeds[choice.office.id]
        feed.fresh(_FRESH_SECONDS)
        starts = feed.plan(choice, start, released_only=self._released_only)
        if starts is None:
            # Room may have become free a moment ago.
            feed.outdate()
            feed.fresh(_FRESH_SECONDS)
            starts = feed.plan(choice, start, released_only=self._released_only)
        if starts is None:
            raise SlotTakenError(start)
        return tuple(Part(number, each, each + choice.duration) for number, each in enumerate(starts, 1))

    def _at(self, now: Appointment, start: datetime) -> Appointment:
        """The same at another time; of a group what is left of it. Raises SlotTakenError, InvalidError."""
        if not now.parts:
            return now.at(start)
        places = self._places(chosen_in(self._town, now), start)
        parts = tuple(
            replace(place, number=part.number) for part, place in zip(now.parts, places, strict=True)
        )
        return replace(now, start=start, end=max(part.end for part in parts), parts=parts)

    def _find(self, office: OfficeInfo, uid: str) -> Stored | None:
        """Read an appointment or a live hold; None if there's none, or only a hold that has run out and is gone."""
        try:
            return self._client.read(office.id, uid, office.zone)
        except NotFoundError:
            return None

    def _read(self, token: str) -> tuple[OfficeInfo, Stored]:
        office, uid = self._identify(token)
        stored = self._find(office, uid)
        if stored is None or stored.appointment.cancelled:
            raise GoneError
        if self._has_run_out(stored.appointment):
            raise GoneError
        return office, stored

    def _put(
        self,
        office: OfficeInfo,
        appointment: Appointment,
        stored: Stored | None,
        *,
        released_only: bool = True,
        once: bool = False,
    ) -> None:
        try:
            self._client.book(
                appointment,
                now=self._now(),
                etag=stored.etag if stored else None,
                released_only=self._released_only and released_only,
                caller=self._caller,
                once=once,
            )
        except RefusedError as error:
            if error.rule == "booking-ended":
                raise KeyEndedError from error
            if error.rule in _LIMITS:
                raise LimitedError(error.rule, error.retry_after or _RETRY_SECONDS) from error
            if error.rule == "proof-used":
                raise ProofUsedError from error
            self._follower.feeds[office.id].outdate()
            if error.rule == "unknown-service":
                raise InvalidError([FieldError("services", "unknown-service")]) from error
            raise SlotTakenError(appointment.start) from error
        except NotFoundError as error:
            raise ChangedError(appointment.uid) from error
        self._follower.feeds[office.id].outdate()

    def _check_start(self, office: OfficeInfo, services: frozenset[str], start: datetime) -> None:
        rule = office.release.public
        if not on_grid(start, office):
            raise InvalidError([FieldError("start", "off-grid", office.release.step_minutes)])
        if not self._released_only:
            if start < self._now():
                raise InvalidError([FieldError("start", "too-soon")])
            return
        earliest, beyond = rule.period(services, self._now(), office.zone)
        if start < earliest:
            raise InvalidError([FieldError("start", "too-soon")])
        if start >= beyond:
            raise InvalidError([FieldError("start", "too-far", rule.horizon(services))])

    def _check_change(self, office: OfficeInfo, appointment: Appointment) -> None:
        if not self._is_changeable(office, appointment):
            raise TooLateError

    def _is_changeable(self, office: OfficeInfo, appointment: Appointment) -> bool:
        if appointment.proposed is not None:
            return self._now() < appointment.start
        return office.release.may_change(appointment.start, self._now())


def _size(appointment: Appointment) -> int:
    """How many appointments it stands for."""
    return max(1, len(appointment.parts))


def _is_same_time(stored: Appointment, wanted: Appointment) -> bool:
    return bool(stored.parts) and (stored.start, stored.services) == (wanted.start, wanted.services)


def _same_person(wanted: Appointment, stored: Appointment) -> bool:
    """True if nothing that was entered about the person differs, but for the reminder, which she may have switched since."""
    entered = ("name", "email", "phone", "remarks", "language", "needs")
    return all(getattr(wanted, name) == getattr(stored, name) for name in entered)


def _same_booking(wanted: Appointment, stored: Appointment) -> bool:
    """True if a form was sent a second time: nothing that she entered differs."""
    entered = ("start", "services", "name", "email", "phone", "remarks", "needs", "reminder", "awaits")
    return all(getattr(wanted, name) == getattr(stored, name) for name in entered)


def new_key() -> str:
    """Return a fresh key for a form, under which its hold is placed at most once."""
    return secrets.token_urlsafe(18)

"""Realistic bookings for the demo town: who comes, for what and when, drawn from a seed.

Days fill up as they do in a town hall: the next ones are nearly full, those far ahead nearly empty, mornings go first. Every booking
takes the same way as a citizen's, through the calendar server's rules; one that they refuse is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

from booking_web.booking.choice import choose
from booking_web.booking.errors import InvalidError
from booking_web.booking.event import make_appointment
from booking_web.booking.person import Person
from booking_web.booking.tokens import derived_uid
from calendar_server import dispatch
from calendar_server.ical.appointment import to_ical
from calendar_server.refusals import PreconditionFailedError, RefusedError
from calendar_server.service import Actor, Calendars, Preconditions
from calendar_server.storage import reading
from optimizer import admission

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from booking_web.booking.choice import Choice
    from booking_web.town import OfficeInfo, Town
    from calendar_server.offices import Office

ACTOR = Actor("demo", authoritative=True)
_NEW = Preconditions(if_none_match="*")
_FULL, _EMPTIEST = 0.9, 0.15
_DAYS_TO_HALF = 14
"""After so many days half of the fullest load is left."""
_ATTEMPTS = 4
_POPULAR = {
    "personalausweis": 30,
    "anmeldung": 20,
    "reisepass": 18,
    "beglaubigung": 9,
    "meldebescheinigung": 8,
    "fuehrungszeugnis": 7,
    "abmeldung": 5,
    "fundbuero": 3,
}
_WEIGHT_OF_OTHERS = 5
_FIRST = (
    "Aylin Anna Bernd Dmytro Elif Emma Fatima Friedrich Hanna Heike Ibrahim Jonas Jürgen Karl-Heinz Katharyna Leonie Lukas Maria Marlene Mehmet "
    "Mohammed Nele Olena Peter Petra Sabine Samira Sofia Stefan Thomas Ursula Wolfgang Yusuf Zeynep"
)
_LAST = (
    "Arslan Bauer Becker Brüggemann Çelik Fischer Hoffmann Kaya Kowalski Kotthoff Kovalenko Krämer Meyer Müller Nguyen Nowak Öztürk Peters "
    "Rosenbaum Sander Schmidt Schröder Schulte Schulz Shevchenko Stratmann Teutenberg Wagner Weber Wiegelmann Yıldız Zimmermann"
)
_ASCII = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "Ö": "Oe", "Ç": "C", "ç": "c", "ı": "i", "á": "a"}
)
_REMARKS = ("", "", "", "", "", "", "Ich komme mit Kinderwagen.", "Mein alter Ausweis ist verloren.")


@dataclass(frozen=True, slots=True)
class Filled:
    """What `fill` did: bookings made, and until which day (excluded)."""

    booked: int
    until: date


def fill(calendars: Calendars, town: Town, *, weeks: int, seed: int, secret: bytes) -> Filled:
    """Book for `weeks` weeks from tomorrow in every office; the same seed again adds nothing to days that it filled.

    Days beyond an office's booking horizon stay empty. `secret` makes the references that citizens get.
    """
    booked = 0
    now = datetime.fromtimestamp(calendars.now(), UTC)
    last = now.date()
    for info in town.offices:
        office = calendars.directory.office(info.id)
        if office is None:
            continue
        today = now.astimezone(office.zone).date()
        for ahead in range(1, min(weeks * 7, office.horizon_days) + 1):
            day = today + timedelta(days=ahead)
            share = max(_EMPTIEST, _FULL * 0.5 ** (ahead / _DAYS_TO_HALF))
            filler = _Day(calendars, town, info, office, day, Random(f"{seed} {info.id} {day}"), secret)  # noqa: S311 - drawn anew by whoever has the seed
            booked += filler.fill(share)
            last = max(last, day)
    return Filled(booked, last + timedelta(days=1))


class _Day:
    """One day of one office."""

    def __init__(  # noqa: PLR0917 - the only caller stands above
        self,
        calendars: Calendars,
        town: Town,
        info: OfficeInfo,
        office: Office,
        day: date,
        random: Random,
        secret: bytes,
    ) -> None:
        self._calendars = calendars
        self._town = town
        self._info = info
        self._office = office
        self._day = day
        self._random = random
        self._secret = secret

    def fill(self, share: float) -> int:
        """Book until `share` of the clerks' open time is taken; return how many."""
        board = self._board()
        room = sum(
            (clerk.free & dispatch.window_bits(board.windows, clerk.services)).bit_count()
            for clerk in board.office_day.clerks
        )
        booked = 0
        taken = sum(entry.length for entry in board.office_day.booked)
        for number, choice in enumerate(self._demand(room)):
            if taken >= share * room:
                break
            length = self._book(choice, number)
            if length:
                booked += 1
                taken += length
        return booked

    def _demand(self, room: int) -> Iterator[Choice]:
        """Draw what citizens want, more often than there is room for."""
        services = [self._town.service(name) for name in self._info.services]
        known = [service for service in services if service is not None]
        weights = [_POPULAR.get(service.id, _WEIGHT_OF_OTHERS) for service in known]
        for _ in range(room):
            wanted = self._random.choices(known, weights, k=self._random.choices((1, 2), (88, 12))[0])
            lines = {
                service.id: min(service.max_persons, self._random.choices((1, 2, 3, 4), (80, 13, 4, 3))[0])
                for service in wanted
            }
            try:
                yield choose(self._town, self._info.id, lines.items())
            except InvalidError:
                continue

    def _book(self, choice: Choice, number: int) -> int:
        """Book a free start for the choice; return its length in grains, 0 if there's none."""
        person = self._person(choice)
        wanted_at = self._random.triangular(0.0, 1.0, 0.2)
        key = f"{self._day} {number} {self._random.random()}"
        uid = derived_uid(self._secret, self._town.host, "demo", key)
        for _ in range(_ATTEMPTS):
            board = self._board()
            length = int(choice.duration.total_seconds()) // dispatch.GRAIN
            window = dispatch.window_bits(board.windows, choice.service_ids)
            step = self._info.release.step_minutes * 60 // dispatch.GRAIN
            free = admission.starts(board.office_day, length, choice.service_ids, window, step=step)
            starts = [grain for grain in range(free.bit_length()) if free >> grain & 1]
            if not starts:
                return 0
            grain = starts[min(int(wanted_at * len(starts)), len(starts) - 1)]
            start = datetime.fromtimestamp(board.base + grain * dispatch.GRAIN, self._office.zone)
            made = make_appointment(choice, uid, start, person, secret=self._secret)
            text = to_ical(made, now=datetime.fromtimestamp(self._calendars.now(), UTC))
            try:
                self._calendars.put(f"{self._info.id}/appointments", f"{uid}.ics", text, ACTOR, _NEW)
            except RefusedError:
                # Somebody was quicker, since the program may run meanwhile.
                continue
            except PreconditionFailedError:
                # An earlier run made this very booking.
                return 0
            return length
        return 0

    def _person(self, choice: Choice) -> Person:
        first, last = self._random.choice(_FIRST.split()), self._random.choice(_LAST.split())
        address = f"{first}.{last}@example.org".translate(_ASCII).lower()
        phone = f"0291 {self._random.randrange(10_000, 999_999)}"
        needs_phone = any(service.needs_phone for service, _ in choice.chosen)
        return Person(
            name=f"{first} {last}",
            email=address,
            phone=phone if needs_phone or self._random.random() < 0.3 else "",
            remarks=self._random.choice(_REMARKS),
            reminder=self._random.random() < 0.4,
            language=self._random.choices(("de", "en"), (94, 6))[0],
        )

    def _board(self) -> dispatch.Board:
        with self._calendars.database.read() as connection:
            known = reading.office_collections(connection, self._office.id)
            return dispatch.board(connection, self._office, known, self._day, self._calendars.now())

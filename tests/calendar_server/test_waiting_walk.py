"""Whatever happens in whatever order: who waits is passed over by nobody, and what is offered is held for her alone."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from calendar_server.refusals import NotDoneError
from calendar_server.storage import reading
from calendar_server.storage.wish_rows import open_wishes
from calendar_server.upkeep import Upkeep
from calendar_server.verification import violations
from calendar_server.wishes import WishState
from tests.calendar_server.test_service import CLERK, SITE, VIEW, book, event, stored
from tests.support.calendar import calendars
from tests.support.clock import Clock
from tests.support.databases import fresh_sqlite
from tests.support.town import appointment, at, clerk, directory
from tests.support.waiting import waiting_office, wish

if TYPE_CHECKING:
    from datetime import datetime

    from calendar_server.service import Calendars

OFFICE = "buergerbuero"
SERVICES = ("meldebescheinigung", "reisepass")
DAYS = (7, 9)
STEPS = 40


class Walk:
    """One day's comings and goings at an office of two clerks, only one of whom does passports."""

    def __init__(self, service: Calendars, clock: Clock, chance: random.Random) -> None:
        self.service, self.clock, self.chance = service, clock, chance
        self.count = 0
        self.booked: list[str] = []
        self.absent: list[str] = []

    def _start(self) -> datetime:
        return at(self.chance.choice(DAYS), self.chance.randrange(8, 12), self.chance.choice((0, 30)))

    def _new(self, what: str) -> str:
        self.count += 1
        return f"{what}{self.count}"

    def book(self) -> None:
        uid = self._new("a") + "@test"
        minutes = self.chance.choice((30, 60, 90))
        book(self.service, appointment(uid, self._start(), self.chance.choice(SERVICES), minutes=minutes))
        self.booked.append(uid)

    def cancel(self) -> None:
        if self.booked:
            uid = self.booked.pop(self.chance.randrange(len(self.booked)))
            self.service.delete(VIEW, f"{uid}.ics", SITE)

    def move(self) -> None:
        if self.booked:
            value = stored(self.service, self.chance.choice(self.booked))
            book(self.service, value.at(self._start()), if_match="*")

    def leave_work(self) -> None:
        uid = self._new("away") + "@test"
        self.service.put("clerk1/calendar", f"{uid}.ics", event(uid, self._start(), 120), CLERK)
        self.absent.append(uid)

    def come_back(self) -> None:
        if self.absent:
            self.service.delete("clerk1/calendar", f"{self.absent.pop()}.ics", CLERK)

    def wait(self) -> None:
        values = {"since": at(7, 0), "until": at(9, 23), "minutes": self.chance.choice((30, 60))}
        weekdays = self.chance.choice((127, 0b1, 0b100))
        hours = self.chance.choice(((0, 24), (0, 10), (10, 24)))
        made = wish(self._new("w"), self.chance.choice(SERVICES), weekdays=weekdays, hours=hours, **values)
        self.service.waiting.add(made, SITE)

    def answer(self) -> None:
        with self.service.database.read() as connection:
            found = [each for each in open_wishes(connection, OFFICE) if each.offered_start is not None]
        if found:
            one = self.chance.choice(found)
            do = self.chance.choice((self.service.waiting.accept, self.service.waiting.decline))
            do(one.id, one.offered_start, SITE)

    def leave(self) -> None:
        with self.service.database.read() as connection:
            found = open_wishes(connection, OFFICE)
        if found:
            self.service.waiting.leave(self.chance.choice(found).id, SITE)

    def let_time_pass(self) -> None:
        self.clock.advance(hours=self.chance.choice((1, 5)))
        Upkeep(self.service).release_holds()
        Upkeep(self.service).tend_waiting_lists()

    def step(self) -> None:
        ways = [self.book, self.cancel, self.cancel, self.move, self.wait, self.wait, self.answer]
        ways += [self.leave_work, self.come_back, self.leave, self.let_time_pass]
        with suppress(NotDoneError):
            self.chance.choice(ways)()

    def check(self) -> None:
        """Nothing that is free suits anybody who waits, and each offer has its hold."""
        office = self.service.directory.offices[0]
        assert self.service.waiting.look_around(office, SITE) == 0
        with self.service.database.read() as connection:
            for each in open_wishes(connection, OFFICE):
                held = reading.booking(connection, OFFICE, each.uid)
                assert (held is not None) == (each.state is WishState.OFFERED)
                if held is not None:
                    assert (held.first, held.hold_until) == (each.offered_start, each.offered_until)


@pytest.mark.parametrize("seed", range(4))
def test_who_waits_is_passed_over_by_nobody(tmp_path, seed):
    clock = Clock()
    clerks = (clerk("clerk1"), clerk("clerk2", "meldebescheinigung"))
    with calendars(fresh_sqlite(tmp_path), directory(waiting_office(*clerks)), clock) as service:
        walking = Walk(service, clock, random.Random(seed))
        for _ in range(STEPS):
            walking.step()
            walking.check()
        assert list(violations(service)) == []

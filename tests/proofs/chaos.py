"""Eight clients do everything there is to do with appointments, while servers are killed and started again."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.proofs.clients import Answer, Client, together
from tests.proofs.history import Kind, Operation, Result
from tests.proofs.office import CLERKS, EASY, HARD, SKILLS, slots

if TYPE_CHECKING:
    from datetime import datetime

    from tests.proofs.processes import Servers

CLIENTS = 8
SLOTS = 10
HOLD_SECONDS = 4.0
PATIENCE = 120.0
AT_ONCE = 6
"""So many appointments a client keeps, about one more than there are places for: most slots are full, and some are not."""


@dataclass
class _Mine:
    """What a client knows of an appointment of its own."""

    uid: str
    start: datetime
    service: str


@dataclass
class _Desk:
    """A client's appointments and the blocked time that it answers for."""

    client: Client
    starts: list[datetime]
    held: list[_Mine] = field(default_factory=list)
    booked: list[_Mine] = field(default_factory=list)
    blocked: list[tuple[str, str]] = field(default_factory=list)

    def step(self) -> None:
        """Do one thing, chosen at random by what there is to do."""
        ways = [(self.new, 4 if len(self.booked) < AT_ONCE else 0), (self.look, 1), (self.absence, 1)]
        ways += [(self.confirm, 3)] if self.held else []
        if self.booked:
            ways += [
                (self.shift, 3),
                (self.shift_with_clerk, 2),
                (self.transfer, 2),
                (self.cancel, 2),
                (self.read, 1),
            ]
        (way,) = self.client.random.choices([way for way, _ in ways], [weight for _, weight in ways])
        way()

    def _any(self, start: datetime | None = None) -> tuple[datetime, str]:
        choice = self.client.random.choice
        return choice([each for each in self.starts if each != start]), choice((EASY, EASY, HARD))

    def new(self) -> None:
        start, service = self._any()
        uid = self.client.uid()
        mine = _Mine(uid, start, service)
        match self.client.random.randrange(4):
            case 0 | 1:
                answer, keep = self.client.book(uid, start, service), self.booked
            case 2:
                answer, keep = self.client.hold(uid, start, service, HOLD_SECONDS), self.held
            case _:
                clerk = self.client.random.choice([name for name in CLERKS if service in SKILLS[name]])
                answer, keep = self.client.put_with(Kind.BOOK, clerk, uid, start, service), self.booked
        if answer.result is Result.DONE:
            keep.append(mine)

    def confirm(self) -> None:
        """Confirm the oldest hold; now and then too late, or never."""
        mine = self.held.pop(0)
        if self.client.random.random() < 0.2:
            return
        if self.client.replace(Kind.CONFIRM, mine.uid, mine.start, mine.service).result is Result.DONE:
            self.booked.append(mine)

    def _pick(self) -> _Mine:
        return self.client.random.choice(self.booked)

    def _after(self, mine: _Mine, answer: Answer, start: datetime) -> None:
        """Go on from what was heard; what wasn't is left alone from now on."""
        if answer.result is Result.DONE:
            mine.start = start
        elif answer.result is Result.UNKNOWN:
            self.booked.remove(mine)

    def shift(self) -> None:
        mine = self._pick()
        read = self.client.read(mine.uid)
        if read.result is not Result.DONE:
            return
        start, _ = self._any(mine.start)
        answer = self.client.replace(Kind.SHIFT, mine.uid, start, mine.service, read.etag)
        self._after(mine, answer, start)

    def shift_with_clerk(self) -> None:
        mine = self._pick()
        clerk, etag = self.client.find(mine.uid, CLERKS)
        if clerk:
            start, _ = self._any(mine.start)
            answer = self.client.put_with(Kind.SHIFT, clerk, mine.uid, start, mine.service, etag)
            self._after(mine, answer, start)

    def transfer(self) -> None:
        mine = self._pick()
        origin, _ = self.client.find(mine.uid, CLERKS)
        others = [name for name in CLERKS if name != origin and mine.service in SKILLS[name]]
        if origin and others:
            answer = self.client.transfer(mine.uid, mine.start, origin, self.client.random.choice(others))
            self._after(mine, answer, mine.start)

    def cancel(self) -> None:
        mine = self._pick()
        if self.client.random.random() < 0.5:
            answer = self.client.cancel(mine.uid)
        else:
            origin, _ = self.client.find(mine.uid, CLERKS)
            if not origin:
                return
            answer = self.client.cancel_with(mine.uid, origin)
        if answer.result in {Result.DONE, Result.UNKNOWN}:
            self.booked.remove(mine)

    def read(self) -> None:
        self.client.read(self._pick().uid)

    def look(self) -> None:
        self.client.list(self.client.random.choice(CLERKS))

    def absence(self) -> None:
        """Have a clerk away from a slot, or back."""
        if self.blocked:
            uid, clerk = self.blocked.pop()
            self.client.unblock(uid, clerk)
        elif self.client.random.random() < 0.3:
            uid, clerk = self.client.uid(), self.client.random.choice(CLERKS)
            if self.client.block(uid, clerk, self._any()[0]).result is Result.DONE:
                self.blocked.append((uid, clerk))


def chaos(
    servers: Servers, seconds: float, seed: int, *, kills: int = 3, operations: int = 100
) -> tuple[list[Operation], int]:
    """Let clients work for so long, and on a busy machine until so much has happened (but give up after two minutes more).

    Return what they asked and heard, and how many times a server was killed.
    """
    deadline = time.monotonic() + seconds
    starts = slots(SLOTS)
    over = threading.Event()
    killed = 0

    def kill() -> None:
        nonlocal killed
        dice = random.Random(f"{seed}/kill")
        for process in servers.processes:
            process.prepare()
        while not over.wait(dice.uniform(0.3, 2.5)):
            process = dice.choice(servers.processes)
            process.kill()
            killed += 1
            over.wait(dice.uniform(0, 0.3))
            process.start()
            process.prepare()
            process.wait_ready()

    def enough() -> bool:
        left = deadline - time.monotonic()
        done = sum(len(client.history) for client in clients)
        return left < 0 and ((killed >= kills and done >= operations) or left < -PATIENCE)

    def run(client: Client) -> None:
        desk = _Desk(client, starts)
        while not enough():
            desk.step()

    clients = [Client(number, servers.urls, servers.began, seed) for number in range(CLIENTS)]
    killer = threading.Thread(target=kill if kills else over.wait)
    killer.start()
    try:
        history = together(clients, run)
    finally:
        over.set()
        killer.join()
    return history, killed

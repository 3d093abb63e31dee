"""Eight clients want the last places of each slot at once, each in its own way."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tests.proofs.clients import Client, together
from tests.proofs.history import Kind, Operation, Result
from tests.proofs.office import CLERKS, EASY, HARD, slots

if TYPE_CHECKING:
    from datetime import datetime

    from tests.proofs.processes import Servers

CLIENTS = 8


def race(servers: Servers, count: int, seed: int) -> list[Operation]:
    """Fight over `count` slots, one after another; at each, two of four clerks are taken before it begins."""
    starts = slots(count)
    first = Client(CLIENTS, servers.urls, servers.began, seed)
    taken = {start: [(first.uid(), clerk) for clerk in CLERKS[2:]] for start in starts}
    for start, entries in taken.items():
        for uid, clerk in entries:
            assert first.put_with(Kind.BOOK, clerk, uid, start, EASY).result is Result.DONE
    first.close()
    line = threading.Barrier(CLIENTS)

    def run(client: Client) -> None:
        for start in starts:
            line.wait(60)
            _want(client, start, taken[start])

    clients = [Client(number, servers.urls, servers.began, seed) for number in range(CLIENTS)]
    return first.history + together(clients, run)


def _want(client: Client, start: datetime, taken: list[tuple[str, str]]) -> None:
    service = client.random.choice((EASY, HARD))
    match client.number:
        case 0 | 1 | 2:
            client.book(client.uid(), start, service)
        case 3 | 4:
            uid = client.uid()
            if client.hold(uid, start, service, 60).result is Result.DONE:
                client.replace(Kind.CONFIRM, uid, start, service)
        case 5 | 6:
            clerk = CLERKS[client.number - 5]
            client.put_with(Kind.BOOK, clerk, client.uid(), start, EASY)
            client.list(clerk)
        case _:
            for uid, origin in taken:
                client.transfer(uid, start, origin, client.random.choice(CLERKS[:2]))

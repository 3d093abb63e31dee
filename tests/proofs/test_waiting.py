"""Servers are killed while times are given back that people wait for: each is still taken, or kept for one of them, and never anybody else's."""

from __future__ import annotations

import random
import threading
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from datetime import datetime
from typing import TYPE_CHECKING

from calendar_server.client import CalendarClient, CalendarError, NotFoundError, UnavailableError
from calendar_server.ical.appointment import from_ical
from calendar_server.storage import reading
from calendar_server.storage.database import Database
from calendar_server.storage.wish_rows import open_wishes
from calendar_server.wishes import WishState
from tests.proofs.processes import Servers, running
from tests.support.calendar import PASSWORD
from tests.support.town import BERLIN, NOW, appointment, at
from tests.support.waiting import wish

if TYPE_CHECKING:
    from collections.abc import Iterator

OFFICE = "bauamt"
HOURS = range(8, 16)
KILLS = 3
SEED = 7


@contextmanager
def client(servers: Servers) -> Iterator[CalendarClient]:
    made = CalendarClient(servers.urls[0], "site", PASSWORD)
    try:
        yield made
    finally:
        made._pool.clear()


def persist(do) -> None:
    """Try until it's done; what the killed server did without answering counts as done."""
    while True:
        try:
            do()
        except UnavailableError:
            continue
        except NotFoundError:
            return
        else:
            return


def test_what_is_given_back_while_servers_are_killed_goes_to_who_waits_and_to_nobody_else(database_url):
    chance = random.Random(SEED)
    stop = threading.Event()
    with running(database_url) as servers:
        with client(servers) as site:
            for hour in HOURS:
                taken = appointment(f"a{hour}@test", at(7, hour), minutes=60, office=OFFICE, email="")
                site.book(taken, now=NOW)
            for number in HOURS:
                waiting = wish(f"w{number}", minutes=60, since=at(7, 0), until=at(7, 23), office=OFFICE)
                site.add_wish(asdict(waiting))

        def give_back() -> None:
            with client(servers) as mine:
                for hour in HOURS:
                    persist(lambda hour=hour: mine.cancel(OFFICE, f"a{hour}@test"))

        def steal(thief: int) -> None:
            number = 0
            with client(servers) as mine:
                while not stop.is_set():
                    number += 1
                    wanted = appointment(f"thief{thief}-{number}@test", at(7, 8 + number % 8), minutes=60)
                    with suppress(CalendarError):
                        mine.book(replace(wanted, office=OFFICE), now=NOW)

        giving = threading.Thread(target=give_back)
        thieves = [threading.Thread(target=steal, args=(thief,)) for thief in range(2)]
        for thread in (*thieves, giving):
            thread.start()
        for _ in range(KILLS):
            stop.wait(chance.uniform(0.05, 0.4))
            servers.processes[0].prepare()
            servers.processes[0].kill()
            servers.processes[0].start()
            servers.processes[0].wait_ready()
        giving.join()
        stop.set()
        for thread in thieves:
            thread.join()
        database = Database.open(servers.database_url)
        with database.read() as connection:
            wishes = open_wishes(connection, OFFICE)
            view = reading.collection(connection, f"{OFFICE}/appointments")
            assert view is not None
            booked = [from_ical(row.text, BERLIN) for row in reading.all_items(connection, view)]
        database.close()
    assert {each.state for each in wishes} == {WishState.OFFERED}
    held = {each.uid: each.start for each in booked}
    assert held == {each.uid: datetime.fromtimestamp(each.offered_start or 0, BERLIN) for each in wishes}
    assert Counter(held.values()) == Counter(at(7, hour) for hour in HOURS)

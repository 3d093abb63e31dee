"""Groups under fire: whoever comes at the same moment, a group is booked whole or not at all, and nobody is booked twice."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

from calendar_server.ical.appointment import Part as Times
from calendar_server.ical.appointment import to_ical
from calendar_server.ical.group import split
from calendar_server.refusals import NotDoneError
from calendar_server.service import Actor, Calendars, Part
from calendar_server.setup import prepare
from calendar_server.storage import reading
from calendar_server.storage.database import Database
from tests.support.clock import Clock
from tests.support.town import NOW, appointment, at, clerk, directory, office

SITE = Actor("site", authoritative=True)
GROUPS = 10
CLERKS = 5
SIZE = 2


def family(number: int):
    """Two at once, at one of two times."""
    start = at(7, 8 + number % 2)
    parts = tuple(Times(each, start, start + timedelta(minutes=60)) for each in range(1, SIZE + 1))
    made = appointment(f"f{number}@race", start, minutes=60, group=SIZE)
    return replace(made, parts=parts)


def test_at_the_same_moment_groups_are_booked_whole_or_not_at_all(database_url):
    offices = directory(office(*(clerk(f"clerk{number}") for number in range(CLERKS))))
    prepare(Database.open(database_url), offices, Clock()).database.close()
    ready = threading.Barrier(GROUPS)
    booked: list[int] = []

    def book(number: int) -> None:
        database = Database.open(database_url)
        service = Calendars(database, offices, Clock())
        texts = [Part(to_ical(each, now=NOW)) for each in split(family(number))]
        ready.wait()
        try:
            service.write_together("buergerbuero", texts, [], SITE)
            booked.append(number)
        except NotDoneError:
            pass
        finally:
            database.close()

    threads = [threading.Thread(target=book, args=(number,)) for number in range(GROUPS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    database = Database.open(database_url)
    taken: dict[tuple[str, int], str] = {}
    with database.read() as connection:
        for number in range(GROUPS):
            rows = [reading.booking(connection, "buergerbuero", each.uid) for each in split(family(number))]
            there = [row for row in rows if row is not None]
            assert len(there) == (SIZE if number in booked else 0)
            known = reading.office_collections(connection, "buergerbuero")
            for row in there:
                place = (known.by_id(row.collection_id).owner, row.first)
                assert place not in taken
                taken[place] = row.uid
    database.close()
    # Five clerks at each of two times: two pairs each, and the fifth clerk stays free.
    assert len(booked) == 4

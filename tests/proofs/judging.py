"""From servers and a history to a verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calendar_server.ical.objects import parse_object
from calendar_server.storage import reading
from calendar_server.storage.changes import Change, ChangeLog
from calendar_server.storage.database import Database
from tests.proofs.checker import Checker, Violation
from tests.proofs.history import Operation, Placed
from tests.proofs.office import CLERKS, OFFICE, SKILLS
from tests.support.town import BERLIN, NOW

if TYPE_CHECKING:
    from collections.abc import Iterable


def all_changes(log: ChangeLog, office: str = OFFICE) -> list[Change]:
    """Return the whole change log of an office."""
    found: list[Change] = []
    while page := log.read(office, found[-1].seq if found else 0):
        found.extend(page)
    return found


def in_calendars(database: Database) -> list[Placed]:
    """Return what lies in the clerks' calendars now, as its text says, not the server's index of it."""
    found = []
    with database.read() as connection:
        for clerk in CLERKS:
            where = reading.collection(connection, f"{clerk}/calendar")
            assert where is not None
            for row in reading.all_items(connection, where):
                (instance,) = parse_object(row.text, zone=BERLIN).instances(0, 1 << 40)
                found.append(Placed(row.uid, clerk, instance.start, instance.end, row.kind.value))
    return found


def judge(database_url: str, began: float, operations: Iterable[Operation]) -> list[Violation]:
    """Hold a history against the change log and the calendars of the servers that it was made on."""
    database = Database.open(database_url)
    try:
        changes = all_changes(ChangeLog(database, BERLIN))
        final = in_calendars(database)
    finally:
        database.close()
    return Checker(operations, changes, final, SKILLS, NOW.timestamp() - began).check()

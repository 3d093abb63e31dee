"""The office that proofs book into: four clerks, two of whom can do passports, and slots of half an hour."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tests.support.town import SERVICES, at, clerk, directory, office
from tests.support.waiting import waiting_office

if TYPE_CHECKING:
    from datetime import datetime

    from calendar_server.offices import Directory

OFFICE = "buergerbuero"
CLERKS = ("clerk1", "clerk2", "clerk3", "clerk4")
EASY, HARD = "meldebescheinigung", "reisepass"
_SIMPLE = tuple(name for name in SERVICES if name != HARD)
SKILLS = {name: frozenset(SERVICES if index < 2 else _SIMPLE) for index, name in enumerate(CLERKS)}
LENGTH = timedelta(minutes=30)


def proof_directory() -> Directory:
    """Two offices: the one that is fought over, and another that nobody of this fight has to wait for."""
    return directory(
        office(*(clerk(name, *sorted(SKILLS[name])) for name in CLERKS)),
        waiting_office(clerk("clerk9"), name="bauamt"),
    )


def slots(count: int) -> list[datetime]:
    """`count` starts on the Mondays from 7 December 2026 on, sixteen on each."""
    return [at(7, 8) + timedelta(days=7 * (index // 16)) + LENGTH * (index % 16) for index in range(count)]

"""A quick plan without a solver: admission's chains find the hit appointments places on the same day."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from optimizer.admission import Day
from optimizer.bits import span
from optimizer.instance import MAX_GRAINS, Booked, ClerkDay, OfficeDay, Placement, Request

if TYPE_CHECKING:
    from optimizer.columns import Columns

REACH = 12
"""Grains around the promised time within which a chain is searched."""
DEPTH = 4
"""Most appointments that one chain reassigns here. Nothing is offered or refused by it: what longer chains would find, the solver that begins
with this plan finds too."""
SECONDS = 2.0
"""Longest time for all of it."""


def kept_columns(columns: Columns) -> list[int]:
    """Give the columns of everybody's present place."""
    return [int(column) for column in np.flatnonzero(columns.kept)]


def chained_columns(columns: Columns) -> list[int]:
    """Give columns for those who aren't hit, and for the hit ones that found a place near their time.

    The longest first. The plan may have the faults that the day as it stands has.
    """
    office = columns.office
    kept = kept_columns(columns)
    if office.grains_a_day > MAX_GRAINS or not office.days:
        return kept
    deadline = time.monotonic() + SECONDS
    names = {service: str(number) for number, service in enumerate(_services(columns))}
    clerks = tuple(
        ClerkDay(str(number), frozenset(names[service] for service in clerk.services), clerk.free[0])
        for number, clerk in enumerate(office.clerks)
    )
    entries = office.appointments
    needs = [frozenset(names[service] for service in entry.services) for entry in entries]
    places = {
        int(columns.appointment[column]): (int(columns.clerk[column]), int(columns.start[column]))
        for column in kept
    }
    full = span(0, office.grains_a_day)
    hit = [number for number, entry in enumerate(entries) if entry.hit]
    for number in sorted(hit, key=lambda number: (-entries[number].length, number)):
        if time.monotonic() > deadline:
            break
        entry = entries[number]
        booked = tuple(
            Booked(str(other), str(clerk), start, entries[other].length, needs[other], entries[other].pinned)
            for other, (clerk, start) in places.items()
        )
        day = Day(OfficeDay(office.grains_a_day, clerks, booked))
        allowed = full if entry.starts is None else entry.starts[0]
        near = range(
            max(0, entry.start - REACH), min(office.grains_a_day - entry.length, entry.start + REACH) + 1
        )
        for start in sorted(near, key=lambda start: (abs(start - entry.start), start)):
            if not allowed >> start & 1:
                continue
            answer = day.admit(Request(start, entry.length, needs[number], full), depth=DEPTH)
            if isinstance(answer, Placement):
                for move in answer.reassigned:
                    places[int(move.uid)] = (int(move.to_clerk), places[int(move.uid)][1])
                places[number] = (int(answer.clerk), start)
                break
    return _find(columns, places)


def _services(columns: Columns) -> list[int | str]:
    office = columns.office
    known = {service for clerk in office.clerks for service in clerk.services}
    known |= {service for entry in office.appointments for service in entry.services}
    return sorted(known, key=str)


def _find(columns: Columns, places: dict[int, tuple[int, int]]) -> list[int]:
    """Give the columns of these places on day 0."""
    days = columns.office.days
    found = []
    ends = np.searchsorted(columns.appointment, np.arange(len(columns.office.appointments) + 1))
    for number, (clerk, start) in places.items():
        first, last = int(ends[number]), int(ends[number + 1])
        same = (columns.slot[first:last] == clerk * days) & (columns.start[first:last] == start)
        found += [first + int(place) for place in np.flatnonzero(same)]
    return found

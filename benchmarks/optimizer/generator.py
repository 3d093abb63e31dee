"""Seeded instances of the kind that repair is measured with: a town's office, and the offices of a city."""

from __future__ import annotations

import random

from optimizer.bits import runs, span
from optimizer.office import Appointment, Clerk, Office

GRAINS = 96
SERVICES = 10
LENGTHS = (1, 2, 3, 3, 4, 4, 6, 6, 9, 12)


def town(seed: int) -> Office:
    """Eight clerks, a hundred appointments, one clerk ill."""
    return office(f"town-{seed:02}", 8, 100, 1, seed)


def city(seed: int, offices: int = 45) -> list[Office]:
    """Offices of four to about thirty clerks with sixteen appointments each; none to three of them ill."""
    chance = random.Random(seed)
    found = []
    for number in range(offices):
        clerks = min(34, 4 + int(chance.expovariate(1 / 7)))
        ill = min(clerks - 1, chance.choice([0, 0, 1, 1, 1, 1, 2, 2, 3]))
        found.append(office(f"city-{number:02}", clerks, 16 * clerks, ill, seed * 1000 + number))
    return found


def office(name: str, size: int, appointments: int, ill: int, seed: int) -> Office:
    """Make an office whose day is possible as it stands; some appointments may be fewer when it is full."""
    chance = random.Random(seed)
    free = [_working_time(chance) for _ in range(size)]
    skills = [frozenset(chance.sample(range(SERVICES), chance.randint(3, 6))) for _ in range(size)]
    lengths = [chance.choice(LENGTHS) for _ in range(SERVICES)]
    vacant = list(free)
    booked = []
    for number in range(appointments):
        clerk = chance.randrange(size)
        service = chance.choice(sorted(skills[clerk]))
        starts = [s for s in range(GRAINS) if runs(vacant[clerk], lengths[service]) >> s & 1]
        if not starts:
            continue
        start = chance.choice(starts)
        vacant[clerk] &= ~span(start, lengths[service])
        booked.append((number, clerk, start, lengths[service], service))
    absent = set(chance.sample(range(size), ill))
    present = [clerk for clerk in range(size) if clerk not in absent]
    total = sum(entry[3] for entry in booked)
    return Office(
        name,
        GRAINS,
        tuple(
            Clerk(
                clerk,
                skills[clerk],
                (0, 0, 0) if clerk in absent else (free[clerk], _rest(chance), _rest(chance)),
                None if clerk in absent else round(total / len(present)),
            )
            for clerk in range(size)
        ),
        tuple(
            Appointment(number, clerk, start, length, frozenset([service]), clerk in absent)
            for number, clerk, start, length, service in booked
        ),
    )


def _working_time(chance: random.Random) -> int:
    free = span(0, GRAINS) & ~span(chance.choice([46, 48, 50, 54]), 6)
    for _ in range(chance.randint(0, 3)):
        free &= ~span(chance.randrange(GRAINS - 10), chance.randint(2, 10))
    return free


def _rest(chance: random.Random) -> int:
    """A later day, of which most is booked already."""
    free = _working_time(chance)
    for _ in range(18):
        free &= ~span(chance.randrange(GRAINS - 6), chance.randint(2, 6))
    return free

"""How long an appointment takes: the town's rule for several persons and several services."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from booking_web.town import Service

GRAIN_MINUTES = 5


def duration(chosen: Iterable[tuple[Service, int]]) -> timedelta:
    """Return how long these services take at once; each comes with its number of persons (at least 1).

    The first person takes `minutes`, each further one `extra_minutes`. Of several services each after the first saves
    its `setup_minutes`; the first is the one with the most of it, so that the order of choosing doesn't matter.
    Rounded up to 5 minutes, at least 5. ValueError if nothing is chosen or a number of persons is below 1.
    """
    total = 0
    setups: list[int] = []
    for service, persons in chosen:
        if persons < 1:
            raise ValueError(f"{service.id}: at least one person, not {persons}")
        total += service.minutes + service.extra_minutes * (persons - 1)
        setups.append(service.setup_minutes)
    if not setups:
        raise ValueError("a duration needs at least one service")
    total -= sum(setups) - max(setups)
    return timedelta(minutes=max(GRAIN_MINUTES, -(-total // GRAIN_MINUTES) * GRAIN_MINUTES))

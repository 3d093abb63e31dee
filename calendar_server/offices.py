"""What the calendar server knows of an office: who works there, when, and who may do what.

These are plain values, built by the composition root from the town's configuration. Opening windows and
closures are *not* here: they are events in the office's `opening` calendar (see `calendar_server.opening`);
`Office.initial_windows` only fills that calendar while it is still empty.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from calendar_server.wishes import WaitingRules

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import time
    from zoneinfo import ZoneInfo

    from optimizer.release import Release

DEFAULT_ABSENCE_WORDS = frozenset(
    {
        "krank",
        "urlaub",
        "abwesend",
        "frei",
        "fortbildung",
        "dienstreise",
        "homeoffice",
        "sick",
        "vacation",
        "holiday",
        "off",
    }
)


@dataclass(frozen=True, slots=True)
class WeeklyPeriod:
    """A period that comes back every week, in the office's wall-clock time: [start, end) on `weekday` (Monday is 0)."""

    weekday: int
    start: time
    end: time

    def __post_init__(self) -> None:
        if not 0 <= self.weekday <= 6:
            raise ValueError(f"weekday must be 0 (Monday) to 6 (Sunday), not {self.weekday}")
        if self.start >= self.end:
            raise ValueError(f"a weekly period must end after it starts: {self.start}-{self.end}")


@dataclass(frozen=True, slots=True)
class OpeningRule:
    """A weekly opening window; `services` narrows it to these service ids (empty: all of the office's)."""

    period: WeeklyPeriod
    services: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Clerk:
    """Somebody who serves citizens.

    `id` is the account and the path of her calendar (`/<id>/calendar/`); `share` is her part-time share (1.0 is full time).
    """

    id: str
    name: str
    services: frozenset[str]
    working_times: tuple[WeeklyPeriod, ...]
    share: float = 1.0
    counter: str = ""


@dataclass(frozen=True, slots=True)
class Office:
    """A place with clerks that citizens can book into. Ids are path segments: lower case letters, digits, hyphen."""

    id: str
    name: str
    zone: ZoneInfo
    clerks: tuple[Clerk, ...]
    services: frozenset[str]
    service_names: Mapping[str, str] = field(default_factory=dict)
    """Id to name as people write it, so that a category "Reisepass" drawn in a client narrows an opening window."""
    initial_windows: tuple[OpeningRule, ...] = ()
    holiday_region: str = ""
    """Country and subdivision as ISO 3166-2 ("DE-NW"); public holidays there are closed. Empty: none."""
    absence_words: frozenset[str] = DEFAULT_ABSENCE_WORDS
    location: str = ""
    horizon_days: int = 90
    """How many days ahead the busy feed reaches, and thereby the offers."""
    release: Release | None = None
    """What the public may book when; None: whatever is free."""
    step_minutes: int = 15
    """Bookable starts lie on this grid, counted from midnight in the office's wall-clock time; a multiple of 5."""
    waiting: WaitingRules = field(default_factory=WaitingRules)

    @property
    def service_ids_by_name(self) -> dict[str, str]:
        """Casefolded ids and names to service ids."""
        named = {
            name.casefold(): service
            for service, name in self.service_names.items()
            if service in self.services
        }
        return named | {service.casefold(): service for service in self.services}

    def clerk(self, clerk_id: str) -> Clerk | None:
        """Return the clerk of that id, or None."""
        return next((clerk for clerk in self.clerks if clerk.id == clerk_id), None)


@dataclass(frozen=True, slots=True)
class Directory:
    """All offices, with look-ups by clerk. A clerk belongs to one office: overlap is scoped by clerk and locked by office."""

    offices: tuple[Office, ...]
    _by_id: dict[str, Office] = field(init=False, repr=False, compare=False)
    _by_clerk: dict[str, Office] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_id: dict[str, Office] = {}
        by_clerk: dict[str, Office] = {}
        for office in self.offices:
            if office.id in by_id:
                raise ValueError(f"two offices have the id {office.id!r}")
            by_id[office.id] = office
            for clerk in office.clerks:
                if clerk.id in by_clerk:
                    raise ValueError(f"clerk {clerk.id!r} belongs to two offices")
                by_clerk[clerk.id] = office
        if shared := by_id.keys() & by_clerk.keys():
            raise ValueError(f"an office and a clerk share the id {min(shared)!r}")
        object.__setattr__(self, "_by_id", by_id)
        object.__setattr__(self, "_by_clerk", by_clerk)

    def office(self, office_id: str) -> Office | None:
        """Return the office of that id, or None."""
        return self._by_id.get(office_id)

    def office_of(self, clerk_id: str) -> Office | None:
        """Return the office where that clerk works, or None."""
        return self._by_clerk.get(clerk_id)

    def clerk(self, clerk_id: str) -> Clerk | None:
        """Return the clerk of that id in whichever office, or None."""
        office = self._by_clerk.get(clerk_id)
        return office.clerk(clerk_id) if office else None

    @staticmethod
    def of(offices: Iterable[Office]) -> Directory:
        """Build from any iterable of offices."""
        return Directory(tuple(offices))

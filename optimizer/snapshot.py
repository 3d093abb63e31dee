"""An office as a planner needs to see it: who is free when, and all appointments of some days.

Plain values that go through JSON unchanged, so that planning can run in another process than the calendar server, which takes the
snapshot in one transaction. Bits count grains of five minutes from the day's midnight in the office's zone.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ClerkNow:
    """A clerk: what she may do, her part-time share, and her free grains on each of the days (own events taken out, appointments not)."""

    id: str
    name: str
    services: tuple[str, ...]
    share: float
    free: tuple[int, ...]
    working: tuple[int, ...]
    """Her working time in grains, own events not taken out."""


@dataclass(frozen=True, slots=True)
class BookedNow:
    """An appointment as it stands: `day` is the index of its day, `start` and `length` are in grains, `etag` guards a plan made from it."""

    uid: str
    etag: str
    clerk: str
    day: int
    start: int
    length: int
    starts_at: int
    """Epoch seconds, exact."""
    ends_at: int
    services: tuple[str, ...]
    pinned: bool
    hold: bool
    summary: str
    mailed: bool
    """True if the citizen left an address and so would be told of another time."""
    group: str = ""
    """The same for all that were booked together and still stand; "" for one alone."""


@dataclass(frozen=True, slots=True)
class DayNow:
    """A day: its midnight in epoch seconds, its length in grains, and where windows admit all services (bits), or only some."""

    day: str
    base: int
    grains: int
    window: int
    narrowed: tuple[tuple[int, tuple[str, ...]], ...] = ()
    """(bits, services) of windows that admit only these services."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An office over some days (ascending, not necessarily without gaps); `seq` is the office's last write."""

    office: str
    zone: str
    seq: int
    now: int
    step: int
    """Bookable starts lie on multiples of so many grains."""
    days: tuple[DayNow, ...]
    clerks: tuple[ClerkNow, ...]
    booked: tuple[BookedNow, ...]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON; ints of any size (bit sets) as hexadecimal text."""
        plain = asdict(self)
        for day in plain["days"]:
            day["window"] = hex(day["window"])
            day["narrowed"] = [[hex(bits), list(services)] for bits, services in day["narrowed"]]
        for clerk in plain["clerks"]:
            clerk["free"] = [hex(bits) for bits in clerk["free"]]
            clerk["working"] = [hex(bits) for bits in clerk["working"]]
        return plain

    @staticmethod
    def from_json(data: dict[str, Any]) -> Snapshot:
        """Read what `to_json` wrote."""
        days = tuple(
            DayNow(
                day["day"],
                day["base"],
                day["grains"],
                int(day["window"], 16),
                tuple((int(bits, 16), tuple(services)) for bits, services in day["narrowed"]),
            )
            for day in data["days"]
        )
        clerks = tuple(
            ClerkNow(
                clerk["id"],
                clerk["name"],
                tuple(clerk["services"]),
                clerk["share"],
                tuple(int(bits, 16) for bits in clerk["free"]),
                tuple(int(bits, 16) for bits in clerk["working"]),
            )
            for clerk in data["clerks"]
        )
        booked = tuple(
            BookedNow(**{**entry, "services": tuple(entry["services"])}) for entry in data["booked"]
        )
        return Snapshot(
            data["office"], data["zone"], data["seq"], data["now"], data["step"], days, clerks, booked
        )

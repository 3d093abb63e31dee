"""What clients asked and heard: the record that the checker judges.

Times are seconds on the machine's monotonic clock, the same for all processes. An operation that was never answered has the result
UNKNOWN and ends at infinity: it may have taken effect at any later moment, or never.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class Kind(StrEnum):
    """What a client asks for."""

    BOOK = "book"
    """An appointment through the office, or with `clerk` set into her calendar."""
    HOLD = "hold"
    CONFIRM = "confirm"
    SHIFT = "shift"
    """Another time, through the office, or with `clerk` set in her calendar."""
    TRANSFER = "transfer"
    """MOVE into the calendar of `clerk`."""
    CANCEL = "cancel"
    BLOCK = "block"
    """An own event of `clerk`."""
    UNBLOCK = "unblock"
    READ = "read"
    """GET of one appointment: `seen` is its period, or empty."""
    LIST = "list"
    """All bookings of a clerk in one answer: `seen`."""


class Result(StrEnum):
    """What the client heard."""

    DONE = "done"
    REFUSED = "refused"
    """403; `rule` is its name."""
    STALE = "stale"
    """412: the etag isn't current."""
    MISSING = "missing"
    """404."""
    UNKNOWN = "unknown"
    """No answer, or 5xx."""


Period = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation; `start` and `end` in epoch seconds; `origin` is the clerk whose calendar it went through."""

    client: int
    kind: Kind
    uid: str
    invoked: float
    answered: float
    result: Result
    start: int = 0
    end: int = 0
    service: str = ""
    clerk: str = ""
    origin: str = ""
    hold_until: int = 0
    rule: str = ""
    seen: tuple[tuple[str, int, int], ...] = ()

    def __str__(self) -> str:
        """One line for a report."""
        place = self.clerk or self.origin
        return f"{self.kind} {self.uid} [{self.start}, {self.end}) {place} -> {self.result} {self.rule} ({self.invoked:.3f}..{self.answered:.3f})"


@dataclass(frozen=True, slots=True)
class Placed:
    """A booking or own event as it lies in a clerk's calendar at the end."""

    uid: str
    clerk: str
    start: int
    end: int
    kind: str


def write(path: Path, seed: int, operations: Iterable[Operation]) -> None:
    """Keep a history, so that a finding can be looked at again."""
    rows = [{**asdict(operation), "answered": _number(operation.answered)} for operation in operations]
    path.write_text(json.dumps({"seed": seed, "operations": rows}, indent=0), "utf-8")


def _number(value: float) -> float | None:
    return None if math.isinf(value) else value

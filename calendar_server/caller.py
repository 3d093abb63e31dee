"""For whom the site asks: what it tells the calendar server of a member of the public, for `calendar_server.fairness`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """A member of the public, for whom the site books. `network` is a prefix such as "203.0.113.0/24", "" if unknown.

    `proof` identifies the proof of work that came with it ("" without one), which counts until `proof_until` (epoch seconds).
    """

    network: str = ""
    proof: str = ""
    proof_until: int = 0

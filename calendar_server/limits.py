"""How much the public may book, as a plain value: `calendar_server.fairness` sees to it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is allowed; 0 everywhere: no limit."""

    per_address: int = 0
    """Open appointments of one e-mail address."""
    per_network_hour: int = 0
    """Bookings, holds and moves from one network (IPv4 /24, IPv6 /56) within an hour."""
    network_percent: int = 0
    """Of the time that an office has for appointments on a day: what one network may hold."""
    unconfirmed_percent: int = 0
    """The same, for all holds of everybody together."""
    resends_per_hour: int = 3
    """How often a citizen may have the mail about one appointment once more."""

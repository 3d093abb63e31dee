"""A clock that tests set by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class Clock:
    """Returns a fixed time until somebody moves it; by default a Tuesday noon in Meschede, well before the appointments of tests."""

    def __init__(self, now: datetime = datetime(2026, 12, 1, 11, 0, tzinfo=UTC)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **parts: float) -> None:
        """Move on by a timedelta's parts."""
        self.now += timedelta(**parts)

"""What `calendar_server.desk` asks of whoever keeps the mails: which ones didn't reach their citizens.

The staff pages know the calendar server only; so it is the door to the worker's outbox too, and decides who may look. What stands behind
the door (`booking_web.notifications.mailroom`) is handed in by the composition root.
"""

from __future__ import annotations

from typing import Any, Protocol


class Mailroom(Protocol):
    """The mails of all offices; what it answers is plain JSON."""

    def failed(self, office: str) -> list[dict[str, Any]]:
        """Return the mails that didn't reach their citizens, the newest first.

        Each has "id", "kind", "start", "reference", "name", "email", "phone", "error", "created", and "again": whether it can be tried again.
        """

    def again(self, office: str, number: int) -> bool:
        """Try a failed mail again; False if there's none, it was never written, or it's too late."""

    def settle(self, office: str, number: int) -> bool:
        """Forget a failed mail that staff has dealt with; False if there's none."""

    def feedback(self, text: str, page: str, email: str) -> bool | None:
        """Send what somebody wrote about the site to the town. False: there was too much of it lately; None: not now."""

    def close(self) -> None:
        """Let go of what it has open."""


class NoMailroom:
    """For a calendar server without a worker: nothing has failed."""

    def failed(self, office: str) -> list[dict[str, Any]]:
        """Return nothing."""
        del office
        return []

    def again(self, office: str, number: int) -> bool:
        """Find nothing."""
        del office, number
        return False

    def settle(self, office: str, number: int) -> bool:
        """Find nothing."""
        del office, number
        return False

    def feedback(self, text: str, page: str, email: str) -> None:
        """Take nothing."""
        del text, page, email

    def close(self) -> None:
        """Do nothing."""

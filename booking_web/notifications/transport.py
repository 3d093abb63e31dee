"""How mails leave: the interface, its failures, and delivery into a Maildir.

Terms. A *refused* mail never leaves: trying again is pointless. A *deferred* one may leave later. While the way is *blocked*
no mail leaves, whichever it is. After an *uncertain* attempt the mail may have left or not. One contract test runs against every transport.
"""

from __future__ import annotations

import mailbox
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from booking_web.notifications.mails import Mail


class DeliveryError(Exception):
    """A mail didn't leave, or may not have. The text is for staff: it may name the address, so it must not be logged."""


class RefusedError(DeliveryError):
    """This mail will never be taken."""


class DeferredError(DeliveryError):
    """This mail wasn't taken now; it may be later."""


class BlockedError(DeliveryError):
    """No mail can leave now: the server can't be reached, or doesn't let us in. Nothing of this mail has left.

    `reason` is for the log: what was said before anybody's address was named, or how the rest begins.
    """

    def __init__(self, text: str, reason: str = "") -> None:
        super().__init__(text)
        self.reason = reason


class UncertainError(DeliveryError):
    """The connection broke after the whole mail was handed over and before the answer came."""


class Transport(Protocol):
    """Delivers mails one after another; used by one thread."""

    def send(self, mail: Mail) -> None:
        """Deliver it. Returns once the next host has taken responsibility. Raises one of the errors above."""

    def close(self) -> None:
        """Give up connections that are open; a later `send` opens new ones."""


class MaildirTransport:
    """Writes each mail into a Maildir, as it would have left; a mail appears there whole or not at all."""

    def __init__(self, folder: Path) -> None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        self._maildir = mailbox.Maildir(folder, create=True)

    def send(self, mail: Mail) -> None:
        """Add it under `new/`. Raises RefusedError for a mail that could not have left, BlockedError if it can't be written."""
        try:
            mail.envelope()
        except ValueError as error:
            raise RefusedError(str(error)) from error
        message = mail.message()
        if message.has_bad_headers():
            raise RefusedError("a header has a line break or a control character")
        try:
            self._maildir.add(message.as_bytes())
        except OSError as error:
            text = f"the mail folder can't be written: {error.strerror}"
            raise BlockedError(text, text) from error

    def close(self) -> None:
        """Nothing is open between two mails."""

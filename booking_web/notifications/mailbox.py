"""Reads the mailbox that replies and bounces come to, by IMAP (RFC 9051), and changes nothing in it: people read it as well.

How far it has been read is kept by UIDVALIDITY and UID, so that each mail is looked at once, and again only if the server renumbers.
"""

from __future__ import annotations

import contextlib
import imaplib
import re
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from booking_web.notifications.replies import MAX_BYTES, read
from booking_web.notifications.smtp import Security

if TYPE_CHECKING:
    from booking_web.notifications.answers import Answers
    from booking_web.notifications.store import Store

log = structlog.get_logger(__name__)

_BATCH = 50


class MailboxError(Exception):
    """The mailbox can't be read now; the message says why and names no mail."""


@dataclass(frozen=True, slots=True)
class MailboxSettings:
    """Where replies arrive. `vouching`: the name that the town's mail server writes into Authentication-Results."""

    host: str
    user: str
    password: str = field(repr=False)
    vouching: str
    port: int = 993
    security: Security = Security.TLS
    ca_file: str = ""
    folder: str = "INBOX"
    timeout_seconds: float = 20.0
    poll_seconds: float = 60.0

    @property
    def name(self) -> str:
        """What the mailbox is remembered by."""
        return f"{self.user}@{self.host}/{self.folder}"[:255]


def connect(settings: MailboxSettings) -> imaplib.IMAP4:
    """Open a connection, encrypted and logged in as the settings say. Raises OSError, imaplib.IMAP4.error."""
    context = ssl.create_default_context(cafile=settings.ca_file or None)
    connection: imaplib.IMAP4
    if settings.security is Security.TLS:
        connection = imaplib.IMAP4_SSL(
            settings.host, settings.port, ssl_context=context, timeout=settings.timeout_seconds
        )
    else:
        connection = imaplib.IMAP4(settings.host, settings.port, timeout=settings.timeout_seconds)
    try:
        if settings.security is Security.STARTTLS:
            connection.starttls(context)
        connection.login(settings.user, settings.password)
    except (OSError, imaplib.IMAP4.error):
        with contextlib.suppress(OSError):
            connection.shutdown()
        raise
    return connection


class Mailbox:
    """Reads one mailbox."""

    def __init__(self, settings: MailboxSettings, store: Store, answers: Answers) -> None:
        self._settings = settings
        self._store = store
        self._answers = answers

    def step(self) -> int:
        """Read what is new. Return how many mails told something. Raises MailboxError."""
        try:
            connection = connect(self._settings)
            try:
                return self._read(connection)
            finally:
                connection.logout()
        except (OSError, imaplib.IMAP4.error) as error:
            raise MailboxError(f"{type(error).__name__}: {error}") from error

    def _read(self, connection: imaplib.IMAP4) -> int:
        answer, _ = connection.select(f'"{self._settings.folder}"', readonly=True)
        if answer != "OK":
            raise MailboxError("there is no such folder")
        validity = _number(connection.response("UIDVALIDITY")[1])
        following = _number(connection.response("UIDNEXT")[1])
        known = self._store.mailbox_cursor(self._settings.name)
        if known is None:
            # What came before the town let us read the mailbox isn't ours to act upon.
            self._store.set_mailbox_cursor(self._settings.name, validity, following - 1)
            return 0
        last = known[1] if known[0] == validity else 0
        if following and following - 1 <= last:
            return 0
        _, found = connection.uid("SEARCH", f"UID {last + 1}:*")
        # "n:*" always names the last mail, even if its number is below n (RFC 9051 section 6.4.4).
        numbers = sorted(int(word) for word in (found[0] or b"").split() if int(word) > last)
        told = 0
        for number in numbers[:_BATCH]:
            raw = self._fetch(connection, number)
            said = read(raw, vouching=self._settings.vouching) if raw else None
            if said is not None:
                told += self._answers.receive(said)
            self._store.set_mailbox_cursor(self._settings.name, validity, number)
        return told

    @staticmethod
    def _fetch(connection: imaplib.IMAP4, number: int) -> bytes:
        _, sizes = connection.uid("FETCH", str(number), "(RFC822.SIZE)")
        size = re.search(rb"RFC822\.SIZE (\d+)", b" ".join(one for one in sizes if isinstance(one, bytes)))
        if size is None or int(size[1]) > MAX_BYTES:
            return b""
        _, parts = connection.uid("FETCH", str(number), "(BODY.PEEK[])")
        return next((bytes(part[1]) for part in parts if isinstance(part, tuple)), b"")


def _number(response: list[bytes | None] | list[None]) -> int:
    word = response[0] if response else None
    return int(word) if word else 0

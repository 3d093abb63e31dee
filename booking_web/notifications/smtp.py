"""Delivery by SMTP (RFC 5321), over Flask-Mail's `Connection` with what 0.10 lacks.

It verifies TLS, has timeouts, keeps the connection for many mails, refuses line breaks in headers, writes umlaut domains in ASCII and
umlaut local parts only where the server offers SMTPUTF8 (RFC 6531), names the mail in the envelope for bounces (RFC 3461), and tells failures apart.
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NoReturn, Self

import flask_mail

from booking_web.notifications.mails import CalendarMessage
from booking_web.notifications.one_line import on_one_line
from booking_web.notifications.transport import BlockedError, DeferredError, RefusedError, UncertainError

if TYPE_CHECKING:
    from booking_web.notifications.mails import Mail

_LINE_END = re.compile(rb"\r\n|\r|\n")
_LEADING_DOT = re.compile(rb"(?m)^\.")
_MAILS_PER_CONNECTION = 200
_IDLE_SECONDS = 5.0
"""After that long without a mail, the server is asked whether it is still there."""
_OUR_FAULT = frozenset({421, 450, 451, 454, 530, 534, 535, 538})
"""Answers to MAIL that concern us and not the mail: shutting down, overloaded, login or encryption wanted (RFC 4954 section 6)."""


class Security(StrEnum):
    """How the connection is encrypted."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    """The mail server. `ca_file`: a certificate authority that isn't a public one. `hello`: our own name in EHLO.

    `timeout_seconds` is for every answer but the last one: whether a mail was taken is waited for `taking_seconds`. Servers look for viruses and spam
    before they say so, and who gives up too soon sends the mail again and again (RFC 5321 section 4.5.3.2.6: ten minutes).
    """

    host: str
    port: int = 587
    security: Security = Security.STARTTLS
    user: str = ""
    password: str = ""
    ca_file: str = ""
    timeout_seconds: float = 20.0
    taking_seconds: float = 600.0
    hello: str = "localhost"

    def __repr__(self) -> str:
        return f"SmtpSettings({self.host!r}, {self.port}, {self.security})"


class SmtpConnection(flask_mail.Connection):
    """One connection to the mail server, kept open over many mails. Not safe to share between threads."""

    def __init__(self, settings: SmtpSettings) -> None:
        # Flask-Mail hangs its settings on the application; ours come with the connection, so that a worker needs no application.
        self._settings = settings
        self._last_used = 0.0
        self.host: smtplib.SMTP | None = None
        self.num_emails = 0

    def __enter__(self) -> Self:
        self.host = self.configure_host()
        self.num_emails = 0
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def configure_host(self) -> smtplib.SMTP:
        """Open a connection, encrypted and logged in as the settings say. Raises BlockedError."""
        host: smtplib.SMTP | None = None
        settings = self._settings
        try:
            if settings.security is Security.TLS:
                host = smtplib.SMTP_SSL(
                    settings.host,
                    settings.port,
                    settings.hello,
                    timeout=settings.timeout_seconds,
                    context=self._context(),
                )
            else:
                host = smtplib.SMTP(
                    settings.host, settings.port, settings.hello, timeout=settings.timeout_seconds
                )
            assert host.sock is not None
            # The final dot is a packet of its own, which Nagle's algorithm would hold back by 40 ms.
            host.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            host.ehlo_or_helo_if_needed()
            if settings.security is Security.STARTTLS:
                host.starttls(context=self._context())
                host.ehlo()
            if settings.user:
                host.login(settings.user, settings.password)
        except (OSError, smtplib.SMTPException, BlockedError) as error:
            if host is not None:
                host.close()
            if isinstance(error, BlockedError):
                raise
            raise BlockedError(_said(error), _said(error)) from error
        self._last_used = time.monotonic()
        return host

    def _context(self) -> ssl.SSLContext:
        """Read anew for each connection: a file that isn't there yet, or was replaced, is no reason to end the worker."""
        file = self._settings.ca_file
        try:
            return ssl.create_default_context(cafile=file or None)
        except OSError as error:
            text = f"smtp.ca_file {file} can't be used: {error.strerror or error}"
            raise BlockedError(text, text) from error

    def send(self, message: flask_mail.Message, envelope_from: str | tuple[str, str] | None = None) -> None:
        """Send a message; opens a connection if there is none, and a new one once if the old one has died meanwhile.

        Raises RefusedError, DeferredError, BlockedError, UncertainError.
        """
        if not isinstance(message, CalendarMessage):
            raise TypeError("only messages made by Mail.message() are sent")
        if message.has_bad_headers():
            raise RefusedError("a header has a line break or a control character")
        try:
            sender, recipient = message.mail.envelope()
        except ValueError as error:
            raise RefusedError(str(error)) from error
        if envelope_from is not None:
            raise ValueError("the envelope's sender is always the office's mailbox")
        body = _LEADING_DOT.sub(b"..", _LINE_END.sub(b"\r\n", message.as_bytes()))
        reused = self._host_is_there()
        host = self.host or self._open()
        named = message.mail.message_id
        try:
            self._hand_over_envelope(host, sender, recipient, named)
        except smtplib.SMTPServerDisconnected as error:
            self.close()
            if not reused:
                raise BlockedError(_said(error), type(error).__name__) from error
            host = self._open()
            try:
                self._hand_over_envelope(host, sender, recipient, named)
            except (OSError, smtplib.SMTPException) as again:
                self.close()
                raise BlockedError(_said(again), type(again).__name__) from again
        except (OSError, smtplib.SMTPException) as error:
            self.close()
            raise BlockedError(_said(error), type(error).__name__) from error
        self._hand_over_body(host, body)
        self._last_used = time.monotonic()
        self.num_emails += 1
        if self.num_emails >= _MAILS_PER_CONNECTION:
            self.close()

    def close(self) -> None:
        """Say goodbye if the server still listens, and close."""
        host, self.host = self.host, None
        self.num_emails = 0
        if host is None:
            return
        try:
            host.quit()
        except (OSError, smtplib.SMTPException):
            host.close()

    def _open(self) -> smtplib.SMTP:
        self.host = self.configure_host()
        self.num_emails = 0
        return self.host

    def _host_is_there(self) -> bool:
        if self.host is None:
            return False
        if time.monotonic() - self._last_used < _IDLE_SECONDS:
            return True
        try:
            alive = self.host.noop()[0] == 250
        except (OSError, smtplib.SMTPException):
            alive = False
        if not alive:
            self.close()
        return alive

    def _hand_over_envelope(self, host: smtplib.SMTP, sender: str, recipient: str, named: str) -> None:
        options = []
        if host.has_extn("dsn"):
            # A bounce then names the mail, even if it brings nothing of it back, and at most its headers come back.
            options = ["RET=HDRS", f"ENVID={_xtext(named)}"]
        if not (sender + recipient).isascii():
            if not host.has_extn("smtputf8"):
                raise RefusedError(
                    "the address has letters beyond ASCII before the @, and the mail server can't take that"
                )
            options += ["SMTPUTF8", "BODY=8BITMIME"]
            host.command_encoding = "utf-8"
        try:
            code, answer = host.mail(sender, options)
            if code != 250:
                self._not_taken(host, code, answer, about_us=code in _OUR_FAULT)
            code, answer = host.rcpt(recipient)
            if code not in {250, 251, 252}:
                self._not_taken(host, code, answer, about_us=code == 421)
            code, answer = host.docmd("data")
            if code != 354:
                self._not_taken(host, code, answer, about_us=code == 421)
        finally:
            host.command_encoding = "ascii"

    def _hand_over_body(self, host: smtplib.SMTP, body: bytes) -> None:
        try:
            host.send(body if body.endswith(b"\r\n") else body + b"\r\n")
        except (OSError, smtplib.SMTPException) as error:
            # The final dot hasn't left, so the server must drop the mail (RFC 5321 section 4.1.1.4).
            self.close()
            raise BlockedError(_said(error), type(error).__name__) from error
        try:
            assert host.sock is not None
            host.sock.settimeout(max(self._settings.taking_seconds, self._settings.timeout_seconds))
            host.send(b".\r\n")
            code, answer = host.getreply()
            host.sock.settimeout(self._settings.timeout_seconds)
        except (OSError, smtplib.SMTPException) as error:
            host.close()
            self.host = None
            raise UncertainError(_said(error)) from error
        if code != 250:
            self._not_taken(host, code, answer, about_us=code == 421)

    def _not_taken(self, host: smtplib.SMTP, code: int, answer: bytes, *, about_us: bool) -> NoReturn:
        text = _readable(f"{code} {answer.decode('utf-8', 'replace')}")
        if code == 421 or about_us:
            self.close()
            raise BlockedError(text, f"the server answered {code}")
        try:
            host.rset()
        except (OSError, smtplib.SMTPException):
            self.close()
        if 500 <= code < 600:
            raise RefusedError(text)
        raise DeferredError(text)


class SmtpTransport:
    """Delivers through one kept connection; see `booking_web.notifications.transport.Transport`."""

    def __init__(self, settings: SmtpSettings) -> None:
        self._connection = SmtpConnection(settings)

    def send(self, mail: Mail) -> None:
        """Hand it to the mail server."""
        self._connection.send(mail.message())

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _said(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        answer = error.smtp_error
        text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else str(answer)
        return _readable(f"{error.smtp_code} {text}")
    return _readable(f"{type(error).__name__}: {error}")


def _readable(text: str) -> str:
    """What a server said, on one line; a relay passes on what strangers' servers say, and databases refuse some of that."""
    return on_one_line(text)


def _xtext(text: str) -> str:
    """Text as a parameter of MAIL (RFC 3461 section 4)."""
    return "".join(
        letter if "!" <= letter <= "~" and letter not in "+=" else f"+{ord(letter):02X}" for letter in text
    )

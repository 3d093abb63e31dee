"""What comes back to the office's mailbox: iTIP replies (RFC 5546 section 3.2.3, RFC 6047) and bounces (RFC 3464); reading alone, pure.

Anybody can write a mail, so a reply counts only if our own mail server vouches for its sender (Authentication-Results, RFC 8601),
if the sender is the attendee that it speaks for, and if no program wrote it by itself (RFC 3834). Whether it fits an appointment is
decided in `answers`. A bounce comes from any server, without authentication; it must name the Message-ID of a mail of ours.
"""

from __future__ import annotations

import email
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from enum import StrEnum
from typing import TYPE_CHECKING, Any, cast

from icalendar import Calendar, Component

if TYPE_CHECKING:
    from email.message import EmailMessage, Message

MAX_BYTES = 1_000_000
"""Larger mails are no replies."""


class Partstat(StrEnum):
    """What an attendee answers (RFC 5545 section 3.2.12)."""

    ACCEPTED = "ACCEPTED"
    TENTATIVE = "TENTATIVE"
    DECLINED = "DECLINED"


@dataclass(frozen=True, slots=True)
class Answer:
    """An attendee's reply to the invitation `uid` of that `sequence`; `attendee` is her address in lower case."""

    uid: str
    sequence: int
    attendee: str
    partstat: Partstat
    at: datetime


@dataclass(frozen=True, slots=True)
class Counter:
    """An attendee proposes another time (RFC 5546 section 3.2.7) for the invitation `uid` of that `sequence`.

    Which time isn't kept: what is free, the site knows.
    """

    uid: str
    sequence: int
    attendee: str


@dataclass(frozen=True, slots=True)
class Bounce:
    """A mail of ours, named by its Message-ID without brackets, won't arrive. `error` is what the server said."""

    message_id: str
    error: str


def read(raw: bytes, *, vouching: str) -> Answer | Counter | Bounce | None:
    """Return what a mail says, or None if it's neither or can't be trusted.

    `vouching` is the name (authserv-id) that our mail server writes into Authentication-Results; it must remove others' headers
    of that name (RFC 8601 section 5).
    """
    if len(raw) > MAX_BYTES:
        return None
    try:
        message = email.message_from_bytes(raw, policy=policy.default)
        bounce = _bounce(message)
        if bounce is not None:
            return bounce
        if _is_automatic(message) or not (sender := _vouched_sender(message, vouching)):
            return None
        return _answer(message, sender)
    except (ValueError, LookupError, AttributeError, TypeError):
        # What people and programs send is broken in more ways than the parsers' documented errors.
        return None


def _is_automatic(message: EmailMessage) -> bool:
    submitted = str(message.get("Auto-Submitted", "no")).partition(";")[0].strip().lower()
    precedence = str(message.get("Precedence", "")).strip().lower()
    return submitted != "no" or precedence in {"bulk", "junk", "list", "auto_reply"}


def _vouched_sender(message: EmailMessage, vouching: str) -> str:
    """The one address in From, in lower case, if our server says that it's genuine; else ""."""
    headers = message.get_all("From", [])
    if len(headers) != 1 or len(headers[0].addresses) != 1:
        return ""
    sender = str(headers[0].addresses[0].addr_spec).lower()
    for header in message.get_all("Authentication-Results", []):
        # Comments may hold anything, "dmarc=pass" too.
        text = re.sub(r"\([^()]*\)", " ", str(header)).lower()
        name, _, results = text.partition(";")
        if name.split() and name.split()[0] == vouching.lower():
            # Only the topmost: it was added last, by the server that delivered to us.
            return sender if _passes(results, sender.rpartition("@")[2]) else ""
    return ""


def _passes(results: str, domain: str) -> bool:
    for result in results.split(";"):
        words = result.split()
        properties = dict(word.split("=", 1) for word in words if "=" in word)
        if properties.get("dmarc") == "pass" and properties.get("header.from", domain) == domain:
            return True
        signer = properties.get("header.d", "")
        if (
            properties.get("dkim") == "pass"
            and signer
            and (domain == signer or domain.endswith("." + signer))
        ):
            return True
    return False


def _answer(message: EmailMessage, sender: str) -> Answer | Counter | None:
    part = next((one for one in message.walk() if one.get_content_type() == "text/calendar"), None)
    if part is None:
        return None
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return None
    calendar = cast("Component", Calendar.from_ical(payload.decode(part.get_content_charset() or "utf-8")))
    events = calendar.walk("VEVENT")
    method = str(calendar.get("METHOD", "")).upper()
    if method not in {"REPLY", "COUNTER"} or len(events) != 1:
        return None
    event: Any = events[0]
    attendee = event.get("ATTENDEE")
    if attendee is None or isinstance(attendee, list):
        return None
    address = re.sub(r"(?i)^mailto:", "", str(attendee)).strip().lower()
    stamp = event.decoded("DTSTAMP")
    if address != sender or not isinstance(stamp, datetime):
        return None
    uid, sequence = str(event["UID"]), int(event.get("SEQUENCE", 0))
    if method == "COUNTER":
        return Counter(uid, sequence, address)
    partstat = Partstat(str(attendee.params.get("PARTSTAT", "")).upper())
    at = stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)
    return Answer(uid, sequence, address, partstat, at)


def _bounce(message: EmailMessage) -> Bounce | None:
    if message.get_content_type() != "multipart/report":
        return None
    error = message_id = ""
    for part in message.walk():
        kind = part.get_content_type()
        if kind == "message/delivery-status":
            error = error or _failure(part)
        elif kind == "message/rfc822":
            (inner,) = cast("list[Message]", part.get_payload())
            message_id = str(inner.get("Message-ID", ""))
        elif kind == "text/rfc822-headers":
            payload = part.get_payload(decode=True)
            headers = email.message_from_bytes(payload if isinstance(payload, bytes) else b"")
            message_id = str(headers.get("Message-ID", ""))
    found = re.fullmatch(r"\s*<([^<>\s]+)>\s*", message_id)
    return Bounce(found[1], error) if error and found else None


def _failure(part: EmailMessage | Message) -> str:
    """The first recipient's permanent failure, in the server's words; "" if it was delayed or delivered."""
    for block in cast("list[Message]", part.get_payload()):
        status = str(block.get("Status", "")).strip()
        if str(block.get("Action", "")).strip().lower() == "failed" and status.startswith("5"):
            said = " ".join(str(block.get("Diagnostic-Code", "")).split())
            return f"{status} {said}".strip()[:500]
    return ""

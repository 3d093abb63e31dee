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
from urllib.parse import unquote

from icalendar import Calendar, Component

from booking_web.notifications.one_line import on_one_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message

MAX_BYTES = 1_000_000
"""Larger mails are no replies."""
_MAX_HEADER_BYTES = 4_000
"""With longer headers of those that are parsed here, the parsers' time grows by the square: 90 s were seen for one of 100 kB."""
_PARSED = "from|content-type|content-transfer-encoding|authentication-results|auto-submitted|precedence"
_PARSED_HEADERS = re.compile(
    rf"(?i)(?:\A|[\r\n])(?:{_PARSED})[ \t]*:[^\r\n]*(?:(?:\r\n|\r|\n)[ \t][^\r\n]*)*".encode()
)
_BY_A_PERSON = frozenset({"no", "auto-generated"})
"""What Auto-Submitted may say in a reply: Google Calendar writes "auto-generated" into those that people send by a click."""
_REPORTS = frozenset({"message/delivery-status", "message/global-delivery-status"})
_ORIGINALS = frozenset({"message/rfc822", "message/global", "message/global-headers"})
_MESSAGE_ID = re.compile(r"\s*<([!-;=?-~]+)>\s*")


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
    if any(len(found.group()) > _MAX_HEADER_BYTES for found in _PARSED_HEADERS.finditer(raw)):
        return None
    try:
        # The old policy reads headers by splitting them; the new one parses every Content-Type by grammar, which takes long.
        message = email.message_from_bytes(raw)
        bounce = _bounce(message)
        if bounce is not None:
            return bounce
        if _is_automatic(message) or not (sender := _vouched_sender(message, vouching)):
            return None
        return _answer(message, sender)
    except Exception:  # noqa: BLE001 - what anybody can send breaks parsers in more ways than they document, by too deep a recursion too
        return None


def _is_automatic(message: Message) -> bool:
    submitted = str(message.get("Auto-Submitted", "no")).partition(";")[0].strip().lower()
    precedence = str(message.get("Precedence", "")).strip().lower()
    return submitted not in _BY_A_PERSON or precedence in {"bulk", "junk", "list", "auto_reply"}


def _vouched_sender(message: Message, vouching: str) -> str:
    """The one address in From, in lower case, if our server says that it's genuine; else ""."""
    headers = [value for name, value in message.raw_items() if name.lower() == "from"]
    if len(headers) != 1:
        return ""
    parties = policy.default.header_fetch_parse("From", headers[0]).addresses
    if len(parties) != 1:
        return ""
    sender = str(parties[0].addr_spec).lower()
    for header in message.get_all("Authentication-Results", []):
        name, _, results = _without_comments(str(header)).lower().partition(";")
        if name.split() and name.split()[0] == vouching.lower():
            # Only the topmost: it was added last, by the server that delivered to us.
            return sender if _passes(results, sender.rpartition("@")[2]) else ""
    return ""


def _without_comments(text: str) -> str:
    """The text without comments, which may be nested (RFC 5322 section 3.2.2); nothing in quotes divides it any more. "" if one isn't closed.

    Both may hold what a stranger chose, "dmarc=pass" too: a local part in quotes is enough.
    """
    kept: list[str] = []
    depth, quoted, escaped = 0, False, False
    for letter in text:
        if escaped:
            escaped = False
        elif letter == "\\" and (quoted or depth):
            escaped = True
        elif quoted:
            quoted = letter != '"'
            kept.append(letter if letter.isalnum() or letter in "@.-_" else "_" if quoted else "")
        elif letter == "(":
            depth += 1
            kept.append(" ")
        elif depth:
            depth -= letter == ")"
        elif letter == '"':
            quoted = True
        else:
            kept.append(letter)
    return "" if depth or quoted else "".join(kept)


def _passes(results: str, domain: str) -> bool:
    return any(_proves(result, domain) for result in results.split(";"))


def _proves(result: str, domain: str) -> bool:
    """True if one result ("dkim=pass header.d=example.org") shows that the mail comes from `domain`."""
    method, *rest = re.sub(r"\s*=\s*", "=", result).split() or [""]
    properties = dict(word.split("=", 1) for word in rest if "=" in word)
    if method == "dmarc=pass":
        return properties.get("header.from", domain) == domain
    if method != "dkim=pass":
        return False
    # Of a signature that is valid, the identity lies within the domain that signed (RFC 6376 section 3.5).
    signer = properties.get("header.d") or properties.get("header.i", "").rpartition("@")[2]
    return "." in signer and (domain == signer or domain.endswith("." + signer))


def _answer(message: Message, sender: str) -> Answer | Counter | None:
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
    address = unquote(re.sub(r"(?i)^mailto:", "", str(attendee).strip())).lower()
    stamp = event.decoded("DTSTAMP")
    if address != sender or not isinstance(stamp, datetime):
        return None
    uid, sequence = str(event["UID"]), int(event.get("SEQUENCE", 0))
    if not uid.isprintable():
        return None
    if method == "COUNTER":
        return Counter(uid, sequence, address)
    partstat = Partstat(str(attendee.params.get("PARTSTAT", "")).upper())
    at = stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)
    return Answer(uid, sequence, address, partstat, at)


def _bounce(message: Message) -> Bounce | None:
    if message.get_content_type() != "multipart/report":
        return None
    error = ""
    named: list[str] = []
    for part in message.walk():
        kind = part.get_content_type()
        if kind in _REPORTS:
            blocks = list(_blocks(part))
            error = error or next(filter(None, map(_failure, blocks)), "")
            named += [
                f"<{block['Original-Envelope-Id']}>"
                for block in blocks[:1]
                if "Original-Envelope-Id" in block
            ]
        elif kind in _ORIGINALS:
            (inner,) = cast("list[Message]", part.get_payload())
            named.append(str(inner.get("Message-ID", "")))
        elif kind == "text/rfc822-headers":
            payload = part.get_payload(decode=True)
            headers = email.message_from_bytes(payload if isinstance(payload, bytes) else b"")
            named.append(str(headers.get("Message-ID", "")))
    # Some servers send nothing of the mail back, but answer it like people do.
    named.append(str(message.get("In-Reply-To", "")))
    found = next(filter(None, map(_MESSAGE_ID.fullmatch, named)), None)
    return Bounce(found[1], error) if error and found else None


def _blocks(part: Message) -> Iterator[Message]:
    """The fields about the mail, and then those about each recipient (RFC 3464 section 2.1, RFC 6533 section 3)."""
    for block in cast("list[Message]", part.get_payload()):
        yield block
        if part.get_content_type() == "message/global-delivery-status":
            # The email package doesn't know it, and takes all after the first empty line for a body.
            text = str(block.get_payload())
            yield from map(email.message_from_string, re.split(r"\n\s*\n", text))


def _failure(block: Message) -> str:
    """A recipient's failure, in the server's words; "" if the mail was delayed or delivered.

    A server that gave up after days of trying writes "failed" beside the temporary status that it saw last.
    """
    status = str(block.get("Status", "")).strip()
    if str(block.get("Action", "")).strip().lower() != "failed" or not status.startswith(("4", "5")):
        return ""
    return on_one_line(f"{status} {block.get('Diagnostic-Code', '')}")

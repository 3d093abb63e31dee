"""Uids of what the site books, and the tokens in the links that let a citizen change her appointment.

A uid is `<26 base32 characters>@<host of the town>`: 130 bits, random or derived from an idempotency key. Clerks see it in their
calendars, so it's no capability. A token is the uid's local part followed by a MAC over office and uid: only who knows the
signing secret can make it, and it names the office without a look-up.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_UID_LENGTH = 26
_MAC_LENGTH = 16
_SHAPE = re.compile(rf"[a-z2-7]{{{_UID_LENGTH + _MAC_LENGTH}}}")
TOKEN_LENGTH = _UID_LENGTH + _MAC_LENGTH


def _base32(data: bytes, length: int) -> str:
    return base64.b32encode(data).decode("ascii").lower()[:length]


def keyed_digest(secret: bytes, purpose: str, *parts: str) -> bytes:
    """Return HMAC-SHA256 over the length-prefixed parts, so that no two lists of parts give the same input."""
    message = b"".join(
        len(part.encode()).to_bytes(4, "big") + part.encode() for part in ("termin", purpose, *parts)
    )
    return hmac.new(secret, message, hashlib.sha256).digest()


def random_uid(host: str) -> str:
    """Return a new uid with 130 random bits."""
    return f"{_base32(secrets.token_bytes(17), _UID_LENGTH)}@{host}"


def derived_uid(secret: bytes, host: str, *parts: str) -> str:
    """Return the uid that belongs to an idempotency key and what it's scoped by: the same parts, the same uid."""
    return f"{_base32(keyed_digest(secret, 'uid', *parts), _UID_LENGTH)}@{host}"


def make_token(secret: bytes, office: str, uid: str) -> str:
    """Return the token of an appointment: 26 characters of its uid and 16 (80 bits) of the MAC, lower-case base32."""
    mac = _base32(keyed_digest(secret, "token", office, uid), _MAC_LENGTH)
    return uid.partition("@")[0] + mac


def read_token(secret: bytes, host: str, offices: Iterable[str], token: str) -> tuple[str, str] | None:
    """Return (office, uid) of a token made by `make_token`; None if it's no such token of any of `offices`."""
    if not _SHAPE.fullmatch(token):
        return None
    uid = f"{token[:_UID_LENGTH]}@{host}"
    for office in offices:
        if hmac.compare_digest(make_token(secret, office, uid), token):
            return office, uid
    return None


def activation_code(secret: bytes, office: str, uid: str, email: str) -> str:
    """Return what stands in the link that confirms `email`, and nowhere else: who only booked it, can't know it (130 bits, base32)."""
    return _base32(keyed_digest(secret, "activation", office, uid, email), _UID_LENGTH)


_REFERENCE_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""32 characters without 0, 1, I and O, so that a reference can be read out on the telephone."""


def reference_of(secret: bytes, uid: str) -> str:
    """Return the reference (Vorgangsnummer) of a uid, such as "K7QM-3XPD"; the same uid, the same reference."""
    number = int.from_bytes(keyed_digest(secret, "reference", uid)[:5], "big")
    characters = "".join(_REFERENCE_ALPHABET[(number >> (5 * at)) & 31] for at in range(8))
    return f"{characters[:4]}-{characters[4:]}"

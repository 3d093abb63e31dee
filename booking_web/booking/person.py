"""What a citizen enters about herself: checked and brought into one form.

Names are of all the world (letters of any script, marks, spaces, apostrophes). What could turn a mail into
something else is refused: line breaks and control characters anywhere, addresses of web pages in a name, since the
confirmation goes to an address that nobody has proved yet.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

import idna

from booking_web.booking.errors import FieldError, InvalidError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from booking_web.booking.choice import Choice

NAME_LIMIT = 100
EMAIL_LIMIT = 254
PHONE_LIMIT = 40
REMARKS_LIMIT = 500
NEEDS = {
    "wheelchair": "Kommt mit Rollstuhl oder Rollator",
    "interpreter": "Braucht eine Dolmetscherin oder einen Dolmetscher",
    "companion": "Kommt mit einer Begleitperson",
}
"""What she can ask for beside her services, and how the clerk reads it."""

_LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
"""A dot-atom (RFC 5321 section 4.1.2); quoted local parts are legal and never meant."""
_PHONE = re.compile(r"\+?[0-9 ()/.\-]+")
_WEB_ADDRESS = re.compile(r"https?:|www\.|[<>@]", re.IGNORECASE)
_DIRECTION_MARKS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True, slots=True)
class Person:
    """Who comes; every text is checked. `email` has an ASCII domain (IDNA), so that any mail server takes it."""

    name: str
    email: str
    phone: str = ""
    remarks: str = ""
    reminder: bool = False
    language: str = "de"
    needs: tuple[str, ...] = ()
    """Keys of `NEEDS`, in its order."""


def _is_control(character: str) -> bool:
    return (
        unicodedata.category(character) in {"Cc", "Cs", "Co", "Cn", "Zl", "Zp"}
        or character in _DIRECTION_MARKS
    )


def _has_control(text: str) -> bool:
    return any(_is_control(character) for character in text)


def _check_name(name: str) -> str | None:
    if not name:
        return "required"
    if len(name) > NAME_LIMIT:
        return "too-long-text"
    if _has_control(name):
        return "control-characters"
    if _WEB_ADDRESS.search(name):
        return "name-is-address"
    if not any(character.isalpha() for character in name):
        return "name"
    return None


def ascii_email(text: str) -> str | None:
    """Return the address with its domain in ASCII (IDNA 2008); None if it can't be an address on the internet."""
    local, at, domain = text.rpartition("@")
    if not at or not _LOCAL_PART.fullmatch(local) or len(local) > 64:
        return None
    try:
        ascii_domain = idna.encode(domain, uts46=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError):
        return None
    labels = ascii_domain.split(".")
    if len(labels) < 2 or labels[-1].isdecimal() or not re.fullmatch(r"[a-z0-9.-]+", ascii_domain):
        return None
    address = f"{local}@{ascii_domain}"
    return address if len(address) <= EMAIL_LIMIT else None


def _check_email(email: str) -> tuple[str, str | None]:
    if not email:
        return "", "required"
    if _has_control(email) or len(email) > EMAIL_LIMIT:
        return "", "email"
    if not email.rpartition("@")[0].isascii():
        return "", "email-umlaut"
    address = ascii_email(email)
    return ("", "email") if address is None else (address, None)


def _check_phone(phone: str, *, needed: bool) -> str | None:
    if not phone:
        return "required" if needed else None
    digits = sum(character.isdigit() for character in phone)
    if len(phone) > PHONE_LIMIT or not _PHONE.fullmatch(phone) or not 5 <= digits <= 20:
        return "phone"
    return None


def _check_remarks(remarks: str) -> str | None:
    if len(remarks) > REMARKS_LIMIT:
        return "too-long-text"
    return "control-characters" if _has_control(remarks.replace("\n", " ")) else None


def _one_line(text: str) -> str:
    return re.sub(r"[ \t\u00a0]+", " ", unicodedata.normalize("NFC", text)).strip(" ")


def check_person(
    *,
    name: str,
    email: str,
    phone: str = "",
    remarks: str = "",
    reminder: bool = False,
    language: str = "de",
    needs: Iterable[str] = (),
    choice: Choice | None = None,
) -> Person:
    """Check all fields and return the person; InvalidError names every field at fault.

    `choice` says whether the telephone number is needed.
    """
    name, email, phone = _one_line(name), _one_line(email), _one_line(phone)
    remarks = unicodedata.normalize("NFC", remarks).replace("\r\n", "\n").replace("\r", "\n")
    remarks = remarks.replace("\t", " ").strip()
    errors: list[FieldError] = []
    if code := _check_name(name):
        errors.append(FieldError("name", code, NAME_LIMIT))
    address, email_code = _check_email(email)
    if email_code:
        errors.append(FieldError("email", email_code))
    needed = choice is not None and any(service.needs_phone for service, _ in choice.chosen)
    if code := _check_phone(phone, needed=needed):
        errors.append(FieldError("phone", code))
    if code := _check_remarks(remarks):
        errors.append(FieldError("remarks", code, REMARKS_LIMIT))
    asked = frozenset(needs)
    if not asked <= NEEDS.keys():
        errors.append(FieldError("needs", "unknown"))
    if errors:
        raise InvalidError(errors)
    return Person(
        name, address, phone, remarks, reminder, language, tuple(need for need in NEEDS if need in asked)
    )

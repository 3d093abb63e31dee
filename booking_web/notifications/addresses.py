"""Mail addresses as they go into an envelope (RFC 5321, RFC 6531): checked, and with the domain in ASCII (IDNA 2008)."""

from __future__ import annotations

import re
from dataclasses import dataclass

import idna

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+"
_LOCAL_PART = re.compile(rf"{_ATEXT}(?:\.{_ATEXT})*")
_ADDRESS_LIMIT = 254
_LOCAL_LIMIT = 64


class AddressError(ValueError):
    """No mail can be sent there; the message says why and doesn't contain the address."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An address that may stand in an envelope: `local` may have letters beyond ASCII, `domain` never."""

    local: str
    domain: str

    @property
    def address(self) -> str:
        """The whole address."""
        return f"{self.local}@{self.domain}"

    @property
    def needs_smtputf8(self) -> bool:
        """True if only servers with SMTPUTF8 (RFC 6531) can take it."""
        return not self.local.isascii()


def mailbox(text: str) -> Mailbox:
    """Read one address, without a display name. Raises AddressError."""
    local, at, domain = text.strip().rpartition("@")
    if not at or not local or not domain:
        raise AddressError("an address needs a name, an @ and a domain")
    if not text.isprintable() or not _LOCAL_PART.fullmatch(local):
        raise AddressError("the part before the @ has characters that no address has")
    try:
        ascii_domain = idna.encode(domain, uts46=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError) as error:
        raise AddressError("the part after the @ is no domain") from error
    if "." not in ascii_domain or not re.fullmatch(r"[a-z0-9.-]+", ascii_domain):
        raise AddressError("the part after the @ is no domain")
    found = Mailbox(local, ascii_domain)
    if len(local.encode()) > _LOCAL_LIMIT or len(found.address.encode()) > _ADDRESS_LIMIT:
        raise AddressError("the address is too long")
    return found

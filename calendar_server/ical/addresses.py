"""Calendar user addresses (RFC 5545 section 3.3.3, RFC 6638 section 2.4.1): when two of them are the same person's."""

from __future__ import annotations

from urllib.parse import unquote, urlparse


def normal(address: str) -> str:
    """Return a calendar user address in the form in which two of them are compared.

    A mail address in casefold, or the path of a principal's url between slashes; "" for what is neither.
    """
    text = address.strip()
    if text.casefold().startswith("mailto:"):
        return unquote(text[7:]).strip().casefold()
    try:
        path = urlparse(text).path if text.casefold().startswith(("http://", "https://", "/")) else ""
    except ValueError:
        path = ""
    return f"/{unquote(path).strip('/')}/" if path.strip("/") else ""

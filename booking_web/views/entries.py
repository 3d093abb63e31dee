"""What she has entered, carried from page to page while she books: in the form's hidden fields, and in a cookie for as long as that takes.

The cookie lets every page of the way be answered to GET, so that going back never asks to send anything again (docs/decisions/0220). It belongs to
one kept time, is erased once that is booked or another way begins, and is gone after half an hour by itself. A browser that keeps no cookies gets the
same pages in answer to its POST.
"""

from __future__ import annotations

import json
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING

from flask import request

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from werkzeug.wrappers import Response

COOKIE = "termin_entries"
MAX_AGE = 30 * 60
"""Seconds; as long as somebody may take over one page."""
_COOKIE_LIMIT = 3_800
"""Browsers keep 4,096 characters of name, value and attributes (RFC 6265 section 6.1)."""
_TEXT_LIMIT = 20_000
"""Characters that are unpacked at most: what comes back is a stranger's data."""


def remember(response: Response, token: str, entries: Mapping[str, str]) -> bool:
    """Let the browser keep what was entered for the time behind `token`; False if that is more than a cookie holds."""
    given = {name: value for name, value in entries.items() if value}
    text = json.dumps([token, given], separators=(",", ":"), ensure_ascii=False)
    packed = urlsafe_b64encode(zlib.compress(text.encode("utf-8", "replace"), 9)).decode("ascii")
    if len(packed) > _COOKIE_LIMIT:
        return False
    response.set_cookie(
        COOKIE, packed, max_age=MAX_AGE, httponly=True, secure=request.is_secure, samesite="Strict"
    )
    return True


def remembered(token: str, fields: Container[str]) -> dict[str, str] | None:
    """Return what was entered into `fields` for the time behind `token`; None if this browser doesn't know."""
    packed = request.cookies.get(COOKIE, "")
    try:
        unpacker = zlib.decompressobj()
        text = unpacker.decompress(urlsafe_b64decode(packed), _TEXT_LIMIT)
        found = json.loads(text.decode("utf-8"))
    except (ValueError, zlib.error, RecursionError):
        return None
    match found:
        case [str(owner), dict(given)] if owner == token:
            return {name: value for name, value in given.items() if name in fields and isinstance(value, str)}
    return None


def forget(response: Response) -> None:
    """Erase it."""
    if COOKIE in request.cookies:
        response.delete_cookie(COOKIE, httponly=True, secure=request.is_secure, samesite="Strict")

"""DAV multistatus answers (RFC 4918 section 13), written as text instead of through an element tree.

For thousands of small responses building a tree costs far more than the database does.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

NAMESPACES = (
    'xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:CS="http://calendarserver.org/ns/" '
    'xmlns:CR="urn:ietf:params:xml:ns:carddav" xmlns:T="urn:termin"'
)
_HEAD = f'<?xml version="1.0" encoding="utf-8"?>\n<multistatus {NAMESPACES}>'
_PREFIXES = {"DAV:": "", "urn:ietf:params:xml:ns:caldav": "C:", "http://calendarserver.org/ns/": "CS:"}
# XML 1.0 section 2.2 has no way to write these characters at all; texts that are stored have none of the first kind.
_UNWRITABLE = bytes(byte for byte in range(0x20) if byte not in b"\t\n\r")
_NO_CHARACTERS = ("\ufffe", "\uffff")
# Names that need neither percent-encoding nor escaping: nearly all of them.
_PLAIN = re.compile(r"[A-Za-z0-9@:._~-]+")
CONTENT_TYPE = "application/xml; charset=utf-8"


def escape(text: str) -> str:
    """Return text as XML character data; a carriage return as a reference, since parsers would turn it into a line feed."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")


def attribute(text: str) -> str:
    """Return text as the value of an XML attribute in double quotes; white space as references, which parsers would turn into spaces."""
    return escape(text).replace('"', "&quot;").replace("\n", "&#10;").replace("\t", "&#9;")


def element(tag: str, content: str | None = None) -> str:
    """Return an element of this tag (as ElementTree writes it) with this XML in it."""
    namespace, brace, name = tag.removeprefix("{").rpartition("}")
    if namespace in _PREFIXES:
        full, declared = _PREFIXES[namespace] + name, ""
    elif brace:
        full, declared = f"X:{name}", f' xmlns:X="{attribute(namespace)}"'
    else:
        full, declared = name, ' xmlns=""'
    return f"<{full}{declared}/>" if not content else f"<{full}{declared}>{content}</{full}>"


def data(text: str) -> str:
    """Return calendar data as XML character data, with bare line feeds: every client takes them, and some show references."""
    return text.replace("\r\n", "\n").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def href(prefix: str, *segments: str, collection: bool = False) -> str:
    """Return a path as the content of an href: percent-encoded, and so without anything to escape but in the prefix."""
    path = "/".join(
        segment if _PLAIN.fullmatch(segment) else escape(quote(segment, safe="@:+=,!$'()*;~"))
        for segment in segments
    )
    return f"{escape(prefix) if prefix else ''}/{path}{'/' if collection else ''}"


def below(where: str) -> Callable[[str], str]:
    """Return what gives the href of each name in a collection whose own href is `where`: for thousands of names."""

    def of(name: str) -> str:
        return where + (name if _PLAIN.fullmatch(name) else href("", name)[1:])

    return of


def found(where: str, properties: str, missing: str = "") -> str:
    """Return a response with the properties found (200) and those that there aren't (404), each as XML."""
    parts = [f"<response><href>{where}</href>"]
    if properties or not missing:
        parts.append(f"<propstat><prop>{properties}</prop><status>HTTP/1.1 200 OK</status></propstat>")
    if missing:
        parts.append(f"<propstat><prop>{missing}</prop><status>HTTP/1.1 404 Not Found</status></propstat>")
    parts.append("</response>")
    return "".join(parts)


def gone(where: str) -> str:
    """Return a response for a resource that isn't there."""
    return f"<response><href>{where}</href><status>HTTP/1.1 404 Not Found</status></response>"


def truncated(where: str) -> str:
    """Return the response that says that there is more than was asked for (RFC 6578 section 3.6)."""
    return (
        f"<response><href>{where}</href><status>HTTP/1.1 507 Insufficient Storage</status>"
        "<error><number-of-matches-within-limits/></error></response>"
    )


def document(responses: Iterable[str], sync_token: str = "") -> bytes:
    """Return the whole answer, without the characters that XML has no way to write."""
    token = f"<sync-token>{escape(sync_token)}</sync-token>" if sync_token else ""
    # Once for all of it: looking for them in each of a thousand texts would take longer than reading these from the database.
    text = f"{_HEAD}{''.join(responses)}{token}</multistatus>"
    # As text, which knows of itself whether it has anything but ASCII.
    for character in () if text.isascii() else _NO_CHARACTERS:
        text = text.replace(character, "")
    return text.encode(errors="replace").translate(None, _UNWRITABLE)


def error(namespace: str, name: str, where: str = "") -> bytes:
    """Return a DAV:error with one precondition (RFC 4918 section 16), and in it the href of what stands in the way."""
    prefix = {"urn:termin": "T", "urn:ietf:params:xml:ns:caldav": "C", "DAV:": "D"}[namespace]
    declared = "" if prefix == "D" else f' xmlns:{prefix}="{namespace}"'
    inner = f"<{prefix}:{name}{declared}/>"
    if where:
        inner = f"<{prefix}:{name}{declared}><D:href>{where}</D:href></{prefix}:{name}>"
    return f'<?xml version="1.0" encoding="utf-8"?>\n<D:error xmlns:D="DAV:">{inner}</D:error>'.encode()

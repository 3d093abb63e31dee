"""Reading a request's XML safely: no DTD, no entities, bounded in size, depth and number of elements.

ElementTree frees a deep tree recursively in C: 200,000 nested elements end the process. So depth is counted while parsing.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import defusedxml
from defusedxml.ElementTree import DefusedXMLParser

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MAX_DEPTH = 64
MAX_ELEMENTS = 100_000


class BadXmlError(ValueError):
    """The body isn't XML, or more of it than any client has reason to send."""


class _BoundedBuilder(ET.TreeBuilder):
    def __init__(self) -> None:
        super().__init__()
        self._depth = 0
        self._count = 0

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        self._depth += 1
        self._count += 1
        if self._depth > MAX_DEPTH or self._count > MAX_ELEMENTS:
            raise BadXmlError("too many elements")
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag)


def parse(body: bytes) -> Element | None:
    """Return the root element, None for an empty body. Raises BadXmlError."""
    if not body.strip():
        return None
    parser = DefusedXMLParser(target=_BoundedBuilder(), forbid_dtd=True)
    try:
        parser.feed(body)
        root = parser.close()
    except BadXmlError:
        raise
    except (ET.ParseError, ValueError, LookupError, defusedxml.DefusedXmlException) as error:
        raise BadXmlError("not well-formed XML") from error
    assert isinstance(root, ET.Element)
    return root

"""Reading a request's XML safely: no DTD and so no entities, bounded in size, depth and number of elements.

Expat does the work, and ElementTree's builder makes the tree; between them elements are counted. ElementTree's own parser can't: it frees a deep tree
recursively in C, so that 200,000 nested elements end the process.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING
from xml.parsers import expat

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MAX_DEPTH = 64
MAX_ELEMENTS = 100_000
_SEPARATOR = "}"
"""Between namespace and name, as expat gives them to us; ElementTree wants a brace before it too."""


class BadXmlError(ValueError):
    """The body isn't XML, or more of it than any client has reason to send."""


class _Reader:
    """Reads one body; its methods are expat's handlers."""

    def __init__(self) -> None:
        self._builder = ET.TreeBuilder()
        self._depth = 0
        self._count = 0
        parser = expat.ParserCreate(namespace_separator=_SEPARATOR)
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._builder.data
        self._parser = parser

    def read(self, body: bytes) -> Element:
        try:
            self._parser.Parse(body, True)
        finally:
            # Parser and handlers hold each other; without this every request would leave a cycle to the collector.
            self._parser.StartDoctypeDeclHandler = None
            self._parser.StartElementHandler = None
            self._parser.EndElementHandler = None
        return self._builder.close()

    def _doctype(self, *_: object) -> None:
        raise BadXmlError("a document type")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self._count += 1
        if self._depth > MAX_DEPTH or self._count > MAX_ELEMENTS:
            raise BadXmlError("too many elements")
        if attributes and any(_SEPARATOR in name for name in attributes):
            attributes = {_clark(name): value for name, value in attributes.items()}
        self._builder.start(_clark(tag), attributes)

    def _end(self, tag: str) -> None:
        self._depth -= 1
        self._builder.end(_clark(tag))


def _clark(name: str) -> str:
    """Return an expanded name as ElementTree writes it: {namespace}name, or the name alone."""
    return "{" + name if _SEPARATOR in name else name


def parse(body: bytes) -> Element | None:
    """Return the root element, None for an empty body. Raises BadXmlError."""
    if not body or body.isspace():
        return None
    try:
        return _Reader().read(body)
    except BadXmlError:
        raise
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise BadXmlError("not well-formed XML") from error

"""What a client prefers about its answer: the headers Prefer (RFC 7240, RFC 8144) and Brief, which is older and means the same as return=minimal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from calendar_server.frame import Request

# A preference, its value, and its parameters, which none of ours has (RFC 7240 section 2).
_EACH = re.compile(r'\s*([^\s=;,"]+)(?:\s*=\s*(?:"([^"]*)"|([^\s=;,"]*)))?\s*(?:;(?:[^,"]|"[^"]*")*)?(?:,|$)')
_LONGEST = 500
"""Characters that are looked at: what a client has to say fits in fifty."""
_MINIMAL = "return=minimal"
_NO_ROOT = "depth-noroot"


class Preferences(NamedTuple):
    """`minimal`: without properties that there aren't, and without a body that only says what was asked. `no_root`: what is below a collection, without itself."""

    minimal: bool = False
    no_root: bool = False
    is_brief: bool = False

    def applied(self, *, no_root: bool = False) -> Mapping[str, str]:
        """Return the headers that tell what was followed; `no_root`: that preference too, had it been given."""
        followed = [_MINIMAL] if self.minimal and not self.is_brief else []
        followed += [_NO_ROOT] if no_root and self.no_root else []
        if followed:
            return {"Preference-Applied": ", ".join(followed), "Vary": "Prefer"}
        return {"Vary": "Brief"} if self.is_brief else {}


_NONE = Preferences()


def of(request: Request) -> Preferences:
    """Read a request's preferences; what is none is overlooked (RFC 7240 section 2)."""
    brief = request.header("BRIEF").strip().lower() == "t"
    sent = request.header("PREFER")[:_LONGEST]
    if not brief and not sent:
        return _NONE
    given: dict[str, str] = {}
    for name, quoted, plain in _EACH.findall(sent):
        # Of several that contradict each other the first holds.
        given.setdefault(name.lower(), (quoted or plain).lower())
    asked = given.get("return") == "minimal"
    return Preferences(asked or brief, _NO_ROOT in given, brief and not asked)

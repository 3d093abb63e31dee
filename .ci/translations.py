"""Check that no text is without a translation: every message that the code and the templates use, in every catalogue.

The catalogues lie in booking_web/translations/<language>.po; German stands in the code and the templates themselves.
"""

from __future__ import annotations

import sys
from pathlib import Path

from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.pofile import read_po

ROOT = Path(__file__).parents[1]
CATALOGUES = ROOT / "booking_web" / "translations"


METHODS = [("booking_web/**.py", "python"), ("booking_web/templates/**.html", "jinja2")]
KEYWORDS = {**DEFAULT_KEYWORDS, "lazy_gettext": None, "lazy_ngettext": (1, 2)}


def used() -> set[str]:
    """Return the ids of all messages that code and templates use."""
    found = extract_from_dir(str(ROOT), METHODS, {}, keywords=KEYWORDS, strip_comment_tags=True)
    return {message if isinstance(message, str) else message[0] for _, _, message, _, _ in found}


def mistakes() -> list[str]:
    """Return what is missing, wrong or left over, a line each."""
    wanted = used()
    found = []
    catalogues = sorted(CATALOGUES.glob("*.po"))
    if not catalogues:
        return [f"there is no catalogue under {CATALOGUES.relative_to(ROOT)}"]
    for file in catalogues:
        name = file.relative_to(ROOT)
        with file.open("rb") as opened:
            catalogue = read_po(opened, locale=file.stem)
        messages = {
            message.id if isinstance(message.id, str) else message.id[0]: message
            for message in catalogue
            if message.id
        }
        found += [f"{name}: not in the catalogue: {text!r}" for text in sorted(wanted - messages.keys())]
        found += [f"{name}: no longer used: {text!r}" for text in sorted(messages.keys() - wanted)]
        for text, message in sorted(messages.items()):
            strings = [message.string] if isinstance(message.string, str) else list(message.string)
            if not all(strings):
                found.append(f"{name}: not translated: {text!r}")
            elif message.fuzzy:
                found.append(f"{name}: marked fuzzy: {text!r}")
            found += [f"{name}: {text!r}: {error}" for error in message.check(catalogue)]
    return found


def main() -> int:
    """Print the mistakes; return the exit status."""
    found = mistakes()
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

"""Check that no text is without a translation: every message that the code and the templates use, in every catalogue.

The catalogues lie in booking_web/translations/<language>.po; German stands in the code and the templates themselves.
Texts of the staff pages are asked for in English only. Two catalogues are German themselves and hold what differs: de_du.po
must have each text that says "Sie", leicht.po (Leichte Sprache) each one of a sentence or more on the way to an appointment.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.pofile import read_po

ROOT = Path(__file__).parents[1]
CATALOGUES = ROOT / "booking_web" / "translations"


METHODS = [("booking_web/**.py", "python"), ("booking_web/templates/**.html", "jinja2")]
KEYWORDS = {**DEFAULT_KEYWORDS, "lazy_gettext": None, "lazy_ngettext": (1, 2)}


FORMAL = re.compile(r"\b(Sie|Ihnen|Ihre?[mnrs]?)\b")
PLACE = re.compile(r"%\(\w+\)[sd]")
EASY_PAGES = {
    f"{name}.html"
    for name in (
        *(
            "_appointment",
            "_parts",
            "_times",
            "_waiting",
            "activate",
            "activate_now",
            "appointment",
            "called_off",
        ),
        *(
            "cancel",
            "cancelled",
            "check",
            "documents",
            "done",
            "feedback",
            "feedback_sent",
            "gone",
            "limited",
            "move",
        ),
        *(
            "move_by_phone",
            "move_check",
            "other_services",
            "other_time",
            "_services",
            "person",
            "services",
            "start",
            "taken",
            "times",
            "too_late",
            "unavailable",
        ),
        *("waiting_added", "waiting_check", "waiting_form", "waiting_gone", "wish", "wish_leave"),
    )
}
"""The main texts: from the start page to her own page, and what may go wrong between them."""
SENTENCE = 4
"""Texts of fewer words are labels, which Leichte Sprache may have as they are."""


def used() -> dict[str, set[str]]:
    """Return the ids of all messages that code and templates use, each with the files that use it."""
    found: dict[str, set[str]] = {}
    for file, _, message, _, _ in extract_from_dir(
        str(ROOT), METHODS, {}, keywords=KEYWORDS, strip_comment_tags=True
    ):
        found.setdefault(message if isinstance(message, str) else message[0], set()).add(file)
    return found


def _is_staff(files: set[str]) -> bool:
    return all("staff" in Path(file).parts for file in files)


def _is_easy(text: str, files: set[str]) -> bool:
    named = {Path(file).name for file in files if not _is_staff({file})}
    return len(text.split()) >= SENTENCE and bool(named & EASY_PAGES or "messages.py" in named)


def wanted_by(catalogue: str, messages: dict[str, set[str]]) -> set[str]:
    """Return the ids that a catalogue must translate."""
    if catalogue == "en":
        return set(messages)
    public = {text: files for text, files in messages.items() if not _is_staff(files)}
    if catalogue == "de_du":
        # The explanation in Leichte Sprache says "Sie", as its rules ask.
        easy = {"booking_web/templates/easy.html"}
        return {text for text, files in public.items() if FORMAL.search(text) and files != easy}
    if catalogue == "leicht":
        return {text for text, files in public.items() if _is_easy(text, files)}
    return set(public)


def places_differ(text: str, strings: list[str]) -> bool:
    """True if a translation names a place that the German text hasn't got, or leaves one out (a plural may leave out its number)."""
    wanted = set(PLACE.findall(text))
    return any(set(PLACE.findall(string)) | {"%(num)s"} != wanted | {"%(num)s"} for string in strings)


def mistakes() -> list[str]:
    """Return what is missing, wrong or left over, a line each."""
    messages_used = used()
    found = []
    catalogues = sorted(CATALOGUES.glob("*.po"))
    if not catalogues:
        return [f"there is no catalogue under {CATALOGUES.relative_to(ROOT)}"]
    for file in catalogues:
        name = file.relative_to(ROOT)
        wanted = wanted_by(file.stem, messages_used)
        with file.open("rb") as opened:
            catalogue = read_po(opened, locale={"leicht": "de", "de_du": "de"}.get(file.stem, file.stem))
        messages = {
            message.id if isinstance(message.id, str) else message.id[0]: message
            for message in catalogue
            if message.id
        }
        found += [f"{name}: not in the catalogue: {text!r}" for text in sorted(wanted - messages.keys())]
        found += [
            f"{name}: no longer used: {text!r}" for text in sorted(messages.keys() - messages_used.keys())
        ]
        for text, message in sorted(messages.items()):
            strings = [message.string] if isinstance(message.string, str) else list(message.string)
            if not all(strings):
                found.append(f"{name}: not translated: {text!r}")
            elif message.fuzzy:
                found.append(f"{name}: marked fuzzy: {text!r}")
            elif places_differ(text, strings):
                found.append(f"{name}: other places than in {text!r}")
            elif file.stem == "de_du" and any(FORMAL.search(string) for string in strings):
                found.append(f"{name}: still says Sie: {text!r}")
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

"""Why the program itself changes an appointment: stored in German, told to each citizen in her language.

What people wrote as a reason is told as they wrote it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from booking_web.language import load_translations

if TYPE_CHECKING:
    from gettext import NullTranslations

ABSENCE = "Eine Mitarbeiterin oder ein Mitarbeiter ist nicht da."


def reason_in(language: str, reason: str) -> str:
    """Return a reason as it's told in a language; German where there's no translation."""
    if reason != ABSENCE:
        return reason
    try:
        found: NullTranslations = load_translations(language)
    except FileNotFoundError:
        return reason
    return found.gettext(reason)

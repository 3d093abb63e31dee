"""The words of the mails: one TOML file for each language, all with the same keys as the German one.

A further language is a further file here; which day and time formats it uses stands in it too (CLDR patterns, by babel).
Two files hold only what differs from the German one: `leicht.toml` (Leichte Sprache) and `de_du.toml` (a town that says "du").
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from babel.dates import format_date, format_time

from booking_web.language import sentence_by_line
from booking_web.town import EASY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

_FOLDER = Path(__file__).parent
DEFAULT = "de"
_INFORMAL = "de_du"
_OF_SENTENCES = ("intros", "closing")
"""The sections that hold sentences; Leichte Sprache has each on a line of its own."""


@dataclass(frozen=True, slots=True)
class Wording:
    """One language's texts, by section and key."""

    language: str
    texts: Mapping[str, Mapping[str, str]]

    @property
    def _locale(self) -> str:
        return DEFAULT if self.language == EASY else self.language

    def say(self, section: str, key: str, **values: object) -> str:
        """Return a text with its places filled in. KeyError if it doesn't exist or a value is missing."""
        return self.texts[section][key].format(**values)

    def day(self, local: datetime) -> str:
        """Return a day in words ("Montag, 7. Dezember 2026"); `local` is in the zone to show."""
        return format_date(local.date(), self.texts["formats"]["day"], self._locale)

    def time(self, local: datetime) -> str:
        """Return a time of day ("8:00 Uhr"); `local` is in the zone to show."""
        return format_time(local.replace(tzinfo=None), self.texts["formats"]["time"], locale=self._locale)

    def when(self, local: datetime) -> str:
        """Return day and time in words ("Montag, 7. Dezember 2026, 8:00 Uhr")."""
        return self.say("formats", "when", day=self.day(local), time=self.time(local))

    def listed(self, items: tuple[str, ...]) -> str:
        """Return "A, B und C"."""
        if len(items) < 2:
            return "".join(items)
        return self.enumerated(items[:-1]) + self.texts["formats"]["and"] + items[-1]

    def enumerated(self, items: Iterable[str]) -> str:
        """Return "A, B, C" with the language's own comma."""
        return self.texts["formats"]["comma"].join(items)

    def paragraph(self, *sentences: str) -> str:
        """Return sentences as one paragraph; in Leichte Sprache it's of several lines."""
        return ("\n" if self.language == EASY else " ").join(sentences)


def languages() -> tuple[str, ...]:
    """Return the languages that have words, sorted."""
    return tuple(sorted({file.stem for file in _FOLDER.glob("*.toml")} - {_INFORMAL}))


@lru_cache
def wording(language: str, *, informal: bool = False) -> Wording:
    """Return the words of `language`, or the German ones if it has none; what a file lacks is German.

    `informal`: German says "du" (Leichte Sprache says "Sie" all the same).
    """
    known = language if language in languages() else DEFAULT
    texts = {section: dict(keys) for section, keys in _read(DEFAULT).items()}
    over = (_INFORMAL if informal else None) if known == DEFAULT else known
    for section, keys in _read(over).items() if over else ():
        texts[section].update(keys)
    if known == EASY:
        for section in _OF_SENTENCES:
            texts[section] = {key: sentence_by_line(text) for key, text in texts[section].items()}
    return Wording(known, texts)


def _read(name: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = tomllib.loads((_FOLDER / f"{name}.toml").read_text("utf-8"))
    return found

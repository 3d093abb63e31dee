"""The languages of the pages: German texts stand in the code and the templates, other languages in `translations/*.po`.

Leichte Sprache (`leicht`) is a language among the others; what its catalogue leaves empty reads as in German. A town
that says "du" has its own German catalogue (`de_du.po`), which holds the texts that differ.
The catalogues are read when the application starts, so a fresh clone needs no compiled files.
"""

from __future__ import annotations

import io
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import flask_babel
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from flask import current_app, g, has_request_context
from markupsafe import Markup

from booking_web.town import DEFAULT_LANGUAGE, EASY, RIGHT_TO_LEFT, in_language, locale_of

if TYPE_CHECKING:
    from flask import Flask

    from booking_web.town import Texts

CATALOGUES = Path(__file__).parent / "translations"
NATIVE_NAMES = {
    "de": "Deutsch",
    "en": "English",
    "tr": "Türkçe",
    "uk": "Українська",
    "ar": "العربية",
    EASY: "Leichte Sprache",
}
_READS_GERMAN = frozenset({DEFAULT_LANGUAGE, EASY})
_ADDRESS = "termin-informal"
_NEXT_SENTENCE = re.compile(r"(?<=[.!?]) (?=[A-ZÄÖÜ])")


@lru_cache(maxsize=32)
def load_translations(language: str, *, informal: bool = False) -> NullTranslations:
    """Read a language's catalogue; German needs none unless the town says "du" (`informal`).

    FileNotFoundError if there's no catalogue of that language.
    """
    if language == DEFAULT_LANGUAGE and not informal:
        return NullTranslations()
    name = "de_du" if language == DEFAULT_LANGUAGE else language
    with (CATALOGUES / f"{name}.po").open("rb") as file:
        catalogue = read_po(file, locale=locale_of(language))
    if language == EASY:
        for message in catalogue:
            if isinstance(message.string, str):
                message.string = sentence_by_line(message.string)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled)


def sentence_by_line(text: str) -> str:
    """Put each sentence on a line of its own, as the rules of Leichte Sprache ask; the style sheet keeps the lines."""
    return _NEXT_SENTENCE.sub("\n", text)


class _Domain(flask_babel.Domain):  # type: ignore[misc] # flask-babel has no types
    """Flask-Babel's domain, with catalogues from .po files."""

    def get_translations(self) -> NullTranslations:
        """Return the translations of the request's language."""
        return _translations()


def _translations() -> NullTranslations:
    informal = has_request_context() and bool(current_app.extensions.get(_ADDRESS))
    return load_translations(current_language(), informal=informal)


def current_language() -> str:
    """Return the request's language; German outside of requests."""
    if not has_request_context():
        return DEFAULT_LANGUAGE
    language: str = g.get("language", DEFAULT_LANGUAGE)
    return language


def local(texts: Texts) -> str:
    """Return a configured text in the request's language."""
    return in_language(texts, current_language())


def marked(texts: Texts) -> str:
    """Return a configured text for a page; where it's there in German only, marked as German (WCAG 2.2, 3.1.2)."""
    language = current_language()
    text = in_language(texts, language)
    if language == EASY:
        return sentence_by_line(text)
    if not text or language in _READS_GERMAN or texts.get(language):
        return text
    if language in RIGHT_TO_LEFT:
        return Markup('<span lang="de" dir="ltr">{}</span>').format(text)
    return Markup('<span lang="de">{}</span>').format(text)


def gettext(message: str, **values: object) -> str:
    """Translate a German text into the request's language."""
    text = _translations().gettext(message)
    return text % values if values else text


def ngettext(singular: str, plural: str, number: int, **values: object) -> str:
    """Translate a German text that counts something; `%(num)s` is the number."""
    text = _translations().ngettext(singular, plural, number)
    return text % {"num": number, **values}


def install(app: Flask, languages: tuple[str, ...], *, informal: bool = False) -> None:
    """Make Flask-Babel speak the request's language; a language without a catalogue fails here, at the start.

    `informal`: the German texts say "du".
    """
    app.extensions[_ADDRESS] = informal
    for language in languages:
        load_translations(language, informal=informal)
    babel = flask_babel.Babel(
        app, default_locale=DEFAULT_LANGUAGE, locale_selector=lambda: locale_of(current_language())
    )
    babel.domain_instance = _Domain()

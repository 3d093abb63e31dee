"""The languages of the pages: German texts stand in the code and the templates, other languages in `translations/*.po`.

The catalogues are read when the application starts, so a fresh clone needs no compiled files.
"""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import flask_babel
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from flask import g, has_request_context

from booking_web.town import DEFAULT_LANGUAGE, in_language

if TYPE_CHECKING:
    from flask import Flask

    from booking_web.town import Texts

CATALOGUES = Path(__file__).parent / "translations"
RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ur"})
NATIVE_NAMES = {
    "de": "Deutsch",
    "en": "English",
    "tr": "Türkçe",
    "uk": "Українська",
    "ar": "العربية",
}


@lru_cache(maxsize=32)
def load_translations(language: str) -> NullTranslations:
    """Read a language's catalogue; German needs none. FileNotFoundError if there's no catalogue of that language."""
    if language == DEFAULT_LANGUAGE:
        return NullTranslations()
    with (CATALOGUES / f"{language}.po").open("rb") as file:
        catalogue = read_po(file, locale=language)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled)


class _Domain(flask_babel.Domain):  # type: ignore[misc] # flask-babel has no types
    """Flask-Babel's domain, with catalogues from .po files."""

    def get_translations(self) -> NullTranslations:
        """Return the translations of the request's language."""
        return load_translations(current_language())


def current_language() -> str:
    """Return the request's language; German outside of requests."""
    if not has_request_context():
        return DEFAULT_LANGUAGE
    language: str = g.get("language", DEFAULT_LANGUAGE)
    return language


def local(texts: Texts) -> str:
    """Return a configured text in the request's language."""
    return in_language(texts, current_language())


def gettext(message: str, **values: object) -> str:
    """Translate a German text into the request's language."""
    text = load_translations(current_language()).gettext(message)
    return text % values if values else text


def ngettext(singular: str, plural: str, number: int, **values: object) -> str:
    """Translate a German text that counts something; `%(num)s` is the number."""
    text = load_translations(current_language()).ngettext(singular, plural, number)
    return text % {"num": number, **values}


def install(app: Flask, languages: tuple[str, ...]) -> None:
    """Make Flask-Babel speak the request's language; a language without a catalogue fails here, at the start."""
    for language in languages:
        load_translations(language)
    babel = flask_babel.Babel(app, default_locale=DEFAULT_LANGUAGE, locale_selector=current_language)
    babel.domain_instance = _Domain()

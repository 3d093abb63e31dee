"""Finding a service by everyday words in any script: "umgezogen", "Perso", "Pass abgelaufen"; `site.js` folds in the same way."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from booking_web.town import in_language

if TYPE_CHECKING:
    from collections.abc import Iterable

    from booking_web.town import Service

_SPELLINGS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ı": "i", "ة": "ه", "ى": "ي"})
"""Letters that many write in another way: umlauts, the Turkish dotless i, Arabic endings."""
_ENDINGS = ("en", "er", "es", "e", "n", "s", "t")
_SHORTEST = 3


def _fold(text: str) -> str:
    folded = text.casefold().translate(_SPELLINGS)
    return "".join(
        character
        for character in unicodedata.normalize("NFKD", folded)
        if not unicodedata.combining(character)
    )


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", _fold(text))


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST + 1:
            return word.removesuffix(ending)
    return word


def words_of(service: Service, language: str) -> str:
    """Everything a service can be found by in `language` (and its German name), folded, for a search in the browser too."""
    languages = dict.fromkeys((language, "de"))
    texts = [in_language(service.summary, language)]
    for each in languages:
        texts.append(in_language(service.name, each))
        texts.extend(service.search_words.get(each, ()))
    return " ".join(dict.fromkeys(word for text in texts for word in _words(text)))


def matches(service: Service, query: str, language: str) -> bool:
    """True if a word of the query begins, or is found within, a word of the service.

    Words shorter than three letters don't count unless the query has no other.
    """
    wanted = _words(query)
    long = [word for word in wanted if len(word) >= _SHORTEST]
    haystack = words_of(service, language).split()
    return any(_stem(word) in known for word in long or wanted for known in haystack)


def search(services: Iterable[Service], query: str, language: str) -> list[Service]:
    """Return the services that match, those that match all words of the query first; all of them for an empty query."""
    if not _words(query):
        return list(services)
    found = [service for service in services if matches(service, query, language)]

    def hits(service: Service) -> int:
        haystack = words_of(service, language).split()
        return sum(any(_stem(word) in known for known in haystack) for word in _words(query))

    return sorted(found, key=hits, reverse=True)

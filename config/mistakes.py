"""Mistakes in a configuration: what they look like, and pydantic's errors put into plain words.

Everything that is wrong is collected and told at once, each with its file, its key and the reason, so that somebody who sets
up a town corrects a file in one go.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pydantic_core import ErrorDetails

_PLAIN = {
    "string_type": "must be a text in quotation marks",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "date_type": "must be a date such as 2026-12-31",
    "date_from_datetime_parsing": "must be a date such as 2026-12-31",
    "date_parsing": "must be a date such as 2026-12-31",
    "list_type": "must be a list in square brackets",
    "tuple_type": "must be a list in square brackets",
    "dict_type": "must be a table of keys and values",
    "model_type": "must be a table of keys and values",
    "missing": "is missing",
    "greater_than_equal": "must be at least {ge}, not {input!r}",
    "greater_than": "must be more than {gt}, not {input!r}",
    "less_than_equal": "must be at most {le}, not {input!r}",
    "multiple_of": "must be a multiple of {multiple_of}, not {input!r}",
    "too_short": "needs at least {min_length} of them",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must have the form {pattern}",
    "enum": "must be one of {expected}, not {input!r}",
    "literal_error": "must be one of {expected}, not {input!r}",
    "value_error": "{error}",
}


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """One thing that is wrong: `file` is a file name, or "environment"; `key` a dotted path such as `offices[0 rathaus].zone`.

    Numbers in brackets count from 0, as TOML's own tools do; the id stands beside them if there is one.
    """

    file: str
    key: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}: {self.key}: {self.reason}" if self.key else f"{self.file}: {self.reason}"


class ConfigError(ValueError):
    """The configuration can't be used; `mistakes` names everything that is wrong with it, at least one."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(sorted(set(mistakes)))
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))


def dotted(raw: Any, location: Sequence[int | str]) -> str:
    """Return the dotted path of `location` in `raw` (what TOML gave), with each list item's index and, if it has one, its id."""
    path = ""
    value = raw
    for step in location:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and step < len(value) else None
            name = value.get("id") if isinstance(value, dict) else None
            path += f"[{step} {name}]" if isinstance(name, str) else f"[{step}]"
        else:
            value = value.get(step) if isinstance(value, dict) else None
            path += f".{step}" if path else step
    return path


def similar(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean "…"?` if one of the known words resembles `word`, else ""."""
    matches = get_close_matches(word, list(known), n=1)
    return f'; did you mean "{matches[0]}"?' if matches else ""


def in_words(error: ErrorDetails, known_keys: Iterable[str] = ()) -> str:
    """Return the reason of a pydantic error in plain words; `known_keys` are those allowed where an unknown one stands."""
    kind = error["type"]
    if kind == "extra_forbidden":
        return f"isn't a known key{similar(str(error['loc'][-1]), known_keys)}"
    context: dict[str, Any] = {"input": error["input"], **error.get("ctx", {})}
    if isinstance(context.get("expected"), str):
        context["expected"] = context["expected"].replace(" or ", ", ")
    return _PLAIN[kind].format_map(context) if kind in _PLAIN else error["msg"]

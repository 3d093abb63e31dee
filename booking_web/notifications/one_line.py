"""Strangers' text made fit for a header, a log and a database: printable, and on one line."""

from __future__ import annotations

LONGEST_REASON = 500
"""Characters that are kept of what a server says."""


def on_one_line(text: str, most: int = LONGEST_REASON) -> str:
    """Return a text with blanks for what isn't printed (line breaks, NUL, a no-break space), never two in a row, and `most` characters long at most."""
    printed = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(printed.split())[:most].rstrip()

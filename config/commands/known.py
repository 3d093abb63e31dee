"""How commands list secrets that are known to nobody any more: by number, label, and when they were used."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from calendar_server.shown_once import Known


def print_known(found: Iterable[Known], *, as_json: bool) -> None:
    """Print them as a table, or as a JSON list of {"id", "label", "created", "last_used"}."""
    rows = [known.to_json() for known in found]
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    table = Table("id", "label", "created", "last used")
    for row in rows:
        table.add_row(
            str(row["id"]), str(row["label"]), str(row["created"]), str(row["last_used"] or "never")
        )
    Console(markup=False, highlight=False).print(table)

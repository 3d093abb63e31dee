"""`termin verify`: whether the databases keep what the program promises."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import click

from booking_web.notifications import store
from booking_web.notifications import verification as of_mails
from calendar_server import verification
from calendar_server.storage import reading
from calendar_server.storage.database import Database
from calendar_server.verification import Violation
from config import database
from config.calendars import open_calendars
from config.commands.options import config_option, data_option, settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from config.settings import Settings


@click.command()
@config_option
@data_option
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def verify(*, config: Path, data: Path, as_json: bool) -> None:
    """Find every broken invariant: appointments that overlap, columns that differ from their texts, numbers that readers would miss.

    Everything that is stored twice is computed anew and compared, so it takes a few seconds for some thousand appointments. Status 1 if
    anything is wrong. The program may run meanwhile.
    """
    settings = settings_of(config)
    found = list(_violations(settings, data))
    if as_json:
        rows = [{"rule": one.rule, "where": one.where, "what": one.what} for one in found]
        click.echo(json.dumps(rows, ensure_ascii=False))
    else:
        for one in found:
            click.echo(str(one))
    if found:
        raise click.ClickException(f"{len(found)} broken invariant{'s' if len(found) > 1 else ''}")
    if not as_json:
        click.echo("everything is as it should be")


def _violations(settings: Settings, data: Path) -> Iterator[Violation]:
    with open_calendars(settings, data) as calendars:
        yield from verification.violations(calendars)
        worker = Database.open(database.worker_url(settings, data))
        try:
            store.migrate(worker)
            last_change = partial(_last_change, calendars.database)
            for rule, where, what in of_mails.violations(worker, last_change):
                yield Violation(rule, where, what)
        finally:
            worker.close()


def _last_change(opened: Database, office: str) -> int:
    with opened.read() as connection:
        return reading.office_seq(connection, office)

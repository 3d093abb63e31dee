"""`termin retention`: delete what is kept no longer. The running program does the same by itself; this is for proving it, and for cron."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from booking_web.notifications import store
from calendar_server.storage.database import Database
from calendar_server.upkeep import Upkeep, UpkeepSettings
from config import database
from config.calendars import open_calendars
from config.commands.options import config_option, data_option, settings_of

if TYPE_CHECKING:
    from pathlib import Path

    from config.settings import Settings


@click.group()
def retention() -> None:
    """Delete what is kept no longer."""


@retention.command("run")
@config_option
@data_option
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def run(*, config: Path, data: Path, as_json: bool) -> None:
    """Archive and delete what `[retention]` in server.toml says, at once, and tell how much it was.

    The program may run meanwhile. Backups aren't reached: how long they are kept is for whoever makes them.
    """
    settings = settings_of(config)
    done = calendars(settings, data) | {"told": mails(settings, data)}
    if as_json:
        click.echo(json.dumps(done))
        return
    click.echo(f"{done['archived']} appointments moved to the archive")
    click.echo(f"{done['erased']} archived appointments and plans without citizens' data now")
    click.echo(f"{done['pruned']} rows of the change log forgotten")
    click.echo(f"{done['told']} rows about mails deleted")


def calendars(settings: Settings, data: Path) -> dict[str, int]:
    """Do the calendar server's part; returns how many rows each step concerned."""
    days = settings.server.retention
    with open_calendars(settings, data) as service:
        upkeep = Upkeep(service, UpkeepSettings(days.archive_days, days.appointment_days, days.sync_days))
        return {"archived": upkeep.archive(), "erased": upkeep.erase(), "pruned": upkeep.prune()}


def mails(settings: Settings, data: Path) -> int:
    """Do the worker's part; returns how many rows were deleted."""
    days = settings.server.retention.appointment_days
    opened = Database.open(database.worker_url(settings, data))
    try:
        store.migrate(opened)
        return store.Store(opened).purge(datetime.now(UTC) - timedelta(days=days))
    finally:
        opened.close()

"""`termin backup` and `termin restore`: everything in one file, and back."""

from __future__ import annotations

from pathlib import Path

import click

from config.backup import BackupError
from config.backup import backup as write
from config.backup import restore as read
from config.commands.options import config_option, data_option, settings_of

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("file", type=_FILE)
@config_option
@data_option
def backup(*, file: Path, config: Path, data: Path) -> None:
    """Write calendars, accounts, plans, mails on their way and the program's secrets to FILE. The program may run meanwhile.

    FILE holds personal data and secrets; it's made readable for its owner alone. The configuration isn't part of it, nor a folder of mails.
    """
    try:
        rows = write(settings_of(config), data, file)
    except BackupError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{sum(rows.values())} rows of {len(rows)} tables in {file}")


@click.command()
@click.argument("file", type=_FILE)
@config_option
@data_option
def restore(*, file: Path, config: Path, data: Path) -> None:
    """Fill an empty installation from FILE: SQLite or PostgreSQL, whichever it came from. The program must not run meanwhile."""
    settings = settings_of(config)
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        rows = read(settings, data, file)
    except BackupError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{sum(rows.values())} rows of {len(rows)} tables restored")

"""`termin check-config`."""

from __future__ import annotations

from pathlib import Path

import click

from config.commands.options import default_config, settings_of


@click.command("check-config")
@click.argument("directory", metavar="[DIR]", type=click.Path(path_type=Path), default=default_config)
@click.option(
    "--site-only", is_flag=True, help="For a host of the public site alone: clerks may be left out."
)
def check_config(directory: Path, *, site_only: bool) -> None:
    """Check a town's configuration and tell all its mistakes at once.

    Each mistake names its file, its key and the reason. DIR is the folder; without it, $TERMIN_CONFIG, else ./town, else the
    example town. Prints "ok" if there is none.
    """
    settings_of(directory, people=not site_only)
    click.echo("ok")

"""`termin demo`: life for the demo town."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from config import compose, secrets
from config.calendars import open_calendars
from config.commands.options import config_option, data_option, settings_of
from config.demo import fill as fill_town

if TYPE_CHECKING:
    from pathlib import Path

LONGEST = 52


@click.group()
def demo() -> None:
    """Bring life into the demo town."""


@demo.command("fill")
@click.option(
    "--weeks", type=click.IntRange(1, LONGEST), default=4, show_default=True, help="For how many weeks."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Another number makes other citizens.")
@config_option
@data_option
def fill(*, weeks: int, seed: int, config: Path, data: Path) -> None:
    """Make realistic bookings from tomorrow on, within the booking horizon. The program may run meanwhile, and then sends their mails.

    Only in a data folder of the demo: nobody should find invented citizens among real ones.
    """
    settings = settings_of(config)
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        ours = secrets.ensure(data, settings.server.secrets, demo=True)
    except secrets.SecretsError as error:
        raise click.ClickException(str(error)) from error
    with open_calendars(settings, data, begin=True) as calendars:
        done = fill_town(
            calendars, compose.town(settings), weeks=weeks, seed=seed, secret=ours.signing_secret.encode()
        )
    click.echo(f"{done.booked} appointments made, until {done.until}")

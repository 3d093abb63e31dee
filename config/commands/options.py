"""Options that several commands share, and how they become settings and a database."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from config.mistakes import ConfigError
from config.settings import load

if TYPE_CHECKING:
    from collections.abc import Callable

    from calendar_server.offices import Office
    from calendar_server.service import Calendars
    from config.settings import Settings

EXAMPLE = Path(__file__).parents[1] / "meschede"


def default_config() -> Path:
    """Return the folder of the configuration if none is given: TERMIN_CONFIG, else ./town, else the example town."""
    if given := os.environ.get("TERMIN_CONFIG"):
        return Path(given)
    return Path("town") if Path("town").is_dir() else EXAMPLE


def default_data() -> Path:
    """Return the data folder if none is given: TERMIN_DATA, else ./data."""
    return Path(os.environ.get("TERMIN_DATA") or "data")


def config_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --config."""
    return click.option(
        "--config",
        "config",
        type=click.Path(path_type=Path, file_okay=False),
        default=default_config,
        metavar="DIR",
        help="Folder of the configuration. Default: $TERMIN_CONFIG, else ./town, else the example town.",
    )(command)


def data_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --data."""
    return click.option(
        "--data",
        type=click.Path(path_type=Path, file_okay=False),
        default=default_data,
        metavar="DIR",
        help="Folder of all data of the embedded default (SQLite, mails, secrets). Default: $TERMIN_DATA, else ./data.",
    )(command)


def settings_of(config: Path, *, people: bool = True) -> Settings:
    """Read the configuration; what is wrong with it ends the command with status 1."""
    try:
        return load(config, people=people)
    except ConfigError as error:
        lines = "\n".join(f"  {mistake}" for mistake in error.mistakes)
        count = len(error.mistakes)
        raise click.ClickException(
            f"the configuration in {config} has {count} mistake{'s' if count > 1 else ''}:\n{lines}"
        ) from error


def office_of(calendars: Calendars, name: str) -> Office:
    """Return an office by its id; an unknown one ends the command with status 1."""
    office = calendars.directory.office(name)
    if office is None:
        known = ", ".join(each.id for each in calendars.directory.offices)
        raise click.ClickException(f"--office: there is no office {name!r}; there are: {known}")
    return office

"""The command line `termin`. Exit status: 0, or 1 with a message on stderr, or 2 for wrong usage.

A command's module is imported when it's asked for, so that `termin check-config` doesn't wait for the calendar server's libraries.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

COMMANDS = {
    "serve": "config.commands.serve:serve",
    "check-config": "config.commands.check_config:check_config",
    "init": "config.commands.init:init",
    "user": "config.commands.user:user",
    "app-password": "config.commands.app_password:app_password",
}
"""Every command, in the order of `--help`, with where it is defined."""


class LazyGroup(click.Group):
    """A group whose commands are imported on demand; `commands_at` maps a name to "module:attribute"."""

    def __init__(self, *args: object, commands_at: Mapping[str, str], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # click's own arguments, handed on as they came
        self._commands_at = commands_at

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order they were given."""
        del ctx
        return list(self._commands_at)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None if there is no such name."""
        del ctx
        where = self._commands_at.get(cmd_name)
        if where is None:
            return None
        module, _, attribute = where.partition(":")
        command = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{where} isn't a command")
        return command


@click.group(
    "termin",
    cls=LazyGroup,
    commands_at=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(version("termin"), prog_name="termin")
def termin() -> None:
    """Appointments for town halls: booked online, kept in CalDAV, spread over the clerks."""


def main() -> None:
    """Run the command line."""
    termin.main(prog_name="termin")

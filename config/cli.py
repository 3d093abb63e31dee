"""The command line `termin`. Exit status: 0, or 1 with a message on stderr, or 2 for wrong usage.

A command's module is imported when it's asked for, so that `termin check-config` doesn't wait for the calendar server's libraries.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Entry:
    """A command: where it is defined ("module:attribute"), and what it does in a few words."""

    where: str
    does: str


COMMANDS = {
    "serve": Entry("config.commands.serve:serve", "Run the program, or a part of it."),
    "check-config": Entry("config.commands.check_config:check_config", "Check a town's configuration."),
    "init": Entry("config.commands.init:init", "Begin a town's configuration."),
    "user": Entry("config.commands.user:user", "Add, list and remove accounts."),
    "app-password": Entry(
        "config.commands.app_password:app_password", "Add, list and revoke passwords for calendar programs."
    ),
    "feed": Entry("config.commands.feed:feed", "Add, list and revoke secret addresses of calendars."),
    "plan": Entry("config.commands.plan:plan", "Make, show, apply and undo plans."),
    "demo": Entry("config.commands.demo:demo", "Bring life into the demo town."),
    "backup": Entry("config.commands.backup:backup", "Write everything to one file."),
    "restore": Entry("config.commands.backup:restore", "Fill an empty installation from a backup."),
    "verify": Entry("config.commands.verify:verify", "Find every broken invariant."),
    "import": Entry("config.commands.transfer:import_", "Store iCalendar files in a calendar."),
    "export": Entry("config.commands.transfer:export", "Write a calendar as an iCalendar file."),
    "doctor": Entry(
        "config.commands.doctor:doctor",
        "Check the disk, DNS, the worker, SMTP, CalDAV, the clock and versions.",
    ),
    "retention": Entry("config.commands.retention:retention", "Delete what is kept no longer."),
}
"""Every command, in the order of `--help`."""


class LazyGroup(click.Group):
    """A group whose commands are imported on demand; `entries` maps a name to where it is."""

    def __init__(self, *args: Any, entries: Mapping[str, Entry], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._entries = entries

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order they were given."""
        del ctx
        return list(self._entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None if there is no such name."""
        del ctx
        entry = self._entries.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.where.partition(":")
        try:
            command = getattr(import_module(module), attribute)
        except ModuleNotFoundError as error:
            # A host that runs one role alone hasn't the libraries of the others.
            raise click.ClickException(
                f'{cmd_name} needs {error.name}, which isn\'t installed here: pip install "termin[all]"'
            ) from error
        if not isinstance(command, click.Command):
            raise TypeError(f"{entry.where} isn't a command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.does) for name, entry in self._entries.items()])


@click.group(
    "termin",
    cls=LazyGroup,
    entries=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(version("termin"), prog_name="termin")
def termin() -> None:
    """Appointments for town halls: booked online, kept in CalDAV, spread over the clerks."""


def main() -> None:
    """Run the command line."""
    try:
        termin.main(prog_name="termin")
    except Exception as error:
        # Only now: most commands need none of it.
        from config.processes.failure import reason_of  # noqa: PLC0415

        reason = reason_of(error)
        if reason is None:
            raise
        click.echo(f"Error: {reason}", err=True)
        sys.exit(1)

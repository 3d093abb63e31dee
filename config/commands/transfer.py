"""`termin import` and `termin export`: calendars as iCalendar files."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from calendar_server.ical.appointment import PRODID
from calendar_server.ical.content import ContentError
from calendar_server.ical.joining import joined
from calendar_server.ical.parting import parted
from calendar_server.refusals import MissingError, NotAllDoneError, NotDoneError, RefusedError
from calendar_server.service import Actor, Calendars
from calendar_server.storage import reading
from calendar_server.storage.changes import IMPORTED
from calendar_server.storage.rows import CollectionRow, Role
from config.calendars import open_calendars
from config.commands.options import config_option, data_option, settings_of

_QUIETLY = Actor(IMPORTED, authoritative=True, restores=True)
_ANEW = Actor("termin", authoritative=True, restores=True)
_CALENDAR = click.option(
    "--calendar",
    "name",
    metavar="C",
    required=True,
    help="Whose: a clerk (clerk1), or a path (clerk1/calendar, buergerbuero/appointments, buergerbuero/opening).",
)
_FILE = click.Path(path_type=Path, dir_okay=False)


def _find(calendars: Calendars, name: str) -> CollectionRow:
    path = name.strip("/")
    where = calendars.find(path if "/" in path else f"{path}/calendar")
    if where is None or where.role in {Role.PRINCIPAL, Role.BUSY}:
        raise click.ClickException(f"--calendar: there is no calendar {name!r}")
    return where


def _reason(error: NotDoneError) -> str:
    if isinstance(error, RefusedError):
        return error.rule if str(error) == error.rule else f"{error.rule} ({error})"
    return str(error) or type(error).__name__


@click.command("import")
@click.argument("files", nargs=-1, required=True, metavar="FILE.ics…", type=_FILE)
@_CALENDAR
@click.option(
    "--mail", is_flag=True, help="Confirm each new appointment to its citizen, as if it were booked now."
)
@config_option
@data_option
def import_(*, files: tuple[Path, ...], name: str, mail: bool, config: Path, data: Path) -> None:
    """Store everything in the FILEs, all of it or nothing; what stands in the way is told for each entry. The program may run meanwhile.

    Citizens get no mail unless asked for: they know of their appointments. Of what changes later they are told, and reminded.

    What is there already (the same UID) is replaced, but for appointments, which stay as they are: those that are there with other content are told.
    """
    objects: list[tuple[str, str]] = []
    for file in files:
        try:
            objects += parted(file.read_bytes())
        except OSError as error:
            raise click.ClickException(f"{file}: {error.strerror}") from error
        except ContentError as error:
            raise click.ClickException(f"{file}: {error}") from error
    with open_calendars(settings_of(config), data) as calendars:
        where = _find(calendars, name)
        try:
            created = calendars.put_all(where.path, objects, _ANEW if mail else _QUIETLY)
        except NotAllDoneError as error:
            for uid, each in error.errors:
                click.echo(f"{uid}: {_reason(each)}", err=True)
            raise click.ClickException(f"nothing is stored: {error}") from error
        except MissingError as error:
            raise click.ClickException(f"--calendar: {error}") from error
    click.echo(f"{created} new, {len(objects) - created} known, in {where.path}")


@click.command()
@_CALENDAR
@click.option("--output", type=_FILE, metavar="FILE", help="Write to FILE instead of standard output.")
@config_option
@data_option
def export(*, name: str, output: Path | None, config: Path, data: Path) -> None:
    """Write a whole calendar as one iCalendar file. It holds citizens' data if the calendar has appointments."""
    with open_calendars(settings_of(config), data) as calendars:
        where = _find(calendars, name)
        with calendars.database.read() as connection:
            texts = [row.text for row in reading.all_items(connection, where)]
        year = datetime.fromtimestamp(calendars.now(), UTC).year
    text = joined(texts, ["VERSION:2.0", f"PRODID:{PRODID}", "CALSCALE:GREGORIAN"], year, private=True)
    if output is None:
        click.echo(text.encode(), nl=False)
        return
    try:
        output.touch(mode=0o600)
        output.write_bytes(text.encode())
    except OSError as error:
        raise click.ClickException(f"--output: {output}: {error.strerror}") from error

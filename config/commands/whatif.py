"""`termin plan whatif`: what one more opening window or one more clerk would bring."""

from __future__ import annotations

import json
import re
from datetime import datetime, time
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from booking_web.planning import scenarios
from calendar_server import demand as past
from calendar_server import snapshot
from config import compose
from config.calendars import open_calendars
from config.commands.options import config_option, data_option, office_of, settings_of

if TYPE_CHECKING:
    from pathlib import Path

    from calendar_server.offices import Office

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WINDOW = re.compile(rf"({'|'.join(_WEEKDAYS)})\s+(\d{{1,2}}:\d\d)\s*-\s*(\d{{1,2}}:\d\d)", re.IGNORECASE)


@click.command("whatif")
@click.option("--office", "office_id", required=True, metavar="O", help="The office.")
@click.option("--window", metavar="W", help='One opening window more every week: "thu 14:00-18:00".')
@click.option(
    "--clerk", "clerks", multiple=True, metavar="C", help="Who works in it; all if left out. Repeatable."
)
@click.option("--new-clerk", metavar="S,S", help="One clerk more who may do these services.")
@click.option("--like", metavar="C", help="Whose working times the new clerk has.")
@click.option(
    "--weeks",
    default=4,
    show_default=True,
    type=click.IntRange(1, scenarios.MOST_WEEKS),
    help="How far to look.",
)
@click.option(
    "--demand",
    type=click.Choice(["past", "generated"]),
    default="past",
    show_default=True,
    help="What citizens asked for in so many past weeks, or an invented demand.",
)
@click.option(
    "--per-week",
    default=100,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="How many wishes are invented.",
)
@click.option("--seed", default=1, show_default=True, help="The same seed invents the same wishes.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@config_option
@data_option
def whatif(  # noqa: PLR0913 - one argument for each option
    *,
    office_id: str,
    window: str | None,
    clerks: tuple[str, ...],
    new_clerk: str | None,
    like: str | None,
    weeks: int,
    demand: str,
    per_week: int,
    seed: int,
    as_json: bool,
    config: Path,
    data: Path,
) -> None:
    """Tell what one more opening window or one more clerk would bring; nothing is changed."""
    if (window is None) == (new_clerk is None):
        raise click.UsageError("give either --window or --new-clerk")
    settings = settings_of(config)
    with open_calendars(settings, data) as calendars:
        office = office_of(calendars, office_id)
        change = _change(office, window, clerks, new_clerk, like)
        today = datetime.fromtimestamp(calendars.now(), office.zone).date()
        seen = snapshot.take(calendars, office, *scenarios.weeks_from(today, weeks))
        lengths = scenarios.lengths(
            each for each in compose.town(settings).services if each.id in office.services
        )
        if demand == "generated":
            wishes = scenarios.generated_demand(seen, per_week, lengths, seed)
        else:
            first, last = scenarios.weeks_before(today, weeks)
            records = past.of(calendars, office, first, last)[: scenarios.MOST_WISHES]
            wishes = scenarios.past_demand(records, first, office.zone)
        if not wishes:
            raise click.ClickException(
                f"there were no appointments in the last {weeks} weeks; try --demand generated"
            )
        try:
            found = scenarios.forecast(seen, change, wishes, lengths)
        except ValueError as error:
            raise click.ClickException(str(error)) from error
        _print_forecast(found, weeks, as_json=as_json)


def _change(
    office: Office, window: str | None, clerks: tuple[str, ...], new_clerk: str | None, like: str | None
) -> scenarios.NewWindow | scenarios.NewClerk:
    known = [each.id for each in office.clerks]
    for name in (*clerks, *([like] if like else [])):
        if name not in known:
            raise click.ClickException(f"{office.id} has no clerk {name!r}; it has: {', '.join(known)}")
    if window is not None:
        found = _WINDOW.fullmatch(window.strip())
        if found is None:
            raise click.BadParameter(f'{window!r} isn\'t like "thu 14:00-18:00"', param_hint="--window")
        try:
            start, end = time.fromisoformat(found[2].zfill(5)), time.fromisoformat(found[3].zfill(5))
        except ValueError as error:
            raise click.BadParameter(
                f"{window!r} names a time that there isn't", param_hint="--window"
            ) from error
        day = _WEEKDAYS.index(found[1].lower())
        return scenarios.NewWindow(day, start, end, frozenset(clerks or known))
    services = frozenset(each.strip() for each in (new_clerk or "").split(","))
    if unknown := services - office.services:
        raise click.ClickException(f"--new-clerk: {office.id} has no service {min(unknown)!r}")
    if like is None:
        raise click.UsageError("--new-clerk needs --like: whose working times she has")
    return scenarios.NewClerk(services, like)


def _print_forecast(found: scenarios.Forecast, weeks: int, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(found.to_json()))
        return
    before, after = found.difference.before, found.difference.after
    table = Table(f"{found.wishes} wishes in {weeks} weeks, on empty calendars", "Now", "Then")
    table.add_row("Appointments that fit", str(before.served), str(after.served))
    table.add_row("Mean wait, days", f"{before.mean_wait:.1f}", f"{after.mean_wait:.1f}")
    table.add_row("Nine in ten wait at most, days", str(before.wait_of(0.9)), str(after.wait_of(0.9)))
    console = Console()
    console.print(table)
    first = Table("Next free start, with what is booked", "Now", "Then")
    for each in found.first_free:
        first.add_row(
            each.service, *(f"{one:%Y-%m-%d %H:%M}" if one else "none" for one in (each.before, each.after))
        )
    console.print(first)
    console.print(
        f"{found.difference.more_served} more appointments; {found.difference.shorter_wait:.1f} days less to wait"
    )

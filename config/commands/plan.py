"""`termin plan`: who takes over what when somebody is away, evening out the load, and the stored plans."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from booking_web.planning import drafts
from booking_web.reasons import ABSENCE
from calendar_server import snapshot
from calendar_server.plans import Plan, PlanKind, Plans, Step
from calendar_server.refusals import MissingError, RefusedError
from calendar_server.service import Actor
from config.calendars import open_calendars
from config.commands.options import config_option, data_option, office_of, settings_of
from config.commands.whatif import whatif
from optimizer import planning

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from calendar_server.offices import Office
    from calendar_server.service import Calendars
    from optimizer.planning import Draft

_BEYOND_DAYS = 35
"""How far behind an absence there may be room to move to."""
ACTOR = Actor("termin")


@click.group()
def plan() -> None:
    """Make, show, apply and undo plans."""


plan.add_command(whatif)


def _moment(text: str, option: str, office: Office, *, end: bool = False) -> datetime:
    """Read a day or a time, in the office's zone unless it names another; as an end, a day counts to its midnight."""
    try:
        if len(text) == len("2026-12-07"):
            day = date.fromisoformat(text) + timedelta(days=1 if end else 0)
            return datetime.combine(day, datetime.min.time(), office.zone)
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(
            f"{text!r} is neither a day (2026-12-07) nor a time (2026-12-07T08:00)", param_hint=option
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=office.zone)


def _shared(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON."),
        click.option("--apply", "now", is_flag=True, help="Apply it at once: all of it, or nothing."),
        data_option,
        config_option,
    ):
        command = option(command)
    return command


def _finish(calendars: Calendars, body: dict[str, Any], draft: Draft, *, now: bool, as_json: bool) -> None:
    """Store the plan, apply it if wanted, and print it."""
    plans = Plans(calendars)
    stored = plans.propose(
        Plan(
            id="",
            office=draft.office,
            kind=PlanKind(body["kind"]),
            steps=tuple(Step(**step) for step in body["steps"]),
            objective=body["objective"],
            proven_optimal=draft.proven_optimal,
            seconds=draft.seconds,
        ),
        ACTOR,
    )
    if now:
        stored = _decided(lambda: plans.apply(stored.id, ACTOR))
    _print(stored, calendars, as_json=as_json)


def _decided(do: Callable[[], Plan]) -> Plan:
    try:
        return do()
    except MissingError as error:
        raise click.ClickException("there is no such plan; termin plan list shows them") from error
    except RefusedError as error:
        raise click.ClickException(f"nothing was changed: {error} ({error.rule})") from error


def _print(shown: Plan, calendars: Calendars, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(shown.to_json()))
        return
    office = calendars.directory.office(shown.office)
    zone = office.zone if office else UTC

    def at(epoch: int) -> str:
        return f"{datetime.fromtimestamp(epoch, zone):%Y-%m-%d %H:%M}"

    console = Console()
    console.print(f"Plan [bold]{shown.id}[/bold] for {shown.office}: {shown.kind.value}, {shown.state.value}")
    table = Table("Appointment", "From", "To", "Citizen is told", "Why not at its time")
    for step in shown.steps:
        before = f"{step.clerk}, {at(step.start)}"
        after = "cancelled" if step.cancel else f"{step.to_clerk}, {at(step.to_start)}"
        why = "\n".join(step.why.split())
        table.add_row(step.uid, before, after, "no" if step.is_quiet else "yes", why)
    if shown.steps:
        console.print(table)
    else:
        console.print("Nothing needs to change.")
    proven = "proven best" if shown.proven_optimal else "best found in time"
    console.print(
        f"{proven}, {shown.seconds:.2f} s; {', '.join(f'{k} {v:g}' for k, v in shown.objective.items())}"
    )


@plan.command("repair")
@click.option("--office", "office_id", required=True, metavar="O", help="The office.")
@click.option("--clerk", required=True, metavar="C", help="Who is away.")
@click.option(
    "--from", "start", required=True, metavar="T", help="Since when: 2026-12-07 or 2026-12-07T08:00."
)
@click.option("--to", "end", required=True, metavar="T", help="Until when; a day counts to its end.")
@click.option("--seconds", default=20.0, show_default=True, help="How long the search for a day may take.")
@click.option(
    "--reason",
    default=ABSENCE,
    metavar="R",
    help="What citizens read whose appointment moves or is cancelled.",
)
@_shared
def repair(
    *,
    office_id: str,
    clerk: str,
    start: str,
    end: str,
    seconds: float,
    reason: str,
    config: Path,
    data: Path,
    now: bool,
    as_json: bool,
) -> None:
    """Plan who takes over what while a clerk is away."""
    with open_calendars(settings_of(config), data) as calendars:
        office = office_of(calendars, office_id)
        if office.clerk(clerk) is None:
            known = ", ".join(each.id for each in office.clerks)
            raise click.ClickException(f"--clerk: {office.id} has no clerk {clerk!r}; it has: {known}")
        first, last = _moment(start, "--from", office), _moment(end, "--to", office, end=True)
        if last <= first:
            raise click.BadParameter("it must be after --from", param_hint="--to")
        if (last - first).days > snapshot.MOST_DAYS - _BEYOND_DAYS:
            raise click.BadParameter("an absence is planned for at most a year", param_hint="--to")
        seen = snapshot.take(
            calendars, office, first.date(), last.date() + timedelta(days=_BEYOND_DAYS), open_only=True
        )
        absence = planning.Absence(clerk, int(first.timestamp()), int(last.timestamp()))
        draft = planning.repair(seen, absence, seconds=seconds)
        body = drafts.body(draft, PlanKind.REPAIR.value, reason=reason, snapshot=seen, absence=absence)
        _finish(calendars, body, draft, now=now, as_json=as_json)


@plan.command("balance")
@click.option("--office", "office_id", required=True, metavar="O", help="The office.")
@click.option("--from", "first", required=True, metavar="D", help="First day: 2026-12-07.")
@click.option("--to", "last", required=True, metavar="D", help="Last day; it is included.")
@click.option(
    "--changes",
    type=click.IntRange(0),
    metavar="N",
    help="At most so many reassignments; as many as it takes if left out.",
)
@click.option("--seconds", default=20.0, show_default=True, help="How long the search may take.")
@_shared
def balance(
    *,
    office_id: str,
    first: str,
    last: str,
    changes: int | None,
    seconds: float,
    config: Path,
    data: Path,
    now: bool,
    as_json: bool,
) -> None:
    """Plan to even out the clerks' work by part-time share; no citizen's time changes."""
    with open_calendars(settings_of(config), data) as calendars:
        office = office_of(calendars, office_id)
        start, end = (
            _moment(text, option, office).date() for text, option in ((first, "--from"), (last, "--to"))
        )
        try:
            seen = snapshot.take(calendars, office, start, end)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--to") from error
        points = planning.balance(seen, seconds=seconds)
        chosen = [point for point in points if changes is None or len(point.draft.changes) <= changes][-1]
        if not as_json:
            _print_curve(points)
        body = drafts.body(chosen.draft, PlanKind.BALANCE.value)
        _finish(calendars, body, chosen.draft, now=now, as_json=as_json)


def _print_curve(points: tuple[planning.BalancePoint, ...]) -> None:
    names = list(points[0].minutes)
    table = Table("Reassignments", "Minutes off the fair share", *names)
    for point in points:
        off = sum(abs(point.minutes[name] - point.fair_minutes[name]) for name in names)
        loads = [f"{point.minutes[name]} of {point.fair_minutes[name]}" for name in names]
        table.add_row(str(len(point.draft.changes)), str(off), *loads)
    Console().print(table)


@plan.command("list")
@click.option("--office", "office_id", required=True, metavar="O", help="The office.")
@config_option
@data_option
def list_plans(*, office_id: str, config: Path, data: Path) -> None:
    """List an office's plans, newest first."""
    with open_calendars(settings_of(config), data) as calendars:
        office = office_of(calendars, office_id)
        table = Table("Plan", "Made", "Kind", "State", "Changes")
        for each in Plans(calendars).all(office.id):
            made = datetime.fromtimestamp(each.created, office.zone)
            table.add_row(
                each.id, f"{made:%Y-%m-%d %H:%M}", each.kind.value, each.state.value, str(len(each.steps))
            )
        Console().print(table)


def _verb(name: str, text: str, do: Callable[[Plans, str], Plan]) -> None:
    @click.argument("plan_id", metavar="ID")
    @click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
    @data_option
    @config_option
    def command(*, plan_id: str, as_json: bool, config: Path, data: Path) -> None:
        with open_calendars(settings_of(config), data) as calendars:
            _print(_decided(lambda: do(Plans(calendars), plan_id)), calendars, as_json=as_json)

    command.__doc__ = text
    plan.command(name)(command)


_verb("show", "Show a plan.", lambda plans, plan_id: plans.get(plan_id))
_verb("apply", "Apply a plan: all of it, or nothing.", lambda plans, plan_id: plans.apply(plan_id, ACTOR))
_verb(
    "undo", "Undo an applied plan: all of it, or nothing.", lambda plans, plan_id: plans.undo(plan_id, ACTOR)
)
_verb("dismiss", "Decide against a plan.", lambda plans, plan_id: plans.dismiss(plan_id, ACTOR))

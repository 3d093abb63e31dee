"""`termin plan`: who takes over what when somebody is away, evening out the load, and the stored plans."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from booking_web.planning import drafts
from booking_web.planning.planner import BEYOND_DAYS, Planner
from booking_web.reasons import ABSENCE
from calendar_server import bookings, refusals, snapshot
from calendar_server.plans import Absence, Plan, PlanKind, Plans, PlanState, Step
from calendar_server.refusals import MissingError, RefusedError
from calendar_server.service import Actor
from calendar_server.storage import reading
from config.calendars import open_calendars
from config.commands.options import config_option, data_option, office_of, settings_of
from config.commands.whatif import whatif
from optimizer import planning

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from calendar_server.offices import Office
    from calendar_server.service import Calendars
    from config.settings import Settings
    from optimizer.snapshot import Snapshot

_TITLE = "abwesend"
"""What the calendar of who is away says."""
ACTOR = Actor("termin")


class _Seconds(click.FloatRange):
    """A time to search; "nan" is a number to click's own range."""

    name = "float"

    def __init__(self) -> None:
        super().__init__(0, 3600)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read the number."""
        found: float = super().convert(value, param, ctx)
        if math.isnan(found):
            self.fail(f"{value!r} is no number of seconds", param, ctx)
        return found


SECONDS = _Seconds()


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


def _planner(
    calendars: Calendars, office: Office, settings: Settings, seconds: float | None = None
) -> Planner:
    def take(first: date, last: date, *, open_only: bool) -> Snapshot:
        return snapshot.take(calendars, office, first, last, open_only=open_only)

    table = settings.server.repair
    return Planner(
        take, office.zone, float(table.seconds) if seconds is None else seconds, table.notice_hours
    )


def _plan(office: Office, body: dict[str, Any]) -> Plan:
    days, absence = body.get("days"), body.get("absence")
    return Plan(
        id="",
        office=office.id,
        kind=PlanKind(body["kind"]),
        steps=tuple(Step(**step) for step in body["steps"]),
        objective=body["objective"],
        proven_optimal=body["proven_optimal"],
        seconds=body["seconds"],
        absence=Absence(**absence) if absence else None,
        days=(date.fromisoformat(days[0]), date.fromisoformat(days[1])) if days else None,
    )


def _propose(calendars: Calendars, office: Office, body: dict[str, Any]) -> Plan:
    return Plans(calendars).propose(_plan(office, body), ACTOR)


def _finish(calendars: Calendars, office: Office, body: dict[str, Any], *, now: bool, as_json: bool) -> None:
    """Store the plan, apply it if wanted, and print it."""
    stored = _propose(calendars, office, body)
    if now:
        stored = _decided(lambda: Plans(calendars).apply(stored.id, ACTOR))
    _print(stored, calendars, as_json=as_json)


def _decided(do: Callable[[], Plan], hint: str = "") -> Plan:
    try:
        return do()
    except MissingError as error:
        raise click.ClickException("there is no such plan; termin plan list shows them") from error
    except RefusedError as error:
        raise click.ClickException(f"nothing was changed: {error} ({error.rule}){hint}") from error


def _applied(calendars: Calendars, plan_id: str, settings: Settings, *, as_json: bool) -> Plan:
    """Apply a plan. One that no longer fits is made anew for the same purpose and shown, and the command fails."""
    plans = Plans(calendars)
    try:
        return plans.apply(plan_id, ACTOR)
    except MissingError as error:
        raise click.ClickException("there is no such plan; termin plan list shows them") from error
    except RefusedError as error:
        found = plans.get(plan_id)
        office = calendars.directory.office(found.office)
        if error.rule != refusals.STALE_PLAN or found.state is not PlanState.PROPOSED or office is None:
            raise click.ClickException(f"nothing was changed: {error} ({error.rule})") from error
        purpose = {**found.to_json(), "steps": [asdict(step) for step in found.steps]}
        today = datetime.fromtimestamp(calendars.now(), office.zone).date()
        body = _planner(calendars, office, settings).anew(purpose, today)
        if drafts.is_needless(body):
            plans.dismiss(plan_id, ACTOR)
            raise click.ClickException(
                f"nothing was changed: {error} ({error.rule}), and nothing is left to do"
            ) from error
        made = _propose(calendars, office, body)
        plans.dismiss(plan_id, ACTOR)
        _print(made, calendars, as_json=as_json)
        raise click.ClickException(
            f"nothing was changed: {error} ({error.rule}). Plan {made.id} is made anew for the same purpose: "
            f"look at it, then termin plan apply {made.id}"
        ) from error


def _print(shown: Plan, calendars: Calendars, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(shown.to_json()))
        return
    office = calendars.directory.office(shown.office)
    zone = office.zone if office else UTC

    def at(epoch: int) -> str:
        return f"{datetime.fromtimestamp(epoch, zone):%Y-%m-%d %H:%M}"

    names = {clerk.id: clerk.name for clerk in office.clerks} if office else {}
    console = Console(highlight=False)
    console.print(f"Plan [bold]{shown.id}[/bold] for {shown.office}: {shown.kind.value}, {shown.state.value}")
    if (away := shown.absence) is not None:
        console.print(f"{names.get(away.clerk, away.clerk)} is away from {at(away.start)} to {at(away.end)}")
    table = Table("Appointment", "From", "To", "Mail")
    for column in table.columns:
        column.overflow = "fold"
    reasons = Table("Why it can't stay at its time", show_header=True, box=None)
    with calendars.database.read() as connection:
        for step in shown.steps:
            row = reading.booking(connection, shown.office, step.uid)
            summary, mailed = ("", True) if row is None else bookings.words_of(row.text)
            what = Text(f"{summary}\n{step.uid}" if summary else step.uid)
            before = f"{at(step.start)}\n{step.clerk}"
            after = "cancelled" if step.cancel else f"{at(step.to_start)}\n{step.to_clerk}"
            told = "no" if step.is_quiet else "yes" if mailed else "no address"
            table.add_row(what, before, after, told)
            if step.why:
                lines = [each.partition(":") for each in step.why.split()]
                told_why = "; ".join(f"{names.get(who, who)}: {reason}" for who, _, reason in lines)
                reasons.add_row(Text(f"{summary or step.uid}, {at(step.start)}: {told_why}"))
    _print_steps(console, table, shown)
    if reasons.row_count:
        console.print(reasons)
    for uid, obstacle in shown.left.items():
        console.print(Text(f"Not undone: {uid or 'the absence'} ({obstacle.value})"))
    proven = "proven best" if shown.proven_optimal else "best found in time"
    console.print(
        f"{proven}, {shown.seconds:.2f} s; {', '.join(f'{k} {v:g}' for k, v in shown.objective.items())}"
    )


def _print_steps(console: Console, table: Table, shown: Plan) -> None:
    if unplanned := shown.objective.get("unplanned_days"):
        console.print(
            f"[bold]For {unplanned:g} day(s) no plan was found in time: they stay as they are.[/bold]"
        )
    if shown.steps:
        console.print(table)
    elif not unplanned:
        console.print("Nothing needs to change.")


@plan.command("repair")
@click.option("--office", "office_id", required=True, metavar="O", help="The office.")
@click.option("--clerk", required=True, metavar="C", help="Who is away.")
@click.option(
    "--from", "start", required=True, metavar="T", help="Since when: 2026-12-07 or 2026-12-07T08:00."
)
@click.option("--to", "end", required=True, metavar="T", help="Until when; a day counts to its end.")
@click.option(
    "--seconds", type=SECONDS, default=20.0, show_default=True, help="How long the search for a day may take."
)
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
    settings = settings_of(config)
    with open_calendars(settings, data) as calendars:
        office = office_of(calendars, office_id)
        if office.clerk(clerk) is None:
            known = ", ".join(each.id for each in office.clerks)
            raise click.ClickException(f"--clerk: {office.id} has no clerk {clerk!r}; it has: {known}")
        first, last = _moment(start, "--from", office), _moment(end, "--to", office, end=True)
        # By the instants: in the hour that is skipped in spring, clocks don't tell what is later.
        if last.timestamp() <= first.timestamp():
            raise click.BadParameter("it must be after --from", param_hint="--to")
        if (last - first).days > snapshot.MOST_DAYS - BEYOND_DAYS:
            raise click.BadParameter("an absence is planned for at most a year", param_hint="--to")
        away = planning.Absence(clerk, int(first.timestamp()), int(last.timestamp()))
        body = _planner(calendars, office, settings, seconds).absence(away, _TITLE, reason)
        _finish(calendars, office, body, now=now, as_json=as_json)


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
@click.option(
    "--seconds", type=SECONDS, default=20.0, show_default=True, help="How long the search may take."
)
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
    """Plan to even out the clerks' work by part-time share; no citizen's time changes.

    Where nothing becomes more even, no plan is stored; its JSON has an empty "id" then.
    """
    settings = settings_of(config)
    with open_calendars(settings, data) as calendars:
        office = office_of(calendars, office_id)
        start, end = (
            _moment(text, option, office).date() for text, option in ((first, "--from"), (last, "--to"))
        )
        if end < start:
            raise click.BadParameter("it must not be before --from", param_hint="--to")
        try:
            _, points = _planner(calendars, office, settings, seconds).balance(start, end, changes=changes)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--to") from error
        chosen = [point for point in points if changes is None or len(point.draft.changes) <= changes][-1]
        if not as_json:
            _print_curve(points)
        body = Planner.of_point(chosen, start, end)
        if not body["steps"]:
            # There's nothing to decide on: a stored plan would wait for somebody in vain.
            if as_json:
                click.echo(json.dumps({**_plan(office, body).to_json(), "state": "", "created": None}))
            else:
                click.echo(_why_nothing(points))
            return
        _finish(calendars, office, body, now=now, as_json=as_json)


def _why_nothing(points: tuple[planning.BalancePoint, ...]) -> str:
    if len(points) > 1:
        return "No plan is stored: so few reassignments make it no more even."
    if points[0].draft.proven_optimal:
        return "No plan is stored: the work is as even as it can be."
    return "No plan is stored: nothing more even was found in that time. --seconds gives it more."


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


def _verb(name: str, text: str, do: Callable[[Plans, str], Plan] | None) -> None:
    """Add a command for one plan; None applies it."""

    @click.argument("plan_id", metavar="ID")
    @click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
    @data_option
    @config_option
    def command(*, plan_id: str, as_json: bool, config: Path, data: Path) -> None:
        settings = settings_of(config)
        with open_calendars(settings, data) as calendars:
            done = (
                _applied(calendars, plan_id, settings, as_json=as_json)
                if do is None
                else _decided(lambda: do(Plans(calendars), plan_id))
            )
            _print(done, calendars, as_json=as_json)

    command.__doc__ = text
    plan.command(name)(command)


_verb("show", "Show a plan.", lambda plans, plan_id: plans.get(plan_id))
_verb("apply", "Apply a plan: all of it, or nothing. What no longer fits is made anew.", None)


@plan.command("undo")
@click.argument("plan_id", metavar="ID")
@click.option("--rest", is_flag=True, help="Leave what stands in the way as it is, and undo all else.")
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
@data_option
@config_option
def undo(*, plan_id: str, rest: bool, as_json: bool, config: Path, data: Path) -> None:
    """Undo an applied plan: all of it, or nothing."""
    with open_calendars(settings_of(config), data) as calendars:
        hint = "" if rest else "; --rest leaves that as it is and undoes all else"
        done = _decided(lambda: Plans(calendars).undo(plan_id, ACTOR, rest=rest), hint)
        _print(done, calendars, as_json=as_json)


_verb("dismiss", "Decide against a plan.", lambda plans, plan_id: plans.dismiss(plan_id, ACTOR))

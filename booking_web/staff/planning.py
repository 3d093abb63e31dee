"""The pages about plans: enter an absence, see what it changes, decide, undo; even out the load.

What somebody may plan, the calendar server decides by her account. Planning happens here, in the process of the staff pages, so that
booking never waits for a solver.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from flask import g, make_response, redirect, render_template, request, url_for
from flask_babel import gettext

from booking_web.language import local
from booking_web.planning import drafts
from booking_web.planning.planner import Planner
from booking_web.staff import periods
from booking_web.staff.offices import own_office, own_offices
from booking_web.staff.state import current_staff
from booking_web.town import DEFAULT_LANGUAGE, in_language
from calendar_server.client import NotFoundError, RefusedError
from optimizer import planning
from optimizer.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

    from werkzeug.wrappers import Response

    from booking_web.town import OfficeInfo
    from calendar_server.client import CalendarClient
    from optimizer.snapshot import BookedNow

_LONGEST_DAYS = 120
_SECONDS = 10.0
_VERBS = {"apply": "applied", "undo": "undone", "undo-rest": "undone", "dismiss": "dismissed"}
_PROGRAM = frozenset({"system", "worker"})
"""Who decides when nobody does."""

"""What can be decided about a plan, and what it is then."""


@dataclass(frozen=True, slots=True)
class _Absence:
    """Who is away, in [start, end)."""

    clerk: str
    start: datetime
    end: datetime

    @property
    def whole_days(self) -> bool:
        return self.start.time() == self.end.time() == time()

    @property
    def last(self) -> date:
        """The last day of it, if it's about whole days."""
        return self.end.date() - timedelta(days=1)

    @staticmethod
    def of(found: dict[str, Any] | None, zone: ZoneInfo) -> _Absence | None:
        """Return the absence of a plan's JSON."""
        if found is None:
            return None
        start, end = (datetime.fromtimestamp(found[name], zone) for name in ("start", "end"))
        return _Absence(found["clerk"], start, end)


@dataclass(frozen=True, slots=True)
class _Row:
    """One change, ready to be shown; `to_clerk` and `to_start` are None where nothing changes."""

    summary: str
    services: str
    """Their names, where the summary doesn't tell them: people write what they like into it."""
    clerk: str
    start: datetime
    to_clerk: str | None
    to_start: datetime | None
    cancel: bool
    is_told: bool
    why: list[tuple[str, str]]
    """Why not at its time: clerk's name and reason."""
    obstacle: str
    """Why it can't be taken back, or wasn't (`calendar_server.undoing.Obstacle`); "": it can."""


def _desk() -> CalendarClient:
    client: CalendarClient = g.who.calendar.desk
    return client


def page(template: str, status: int = 200, **values: Any) -> Response:
    """Return a rendered template as an answer of that status."""
    return make_response(render_template(template, **values), status)


def guarded(view: Callable[[OfficeInfo], Response]) -> Response:
    """Do what a view does for the office that this account leads; others are told that it's not theirs to decide."""
    office = own_office()
    if office is None:
        return page("staff/message.html", what="no-office")
    try:
        return view(office)
    except RefusedError as error:
        if error.rule == "forbidden":
            return page("staff/message.html", 403, what="not-allowed")
        raise
    except NotFoundError:
        return page("staff/message.html", 404, what="unknown")


def _snapshot(office: OfficeInfo, first: date, last: date, *, open_only: bool = True) -> Snapshot:
    return Snapshot.from_json(_desk().snapshot(office.id, first, last, open_only=open_only))


def _planner(office: OfficeInfo) -> Planner:
    def take(first: date, last: date, *, open_only: bool) -> Snapshot:
        return _snapshot(office, first, last, open_only=open_only)

    return Planner(take, office.zone, _SECONDS, current_staff().settings.notice_hours)


def today_at(office: OfficeInfo) -> date:
    """Return the day that it is in the office."""
    return current_staff().settings.clock().astimezone(office.zone).date()


def count_waiting(office: OfficeInfo) -> int:
    """Return how many plans wait for a decision; 0 for who doesn't decide."""
    try:
        return len(drafts.proposed_for(_desk().plans(office.id)))
    except RefusedError:
        return 0


def plans() -> Response:
    """The office's plans, newest first."""

    def view(office: OfficeInfo) -> Response:
        shown = [
            {
                **plan,
                "made": datetime.fromisoformat(plan["created"]).astimezone(office.zone),
                "days": _days_of(office, plan),
            }
            for plan in _desk().plans(office.id)
        ]
        return page("staff/plans.html", office=office, plans=shown)

    return guarded(view)


def _days_of(office: OfficeInfo, plan: dict[str, Any]) -> tuple[date, date] | None:
    """The first and the last day that a plan is about."""
    absence = _Absence.of(plan["absence"], office.zone)
    if absence is not None:
        return absence.start.date(), (absence.end - timedelta(microseconds=1)).date()
    if plan["days"] is not None:
        first, last = map(date.fromisoformat, plan["days"])
        return first, last
    days = [datetime.fromtimestamp(step["start"], office.zone).date() for step in plan["steps"]]
    return (min(days), max(days)) if days else None


def plan(plan_id: str) -> Response:
    """One plan as a list of what changes, and what can be decided about it."""

    def view(_office: OfficeInfo) -> Response:
        found = _desk().plan(plan_id)
        return _shown(_office_of(found), found)

    return guarded(view)


def _office_of(found: dict[str, Any]) -> OfficeInfo:
    """The office that a plan is of, whichever one the address names: who decides for several may come from a list of another one."""
    office = next((each for each in own_offices() if each.id == found["office"]), None)
    if office is None:
        raise NotFoundError(found["office"])
    return office


def _shown(
    office: OfficeInfo,
    found: dict[str, Any],
    problem: str = "",
    status: int = 200,
    obstacles: dict[str, str] | None = None,
) -> Response:
    obstacles = found["left"] if obstacles is None else obstacles
    rows, names = _rows(office, found["steps"], obstacles)
    return page(
        "staff/plan.html",
        status,
        office=office,
        plan=found,
        rows=rows,
        names=names,
        absence=_Absence.of(found["absence"], office.zone),
        in_the_way=[row for row in rows if row.obstacle],
        absence_in_the_way="" in obstacles,
        auto_at=_moment(found["auto_at"], office),
        decided=_moment(found["decided"], office),
        by_itself=found["decided_by"] in _PROGRAM,
        problem=problem or ("replanned" if "instead" in request.args else ""),
    )


def _moment(text: str | None, office: OfficeInfo) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(office.zone)


def _rows(
    office: OfficeInfo, steps: list[dict[str, Any]], obstacles: dict[str, str]
) -> tuple[list[_Row], dict[str, str]]:
    moments = [step[key] for step in steps for key in ("start", "to_start")]
    today = today_at(office)
    first = min([datetime.fromtimestamp(moment, office.zone).date() for moment in moments], default=today)
    last = max([datetime.fromtimestamp(moment, office.zone).date() for moment in moments], default=today)
    first = max(first, last - timedelta(days=_LONGEST_DAYS))
    snapshot = _snapshot(office, first, last)
    names = {clerk.id: clerk.name for clerk in snapshot.clerks}
    booked = {entry.uid: entry for entry in snapshot.booked}
    rows = []
    for step in sorted(steps, key=lambda step: (step["start"], step["uid"])):
        entry = booked.get(step["uid"])
        changes_time = step["start"] != step["to_start"]
        rows.append(
            _Row(
                entry.summary if entry else "",
                _untold_services(entry),
                names.get(step["clerk"], step["clerk"]),
                datetime.fromtimestamp(step["start"], office.zone),
                None if step["clerk"] == step["to_clerk"] else names.get(step["to_clerk"], step["to_clerk"]),
                datetime.fromtimestamp(step["to_start"], office.zone) if changes_time else None,
                step["cancel"],
                (changes_time or step["cancel"]) and (entry is None or entry.mailed),
                [
                    (names.get(clerk, clerk), reason)
                    for clerk, _, reason in (each.partition(":") for each in step["why"].split())
                ],
                obstacles.get(step["uid"], ""),
            )
        )
    return rows, names


def _untold_services(entry: BookedNow | None) -> str:
    if entry is None:
        return ""
    town = current_staff().settings.town
    found = [(service, town.service(service)) for service in entry.services]
    if all(service and in_language(service.name, DEFAULT_LANGUAGE) in entry.summary for _, service in found):
        return ""
    return ", ".join(local(service.name) if service else name for name, service in found)


def decide(plan_id: str, verb: str) -> Response:
    """Apply, undo or dismiss a plan; what no longer fits is said, and nothing is changed."""

    def view(_office: OfficeInfo) -> Response:
        if verb not in _VERBS:
            raise NotFoundError(verb)
        try:
            found = _desk().decide_plan(plan_id, verb)
        except RefusedError as error:
            if error.rule != "stale-plan":
                raise
            found = _desk().plan(plan_id)
            # Somebody clicked twice, or a colleague was as quick: it is as they wanted it.
            if found["state"] != _VERBS[verb]:
                return _not_done(_office_of(found), found, verb)
        return redirect(url_for("plan", plan_id=plan_id, office=found["office"]), 303)

    return guarded(view)


def _not_done(office: OfficeInfo, found: dict[str, Any], verb: str) -> Response:
    """Tell why a decision wasn't carried out, and offer what there is instead."""
    if verb == "apply" and found["state"] == "proposed":
        return _replanned(office, found)
    if found["state"] == "applied" and verb.startswith("undo"):
        obstacles = _desk().obstacles(found["id"])
        return _shown(office, found, problem="obstacles", status=409, obstacles=obstacles)
    if verb == "apply" and found["decided_by"] in _PROGRAM:
        # The repair watch has put another one in its place, if there's still something to do.
        waiting = drafts.proposed_for(_desk().plans(office.id))
        for other in waiting:
            if (other["kind"], other["created_by"]) == (found["kind"], found["created_by"]):
                return redirect(
                    url_for("plan", plan_id=other["id"], office=office.id, instead=found["id"]), 303
                )
    return _shown(office, found, problem="decided", status=409)


def _replanned(office: OfficeInfo, found: dict[str, Any]) -> Response:
    """Make a plan anew that no longer fits, for the same purpose, and put the former one aside."""
    body = _planner(office).anew(found, today_at(office))
    if drafts.is_needless(body):
        with suppress(RefusedError):
            found = _desk().decide_plan(found["id"], "dismiss")
        return _shown(office, found, problem="needless", status=409)
    made = _desk().propose_plan(office.id, body)
    with suppress(RefusedError):
        _desk().decide_plan(found["id"], "dismiss")
    return redirect(url_for("plan", plan_id=made["id"], office=office.id, instead=found["id"]), 303)


def absence() -> Response:
    """Ask who is away, and when."""

    def view(office: OfficeInfo) -> Response:
        today = today_at(office)
        entries = {
            "clerk": "",
            "first": today.isoformat(),
            "last": today.isoformat(),
            "since": "",
            "until": "",
        }
        return _absence_form(office, entries, {})

    return guarded(view)


def _absence_form(office: OfficeInfo, entries: dict[str, str], mistakes: dict[str, str]) -> Response:
    today = today_at(office)
    clerks = _snapshot(office, today, today, open_only=False).clerks
    status = 422 if mistakes else 200
    return page(
        "staff/absence.html", status, office=office, clerks=clerks, entries=entries, mistakes=mistakes
    )


def absence_now() -> Response:
    """Plan who takes over what, store the plan and show it; nothing is changed yet."""

    def view(office: OfficeInfo) -> Response:
        names = ("clerk", "first", "last", "since", "until")
        entries = {name: request.form.get(name, "")[:40].strip() for name in names}
        found = _read_absence(office, entries)
        if isinstance(found, dict):
            return _absence_form(office, entries, found)
        today = today_at(office)
        if all(clerk.id != found.clerk for clerk in _snapshot(office, today, today, open_only=False).clerks):
            return _absence_form(office, entries, {"clerk": gettext("Wählen Sie, wer nicht da ist.")})
        away = planning.Absence(found.clerk, int(found.start.timestamp()), int(found.end.timestamp()))
        body = _planner(office).absence(away, gettext("abwesend"))
        made = _desk().propose_plan(office.id, body)
        return redirect(url_for("plan", plan_id=made["id"], office=office.id), 303)

    return guarded(view)


def _read_absence(office: OfficeInfo, entries: dict[str, str]) -> _Absence | dict[str, str]:
    mistakes: dict[str, str] = {}
    if not entries["clerk"]:
        mistakes["clerk"] = gettext("Wählen Sie, wer nicht da ist.")
    too_long = gettext("Der letzte Tag liegt nicht vor dem ersten und höchstens vier Monate danach.")
    days = periods.read(entries, _LONGEST_DAYS + 1, too_long)
    if isinstance(days, dict):
        mistakes |= days
    hours: dict[str, time] = {"since": time(), "until": time()}
    for name in ("since", "until"):
        if entries[name]:
            clock = periods.read_clock(entries[name])
            if clock is not None:
                hours[name] = clock
            else:
                mistakes[name] = gettext("Geben Sie eine Uhrzeit an, zum Beispiel 8:00.")
    if mistakes or isinstance(days, dict):
        return mistakes
    first, last = days
    start = datetime.combine(first, hours["since"], office.zone)
    following = 0 if entries["until"] else 1
    end = datetime.combine(last + timedelta(days=following), hours["until"], office.zone)
    # By the instants: in the hour that is skipped in spring, clocks don't tell what is later.
    if end.timestamp() <= start.timestamp():
        return {"until": gettext("Das Ende muss nach dem Beginn liegen.")}
    return _Absence(entries["clerk"], start, end)


def balance() -> Response:
    """Ask which days are to be evened out."""

    def view(office: OfficeInfo) -> Response:
        today = today_at(office)
        entries = periods.typed(request.args, first=today, last=today + timedelta(days=6))
        return page("staff/balance.html", office=office, entries=entries, mistakes={}, points=(), names={})

    return guarded(view)


def balance_now() -> Response:
    """Show the curve of evenness over changes, or store the plan of the point that was chosen."""

    def view(office: OfficeInfo) -> Response:
        entries = {name: request.form.get(name, "")[:40].strip() for name in ("first", "last")}
        too_long = gettext("Der letzte Tag liegt nicht vor dem ersten und höchstens vier Monate danach.")
        days = periods.read(entries, _LONGEST_DAYS + 1, too_long)
        if isinstance(days, dict):
            return page(
                "staff/balance.html", 422, office=office, entries=entries, mistakes=days, points=(), names={}
            )
        snapshot, points = _planner(office).balance(*days)
        chosen = request.form.get("changes", "")
        for point in points:
            if point.draft.changes and chosen == str(len(point.draft.changes)):
                made = _desk().propose_plan(office.id, Planner.of_point(point, *days))
                return redirect(url_for("plan", plan_id=made["id"], office=office.id), 303)
        names = {clerk.id: clerk.name for clerk in snapshot.clerks}
        return page(
            "staff/balance.html", office=office, entries=entries, mistakes={}, points=points, names=names
        )

    return guarded(view)

"""Plans: many changes of appointments, kept until somebody decides, applied whole or not at all, and undone likewise.

A plan names for each appointment the etag and the place that it was made from. Applying it checks every one of them, makes all changes, and
checks that no clerk has two appointments at once, in one transaction; anything else than expected and nothing is changed ("stale-plan").
Undoing is applying the reverse under the same checks.

A plan for an absence enters it into the clerk's calendar in the same transaction, so that nobody books with her, and takes it out when it's undone.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from icalendar import Calendar, Event
from icalendar.prop import vText
from sqlalchemy import delete, insert, select, update

from calendar_server import agenda, dispatch, refusals
from calendar_server.ical import appointment as properties
from calendar_server.ical.group import group_uid
from calendar_server.ical.objects import Transparency
from calendar_server.refusals import MissingError, RefusedError
from calendar_server.service import DAY, Actor, Calendars, expanded, file_name
from calendar_server.storage import reading
from calendar_server.storage.rows import Kind
from calendar_server.storage.schema import plans
from calendar_server.storage.writing import Content, Writer, etag_of
from calendar_server.undoing import Obstacle, obstacles

if TYPE_CHECKING:
    from sqlalchemy import Connection, RowMapping

    from calendar_server.offices import Office
    from calendar_server.storage.rows import ObjectRow


class PlanKind(StrEnum):
    """What a plan is for."""

    REPAIR = "repair"
    BALANCE = "balance"


class PlanState(StrEnum):
    """What became of a plan."""

    PROPOSED = "proposed"
    APPLIED = "applied"
    UNDONE = "undone"
    DISMISSED = "dismissed"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Step:
    """What happens to one appointment: another clerk, another start (epoch seconds), or its cancellation.

    `etag`, `clerk` and `start` are what the plan was made from. `to_clerk` and `to_start` equal them where that stays.
    """

    uid: str
    etag: str
    clerk: str
    start: int
    to_clerk: str
    to_start: int
    cancel: bool = False
    reason: str = ""
    """For the citizen."""
    why: str = ""
    """For the lead: what keeps each clerk from its old time, as "<clerk>:<reason>" by spaces (`optimizer.why.Reason`)."""

    @property
    def is_quiet(self) -> bool:
        """True if the citizen needn't know: only the clerk changes."""
        return not self.cancel and self.start == self.to_start

    @property
    def earliest(self) -> int:
        """When the appointment begins, with or without the plan, whichever is sooner: from then on it's too late for either."""
        return min(self.start, self.to_start)

    def is_before(self, instant: int) -> bool:
        """True if the appointment begins before `instant`, with and without the plan."""
        return max(self.start, self.to_start) < instant


@dataclass(frozen=True, slots=True)
class Absence:
    """A clerk who is away in [start, end), in epoch seconds; `title` is what her calendar then says."""

    clerk: str
    start: int
    end: int
    title: str = "abwesend"


@dataclass(frozen=True, slots=True)
class Plan:
    """A stored plan. `objective` names the levels that the planner compared; times are epoch seconds.

    `absence` is entered when the plan is applied. `days` are the first and the last day (included) that a balance evens out.
    """

    id: str
    office: str
    kind: PlanKind
    steps: tuple[Step, ...]
    objective: dict[str, float]
    proven_optimal: bool
    seconds: float
    state: PlanState = PlanState.PROPOSED
    note: str = ""
    created: int = 0
    created_by: str = ""
    decided: int | None = None
    decided_by: str = ""
    auto_at: int | None = None
    absence: Absence | None = None
    days: tuple[date, date] | None = None
    left: dict[str, Obstacle] = field(default_factory=dict)
    """What stayed as the plan had made it when the rest was taken back, by uid ("": the absence), and why."""

    @property
    def over_at(self) -> int:
        """When all that the plan is about is over: its appointments have begun, and the absence has ended."""
        moments = [step.earliest for step in self.steps]
        if self.absence is not None:
            moments.append(self.absence.end)
        return max(moments, default=self.created + DAY)

    def to_json(self) -> dict[str, Any]:
        """The form of CONTRACTS, with more beside it."""

        def moment(epoch: int) -> str:
            return datetime.fromtimestamp(epoch, UTC).isoformat()

        return {
            "id": self.id,
            "office": self.office,
            "cancelled": [step.uid for step in self.steps if step.cancel],
            "moved": [
                {
                    "uid": step.uid,
                    "from": moment(step.start),
                    "to": moment(step.to_start),
                    "from_clerk": step.clerk,
                    "to_clerk": step.to_clerk,
                }
                for step in self.steps
                if not step.cancel and step.start != step.to_start
            ],
            "reassigned": [
                {"uid": step.uid, "from": step.clerk, "to": step.to_clerk}
                for step in self.steps
                if step.is_quiet
            ],
            "objective": self.objective,
            "proven_optimal": self.proven_optimal,
            "seconds": round(self.seconds, 3),
            "kind": self.kind.value,
            "state": self.state.value,
            "note": self.note,
            "created": moment(self.created),
            "created_by": self.created_by,
            "decided": None if self.decided is None else moment(self.decided),
            "decided_by": self.decided_by,
            "auto_at": None if self.auto_at is None else moment(self.auto_at),
            "absence": None if self.absence is None else asdict(self.absence),
            "days": None if self.days is None else [day.isoformat() for day in self.days],
            "left": {uid: obstacle.value for uid, obstacle in self.left.items()},
        }


def _body(plan: Plan) -> str:
    return json.dumps(
        {
            "steps": [asdict(step) for step in plan.steps],
            "objective": plan.objective,
            "proven_optimal": plan.proven_optimal,
            "seconds": plan.seconds,
            "note": plan.note,
            "absence": None if plan.absence is None else asdict(plan.absence),
            "days": None if plan.days is None else [day.isoformat() for day in plan.days],
        }
    )


def _plan(row: RowMapping) -> Plan:
    body = json.loads(row["body"])
    absence, days = body.get("absence"), body.get("days")
    return Plan(
        id=row["id"],
        office=row["office"],
        kind=PlanKind(row["kind"]),
        steps=tuple(Step(**step) for step in body["steps"]),
        objective=body["objective"],
        proven_optimal=body["proven_optimal"],
        seconds=body["seconds"],
        state=PlanState(row["state"]),
        note=body["note"],
        created=row["created"],
        created_by=row["created_by"],
        decided=row["decided"],
        decided_by=row["decided_by"],
        auto_at=row["auto_at"],
        absence=Absence(**absence) if absence else None,
        days=(date.fromisoformat(days[0]), date.fromisoformat(days[1])) if days else None,
        left=_Undo.read(row["undo"]).left,
    )


@dataclass(frozen=True, slots=True)
class _Undo:
    """What takes a plan back: the reverse steps, and the etag of the absence that it entered ("": none)."""

    steps: tuple[Step, ...] = ()
    absence: str = ""
    left: dict[str, Obstacle] = field(default_factory=dict)
    """Once it was done: what couldn't be."""

    @staticmethod
    def read(text: str) -> _Undo:
        found = json.loads(text) if text else []
        if isinstance(found, list):
            # Plans brought no absence once, and only their steps were kept.
            found = {"steps": found, "absence": ""}
        left = {uid: Obstacle(each) for uid, each in found.get("left", {}).items()}
        return _Undo(tuple(Step(**step) for step in found["steps"]), found["absence"], left)


def _uid_of(plan_id: str) -> str:
    """The uid of the absence that a plan enters."""
    return f"absence-{plan_id}"


def _entry(plan_id: str, absence: Absence, office: Office, now: int) -> str:
    """The absence as an event: whole days where it begins and ends at midnight."""
    start, end = (datetime.fromtimestamp(moment, office.zone) for moment in (absence.start, absence.end))
    event = Event()
    event.add("UID", _uid_of(plan_id))
    event.add("DTSTAMP", datetime.fromtimestamp(now, UTC))
    if start.time() == end.time() == time():
        event.add("DTSTART", start.date())
        event.add("DTEND", end.date())
    else:
        event.add("DTSTART", start.astimezone(UTC))
        event.add("DTEND", end.astimezone(UTC))
    event.add("SUMMARY", absence.title)
    event.add("TRANSP", "OPAQUE")
    calendar = Calendar()
    calendar.add("VERSION", "2.0")
    calendar.add("PRODID", "-//termin//Terminvergabe//DE")
    calendar.add_component(event)
    text: str = calendar.to_ical().decode()
    return text


class Plans:
    """The plans of one database."""

    def __init__(self, calendars: Calendars) -> None:
        self._calendars = calendars

    def propose(self, plan: Plan, actor: Actor) -> Plan:
        """Store a plan and return it with its id. Raises MissingError for an unknown office, and for who is away but no clerk of it."""
        office = self._calendars.directory.office(plan.office)
        if office is None:
            raise MissingError(plan.office)
        if plan.absence is not None and office.clerk(plan.absence.clerk) is None:
            raise MissingError(plan.absence.clerk)
        stored = replace(
            plan,
            id=secrets.token_hex(4),
            state=PlanState.PROPOSED,
            created=self._calendars.now(),
            created_by=actor.name,
        )
        values = {
            "id": stored.id,
            "office": stored.office,
            "kind": stored.kind.value,
            "state": stored.state.value,
            "body": _body(stored),
            "created": stored.created,
            "created_by": stored.created_by,
            "auto_at": stored.auto_at,
        }
        with self._calendars.database.write() as connection:
            connection.execute(insert(plans), values)
        return stored

    def get(self, plan_id: str) -> Plan:
        """Return a plan. Raises MissingError."""
        with self._calendars.database.read() as connection:
            return self._get(connection, plan_id)[0]

    @staticmethod
    def _get(connection: Connection, plan_id: str) -> tuple[Plan, str]:
        row = connection.execute(select(plans).where(plans.c.id == plan_id)).mappings().one_or_none()
        if row is None:
            raise MissingError(plan_id)
        return _plan(row), row["undo"]

    def all(self, office: str, *, limit: int = 100) -> list[Plan]:
        """Return an office's plans, newest first."""
        query = (
            select(plans)
            .where(plans.c.office == office)
            .order_by(plans.c.created.desc(), plans.c.id)
            .limit(limit)
        )
        with self._calendars.database.read() as connection:
            return [_plan(row) for row in connection.execute(query).mappings()]

    def due(self) -> list[Plan]:
        """Return plans that apply by themselves now."""
        query = select(plans).where(
            plans.c.state == PlanState.PROPOSED.value, plans.c.auto_at <= self._calendars.now()
        )
        with self._calendars.database.read() as connection:
            return [_plan(row) for row in connection.execute(query).mappings()]

    def outlived(self) -> list[Plan]:
        """Return the plans that wait for a decision although all that they're about is over; those about nothing, after a day."""
        now = self._calendars.now()
        waiting = select(plans).where(plans.c.state == PlanState.PROPOSED.value)
        with self._calendars.database.read() as connection:
            found = [_plan(row) for row in connection.execute(waiting).mappings()]
        return [plan for plan in found if plan.over_at <= now]

    def forget(self, before: int) -> int:
        """Delete plans whose appointments all began before then (epoch seconds); returns how many. Nothing to undo is left of them."""
        database = self._calendars.database
        with database.read() as connection:
            old = connection.execute(select(plans).where(plans.c.created < before)).mappings().all()
        done = [plan.id for plan in map(_plan, old) if all(step.is_before(before) for step in plan.steps)]
        if not done:
            return 0
        with database.write() as connection:
            return connection.execute(delete(plans).where(plans.c.id.in_(done))).rowcount

    def dismiss(self, plan_id: str, actor: Actor) -> Plan:
        """Decide against a plan."""
        plan = self.get(plan_id)
        with self._calendars.writing(plan.office, actor) as writer:
            self._require(writer.connection, plan_id, PlanState.PROPOSED)
            self._decide(writer, plan_id, PlanState.DISMISSED)
        return self.get(plan_id)

    def put_aside(self, plan_id: str, actor: Actor) -> None:
        """Mark a plan that no longer fits, so that it isn't tried again."""
        plan = self.get(plan_id)
        with self._calendars.writing(plan.office, actor) as writer:
            if self._get(writer.connection, plan_id)[0].state is PlanState.PROPOSED:
                self._decide(writer, plan_id, PlanState.STALE)

    def apply(self, plan_id: str, actor: Actor, *, by_itself: bool = False) -> Plan:
        """Make all changes of a plan, or none. Refuses with "stale-plan" if anything is no longer as it was when the plan was made.

        `by_itself`, since nobody decided: also if somebody is back whose appointments it moves.
        """
        plan = self.get(plan_id)
        self._require_office(plan)
        with self._calendars.writing(plan.office, Actor(f"plan:{plan_id}")) as writer:
            current = self._require(writer.connection, plan_id, PlanState.PROPOSED)
            if by_itself and current.kind is PlanKind.REPAIR and current.absence is None:
                self._require_need(writer, current.steps)
            etag = self._enter(writer, current)
            undo = _Undo(self._change(writer, current.steps), etag)
            self._require_room(writer, current.steps)
            self._decide(writer, plan_id, PlanState.APPLIED, undo=undo, by=actor.name)
        return self.get(plan_id)

    def obstacles(self, plan_id: str) -> dict[str, Obstacle]:
        """Return what keeps an applied plan from being taken back, by uid ("": the absence). Raises MissingError."""
        plan = self.get(plan_id)
        with self._calendars.database.read() as connection:
            current, text = self._get(connection, plan_id)
            if current.state is not PlanState.APPLIED:
                return {}
            known = reading.office_collections(connection, plan.office)
            return self._obstacles(connection, known, current, _Undo.read(text))

    def _obstacles(
        self, connection: Connection, known: reading.OfficeCollections, plan: Plan, undo: _Undo
    ) -> dict[str, Obstacle]:
        found = obstacles(connection, known, plan.office, undo.steps, self._calendars.now())
        row = self._entered(connection, known, plan) if undo.absence else None
        if row is not None and row.etag != undo.absence:
            found[""] = Obstacle.ABSENCE
        return found

    def undo(self, plan_id: str, actor: Actor, *, rest: bool = False) -> Plan:
        """Take back all changes of an applied plan, or none. Refuses with "stale-plan" if something stands in the way (`obstacles`).

        With `rest` that stays, and all else is taken back; `Plan.left` then names it. The absence that the plan entered goes too; if the clerk
        has deleted it herself, that's all right.
        """
        plan = self.get(plan_id)
        self._require_office(plan)
        with self._calendars.writing(plan.office, Actor(f"plan:{plan_id}")) as writer:
            current = self._require(writer.connection, plan_id, PlanState.APPLIED)
            undo = _Undo.read(self._get(writer.connection, plan_id)[1])
            left = self._obstacles(writer.connection, writer.collections, current, undo)
            doable = tuple(step for step in undo.steps if step.uid not in left)
            if left and not (rest and (doable or (undo.absence and "" not in left))):
                named = ", ".join(f"{uid or _uid_of(plan_id)}: {each.value}" for uid, each in left.items())
                raise RefusedError(refusals.STALE_PLAN, f"what stands in the way: {named}")
            if "" not in left:
                self._take_out(writer, current)
            back = self._change(writer, doable, reverse=True)
            self._renew(writer, current, back)
            done = replace(undo, left=left)
            self._decide(writer, plan_id, PlanState.UNDONE, undo=done, by=actor.name)
        return self.get(plan_id)

    @staticmethod
    def _renew(writer: Writer, plan: Plan, back: tuple[Step, ...]) -> None:
        """Let plans that were applied before this one be taken back after it: its appointments are again as they had left them, under other etags."""
        now = {step.uid: step.etag for step in back}
        renewed = {
            (step.uid, step.etag): now[step.uid]
            for step in plan.steps
            if now.get(step.uid, step.etag) != step.etag
        }
        if not renewed:
            return
        earlier = select(plans.c.id, plans.c.undo).where(
            plans.c.office == plan.office, plans.c.state == PlanState.APPLIED.value, plans.c.id != plan.id
        )
        for row in writer.connection.execute(earlier).all():
            undo = _Undo.read(row.undo)
            steps = tuple(
                replace(step, etag=renewed.get((step.uid, step.etag), step.etag)) for step in undo.steps
            )
            if steps != undo.steps:
                text = json.dumps(asdict(replace(undo, steps=steps)))
                writer.connection.execute(update(plans).where(plans.c.id == row.id).values(undo=text))

    def _require_office(self, plan: Plan) -> None:
        if self._calendars.directory.office(plan.office) is None:
            raise RefusedError(refusals.STALE_PLAN, "the town has no such office any more")

    def _require(self, connection: Connection, plan_id: str, state: PlanState) -> Plan:
        plan, _ = self._get(connection, plan_id)
        if plan.state is not state:
            raise RefusedError(refusals.STALE_PLAN, f"the plan is {plan.state.value}")
        return plan

    @staticmethod
    def _decide(
        writer: Writer, plan_id: str, state: PlanState, *, undo: _Undo | None = None, by: str = ""
    ) -> None:
        values: dict[str, Any] = {
            "state": state.value,
            "decided": writer.now,
            "decided_by": by or writer.actor,
            "auto_at": None,
        }
        if undo is not None:
            values["undo"] = json.dumps(asdict(undo))
        writer.connection.execute(update(plans).where(plans.c.id == plan_id).values(**values))

    def _enter(self, writer: Writer, plan: Plan) -> str:
        """Enter the plan's absence; returns its etag, "" if there is none to enter or an entry of her own covers it."""
        away = plan.absence
        if away is None:
            return ""
        office = self._calendars.directory.office(writer.office)
        where = writer.collections.by_path(f"{away.clerk}/calendar")
        if office is None or where is None:
            raise RefusedError(refusals.STALE_PLAN, "the clerk isn't in the office any more")
        ids = [row.id for row in writer.collections.of_owner(away.clerk)]
        for entry in agenda.instances(writer.connection, ids, away.start, away.end, office):
            is_own = entry.kind is Kind.EVENT and entry.transparency
            if is_own and entry.start <= away.start and entry.end >= away.end:
                return ""
        text = _entry(plan.id, away, office, writer.now)
        obj = self._calendars.parse(text, office, away.clerk)
        content = expanded(obj, Kind.EVENT, frozenset(), writer.now)
        writer.insert(where, file_name(obj.uid), content)
        return etag_of(content.text)

    @staticmethod
    def _entered(connection: Connection, known: reading.OfficeCollections, plan: Plan) -> ObjectRow | None:
        """The absence that a plan entered; None if it did not, or somebody has deleted it."""
        where = None if plan.absence is None else known.by_path(f"{plan.absence.clerk}/calendar")
        return None if where is None else reading.has_uid(connection, where, _uid_of(plan.id))

    def _take_out(self, writer: Writer, plan: Plan) -> None:
        row = self._entered(writer.connection, writer.collections, plan)
        if row is not None:
            writer.remove(row, writer.collections.by_id(row.collection_id))

    def _require_need(self, writer: Writer, steps: tuple[Step, ...]) -> None:
        """Refuse unless each appointment that gets another time, or another one of its group, is covered by its clerk's own entries."""
        office = self._calendars.directory.office(writer.office)
        assert office is not None
        needy = set()
        for step in steps:
            row = reading.booking(writer.connection, office.id, step.uid)
            if row is None or row.first is None or row.last is None:
                continue
            ids = [entry.id for entry in writer.collections.of_owner(step.clerk)]
            found = agenda.instances(writer.connection, ids, row.first, row.last, office)
            if any(entry.kind is Kind.EVENT and entry.transparency for entry in found):
                needy.add(group_uid(step.uid))
        if any(not step.is_quiet and group_uid(step.uid) not in needy for step in steps):
            raise RefusedError(refusals.STALE_PLAN, "the clerk is there again")

    def _require_room(self, writer: Writer, steps: tuple[Step, ...]) -> None:
        """Refuse unless whoever gets an appointment works then and has nothing of her own, and a new time is to come, inside the opening hours."""
        office = self._calendars.directory.office(writer.office)
        assert office is not None
        if any(step.earliest < writer.now for step in steps):
            raise RefusedError(refusals.STALE_PLAN, "an appointment has begun, or its new time is over")
        coming = [step for step in steps if not step.cancel]
        days = sorted({dispatch.local_day(step.to_start, office) for step in coming})
        if not days:
            return
        found = dispatch.boards(writer.connection, office, writer.collections, days, writer.now)
        boards = {board.day: board for board in found}
        for step in coming:
            board = boards[dispatch.local_day(step.to_start, office)]
            row = reading.booking(writer.connection, office.id, step.uid)
            assert row is not None
            assert row.last is not None
            grains = board.office_day.grains
            wanted = dispatch.bits(*dispatch.outer_grains(step.to_start, row.last, board.base, grains))
            room = next((each.free for each in board.office_day.clerks if each.clerk == step.to_clerk), 0)
            if not step.is_quiet:
                room &= dispatch.window_bits(board.windows, row.services)
            if wanted & ~room:
                raise RefusedError(refusals.STALE_PLAN, "a place isn't free any more")

    def _change(self, writer: Writer, steps: tuple[Step, ...], *, reverse: bool = False) -> tuple[Step, ...]:
        """Make the changes and return the steps that take them back."""
        office = self._calendars.directory.office(writer.office)
        assert office is not None
        undo: list[Step] = []
        for step in steps:
            row = reading.booking(writer.connection, office.id, step.uid)
            if row is None or row.etag != step.etag or row.first != step.start:
                raise RefusedError(refusals.STALE_PLAN, "an appointment was changed since the plan was made")
            source = writer.collections.by_id(row.collection_id)
            target = writer.collections.by_path(f"{step.to_clerk}/calendar")
            if source.owner != step.clerk or target is None:
                raise RefusedError(
                    refusals.STALE_PLAN, "an appointment has another clerk since the plan was made"
                )
            etag = row.etag
            if step.is_quiet and not reverse:
                if target.id != source.id:
                    writer.transfer(row, source, target, file_name(row.uid))
            else:
                content = _changed(row, step, office)
                etag = etag_of(content.text)
                writer.replace(row, source, content, target=target, href=file_name(row.uid))
            undo.append(Step(row.uid, etag, step.to_clerk, step.to_start, step.clerk, step.start))
        self._require_no_overlap(writer, steps)
        return tuple(undo)

    @staticmethod
    def _require_no_overlap(writer: Writer, steps: tuple[Step, ...]) -> None:
        for step in steps:
            row = reading.booking(writer.connection, writer.office, step.uid)
            assert row is not None
            assert row.first is not None
            assert row.last is not None
            if step.cancel:
                continue
            ids = [entry.id for entry in writer.collections.of_owner(step.to_clerk)]
            for other in reading.instances_in(writer.connection, ids, row.first, row.last):
                taken = other.kind.is_booking and other.transparency and other.uid != step.uid
                if taken and other.end > row.first and other.start < row.last:
                    raise RefusedError(refusals.STALE_PLAN, "a place was taken since the plan was made")


def _changed(row: ObjectRow, step: Step, office: Office) -> Content:
    """The appointment at its new time, cancelled, or brought back; its SEQUENCE goes up unless only the clerk changes.

    Another time than the one that the citizen chose or agreed to is a proposal, until she agrees.
    """
    calendar = Calendar.from_ical(row.text)
    (event,) = calendar.walk("VEVENT")
    before = properties.from_event(event, office.zone)
    after = before.at(datetime.fromtimestamp(step.to_start, office.zone))
    for name, value in (("DTSTART", after.start), ("DTEND", after.end)):
        event.pop(name, None)
        event.add(name, value)
    event.pop("DURATION", None)
    event["STATUS"] = vText("CANCELLED" if step.cancel else "CONFIRMED")
    for name in (properties.REASON, properties.PROPOSED, properties.DECLINED):
        event.pop(name, None)
    if step.reason:
        event[properties.REASON] = vText(step.reason)
    promised = before.proposed or before.start
    if after.start not in {before.start, promised} and before.email and not step.cancel:
        event[properties.PROPOSED] = vText(properties.utc_text(promised))
    visible = after.start != before.start or step.cancel != before.cancelled
    sequence = row.sequence + (1 if visible else 0)
    event.pop("SEQUENCE", None)
    event.add("SEQUENCE", sequence)
    start, end = int(after.start.timestamp()), int(after.end.timestamp())
    transparency = Transparency.FREE if step.cancel else Transparency.BUSY
    return Content(
        uid=row.uid,
        component=row.component,
        kind=Kind.APPOINTMENT,
        text=calendar.to_ical().decode(),
        instances=[(start, end, int(transparency))],
        first=start,
        last=end,
        services=row.services,
        pinned=row.pinned,
        sequence=sequence,
        digest=row.digest,
    )

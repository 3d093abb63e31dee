"""Plans: many changes of appointments, kept until somebody decides, applied whole or not at all, and undone likewise.

A plan names for each appointment the etag and the place that it was made from. Applying it checks every one of them, makes all changes, and
checks that no clerk has two appointments at once, in one transaction; anything else than expected and nothing is changed ("stale-plan").
Undoing is applying the reverse under the same checks.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from icalendar import Calendar
from icalendar.prop import vText
from sqlalchemy import delete, insert, select, update

from calendar_server import refusals
from calendar_server.ical import appointment as properties
from calendar_server.ical.objects import Transparency
from calendar_server.refusals import MissingError, RefusedError
from calendar_server.service import Actor, Calendars, file_name
from calendar_server.storage import reading
from calendar_server.storage.rows import Kind
from calendar_server.storage.schema import plans
from calendar_server.storage.writing import Content, Writer, etag_of

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

    def is_before(self, instant: int) -> bool:
        """True if the appointment begins before `instant`, with and without the plan."""
        return max(self.start, self.to_start) < instant


@dataclass(frozen=True, slots=True)
class Plan:
    """A stored plan. `objective` names the levels that the planner compared; times are epoch seconds."""

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
            "auto_at": None if self.auto_at is None else moment(self.auto_at),
        }


def _body(plan: Plan) -> str:
    return json.dumps(
        {
            "steps": [asdict(step) for step in plan.steps],
            "objective": plan.objective,
            "proven_optimal": plan.proven_optimal,
            "seconds": plan.seconds,
            "note": plan.note,
        }
    )


def _plan(row: RowMapping) -> Plan:
    body = json.loads(row["body"])
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
    )


class Plans:
    """The plans of one database."""

    def __init__(self, calendars: Calendars) -> None:
        self._calendars = calendars

    def propose(self, plan: Plan, actor: Actor) -> Plan:
        """Store a plan and return it with its id. Raises MissingError for an unknown office."""
        if self._calendars.directory.office(plan.office) is None:
            raise MissingError(plan.office)
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

    def apply(self, plan_id: str, actor: Actor) -> Plan:
        """Make all changes of a plan, or none. Refuses with "stale-plan" if anything is no longer as it was when the plan was made."""
        plan = self.get(plan_id)
        with self._calendars.writing(plan.office, Actor(f"plan:{plan_id}")) as writer:
            current = self._require(writer.connection, plan_id, PlanState.PROPOSED)
            undo = self._change(writer, current.steps)
            self._decide(writer, plan_id, PlanState.APPLIED, undo=undo, by=actor.name)
        return self.get(plan_id)

    def undo(self, plan_id: str, actor: Actor) -> Plan:
        """Take back all changes of an applied plan, or none. Refuses with "stale-plan" if one of them was changed since."""
        plan = self.get(plan_id)
        with self._calendars.writing(plan.office, Actor(f"plan:{plan_id}")) as writer:
            self._require(writer.connection, plan_id, PlanState.APPLIED)
            _, undo = self._get(writer.connection, plan_id)
            self._change(writer, tuple(Step(**step) for step in json.loads(undo)), reverse=True)
            self._decide(writer, plan_id, PlanState.UNDONE, by=actor.name)
        return self.get(plan_id)

    def _require(self, connection: Connection, plan_id: str, state: PlanState) -> Plan:
        plan, _ = self._get(connection, plan_id)
        if plan.state is not state:
            raise RefusedError(refusals.STALE_PLAN, f"the plan is {plan.state.value}")
        return plan

    @staticmethod
    def _decide(
        writer: Writer, plan_id: str, state: PlanState, *, undo: tuple[Step, ...] | None = None, by: str = ""
    ) -> None:
        values: dict[str, Any] = {
            "state": state.value,
            "decided": writer.now,
            "decided_by": by or writer.actor,
            "auto_at": None,
        }
        if undo is not None:
            values["undo"] = json.dumps([asdict(step) for step in undo])
        writer.connection.execute(update(plans).where(plans.c.id == plan_id).values(**values))

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

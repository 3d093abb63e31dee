"""A calendar and a worker on it, moved on step by step, and what arrives at the citizen."""

from __future__ import annotations

import email
import re
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from email import policy
from typing import TYPE_CHECKING

from icalendar import Calendar

from booking_web.notifications.follower import SECOND_THOUGHTS, Follower
from booking_web.notifications.letters import Letters
from booking_web.notifications.reminders import Reminders
from booking_web.notifications.sender import Sender
from booking_web.notifications.store import Store, migrate
from booking_web.notifications.transport import MaildirTransport
from calendar_server.ical.appointment import from_ical, to_ical
from calendar_server.plans import Plan, PlanKind, Plans, Step
from calendar_server.service import Actor, Calendars, Preconditions
from calendar_server.storage import reading
from calendar_server.storage.changes import ChangeLog
from calendar_server.storage.database import Database
from tests.notifications.town import SECRET, UID, town
from tests.support.calendar import calendars
from tests.support.clock import Clock
from tests.support.town import BERLIN, NOW, appointment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage
    from pathlib import Path

    from booking_web.notifications.transport import Transport
    from booking_web.town import Town
    from calendar_server.ical.appointment import Appointment
    from calendar_server.offices import Directory

OFFICE = "buergerbuero"
VIEW = f"{OFFICE}/appointments"
SITE = Actor("site", authoritative=True)
CLERK = Actor("clerk1")
LEAD = Actor("lead")


@dataclass(frozen=True)
class Received:
    """A mail as it arrived."""

    message: EmailMessage

    @property
    def method(self) -> str:
        return str(self.calendar["METHOD"]) if self.calendar else ""

    @property
    def calendar(self) -> Calendar | None:
        part = next((one for one in self.message.walk() if one.get_content_type() == "text/calendar"), None)
        return Calendar.from_ical(part.get_content()) if part else None

    @property
    def event(self):
        return self.calendar.walk("VEVENT")[0]

    @property
    def sequence(self) -> int:
        return int(self.event["SEQUENCE"])

    @property
    def start(self):
        return self.event["DTSTART"].dt

    @property
    def subject(self) -> str:
        return str(self.message["Subject"])

    @property
    def text(self) -> str:
        return self.message.get_body(("plain",)).get_content()

    @property
    def id(self) -> str:
        return str(self.message["Message-ID"])


def read_maildir(folder: Path) -> list[Received]:
    """All mails in a Maildir, in the order in which they came."""
    if not folder.exists():
        return []
    # One look only: a worker may be delivering meanwhile.
    files = sorted((folder / "new").iterdir(), key=_delivered)
    return [Received(email.message_from_bytes(file.read_bytes(), policy=policy.default)) for file in files]


def _delivered(file: Path) -> tuple[int, int]:
    """When a mail came. A file system's clock ticks slowly; the number that a process counts in the name doesn't."""
    counted = re.search(r"Q(\d+)\.", file.name)
    assert counted, file.name
    return file.stat().st_mtime_ns, int(counted[1])


@dataclass
class World:
    """`happens` between two calls of `settle` is one batch of changes for the worker."""

    service: Calendars
    database: Database
    clock: Clock
    folder: Path
    town: Town = field(default_factory=town)
    transport: Transport | None = None

    def __post_init__(self) -> None:
        self.store = Store(self.database)
        self.changes = ChangeLog(self.service.database, BERLIN)
        self.restart()

    def restart(self) -> None:
        """A new worker on what the old one left."""
        letters = Letters(self.town, SECRET)
        parts = (self.changes, self.store, letters, self.town, self.clock)
        self.follower, self.reminders = Follower(*parts), Reminders(*parts)
        transport = self.transport or MaildirTransport(self.folder)
        self.sender = Sender(self.store, transport, self.town.reminder, self.clock)
        self.store.recover()

    def book(self, value: Appointment | None = None, actor: Actor = SITE, **values: object) -> Appointment:
        value = replace(value or appointment(UID), **values)  # type: ignore[arg-type]
        self.service.put(VIEW, f"{value.uid}.ics", to_ical(value, now=NOW), actor, Preconditions())
        return value

    def stored(self, uid: str = UID) -> Appointment:
        with self.service.database.read() as connection:
            row = reading.booking(connection, OFFICE, uid)
        assert row is not None
        return from_ical(row.text, BERLIN)

    def holder(self, uid: str = UID) -> str:
        """The clerk in whose calendar it lies."""
        for clerk in ("clerk1", "clerk2"):
            where = self.service.find(f"{clerk}/calendar")
            with self.service.database.read() as connection:
                if reading.has_uid(connection, where, uid) is not None:
                    return clerk
        raise AssertionError("nobody has it")

    @property
    def plans(self) -> Plans:
        return Plans(self.service)

    def step(self, uid: str, **values: object) -> Step:
        """A step of a plan: another start or clerk, or its cancellation."""
        with self.service.database.read() as connection:
            row = reading.booking(connection, OFFICE, uid)
        assert row is not None
        assert row.first is not None
        start, clerk = values.pop("start", None), values.pop("clerk", None)
        holder = self.holder(uid)
        moved = int(start.timestamp()) if isinstance(start, datetime) else row.first
        made = Step(uid, row.etag, holder, row.first, str(clerk or holder), moved)
        return replace(made, **values)  # type: ignore[arg-type]

    def propose(self, *steps: Step) -> Plan:
        return self.plans.propose(Plan("", OFFICE, PlanKind.REPAIR, steps, {}, True, 0.0), LEAD)

    def change(self, uid: str = UID, *, actor: Actor = SITE, **values: object) -> Appointment:
        """Somebody writes the appointment anew, with other values; a new start keeps its length."""
        before = self.stored(uid)
        after = before.at(values.pop("start")) if "start" in values else before  # type: ignore[arg-type]
        after = replace(after, **values)  # type: ignore[arg-type]
        self.service.put(VIEW, f"{uid}.ics", to_ical(after, now=NOW), actor, Preconditions(if_match="*"))
        return after

    def delete(self, uid: str = UID, actor: Actor = SITE) -> None:
        self.service.delete(VIEW, f"{uid}.ics", actor)

    def follow(self) -> int:
        return self.follower.step()

    def send(self) -> int:
        count = 0
        while sent := self.sender.step():
            count += sent
        return count

    def settle(self) -> list[Received]:
        """Let the worker do all there is to do now, second thoughts included; return the mails that came by it."""
        before = {mail.message.as_bytes() for mail in self.mails()}
        count = len(self.mails())
        self.follow()
        self.reminders.step()
        self.send()
        if self.store.load().waiting:
            self.clock.now += SECOND_THOUGHTS
            self.send()
        after = self.mails()
        assert len(after) >= count
        return [mail for mail in after if mail.message.as_bytes() not in before]

    def mails(self) -> list[Received]:
        return read_maildir(self.folder)


@contextmanager
def world(
    calendar_url: str,
    worker_url: str,
    folder: Path,
    clock: Clock | None = None,
    offices: Directory | None = None,
) -> Iterator[World]:
    """A world on these databases."""
    clock = clock or Clock()
    database = Database.open(worker_url)
    try:
        migrate(database)
        with calendars(calendar_url, offices, clock) as service:
            yield World(service, database, clock, folder / "mail")
    finally:
        database.close()

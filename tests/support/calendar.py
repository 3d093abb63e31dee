"""A calendar server for tests: the real one, on a database of its own, served on loopback."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import caldav
from argon2 import PasswordHasher

from calendar_server.accounts import Account, AccountRole, Accounts
from calendar_server.app import CalendarSettings, create_app
from calendar_server.client import CalendarClient
from calendar_server.limits import Limits
from calendar_server.setup import prepare
from calendar_server.storage.changes import ChangeLog
from calendar_server.storage.database import Database
from tests.support.clock import Clock
from tests.support.servers import serving
from tests.support.town import BERLIN, directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from wsgiref.types import WSGIApplication

    from calendar_server.offices import Directory
    from calendar_server.service import Calendars

PASSWORD = "demo"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""Tests log in all the time; what a real hash costs is not what they test."""


def add_accounts(accounts: Accounts, offices: Directory) -> None:
    """The accounts of the demo town: every clerk, lead, admin, site and worker, with one password."""
    roles = {
        "lead": AccountRole.LEAD,
        "admin": AccountRole.ADMIN,
        "site": AccountRole.SITE,
        "worker": AccountRole.WORKER,
    }
    for name, role in roles.items():
        accounts.ensure(Account(name, role, offices.offices[0].id if name == "lead" else ""), PASSWORD)
    for office in offices.offices:
        for clerk in office.clerks:
            mail = f"{clerk.id}@example.org"
            accounts.ensure(Account(clerk.id, AccountRole.CLERK, "", clerk.name, mail), PASSWORD)


@dataclass(frozen=True)
class CalendarServer:
    """A running calendar server and ways to talk to it."""

    url: str
    database_url: str
    directory: Directory
    clock: Clock

    def client(self, account: str = "site") -> CalendarClient:
        """The site's own client."""
        return CalendarClient(self.url, account, PASSWORD)

    def caldav(self, account: str) -> caldav.DAVClient:
        """A real CalDAV client."""
        return caldav.DAVClient(self.url, username=account, password=PASSWORD)

    def calendar(self, account: str, path: str = "") -> caldav.Calendar:
        """A calendar through the CalDAV client: somebody's own, or the one at `path`."""
        return self.caldav(account).calendar(url=f"{self.url}/{path or account + '/calendar'}/")

    def database(self) -> Database:
        """The server's database, opened once more."""
        return Database.open(self.database_url)

    def change_log(self) -> ChangeLog:
        """The change log as the worker reads it."""
        return ChangeLog(self.database(), BERLIN)


@contextmanager
def calendar_server(
    database_url: str,
    offices: Directory | None = None,
    clock: Clock | None = None,
    around: Callable[[WSGIApplication], WSGIApplication] = lambda app: app,
    limits: Limits | None = None,
    **settings: Any,
) -> Iterator[CalendarServer]:
    """Run a calendar server with the demo accounts; `around` puts something between it and its clients."""
    offices = offices or directory()
    clock = clock or Clock()
    database = Database.open(database_url)
    prepare(database, offices, clock)
    add_accounts(Accounts(database, clock, CHEAP), offices)
    database.close()
    app = create_app(CalendarSettings(database_url, offices, clock, limits=limits or Limits(), **settings))
    try:
        with serving(around(app)) as url:
            yield CalendarServer(url, database_url, offices, clock)
    finally:
        app.close()


@contextmanager
def calendars(
    database_url: str,
    offices: Directory | None = None,
    clock: Clock | None = None,
    limits: Limits | None = None,
) -> Iterator[Calendars]:
    """The service without a server."""
    database = Database.open(database_url)
    try:
        yield prepare(database, offices or directory(), clock or Clock(), limits)
    finally:
        database.close()

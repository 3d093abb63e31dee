"""The accounts of an installation: opened for commands, and those that the program itself and the demo need."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from calendar_server.accounts import Account, AccountRole, Accounts
from calendar_server.feeds import Feeds
from calendar_server.storage.database import Database
from calendar_server.storage.migrate import migrate
from config import compose, database, secrets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from config.settings import Settings


@contextmanager
def _database(settings: Settings, data: Path, *, begin: bool) -> Iterator[Database]:
    database.open_folder(settings, data, begin=begin)
    opened = Database.open(database.url(settings, data))
    try:
        migrate(opened)
        yield opened
    finally:
        opened.close()


@contextmanager
def open_accounts(settings: Settings, data: Path, *, begin: bool = False) -> Iterator[Accounts]:
    """Open the accounts; what is missing of their tables is made.

    Raises `config.database.NoDataError` if there are none, unless an installation may `begin` here.
    """
    with _database(settings, data, begin=begin) as opened:
        yield Accounts(opened, partial(datetime.now, UTC))


@contextmanager
def open_feeds(settings: Settings, data: Path) -> Iterator[Feeds]:
    """Open the feeds, likewise."""
    with _database(settings, data, begin=False) as opened:
        yield Feeds(opened, partial(datetime.now, UTC))


def ensure_accounts(settings: Settings, data: Path, *, demo: bool) -> None:
    """Make the accounts of the site and the worker, and in the demo those of its people."""
    ours = secrets.ensure(data, settings.server.secrets, demo=demo)
    with open_accounts(settings, data, begin=True) as accounts:
        accounts.ensure(Account("site", AccountRole.SITE), ours.site_password)
        accounts.ensure(Account("worker", AccountRole.WORKER), ours.worker_password)
        if demo:
            # Checking a password is slow on purpose: what is there stays, so that the next start is quick.
            there = {account.name for account in accounts.all()}
            for account in demo_accounts(settings):
                if account.name not in there:
                    accounts.add(account, compose.DEMO_PASSWORD)


def demo_accounts(settings: Settings) -> list[Account]:
    """Return the accounts of the demo: every clerk, a lead and an administrator.

    Calendar programs ask for the free/busy of colleagues by mail address only, so they have some (RFC 2606 section 3).
    """
    people = [
        Account(clerk.id, AccountRole.CLERK, display_name=clerk.name, email=f"{clerk.id}@example.org")
        for office in settings.offices.offices
        for clerk in office.clerks
    ]
    return [
        *people,
        Account("lead", AccountRole.LEAD, display_name="Teamleitung (Demo)", email="lead@example.org"),
        Account("admin", AccountRole.ADMIN, display_name="Administration (Demo)"),
    ]

"""This server, as `termin serve` runs it (granian, SQLite), with the calendars that it is told."""

from __future__ import annotations

import argparse
import json
import os
from datetime import UTC, datetime, time
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from benchmarks.calendar.events import filling
from calendar_server.accounts import Account, AccountRole, Accounts
from calendar_server.app import CalendarSettings, create_app
from calendar_server.offices import Clerk, Directory, Office, OpeningRule, WeeklyPeriod
from calendar_server.service import Actor, expanded, file_name
from calendar_server.setup import prepare
from calendar_server.storage.database import Database
from calendar_server.storage.rows import Kind
from config.processes.launch import Launch
from config.processes.web import serve

USER = "bench"
_MONDAY = WeeklyPeriod(0, time(8), time(16))


def _now() -> datetime:
    # The events lie around this day, as a calendar's do around today.
    return datetime(2026, 6, 1, 9, tzinfo=UTC)


def _directory() -> Directory:
    clerk = Clerk(USER, "Bench", frozenset({"pass"}), (_MONDAY,))
    office = Office(
        "office",
        "Office",
        ZoneInfo("Europe/Berlin"),
        (clerk,),
        frozenset({"pass"}),
        initial_windows=(OpeningRule(_MONDAY),),
    )
    return Directory((office,))


def fill(database_url: str, layout: dict[str, int]) -> None:
    """Make the account and the calendars."""
    database = Database.open(database_url)
    calendars = prepare(database, _directory(), _now)
    Accounts(database, _now).ensure(Account(USER, AccountRole.CLERK, "office"), USER)
    actor = Actor(USER)
    calendars.create_principal(USER, {}, actor)
    for name, size in layout.items():
        where = calendars.create_calendar(f"{USER}/{name}", {"tag": "VCALENDAR"}, actor)
        office = calendars.office_of(where)
        # As an import of so many would: one by one and durable each would take minutes.
        with calendars.writing(where.office, actor) as writer:
            for uid, text in filling(size):
                obj = calendars.parse(text, office)
                writer.insert(where, file_name(uid), expanded(obj, Kind.EVENT, frozenset(), writer.now))
    database.close()


def _build(database_url: str) -> Any:
    return create_app(CalendarSettings(database_url, _directory(), _now))


def main() -> None:
    """Fill, then serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument(
        "--layout", required=True, help="JSON: the calendars' names and their numbers of events"
    )
    given = parser.parse_args()
    url = os.environ.get("TERMIN_BENCH_DATABASE") or f"sqlite:///{given.folder / 'termin.sqlite'}"
    fill(url, json.loads(given.layout))
    read, _write = os.pipe()
    launch = Launch(
        config=given.folder,
        data=given.folder,
        demo=False,
        host="127.0.0.1",
        site_port=0,
        staff_port=0,
        dav_port=given.port,
        threads=8,
    )
    serve(partial(_build, url), launch, "calendar", read)


if __name__ == "__main__":
    main()

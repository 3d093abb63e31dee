"""The tables go forward from their first form with data in them, and end up as the code describes them."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, func, insert, select

from calendar_server.ical.appointment import to_ical
from calendar_server.refusals import RefusedError
from calendar_server.service import Actor, Calendars
from calendar_server.setup import prepare
from calendar_server.storage.changes import ChangeLog
from calendar_server.storage.database import Database
from calendar_server.storage.migrate import migrate
from calendar_server.storage.schema import metadata
from tests.proofs.clients import own_event
from tests.support.clock import Clock
from tests.support.databases import empty_postgresql, empty_sqlite, fresh_sqlite
from tests.support.town import BERLIN, NOW, appointment, at, directory

SITE = Actor("site", authoritative=True)
VIEW = "buergerbuero/appointments"
FIRST = "0001"
VERSIONS = "alembic_version_calendar"


def fill(service: Calendars) -> None:
    """Everything that there can be: bookings, own events, a series, deleted ones."""
    for number, hour in enumerate((8, 9, 10)):
        value = appointment(f"a{number}@old", at(7, hour))
        service.put(VIEW, f"{value.uid}.ics", to_ical(value, now=NOW), SITE)
    service.delete(VIEW, "a2@old.ics", SITE)
    meeting = own_event("m@old", at(7, 13), at(7, 14)).decode()
    service.put("clerk1/calendar", "m.ics", meeting, Actor("clerk1"))
    series = own_event("s@old", at(7, 14), at(7, 15)).decode()
    series = series.replace("SUMMARY:", "RRULE:FREQ=WEEKLY\r\nSUMMARY:")
    service.put("clerk2/calendar", "s.ics", series, Actor("clerk2"))


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, tmp_path):
    """Without tables: how they come about is what is tested."""
    return empty_sqlite(tmp_path) if request.param == "sqlite" else empty_postgresql()


@pytest.fixture
def first_form(database_url, tmp_path):
    """A database whose tables have their first form, with the rows that a filled one has in those columns."""
    new = Database.open(fresh_sqlite(tmp_path / "new"))
    fill(prepare(new, directory(), Clock()))
    old = Database.open(database_url)
    migrate(old, FIRST)
    there = MetaData()
    with new.read() as source, old.write() as target:
        there.reflect(target)
        for table in metadata.sorted_tables:
            if table.name not in there.tables:
                continue
            columns = set(there.tables[table.name].columns.keys())
            rows = [
                {name: value for name, value in row.items() if name in columns}
                for row in source.execute(select(table)).mappings()
            ]
            if rows:
                target.execute(insert(there.tables[table.name]), rows)
            if not old.is_sqlite and "id" in columns and table.c.id.autoincrement is True:
                # The rows brought their numbers along; the next one is given after them.
                target.exec_driver_sql(
                    f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), (SELECT coalesce(max(id), 1) FROM {table.name}))"
                )
    new.close()
    yield old
    old.close()


def counts(database: Database) -> dict[str, int]:
    found = MetaData()
    with database.read() as connection:
        found.reflect(connection)
        return {
            name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for name, table in found.tables.items()
        }


def test_nothing_is_lost_on_the_way(first_form):
    before = counts(first_form)
    assert before["objects"] > 4
    assert before["tombstones"] > 0
    migrate(first_form)
    after = counts(first_form)
    assert {name: after[name] for name in before} == before


def test_the_rules_hold_for_what_was_there_before(first_form):
    service = prepare(first_form, directory(), Clock())
    log = ChangeLog(first_form, BERLIN)
    head = log.head("buergerbuero")
    assert log.appointment("buergerbuero", "a0@old").start == at(7, 8)
    second = appointment("b1@new", at(7, 8))
    service.put(VIEW, "b1@new.ics", to_ical(second, now=NOW), SITE)
    with pytest.raises(RefusedError):
        service.put(VIEW, "b2@new.ics", to_ical(appointment("b2@new", at(7, 8)), now=NOW), SITE)
    # The revision goes on from where it was when it was deleted.
    service.put(VIEW, "a2@old.ics", to_ical(appointment("a2@old", at(7, 10)), now=NOW), SITE)
    assert log.appointment("buergerbuero", "a2@old").sequence == 1
    assert [change.seq for change in log.read("buergerbuero", head)] == [head + 1, head + 2]


def test_the_tables_are_as_the_code_describes_them(database_url):
    database = Database.open(database_url)
    migrate(database)
    with database.read() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True, "version_table": VERSIONS}
        )
        assert compare_metadata(context, metadata) == []
    database.close()


def test_going_forward_again_changes_nothing(first_form):
    migrate(first_form)
    before = counts(first_form)
    migrate(first_form)
    assert counts(first_form) == before

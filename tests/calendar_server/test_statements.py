"""The prepared statements: each finds its rows by an index, so that no request costs what a calendar holds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import bindparam, select, text
from sqlalchemy.exc import DBAPIError

from calendar_server.storage import reading
from calendar_server.storage.database import Database
from calendar_server.storage.migrate import migrate
from calendar_server.storage.prepared import OneOf, Prepared
from calendar_server.storage.schema import meta
from calendar_server.storage.writing import set_meta
from tests.support.databases import fresh_sqlite

if TYPE_CHECKING:
    from collections.abc import Iterator

STATEMENTS = {name: value for name, value in vars(reading).items() if isinstance(value, Prepared)}


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    path = tmp_path_factory.mktemp("statements")
    database = Database.open(fresh_sqlite(path))
    migrate(database)
    yield database
    database.close()


def plan_of(statement, connection):
    text, _ = statement._compile(connection)
    values = dict.fromkeys(re.findall(r":(\w+)", text))
    return [
        step[3]
        for step in connection.connection.driver_connection.execute(f"EXPLAIN QUERY PLAN {text}", values)
    ]


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_statement_reads_a_table_whole(sqlite, name):
    with sqlite.read() as connection:
        plan = plan_of(STATEMENTS[name], connection)
    # The parameter's own list is read whole, and so may be the small table of collections.
    assert not [step for step in plan if re.match("SCAN (?!json_each|collections)", step)], plan


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (reading._BOOKING, "ix_objects_office_uid (office=? AND uid=?)"),
        (reading._EXPIRED, "ix_objects_hold_until (hold_until<?)"),
        (reading._SHOWN_OF_NAMES_IN_VIEW, "ix_objects_view (office=? AND view_href=?)"),
        (reading._STORED_SINCE, "ix_objects_collection_id_seq (collection_id=? AND seq>?)"),
        (reading._GONE_SINCE, "ix_tombstones_collection_id_seq (collection_id=? AND seq>?)"),
        (reading._UNEXPANDED, "ix_objects_recurring (collection_id=? AND recurring=?)"),
    ],
)
def test_the_index_leads_to_the_wanted_rows_alone(sqlite, statement, index):
    with sqlite.read() as connection:
        assert any(step.endswith(index) for step in plan_of(statement, connection))


def test_a_list_of_any_length_is_one_parameter(database_url):
    named = Prepared(select(meta.c.key).where(OneOf(meta.c.key, "keys")).order_by(meta.c.key))
    database = Database.open(database_url)
    migrate(database)
    with database.write() as connection:
        for key in ("a", "b'", "ä"):
            set_meta(connection, key, "1")
        assert named.all(connection, keys=[]) == []
        assert named.all(connection, keys=["b'", "ä", *map(str, range(50_000))]) == [("b'",), ("ä",)]
        # Longer than the column, and equal to "a" as far as it reaches.
        assert named.all(connection, keys=["a" + " " * 100]) == []
    database.close()


def test_what_the_database_refuses_is_told_without_the_values(database_url):
    bad = Prepared(select(meta.c.value).where(meta.c.key == bindparam("key"), text("no_such_column = 1")))
    database = Database.open(database_url)
    migrate(database)
    with database.read() as connection, pytest.raises(DBAPIError) as caught:
        bad.value(connection, key="Erika Mustermann")
    assert "no_such_column" in str(caught.value)
    assert "Erika" not in str(caught.value)
    database.close()

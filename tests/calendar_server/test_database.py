"""The transactions of one request, on both databases."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from calendar_server.storage.database import Database
from calendar_server.storage.migrate import migrate
from calendar_server.storage.reading import meta_value
from calendar_server.storage.writing import set_meta
from tests.support.databases import fresh_sqlite


@pytest.fixture
def database(database_url):
    found = Database.open(database_url)
    migrate(found)
    yield found
    found.close()


def value(database):
    with database.read() as connection:
        return meta_value(connection, "key")


def write(database, new):
    with database.write() as connection:
        set_meta(connection, "key", new)


def elsewhere(do, *given):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(do, *given).result()


def test_reads_of_a_snapshot_are_of_one_state(database):
    write(database, "before")
    with database.snapshot():
        assert value(database) == "before"
        elsewhere(write, database, "after")
        assert elsewhere(value, database) == "after"
        assert value(database) == "before"
    assert value(database) == "after"


def test_reads_after_a_write_see_it_and_what_others_wrote(database):
    write(database, "before")
    with database.snapshot():
        assert value(database) == "before"
        elsewhere(write, database, "others")
        with database.write() as connection:
            assert meta_value(connection, "key") == "others"
            set_meta(connection, "key", "own")
            # Not yet committed, and no state to go on with.
            assert value(database) == "others"
        assert value(database) == "own"


def test_a_write_that_fails_leaves_the_snapshot_usable(database):
    write(database, "before")
    with database.snapshot():
        with pytest.raises(ZeroDivisionError), database.write() as connection:
            set_meta(connection, "key", str(1 / 0))
        assert value(database) == "before"


def test_a_statement_that_fails_ends_the_state_alone(database):
    write(database, "before")
    with database.snapshot():
        with pytest.raises(DBAPIError), database.read() as connection:
            connection.execute(text("SELECT no_such_column FROM meta"))
        assert value(database) == "before"


def test_reads_after_one_another_see_what_was_written_between(database):
    for number in range(3):
        write(database, str(number))
        assert value(database) == str(number)
        assert elsewhere(value, database) == str(number)


@pytest.mark.parametrize("error", [ZeroDivisionError(), KeyboardInterrupt()])
def test_a_read_that_ends_in_an_error_leaves_the_next_one_a_new_state(database, error):
    def read():
        with database.read() as connection:
            assert meta_value(connection, "key") == "before"
            raise error

    write(database, "before")
    with pytest.raises(type(error)):
        read()
    write(database, "after")
    assert value(database) == "after"


def test_a_statement_that_fails_leaves_the_next_read_usable(database):
    write(database, "before")
    with pytest.raises(DBAPIError), database.read() as connection:
        connection.execute(text("SELECT no_such_column FROM meta"))
    assert value(database) == "before"


def test_connections_that_wait_hold_no_state_and_are_few(tmp_path):
    database = Database.open(fresh_sqlite(tmp_path))
    migrate(database)
    with ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(database.read())
        write(database, "after")
    assert database.engine.pool.checkedout() <= 16
    with database.write() as connection:
        set_meta(connection, "key", "later")
    # What a connection still reads couldn't be taken out of the log (https://sqlite.org/pragma.html#pragma_wal_checkpoint).
    with closing(sqlite3.connect(database.engine.url.database)) as other:
        busy, left, _ = other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert (busy, left) == (0, 0)
    database.close()


def test_a_read_that_outlives_the_database_keeps_no_connection(tmp_path):
    database = Database.open(fresh_sqlite(tmp_path))
    migrate(database)
    with database.read() as connection:
        database.close()
    # What comes back last isn't kept for a read that won't come.
    assert connection.closed

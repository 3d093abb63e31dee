"""The transactions of one request, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from calendar_server.storage.database import Database
from calendar_server.storage.migrate import migrate
from calendar_server.storage.reading import meta_value
from calendar_server.storage.writing import set_meta


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

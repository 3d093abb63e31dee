"""The transactions of one request, on both databases."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from inspect import signature

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError

from calendar_server.client import CalendarClient
from calendar_server.storage import database as module
from calendar_server.storage.database import Database, FairLock, reason_of
from calendar_server.storage.migrate import NewerTablesError, migrate
from calendar_server.storage.reading import meta_value
from calendar_server.storage.writing import set_meta
from tests.support.databases import fresh_postgresql, fresh_sqlite


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


def test_a_folder_that_cannot_be_written_is_the_databases_failure(tmp_path):
    database = Database.open(fresh_sqlite(tmp_path))
    migrate(database)
    write(database, "before")
    database.close()
    lock = tmp_path / "termin.sqlite.lock"
    lock.unlink()
    # Not even the superuser, as whom tests may run, opens a folder for writing.
    lock.mkdir()
    with pytest.raises(OperationalError) as caught:
        write(database, "after")
    assert str(lock) in reason_of(caught.value)
    assert value(database) == "before"
    lock.rmdir()
    write(database, "after")
    assert value(database) == "after"
    database.close()


def test_what_is_logged_of_a_failure_repeats_no_values():
    database = Database.open(fresh_postgresql())
    statement = text("SELECT CAST('Erika Mustermann' AS integer)")
    with database.read() as connection, pytest.raises(DBAPIError) as caught:
        connection.execute(statement)
    database.close()
    assert "Erika" in str(caught.value.orig)
    assert "Erika" not in reason_of(caught.value)


def test_postgresql_neither_waits_for_ever_nor_keeps_the_locks_of_a_host_that_is_gone():
    database = Database.open(fresh_postgresql())
    try:
        with database.read() as connection:
            said = {
                name: connection.execute(text(f"SHOW {name}")).scalar_one()
                for name in ("lock_timeout", "tcp_user_timeout", "transaction_isolation")
            }
            driver = connection.connection.driver_connection
            # A server on this machine, reached by a socket in a folder, ignores what concerns TCP.
            by_tcp = not driver.info.host.startswith("/")
            parameters = driver.info.get_parameters()
    finally:
        database.close()
    assert said == {
        "lock_timeout": "6s",
        "tcp_user_timeout": "40s" if by_tcp else "0",
        "transaction_isolation": "repeatable read",
    }
    assert parameters["connect_timeout"] == "10"
    assert parameters["tcp_user_timeout"] == "40000"


def test_the_address_of_postgresql_goes_before_our_timeouts():
    url = make_url(fresh_postgresql()).update_query_dict({"connect_timeout": "3"})
    database = Database.open(url)
    try:
        with database.read() as connection:
            parameters = connection.connection.driver_connection.info.get_parameters()
    finally:
        database.close()
    assert parameters["connect_timeout"] == "3"


def test_tables_of_a_newer_program_are_left_alone(database):
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version_calendar SET version_num = '9999'"))
    with pytest.raises(NewerTablesError, match="9999"):
        migrate(database)


def test_a_write_that_has_to_wait_too_long_is_not_done(tmp_path, monkeypatch):
    database = Database.open(fresh_sqlite(tmp_path))
    migrate(database)
    write(database, "before")
    monkeypatch.setattr(module, "_BUSY_SECONDS", 0.05)
    with database.write():
        for _ in range(3):
            with pytest.raises(OperationalError) as caught:
                elsewhere(write, database, "too late")
            assert reason_of(caught.value) == "other writes take too long"
    assert value(database) == "before"
    elsewhere(write, database, "after")
    assert value(database) == "after"
    database.close()


def test_who_gave_up_waiting_is_passed_over():
    lock = FairLock()
    assert lock.acquire()
    assert not elsewhere(lock.acquire, 0.01)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lock.acquire)
        assert not lock.acquire(0.01)
        lock.release()
        assert waiting.result()
    lock.release()
    assert lock.acquire(0)


def test_a_client_waits_longer_for_its_answer_than_the_server_for_its_turn():
    patience = signature(CalendarClient).parameters["read_timeout"].default
    assert patience > 2 * module._BUSY_SECONDS

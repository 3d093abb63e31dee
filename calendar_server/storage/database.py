"""One database, SQLite or PostgreSQL: engines, transactions, and the queue of SQLite's writers.

SQLite lets one connection write at a time and makes the others poll, unfairly. Here writers of a process wait for a lock and
those of several processes for a lock on a file beside the database. Nothing else writes or checkpoints, so the WAL-reset bug of SQLite before 3.51.3,
which needs two connections doing that at once, can't happen.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections import deque
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import QueuePool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from types import TracebackType

    from sqlalchemy import URL, Connection, Engine

_POOL = 32
_BUSY_SECONDS = 6
"""So long a write waits for its turn among this program's, and as long again for another program's lock. Together it's less than a client waits for
its answer (`calendar_server.client`): who was told that nothing came of it must not find it stored a minute later."""
_CONNECT_SECONDS = 10
_ON_POSTGRESQL = (
    # Who waits for an office longer than this is told to try again, as on SQLite.
    f"SET lock_timeout = '{_BUSY_SECONDS}s'",
    # A host that loses its power or its network says no goodbye, and its transaction would keep the office's lock for the two hours of the
    # system's default.
    "SET tcp_keepalives_idle = 20",
    "SET tcp_keepalives_interval = 5",
    "SET tcp_keepalives_count = 4",
    "SET tcp_user_timeout = '40s'",
)
_TO_POSTGRESQL = {
    "connect_timeout": _CONNECT_SECONDS,
    # The same from our side: a server that is gone is noticed within a minute, whatever we wait for.
    "keepalives_idle": 20,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 40_000,
}
"""libpq's connection parameters; the address goes first, where it names any of them."""
_WAITING = 16
"""Connections that wait for the next read, at most; each keeps a cache of its own."""


def reason_of(error: DBAPIError) -> str:
    """What the database said, in a line that can be logged.

    Only of its own state: what it says of statements, and in further lines, repeats values, which are people's data.
    """
    lines = str(error.orig).splitlines() if isinstance(error, OperationalError) else []
    return lines[0] if lines else type(error.orig).__name__


class FairLock:
    """A mutual exclusion that serves waiting threads in the order in which they came; not re-entrant."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._taken = False

    def acquire(self, seconds: float = -1) -> bool:
        """Wait for the turn, at most so long (-1: for ever); False if it didn't come."""
        with self._guard:
            if not self._taken:
                self._taken = True
                return True
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        if turn.acquire(timeout=seconds):
            return True
        with self._guard:
            if turn in self._waiting:
                self._waiting.remove(turn)
                return False
        # It came at the last moment.
        return True

    def release(self) -> None:
        """Hand over to who has waited longest."""
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False


class _WriterQueue:
    """Writers of one SQLite file, across the threads of this process and across processes."""

    def __init__(self, path: str) -> None:
        self._lock = FairLock()
        self._path = path
        self._file: Any = None

    @contextmanager
    def turn(self) -> Iterator[None]:
        if not self._lock.acquire(_BUSY_SECONDS):
            raise OperationalError(None, None, TimeoutError("other writes take too long"))
        try:
            if self._path:
                self._lock_file()
            try:
                yield
            finally:
                if self._file is not None:
                    fcntl.flock(self._file, fcntl.LOCK_UN)
        finally:
            self._lock.release()

    def _lock_file(self) -> None:
        try:
            if self._file is None:
                self._file = Path(self._path + ".lock").open("a")  # noqa: SIM115 - lives as long as the database
            fcntl.flock(self._file, fcntl.LOCK_EX)
        except OSError as error:
            # A folder that can't be written is the database's failure like any other: who asks is answered, and a command says it in a line.
            raise OperationalError(None, None, error) from error

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _make_for_owner(path: str) -> None:
    """Make the file if it isn't there, readable for its owner alone. SQLite gives its other files the same mode."""
    # Where it can't be made, connecting tells why.
    with suppress(OSError):
        os.close(os.open(path, os.O_RDONLY | os.O_CREAT, 0o600))


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        # Transactions begin where we say so, not where the driver guesses.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            # Deleted rows are overwritten in the file, whichever way SQLite was built: retention promises that.
            "secure_delete=ON",
            f"busy_timeout={_BUSY_SECONDS * 1000}",
            "cache_size=-16000",
            "temp_store=MEMORY",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        if connection.get_execution_options().get("termin_write", False):
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            # Takes no lock, so it can't fail; SQLAlchemy's way would take longer than all else that a client that polls makes us do.
            driver: Any = connection.connection.driver_connection
            driver.execute("BEGIN")


def _prepare_postgresql(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        # Statements, and no `options` of the connection: a pooler between us and the server refuses those.
        before, connection.autocommit = connection.autocommit, True
        for setting in _ON_POSTGRESQL:
            connection.execute(setting)
        connection.autocommit = before


class _Readers:
    """SQLite connections that wait for the next read; the one that read last reads again, since its cache is the warmest.

    For SQLAlchemy each is in one transaction all the time, and SQLite is told where a read begins and ends: so neither the pool nor a transaction's
    objects stand before each of them, which together take longer than all that a client that polls is answered with.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: list[Connection] = []
        self._closed = False

    def take(self) -> Connection:
        """Return a connection at the beginning of a read."""
        try:
            connection = self._waiting.pop()
        except IndexError:
            connection = self._engine.connect()
            connection.begin()
            return connection
        try:
            _driver_of(connection).execute("BEGIN")
        except BaseException:
            connection.close()
            raise
        return connection

    def give_back(self, connection: Connection, *, sound: bool) -> None:
        """End the read; a connection that isn't `sound` goes back to the pool, which makes it so."""
        if not sound or connection.invalidated or self._closed or len(self._waiting) >= _WAITING:
            connection.close()
            return
        try:
            _driver_of(connection).execute("COMMIT")
        except BaseException:
            connection.close()
            raise
        self._waiting.append(connection)

    def close(self) -> None:
        self._closed = True
        while self._waiting:
            self._waiting.pop().close()


def _driver_of(connection: Connection) -> Any:
    return connection.connection.driver_connection


class _Read:
    """One read of SQLite."""

    __slots__ = ("_connection", "_readers")

    def __init__(self, readers: _Readers) -> None:
        self._readers = readers

    def __enter__(self) -> Connection:
        self._connection = self._readers.take()
        return self._connection

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._readers.give_back(self._connection, sound=not isinstance(error, DBAPIError))


class _Snapshot:
    """The one read transaction of a block, opened when it's needed, and anew after a write; each `with` of it is one `read`."""

    def __init__(self, reading: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._reading = reading
        self._open: AbstractContextManager[Connection] | None = None
        self._connection: Connection | None = None

    def __enter__(self) -> Connection:
        if self._connection is None:
            opening = self._reading()
            self._connection = opening.__enter__()
            self._open = opening
        return self._connection

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, DBAPIError):
            # PostgreSQL answers nothing more in a transaction in which a statement failed.
            self._end(kind, error, trace)

    def close(self) -> None:
        self._end(None, None, None)

    def _end(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ending, self._open, self._connection = self._open, None, None
        if ending is not None:
            ending.__exit__(kind, error, trace)


class Database:
    """A connection pool and its transactions. Safe to share between threads; not across a fork."""

    def __init__(self, engine: Engine, queue: _WriterQueue | None) -> None:
        self.engine = engine
        self._queue = queue
        self._readers = None if queue is None else _Readers(engine)
        self._local = threading.local()

    @staticmethod
    def open(url: str | URL) -> Database:
        """Open `sqlite:////path/to/file` or `postgresql+psycopg://…`; the tables must exist (`calendar_server.storage.migrate`).

        Raises ValueError for any other kind of database.
        """
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            path = parsed.database or ""
            if not path or path == ":memory:":
                raise ValueError("SQLite needs a file: several threads and processes share the database")
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            _make_for_owner(path)
            engine = create_engine(
                parsed,
                poolclass=QueuePool,
                pool_size=_POOL,
                max_overflow=_POOL,
                connect_args={"check_same_thread": False, "timeout": _BUSY_SECONDS},
                # An error's text goes to the log, and parameters are people's data.
                hide_parameters=True,
            )
            _prepare_sqlite(engine)
            return Database(engine, _WriterQueue(path))
        if parsed.get_backend_name() == "postgresql":
            engine = create_engine(
                parsed.set(drivername="postgresql+psycopg"),
                pool_size=_POOL,
                max_overflow=_POOL,
                pool_pre_ping=True,
                connect_args={
                    name: value for name, value in _TO_POSTGRESQL.items() if name not in parsed.query
                },
                hide_parameters=True,
            )
            _prepare_postgresql(engine)
            return Database(engine, None)
        raise ValueError(f"the database must be SQLite or PostgreSQL, not {parsed.get_backend_name()}")

    @property
    def is_sqlite(self) -> bool:
        """True for the embedded database."""
        return self._queue is not None

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all that this thread reads in the block be of one state, in one transaction instead of one for each `read`.

        A write of this thread ends that state: what is read after it is what it left. Doesn't nest.
        """
        snapshot = self._local.snapshot = _Snapshot(self._reading)
        try:
            yield
        finally:
            self._local.snapshot = None
            snapshot.close()

    def read(self) -> AbstractContextManager[Connection]:
        """A read transaction: all statements in it see the same state."""
        snapshot: _Snapshot | None = getattr(self._local, "snapshot", None)
        return self._reading() if snapshot is None else snapshot

    def _reading(self) -> AbstractContextManager[Connection]:
        return self._reading_postgresql() if self._readers is None else _Read(self._readers)

    @contextmanager
    def _reading_postgresql(self) -> Iterator[Connection]:
        with self.engine.connect() as connection:
            narrowed = connection.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
            with narrowed.begin():
                yield narrowed

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A write transaction, committed at the end of the block and durable when it is left; rolled back on any exception.

        On SQLite writers wait for their turn here. On PostgreSQL only the lock on an office's row makes them wait, office by office.
        """
        snapshot: _Snapshot | None = getattr(self._local, "snapshot", None)
        if snapshot is None:
            with self._writing() as connection:
                yield connection
            return
        snapshot.close()
        self._local.snapshot = None
        try:
            with self._writing() as connection:
                yield connection
        finally:
            self._local.snapshot = snapshot

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        if self._queue is None:
            with self.engine.connect() as connection, connection.begin():
                yield connection
            return
        with self._queue.turn(), self.engine.connect() as connection:
            writing = connection.execution_options(termin_write=True)
            with writing.begin():
                yield writing

    def close(self) -> None:
        """Close all connections."""
        if self._readers is not None:
            self._readers.close()
        self.engine.dispose()
        if self._queue is not None:
            self._queue.close()

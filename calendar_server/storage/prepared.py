"""Statements that are composed and compiled once, and run on the driver's own connection.

A statement takes SQLite some microseconds and SQLAlchemy Core forty to a hundred, of which a client that polls would wait for a dozen. Transactions, pool and
schema stay SQLAlchemy's; this is only the way of the statements that every request needs. Values come back as the driver has them: on SQLite a
Boolean is an int.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import ARRAY, ColumnElement, String, Text, bindparam
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import NULLTYPE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Executable
    from sqlalchemy.sql.compiler import SQLCompiler

_NAMED = sqlite.dialect(paramstyle="named")


class OneOf(ColumnElement[Any]):
    """The condition that a column has one of the values of the parameter `name`, a list of any length in one parameter."""

    inherit_cache = False
    # Of a Boolean SQLAlchemy would make "… = 1" for SQLite, which then finds no index for it.
    type = NULLTYPE

    def __init__(self, column: ColumnElement[Any], name: str) -> None:
        self.column = column
        self.name = name


@compiles(OneOf, "sqlite")
def _of_json(element: OneOf, compiler: SQLCompiler, **kw: Any) -> str:
    listed = compiler.process(bindparam(element.name, type_=String()), **kw)
    column = compiler.process(element.column, **kw)
    return f"{column} IN (SELECT value FROM json_each({listed}))"  # noqa: S608 - both are compiled from the schema


@compiles(OneOf, "postgresql")
def _of_array(element: OneOf, compiler: SQLCompiler, **kw: Any) -> str:
    # A cast to a column's own VARCHAR(255) would cut a longer value until it equals another one.
    of = Text() if isinstance(element.column.type, String) else element.column.type
    listed = compiler.process(bindparam(element.name, type_=ARRAY(of)), **kw)
    return f"{compiler.process(element.column, **kw)} = ANY ({listed})"


class Prepared:
    """One statement. Its parameters are the names of its `bindparam`s; those of an INSERT are its `columns`."""

    def __init__(self, statement: Executable, columns: Sequence[str] = ()) -> None:
        self._statement = statement
        self._columns = list(columns) or None
        self._compiled: dict[str, tuple[str, dict[str, Any]]] = {}

    def _compile(self, connection: Connection) -> tuple[str, dict[str, Any]]:
        dialect = _NAMED if connection.dialect.name == "sqlite" else connection.dialect
        compiled = self._statement.compile(dialect=dialect, column_keys=self._columns)  # type: ignore[attr-defined]  # every Executable compiles
        fixed = {name: value for name, value in compiled.params.items() if value is not None}
        self._compiled[connection.dialect.name] = found = (str(compiled), fixed)
        return found

    def _run(self, connection: Connection, values: dict[str, Any]) -> Any:
        text, fixed = self._compiled.get(connection.dialect.name) or self._compile(connection)
        if fixed:
            values = fixed | values
        if connection.dialect.name == "sqlite":
            for name, value in values.items():
                if value.__class__ is list:
                    values[name] = json.dumps(value)
        driver: Any = connection.connection.driver_connection
        dialect = connection.dialect
        assert dialect.dbapi is not None
        try:
            return driver.execute(text, values)
        except dialect.dbapi.Error as error:
            gone = dialect.is_disconnect(error, driver, None)
            if gone:
                connection.invalidate(error)
            raise DBAPIError.instance(text, None, error, dialect.dbapi.Error, True, gone, dialect) from error

    def all(self, connection: Connection, **values: Any) -> list[tuple[Any, ...]]:
        """Return all rows."""
        rows: list[tuple[Any, ...]] = self._run(connection, values).fetchall()
        return rows

    def first(self, connection: Connection, **values: Any) -> tuple[Any, ...] | None:
        """Return the first row, None if there is none."""
        row: tuple[Any, ...] | None = self._run(connection, values).fetchone()
        return row

    def value(self, connection: Connection, **values: Any) -> Any:
        """Return the first row's first value, None if there is no row."""
        row = self._run(connection, values).fetchone()
        return None if row is None else row[0]

    def run(self, connection: Connection, **values: Any) -> int:
        """Run a statement that returns nothing; how many rows it changed."""
        count: int = self._run(connection, values).rowcount
        return count

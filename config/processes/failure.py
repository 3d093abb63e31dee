"""What keeps a process from starting, in a line, where it's something that somebody can mend; a traceback for the rest."""

from __future__ import annotations

import errno
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from config.mistakes import ConfigError
from config.secrets import SecretsError

if TYPE_CHECKING:
    from collections.abc import Iterator

_NOT_TO_BE_WRITTEN = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT}
_NOT_ALLOWED = ("unable to open database file", "attempt to write a readonly database", "Permission denied")
log = structlog.get_logger(__name__)


@contextmanager
def explained() -> Iterator[None]:
    """End the process with status 1 if the block fails, and say why."""
    try:
        yield
    except Exception as error:
        reason = reason_of(error)
        if reason is None:
            # With its text, unlike other errors (`config.logs`): it ends a process that starts, and nobody has entered anything yet.
            log.exception("the process can't go on", reason=str(error))
        else:
            log.error(reason)  # noqa: TRY400  a line without a traceback is what is wanted
        raise SystemExit(1) from None


def reason_of(error: Exception) -> str | None:
    """Return what somebody can mend, in a line; None if it's a mistake in the program."""
    if isinstance(error, ConfigError | SecretsError):
        return str(error)
    # A host of the site alone has no SQLAlchemy, and then no such error.
    database = sys.modules.get("sqlalchemy.exc")
    if database is not None and isinstance(error, database.DatabaseError):
        # The very DatabaseError is what SQLite says of a file that is no database; other subclasses tell of our statements.
        if type(error) not in {database.DatabaseError, database.OperationalError}:
            return None
        lines = str(error.orig).splitlines()
        said = lines[0] if lines else type(error.orig).__name__
        hint = " (run it as the user that owns the data folder)" if said.endswith(_NOT_ALLOWED) else ""
        return f"the database can't be used: {said}{hint}"
    migrations = sys.modules.get("calendar_server.storage.migrate")
    if migrations is not None and isinstance(error, migrations.NewerTablesError):
        return str(error)
    if isinstance(error, OSError) and error.errno in _NOT_TO_BE_WRITTEN:
        return f"{error.filename or 'a file'} can't be used: {error.strerror}"
    return None

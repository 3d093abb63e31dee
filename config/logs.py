"""How the processes log: one line for each event to standard error, without personal data.

Whoever logs names what happened and ids, never names, addresses, uids of appointments in full, or tokens.
"""

from __future__ import annotations

import logging
import sys
import traceback
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from structlog.typing import ExcInfo

LEVEL = logging.INFO
_WARNINGS = ("alembic", "asyncio", "granian", "radicale", "werkzeug")
_ERRORS = ("urllib3",)
"""What a library warns of here, we meet and report ourselves (a calendar server that isn't there yet)."""
_TELL_NOTHING_OF_PEOPLE = (OSError, ImportError, MemoryError, RecursionError)
"""Exceptions whose texts are about this machine. Those of all others may repeat what somebody entered: a name that can't be encoded, a value that
a database won't take."""


def without_texts(exc_info: ExcInfo) -> str:
    """Return a traceback in which exceptions that could repeat somebody's data say their kind alone."""
    parts: list[str] = []
    error: BaseException | None = exc_info[1]
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        kind = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
        text = str(error) if isinstance(error, _TELL_NOTHING_OF_PEOPLE) else "(its text isn't logged)"
        parts.append("".join([*traceback.format_tb(error.__traceback__), f"{kind}: {text}"]))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n\nwhich led to\n\n".join(reversed(parts))


def set_up(role: str) -> None:
    """Let the standard library's loggers and structlog write the same lines, with time, level and role."""

    def add_role(_logger: Any, _method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
        return {**event, "role": role}

    shared: list[structlog.types.Processor] = [
        add_role,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.ExceptionRenderer(without_texts),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.LogfmtRenderer(
                    key_order=["timestamp", "level", "role", "logger", "event"], drop_missing=True
                ),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(LEVEL)
    for name in _ERRORS:
        logging.getLogger(name).setLevel(logging.ERROR)
    for name in _WARNINGS:
        logging.getLogger(name).setLevel(logging.WARNING)

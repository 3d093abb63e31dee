"""The calendar server's process."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from config.processes.web import serve

if TYPE_CHECKING:
    from config.processes.launch import Launch


def run(launch: Launch, pipe: int) -> None:
    """Serve the calendars until told to end."""
    serve(partial(build, launch), launch, "calendar", pipe)


def _now() -> datetime:
    return datetime.now(UTC)


def build(launch: Launch) -> Any:
    """Return the WSGI application; the program's own accounts, and the demo's, exist when it's there."""
    # Only in the process that serves: the supervising one stays small.
    from booking_web.notifications.mailroom import Mailroom  # noqa: PLC0415
    from calendar_server.app import CalendarSettings, create_app  # noqa: PLC0415
    from calendar_server.upkeep import UpkeepSettings  # noqa: PLC0415
    from config import compose, database  # noqa: PLC0415
    from config.accounts import ensure_accounts  # noqa: PLC0415

    settings = launch.settings()
    retention = settings.server.retention
    ensure_accounts(settings, launch.data, demo=launch.demo)
    return create_app(
        CalendarSettings(
            database_url=database.url(settings, launch.data),
            directory=compose.directory(settings),
            limits=compose.limits(settings, demo=launch.demo),
            upkeep=UpkeepSettings(retention.archive_days, retention.appointment_days, retention.sync_days),
            mailroom=Mailroom(database.worker_url(settings, launch.data), _now, compose.town(settings)),
            names_in_feeds=settings.server.feeds.names,
        )
    )

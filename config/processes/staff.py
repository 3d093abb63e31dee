"""The process of the staff pages."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from config.processes.web import serve

if TYPE_CHECKING:
    from config.processes.launch import Launch


def run(launch: Launch, pipe: int) -> None:
    """Serve the staff pages until told to end."""
    serve(partial(build, launch), launch, "staff", pipe)


def _previews(*arguments: Any) -> Any:
    # What writes mails is slow to load, and most who log in never look at one.
    from booking_web.notifications.previews import previews  # noqa: PLC0415

    return previews(*arguments)


def build(launch: Launch) -> Any:
    """Return the WSGI application."""
    # Only in the process that serves: the supervising one stays small.
    from booking_web.settings import StaffSettings  # noqa: PLC0415
    from booking_web.staff import create_app  # noqa: PLC0415
    from config import compose, secrets  # noqa: PLC0415

    settings = launch.settings(people=False)
    ours = secrets.ensure(launch.data, settings.server.secrets, demo=launch.demo)
    return create_app(
        StaffSettings(
            town=compose.town(settings),
            calendar_url=compose.dav_internal_url(settings),
            calendar_public_url=compose.dav_url(settings),
            signing_secret=ours.session_secret.encode(),
            secure=compose.staff_url(settings).startswith("https:"),
            demo=launch.demo,
            notice_hours=settings.server.repair.notice_hours,
            previews=_previews,
        )
    )

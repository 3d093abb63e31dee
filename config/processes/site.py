"""The public site's process."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from config.processes.web import serve

if TYPE_CHECKING:
    from config.processes.launch import Launch


def run(launch: Launch, pipe: int) -> None:
    """Serve the public site until told to end."""
    serve(partial(build, launch), launch, "site", pipe, at_hand=answers_at_hand)


def answers_at_hand(app: Any) -> Any:
    """Return what tells of a request that the site has its answer."""
    from booking_web.site import site_of  # noqa: PLC0415 - likewise

    return site_of(app).kept.at_hand


def build(launch: Launch) -> Any:
    """Return the WSGI application."""
    # Only in the process that serves: the supervising one stays small.
    from booking_web import create_app  # noqa: PLC0415
    from booking_web.settings import SiteSettings  # noqa: PLC0415
    from config import compose, secrets  # noqa: PLC0415

    settings = launch.settings(people=False)
    ours = secrets.ensure(launch.data, settings.server.secrets, demo=launch.demo)
    return create_app(
        SiteSettings(
            town=compose.town(settings),
            calendar_url=compose.dav_internal_url(settings),
            calendar_password=ours.site_password,
            signing_secret=ours.signing_secret.encode(),
            api_keys=compose.api_keys(settings, demo=launch.demo),
            all_times=compose.all_times(settings),
            demo=launch.demo,
            protection=compose.protection(settings, demo=launch.demo),
        )
    )

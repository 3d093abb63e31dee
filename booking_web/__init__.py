"""The public site, the staff pages and the notifications."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from booking_web.settings import SiteSettings


def create_app(settings: SiteSettings) -> Flask:
    """Return the public site as a WSGI application. It needs no calendar to start; `/readyz` says whether it can work.

    Raises FileNotFoundError if one of the town's languages has no catalogue.
    """
    # The worker imports this package without Flask's half of it.
    from booking_web.factory import create_site  # noqa: PLC0415

    return create_site(settings)

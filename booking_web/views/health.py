"""Whether the process lives, and whether it can do its work."""

from __future__ import annotations

from flask import Response

from booking_web.site import current_site
from calendar_server.client import CalendarError


def healthz() -> Response:
    """The process lives."""
    return Response("ok\n", mimetype="text/plain")


def readyz() -> Response:
    """The site can offer and book: every office's busy feed can be read."""
    site = current_site()
    try:
        for office in site.settings.town.offices:
            site.feed(office)
    except CalendarError:
        return Response("the calendar can't be reached\n", status=503, mimetype="text/plain")
    return Response("ok\n", mimetype="text/plain")

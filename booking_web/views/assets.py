"""Style sheets, fonts, scripts, the emblem, and what crawlers ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response, abort

from booking_web.looks import emblem_name
from booking_web.site import current_site

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as BaseResponse


def static(version: str, name: str) -> BaseResponse:
    """Answer with a static file."""
    return current_site().assets.respond(version, name)


def favicon() -> BaseResponse:
    """Answer with the town's emblem."""
    site = current_site()
    name = emblem_name(site.settings.town.looks)
    if not name:
        abort(404)
    return site.assets.respond("", name)


def robots() -> BaseResponse:
    """Keep crawlers out of the booking steps; the start page may be found."""
    lines = ["User-agent: *", "Disallow: /termin/", "Disallow: /en/termin/", "Disallow: /api/", ""]
    return Response("\n".join(lines), mimetype="text/plain")

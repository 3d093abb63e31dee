"""Style sheets, fonts, scripts, the emblem, and what crawlers ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response, abort, g

from booking_web.looks import emblem_name
from booking_web.site import current_site
from booking_web.town import DEFAULT_LANGUAGE

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


def embed_script() -> BaseResponse:
    """Answer with the script that fits the iframe's height, under an address that stays."""
    g.embeddable = True
    response = current_site().assets.respond("", "embed.js")
    response.headers["Cache-Control"] = "public, max-age=3600"
    return response


def robots() -> BaseResponse:
    """Keep crawlers out of the booking steps; the start page may be found."""
    prefixes = ["", *(f"/{language}" for language in current_site().settings.town.languages)]
    steps = [f"Disallow: {prefix}/termin/" for prefix in prefixes if prefix != f"/{DEFAULT_LANGUAGE}"]
    lines = ["User-agent: *", *steps, "Disallow: /api/", ""]
    return Response("\n".join(lines), mimetype="text/plain")

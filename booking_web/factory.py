"""Builds the public site: use cases, routes, languages, headers and what an error looks like."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask

from booking_web import errors, language, routes, security
from booking_web.api.kept import KeptOffers
from booking_web.assets import Assets
from booking_web.booking.appointments import Appointments
from booking_web.booking.availability import Follower
from booking_web.booking.choice import usual_choices
from booking_web.booking.proof import Proofs
from booking_web.booking.waiting import WaitingList
from booking_web.looks import town_assets
from booking_web.site import Site, attach, install_template_values
from calendar_server.client import CalendarClient

if TYPE_CHECKING:
    from booking_web.settings import SiteSettings

MAX_BODY = 64 * 1024
"""No form and no request of the API comes near to this many bytes."""


def create_site(settings: SiteSettings) -> Flask:
    """Return the public site; see `booking_web.create_app`."""
    app = Flask("booking_web", static_folder=None)
    app.config.update(MAX_CONTENT_LENGTH=MAX_BODY, MAX_FORM_MEMORY_SIZE=MAX_BODY, MAX_FORM_PARTS=200)
    app.json.sort_keys = False  # type: ignore[attr-defined] # Flask's default provider has it
    app.json.ensure_ascii = False  # type: ignore[attr-defined] # likewise
    client = CalendarClient(settings.calendar_url, settings.calendar_user, settings.calendar_password)
    follower = Follower(
        settings.town.offices,
        client,
        settings.monotonic,
        settings.poll_seconds,
        usual_choices(settings.town),
    )
    appointments = Appointments(
        settings.town, client, follower, secret=settings.signing_secret, now=settings.clock
    )
    kept = KeptOffers(app.wsgi_app, settings.clock, settings.max_age_seconds)
    app.wsgi_app = kept  # type: ignore[method-assign] # as Flask's documentation wraps it
    site = Site(
        settings,
        client,
        follower,
        appointments,
        WaitingList(settings.town, client, secret=settings.signing_secret, now=settings.clock),
        Assets(town_assets(settings.town.looks)),
        Proofs(settings.signing_secret, settings.clock),
        kept,
    )
    attach(app, site)
    language.install(app, settings.town.languages, informal=settings.town.informal)
    security.install(app)
    install_template_values(app, site)
    routes.install(app, routes.SITE, settings.town.languages)
    errors.install(app)
    return app

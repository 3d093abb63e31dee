"""All addresses of the public site on one page, each with who may call it.

A page of `localised=True` is there once for each language: German without a prefix, others under `/<language>`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from flask import g, request
from werkzeug.routing import BaseConverter

from booking_web.api import views as api
from booking_web.api import waiting as waiting_api
from booking_web.town import DEFAULT_LANGUAGE
from booking_web.views import appointment, assets, booking, choosing, feedback, health, pages, waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flask import Flask

Access = Literal["public", "token", "partner-or-public"]
"""public: anybody. token: whoever has an appointment's link; the view finds nothing without it.
partner-or-public: anybody, and a partner's key is checked if one is sent."""


@dataclass(frozen=True, slots=True)
class Route:
    """One address: its rule, its name, the view, who may call it, and how."""

    rule: str
    name: str
    view: Callable[..., Any]
    access: Access
    methods: tuple[str, ...] = ("GET",)
    localised: bool = False


def page(rule: str, name: str, view: Callable[..., Any], access: Access, *methods: str) -> Route:
    """Return the route of a page in every language."""
    return Route(rule, name, view, access, methods or ("GET",), localised=True)


SITE: tuple[Route, ...] = (
    page("/", "start", pages.start, "public"),
    # The citizen's way
    page("/termin/", "services", choosing.services, "public"),
    page("/termin/unterlagen", "documents", choosing.documents, "public"),
    page("/termin/zeit", "times", choosing.times, "public"),
    page("/termin/zeit", "hold", booking.hold, "public", "POST"),
    page("/termin/<token:token>/daten", "person", booking.person, "token"),
    page("/termin/<token:token>/daten", "check", booking.check, "token", "POST"),
    page("/termin/<token:token>/pruefen", "check_again", booking.check_again, "token"),
    page("/termin/<token:token>/zeit", "other_time", booking.other_time, "token"),
    page("/termin/<token:token>/anliegen", "other_services", booking.other_services, "token"),
    page("/termin/<token:token>/unterlagen", "other_documents", booking.other_documents, "token"),
    page("/termin/<token:token>/vergeben", "taken", booking.taken, "token"),
    page("/termin/<token:token>/buchen", "book", booking.book, "token", "POST"),
    page("/termin/<token:token>/buchen", "book_again", booking.book_again, "token"),
    page("/termin/<token:token>/fertig", "done", appointment.done, "token"),
    # Her appointment
    page("/termin/<token:token>", "appointment", appointment.show, "token"),
    page("/termin/<token:token>/termin.ics", "ics", appointment.ics, "token"),
    page("/termin/<token:token>/qr.svg", "code", appointment.code, "token"),
    page("/termin/<token:token>/annehmen", "accept", appointment.accept, "token", "POST"),
    page("/termin/<token:token>/zurueckholen", "restore", appointment.restore, "token", "POST"),
    page("/termin/<token:token>/bestaetigen/<code:code>", "activate", appointment.activate, "token"),
    page(
        "/termin/<token:token>/bestaetigen/<code:code>",
        "activate_now",
        appointment.activate_now,
        "token",
        "POST",
    ),
    page("/termin/<token:token>/erneut", "resend", appointment.resend, "token", "POST"),
    page("/termin/<token:token>/erinnerung", "remind", appointment.remind, "token", "POST"),
    page("/termin/<token:token>/verschieben", "move", appointment.move, "token"),
    page("/termin/<token:token>/verschieben", "move_now", appointment.move_now, "token", "POST"),
    page("/termin/<token:token>/absagen", "cancel", appointment.cancel, "token"),
    page("/termin/<token:token>/absagen", "cancel_now", appointment.cancel_now, "token", "POST"),
    page("/termin/<token:token>/abgesagt", "cancelled", appointment.cancelled, "token"),
    # The waiting list
    page("/termin/<token:token>/warteliste", "waiting_instead", waiting.instead, "token"),
    page("/termin/<token:token>/warteliste/pruefen", "waiting_instead_check", waiting.check_instead, "token"),
    page("/termin/<token:token>/warteliste", "waiting_instead_add", waiting.add_instead, "token", "POST"),
    page("/termin/warteliste", "waiting", waiting.form, "public"),
    page("/termin/warteliste", "waiting_check", waiting.check, "public", "POST"),
    page("/termin/warteliste/pruefen", "waiting_check_again", waiting.check_again, "public"),
    page("/termin/warteliste/eintragen", "waiting_add", waiting.add, "public", "POST"),
    page("/termin/warteliste/eingetragen", "waiting_added", waiting.added, "public"),
    page("/termin/warteliste/<token:token>", "wish", waiting.show, "token"),
    page("/termin/warteliste/<token:token>/annehmen", "wish_accept", waiting.accept, "token", "POST"),
    page("/termin/warteliste/<token:token>/ablehnen", "wish_decline", waiting.decline, "token", "POST"),
    page("/termin/warteliste/<token:token>/abmelden", "wish_leave", waiting.leave, "token"),
    page("/termin/warteliste/<token:token>/abmelden", "wish_leave_now", waiting.leave_now, "token", "POST"),
    # On the town's own website
    page("/embed", "embed", pages.embed, "public"),
    Route("/embed.js", "embed_script", assets.embed_script, "public"),
    # What every public site owes
    page("/leichte-sprache", "easy", pages.easy, "public"),
    page("/rueckmeldung", "feedback", feedback.form, "public"),
    page("/rueckmeldung", "send_feedback", feedback.send, "public", "POST"),
    page("/rueckmeldung/danke", "feedback_sent", feedback.sent, "public"),
    page("/barrierefreiheit", "accessibility", pages.accessibility, "public"),
    page("/datenschutz", "privacy", pages.privacy, "public"),
    page("/impressum", "imprint", pages.imprint, "public"),
    # JSON
    Route("/api/v1/openapi.json", "api_description", api.description, "public"),
    Route("/api/v1/services", "api_services", api.services, "partner-or-public"),
    Route("/api/v1/offers", "api_offers", api.offers, "partner-or-public"),
    Route("/api/v1/challenge", "api_challenge", api.challenge, "public"),
    Route("/api/v1/appointments", "api_book", api.book, "partner-or-public", ("POST",)),
    Route("/api/v1/holds", "api_hold", api.hold, "partner-or-public", ("POST",)),
    Route("/api/v1/holds/<token>/confirm", "api_confirm", api.confirm, "token", ("POST",)),
    Route("/api/v1/holds/<token>", "api_release", api.release, "token", ("DELETE",)),
    Route("/api/v1/appointments/<token>", "api_appointment", api.show, "token"),
    Route("/api/v1/appointments/<token>", "api_cancel", api.cancel, "token", ("DELETE",)),
    Route(
        "/api/v1/appointments/<token>/members/<int(max=99):number>",
        "api_cancel_member",
        api.cancel_member,
        "token",
        ("DELETE",),
    ),
    Route("/api/v1/appointments/<token>/move", "api_move", api.move, "token", ("POST",)),
    Route("/api/v1/appointments/<token>/accept", "api_agree", api.accept, "token", ("POST",)),
    Route("/api/v1/appointments/<token>/termin.ics", "api_ics", api.ics, "token"),
    Route("/api/v1/waiting", "api_wait", waiting_api.add, "partner-or-public", ("POST",)),
    Route("/api/v1/waiting/<token>", "api_wish", waiting_api.show, "token"),
    Route("/api/v1/waiting/<token>", "api_leave", waiting_api.leave, "token", ("DELETE",)),
    Route("/api/v1/waiting/<token>/accept", "api_accept", waiting_api.accept, "token", ("POST",)),
    Route("/api/v1/waiting/<token>/decline", "api_decline", waiting_api.decline, "token", ("POST",)),
    # For machines
    Route("/static/<version>/<path:name>", "static", assets.static, "public"),
    Route("/favicon.ico", "favicon", assets.favicon, "public"),
    Route("/robots.txt", "robots", assets.robots, "public"),
    Route("/healthz", "healthz", health.healthz, "public"),
    Route("/readyz", "readyz", health.readyz, "public"),
)


class TokenConverter(BaseConverter):
    """The shape of an appointment's token, so that fixed pages under `/termin/` never look like one."""

    regex = r"[a-z2-7]{42}"
    part_isolating = True


class CodeConverter(BaseConverter):
    """The shape of the code in the link that confirms an address."""

    regex = r"[a-z2-7]{26}"
    part_isolating = True


def install(app: Flask, routes: Iterable[Route], languages: tuple[str, ...]) -> None:
    """Add the routes to the application. `access_rules` of its extensions says who may call which endpoint."""
    app.url_map.converters["token"] = TokenConverter
    app.url_map.converters["code"] = CodeConverter
    others = [language for language in languages if language != DEFAULT_LANGUAGE]
    rules: dict[str, Access] = {}
    for route in routes:
        rules[route.name] = route.access
        if not route.localised:
            app.add_url_rule(route.rule, route.name, route.view, methods=route.methods)
            continue
        app.add_url_rule(
            route.rule, route.name, route.view, methods=route.methods, defaults={"language": DEFAULT_LANGUAGE}
        )
        if others:
            prefix = f"/<any({','.join(others)}):language>"
            app.add_url_rule(prefix + route.rule, route.name, route.view, methods=route.methods)
    app.extensions["access_rules"] = rules

    @app.url_value_preprocessor
    def remember_language(_endpoint: str | None, values: dict[str, Any] | None) -> None:
        g.localised = values is not None and "language" in values
        if values is not None and g.localised:
            # Views needn't know: whatever they render is in the request's language.
            g.language = values.pop("language")
        elif request.path.startswith("/api/"):
            g.language = request.accept_languages.best_match(languages) or DEFAULT_LANGUAGE
        else:
            first = request.path.split("/", 2)[1]
            g.language = first if first in others else DEFAULT_LANGUAGE

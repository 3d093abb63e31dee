"""All addresses of the staff pages on one page, each with who may call it; the rule is checked before the view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from flask import g, redirect, request, session, url_for

from booking_web.staff import asking, connecting, figures, mails, planning, views, waiting, whatif
from booking_web.town import DEFAULT_LANGUAGE

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask
    from werkzeug.wrappers import Response

    from booking_web.staff.state import Staff

Access = Literal["public", "staff"]
"""public: anybody. staff: whoever is logged in; what she may see, the calendar server decides by her account."""


@dataclass(frozen=True, slots=True)
class Route:
    """One address: its rule, its name, the view, who may call it, and how."""

    rule: str
    name: str
    view: Callable[..., Any]
    access: Access
    methods: tuple[str, ...] = ("GET",)


STAFF: tuple[Route, ...] = (
    Route("/", "day", views.day, "staff"),
    Route("/login", "login", views.login, "public"),
    Route("/login", "login_now", views.login_now, "public", ("POST",)),
    Route("/logout", "logout", views.logout, "staff", ("POST",)),
    Route("/connect", "connect", connecting.connect, "staff"),
    Route("/connect/passwords", "add_password", connecting.add_password, "staff", ("POST",)),
    Route(
        "/connect/passwords/<int:number>/revoke",
        "revoke_password",
        connecting.revoke_password,
        "staff",
        ("POST",),
    ),
    Route("/connect/feeds", "add_feed", connecting.add_feed, "staff", ("POST",)),
    Route("/connect/feeds/<int:number>/revoke", "revoke_feed", connecting.revoke_feed, "staff", ("POST",)),
    Route("/plans", "plans", planning.plans, "staff"),
    Route("/plans/absence", "absence", planning.absence, "staff"),
    Route("/plans/absence", "absence_now", planning.absence_now, "staff", ("POST",)),
    Route("/plans/balance", "balance", planning.balance, "staff"),
    Route("/plans/balance", "balance_now", planning.balance_now, "staff", ("POST",)),
    Route("/load", "load", figures.load, "staff"),
    Route("/statistics", "statistics", figures.statistics, "staff"),
    Route("/statistics/table.csv", "statistics_table", figures.statistics_table, "staff"),
    Route("/why", "why", asking.why, "staff"),
    Route("/waiting", "waiting", waiting.waiting, "staff"),
    Route("/mails", "mails", mails.failed, "staff"),
    Route("/mails/<int:number>/<verb>", "decide_mail", mails.decide, "staff", ("POST",)),
    Route("/mails/preview", "preview", mails.preview, "staff"),
    Route("/mails/preview/html", "preview_html", mails.preview_html, "staff"),
    Route("/plans/whatif", "whatif", whatif.whatif, "staff"),
    Route("/plans/<plan_id>", "plan", planning.plan, "staff"),
    Route("/plans/<plan_id>/<verb>", "decide", planning.decide, "staff", ("POST",)),
    Route("/static/<version>/<path:name>", "static", views.static, "public"),
    Route("/healthz", "healthz", views.healthz, "public"),
    Route("/readyz", "readyz", views.readyz, "public"),
)

STAFF_LANGUAGES = (DEFAULT_LANGUAGE, "en")
"""The other catalogues hold what citizens read."""


def install(app: Flask, staff: Staff) -> None:
    """Add the routes, and ask for a login wherever the rule says so."""
    rules: dict[str, Access] = {}
    for route in STAFF:
        rules[route.name] = route.access
        app.add_url_rule(route.rule, route.name, route.view, methods=route.methods)
    app.extensions["access_rules"] = rules

    @app.before_request
    def authorise() -> Response | None:
        g.language = request.accept_languages.best_match(STAFF_LANGUAGES) or DEFAULT_LANGUAGE
        if request.endpoint is None or rules[request.endpoint] == "public":
            return None
        g.who = staff.sessions.find(session.get("number"))
        return None if g.who else redirect(url_for("login"), 303)

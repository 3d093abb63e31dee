"""Builds the staff pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import urllib3
from babel.dates import get_day_names
from flask import Flask, g, make_response, redirect, render_template, request, session, url_for
from flask_babel import format_decimal, get_locale, gettext
from flask_wtf.csrf import CSRFError, CSRFProtect
from werkzeug.exceptions import HTTPException

from booking_web import language, security
from booking_web.assets import Assets
from booking_web.errors import detail
from booking_web.language import NATIVE_NAMES, current_language, local
from booking_web.looks import emblem_name, town_assets
from booking_web.site import clock_time, day_and_month, long_date, short_moment
from booking_web.staff import routes
from booking_web.staff.calendar import WrongPasswordError
from booking_web.staff.sessions import LONGEST, Sessions
from booking_web.staff.state import Staff, attach
from calendar_server.client import UnavailableError

if TYPE_CHECKING:
    from werkzeug.wrappers import Response
    from werkzeug.wrappers import Response as BaseResponse

    from booking_web.settings import StaffSettings

_MAX_BODY = 64 * 1024


def create_staff(settings: StaffSettings) -> Flask:
    """Return the staff pages; see `booking_web.staff.create_app`."""
    app = Flask("booking_web", static_folder=None)
    app.config.update(
        SECRET_KEY=settings.signing_secret,
        SESSION_COOKIE_NAME="termin_staff",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.secure,
        PERMANENT_SESSION_LIFETIME=LONGEST,
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_SSL_STRICT=False,  # pages send no Referer (security.py); the token and SameSite guard the forms
        MAX_CONTENT_LENGTH=_MAX_BODY,
        MAX_FORM_MEMORY_SIZE=_MAX_BODY,
    )
    CSRFProtect(app)
    pool = urllib3.PoolManager(maxsize=8, timeout=urllib3.Timeout(connect=2, read=15), retries=False)
    staff = Staff(settings, Sessions(settings.clock), Assets(town_assets(settings.town.looks)), pool)
    attach(app, staff)
    language.install(app, settings.town.languages, informal=settings.town.informal)
    security.install(app)
    _install_templates(app, staff)
    routes.install(app, staff)
    _install_errors(app)
    return app


def _install_templates(app: Flask, staff: Staff) -> None:
    town = staff.settings.town

    @app.context_processor
    def values() -> dict[str, Any]:
        return {
            "town": town,
            "emblem": emblem_name(town.looks),
            "language": current_language(),
            "demo": staff.settings.demo,
            "who": g.get("who"),
        }

    def static_url(name: str) -> str:
        return url_for("static", version=staff.assets.version, name=name)

    def language_name(tag: str) -> str:
        return NATIVE_NAMES.get(tag, tag)

    app.jinja_env.globals.update(local=local, plain=local, static_url=static_url, language_name=language_name)
    app.jinja_env.filters.update(
        long_date=long_date,
        day_and_month=day_and_month,
        clock=clock_time,
        short_moment=short_moment,
        decimal=one_decimal,
        hours=hours,
        weekday_name=weekday_name,
    )


def hours(minutes: int) -> str:
    """Such as "7:30 Std."."""
    return str(gettext("%(time)s Std.", time=f"{minutes // 60}:{minutes % 60:02}"))


def weekday_name(weekday: int) -> str:
    """Such as "Montag" for 0."""
    return str(get_day_names("wide", locale=get_locale())[weekday])


def one_decimal(number: float) -> str:
    """Write a number with one place behind the comma, as the language does."""
    return str(format_decimal(round(number, 1), format="#,##0.0"))


def _install_errors(app: Flask) -> None:
    @app.errorhandler(UnavailableError)
    def away(_error: UnavailableError) -> Response:
        return make_response(render_template("staff/message.html", what="unavailable"), 503)

    @app.errorhandler(WrongPasswordError)
    def changed(_error: WrongPasswordError) -> Response:
        # The password was changed or the account removed since the login.
        session.clear()
        return redirect(url_for("login"), 303)

    @app.errorhandler(CSRFError)
    def stale(_error: CSRFError) -> Response:
        return make_response(render_template("staff/message.html", what="stale", again=request.path), 400)

    @app.errorhandler(404)
    def unknown(_error: Exception) -> Response:
        return make_response(render_template("staff/message.html", what="unknown"), 404)

    @app.errorhandler(HTTPException)
    def other(error: HTTPException) -> BaseResponse:
        status = error.code or 500
        if status < 400:
            return error.get_response()
        answer = make_response(
            render_template("staff/message.html", what="status", text=detail(status)), status
        )
        for name, value in error.get_headers():
            if name in {"Allow", "Retry-After"}:
                answer.headers[name] = value
        return answer

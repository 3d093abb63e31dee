"""The staff pages: log in, the day, and whether all is well."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
import urllib3
from flask import Response, g, make_response, redirect, render_template, request, session, url_for

from booking_web.staff.calendar import WrongPasswordError
from booking_web.staff.mails import count_failed
from booking_web.staff.offices import colleagues, own_office
from booking_web.staff.planning import count_waiting
from booking_web.staff.state import current_staff
from booking_web.views.query import read_day
from calendar_server.client import RefusedError

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as BaseResponse

_LONGEST = 200
log = structlog.get_logger(__name__)


def login() -> str:
    """Ask for account and password."""
    return render_template("staff/login.html", user="", problem="")


def _login_again(user: str, problem: str, status: int) -> BaseResponse:
    return make_response(render_template("staff/login.html", user=user, problem=problem), status)


def login_now() -> BaseResponse:
    """Check account and password with the calendar server, and begin a session with a new number."""
    staff = current_staff()
    user = request.form.get("user", "")[:_LONGEST].strip()
    password = request.form.get("password", "")[:_LONGEST]
    if not user or not password or not user.isprintable() or ":" in user:
        return _login_again(user, "missing" if not user or not password else "wrong", 422)
    wait = staff.sessions.wait(user)
    if wait is not None:
        response = _login_again(user, "wait", 429)
        response.headers["Retry-After"] = str(int(wait.total_seconds()) + 1)
        return response
    try:
        calendar = staff.calendar(user, password)
        principals = calendar.principals()
        calendar.desk.app_passwords()
    except RefusedError:
        # The password was right, so it doesn't count as an attempt.
        return _login_again(user, "app", 422)
    except (WrongPasswordError, UnicodeError):
        staff.sessions.failed(user)
        # As the calendar server does, to which all staff look like this process: for a guard at the door, and without anybody's name.
        log.warning("failed login", address=request.remote_addr or "")
        return _login_again(user, "wrong", 422)
    name = next((principal.name for principal in principals if principal.id == user), user)
    session.clear()
    session["number"] = staff.sessions.begin(user, name, calendar)
    session.permanent = True
    return redirect(url_for("day"), 303)


def logout() -> BaseResponse:
    """Log out."""
    current_staff().sessions.end(session.get("number"))
    session.clear()
    return redirect(url_for("login"), 303)


def day() -> BaseResponse:
    """The office's appointments of a day, or those of one clerk."""
    staff = current_staff()
    office = own_office()
    if office is None:
        return make_response(render_template("staff/message.html", what="no-office"), 200)
    now = staff.settings.clock().astimezone(office.zone)
    shown = read_day(request.args.get("day")) or now.date()
    entries = g.who.calendar.day(office, shown)
    clerks = colleagues()
    clerk = next((each.id for each in clerks if each.id == request.args.get("clerk")), "")
    if clerk:
        entries = [entry for entry in entries if entry.by and entry.by.id == clerk]
    page = render_template(
        "staff/day.html",
        office=office,
        day=shown,
        today=now.date(),
        before=shown - timedelta(days=1),
        after=shown + timedelta(days=1),
        entries=entries,
        clerks=clerks,
        clerk=clerk,
        failed=count_failed(office),
        waiting=count_waiting(office),
    )
    return make_response(page)


def static(version: str, name: str) -> BaseResponse:
    """Answer with a static file."""
    return current_staff().assets.respond(version, name)


def healthz() -> Response:
    """The process lives."""
    return Response("ok\n", mimetype="text/plain")


def readyz() -> Response:
    """The staff pages can work: the calendar server is ready."""
    staff = current_staff()
    try:
        answer = staff.pool.request("GET", staff.settings.calendar_url.rstrip("/") + "/readyz")
    except urllib3.exceptions.HTTPError:
        answer = None
    if answer is None or answer.status != 200:
        return Response("the calendar can't be reached\n", status=503, mimetype="text/plain")
    return Response("ok\n", mimetype="text/plain")

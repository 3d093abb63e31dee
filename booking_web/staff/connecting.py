"""The page "connect your calendar": the addresses to enter, app passwords, and secret addresses for programs that know no CalDAV.

A secret is shown on the page that answers its making, and nowhere again.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from flask import g, make_response, redirect, render_template, request, url_for

from booking_web.staff.state import current_staff
from calendar_server.client import NotFoundError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from werkzeug.wrappers import Response

    from calendar_server.client import CalendarClient

_LONGEST_LABEL = 60


def _desk() -> CalendarClient:
    client: CalendarClient = g.who.calendar.desk
    return client


def _shown(secrets: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same with days in the town's zone instead of instants."""
    zone = current_staff().settings.town.zone

    def day(text: str | None) -> date | None:
        return datetime.fromisoformat(text).astimezone(zone).date() if text else None

    return [
        {**each, "created": day(each["created"]), "last_used": day(each["last_used"])} for each in secrets
    ]


def _own_secrets() -> dict[str, Any]:
    """What is known of one's secrets."""
    return {"passwords": _shown(_desk().app_passwords()), "feeds": _shown(_desk().feeds())}


def _page(status: int = 200, **values: Any) -> Response:
    staff = current_staff()
    readable = {principal.id for principal in g.who.calendar.principals()}
    base = staff.settings.calendar_public_url.rstrip("/")
    shown = {"secret": "", "feed": "", "problem": "", **values}
    page = render_template(
        "staff/connect.html",
        base=base,
        has_calendar=g.who.calendar.has_calendar(g.who.user),
        offices=[office for office in staff.settings.town.offices if office.id in readable],
        longest=_LONGEST_LABEL,
        **_own_secrets(),
        **shown,
    )
    answer = make_response(page, status)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def connect() -> Response:
    """How to connect one's own calendar program, with the addresses to enter."""
    return _page()


def _label() -> str:
    label = " ".join(request.form.get("label", "").split())[:_LONGEST_LABEL]
    return label if label.isprintable() else ""


def add_password() -> Response:
    """Make an app password and show it, once."""
    label = _label()
    if not label:
        return _page(422, problem="password")
    try:
        return _page(secret=_desk().add_app_password(label))
    except RefusedError:
        return _page(422, problem="refused")


def add_feed() -> Response:
    """Make a secret address and show it, once."""
    label = _label()
    if not label:
        return _page(422, problem="feed")
    base = current_staff().settings.calendar_public_url.rstrip("/")
    try:
        return _page(feed=base + _desk().add_feed(label))
    except RefusedError:
        return _page(422, problem="refused")


def revoke_password(number: int) -> Response:
    """End an app password; one that is gone already needs nothing more."""
    return _revoked(_desk().revoke_app_password, number)


def revoke_feed(number: int) -> Response:
    """End a secret address, likewise."""
    return _revoked(_desk().revoke_feed, number)


def _revoked(revoke: Callable[[int], None], number: int) -> Response:
    with suppress(RefusedError, NotFoundError):
        revoke(number)
    return redirect(url_for("connect"), 303)

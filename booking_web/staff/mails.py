"""The pages about mails: those that didn't reach their citizens, and how each mail looks.

What somebody may see, the calendar server decides by her account; previews are about an invented citizen and for everybody who is logged in.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from flask import Response, abort, g, make_response, redirect, render_template, request, url_for

from booking_web.staff.offices import own_office
from booking_web.staff.state import current_staff
from calendar_server.client import NotFoundError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from werkzeug.wrappers import Response as BaseResponse

    from booking_web.town import OfficeInfo

_VERBS = ("again", "settle")
_MAIL_POLICY = {
    "default-src": "'none'",
    # A mail has its styles inline and its picture inside.
    "style-src": "'unsafe-inline'",
    "img-src": "data:",
    "frame-ancestors": "'self'",
    "sandbox": "",
}


def count_failed(office: OfficeInfo) -> int:
    """Return how many mails of an office didn't arrive; 0 for who may not know."""
    try:
        return len(g.who.calendar.desk.failed_mails(office.id))
    except RefusedError:
        return 0


def failed() -> BaseResponse:
    """The office's mails that didn't reach their citizens, with the telephone number."""
    office = own_office()
    if office is None:
        return make_response(render_template("staff/message.html", what="no-office"))
    shown = [
        {
            **mail,
            "start": datetime.fromisoformat(mail["start"]).astimezone(office.zone),
            "created": datetime.fromisoformat(mail["created"]).astimezone(office.zone),
        }
        for mail in g.who.calendar.desk.failed_mails(office.id)
    ]
    page = render_template("staff/mails.html", office=office, mails=shown, done=request.args.get("done", ""))
    return make_response(page)


def decide(number: int, verb: str) -> BaseResponse:
    """Try a failed mail again, or settle it; who was slower than a colleague sees the list as it is now."""
    office = own_office()
    if office is None or verb not in _VERBS:
        abort(404)
    try:
        g.who.calendar.desk.decide_mail(office.id, number, verb)
    except NotFoundError:
        verb = "gone"
    return redirect(url_for("mails", office=office.id, done=verb), 303)


def _shown() -> tuple[OfficeInfo, Sequence[Any], Any]:
    """The office, all its mails in the language asked for, and the one that is looked at."""
    settings, office = current_staff().settings, own_office()
    if office is None or settings.previews is None:
        abort(404)
    town = settings.town
    language = request.args.get("language", "")
    language = language if language in town.languages else town.languages[0]
    every = settings.previews(town, office, settings.clock(), (language,))
    wanted = next((each for each in every if each.name == request.args.get("mail")), every[0])
    return office, every, wanted


def preview() -> BaseResponse:
    """All mails by name and language, and one of them as text and as HTML."""
    office, every, wanted = _shown()
    g.frames = True
    return make_response(
        render_template("staff/preview.html", office=office, every=every, wanted=wanted, mail=wanted.mail)
    )


def preview_html() -> BaseResponse:
    """One mail's HTML, alone and without any rights."""
    _, _, wanted = _shown()
    g.policy = _MAIL_POLICY
    response = Response(wanted.mail.html_alone(), mimetype="text/html")
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response

"""The form with which anybody can tell the town about a barrier or another trouble with these pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import make_response, redirect, render_template, request

from booking_web.booking.errors import FieldError, LimitedError
from booking_web.booking.person import ascii_email
from booking_web.site import current_site, page_url
from booking_web.views.booking import TRAP
from calendar_server.client import RefusedError

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as BaseResponse

TEXT_LIMIT = 2_000
_PAGE_LIMIT = 200


def form() -> BaseResponse:
    """The empty form; `seite` of the address says which page it's about."""
    return _page({"seite": _path(request.args.get("seite", ""))}, ())


def send() -> BaseResponse:
    """Check what was written and hand it on. A program that fills the field for programs is told the same and nothing is sent."""
    entries = {name: request.form.get(name, "") for name in ("text", "seite", "email")}
    text = entries["text"].replace("\r\n", "\n").replace("\0", "").strip()
    email = entries["email"].strip()
    errors = []
    if not text:
        errors.append(FieldError("text", "feedback-required"))
    elif len(text) > TEXT_LIMIT:
        errors.append(FieldError("text", "too-long-text", TEXT_LIMIT))
    address = ascii_email(email) if email else ""
    if address is None:
        errors.append(FieldError("email", "email"))
    if errors:
        return _page(entries, errors)
    if not request.form.get(TRAP):
        try:
            current_site().client.send_feedback(text, _path(entries["seite"]), address or "")
        except RefusedError as error:
            raise LimitedError(error.rule, error.retry_after or 3600) from error
    return redirect(page_url("feedback_sent"), 303)


def sent() -> str:
    """It has been taken."""
    return render_template("feedback_sent.html")


def _path(text: str) -> str:
    """A path of this site without what follows it: a token in it would be somebody's appointment."""
    path = text.partition("?")[0].partition("#")[0][:_PAGE_LIMIT]
    if not path.startswith("/") or not path.isprintable():
        return ""
    return "/".join("…" if len(part) >= 42 else part for part in path.split("/"))


def _page(entries: dict[str, str], errors: list[FieldError] | tuple[()]) -> BaseResponse:
    wrong = {error.field: error for error in reversed(errors)}
    page = render_template("feedback.html", entries=entries, errors=errors, wrong=wrong)
    return make_response(page, 422 if errors else 200)

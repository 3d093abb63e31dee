"""Named errors become answers once, here at the edge: a page for people, a problem document (RFC 9457) for programs."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from flask import Flask, Response, make_response, render_template, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from booking_web.api.problems import problem
from booking_web.booking.errors import (
    GoneError,
    InvalidError,
    KeyEndedError,
    KeyReusedError,
    LimitedError,
    ListClosedError,
    OfferOverError,
    OutdatedError,
    SlotTakenError,
    TooLateError,
    WishGoneError,
)
from booking_web.language import gettext
from booking_web.messages import message_of
from booking_web.site import current_site, page_url
from calendar_server.client import CalendarError

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as BaseResponse

RETRY_SECONDS = 5


def is_api() -> bool:
    """True if a program asks."""
    return request.path.startswith("/api/")


def _page(template: str, answer_status: int, **values: object) -> Response:
    return make_response(render_template(template, **values), answer_status)


def _calendar_away(_error: CalendarError) -> BaseResponse:
    if is_api():
        answer = problem(503, "calendar-unavailable", gettext("Der Kalender ist gerade nicht erreichbar."))
    else:
        # What she entered stays in her browser's form, so that nothing has to be typed again.
        again = request.full_path.rstrip("?")
        retry = again if request.method == "POST" else ""
        answer = _page("unavailable.html", 503, retry=retry, again=again, entries=request.form)
    answer.headers["Retry-After"] = str(RETRY_SECONDS)
    return answer


def _gone(_error: GoneError) -> BaseResponse:
    if is_api():
        return problem(404, "not-found", gettext("Diesen Termin gibt es nicht oder nicht mehr."))
    return _page("gone.html", 404)


def _too_late(_error: TooLateError) -> BaseResponse:
    if is_api():
        return problem(409, "too-late", gettext("Dieser Termin lässt sich online nicht mehr ändern."))
    return _page("too_late.html", 409, token=(request.view_args or {}).get("token"))


def _outdated(_error: OutdatedError) -> BaseResponse:
    text = gettext("Inzwischen ist es eine andere Zeit")
    return problem(409, "outdated", text) if is_api() else _page("error.html", 409, status=409, text=text)


def _taken(_error: SlotTakenError) -> BaseResponse:
    text = gettext("Diese Zeit ist leider nicht mehr frei.")
    return problem(409, "slot-taken", text) if is_api() else _page("error.html", 409, status=409, text=text)


def _limited(error: LimitedError) -> BaseResponse:
    if is_api():
        code = "too-many-appointments" if error.rule == "address-limit" else "too-many-requests"
        answer = problem(429, code, _LIMITED[error.rule]())
    else:
        site = current_site()
        again = (site.now() + timedelta(seconds=error.seconds + 59)).astimezone(site.settings.town.zone)
        retry = request.full_path.rstrip("?") if request.method == "POST" else ""
        answer = _page(
            "limited.html",
            429,
            rule=error.rule,
            again=again,
            retry=retry,
            here="" if retry else request.full_path.rstrip("?"),
            entries=request.form,
            other_times=_other_times() if error.rule == "share-limit" else "",
        )
    answer.headers["Retry-After"] = str(error.seconds)
    return answer


def _other_times() -> str:
    """Return the address of the days and times for what was chosen; empty if the request doesn't say."""
    chosen = {name: request.args.getlist(name) for name in ("office", "service", "group", "arrangement")}
    return page_url("times", **chosen) if chosen["service"] else ""


def _wish_gone(_error: WishGoneError) -> BaseResponse:
    if is_api():
        return problem(
            404, "not-found", gettext("Diesen Platz auf der Warteliste gibt es nicht oder nicht mehr.")
        )
    return _page("waiting_gone.html", 404)


def _list_closed(_error: ListClosedError) -> BaseResponse:
    text = gettext("Die Warteliste ist gerade geschlossen.")
    return (
        problem(409, "waiting-list-closed", text)
        if is_api()
        else _page("error.html", 409, status=409, text=text)
    )


def _offer_over(_error: OfferOverError) -> BaseResponse:
    text = gettext("Dieses Angebot gilt nicht mehr.")
    return problem(409, "offer-over", text) if is_api() else _page("error.html", 409, status=409, text=text)


_LIMITED = {
    "address-limit": lambda: gettext(
        "Mit dieser E-Mail-Adresse sind schon so viele Termine gebucht, wie möglich sind."
    ),
    "network-limit": lambda: gettext("Aus Ihrem Netz kamen in der letzten Stunde zu viele Buchungen."),
    "share-limit": lambda: gettext(
        "Aus Ihrem Netz ist an diesem Tag schon so viel reserviert, wie möglich ist."
    ),
    "resend-limit": lambda: gettext("Die E-Mail wurde in der letzten Stunde schon mehrmals verschickt."),
}


def _reused(_error: KeyReusedError) -> BaseResponse:
    text = gettext("Dieser Schlüssel gehört schon zu einer anderen Buchung.")
    return problem(422, "idempotency-key-reused", text)


def _ended(_error: KeyEndedError) -> BaseResponse:
    text = gettext(
        "Die Buchung zu diesem Schlüssel gibt es nicht mehr. Eine neue Buchung braucht einen neuen Schlüssel."
    )
    return problem(409, "booking-ended", text)


def _invalid(error: InvalidError) -> BaseResponse:
    listed = [{"field": each.field, "message": message_of(each), "code": each.code} for each in error.errors]
    if is_api():
        return problem(422, "invalid", gettext("Einige Angaben stimmen nicht."), errors=listed)
    return _page("error.html", 422, status=422, errors=error.errors)


def _http(error: HTTPException) -> BaseResponse:
    status = error.code or 500
    if status < 400:
        return error.get_response()
    answer = (
        problem(status, _code(error), detail(status))
        if is_api()
        else _page("error.html", status, status=status)
    )
    if status == 415:
        # RFC 9110 section 15.5.16
        answer.headers["Accept"] = "application/json"
    if status == 401:
        # RFC 9110 section 15.5.2, RFC 6750 section 3.1
        answer.headers["WWW-Authenticate"] = 'Bearer realm="termin", error="invalid_token"'
    for name, value in error.get_headers():
        if name in {"Allow", "Retry-After"}:
            answer.headers[name] = value
    return answer


def install(app: Flask) -> None:
    """Register what each error looks like."""
    app.register_error_handler(CalendarError, _calendar_away)
    app.register_error_handler(GoneError, _gone)
    app.register_error_handler(TooLateError, _too_late)
    app.register_error_handler(OutdatedError, _outdated)
    app.register_error_handler(SlotTakenError, _taken)
    app.register_error_handler(KeyReusedError, _reused)
    app.register_error_handler(KeyEndedError, _ended)
    app.register_error_handler(LimitedError, _limited)
    app.register_error_handler(WishGoneError, _wish_gone)
    app.register_error_handler(ListClosedError, _list_closed)
    app.register_error_handler(OfferOverError, _offer_over)
    app.register_error_handler(InvalidError, _invalid)
    app.register_error_handler(HTTPException, _http)


def _code(error: HTTPException) -> str:
    return "too-large" if isinstance(error, RequestEntityTooLarge) else error.name.lower().replace(" ", "-")


def detail(status: int) -> str:
    """Say in words what an HTTP status means to who sent the request."""
    if status == 401:
        return gettext("Diesen Schlüssel kennen wir nicht.")
    if status == 404:
        return gettext("Diese Adresse gibt es nicht.")
    if status == 405:
        return gettext("Das geht unter dieser Adresse nicht.")
    if status == 413:
        return gettext("Die Anfrage ist zu groß.")
    if status == 415:
        return gettext("Der Inhalt muss application/json sein.")
    if status >= 500:
        return gettext("Bei uns ist ein Fehler passiert.")
    return gettext("Diese Anfrage verstehen wir nicht.")

"""Her appointment, behind its unguessable link: look at it, take it along, move it, cancel it. No GET changes anything."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import segno
from flask import Response, make_response, redirect, render_template, request

from booking_web.booking.calendar_file import calendar_file, empty_calendar
from booking_web.booking.calendar_links import calendar_links
from booking_web.booking.checklist import checklist
from booking_web.booking.errors import GoneError, InvalidError, OutdatedError, SlotTakenError, TooLateError
from booking_web.language import current_language, gettext
from booking_web.reasons import ABSENCE
from booking_web.site import choice_values, current_site, page_url
from booking_web.views.choosing import start_from, time_values
from booking_web.views.query import choice_from_query, choice_of, members_of, read_day, read_start, shifted_of
from booking_web.views.visitor import visitors_appointments

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from werkzeug.wrappers import Response as BaseResponse

    from booking_web.booking.appointments import Booked
    from booking_web.booking.choice import Choice
    from booking_web.booking.errors import FieldError


def _choice(booked: Booked) -> Choice | None:
    """The services as the town has them now; None if they've changed or a clerk drew the appointment by hand."""
    try:
        return choice_of(current_site().settings.town, booked.appointment)
    except InvalidError:
        return None


def _page(template: str, booked: Booked, status: int = 200, **values: object) -> Response:
    site = current_site()
    zone = booked.office.zone
    choice = _choice(booked)
    page = render_template(
        template,
        booked=booked,
        office=booked.office,
        appointment=booked.appointment,
        start=booked.appointment.start.astimezone(zone),
        end=booked.appointment.end.astimezone(zone),
        choice=choice,
        members=members_of(booked),
        shifted=shifted_of(booked),
        items=checklist(choice) if choice else (),
        may_change=site.appointments.may_change(booked),
        over=booked.appointment.end <= site.now(),
        proposed=booked.appointment.proposed.astimezone(zone) if booked.appointment.proposed else None,
        subscription=_subscription(booked),
        reason=_reason(booked),
        **values,
    )
    return make_response(page, status)


def _reason(booked: Booked) -> str:
    """Why it was changed; what the program says by itself, in the page's language."""
    reason = booked.appointment.reason
    return gettext("Eine Mitarbeiterin oder ein Mitarbeiter ist nicht da.") if reason == ABSENCE else reason


def _subscription(booked: Booked) -> str:
    """The address under which a calendar program follows the appointment, moves included."""
    base = urlsplit(current_site().settings.town.base_url)
    path, _, query = page_url("ics", token=booked.token, abo="1").partition("?")
    return urlunsplit(("webcal", base.netloc, path, query, ""))


def _to_form(booked: Booked) -> BaseResponse | None:
    """A hold isn't an appointment yet: lead back to the form."""
    choice = _choice(booked)
    if booked.appointment.awaits:
        return _activation_page(booked)
    if not booked.appointment.is_hold or choice is None:
        return None
    start = booked.appointment.start.astimezone(booked.office.zone).isoformat()
    return redirect(page_url("person", token=booked.token, start=start, **choice_values(choice)), 303)


def _activation_page(
    booked: Booked, status: int = 200, template: str = "activate.html", **values: object
) -> Response:
    until = booked.appointment.hold_until
    assert until is not None
    return _page(
        template,
        booked,
        status,
        until=until.astimezone(booked.office.zone),
        resent="resent" in request.args,
        **values,
    )


def activate(token: str, code: str) -> BaseResponse:
    """The link in the mail: ask for one press of a button, since programs open links too."""
    booked = current_site().appointments.to_activate(token, code)
    if not booked.appointment.awaits:
        return redirect(page_url("appointment", token=booked.token), 303)
    return _activation_page(booked, template="activate_now.html", code=code)


def activate_now(token: str, code: str) -> BaseResponse:
    """Her address is confirmed: now it's an appointment."""
    booked = visitors_appointments().activate(token, code)
    return redirect(page_url("done", token=booked.token), 303)


def resend(token: str) -> BaseResponse:
    """Send the last mail about it once more."""
    booked = visitors_appointments().resend(token)
    return redirect(page_url("appointment", token=booked.token, resent="1"), 303)


def done(token: str) -> BaseResponse:
    """Booked: the reference, what to bring, the file for her own calendar, and the link."""
    booked = current_site().appointments.find(token)
    links = calendar_links(booked, language=current_language())
    return _to_form(booked) or _page("done.html", booked, calendar_links=links)


def show(token: str) -> BaseResponse:
    """Her appointment as it stands; of a cancelled one, why, and what she can do now."""
    appointments = current_site().appointments
    try:
        booked = appointments.find(token)
    except GoneError:
        return _page("called_off.html", appointments.cancelled(token), 410)
    done_before = {
        name: name in request.args for name in ("moved", "agreed", "restored", "resent", "one_less")
    }
    return _to_form(booked) or _page("appointment.html", booked, **done_before)


def accept(token: str) -> BaseResponse:
    """Agree to the time that the office chose; to one that she hasn't seen yet nobody agrees."""
    appointments = current_site().appointments
    try:
        booked = appointments.accept(token, request.form.get("seen", ""))
    except OutdatedError:
        return _page("appointment.html", appointments.find(token), 409, outdated=True)
    return redirect(page_url("appointment", token=booked.token, agreed="1"), 303)


def restore(token: str) -> BaseResponse:
    """Bring back what she declined in her own calendar."""
    appointments = current_site().appointments
    try:
        booked = appointments.restore(token)
    except SlotTakenError:
        return _page("called_off.html", appointments.cancelled(token), 409, taken=True)
    return redirect(page_url("appointment", token=booked.token, restored="1"), 303)


def ics(token: str) -> BaseResponse:
    """The appointment as a file for her own calendar; with `abo`, for a calendar program that follows what becomes of it."""
    site = current_site()
    town, language, now = site.settings.town, current_language(), site.now()
    followed = "abo" in request.args
    if followed:
        office, standing = site.appointments.followed(token)
    else:
        standing = site.appointments.find(token)
        office = standing.office
        if standing.appointment.is_hold:
            raise GoneError
    if standing is None:
        text = empty_calendar(town, office, language=language, now=now)
    else:
        link = town.base_url + page_url("appointment", token=token)
        notes = _calendar_notes(standing, link)
        text = calendar_file(town, standing, link, notes, language=language, now=now, followed=followed)
    response = Response(text, mimetype="text/calendar")
    response.headers["Content-Disposition"] = 'attachment; filename="termin.ics"'
    return response


def _calendar_notes(booked: Booked, link: str) -> str:
    choice = _choice(booked)
    return render_template(
        "_calendar_notes.html",
        times=[f"{number}. {start:%H:%M}–{end:%H:%M}" for number, start, end in members_of(booked)],
        items=checklist(choice) if choice else (),
        reference=booked.appointment.reference,
        office=booked.office,
        link=link,
    )


def code(token: str) -> BaseResponse:
    """The link to her appointment as a QR code, to take it along on a telephone or on paper."""
    site = current_site()
    booked = site.appointments.find(token)
    picture = io.BytesIO()
    link = site.settings.town.base_url + page_url("appointment", token=booked.token)
    segno.make(link, error="m").save(picture, kind="svg", scale=4, border=2, light="#ffffff")
    return Response(picture.getvalue(), mimetype="image/svg+xml")


def remind(token: str) -> BaseResponse:
    """Switch her reminder on or off."""
    booked = current_site().appointments.remind(token, wanted=request.form.get("reminder") == "1")
    return redirect(page_url("appointment", token=booked.token) + "#reminder", 303)


def move(token: str) -> BaseResponse:
    """Choose another time; with `start`, ask once more before it counts."""
    booked = current_site().appointments.find(token)
    if booked.appointment.is_hold:
        return _to_form(booked) or redirect(page_url("services"), 303)
    if not current_site().appointments.may_change(booked):
        raise TooLateError
    start = read_start(request.args.get("start"))
    if start is not None:
        return _page("move_check.html", booked, new_start=start.astimezone(booked.office.zone))
    return _move_page(booked, taken=read_start(request.args.get("weg")))


def _move_page(
    booked: Booked, *, taken: datetime | None = None, errors: Sequence[FieldError] = ()
) -> BaseResponse:
    site = current_site()
    choice = _choice(booked)
    if choice is None:
        return _page("move_by_phone.html", booked)
    feed = site.feed(booked.office)
    offers = feed.offers(choice, site.now())
    wanted = (
        read_day(request.args.get("day")) or booked.appointment.start.astimezone(booked.office.zone).date()
    )
    nearest = feed.nearest(choice, site.now(), taken) if taken else ()
    status = 409 if taken else 422 if errors else 200
    return _page(
        "move.html",
        booked,
        status,
        taken=taken,
        errors=errors,
        nearest=nearest,
        **time_values(offers, wanted),
    )


def move_now(token: str) -> BaseResponse:
    """Move it."""
    site = current_site()
    try:
        booked = visitors_appointments().move(token, start_from(request.form.get("start")))
    except SlotTakenError as error:
        return redirect(page_url("move", token=token, weg=error.start.isoformat()), 303)
    except InvalidError as error:
        return _move_page(site.appointments.find(token), errors=error.errors)
    return redirect(page_url("appointment", token=booked.token, moved="1"), 303)


def cancel(token: str) -> BaseResponse:
    """Ask before cancelling."""
    booked = current_site().appointments.find(token)
    if not current_site().appointments.may_change(booked):
        raise TooLateError
    return _page("cancel.html", booked, member=_member(booked, request.args.get("member")))


def _member(booked: Booked, text: str | None) -> tuple[int, datetime, datetime] | None:
    """Which appointment of a group is meant; None: all of it. GoneError if there's no such one."""
    if not text:
        return None
    for member in members_of(booked):
        if str(member[0]) == text:
            return member
    raise GoneError


def cancel_now(token: str) -> BaseResponse:
    """Cancel it. The second click of a double click finds it gone, and says the same."""
    appointments = current_site().appointments
    text = request.form.get("member", "")
    try:
        if text.isascii() and text.isdecimal() and len(text) <= 2:
            booked = appointments.cancel_part(token, int(text))
            if len(booked.appointment.parts) > 1:
                return redirect(page_url("appointment", token=token, one_less="1"), 303)
        else:
            booked = appointments.cancel(token)
    except GoneError:
        return redirect(page_url("cancelled", token=token), 303)
    choice = _choice(booked)
    start = booked.appointment.start.astimezone(booked.office.zone).isoformat()
    told = {"ohne": "1"} if booked.appointment.awaits else {}
    values = {**(choice_values(choice) if choice else {}), "start": start, **told}
    return redirect(page_url("cancelled", token=token, **values), 303)


def cancelled(token: str) -> BaseResponse:
    """It's cancelled, and nothing of it is left: the address says which time is free again, and what could be booked anew."""
    appointments = current_site().appointments
    # Nobody is told so by a link that we haven't made.
    office, _ = appointments.followed(token)
    try:
        booked = appointments.find(token)
    except GoneError:
        pass
    else:
        return redirect(page_url("appointment", token=booked.token), 303)
    start = read_start(request.args.get("start"))
    if start is None:
        raise GoneError
    try:
        choice = choice_from_query()
    except InvalidError:
        choice = None
    page = render_template(
        "cancelled.html",
        start=start.astimezone(office.zone),
        choice=choice,
        told="ohne" not in request.args,
    )
    return make_response(page)

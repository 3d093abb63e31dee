"""The steps with a time in hand: it's kept, her data is asked and checked, and the appointment is booked.

What she enters lives in the request's body only: the check page carries it on in the form. So nothing personal
stands in an address or a cookie, and the site keeps nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import make_response, redirect, render_template, request

from booking_web.booking.appointments import new_key
from booking_web.booking.checklist import checklist
from booking_web.booking.choice import choose, read_group
from booking_web.booking.errors import FieldError, GoneError, InvalidError, ProofUsedError, SlotTakenError
from booking_web.booking.person import NEEDS, check_person
from booking_web.language import current_language, gettext
from booking_web.site import choice_values, current_site, page_url
from booking_web.views.choosing import HOLD_COOKIE, rows_of, start_from, ticked_in, time_values, times_page
from booking_web.views.query import choice_from_query, members_of, read_day
from booking_web.views.visitor import PROOF_FIELD, network, visitors_appointments

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from werkzeug.wrappers import Response

    from booking_web.booking.appointments import Booked
    from booking_web.booking.choice import Choice
    from booking_web.booking.person import Person

TRAP = "nachricht"
"""A field that nobody sees and only robots fill in."""
_FIELDS = ("name", "email", "phone", "remarks", "reminder", TRAP, *(f"need-{need}" for need in NEEDS))
_KEY_LIMIT = 100


def hold() -> Response:
    """A time was chosen: keep it, and go on to her data. Her browser's earlier hold moves along."""
    choice = choice_from_query()
    try:
        start = start_from(request.form.get("start"))
        booked = visitors_appointments().hold(
            choice,
            start,
            request.form.get("key", "")[:_KEY_LIMIT],
            previous=request.cookies.get(HOLD_COOKIE),
        )
    except SlotTakenError as error:
        return times_page(choice, taken=error.start)
    except InvalidError as error:
        return times_page(choice, errors=error.errors)
    if not booked.appointment.is_hold or booked.appointment.awaits:
        return redirect(page_url("appointment", token=booked.token), 303)
    values = {**choice_values(choice), "start": _iso(booked)}
    response = redirect(page_url("person", token=booked.token, **values), 303)
    _remember(response, booked)
    return response


def _remember(response: Response, booked: Booked) -> None:
    response.set_cookie(
        HOLD_COOKIE,
        booked.token,
        max_age=booked.office.release.hold_minutes * 60,
        httponly=True,
        secure=request.is_secure,
        samesite="Lax",
    )


def _iso(booked: Booked) -> str:
    return booked.appointment.start.astimezone(booked.office.zone).isoformat()


def person(token: str) -> Response:
    """Step 4: who comes. The empty form holds nothing personal: a browser may keep it, so that going back finds what was typed."""
    page = _person_page(token, choice_from_query(), {}, ())
    page.headers["Cache-Control"] = "private, no-cache"
    return page


def need_texts() -> dict[str, str]:
    """What she can ask for, in her words."""
    return {
        "wheelchair": gettext("Ich komme mit Rollstuhl oder Rollator."),
        "interpreter": gettext("Ich brauche jemanden, der dolmetscht."),
        "companion": gettext("Ich komme mit einer Begleitperson."),
    }


def _held(token: str) -> dict[str, Any]:
    """Until when the time is kept (None: it no longer is), and of a group when each appointment is."""
    try:
        booked = current_site().appointments.find(token)
    except GoneError:
        return {"until": None, "members": []}
    until = booked.appointment.hold_until
    return {
        "until": until.astimezone(booked.office.zone) if until else None,
        "members": members_of(booked),
    }


def _entries() -> dict[str, str]:
    return {name: request.form.get(name, "") for name in _FIELDS}


def _person_page(
    token: str,
    choice: Choice,
    entries: dict[str, str],
    errors: Sequence[FieldError],
    *,
    prolonged: bool = False,
) -> Response:
    start = start_from(request.form.get("start") or request.args.get("start"))
    page = render_template(
        "person.html",
        token=token,
        choice=choice,
        start=start.astimezone(choice.office.zone),
        **_held(token),
        entries=entries,
        errors=errors,
        need_texts=need_texts(),
        wrong={error.field: error for error in reversed(errors)},
        prolonged=prolonged,
    )
    return make_response(page, 422 if errors else 200)


def _check_entries(choice: Choice, entries: dict[str, str]) -> Person:
    if entries[TRAP]:
        # A browser that fills in too much could be a person's, so she's told and may go on.
        entries[TRAP] = ""
        raise InvalidError([FieldError(TRAP, "leave-empty")])
    return check_person(
        name=entries["name"],
        email=entries["email"],
        phone=entries["phone"],
        remarks=entries["remarks"],
        reminder=bool(entries["reminder"]),
        language=current_language(),
        needs=[need for need in NEEDS if entries[f"need-{need}"]],
        choice=choice,
    )


def check(token: str) -> Response:
    """Step 5: everything once more before it counts. Also where she comes back to change or to keep the time longer."""
    choice = choice_from_query()
    entries = _entries()
    wish = request.form.get("wish", "")
    if wish == "change":
        return _person_page(token, choice, entries, ())
    if wish == "prolong":
        try:
            visitors_appointments().prolong(token)
        except (GoneError, SlotTakenError):
            return _person_page(token, choice, entries, ())
        return _person_page(token, choice, entries, (), prolonged=True)
    if wish == "time":
        return _other_time(token, choice, entries)
    if wish == "services":
        return _other_services(token, choice, entries)
    try:
        checked = _check_entries(choice, entries)
    except InvalidError as error:
        return _person_page(token, choice, entries, error.errors)
    return make_response(render_template("check.html", **_check_values(token, choice, checked, entries)))


def _other_services(token: str, choice: Choice, entries: dict[str, str]) -> Response:
    """Change the services and keep what was entered; the time is chosen anew then, since they may take longer."""
    errors: Sequence[FieldError] = ()
    ticked, group = {service.id: persons for service, persons in choice.chosen}, choice.group
    town = current_site().settings.town
    if "weiter" in request.form:
        ticked = ticked_in(request.form)
        try:
            group = read_group(request.form.get("group"))
            changed = choose(
                town, choice.office.id, ticked.items(), group=group, arrangement=choice.arrangement
            )
        except InvalidError as error:
            errors = error.errors
        else:
            return _other_time_page(token, changed, entries)
    offered = town.services_of(choice.office)
    page = render_template(
        "other_services.html",
        token=token,
        choice=choice,
        office=choice.office,
        start=start_from(request.args.get("start")),
        entries=entries,
        errors=errors,
        rows=rows_of(choice.office, ticked, offered),
        found=len(offered),
        group=min(group, choice.office.release.max_group),
    )
    return make_response(page, 422 if errors else 200)


def _other_time(token: str, choice: Choice, entries: dict[str, str]) -> Response:
    """Choose another time and keep what was entered; with a `start` chosen, the hold moves there and she goes on where she was."""
    if "start" not in request.form:
        return _other_time_page(token, choice, entries)
    try:
        booked = visitors_appointments().hold(
            choice,
            start_from(request.form["start"]),
            request.form.get("key", "")[:_KEY_LIMIT],
            previous=token,
        )
    except SlotTakenError as error:
        return _other_time_page(token, choice, entries, taken=error.start)
    except InvalidError as error:
        return _other_time_page(token, choice, entries, errors=error.errors)
    if not booked.appointment.is_hold or booked.appointment.awaits:
        return redirect(page_url("appointment", token=booked.token), 303)
    try:
        checked = _check_entries(choice, entries)
    except InvalidError:
        # She hadn't finished yet, which is no mistake.
        page = _person_page(booked.token, choice, entries, ())
    else:
        page = make_response(
            render_template("check.html", **_check_values(booked.token, choice, checked, entries))
        )
    _remember(page, booked)
    return page


def _other_time_page(
    token: str,
    choice: Choice,
    entries: dict[str, str],
    *,
    taken: datetime | None = None,
    errors: Sequence[FieldError] = (),
) -> Response:
    site = current_site()
    start = start_from(request.args.get("start")).astimezone(choice.office.zone)
    wanted = read_day(request.form.get("day")) or (taken or start).astimezone(choice.office.zone).date()
    page = render_template(
        "other_time.html",
        token=token,
        choice=choice,
        start=start,
        entries=entries,
        key=new_key(),
        taken=taken,
        errors=errors,
        **time_values(site.feed(choice.office).offers(choice, site.now()), wanted),
    )
    return make_response(page, 409 if taken else 422 if errors else 200)


def _check_values(token: str, choice: Choice, checked: Person, entries: dict[str, str]) -> dict[str, Any]:
    start = start_from(request.form.get("start") or request.args.get("start"))
    held = _held(token)
    return {
        "token": token,
        "choice": choice,
        "items": checklist(choice),
        "start": start.astimezone(choice.office.zone),
        "end": max([end for _, _, end in held["members"]], default=start + choice.duration).astimezone(
            choice.office.zone
        ),
        "person": checked,
        "need_texts": need_texts(),
        "entries": entries,
        **held,
        "challenge": _challenge(token),
    }


def _challenge(token: str) -> dict[str, Any] | None:
    site = current_site()
    return site.proofs.challenge(token, network()) if site.settings.protection.proof_of_work else None


def _book(token: str, choice: Choice, start: datetime, checked: Person) -> Booked:
    """Book with the proof of work that came, or else on the condition that she confirms her address."""
    site = current_site()
    proof = site.proofs.check(request.form.get(PROOF_FIELD, ""), token, network())
    for each in (proof, None):
        within = site.settings.protection.activate_within(proved=each is not None)
        try:
            return visitors_appointments(each).confirm(token, choice, start, checked, activate_within=within)
        except ProofUsedError:
            continue
    raise GoneError


def book(token: str) -> Response:
    """Book. If somebody else was faster, her entries stay and the nearest free times are offered."""
    choice = choice_from_query()
    entries = _entries()
    try:
        checked = _check_entries(choice, entries)
    except InvalidError as error:
        return _person_page(token, choice, entries, error.errors)
    start = start_from(request.form.get("start") or request.args.get("start"))
    try:
        booked = _book(token, choice, start, checked)
    except (SlotTakenError, InvalidError):
        return _taken_page(token, choice, start, entries)
    response = redirect(page_url("done", token=booked.token), 303)
    response.delete_cookie(HOLD_COOKIE)
    return response


def book_again(token: str) -> Response:
    """Somebody reloaded or kept the address that books: show what has become of it."""
    return redirect(page_url("appointment", token=token), 303)


def _taken_page(token: str, choice: Choice, start: datetime, entries: dict[str, str]) -> Response:
    site = current_site()
    feed = site.feed(choice.office)
    page = render_template(
        "taken.html",
        token=token,
        choice=choice,
        start=start.astimezone(choice.office.zone),
        entries={**entries, PROOF_FIELD: request.form.get(PROOF_FIELD, "")},
        nearest=feed.nearest(choice, site.now(), start),
    )
    return make_response(page, 409)

"""The steps with a time in hand: it's kept, her data is asked and checked, and the appointment is booked.

What she enters is carried on by her browser (`booking_web.views.entries`), never by an address, and the site keeps nothing. Each form is sent to one
address that says what comes next; a page is then shown by GET, so that she can go back and reload without being asked to send anything again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from flask import make_response, redirect, render_template, request

from booking_web.booking.appointments import new_key
from booking_web.booking.checklist import checklist
from booking_web.booking.choice import choose, read_group
from booking_web.booking.errors import FieldError, GoneError, InvalidError, ProofUsedError, SlotTakenError
from booking_web.booking.person import NEEDS, check_person
from booking_web.language import current_language, gettext
from booking_web.site import choice_values, current_site, page_url
from booking_web.views import entries as kept
from booking_web.views.choosing import HOLD_COOKIE, rows_of, start_from, ticked_in, time_values, times_page
from booking_web.views.query import choice_from_query, members_of, read_day, read_start
from booking_web.views.visitor import PROOF_FIELD, network, visitors_appointments

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from werkzeug.wrappers import Response

    from booking_web.booking.appointments import Booked
    from booking_web.booking.choice import Choice
    from booking_web.booking.person import Person

TRAP = "nachricht"
"""A field that nobody sees and only robots fill in."""
_FIELDS = ("name", "email", "phone", "remarks", "reminder", TRAP, *(f"need-{need}" for need in NEEDS))
_KEY_LIMIT = 100
Step = Literal["person", "check_again", "other_services", "other_documents", "other_time", "taken"]
"""A page with a time in hand, by the name of its route."""


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
        return redirect(page_url("times", **choice_values(choice), weg=error.start.isoformat()), 303)
    except InvalidError as error:
        return times_page(choice, errors=error.errors)
    if not booked.appointment.is_hold or booked.appointment.awaits:
        return redirect(page_url("appointment", token=booked.token), 303)
    values = {**choice_values(choice), "start": _iso(booked)}
    response = redirect(page_url("person", token=booked.token, **values), 303)
    _remember(response, booked)
    # Another person may sit at this computer by now.
    kept.forget(response)
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
    entered = kept.remembered(token, _FIELDS) if "angaben" in request.args else None
    page = _person_page(token, choice_from_query(), entered or {}, _start(), request.args)
    if not entered:
        page.headers["Cache-Control"] = "private, no-cache"
    return page


def check_again(token: str) -> Response:
    """Step 5: everything once more before it counts."""
    return _again("check_again", token)


def other_services(token: str) -> Response:
    """Change the services and keep what was entered; the time is chosen anew then, since they may take longer."""
    return _again("other_services", token)


def other_documents(token: str) -> Response:
    """What to bring for the services that were changed."""
    return _again("other_documents", token)


def other_time(token: str) -> Response:
    """Choose another time and keep what was entered."""
    return _again("other_time", token)


def taken(token: str) -> Response:
    """Somebody else was faster; her entries, and the proof that came with them, book one of the nearest free times."""
    return _again("taken", token, (*_FIELDS, PROOF_FIELD))


def _start() -> datetime:
    return start_from(request.args.get("start"))


def _again(step: Step, token: str, fields: tuple[str, ...] = _FIELDS) -> Response:
    entered = kept.remembered(token, fields)
    choice, start = choice_from_query(), _start()
    if entered is None:
        address = page_url("person", token=token, start=start.isoformat(), **choice_values(choice))
        return redirect(address, 303)
    return _PAGES[step](token, choice, entered, start, request.args)


def _lead_to(
    step: Step, token: str, choice: Choice, entries: dict[str, str], start: datetime, **query: str
) -> Response:
    """Lead on to a page of the way, where its address can be opened again; without cookies, answer with it at once."""
    if HOLD_COOKIE in request.cookies or kept.COOKIE in request.cookies:
        at = start.astimezone(choice.office.zone).isoformat()
        page = redirect(page_url(step, token=token, start=at, **choice_values(choice), **query), 303)
        if kept.remember(page, token, entries):
            return page
    return _PAGES[step](token, choice, entries, start, query)


def need_texts() -> dict[str, str]:
    """What she can ask for, in her words."""
    return {
        "wheelchair": gettext("Ich komme mit Rollstuhl oder Rollator."),
        "interpreter": gettext("Ich brauche jemanden, der dolmetscht."),
        "companion": gettext("Ich komme mit einer Begleitperson."),
    }


def _held(token: str) -> dict[str, Any] | None:
    """Until when the time is kept (None: it no longer is), and of a group when each appointment is. None if it's booked meanwhile."""
    try:
        booked = current_site().appointments.find(token)
    except GoneError:
        return {"until": None, "members": []}
    if not booked.appointment.is_hold or booked.appointment.awaits:
        return None
    until = booked.appointment.hold_until
    return {
        "until": until.astimezone(booked.office.zone) if until else None,
        "members": members_of(booked),
    }


def _entries() -> dict[str, str]:
    return {name: request.form.get(name, "") for name in _FIELDS}


def _person_page(
    token: str, choice: Choice, entries: dict[str, str], start: datetime, query: Mapping[str, str]
) -> Response:
    """With `geprueft` in the query, say what is wrong with the entries; with `verlaengert`, that the time is kept longer."""
    held = _held(token)
    if held is None:
        return redirect(page_url("appointment", token=token), 303)
    errors: Sequence[FieldError] = ()
    shown = {name: entries.get(name, "") for name in _FIELDS}
    if "geprueft" in query:
        try:
            _check_entries(choice, shown)
        except InvalidError as error:
            errors = error.errors
    page = render_template(
        "person.html",
        token=token,
        choice=choice,
        start=start.astimezone(choice.office.zone),
        **held,
        entries=shown,
        errors=errors,
        need_texts=need_texts(),
        wrong={error.field: error for error in reversed(errors)},
        prolonged="verlaengert" in query,
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
    """What she entered has come: lead on to everything once more, or to whatever else she wishes first."""
    choice, entries = choice_from_query(), _entries()
    start = start_from(request.form.get("start") or request.args.get("start"))
    match request.form.get("wish", ""):
        case "change":
            return _lead_to("person", token, choice, entries, start, angaben="1")
        case "prolong":
            return _prolong(token, choice, entries, start)
        case "time":
            return _choose_time(token, choice, entries)
        case "services":
            return _choose_services(token, choice, entries, start)
    return _lead_on(token, choice, entries, start)


def _lead_on(token: str, choice: Choice, entries: dict[str, str], start: datetime) -> Response:
    """Lead to the check page, or back to what has to be mended."""
    try:
        _check_entries(choice, dict(entries))
    except InvalidError:
        return _lead_to("person", token, choice, entries, start, angaben="1", geprueft="1")
    return _lead_to("check_again", token, choice, entries, start)


def _prolong(token: str, choice: Choice, entries: dict[str, str], start: datetime) -> Response:
    try:
        booked = visitors_appointments().prolong(token)
    except (GoneError, SlotTakenError):
        return _lead_to("person", token, choice, entries, start, angaben="1")
    page = _lead_to("person", token, choice, entries, start, angaben="1", verlaengert="1")
    _remember(page, booked)
    return page


def _choose_services(token: str, choice: Choice, entries: dict[str, str], start: datetime) -> Response:
    if "weiter" not in request.form:
        return _lead_to("other_services", token, choice, entries, start)
    ticked = ticked_in(request.form)
    try:
        group = read_group(request.form.get("group"))
        changed = choose(
            current_site().settings.town,
            choice.office.id,
            ticked.items(),
            group=group,
            arrangement=choice.arrangement,
        )
    except InvalidError as error:
        return _services_page(token, choice, entries, start, {}, ticked=ticked, errors=error.errors)
    return _lead_to("other_documents", token, changed, entries, start)


def _services_page(
    token: str,
    choice: Choice,
    entries: dict[str, str],
    start: datetime,
    _query: Mapping[str, str],
    *,
    ticked: dict[str, int] | None = None,
    errors: Sequence[FieldError] = (),
) -> Response:
    offered = current_site().settings.town.services_of(choice.office)
    if ticked is None:
        ticked = {service.id: persons for service, persons in choice.chosen}
    page = render_template(
        "other_services.html",
        token=token,
        choice=choice,
        office=choice.office,
        start=start,
        entries=entries,
        errors=errors,
        rows=rows_of(choice.office, ticked, offered),
        found=len(offered),
        group=min(choice.group, choice.office.release.max_group),
    )
    return make_response(page, 422 if errors else 200)


def _documents_page(
    token: str, choice: Choice, entries: dict[str, str], start: datetime, _query: Mapping[str, str]
) -> Response:
    page = render_template(
        "documents.html",
        token=token,
        choice=choice,
        items=checklist(choice),
        here=page_url("check", token=token, start=start.isoformat(), **choice_values(choice)),
        entries=entries,
    )
    return make_response(page)


def _choose_time(token: str, choice: Choice, entries: dict[str, str]) -> Response:
    """Choose another time and keep what was entered; with a `start` chosen, the hold moves there and she goes on where she was."""
    before = _start()
    if "start" not in request.form:
        day = read_day(request.form.get("day"))
        return _lead_to(
            "other_time", token, choice, entries, before, **({"day": day.isoformat()} if day else {})
        )
    try:
        booked = visitors_appointments().hold(
            choice,
            start_from(request.form["start"]),
            request.form.get("key", "")[:_KEY_LIMIT],
            previous=token,
        )
    except SlotTakenError as error:
        return _lead_to("other_time", token, choice, entries, before, weg=error.start.isoformat())
    except InvalidError as error:
        return _time_page(token, choice, entries, before, {}, errors=error.errors)
    if not booked.appointment.is_hold or booked.appointment.awaits:
        return redirect(page_url("appointment", token=booked.token), 303)
    start = booked.appointment.start
    try:
        _check_entries(choice, dict(entries))
    except InvalidError:
        # She hadn't finished yet, which is no mistake.
        page = _lead_to("person", booked.token, choice, entries, start, angaben="1")
    else:
        page = _lead_to("check_again", booked.token, choice, entries, start)
    _remember(page, booked)
    return page


def _time_page(
    token: str,
    choice: Choice,
    entries: dict[str, str],
    start: datetime,
    query: Mapping[str, str],
    *,
    errors: Sequence[FieldError] = (),
) -> Response:
    """With `weg` in the query, say that this time has gone; with `day`, show the times of that day."""
    site = current_site()
    zone = choice.office.zone
    taken = read_start(query.get("weg"))
    page = render_template(
        "other_time.html",
        token=token,
        choice=choice,
        start=start.astimezone(zone),
        entries=entries,
        key=new_key(),
        taken=taken,
        errors=errors,
        **time_values(
            site.feed(choice.office).offers(choice, site.now()),
            read_day(query.get("day")) or (taken or start).astimezone(zone).date(),
        ),
    )
    return make_response(page, 409 if taken else 422 if errors else 200)


def _check_page(
    token: str, choice: Choice, entries: dict[str, str], start: datetime, query: Mapping[str, str]
) -> Response:
    try:
        checked = _check_entries(choice, {name: entries.get(name, "") for name in _FIELDS})
    except InvalidError:
        return _person_page(token, choice, entries, start, {**query, "geprueft": "1"})
    held = _held(token)
    if held is None:
        return redirect(page_url("appointment", token=token), 303)
    end = max([end for _, _, end in held["members"]], default=start + choice.duration)
    page = render_template(
        "check.html",
        token=token,
        choice=choice,
        start=start.astimezone(choice.office.zone),
        end=end.astimezone(choice.office.zone),
        person=checked,
        need_texts=need_texts(),
        entries=entries,
        challenge=_challenge(token),
        **held,
    )
    return make_response(page)


def _with_proof(entries: dict[str, str]) -> dict[str, str]:
    proof = request.form.get(PROOF_FIELD, "")
    return {**entries, PROOF_FIELD: proof} if proof else entries


def _taken_page(
    token: str, choice: Choice, entries: dict[str, str], start: datetime, _query: Mapping[str, str]
) -> Response:
    site = current_site()
    page = render_template(
        "taken.html",
        token=token,
        choice=choice,
        start=start.astimezone(choice.office.zone),
        entries=entries,
        nearest=site.feed(choice.office).nearest(choice, site.now(), start),
    )
    return make_response(page, 409)


_PAGES: dict[Step, Callable[[str, Choice, dict[str, str], datetime, Mapping[str, str]], Response]] = {
    "person": _person_page,
    "check_again": _check_page,
    "other_services": _services_page,
    "other_documents": _documents_page,
    "other_time": _time_page,
    "taken": _taken_page,
}
"""The pages with a time in hand: by token, choice, entries, the time that is chosen so far, and the query."""


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
    choice, entries = choice_from_query(), _entries()
    start = start_from(request.form.get("start") or request.args.get("start"))
    try:
        checked = _check_entries(choice, dict(entries))
    except InvalidError:
        return _lead_to("person", token, choice, entries, start, angaben="1", geprueft="1")
    try:
        booked = _book(token, choice, start, checked)
    except (SlotTakenError, InvalidError):
        return _lead_to("taken", token, choice, _with_proof(entries), start)
    response = redirect(page_url("done", token=booked.token), 303)
    response.delete_cookie(HOLD_COOKIE)
    kept.forget(response)
    return response


def book_again(token: str) -> Response:
    """Somebody reloaded or kept the address that books: show what has become of it."""
    return redirect(page_url("appointment", token=token), 303)

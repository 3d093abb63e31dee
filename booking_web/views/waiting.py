"""The waiting list: the way onto it, and her place on it behind its unguessable link. No GET changes anything.

As when booking, what she enters is carried on by her browser (`booking_web.views.entries`) until it's put on the list, and every page is shown by GET,
so that she can go back and reload without being asked to send anything again (docs/decisions/0220). Who has an appointment and waits for a better time says
only which times suit her, which is nothing personal and stands in the address.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from flask import make_response, redirect, render_template, request

from booking_web.booking.appointments import new_key
from booking_web.booking.errors import (
    FieldError,
    GoneError,
    InvalidError,
    LimitedError,
    ListClosedError,
    OfferOverError,
    TooLateError,
    WishGoneError,
)
from booking_web.booking.person import check_person
from booking_web.booking.waiting import LIMITS, LONGEST_DAYS, check_preference
from booking_web.language import current_language
from booking_web.site import choice_values, current_site, page_url, weekday_names
from booking_web.views import entries as kept
from booking_web.views.booking import TRAP
from booking_web.views.choosing import start_from
from booking_web.views.query import choice_from_query, choice_of, read_day, read_start
from booking_web.views.visitor import network
from calendar_server.client import Caller, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from werkzeug.wrappers import Response

    from booking_web.booking.appointments import Booked
    from booking_web.booking.choice import Choice
    from booking_web.booking.person import Person
    from booking_web.booking.waiting import Preference, Wish

_DAYS = tuple(f"day-{number}" for number in range(7))
_PREFERENCE = ("until", "part", *_DAYS)
_FIELDS = (*_PREFERENCE, "name", "email", "phone", "remarks", TRAP)
_KEY_LIMIT = 100
_WORKDAYS = frozenset(range(5))
_DAY = 86_400
_CLOSED = "geschlossen"
_LIST = "warteliste"
"""Whose entries the cookie keeps: the way onto the list has no time in hand, and so no token."""
_REFUSED = {
    error.code: error
    for error in (
        FieldError("email", "too-many-wishes"),
        FieldError("services", "unknown-service"),
        FieldError("until", "wish-past"),
    )
}
"""Why the calendar may refuse what the form had nothing against."""
_REFUSALS = (InvalidError, LimitedError, ListClosedError, UnavailableError)
Step = Literal["waiting", "waiting_check_again"]
"""A page of the way onto the list, by the name of its route."""
_SHOWN = 3
"""Free times that are shown to somebody who is about to wait for one."""


def _choice() -> Choice:
    choice = choice_from_query()
    if not choice.office.waiting:
        raise ListClosedError
    return replace(choice, group=1)


def _offered_days(choice: Choice) -> frozenset[int]:
    """The weekdays to choose from: those on which the office has opening windows for it."""
    return current_site().feed(choice.office).weekdays(choice.service_ids) or _WORKDAYS


def form() -> Response:
    """What she waits for, and who she is. The empty form holds nothing personal: a browser may keep it."""
    choice = _choice()
    entered = kept.remembered(_LIST, _FIELDS) if "angaben" in request.args else None
    if entered:
        return _again("waiting", choice, entered, request.args)
    page = _form_page(choice, _unasked(choice), ())
    page.headers["Cache-Control"] = "private, no-cache"
    if kept.COOKIE not in request.cookies:
        # Whether it comes back with the form tells whether this browser keeps any.
        kept.remember(page, _LIST, {})
    return page


def check_again() -> Response:
    """Everything once more before it counts, and what's free already."""
    choice = _choice()
    entered = kept.remembered(_LIST, _FIELDS)
    if not entered:
        return redirect(page_url("waiting", **choice_values(choice)), 303)
    _tell()
    return _again("waiting_check_again", choice, entered, request.args)


def _again(step: Step, choice: Choice, entered: Mapping[str, str], query: Mapping[str, str]) -> Response:
    """Show a page with what was entered; with `geprueft` in the query, say what is wrong with that, and with `grund`, why it was refused."""
    entries = {name: entered.get(name, "") for name in _FIELDS}
    if step == "waiting" and "geprueft" not in query:
        return _form_page(
            choice, entries, [_REFUSED[code]] if (code := query.get("grund")) in _REFUSED else ()
        )
    try:
        preference, person = _checked(choice, entries)
    except InvalidError as error:
        return _form_page(choice, entries, error.errors)
    if step == "waiting":
        return _form_page(choice, entries, ())
    return _check_page(choice, entries, preference, person)


def _lead_to(step: Step, choice: Choice, entries: Mapping[str, str], **query: str) -> Response:
    """Lead on to a page of the way, where its address can be opened again; without cookies, answer with it at once."""
    return _led(step, choice, entries, **query) or _again(step, choice, entries, query)


def _led(step: Step, choice: Choice, entries: Mapping[str, str], **query: str) -> Response | None:
    if kept.COOKIE not in request.cookies:
        return None
    page = redirect(page_url(step, **choice_values(choice), **query), 303)
    return page if kept.remember(page, _LIST, entries) else None


def _unasked(choice: Choice) -> dict[str, str]:
    """What the form says before she has chosen anything."""
    return {f"day-{number}": "1" for number in _offered_days(choice)} | {"part": "any"}


def _form_page(
    choice: Choice, entries: dict[str, str], errors: Sequence[FieldError], replaced: Booked | None = None
) -> Response:
    """With `replaced`, for another time of that appointment: who she is is known then."""
    today = current_site().now().astimezone(choice.office.zone).date()
    names = weekday_names()
    page = render_template(
        "waiting_form.html",
        choice=choice,
        replaced=replaced,
        entries=entries,
        errors=errors,
        wrong={error.field: error for error in reversed(errors)},
        days=[(number, names[number][1]) for number in sorted(_offered_days(choice))],
        today=today,
        latest=today + timedelta(days=LONGEST_DAYS),
    )
    return make_response(page, 422 if errors else 200)


def _entries() -> dict[str, str]:
    return {name: request.form.get(name, "")[:1000] for name in _FIELDS}


def _preference(choice: Choice, entries: dict[str, str], errors: list[FieldError]) -> Preference | None:
    """Check which times suit her; None if something can't be, with the reasons in `errors`."""
    days = frozenset(number for number, name in enumerate(_DAYS) if entries[name])
    if not days:
        errors.append(FieldError("days", "wish-days"))
    return check_preference(
        choice.office,
        until=read_day(entries["until"]),
        # Whoever ticks all days also wants one that is opened later.
        weekdays=() if days >= _offered_days(choice) else days,
        part=entries["part"],
        now=current_site().now(),
        errors=errors,
    )


def _checked(choice: Choice, entries: dict[str, str]) -> tuple[Preference, Person]:
    """Check all that was entered. InvalidError names every field at fault."""
    errors: list[FieldError] = []
    if entries[TRAP]:
        # A browser that fills in too much could be a person's, so she's told and may go on.
        entries[TRAP] = ""
        errors.append(FieldError(TRAP, "leave-empty"))
    preference = _preference(choice, entries, errors)
    person = None
    try:
        person = check_person(
            name=entries["name"],
            email=entries["email"],
            phone=entries["phone"],
            remarks=entries["remarks"],
            language=current_language(),
            choice=choice,
        )
    except InvalidError as error:
        errors.extend(error.errors)
    if errors or preference is None or person is None:
        raise InvalidError(errors)
    return preference, person


def check() -> Response:
    """What she entered has come: lead on to everything once more, or back to what has to be mended, or to what she wants to change."""
    try:
        choice = _choice()
    except ListClosedError:
        return redirect(page_url("waiting", **request.args.to_dict(flat=False)), 303)
    entries = _entries()
    if request.form.get("wish") == "change":
        return _lead_to("waiting", choice, entries, angaben="1")
    try:
        _checked(choice, dict(entries))
    except InvalidError:
        return _lead_to("waiting", choice, entries, angaben="1", geprueft="1")
    return _lead_to("waiting_check_again", choice, entries)


def _check_page(
    choice: Choice,
    entries: dict[str, str],
    preference: Preference,
    person: Person | None,
    replaced: Booked | None = None,
) -> Response:
    site = current_site()
    free = [
        start
        for offer in site.feed(choice.office).offers(choice, site.now())
        for start in offer.starts
        if preference.suits(start)
    ]
    page = render_template(
        "waiting_check.html",
        choice=choice,
        replaced=replaced,
        preference=preference,
        weekdays=_weekdays(preference),
        person=person,
        entries=entries,
        key=new_key(),
        free=free[:_SHOWN],
    )
    return make_response(page)


def _weekdays(preference: Preference) -> list[str]:
    names = weekday_names()
    return [names[number][1] for number in sorted(preference.weekdays)]


def add() -> Response:
    """Put her on the list. Where addresses must be proved, only the mail leads to her place."""
    try:
        choice = _choice()
    except ListClosedError:
        return redirect(page_url("waiting", **request.args.to_dict(flat=False)), 303)
    entries = _entries()
    site = current_site()
    key = request.form.get("key", "")[:_KEY_LIMIT]
    try:
        preference, person = _checked(choice, dict(entries))
        wish = site.waiting.on_behalf_of(Caller(network())).add(choice, preference, person, key)
    except _REFUSALS as error:
        if isinstance(error, InvalidError) and error.errors[0].code not in _REFUSED:
            return _lead_to("waiting", choice, entries, angaben="1", geprueft="1")
        step: Step = "waiting" if isinstance(error, InvalidError) else "waiting_check_again"
        page = _led(step, choice, entries, **_why(error))
        if page is not None:
            return page
        if step == "waiting":
            return _again(step, choice, entries, _why(error))
        raise
    proved = site.settings.protection.activate_within(proved=False) is None
    page = redirect(page_url("wish", token=wish.token, new="1") if proved else page_url("waiting_added"), 303)
    kept.forget(page)
    return page


def _why(error: Exception) -> dict[str, str]:
    """What the address of the page says on which she learns why she isn't on the list."""
    match error:
        case InvalidError():
            return {"angaben": "1", "grund": error.errors[0].code}
        case LimitedError():
            until = current_site().now() + timedelta(seconds=error.seconds)
            return {"grund": error.rule, "ab": until.replace(microsecond=0).isoformat()}
        case ListClosedError():
            return {"grund": _CLOSED}
    return {}


def _tell() -> None:
    """Tell what the address says of why she isn't on the list: raises ListClosedError, LimitedError as long as it lasts."""
    if request.args.get("grund") == _CLOSED:
        raise ListClosedError
    rule, until = request.args.get("grund", ""), read_start(request.args.get("ab"))
    if rule in LIMITS and until is not None and until > (now := current_site().now()):
        raise LimitedError(rule, min(math.ceil((until - now).total_seconds()), _DAY))


def _to_replace(token: str) -> tuple[Booked, Choice]:
    """Her appointment, and its services as the town has them now. TooLateError, ListClosedError."""
    site = current_site()
    booked = site.appointments.find(token)
    if not site.appointments.may_change(booked):
        raise TooLateError
    try:
        choice = choice_of(site.settings.town, booked.appointment)
    except InvalidError as error:
        raise ListClosedError from error
    if not booked.office.waiting or booked.appointment.is_hold or choice.group > 1:
        raise ListClosedError
    return booked, choice


def _chosen(values: Mapping[str, str]) -> dict[str, str]:
    return {name: values.get(name, "")[:100] for name in _PREFERENCE}


def instead(token: str) -> Response:
    """Who has an appointment and finds no better time waits for one."""
    booked, choice = _to_replace(token)
    entries = _chosen(request.args) if "part" in request.args else _unasked(choice)
    code = request.args.get("grund")
    return _form_page(choice, entries, [_REFUSED[code]] if code in _REFUSED else (), booked)


def check_instead(token: str) -> Response:
    """Everything once more before it counts."""
    booked, choice = _to_replace(token)
    _tell()
    entries, errors = _chosen(request.args), list[FieldError]()
    preference = _preference(choice, entries, errors)
    if preference is None or errors:
        return _form_page(choice, entries, errors, booked)
    return _check_page(choice, entries, preference, None, booked)


def add_instead(token: str) -> Response:
    """Put her on the list; what she takes replaces her appointment. Whoever has its link has confirmed her address, or needn't."""
    entries, errors = _chosen(request.form), list[FieldError]()
    step, why = "waiting_instead_check", dict[str, str]()
    try:
        booked, choice = _to_replace(token)
        preference = _preference(choice, entries, errors)
        if preference is not None and not errors:
            waiting = current_site().waiting.on_behalf_of(Caller(network()))
            wish = waiting.add_instead(booked, preference, request.form.get("key", "")[:_KEY_LIMIT])
            return redirect(page_url("wish", token=wish.token, new="1"), 303)
    except (*_REFUSALS, GoneError, TooLateError) as error:
        why = _why(error)
        if isinstance(error, InvalidError):
            step = "waiting_instead"
    said = {name: value for name, value in {**entries, **why}.items() if value}
    return redirect(page_url(step, token=token, **said), 303)


def added() -> str:
    """She is on the list, and finds the link in her mail."""
    return render_template("waiting_added.html")


def _page(wish: Wish, status: int = 200, **values: object) -> Response:
    try:
        choice = choice_of(current_site().settings.town, wish.wanted)
    except InvalidError:
        choice = None
    page = render_template(
        "wish.html",
        wish=wish,
        office=wish.office,
        choice=choice,
        weekdays=_weekdays(wish.preference),
        end=_end(wish),
        **values,
    )
    return make_response(page, status)


def _end(wish: Wish) -> datetime | None:
    return None if wish.offered is None else wish.offered + (wish.wanted.end - wish.wanted.start)


def show(token: str) -> Response:
    """Her place on the list as it stands, and what's offered to her; with `weg`, that what she wanted to take is over."""
    wish = current_site().waiting.find(token)
    too_late = "weg" in request.args and wish.state != "taken"
    return _page(
        wish,
        409 if too_late else 200,
        new="new" in request.args,
        declined="declined" in request.args,
        too_late=too_late,
        too_short=request.args.get("weg") == "kurz",
    )


def _or_her_page(token: str, decide: Callable[[], Response]) -> Response:
    """Decide; what can't be done is told by the page of her place, which can be loaded again."""
    try:
        return decide()
    except OfferOverError as error:
        return redirect(page_url("wish", token=token, weg="kurz" if error.too_short else "1"), 303)
    except (WishGoneError, UnavailableError):
        return redirect(page_url("wish", token=token), 303)


def accept(token: str) -> Response:
    """Take what is offered: it's an appointment then."""
    return _or_her_page(token, lambda: _accept(token))


def _accept(token: str) -> Response:
    wish = current_site().waiting.accept(token, start_from(request.form.get("start")))
    current_site().follower.feeds[wish.office.id].outdate()
    if wish.replaces:
        return redirect(page_url("appointment", token=wish.booked, moved="1"), 303)
    return redirect(page_url("done", token=wish.booked), 303)


def decline(token: str) -> Response:
    """Leave what is offered to others, and wait on."""
    return _or_her_page(token, lambda: _decline(token))


def _decline(token: str) -> Response:
    wish = current_site().waiting.decline(token, start_from(request.form.get("start")))
    return redirect(page_url("wish", token=wish.token, declined="1"), 303)


def leave(token: str) -> Response:
    """Ask before she leaves the list."""
    wish = current_site().waiting.find(token)
    return make_response(render_template("wish_leave.html", wish=wish))


def leave_now(token: str) -> Response:
    """Take her off the list."""
    return _or_her_page(token, lambda: _leave(token))


def _leave(token: str) -> Response:
    wish = current_site().waiting.leave(token)
    return redirect(page_url("wish", token=wish.token), 303)

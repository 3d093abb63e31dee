"""The first steps, in which nothing personal is asked: services, documents, day and time."""

from __future__ import annotations

from calendar import Calendar
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from flask import make_response, redirect, render_template, request

from booking_web.booking.appointments import new_key
from booking_web.booking.checklist import checklist
from booking_web.booking.choice import choose, choose_office, parse_line, read_group
from booking_web.booking.errors import FieldError, GoneError, InvalidError
from booking_web.booking.search import search, words_of
from booking_web.language import current_language, ngettext
from booking_web.site import choice_values, current_site, page_url, weekday_names
from booking_web.views.query import choice_from_query, pick, read_day, read_start
from optimizer.group import Arrangement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from werkzeug.datastructures import MultiDict
    from werkzeug.wrappers import Response

    from booking_web.booking.appointments import Booked
    from booking_web.booking.availability import DayOffer
    from booking_web.booking.choice import Choice
    from booking_web.town import OfficeInfo, Service

HOLD_COOKIE = "termin_hold"
_NOON = 12


@dataclass(frozen=True, slots=True)
class Row:
    """A service as it's listed: ticked or not, for how many persons, and whether the search found it."""

    service: Service
    ticked: bool
    persons: int
    found: bool
    words: str


def ticked_in(given_in: MultiDict[str, str]) -> dict[str, int]:
    """What is ticked: `service=ID[:PERSONS]` of a link, or the form's `service=ID` with `persons-ID=N`."""
    ticked: dict[str, int] = {}
    for text in given_in.getlist("service")[:30]:
        try:
            service_id, persons = parse_line(text)
        except InvalidError:
            service_id, persons = text.partition(":")[0], 1
        given = given_in.get(f"persons-{service_id}", "")
        if given.isascii() and given.isdecimal() and len(given) <= 3:
            persons = int(given)
        ticked[service_id] = persons
    return ticked


def services() -> Response | str:
    """Step 1: which services, for how many persons. "Weiter" leads on to a plain address with the choice."""
    town = current_site().settings.town
    office = _office()
    ticked = ticked_in(request.args)
    group = _group()
    errors: Sequence[FieldError] = ()
    if "weiter" in request.args:
        values = {
            "office": office.id,
            "service": [name if persons == 1 else f"{name}:{persons}" for name, persons in ticked.items()],
        }
        try:
            # The next page would refuse the same, but here she can mend it.
            choice = _checked(office, ticked, group)
        except InvalidError as error:
            errors = error.errors
        else:
            values = choice_values(choice)
            return redirect(page_url("documents", **values), 303)
    query = request.args.get("q", "")[:100].strip()
    found = search(town.services_of(office), query, current_language())
    rows = rows_of(office, ticked, found)
    page = render_template(
        "services.html",
        office=office,
        rows=rows,
        query=query,
        found=len(found),
        found_texts=[
            ngettext(
                "%(num)s Anliegen passt zu Ihrer Suche.", "%(num)s Anliegen passen zu Ihrer Suche.", number
            )
            for number in range(1, len(rows) + 1)
        ],
        errors=errors,
        group=min(group, office.release.max_group),
    )
    return make_response(page, 422 if errors else 200)


def rows_of(office: OfficeInfo, ticked: Mapping[str, int], found: Sequence[Service]) -> list[Row]:
    """Return the office's services as they are listed, what was `found` first and in its order."""
    order = {service.id: number for number, service in enumerate(found)}
    return [
        Row(
            service,
            service.id in ticked,
            max(1, min(ticked.get(service.id, 1), service.max_persons)),
            service in found,
            words_of(service, current_language()),
        )
        for service in sorted(
            current_site().settings.town.services_of(office), key=lambda each: order.get(each.id, len(order))
        )
    ]


def _office() -> OfficeInfo:
    town = current_site().settings.town
    try:
        return choose_office(town, request.args.get("office"))
    except InvalidError:
        return town.offices[0]


def _group() -> int:
    try:
        return read_group(request.args.get("group"))
    except InvalidError:
        return 1


def _checked(office: OfficeInfo, ticked: dict[str, int], group: int) -> Choice:
    return choose(current_site().settings.town, office.id, ticked.items(), group=group)


def documents() -> Response | str:
    """Step 2: what to bring, what it costs, what can be done online instead."""
    try:
        choice = choice_from_query()
    except InvalidError:
        return _back_to_services()
    return render_template("documents.html", choice=choice, items=checklist(choice))


def _back_to_services() -> Response:
    """A choice that can't be: the first page says why."""
    values: dict[str, Any] = {"service": request.args.getlist("service")[:30], "weiter": "1"}
    for name in ("office", "group"):
        if name in request.args:
            values[name] = request.args[name]
    return redirect(page_url("services", **values), 303)


@dataclass(frozen=True, slots=True)
class Month:
    """A month as weeks of days, with what is free on each; the months before and after if there's something to see."""

    first: date
    weeks: tuple[tuple[date, ...], ...]
    before: date | None
    after: date | None


def month_of(day: date, offers: Sequence[DayOffer]) -> Month:
    """Return the month around `day`."""
    first = day.replace(day=1)
    after = (first + timedelta(days=32)).replace(day=1)
    return Month(
        first,
        tuple(tuple(week) for week in Calendar().monthdatescalendar(first.year, first.month)),
        (first - timedelta(days=1)).replace(day=1) if any(offer.day < first for offer in offers) else None,
        after if any(offer.day >= after for offer in offers) else None,
    )


def time_values(offers: Sequence[DayOffer], wanted: date | None) -> dict[str, Any]:
    """Return what the list of days and times is rendered with, for the chosen day or the first free one."""
    by_day = {offer.day: offer for offer in offers}
    day = pick(by_day, wanted)
    days = sorted(by_day)
    at = days.index(day) if day is not None else 0
    starts: tuple[datetime, ...] = by_day[day].starts if day is not None else ()
    as_month = request.args.get("ansicht") == "monat"
    shown = read_day(request.args.get("monat")) or day
    return {
        "offers": offers,
        "by_day": by_day,
        "day": day,
        "previous": days[at - 1] if at > 0 else None,
        "following": days[at + 1] if day is not None and at + 1 < len(days) else None,
        "morning": [start for start in starts if start.hour < _NOON],
        "afternoon": [start for start in starts if start.hour >= _NOON],
        "month": month_of(shown, offers) if as_month and shown else None,
        "weekdays": weekday_names(),
    }


def live_hold() -> Booked | None:
    """Return the time that is kept for this browser, if any."""
    token = request.cookies.get(HOLD_COOKIE)
    if not token:
        return None
    try:
        booked = current_site().appointments.find(token)
    except GoneError:
        return None
    return booked if booked.appointment.is_hold else None


def times() -> Response | str:
    """Step 3: day and time."""
    try:
        choice = choice_from_query()
    except InvalidError:
        return _back_to_services()
    return times_page(choice, taken=read_start(request.args.get("weg")))


def times_page(
    choice: Choice, *, taken: datetime | None = None, errors: Sequence[FieldError] = ()
) -> Response:
    """Render the days and times; with `taken`, say that this time has gone and show the nearest ones."""
    site = current_site()
    feed = site.feed(choice.office)
    offers = feed.offers(choice, site.now())
    wanted = read_day(request.args.get("day")) or (
        taken.astimezone(choice.office.zone).date() if taken else None
    )
    page = render_template(
        "times.html",
        choice=choice,
        key=new_key(),
        taken=taken,
        errors=errors,
        arrangements=[replace(choice, arrangement=each) for each in Arrangement] if choice.group > 1 else (),
        places=_places(choice, offers),
        nearest=feed.nearest(choice, site.now(), taken) if taken else (),
        held=live_hold(),
        released=None if offers else feed.next_release(choice, site.now()),
        **time_values(offers, wanted),
    )
    return make_response(page, 409 if taken else 422 if errors else 200)


def _places(choice: Choice, offers: Sequence[DayOffer]) -> list[tuple[Choice, datetime | None]]:
    """Where else the same can be done, with the earliest free start there; this office among them. Empty if there's only one."""
    site = current_site()
    found: list[tuple[Choice, datetime | None]] = []
    for office in site.settings.town.offices:
        if office == choice.office:
            found.append((choice, offers[0].starts[0] if offers else None))
            continue
        lines = ((service.id, persons) for service, persons in choice.chosen)
        try:
            same = choose(
                site.settings.town, office.id, lines, group=choice.group, arrangement=choice.arrangement
            )
        except InvalidError:
            continue
        found.append((same, site.feed(office).earliest(same, site.now())))
    found.sort(key=lambda place: (place[1] is None, place[1] and place[1].timestamp()))
    return found if len(found) > 1 else []


def start_from(text: str | None) -> datetime:
    """Read a chosen start; InvalidError if there's none."""
    start = read_start(text)
    if start is None:
        raise InvalidError([FieldError("start", "required")])
    return start

"""The page that tells why nothing is free: on a day, at a time, or for a drawing that was refused."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from flask import g, make_response, render_template, request
from flask_babel import gettext

from booking_web.booking.choice import Choice
from booking_web.staff import periods
from booking_web.staff.offices import own_office
from booking_web.staff.state import current_staff
from calendar_server.client import RefusedError

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from werkzeug.wrappers import Response

    from booking_web.town import OfficeInfo

_MOST_MINUTES = 24 * 60
_MOST_PERSONS = 99
_LONGEST = 40


def why() -> Response:
    """Ask for services, a day and perhaps a time; with them, say what stands in the way in whose calendar."""
    office = own_office()
    if office is None:
        return make_response(render_template("staff/message.html", what="no-office"))
    entries = _entries(office)
    mistakes: dict[str, str] = {}
    found = None
    if "day" in request.args:
        found, mistakes = _answer(office, entries)
    desk = g.who.calendar.desk
    page = render_template(
        "staff/why.html",
        office=office,
        services=current_staff().settings.town.services_of(office),
        entries=entries,
        mistakes=mistakes,
        found=None if found is None else readable(found, office.zone),
        refused=[readable(each, office.zone) for each in desk.refused(office.id)],
    )
    return make_response(page, 422 if mistakes else 200)


def _entries(office: OfficeInfo) -> dict[str, Any]:
    today = current_staff().settings.clock().astimezone(office.zone).date()
    given = {
        name: request.args.get(name, "")[:_LONGEST].strip() for name in ("day", "start", "minutes", "persons")
    }
    chosen = [each for each in request.args.getlist("service") if each in office.services]
    return {**given, "day": given["day"] or (today + timedelta(days=1)).isoformat(), "services": chosen}


def _answer(office: OfficeInfo, entries: dict[str, Any]) -> tuple[dict[str, Any] | None, dict[str, str]]:
    mistakes: dict[str, str] = {}
    day, start = periods.read_date(entries["day"]), None
    if day is None:
        mistakes["day"] = gettext("Geben Sie einen Tag an, zum Beispiel 07.12.2026.")
    if entries["start"]:
        start = periods.read_clock(entries["start"])
        if start is None:
            mistakes["start"] = gettext("Geben Sie eine Uhrzeit an, zum Beispiel 8:00.")
    persons = int(entries["persons"]) if entries["persons"].isdecimal() else 1
    minutes = _minutes(office, entries, min(max(persons, 1), _MOST_PERSONS))
    if minutes is None:
        mistakes["services"] = gettext("Wählen Sie mindestens ein Anliegen.")
    elif not 1 <= minutes <= _MOST_MINUTES:
        mistakes["minutes"] = gettext("Geben Sie eine Dauer in Minuten an.")
    if mistakes or minutes is None:
        return None, mistakes
    try:
        return g.who.calendar.desk.why(office.id, day, entries["services"], minutes, start), {}
    except RefusedError:
        # The day lies beyond any calendar.
        return None, {"day": gettext("Geben Sie einen Tag an, zum Beispiel 07.12.2026.")}


def _minutes(office: OfficeInfo, entries: dict[str, Any], persons: int) -> int | None:
    """How long it takes: as said, or as the services do; None if neither is known."""
    if entries["minutes"]:
        return int(entries["minutes"]) if entries["minutes"].isdecimal() else 0
    if not entries["services"]:
        return None
    town = current_staff().settings.town
    chosen = tuple(
        (service, min(persons, service.max_persons))
        for service in town.services_of(office)
        if service.id in entries["services"]
    )
    return int(Choice(office, chosen).duration.total_seconds() // 60)


def readable(found: dict[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    """Return what `calendar_server.why.explain` found with moments instead of texts."""

    def moment(text: str) -> datetime:
        return datetime.fromisoformat(text).astimezone(zone)

    def periods(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**each, "start": moment(each["start"]), "end": moment(each["end"])} for each in entries]

    return {
        **found,
        "day": date.fromisoformat(found["day"]),
        "start": time.fromisoformat(found["start"]) if found["start"] else None,
        "possible": [moment(each) for each in found["possible"]],
        "earliest": moment(found["earliest"]) if found["earliest"] else None,
        "windows": periods(found["windows"]),
        "closures": periods(found["closures"]),
        "at": moment(found["at"]) if "at" in found else None,
        "clerks": [
            {
                **each,
                "own": periods(each["own"]),
                "periods": [(moment(start), moment(end)) for start, end in each["periods"]],
            }
            for each in found["clerks"]
        ],
    }

"""The page that tells what another opening window or another clerk would bring. It changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import g, request
from flask_babel import gettext

from booking_web.language import local
from booking_web.planning import scenarios
from booking_web.staff import periods
from booking_web.staff.planning import guarded, page, today_at
from booking_web.staff.state import current_staff
from optimizer.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from werkzeug.wrappers import Response

    from booking_web.town import OfficeInfo
    from optimizer.whatif import Wish

_LONGEST = 40
_NUMBERS = {"weeks": (4, 12), "per_week": (100, 1000), "seed": (1, 999_999)}
"""Defaults and largest values."""


def whatif() -> Response:
    """Ask what is to be tried; with that, show the difference as a small table."""
    return guarded(_view)


def _view(office: OfficeInfo) -> Response:
    desk, today, town = g.who.calendar.desk, today_at(office), current_staff().settings.town
    entries = _entries()
    weeks = entries["weeks"]
    first, last = scenarios.weeks_from(today, min(max(weeks, 1), _NUMBERS["weeks"][1]))
    snapshot = Snapshot.from_json(desk.snapshot(office.id, first, last))
    shown: dict[str, Any] = {
        "office": office,
        "people": [(clerk.id, clerk.name) for clerk in snapshot.clerks],
        "offered": [(each.id, local(each.name)) for each in town.services_of(office)],
        "entries": entries,
        "mistakes": {},
        "found": None,
    }
    if "what" not in request.args:
        return page("staff/whatif.html", **shown)
    change, mistakes = _change(snapshot, entries)
    for name, (_, most) in _NUMBERS.items():
        if not 1 <= entries[name] <= most:
            mistakes[name] = gettext("Geben Sie eine Zahl von 1 bis %(most)s an.", most=most)
    if mistakes or change is None:
        return page("staff/whatif.html", 422, **{**shown, "mistakes": mistakes})
    lengths = scenarios.lengths(town.services_of(office))
    demand = _demand(office, snapshot, entries, lengths)
    if not demand:
        shown["nothing"] = True
    else:
        shown["found"] = scenarios.forecast(snapshot, change, demand, lengths)
    return page("staff/whatif.html", **shown)


def _demand(
    office: OfficeInfo, snapshot: Snapshot, entries: Mapping[str, Any], lengths: Mapping[str, int]
) -> tuple[Wish, ...]:
    if entries["demand"] == "generated":
        return scenarios.generated_demand(snapshot, entries["per_week"], lengths, entries["seed"])
    first, last = scenarios.weeks_before(today_at(office), entries["weeks"])
    records = g.who.calendar.desk.demand(office.id, first, last)
    return scenarios.past_demand(records[: scenarios.MOST_WISHES], first, office.zone)


def _entries() -> dict[str, Any]:
    given = {
        name: request.args.get(name, "")[:_LONGEST].strip() for name in ("what", "demand", "day", "like")
    }
    numbers = {}
    for name, (usual, _) in _NUMBERS.items():
        text = request.args.get(name, "")[:_LONGEST].strip()
        numbers[name] = usual if not text else int(text) if text.isdecimal() and text.isascii() else 0
    return {
        **given,
        **numbers,
        "what": given["what"] or "window",
        "demand": given["demand"] or "past",
        "day": given["day"] or "3",
        "start": request.args.get("start", "14:00")[:_LONGEST].strip(),
        "end": request.args.get("end", "18:00")[:_LONGEST].strip(),
        "clerks": request.args.getlist("clerk"),
        "services": request.args.getlist("service"),
    }


def _change(
    snapshot: Snapshot, entries: Mapping[str, Any]
) -> tuple[scenarios.NewWindow | scenarios.NewClerk | None, dict[str, str]]:
    clerks = {clerk.id for clerk in snapshot.clerks}
    mistakes: dict[str, str] = {}
    if entries["what"] == "clerk":
        services = frozenset(entries["services"]) & {
            service.id for service in current_staff().settings.town.services
        }
        if not services:
            mistakes["services"] = gettext("Wählen Sie mindestens ein Anliegen.")
        if entries["like"] not in clerks:
            mistakes["like"] = gettext("Wählen Sie, wessen Arbeitszeit gilt.")
        return (None if mistakes else scenarios.NewClerk(services, entries["like"])), mistakes
    times = []
    for name in ("start", "end"):
        clock = periods.read_clock(entries[name])
        if clock is not None:
            times.append(clock)
        else:
            mistakes[name] = gettext("Geben Sie eine Uhrzeit an, zum Beispiel 8:00.")
    if len(times) == 2 and times[0] >= times[1]:
        mistakes["end"] = gettext("Das Ende muss nach dem Beginn liegen.")
    if entries["day"] not in set("0123456"):
        mistakes["day"] = gettext("Wählen Sie einen Wochentag.")
    working = frozenset(entries["clerks"]) & clerks if entries["clerks"] else frozenset(clerks)
    if not working:
        mistakes["clerks"] = gettext("Wählen Sie, wer dann arbeiten würde.")
    if mistakes:
        return None, mistakes
    return scenarios.NewWindow(int(entries["day"]), times[0], times[1], frozenset(working)), {}

"""The pages with figures: how busy everybody is this week, and statistics of the past.

The calendar server decides who may see them: whoever leads the office.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from flask import Response, g, request
from flask_babel import gettext

from booking_web.language import local
from booking_web.planning import load as loads
from booking_web.planning import statistics as counting
from booking_web.staff import periods
from booking_web.staff.planning import guarded, page, today_at
from booking_web.staff.state import current_staff
from booking_web.views.query import read_day
from optimizer.snapshot import Snapshot

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as BaseResponse

    from booking_web.town import OfficeInfo

_WEEKS_BACK = 4
_MOST_DAYS = 400


def load() -> BaseResponse:
    """A week's booked and bookable minutes of each clerk."""

    def view(office: OfficeInfo) -> BaseResponse:
        today = today_at(office)
        monday = counting.monday_of(read_day(request.args.get("day")) or today)
        sunday = monday + timedelta(days=6)
        snapshot = Snapshot.from_json(g.who.calendar.desk.snapshot(office.id, monday, sunday, open_only=True))
        return page(
            "staff/load.html",
            office=office,
            first=monday,
            last=sunday,
            before=monday - timedelta(days=7),
            after=monday + timedelta(days=7),
            is_this_week=monday <= today <= sunday,
            may_balance=sunday >= today,
            load=loads.of(snapshot),
        )

    return guarded(view)


def statistics() -> BaseResponse:
    """Figures of some days, by default of the last weeks."""

    def view(office: OfficeInfo) -> BaseResponse:
        entries, days = _period(office)
        if isinstance(days, dict):
            return page("staff/statistics.html", 422, office=office, entries=entries, mistakes=days)
        desk = g.who.calendar.desk
        visits = counting.visits(desk.demand(office.id, *days), office.zone)
        return page(
            "staff/statistics.html",
            office=office,
            entries=entries,
            mistakes={},
            found=counting.of(visits, desk.called_off(office.id, *days)),
            names=_names(),
        )

    return guarded(view)


def statistics_table() -> BaseResponse:
    """The same days as a file for a spreadsheet."""

    def view(office: OfficeInfo) -> BaseResponse:
        entries, days = _period(office)
        if isinstance(days, dict):
            return page("staff/statistics.html", 422, office=office, entries=entries, mistakes=days)
        visits = counting.visits(g.who.calendar.desk.demand(office.id, *days), office.zone)
        header = (
            gettext("Tag"),
            gettext("Anliegen"),
            gettext("Termine"),
            gettext("Minuten"),
            gettext("Abgesagt"),
        )
        response = Response(counting.table(visits, header, _names()), mimetype="text/csv")
        name = f"{office.id}-{days[0]}-{days[1]}.csv"
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return response

    return guarded(view)


def _period(office: OfficeInfo) -> tuple[dict[str, str], tuple[date, date] | dict[str, str]]:
    today = today_at(office)
    entries = periods.typed(request.args, first=today - timedelta(weeks=_WEEKS_BACK), last=today)
    too_long = gettext("Der letzte Tag liegt nicht vor dem ersten und höchstens ein Jahr danach.")
    return entries, periods.read(entries, _MOST_DAYS, too_long)


def _names() -> dict[str, str]:
    names = {service.id: local(service.name) for service in current_staff().settings.town.services}
    return {**names, counting.DRAWN: gettext("ohne Anliegen (eingezeichnet)")}

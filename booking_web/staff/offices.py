"""Which office a page of the staff is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import g, request

from booking_web.staff.state import current_staff

if TYPE_CHECKING:
    from booking_web.staff.calendar import Principal
    from booking_web.town import OfficeInfo


def own_offices() -> list[OfficeInfo]:
    """Return the offices that the account of this request may read."""
    readable = {principal.id for principal in g.who.calendar.principals()}
    return [office for office in current_staff().settings.town.offices if office.id in readable]


def colleagues() -> list[Principal]:
    """Return whose calendars of their own the account of this request may read, by name."""
    offices = {office.id for office in current_staff().settings.town.offices}
    people = [principal for principal in g.who.calendar.principals() if principal.id not in offices]
    return sorted(people, key=lambda principal: (principal.name, principal.id))


def own_office() -> OfficeInfo | None:
    """Return the office that the request names among those, else the first; None if there's none."""
    mine = own_offices()
    wanted = request.values.get("office")
    return next((office for office in mine if office.id == wanted), mine[0] if mine else None)

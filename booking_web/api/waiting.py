"""The waiting list for programs. Errors become problems in `booking_web.errors`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Response, jsonify

from booking_web.api import reading
from booking_web.api.views import key_scope, partner
from booking_web.booking.errors import FieldError, InvalidError
from booking_web.booking.waiting import Part, check_preference
from booking_web.site import current_site, page_url
from booking_web.views.query import read_day
from booking_web.views.visitor import network
from calendar_server.client import Caller

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from booking_web.booking.choice import Choice
    from booking_web.booking.waiting import Preference, Wish


def _preference(
    fields: Mapping[str, Any], choice: Choice | None, errors: list[FieldError]
) -> Preference | None:
    text = reading.text(fields, "until", errors, required=True)
    until = read_day(text)
    if text and until is None:
        errors.append(FieldError("until", "date"))
    part = reading.text(fields, "part", errors) or Part.ANY.value
    given = fields.get("weekdays")
    days = [] if given is None else given
    if not isinstance(days, list) or not all(type(day) is int for day in days):
        errors.append(FieldError("weekdays", "type"))
        return None
    if choice is None or until is None:
        return None
    # Monday is 1, as in ISO 8601.
    weekdays = [day - 1 for day in days]
    now = current_site().now()
    return check_preference(choice.office, until=until, weekdays=weekdays, part=part, now=now, errors=errors)


def _shown(wish: Wish, *, with_link: bool = True) -> dict[str, Any]:
    """The wish without what was entered about the person: whoever has the link needn't learn that."""
    town = current_site().settings.town

    def link(endpoint: str, token: str) -> str:
        return town.base_url + page_url(endpoint, token=token)

    return {
        "office": wish.office.id,
        "services": [{"id": line.id, "persons": line.persons} for line in wish.wanted.services],
        "state": wish.state,
        "until": wish.preference.until.isoformat(),
        "weekdays": [day + 1 for day in sorted(wish.preference.weekdays)],
        "part": wish.preference.part.value,
        "offered_start": wish.offered.isoformat() if wish.offered else None,
        "offered_until": wish.offered_until.isoformat() if wish.offered_until else None,
        "token": wish.token if with_link else None,
        "manage_url": link("wish", wish.token) if with_link else None,
        "appointment": wish.booked or None,
    }


def add() -> Response:
    """Put somebody on the list. Where addresses must be proved, only the mail has the link to her place."""
    name = partner()
    key = reading.idempotency_key()
    fields = reading.body()
    errors: list[FieldError] = []
    choice = reading.choice_of_body(fields, errors)
    preference = _preference(fields, choice, errors)
    person = reading.person_of_body(fields, choice, errors)
    if choice is None or preference is None or person is None or errors:
        raise InvalidError(errors)
    site = current_site()
    waiting = site.waiting.on_behalf_of(None if name else Caller(network()))
    wish = waiting.add(choice, preference, person, key or "", key_scope() if key else "")
    proved = name is not None or site.settings.protection.activate_within(proved=False) is None
    response = jsonify(_shown(wish, with_link=proved))
    response.status_code = 201
    if proved:
        response.headers["Location"] = f"/api/v1/waiting/{wish.token}"
    return response


def show(token: str) -> Response:
    """A wish as it stands."""
    partner()
    return jsonify(_shown(current_site().waiting.find(token)))


def _start() -> datetime:
    """The offered start that is meant: by now another one may be offered."""
    errors: list[FieldError] = []
    start = reading.start_of_body(reading.body(), errors)
    if start is None:
        raise InvalidError(errors)
    return start


def accept(token: str) -> Response:
    """Take what is offered."""
    partner()
    return jsonify(_shown(current_site().waiting.accept(token, _start())))


def decline(token: str) -> Response:
    """Leave what is offered to others, and wait on."""
    partner()
    return jsonify(_shown(current_site().waiting.decline(token, _start())))


def leave(token: str) -> Response:
    """Leave the list."""
    partner()
    current_site().waiting.leave(token)
    return Response(status=204)

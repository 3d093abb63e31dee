"""Reading what a program sent: every mistake becomes a named field, none an exception of the parser."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from flask import request
from werkzeug.exceptions import UnsupportedMediaType

from booking_web.booking.choice import Choice, choose, parse_line, read_arrangement, read_group
from booking_web.booking.errors import FieldError, InvalidError
from booking_web.booking.person import Person, check_person
from booking_web.site import current_site
from booking_web.views.query import read_day, read_start
from optimizer.group import Arrangement

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_SERVICES_LIMIT = 30
_MEDIA_TYPE = "application/json"
_UNNAMED = {"", "application/x-www-form-urlencoded"}
"""What programs call a body that nobody has named: nothing at all, or, as `curl --data` and Python's urllib do, a form."""


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} isn't JSON")


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        # RFC 8259 section 4 leaves open which one counts: a proxy that checks the first and we, who take the last, would disagree.
        raise ValueError("a name comes twice")
    return made


def body() -> Mapping[str, Any]:
    """Return the JSON object of the request's body. InvalidError (field "body") for anything else.

    415 for what is neither called JSON nor is an object of it, and for what another site's page sends without a word (docs/decisions/0221).
    """
    called_so = request.mimetype == _MEDIA_TYPE
    if not called_so and (request.mimetype not in _UNNAMED or _of_another_site()):
        raise UnsupportedMediaType
    try:
        parsed = json.loads(
            request.get_data(cache=False), parse_constant=_no_constant, object_pairs_hook=_once_each
        )
    except (ValueError, RecursionError) as error:
        if request.mimetype and not called_so:
            raise UnsupportedMediaType from error
        raise InvalidError([FieldError("body", "type")]) from error
    if not isinstance(parsed, dict):
        raise InvalidError([FieldError("body", "type")])
    return parsed


def _of_another_site() -> bool:
    """True if a page of another site lets its visitor's browser send this: browsers say so (Fetch standard, the `Origin` header)."""
    origin = request.headers.get("Origin")
    return origin is not None and origin not in {
        request.host_url.rstrip("/"),
        current_site().settings.town.base_url,
    }


def idempotency_key() -> str | None:
    """Return the Idempotency-Key header, or None without one. InvalidError for an unusable one."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not _KEY.fullmatch(key):
        raise InvalidError([FieldError("Idempotency-Key", "key")])
    return key


def text(fields: Mapping[str, Any], name: str, errors: list[FieldError], *, required: bool = False) -> str:
    """Return a text; adds to `errors` if it's missing or something else."""
    value = fields.get(name)
    if value is None:
        if required:
            errors.append(FieldError(name, "required"))
        return ""
    if not isinstance(value, str):
        errors.append(FieldError(name, "type"))
        return ""
    if required and not value:
        errors.append(FieldError(name, "required"))
    return value


def choice_of_body(fields: Mapping[str, Any], errors: list[FieldError]) -> Choice | None:
    """Read `office` and `services`; None if that failed, with the reasons in `errors`."""
    office = text(fields, "office", errors, required=True)
    services = fields.get("services")
    if not isinstance(services, list):
        errors.append(FieldError("services", "required" if services is None else "type"))
        return None
    if not services:
        errors.append(FieldError("services", "no-service"))
        return None
    lines: list[tuple[str, int]] = []
    for number, service in enumerate(services[: _SERVICES_LIMIT + 1]):
        path = f"services[{number}]"
        if not isinstance(service, dict) or not isinstance(service.get("id"), str):
            errors.append(FieldError(path, "type"))
            continue
        persons = service.get("persons", 1)
        if not isinstance(persons, int) or isinstance(persons, bool):
            errors.append(FieldError(f"{path}.persons", "type"))
            continue
        lines.append((service["id"], persons))
    group = fields.get("group", 1)
    if not isinstance(group, int) or isinstance(group, bool):
        errors.append(FieldError("group", "type"))
    arrangement = Arrangement.SOONEST
    try:
        arrangement = read_arrangement(text(fields, "arrangement", errors))
    except InvalidError as error:
        errors.extend(error.errors)
    if errors:
        return None
    town = current_site().settings.town
    try:
        return choose(town, office, lines, "services", group=group, arrangement=arrangement)
    except InvalidError as error:
        errors.extend(error.errors)
        return None


def choice_of_query() -> Choice:
    """Read `office=O&service=ID[:PERSONS]…[&group=N&arrangement=A]`. Raises InvalidError."""
    lines = [parse_line(each) for each in request.args.getlist("service")[: _SERVICES_LIMIT + 1]]
    return choose(
        current_site().settings.town,
        request.args.get("office"),
        lines,
        group=read_group(request.args.get("group")),
        arrangement=read_arrangement(request.args.get("arrangement")),
    )


def days_of_query() -> tuple[date | None, date | None]:
    """Read `from` and `to`, both optional. Raises InvalidError."""
    errors = []
    days: list[date | None] = []
    for name in ("from", "to"):
        given = request.args.get(name)
        day = read_day(given) if given is not None else None
        if given is not None and day is None:
            errors.append(FieldError(name, "date"))
        days.append(day)
    first, last = days
    if first is not None and last is not None and last < first:
        errors.append(FieldError("to", "range"))
    if errors:
        raise InvalidError(errors)
    return first, last


def start_of_body(fields: Mapping[str, Any], errors: list[FieldError]) -> datetime | None:
    """Read `start`, a time with its offset; None if that failed, with the reason in `errors`."""
    value = fields.get("start")
    if value is None:
        errors.append(FieldError("start", "required"))
        return None
    start = read_start(value) if isinstance(value, str) else None
    if start is None:
        errors.append(FieldError("start", "datetime"))
    return start


def person_of_body(
    fields: Mapping[str, Any], choice: Choice | None, errors: list[FieldError]
) -> Person | None:
    """Read the person; None if that failed, with the reasons in `errors`."""
    wrong: list[FieldError] = []
    texts = {name: text(fields, name, wrong) for name in ("name", "email", "phone", "remarks")}
    reminder = fields.get("reminder")
    if reminder is not None and not isinstance(reminder, bool):
        wrong.append(FieldError("reminder", "type"))
    language = text(fields, "language", wrong) or "de"
    if language not in current_site().settings.town.languages:
        wrong.append(FieldError("language", "unknown-language"))
    needs = fields.get("needs") or []
    if not isinstance(needs, list) or not all(isinstance(need, str) for need in needs):
        wrong.append(FieldError("needs", "type"))
        needs = []
    checked = None
    try:
        checked = check_person(
            **texts, reminder=reminder is True, language=language, needs=needs, choice=choice
        )
    except InvalidError as error:
        typed = {each.field for each in wrong}
        wrong.extend(each for each in error.errors if each.field not in typed)
    errors.extend(wrong)
    return None if wrong else checked

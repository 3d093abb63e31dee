"""The JSON API's operations: read, call a use case, answer. Errors become problems in `booking_web.errors`."""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Response, json, jsonify, request
from werkzeug.exceptions import Unauthorized

from booking_web.api import kept, reading
from booking_web.api.problems import problem
from booking_web.booking.appointments import times_of
from booking_web.booking.choice import choose_office
from booking_web.booking.durations import duration
from booking_web.booking.errors import FieldError, GoneError, InvalidError, ProofUsedError, SlotTakenError
from booking_web.language import gettext, local
from booking_web.site import current_site, page_url
from booking_web.views import appointment as pages
from booking_web.views.query import choice_of
from booking_web.views.visitor import PROOF_FIELD, network, visitors_appointments
from calendar_server.ical.appointment import Part

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from booking_web.booking.appointments import Appointments, Booked
    from booking_web.booking.choice import Choice
    from booking_web.booking.proof import Proof
    from booking_web.town import Document, Fee, Link, Service
    from calendar_server.ical.appointment import Appointment

_PURPOSE = "api"
"""What the solutions of the API's challenges count for."""
_DESCRIPTION = Path(__file__).parent / "openapi.json"


@lru_cache(maxsize=1)
def _description() -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(_DESCRIPTION.read_text())
    return parsed


def description() -> Response:
    """The OpenAPI description, with this site as its server."""
    base = current_site().settings.town.base_url
    return jsonify({**_description(), "servers": [{"url": f"{base}/api/v1"}]})


def partner() -> str | None:
    """Return the name of the trusted partner who asks; None for anybody else. 401 for an unknown key."""
    given = request.authorization
    if given is None:
        if "Authorization" in request.headers:
            raise Unauthorized
        return None
    if given.type == "bearer" and given.token:
        # Digests have one length, so that the comparison tells nothing of the keys.
        sought = hashlib.sha256(given.token.encode("utf-8", "replace")).hexdigest()
        for digest, name in current_site().settings.api_keys.items():
            if hmac.compare_digest(digest, sought):
                return name
    raise Unauthorized


def key_scope() -> str:
    """Whose idempotency keys these are: a partner's, or those of one address (programs like to count from 1)."""
    name = partner()
    return f"partner {name}" if name is not None else f"address {request.remote_addr}"


def _unbound() -> bool:
    """True for a partner who may book what isn't released to the public yet. 401 for an unknown key."""
    return partner() in current_site().settings.all_times


def _appointments(proof: Proof | None = None) -> Appointments:
    """Return the use cases for who asks: free of limits for partners, and for some of them free of release rules."""
    appointments = current_site().appointments
    if _unbound():
        return appointments.with_all_times()
    return visitors_appointments(proof) if partner() is None else appointments.without_limits()


def challenge() -> Response:
    """A proof of work to solve, whose solution goes into the field `altcha` of a booking."""
    return jsonify(current_site().proofs.challenge(_PURPOSE, network()))


def _proof(fields: Mapping[str, Any], errors: list[FieldError]) -> Proof | None:
    """Read the solved challenge that a program without a partner's key must send; adds to `errors` if it's missing."""
    site = current_site()
    if partner() is not None or not site.settings.protection.proof_of_work:
        return None
    given = reading.text(fields, PROOF_FIELD, errors)
    proof = site.proofs.check(given, _PURPOSE, network())
    if proof is None and not any(error.field == PROOF_FIELD for error in errors):
        errors.append(FieldError(PROOF_FIELD, "proof"))
    return proof


def _activate_within(proof: Proof | None) -> timedelta | None:
    if partner() is not None:
        return None
    return current_site().settings.protection.activate_within(proved=proof is not None)


def _link(link: Link) -> dict[str, str]:
    return {"url": link.url, "label": local(link.label), "kind": link.kind.value}


def _document(document: Document) -> dict[str, Any]:
    return {
        "id": document.id,
        "name": local(document.name),
        "hint": local(document.hint),
        "needed_by": document.needed_by.value,
        "when": local(document.when),
        "link": _link(document.link) if document.link else None,
    }


def _fee(fee: Fee) -> dict[str, Any]:
    return {"cents": fee.cents, "label": local(fee.label), "additional": fee.additional}


def _service(service: Service) -> dict[str, Any]:
    return {
        "id": service.id,
        "name": local(service.name),
        "summary": local(service.summary),
        "duration_minutes": int(duration([(service, 1)]).total_seconds() // 60),
        "extra_person_minutes": service.extra_minutes,
        "max_persons": service.max_persons,
        "needs_phone": service.needs_phone,
        "asks_remarks": service.asks_remarks,
        "documents": [_document(document) for document in service.documents],
        "fees": [_fee(fee) for fee in service.fees],
        "links": [_link(link) for link in service.links],
    }


def services() -> Response:
    """What an office offers."""
    partner()
    town = current_site().settings.town
    office = choose_office(town, request.args.get("office"))
    return jsonify([_service(service) for service in town.services_of(office)])


def offers() -> Response:
    """When there's room for a choice of services."""
    unbound = _unbound()
    choice = reading.choice_of_query()
    first, last = reading.days_of_query()
    site = current_site()
    feed, now = site.feed(choice.office), site.now()
    version = feed.version
    found = feed.offers(choice, now, first, last, released_only=not unbound)
    released = None if found else feed.next_release(choice, now)
    if not unbound:
        notice = choice.office.release.public.notice(choice.service_ids)
        kept.keep(request.environ, kept.Basis.of(feed, version, now, notice, found))
    about = json.dumps(
        {
            "office": choice.office.id,
            "duration_minutes": int(choice.duration.total_seconds() // 60),
            "next_release": released.isoformat() if released else None,
        }
    )
    days = ",".join([offer.json for offer in found])
    answer = Response(f'{about[:-1]}, "days": [{days}]}}\n', mimetype="application/json")
    # Whoever asks again and again, such as a town's website, needn't be sent what it has.
    answer.headers["Cache-Control"] = "no-cache"
    answer.add_etag()
    answer.make_conditional(request)
    return answer


def _moment(moment: datetime, booked: Booked) -> str:
    return moment.astimezone(booked.office.zone).isoformat()


def _absolute(endpoint: str, booked: Booked) -> str:
    """Return the address of a page for the citizen: in the language she booked in, whoever asks."""
    town, language = current_site().settings.town, booked.appointment.language
    spoken = {"language": language} if language in town.languages else {}
    return town.base_url + page_url(endpoint, token=booked.token, **spoken)


def _status(appointment: Appointment) -> str:
    if appointment.awaits:
        return "awaiting-activation"
    return "hold" if appointment.is_hold else "confirmed"


def _appointment(booked: Booked) -> dict[str, Any]:
    """The appointment without what was entered about the person: whoever has the link needn't learn that."""
    appointment = booked.appointment
    until = appointment.hold_until
    return {
        "uid": appointment.uid,
        "reference": appointment.reference,
        "office": booked.office.id,
        "services": [{"id": line.id, "persons": line.persons} for line in appointment.services],
        "start": _moment(appointment.start, booked),
        "end": _moment(appointment.end, booked),
        "status": _status(appointment),
        "held_until": _moment(until, booked) if until else None,
        "promised_start": _moment(appointment.proposed, booked) if appointment.proposed else None,
        "appointments": _members(booked),
        "sequence": appointment.sequence,
        "token": booked.token,
        "manage_url": _absolute("appointment", booked),
        "ics_url": _absolute("ics", booked),
    }


def _members(booked: Booked) -> list[dict[str, Any]]:
    """The single appointments that it stands for: one, or those of a group."""
    appointment = booked.appointment
    times = appointment.parts or (Part(1, appointment.start, appointment.end, appointment.proposed),)
    return [
        {"number": part.number, "start": _moment(part.start, booked), "end": _moment(part.end, booked)}
        | ({"promised_start": _moment(part.proposed, booked)} if part.proposed else {})
        for part in times
    ]


def _created(booked: Booked) -> Response:
    response = jsonify(_appointment(booked))
    response.status_code = 201
    response.headers["Location"] = f"/api/v1/appointments/{booked.token}"
    return response


def _taken(choice: Choice, error: SlotTakenError) -> Response:
    site = current_site()
    feed = site.feed(choice.office)
    nearest = feed.nearest(choice, site.now(), error.start, released_only=not _unbound())
    return problem(
        409,
        "slot-taken",
        gettext("Diese Zeit ist leider nicht mehr frei."),
        nearest=[start.isoformat() for start in nearest],
    )


def book() -> Response:
    """Book at once."""
    scope = key_scope()
    key = reading.idempotency_key()
    fields = reading.body()
    errors: list[FieldError] = []
    choice = reading.choice_of_body(fields, errors)
    start = reading.start_of_body(fields, errors)
    person = reading.person_of_body(fields, choice, errors)
    proof = _proof(fields, errors)
    if choice is None or start is None or person is None or errors:
        raise InvalidError(errors)
    within = _activate_within(proof)
    try:
        booked = _appointments(proof).book(choice, start, person, key, scope, activate_within=within)
        return _created(booked)
    except ProofUsedError as error:
        raise InvalidError([FieldError(PROOF_FIELD, "proof")]) from error
    except SlotTakenError as error:
        return _taken(choice, error)


def hold() -> Response:
    """Keep a time for some minutes."""
    scope = key_scope()
    key = reading.idempotency_key()
    fields = reading.body()
    errors: list[FieldError] = []
    choice = reading.choice_of_body(fields, errors)
    start = reading.start_of_body(fields, errors)
    if choice is None or start is None:
        raise InvalidError(errors)
    try:
        booked = _appointments().hold_once(choice, start, key, scope)
    except SlotTakenError as error:
        return _taken(choice, error)
    until = booked.appointment.hold_until
    response = jsonify(
        {
            "uid": booked.appointment.uid,
            "token": booked.token,
            "start": _moment(booked.appointment.start, booked),
            "end": _moment(booked.appointment.end, booked),
            "appointments": _members(booked),
            "expires": _moment(until, booked) if until else None,
        }
    )
    response.status_code = 201
    return response


def confirm(token: str) -> Response:
    """Make a hold an appointment."""
    site = current_site()
    fields = reading.body()
    held = site.appointments.find(token)
    choice = choice_of(site.settings.town, held.appointment)
    errors: list[FieldError] = []
    person = reading.person_of_body(fields, choice, errors)
    proof = _proof(fields, errors)
    if person is None or errors:
        raise InvalidError(errors)
    start, within = held.appointment.start, _activate_within(proof)
    try:
        booked = _appointments(proof).confirm_once(token, choice, start, person, activate_within=within)
        return _created(booked)
    except ProofUsedError as error:
        raise InvalidError([FieldError(PROOF_FIELD, "proof")]) from error
    except SlotTakenError as error:
        return _taken(choice, error)


def release(token: str) -> Response:
    """Give a hold back."""
    partner()
    site = current_site()
    if not site.appointments.find(token).appointment.is_hold:
        raise GoneError
    site.appointments.release(token)
    return Response(status=204)


def show(token: str) -> Response:
    """An appointment or hold as it stands."""
    partner()
    return jsonify(_appointment(current_site().appointments.find(token)))


def move(token: str) -> Response:
    """Move an appointment to another time."""
    site = current_site()
    appointments = _appointments()
    fields = reading.body()
    errors: list[FieldError] = []
    start = reading.start_of_body(fields, errors)
    if start is None:
        raise InvalidError(errors)
    try:
        return jsonify(_appointment(appointments.move(token, start)))
    except SlotTakenError as error:
        return _taken(choice_of(site.settings.town, site.appointments.find(token).appointment), error)


def accept(token: str) -> Response:
    """Agree to the time that the office proposes; whoever names the time that she saw agrees to no other."""
    appointments = _appointments()
    # Without a body whatever is proposed is meant: programs made before it could be named send none.
    seen = _seen(appointments.find(token)) if request.get_data() else ""
    return jsonify(_appointment(appointments.accept(token, seen)))


def _seen(booked: Booked) -> str:
    """Read the times that are agreed to, as `Booked.times`; "" if the body names none."""
    fields = reading.body()
    errors: list[FieldError] = []
    starts = []
    if booked.appointment.parts:
        given = fields.get("starts")
        if given is None and fields.get("start") is not None:
            errors.append(FieldError("starts", "required"))
        elif given is not None and not isinstance(given, list):
            errors.append(FieldError("starts", "type"))
        else:
            starts = [reading.start_of_body({"start": each}, errors) for each in given or ()]
    elif fields.get("start") is not None:
        starts = [reading.start_of_body(fields, errors)]
    if errors:
        raise InvalidError(errors)
    return times_of(start for start in starts if start is not None)


def cancel(token: str) -> Response:
    """Cancel an appointment."""
    partner()
    current_site().appointments.cancel(token)
    return Response(status=204)


def cancel_member(token: str, number: int) -> Response:
    """Cancel one appointment of a group."""
    partner()
    current_site().appointments.cancel_part(token, number)
    return Response(status=204)


def ics(token: str) -> Response:
    """The appointment as a file for the citizen's calendar."""
    partner()
    answer = pages.ics(token)
    assert isinstance(answer, Response)
    return answer

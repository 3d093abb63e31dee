"""Who asks for this page, as far as limits need it, and the use cases on her behalf."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import request

from booking_web.booking.caller import network_of
from booking_web.site import current_site
from calendar_server.client import Caller

if TYPE_CHECKING:
    from booking_web.booking.appointments import Appointments
    from booking_web.booking.proof import Proof

PROOF_FIELD = "altcha"
"""The field of forms and of JSON that a solved challenge comes in, as altcha's clients call it."""


def network() -> str:
    """Return the network that the request came from (`booking_web.booking.caller`); "" if it isn't to be counted."""
    return network_of(request.remote_addr)


def visitors_appointments(proof: Proof | None = None) -> Appointments:
    """Return the use cases for whoever asks, with the proof of work that came."""
    caller = Caller(network(), proof.id, proof.until) if proof is not None else Caller(network())
    return current_site().appointments.on_behalf_of(caller)

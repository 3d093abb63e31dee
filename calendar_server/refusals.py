"""Why a write was not done: one exception for each HTTP answer, and the names of the rules (RFC 4918 section 16, CONTRACTS).

A rule's refusal is always 403: Thunderbird reverts the change cleanly on 403, asks whether to overwrite on 409 and 412, and
keeps a phantom on 5xx.
"""

from __future__ import annotations

from typing import Final

TERMIN: Final = "urn:termin"
CALDAV: Final = "urn:ietf:params:xml:ns:caldav"
DAV: Final = "DAV:"

TIME_TAKEN: Final = "time-taken"
NO_FREE_CLERK: Final = "no-free-clerk"
OUTSIDE_OPENING_HOURS: Final = "outside-opening-hours"
UNKNOWN_SERVICE: Final = "unknown-service"
NOT_RELEASED: Final = "not-released"
"""The public can't book this time yet, or not any more (`optimizer.release`); staff can."""
ALREADY_BOOKED: Final = "already-booked"
"""The uid is taken by another content, and no If-Match says that it is to be replaced."""
ENDED: Final = "booking-ended"
"""The uid was booked before and is gone again, and who books wants it once only."""
NEEDS_A_TIME: Final = "appointment-needs-a-time"
"""An appointment is one event from a time to a time: not all day, not recurring, without end."""
PERSONS_LIMIT: Final = "persons-limit"
"""A service is for 1 to 99 persons."""
NOTHING_TO_BOOK: Final = "nothing-to-book"
"""An event that is cancelled before it was booked."""
HAS_APPOINTMENTS: Final = "has-appointments"
"""A calendar with appointments can't be deleted or replaced as a whole."""
RESERVED: Final = "reserved-name"
TOO_MANY_OBJECTS: Final = "too-many-objects"
"""A calendar that is put as a whole has more objects than fit into one write."""
PROPERTIES_TOO_LARGE: Final = "properties-too-large"
"""A collection's properties together have more characters than are kept."""
STALE_PLAN: Final = "stale-plan"
WAITING_LIST_CLOSED: Final = "waiting-list-closed"
WAITING_LIST_FULL: Final = "waiting-list-full"
TOO_MANY_WISHES: Final = "too-many-wishes"
"""The e-mail address is on the waiting list as often as one may be."""
BAD_WISH: Final = "bad-wish"
OFFER_OVER: Final = "offer-over"
"""The waiting person has no offer, or it has run out."""
OFFER_TOO_SHORT: Final = "offer-too-short"
"""Staff have changed the appointment that was to move, so that it needs more than was kept, and there's no more."""
NAME_FIXED: Final = "name-fixed"
"""Nobody changes the name in an appointment."""
ADDRESS_LIMIT: Final = "address-limit"
"""The e-mail address has as many open appointments as one may have."""
NETWORK_LIMIT: Final = "network-limit"
"""Too many bookings have come from the same network within an hour."""
SHARE_LIMIT: Final = "share-limit"
"""The network, or all unconfirmed bookings together, would hold more of the office's day than they may."""
HOLD_LIMIT: Final = "hold-limit"
"""The time has been kept for somebody without a booking for hours."""
PROOF_USED: Final = "proof-used"
"""The proof of work was used for another booking."""
RESEND_LIMIT: Final = "resend-limit"
"""The mail was asked for too often within an hour."""


class NotDoneError(Exception):
    """Base of all that follow; nothing was changed."""


class RefusedError(NotDoneError):
    """A rule forbids it: 403 with the precondition element `{namespace}rule`. The message explains it to a developer.

    `path` is that of another resource which stands in the way, without slashes at its ends. `retry_after`: it may be tried again after so many seconds (Retry-After, RFC 9110 section 10.2.3); None if waiting doesn't help.
    """

    def __init__(
        self,
        rule: str,
        message: str = "",
        *,
        namespace: str = TERMIN,
        path: str = "",
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message or rule)
        self.rule = rule
        self.namespace = namespace
        self.path = path
        self.retry_after = retry_after


class NotAllDoneError(NotDoneError):
    """Some of many can't be done, so none was. `errors` tells each one's uid and why."""

    def __init__(self, errors: list[tuple[str, NotDoneError]]) -> None:
        super().__init__(f"{len(errors)} can't be stored")
        self.errors = errors


class PreconditionFailedError(NotDoneError):
    """If-Match or If-None-Match does not hold: 412."""


class MissingError(NotDoneError):
    """There is nothing of that name: 404."""


class NoParentError(NotDoneError):
    """The collection that should hold it does not exist: 409 (RFC 4918 section 9.7.1)."""


class ForbiddenError(NotDoneError):
    """The kind of resource does not allow it: 403 without a rule's name."""

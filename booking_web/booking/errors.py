"""Why something couldn't be done, as values: a field and a code for what was entered, and errors for the rest.

The words for the citizen are chosen where they are shown (`booking_web.messages`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field. `code` names the rule (see `booking_web.messages`), `limit` a number it mentions."""

    field: str
    code: str
    limit: int | None = None


class BookingError(Exception):
    """Anything that keeps a use case from its result; nothing has been done."""


class InvalidError(BookingError):
    """What was entered can't be used; `errors` names every field at fault."""

    def __init__(self, errors: Iterable[FieldError]) -> None:
        self.errors = tuple(errors)
        super().__init__(", ".join(f"{error.field}: {error.code}" for error in self.errors))


class OutdatedError(BookingError):
    """The office changed the appointment after she had looked at it: she must see what she agrees to."""


class SlotTakenError(BookingError):
    """The time isn't free (any more)."""

    def __init__(self, start: datetime) -> None:
        super().__init__(f"{start.isoformat()} isn't free")
        self.start = start


class GoneError(BookingError):
    """The token leads to no appointment (any more)."""


class TooLateError(BookingError):
    """The appointment has begun, or it's too close to change it online."""


class LimitedError(BookingError):
    """More than a fair share: `rule` names the limit, `seconds` is after how long it may be tried again."""

    def __init__(self, rule: str, seconds: int) -> None:
        super().__init__(rule)
        self.rule = rule
        self.seconds = seconds


class ProofUsedError(BookingError):
    """The proof of work was used for another booking."""


class WishGoneError(BookingError):
    """The token leads to no wish on a waiting list (any more)."""


class ListClosedError(BookingError):
    """The office has no waiting list, or it is full."""


class OfferOverError(BookingError):
    """Nothing is offered to her (any more); `too_short`: what was offered, for what the office has made of her appointment."""

    def __init__(self, *, too_short: bool = False) -> None:
        super().__init__()
        self.too_short = too_short


class KeyReusedError(BookingError):
    """The idempotency key came before, with other content."""


class KeyEndedError(BookingError):
    """The idempotency key came before, and what it booked is cancelled or has run out."""

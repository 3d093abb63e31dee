"""What the public site and the staff pages need to know to run; built by the composition root."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from booking_web.town import OfficeInfo, Town


def system_clock() -> datetime:
    """Return the system's time, aware, in UTC."""
    return datetime.now(UTC)


class Activation(StrEnum):
    """Who must confirm her e-mail address by a link in a mail before her appointment counts."""

    NEVER = "never"
    WITHOUT_PROOF = "without-proof"
    """Whose browser brought no proof of work, for instance since it runs no scripts."""
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Protection:
    """How the public site keeps robots from booking. Partners with a key are free of it."""

    proof_of_work: bool = False
    """Browsers with scripts solve a riddle; programs without a partner's key must."""
    activation: Activation = Activation.NEVER
    activation_minutes: int = 60
    """So long the time is kept for who must still confirm."""

    def activate_within(self, *, proved: bool) -> timedelta | None:
        """Return how long somebody has to confirm her address; None if she needn't. `proved`: a proof of work came."""
        if self.activation is Activation.NEVER or (self.activation is Activation.WITHOUT_PROOF and proved):
            return None
        return timedelta(minutes=self.activation_minutes)


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """Settings of the public site.

    `calendar_url` is the calendar server's address, `calendar_user` and `calendar_password` the site's own account there;
    `signing_secret` (at least 16 bytes) signs tokens and forms. `api_keys` maps the SHA-256 of a trusted
    partner's key, in hexadecimal, to her name: the key itself stands nowhere.
    """

    town: Town
    calendar_url: str
    calendar_password: str = field(repr=False)
    signing_secret: bytes = field(repr=False)
    api_keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    all_times: frozenset[str] = frozenset()
    """Names of partners who may book times that aren't released to the public yet (a hotline)."""
    calendar_user: str = "site"
    demo: bool = False
    """True in the demo town, which says so on every page."""
    protection: Protection = Protection()
    clock: Callable[[], datetime] = system_clock
    monotonic: Callable[[], float] = time.monotonic
    poll_seconds: float = 0.5
    """Pause between two looks at the busy feed."""
    max_age_seconds: float = 1.0
    """Offers are never older than this."""

    def __post_init__(self) -> None:
        if len(self.signing_secret) < 16:
            raise ValueError("signing_secret needs at least 16 bytes")


@dataclass(frozen=True, slots=True)
class StaffSettings:
    """Settings of the staff pages. `calendar_public_url` is how a clerk's own calendar program reaches the calendar server."""

    town: Town
    calendar_url: str
    calendar_public_url: str
    signing_secret: bytes = field(repr=False)
    secure: bool = False
    """True when the pages are reached by https: cookies are then sent by https only."""
    demo: bool = False
    clock: Callable[[], datetime] = system_clock
    notice_hours: int = 24
    """A plan moves no appointment to a start sooner than this."""
    previews: Callable[[Town, OfficeInfo, datetime, tuple[str, ...]], Sequence[Any]] | None = None
    """Writes all mails of an office in some languages, as `booking_web.notifications.previews` does; None: there's nothing to look at."""

    def __post_init__(self) -> None:
        if len(self.signing_secret) < 16:
            raise ValueError("signing_secret needs at least 16 bytes")

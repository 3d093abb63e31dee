"""A clock that runs, begins on a fixed date, and is the same in every process of this machine."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tests.support.town import NOW

if TYPE_CHECKING:
    from collections.abc import Callable


def ticking(began: float) -> Callable[[], datetime]:
    """Tell NOW plus what passed since the machine's monotonic clock showed `began`; NTP and time zones don't touch it."""

    def now() -> datetime:
        return NOW + timedelta(seconds=time.monotonic() - began)

    return now

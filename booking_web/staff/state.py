"""What the views of the staff pages share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from flask import current_app

from booking_web.staff.calendar import StaffCalendar

if TYPE_CHECKING:
    import urllib3
    from flask import Flask

    from booking_web.assets import Assets
    from booking_web.settings import StaffSettings
    from booking_web.staff.sessions import Sessions

_KEY = "termin-staff"


@dataclass(frozen=True, slots=True)
class Staff:
    """The staff pages of one town."""

    settings: StaffSettings
    sessions: Sessions
    assets: Assets
    pool: urllib3.PoolManager

    def calendar(self, user: str, password: str) -> StaffCalendar:
        """Return the calendars as this account sees them."""
        return StaffCalendar(self.pool, self.settings.calendar_url, user, password)


def attach(app: Flask, staff: Staff) -> None:
    """Give the application its state."""
    app.extensions[_KEY] = staff


def current_staff() -> Staff:
    """Return the state of the application that serves this request."""
    return cast("Staff", current_app.extensions[_KEY])

"""The staff pages: log in with a calendar account, see the office's day, connect one's own calendar program."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from booking_web.settings import StaffSettings


def create_app(settings: StaffSettings) -> Flask:
    """Return the staff pages as a WSGI application."""
    from booking_web.staff.factory import create_staff  # noqa: PLC0415 - the public site runs without it

    return create_staff(settings)

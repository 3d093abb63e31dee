"""The days that a page of the staff is about, as somebody typed them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from flask_babel import gettext

from booking_web.views.query import read_day

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST = 40


def typed(values: Mapping[str, str], **usual: date) -> dict[str, str]:
    """Return what was typed for each of the names, or its usual day where the request has none."""
    return {name: values.get(name, day.isoformat())[:_LONGEST].strip() for name, day in usual.items()}


def read(entries: Mapping[str, str], most_days: int, too_long: str) -> tuple[date, date] | dict[str, str]:
    """Return the "first" and the "last" day (included), else the mistakes by field; `too_long` is said of an empty or too long period."""
    days: dict[str, date] = {}
    mistakes: dict[str, str] = {}
    missing = gettext("Geben Sie einen Tag an, zum Beispiel 07.12.2026.")
    for name in ("first", "last"):
        try:
            days[name] = date.fromisoformat(entries[name])
        except ValueError:
            mistakes[name] = missing
    if mistakes:
        return mistakes
    if not timedelta() <= days["last"] - days["first"] < timedelta(days=most_days):
        return {"last": too_long}
    if any(read_day(day.isoformat()) is None for day in days.values()):
        return {"first": missing}
    return days["first"], days["last"]

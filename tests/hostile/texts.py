"""Calendar objects for hostile tests."""

from __future__ import annotations


def event(uid: str, *lines: str) -> bytes:
    """An event of these lines."""
    head = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//tests//hostile//EN", "BEGIN:VEVENT", f"UID:{uid}"]
    return "\r\n".join(
        [*head, "DTSTAMP:20261201T110000Z", *lines, "END:VEVENT", "END:VCALENDAR", ""]
    ).encode()

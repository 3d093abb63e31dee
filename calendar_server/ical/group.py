"""Groups: several appointments that one citizen booked together, each an event of its own, seen and changed as one.

The first has the group's uid; the others have it with their number (`abc@host`, `abc.g2@host`, …), so that whoever knows one
finds all without a list. `X-TERMIN-GROUP` on each says how many were booked. What `join` returns stands for those that are left, from the first
start to the last end; `split` makes single appointments of it again.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from calendar_server.ical.appointment import MOST_TOGETHER, Part

if TYPE_CHECKING:
    from collections.abc import Iterable

    from calendar_server.ical.appointment import Appointment

_NUMBERED = re.compile(r"([^@]+)\.g([2-9])(@.+)")


def part_uid(uid: str, number: int) -> str:
    """Return the uid of a group's appointment of that number; the first one's is the group's."""
    name, at, host = uid.partition("@")
    return uid if number == 1 else f"{name}.g{number}{at}{host}"


def group_uid(uid: str) -> str:
    """Return the uid of the group that an appointment's uid belongs to: its own, unless it carries a number."""
    found = _NUMBERED.fullmatch(uid)
    return uid if found is None else found[1] + found[3]


def number_of(uid: str) -> int:
    """Return which one of its group an appointment's uid names."""
    found = _NUMBERED.fullmatch(uid)
    return 1 if found is None else int(found[2])


def all_uids(uid: str) -> list[str]:
    """Return the uids that appointments of the group `uid` can have, by their number."""
    return [part_uid(uid, number) for number in range(1, MOST_TOGETHER + 1)]


def join(members: Iterable[Appointment]) -> Appointment | None:
    """Return one value for the appointments of a group; those that are cancelled count only if all are. None for no members.

    A single appointment that was never of a group is returned as it is.
    """
    found = sorted(members, key=lambda member: number_of(member.uid))
    if found and found[0].group == 1:
        return found[0]
    standing = [member for member in found if not member.cancelled] or found
    if not standing:
        return None
    first = standing[0]
    parts = tuple(
        Part(number_of(member.uid), member.start, member.end, member.proposed) for member in standing
    )
    return replace(
        first,
        uid=group_uid(first.uid),
        start=min(part.start for part in parts),
        end=max(part.end for part in parts),
        parts=parts,
        sequence=max(member.sequence for member in found),
        proposed=next((member.proposed for member in standing if member.proposed is not None), None),
        declined=any(member.declined for member in standing),
        reason=next((member.reason for member in found if member.reason), ""),
    )


def split(appointment: Appointment) -> list[Appointment]:
    """Return the single appointments that a value stands for."""
    if not appointment.parts:
        return [appointment]
    return [
        replace(
            appointment,
            uid=part_uid(appointment.uid, part.number),
            start=part.start,
            end=part.end,
            # Of the group as a whole it only says that there is one.
            proposed=part.proposed if appointment.proposed is not None else None,
            parts=(),
        )
        for part in appointment.parts
    ]

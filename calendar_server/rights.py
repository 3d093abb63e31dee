"""Who may do what where, as a function of (account, path): the matrix of CONTRACTS in Radicale's letters.

Radicale's letters (`radicale.rights`): "R"/"W" read and write a collection that is no calendar, "r"/"w" a calendar and what lies in it, "i" GET
of single objects only, "O" replace a calendar as a whole, "D" delete it, "l" its properties are locked. What is asked for an object is asked for
its own path and for its calendar's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from calendar_server.accounts import Account, AccountRole

if TYPE_CHECKING:
    from calendar_server.offices import Directory

APPOINTMENTS = "appointments"
OPENING = "opening"
BUSY = "busy"
OFFICE_COLLECTIONS = (APPOINTMENTS, BUSY, OPENING)
_READ = "r"
_ALL = "rw"
_OWN = "rwOD"


def _office_rights(account: Account, name: str, *, leads: bool, works_here: bool, is_item: bool) -> str:
    if account.role is AccountRole.SITE:
        if name == APPOINTMENTS:
            # A letter on the object alone: it can be fetched by who knows its name, and listed by nobody.
            return "iw" if is_item else "wl"
        return _READ if name == BUSY else ""
    if leads:
        return _READ if name == BUSY else _ALL
    return _READ if works_here else ""


def rights_of(account: Account | None, path: str, directory: Directory) -> str:
    """Return the letters that an account has at a path ("/", "/clerk1/", "/clerk1/calendar/", "/clerk1/calendar/x.ics").

    An unknown account has none anywhere.
    """
    if account is None:
        return ""
    parts = [part for part in path.split("/") if part]
    if not parts:
        return "R"
    owner = parts[0]
    office = directory.office(owner)
    works_at = directory.office_of(account.name)
    is_admin = account.role is AccountRole.ADMIN
    if office is not None:
        leads = is_admin or (account.role is AccountRole.LEAD and account.office in {"", office.id})
        works_here = works_at is office or account.role is AccountRole.WORKER
        if len(parts) == 1:
            return "R" if leads or works_here else ""
        return _office_rights(account, parts[1], leads=leads, works_here=works_here, is_item=len(parts) > 2)
    if owner == account.name:
        # Radicale makes everybody's principal at the first login; programs have no calendars below it.
        program = account.role in {AccountRole.SITE, AccountRole.WORKER}
        return "RW" if len(parts) == 1 else "" if program else _OWN
    of_owner = directory.office_of(owner)
    if of_owner is not None and (
        is_admin or (account.role is AccountRole.LEAD and account.office in {"", of_owner.id})
    ):
        return "R" if len(parts) == 1 else _ALL
    return ""


@dataclass(frozen=True, slots=True)
class Access:
    """The letters that an account has at a path (`own`), and at the collection that holds what is there (`above`)."""

    own: str
    above: str

    @staticmethod
    def of(account: Account | None, path: str, directory: Directory) -> Access:
        """Look both up."""
        parent = path.rstrip("/").rpartition("/")[0]
        return Access(rights_of(account, path, directory), rights_of(account, parent, directory))

"""Who there is: searching principals (RFC 3744 sections 9.4 and 9.5) and their calendar user addresses (RFC 6638 section 2.4.1).

Staff find the town's clerks and offices, so that a client can offer them when somebody is invited. Programs (the site, the worker)
find only themselves: the public site has no list of people.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from calendar_server.accounts import AccountRole
from calendar_server.ical.addresses import normal
from calendar_server.rights import APPOINTMENTS, rights_of
from calendar_server.storage import reading
from calendar_server.storage.rows import Role

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from calendar_server.accounts import Account, Accounts
    from calendar_server.service import Calendars
    from calendar_server.storage.rows import CollectionRow

_D = "{DAV:}"
_C = "{urn:ietf:params:xml:ns:caldav}"
_CS = "{http://calendarserver.org/ns/}"
SEARCH = _D + "principal-property-search"
SEARCH_SET = _D + "principal-search-property-set"
STAFF = frozenset({AccountRole.CLERK, AccountRole.LEAD, AccountRole.ADMIN})
_LEADING = frozenset({AccountRole.LEAD, AccountRole.ADMIN})
_BY_ADDRESS = frozenset({_C + "calendar-user-address-set", _CS + "email-address-set"})

SEARCHABLE = (
    '<?xml version="1.0" encoding="utf-8"?>\n'
    '<principal-search-property-set xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav">'
    "<principal-search-property><prop><displayname/></prop>"
    '<description xml:lang="en">Name</description></principal-search-property>'
    "<principal-search-property><prop><C:calendar-user-address-set/></prop>"
    '<description xml:lang="en">Address</description></principal-search-property>'
    "</principal-search-property-set>"
)
"""The answer to principal-search-property-set."""


class Principals:
    """The principals of a calendar server."""

    def __init__(self, calendars: Calendars, accounts: Accounts) -> None:
        self._calendars = calendars
        self._accounts = accounts

    def _known_to(self, account: Account) -> list[CollectionRow]:
        with self._calendars.database.read() as connection:
            rows = [row for row in reading.children(connection, "") if row.role is Role.PRINCIPAL]
        if account.role not in STAFF:
            return [row for row in rows if row.owner == account.name]
        directory = self._calendars.directory
        return [
            row
            for row in rows
            if row.owner == account.name or directory.office(row.owner) or directory.clerk(row.owner)
        ]

    def homes(self, principal: CollectionRow, account: Account | None) -> list[str]:
        """Return where clients look for the calendars of a principal (RFC 4791 section 6.2.1); `account` is its own, None for an office.

        Who leads offices finds the offices' calendars too. Many clients look at the first home only, and some can't read several (python-caldav 3.6), so an
        own home without calendars is left out then.
        """
        offices = [
            office.id
            for office in self._calendars.directory.offices
            if account is not None
            and account.role in _LEADING
            and "w" in rights_of(account, f"/{office.id}/{APPOINTMENTS}/", self._calendars.directory)
        ]
        if not offices:
            return [principal.path]
        with self._calendars.database.read() as connection:
            own = any(row.tag for row in reading.children(connection, principal.path))
        return [principal.path, *offices] if own else offices

    def by_address(self, account: Account, address: str) -> CollectionRow | None:
        """Return the principal that has this address and that `account` may know, None if there is none."""
        wanted = normal(address)
        if not wanted:
            return None
        named = wanted.strip("/") if wanted.startswith("/") else ""
        if not named:
            named = next((one.name for one in self._accounts.all() if one.email.casefold() == wanted), "")
        return next((row for row in self._known_to(account) if row.path == named), None)

    def search(self, account: Account, root: Element, path: str) -> list[CollectionRow]:
        """Return what a principal-property-search finds; `path` is the request's, without slashes around it.

        Conditions hold together, or one of them with Apple's test="anyof"; without any, all principals match.
        """
        everywhere = not path or root.find(_D + "apply-to-principal-collection-set") is not None
        mails = {one.name: one.email.casefold() for one in self._accounts.all()}
        conditions = [
            (
                {tag.tag for prop in one.iterfind(_D + "prop") for tag in prop},
                (one.findtext(_D + "match") or ""),
            )
            for one in root.iterfind(_D + "property-search")
        ]
        combine = any if root.get("test") == "anyof" else all
        return [
            row
            for row in self._known_to(account)
            if (everywhere or row.path == path)
            and (
                not conditions or combine(_matches(row, mails.get(row.owner, ""), *one) for one in conditions)
            )
        ]


def _matches(row: CollectionRow, mail: str, tags: set[str], match: str) -> bool:
    wanted = match.strip().casefold()
    values = [row.props.get("D:displayname", "").casefold()] if _D + "displayname" in tags else []
    if tags & _BY_ADDRESS:
        values += [f"mailto:{mail}"] if mail else []
        values.append(f"/{row.path}/")
    return any(wanted in value for value in values)


def wanted_tags(root: Element) -> list[str]:
    """Return the properties that a search asks for.

    python-caldav writes them beside DAV:prop instead of inside it, so those count too.
    """
    tags = [tag.tag for prop in root.iterfind(_D + "prop") for tag in prop]
    known = {_D + "property-search", _D + "prop", _D + "apply-to-principal-collection-set"}
    return list(dict.fromkeys([*tags, *(child.tag for child in root if child.tag not in known)]))

"""The calendar server as a WSGI application: a handler for each method, on top of `calendar_server.service` and its neighbours.

Radicale makes collections (MKCALENDAR, MKCOL), and its plugin points, names of properties and configuration are used; everything else is answered
from here, so that preconditions are checked in the transaction that writes, a refusal tells its rule (RFC 4918 section 16), and
nothing stands between a small question and its answer (docs/decisions/0008).
"""

from __future__ import annotations

import logging
import threading
import warnings
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import formatdate
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

import structlog
from icalendar.error import GloballyUniqueTZIDGuessed
from radicale import config as radicale_config
from radicale import httputils
from radicale.app import Application
from sqlalchemy.exc import DBAPIError, OperationalError

from calendar_server import (
    desk,
    fairness,
    feeds,
    frame,
    multistatus,
    preferences,
    principals,
    properties,
    propertyupdate,
    queries,
    refusals,
    reports,
    scheduling,
    wholes,
    xmlbody,
)
from calendar_server.accounts import Account, AccountRole, Accounts
from calendar_server.busy_feed import BusyFeed, BusyItem
from calendar_server.frame import Request, Response
from calendar_server.limits import Limits
from calendar_server.mailroom import NoMailroom
from calendar_server.plugin import ROOT, TerminRights, TerminStorage, sync_token
from calendar_server.refusals import NotDoneError, RefusedError
from calendar_server.rights import Access, rights_of
from calendar_server.service import Actor, Calendars, Preconditions, is_known
from calendar_server.setup import prepare
from calendar_server.shell import METHODS, Shell
from calendar_server.storage import reading
from calendar_server.storage.database import Database, reason_of
from calendar_server.storage.rows import CollectionRow, ObjectRow, Role
from calendar_server.subscription import Subscription
from calendar_server.upkeep import Upkeep, UpkeepSettings
from calendar_server.xmlbody import BadXmlError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from xml.etree.ElementTree import Element

    from calendar_server.frame import Environ
    from calendar_server.mailroom import Mailroom
    from calendar_server.offices import Directory


MAX_BODY = 10_000_000
MAX_RESOURCE = 1_000_000
_DAV = "1, 3, calendar-access, calendar-auto-schedule, extended-mkcol"
"""The compliance classes (RFC 4918 section 18, RFC 4791 section 5.1, RFC 6638 section 2, RFC 5689 section 3.1); no locks, so no class 2."""
_EXPAND_PROPERTY = "{DAV:}expand-property"
_PROPERTY_UPDATE = "{DAV:}propertyupdate"
_MAKING = {
    "MKCALENDAR": ("{urn:ietf:params:xml:ns:caldav}mkcalendar", "C:mkcalendar-response"),
    "MKCOL": ("{DAV:}mkcol", "mkcol-response"),
}
"""The root of the body, and that of the answer which tells why nothing was made."""
_A_CALENDAR = (
    b'<mkcol xmlns="DAV:"><set><prop><resourcetype><collection/><C:calendar xmlns:C="urn:ietf:params:xml:ns:caldav"/>'
    b"</resourcetype></prop></set></mkcol>"
)
_UNSUPPORTED = frame.told(415, "A body that this method doesn't know.")
_RELEASED_ONLY = "HTTP_X_TERMIN_RELEASED_ONLY"
"""The site sends it with what the public books (`calendar_server.service.Actor.released_only`)."""
_ONCE = "HTTP_X_TERMIN_ONCE"
"""The site sends it with what was booked under a program's idempotency key (`calendar_server.service.Actor.once`)."""
_OK, _CREATED, _NO_CONTENT, _MULTI_STATUS, _NOT_MODIFIED = 200, 201, 204, 207, 304
_CALENDAR = "text/calendar; charset=utf-8"
_UNAUTHORIZED = frame.told(
    401, "A name and a password are needed.", {"WWW-Authenticate": 'Basic realm="termin"'}
)
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_BUSY = frame.told(503, "The calendar is busy, try again.", {"Retry-After": "5"})
_log = structlog.get_logger()


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class CalendarSettings:
    """What the calendar server needs to run; `clock` returns the current time, aware."""

    database_url: str
    directory: Directory
    clock: Callable[[], datetime] = _now
    trust_proxy: bool = False
    limits: Limits = field(default_factory=Limits)
    upkeep: UpkeepSettings = field(default_factory=UpkeepSettings)
    mailroom: Mailroom = field(default_factory=NoMailroom)
    """The door to mails that failed."""
    names_in_feeds: bool = False
    """Whether `calendar_server.subscription` shows what people typed."""


def _configuration(**plugins: Any) -> Any:
    """Return Radicale's configuration with our plugins handed over as objects: there is no name that could be mistyped.

    Radicale falls back to its own storage in silence where a name is wrong; see also `_require_plugins`.
    """
    configuration = radicale_config.load()
    configuration.update(
        {
            "server": {
                "max_content_length": str(MAX_BODY),
                "max_resource_size": str(MAX_RESOURCE),
                "validate_user_value": "minimal",
                # Clients name a file by its UID, and that may have any character; "minimal" is for what file systems can't take.
                "validate_path_value": "none",
                "delay_on_error": "0",
            },
            "auth": {"type": "denyall", "delay": "0", "realm": "termin"},
            "rights": {"permit_delete_collection": "False", "permit_overwrite_collection": "False"},
            "web": {"type": "none"},
            "logging": {"level": "warning", "mask_passwords": "True", "bad_put_request_content": "False"},
        },
        "termin",
    )
    configuration.update({name: {"type": plugin} for name, plugin in plugins.items()}, "termin plugins")
    return configuration


class TerminApplication(Application):
    """The answers to every method. One instance serves all threads.

    Of Radicale's application it uses the handlers that make collections; its others are never called.
    """

    _storage: TerminStorage
    _rights: TerminRights

    def __init__(self, calendars: Calendars, accounts: Accounts, feed: BusyFeed) -> None:
        self.calendars = calendars
        self.accounts = accounts
        self.feed = feed
        self.reports = reports.Reports(calendars, feed)
        self.queries = queries.Queries(calendars, feed)
        self.principals = principals.Principals(calendars, accounts)
        self.outbox = scheduling.Outbox(calendars, self.principals)
        self.handlers: dict[str, Callable[[Request], Response]] = {
            "COPY": self._copy_or_move,
            "DELETE": self._delete,
            "GET": self._get,
            "HEAD": self._get,
            "MKCALENDAR": self._make,
            "MKCOL": self._make,
            "MOVE": self._copy_or_move,
            "OPTIONS": self._options,
            "POST": self._post,
            "PROPFIND": self._propfind,
            "PROPPATCH": self._proppatch,
            "PUT": self._put,
            "REPORT": self._report,
        }
        super().__init__(
            _configuration(
                storage=lambda configuration: TerminStorage(configuration, calendars),
                rights=lambda configuration: TerminRights(configuration, accounts, calendars.directory),
            )
        )
        self._require_plugins()

    def _require_plugins(self) -> None:
        loaded = {TerminStorage: self._storage, TerminRights: self._rights}
        for wanted, plugin in loaded.items():
            if type(plugin) is not wanted:
                raise RuntimeError(
                    f"{wanted.__name__} isn't the plugin that was loaded, but {type(plugin).__name__}"
                )

    # Around every request --------------------------------------------------------------------------------------------

    def __call__(  # type: ignore[override]  # Radicale's says that the environment is never written
        self, environ: Environ, start_response: Callable[..., Any]
    ) -> list[bytes]:
        """Answer one request, in one read transaction."""
        with self.calendars.database.snapshot():
            answer = self._respond(environ)
        return frame.send(environ, start_response, answer)

    def _respond(self, environ: Environ) -> Response:
        place = frame.place_of(environ)
        if place is None:
            return frame.BAD_REQUEST
        prefix, path = place
        if "/.well-known/" in f"{path}/":
            return _well_known(prefix, path)
        try:
            account = None
            given = frame.credentials(environ)
            if given is not None:
                account = self.accounts.login(*given)
                if account is None:
                    # Who guards the door by this line needs to know where it came from, and nobody's name.
                    _log.warning("failed login", address=environ.get("REMOTE_ADDR", ""))
                    return _UNAUTHORIZED
                self._welcome(account)
            answer = self.handlers[environ["REQUEST_METHOD"]](Request(environ, prefix, path, account))
        except NotDoneError as error:
            answer = _not_done(error, prefix)
        except BadXmlError:
            answer = frame.BAD_REQUEST
        except OperationalError as error:
            _log.warning("database unavailable", reason=reason_of(error))
            answer = _BUSY
        except DBAPIError as error:
            # What a database can't keep (a NUL character, a value out of range) is the client's to mend.
            _log.warning("database refused", error=type(error.orig).__name__)
            answer = frame.told(400, "The request has a value that can't be stored.")
        if answer is frame.NOT_ALLOWED and account is None:
            return _UNAUTHORIZED
        return answer

    def _welcome(self, account: Account) -> None:
        """Make somebody's principal at her first request."""
        with self.calendars.database.read() as connection:
            known = reading.is_collection(connection, account.name)
        if not known and "W" in self._access(account, f"/{account.name}/").own:
            # Made by nobody in particular: her request may be one that changes nothing.
            self.calendars.create_principal(account.name, {}, Actor("system"))

    def _access(self, account: Account | None, path: str) -> Access:
        return Access.of(account, path, self.calendars.directory)

    def _target(self, path: str) -> tuple[CollectionRow, str] | None:
        """Return (calendar, name) if a path is that of an object in a calendar, whether it is there or not."""
        parent, _, href = path.rpartition("/")
        if len(parent) < 2 or not href:
            return None
        where = self.calendars.find(parent)
        return (where, href) if where is not None and where.tag else None

    # One object ------------------------------------------------------------------------------------------------------

    def _put(self, request: Request) -> Response:
        if request.header("CONTENT_RANGE"):
            # A part would otherwise take the place of the whole (RFC 9110 section 14.5).
            return frame.BAD_REQUEST
        target = self._target(request.path)
        access = self._access(request.account, request.path)
        if target is None:
            return self._put_calendar(request, access)
        if "w" not in access.own and "w" not in access.above:
            return frame.NOT_ALLOWED
        _require_calendar_data(request)
        where, href = target
        sent = request.body()
        body = scheduling.left_to_clients(sent)
        actor = _actor(request)
        if actor.authoritative:
            actor = replace(
                actor,
                caller=fairness.caller_of(request.environ),
                released_only=_RELEASED_ONLY in request.environ,
                once=_ONCE in request.environ,
            )
        done = self.calendars.put(where.path, href, body, actor, _preconditions(request))
        headers = {} if done.etag is None or body != sent else {"ETag": done.etag}
        return Response(_CREATED if done.created else _NO_CONTENT, headers)

    def _get(self, request: Request) -> Response:
        target = self._target(request.path)
        access = self._access(request.account, request.path)
        if target is not None:
            if not set("ri") & set(access.own) and "r" not in access.above:
                return frame.NOT_ALLOWED
            return self._get_item(request, *target)
        if request.path == "/":
            return frame.told(_OK, "CalDAV server of the appointment system.")
        if "r" not in access.own and "R" not in access.own:
            return frame.NOT_ALLOWED
        return self._get_calendar(request)

    def _put_calendar(self, request: Request, access: Access) -> Response:
        """Take a calendar as a whole (RFC 4791 leaves that open); "O" is the right to it."""
        if not {"w", "O"} <= set(access.own):
            return frame.NOT_ALLOWED
        _require_calendar_data(request)
        if request.name.count("/") > 1 and not request.path.endswith("/"):
            # No calendar can lie there, so this was to be an object in one that isn't there (RFC 4918 section 9.7.1).
            raise refusals.NoParentError(request.path)
        texts, props = wholes.parts_of(scheduling.left_to_clients(request.body()))
        created = self.calendars.replace_calendar(
            request.name, texts, props, _actor(request), _preconditions(request)
        )
        return Response(_CREATED if created else _NO_CONTENT)

    def _get_calendar(self, request: Request) -> Response:
        where = self.calendars.find(request.path)
        if where is None:
            raise refusals.MissingError(request.path)
        if not where.tag:
            return frame.told(403, "Only calendars can be read as a whole.")
        etag = where.etag
        if where.role is Role.BUSY:
            etag = f'"{self._token(where).rpartition(":busy:")[2]}"'
        name = quote(f"{where.props.get('D:displayname') or where.name}.ics", safe="")
        return _read(
            request,
            etag,
            where.modified,
            lambda: wholes.text_of(where, self.calendars, self.feed),
            Content_Disposition=f"attachment; filename*=UTF-8''{name}",
        )

    def _get_item(self, request: Request, where: CollectionRow, href: str) -> Response:
        office = self.calendars.office_of(where)
        if where.role is Role.BUSY:
            item = self.feed.item(office, href) if office else None
            if item is None:
                raise refusals.MissingError(href)
            text, etag, modified = item.text, item.etag, where.modified
        else:
            with self.calendars.database.read() as connection:
                row: ObjectRow | None = reading.item(connection, where, href)
            if row is None:
                raise refusals.MissingError(href)
            text, etag, modified = row.text, row.etag, row.modified
        return _read(request, etag, modified, lambda: text)

    def _delete(self, request: Request) -> Response:
        target = self._target(request.path)
        access = self._access(request.account, request.path)
        if target is not None:
            if "w" not in access.own and "w" not in access.above:
                return frame.NOT_ALLOWED
            self.calendars.delete(*_place(target), _actor(request), _preconditions(request))
            return Response(_NO_CONTENT)
        if not {"w", "D"} <= set(access.own):
            return frame.NOT_ALLOWED
        self.calendars.delete_calendar(request.name, _actor(request), _preconditions(request))
        return Response(_NO_CONTENT)

    def _copy_or_move(self, request: Request) -> Response:
        """COPY and MOVE of objects (RFC 4918 sections 9.8 and 9.9)."""
        copies = request.environ["REQUEST_METHOD"] == "COPY"
        destination = _destination(request)
        if destination is None:
            # RFC 4918 section 9.9.4 would let another server's be answered with 502; no request makes us answer with a 5xx.
            return frame.BAD_REQUEST
        for place, writes in ((request.path, not copies), (destination, True)):
            access = self._access(request.account, place)
            if (writes and "w" not in access.above) or ("r" not in access.above and "r" not in access.own):
                return frame.NOT_ALLOWED
        source, target = self._target(request.path), self._target(destination)
        if source is not None and source == target:
            return frame.FORBIDDEN
        if source is None:
            return frame.NOT_FOUND
        if target is None:
            return frame.CONFLICT
        overwrite = request.header("OVERWRITE", "T").strip().upper() != "F"
        done = self.calendars.copy if copies else self.calendars.move
        created = done(
            *_place(source), *_place(target), _actor(request), _preconditions(request), overwrite=overwrite
        )
        return Response(_CREATED if created else _NO_CONTENT)

    # Collections -----------------------------------------------------------------------------------------------------

    def _report(self, request: Request) -> Response:
        access = self._access(request.account, request.path)
        if not set("rR") & set(access.own) and "r" not in access.above:
            return frame.NOT_ALLOWED
        root = request.xml()
        if root is None:
            return frame.BAD_REQUEST
        if root.tag in {principals.SEARCH, principals.SEARCH_SET}:
            return self._search_principals(request, root)
        if "r" not in access.own and "r" not in access.above:
            if root.tag != _EXPAND_PROPERTY and "R" in access.own:
                raise RefusedError("supported-report", namespace=refusals.DAV)
            if "R" not in access.own:
                return frame.NOT_ALLOWED
        if root.tag == _EXPAND_PROPERTY or scheduling.mailbox(request.path) is not None:
            # Clients that ask for expand-property without being told that they can are content with an empty answer.
            return _multistatus(multistatus.document(()))
        where, only = self.calendars.find(request.path), ""
        if where is None:
            target = self._target(request.path)
            if target is None or self._listed(*target) is None:
                raise refusals.MissingError(request.path)
            where, only = target
        return self._calendar_report(request, root, where, only)

    def _calendar_report(self, request: Request, root: Element, where: CollectionRow, only: str) -> Response:
        """Answer a REPORT on a calendar, or on `only` one object in it."""
        preferred = preferences.of(request)

        def on() -> properties.Resource:
            return self._resource(request, where)

        if where.tag and root.tag in {queries.MULTIGET, queries.QUERY}:
            # A client that says nothing of Depth means the calendar's objects, although RFC 3253 section 3.6 reads that as 0.
            itself = request.header("DEPTH").strip() == "0"
            body = self.queries.answer(
                where, root, request.prefix, on, only, itself=itself, minimal=preferred.minimal
            )
            return _multistatus(body, preferred.applied())
        if where.tag and not only and root.tag == reports.SYNC:
            body = self.reports.sync(where, root, request.prefix, on, minimal=preferred.minimal)
            return _multistatus(body, preferred.applied())
        if where.tag and not only and root.tag == queries.FREE_BUSY:
            text = self.queries.free_busy(where, root)
            return Response(_OK, {"Content-Type": _CALENDAR}, text.encode())
        # Whoever asks for another report must hear that there is none (RFC 3253 section 3.6).
        raise RefusedError("supported-report", namespace=refusals.DAV)

    def _search_principals(self, request: Request, root: Element) -> Response:
        if root.tag == principals.SEARCH_SET or request.account is None:
            return Response(_OK, {"Content-Type": multistatus.CONTENT_TYPE}, principals.SEARCHABLE.encode())
        found = self.principals.search(request.account, root, request.name)
        preferred = preferences.of(request)
        wanted = properties.Request(None, minimal=preferred.minimal)
        wanted.tags = principals.wanted_tags(root)
        responses = (wanted.response(self._resource(request, row)) for row in found)
        return _multistatus(multistatus.document(responses), preferred.applied())

    def _post(self, request: Request) -> Response:
        where = scheduling.mailbox(request.path)
        if where is None or where.role is not Role.OUTBOX:
            return frame.METHOD_NOT_ALLOWED
        if request.account is None or where.owner != request.account.name:
            return frame.NOT_ALLOWED
        _require_calendar_data(request)
        text = self.outbox.answer(request.account, request.body())
        return Response(_OK, {"Content-Type": multistatus.CONTENT_TYPE}, text.encode())

    @staticmethod
    def _options(request: Request) -> Response:
        del request
        return Response(_OK, {"Allow": ", ".join(sorted(METHODS)), "DAV": _DAV})

    def _propfind(self, request: Request) -> Response:
        if not set("rR") & set(self._access(request.account, request.path).own):
            return frame.NOT_ALLOWED
        preferred = preferences.of(request)
        try:
            wanted = properties.Request(request.xml(), minimal=preferred.minimal)
        except ValueError:
            return frame.BAD_REQUEST
        depth = request.header("DEPTH", "infinity").strip().lower()
        if depth not in {"0", "1", "infinity"}:
            return frame.BAD_REQUEST
        name = request.name
        where = self.calendars.find(name) or scheduling.mailbox(name) if name else ROOT
        if where is None:
            target = self._target(request.path)
            found = self._listed(*target) if target is not None else None
            if target is None or found is None:
                raise refusals.MissingError(request.path)
            response = wanted.response(self._resource(request, target[0], found))
            return _multistatus(multistatus.document([response]), preferred.applied())
        on = self._resource(request, where)
        responses = [] if preferred.no_root and depth != "0" else [wanted.response(on)]
        if depth != "0" and where.tag:
            responses += wanted.responses(on, self._listing(where))
        elif depth != "0":
            with self.calendars.database.read() as connection:
                children = reading.children(connection, where.path)
            for child in children:
                below = self._resource(request, child)
                if set("rR") & set(below.letters):
                    responses.append(wanted.response(below))
        return _multistatus(multistatus.document(responses), preferred.applied(no_root=depth != "0"))

    def _resource(
        self, request: Request, where: CollectionRow, item: reading.Listed | None = None
    ) -> properties.Resource:
        account = None
        if where.role is Role.PRINCIPAL and where.owner:
            account = request.account if where.owner == request.user else self.accounts.get(where.owner)
        return properties.Resource(
            prefix=request.prefix,
            user=request.user,
            letters=rights_of(request.account, where.path, self.calendars.directory),
            collection=where,
            token=lambda: self._token(where),
            item=item,
            email=account.email if account else "",
            max_size=MAX_RESOURCE,
            homes=lambda: self.principals.homes(where, account),
        )

    def _token(self, where: CollectionRow) -> str:
        office = self.calendars.office_of(where)
        if where.role is Role.BUSY and office is not None:
            return self.feed.token(office)
        with self.calendars.database.read() as connection:
            return sync_token(where, reading.meta_value(connection, "incarnation") or "")

    def _listing(self, where: CollectionRow) -> list[reading.Listed]:
        office = self.calendars.office_of(where)
        if where.role is Role.BUSY and office is not None:
            return [_listed_busy(item, where) for item in self.feed.items(office)]
        with self.calendars.database.read() as connection:
            return list(reading.listing(connection, where))

    def _listed(self, where: CollectionRow, href: str) -> reading.Listed | None:
        office = self.calendars.office_of(where)
        if where.role is Role.BUSY and office is not None:
            item = self.feed.item(office, href)
            return None if item is None else _listed_busy(item, where)
        with self.calendars.database.read() as connection:
            row = reading.item(connection, where, href)
        return None if row is None else reading.listed(row, where)

    def _proppatch(self, request: Request) -> Response:
        letters = self._access(request.account, request.path).own
        if "l" in letters or not set("wW") & set(letters):
            return frame.NOT_ALLOWED
        root = request.xml()
        if root is not None and root.tag != _PROPERTY_UPDATE:
            return frame.BAD_REQUEST
        href = multistatus.href(request.prefix, *request.name.split("/"), collection=True)
        update = propertyupdate.read(root, properties.PROTECTED, self._year())
        if update.refused:
            response = f"<response><href>{href}</href>{update.propstats()}</response>"
            return _multistatus(multistatus.document([response]))
        if self.calendars.find(request.path) is None:
            # An object has no properties that can be set; what isn't there has none at all.
            target = self._target(request.path)
            if target is not None and self._listed(*target) is not None:
                raise refusals.ForbiddenError(request.path)
            raise refusals.MissingError(request.path)
        self.calendars.change_props(request.name, update.changes, _actor(request))
        preferred = preferences.of(request)
        if preferred.minimal:
            return Response(_OK, preferred.applied())
        return _multistatus(multistatus.document([properties.changed(update.tags, href)]))

    def _year(self) -> int:
        return datetime.fromtimestamp(self.calendars.now(), UTC).year

    # What is Radicale's ----------------------------------------------------------------------------------------------

    def _make(self, request: Request) -> Response:
        """Let Radicale make a collection (MKCALENDAR, MKCOL); it asks our plugins for the rights and to store it."""
        method = request.environ["REQUEST_METHOD"]
        if not set("wW") & set(self._access(request.account, request.path).own):
            return frame.NOT_ALLOWED
        wanted, answered = _MAKING[method]
        # RFC 4918 section 9.3 asks that a body which MKCOL doesn't know is told by 415.
        unknown = frame.BAD_REQUEST if method == "MKCALENDAR" else _UNSUPPORTED
        try:
            root = request.xml()
        except BadXmlError:
            return frame.BAD_REQUEST if _is_xml(request) else unknown
        if root is not None and root.tag != wanted:
            return unknown
        update = propertyupdate.read(root, properties.PROTECTED, self._year(), creating=True)
        if update.refused:
            return _not_made(answered, update)
        handler: Callable[..., Any] = getattr(super(), f"do_{method}")
        with self._storage.acting(_actor(request), update.props):
            answer = handler(request.environ, request.prefix, request.path, request.user, set(), {})
        if answer == httputils.NOT_ALLOWED:
            return frame.NOT_ALLOWED
        status, headers, body, _ = answer
        if status == _CREATED:
            # Without Radicale's body, which repeats what was asked.
            return Response(_CREATED, preferences.of(request).applied())
        return Response(status, dict(headers), body.encode() if isinstance(body, str) else body or b"")

    def _read_xml_request_body(self, environ: Mapping[str, Any], request_info: object) -> Element | None:
        """What Radicale needs to know of the body, which was read before: whether a calendar is to be made."""
        del environ, request_info
        return xmlbody.parse(_A_CALENDAR) if self._storage.makes_calendar() else None


def _listed_busy(item: BusyItem, where: CollectionRow) -> reading.Listed:
    return reading.Listed(item.href, item.etag, len(item.text), where.modified, "VFREEBUSY")


def _well_known(prefix: str, path: str) -> Response:
    """Lead to the root of the server (RFC 6764 section 5), without a password; other well-known addresses aren't ours."""
    # Some clients (TbSync) ask for them below the path that they were given.
    if path.rstrip("/").endswith(("/.well-known/caldav", "/.well-known/carddav")):
        return Response(301, {"Location": f"{prefix}/"})
    return frame.NOT_FOUND


def _is_xml(request: Request) -> bool:
    kind = request.environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    return not kind or kind in {"text/xml", "application/xml"}


def _not_made(root: str, update: propertyupdate.Update) -> Response:
    """Tell why there is no new collection (RFC 5689 section 3)."""
    body = f'<?xml version="1.0" encoding="utf-8"?>\n<{root} {multistatus.NAMESPACES}>{update.propstats()}</{root}>'
    return Response(403, {"Content-Type": multistatus.CONTENT_TYPE}, body.encode())


def _multistatus(body: bytes, headers: Mapping[str, str] = _NO_HEADERS) -> Response:
    return Response(_MULTI_STATUS, {"Content-Type": multistatus.CONTENT_TYPE, "DAV": _DAV, **headers}, body)


def _actor(request: Request) -> Actor:
    authoritative = request.account is not None and request.account.role is AccountRole.SITE
    return Actor(request.user, authoritative)


def _place(target: tuple[CollectionRow, str]) -> tuple[str, str]:
    return target[0].path, target[1]


def _read(request: Request, etag: str, modified: int, text: Callable[[], str], **headers: str) -> Response:
    """Answer a GET of what has this etag, under its preconditions (RFC 9110 section 13.2.2); `text` makes what is sent."""
    if_match = request.header("IF_MATCH")
    if if_match:
        Preconditions(if_match=if_match).check_etag(etag)
    told = {"ETag": etag, "Last-Modified": formatdate(modified, usegmt=True)}
    if is_known(request.header("IF_NONE_MATCH"), etag):
        return Response(_NOT_MODIFIED, told)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(_OK, {**told, **named, "Content-Type": _CALENDAR}, text().encode())


def _not_done(error: NotDoneError, prefix: str) -> Response:
    if isinstance(error, RefusedError):
        where = multistatus.href(prefix, *error.path.split("/")) if error.path else ""
        body = multistatus.error(error.namespace, error.rule, where)
        wait = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
        return Response(403, {"Content-Type": multistatus.CONTENT_TYPE, **wait}, body)
    if isinstance(error, refusals.PreconditionFailedError):
        return frame.PRECONDITION_FAILED
    if isinstance(error, refusals.MissingError):
        return frame.NOT_FOUND
    if isinstance(error, refusals.NoParentError):
        return frame.CONFLICT
    return frame.FORBIDDEN


def _preconditions(request: Request) -> Preconditions:
    return Preconditions(request.header("IF_MATCH"), request.header("IF_NONE_MATCH"))


def _require_calendar_data(request: Request) -> None:
    kind = request.environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if kind not in {
        "",
        "text/calendar",
        "text/plain",
        "application/octet-stream",
        "application/x-www-form-urlencoded",
    }:
        raise RefusedError("supported-calendar-data", namespace=refusals.CALDAV)


def _destination(request: Request) -> str | None:
    """Return the path of a Destination on this server (RFC 4918 section 10.3), None for another server's."""
    try:
        url = urlsplit(request.header("DESTINATION"))
    except ValueError:
        return None
    if url.netloc and url.netloc.lower() != request.header("HOST").lower():
        return None
    return frame.path_of(unquote(url.path).removeprefix(request.prefix)) if url.path else None


def create_app(settings: CalendarSettings) -> Shell:
    """Return the WSGI application; brings the database into line with the configuration first."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
    # Its remarks name paths, and with them people; what fails is told by our own.
    logging.getLogger("radicale").setLevel(logging.CRITICAL)
    # What a TZID with a prefix means is decided by `calendar_server.ical.tzids`; the warning would put what a client sent into the log.
    warnings.filterwarnings("ignore", category=GloballyUniqueTZIDGuessed)
    database = Database.open(settings.database_url)
    calendars = prepare(database, settings.directory, settings.clock, settings.limits)
    accounts = Accounts(database, settings.clock)
    feed = BusyFeed(database, settings.directory, settings.clock)
    known_feeds = feeds.Feeds(database, settings.clock)
    application = TerminApplication(calendars, accounts, feed)

    def ready() -> bool:
        try:
            with database.read() as connection:
                return reading.meta_value(connection, "incarnation") is not None
        except DBAPIError:
            return False

    upkeep = Upkeep(calendars, settings.upkeep)
    stop = threading.Event()
    thread = threading.Thread(target=upkeep.run, args=(stop,), name="upkeep", daemon=True)
    thread.start()

    def close() -> None:
        stop.set()
        thread.join()
        settings.mailroom.close()
        database.close()

    return Shell(
        application,
        ready=ready,
        max_body=MAX_BODY,
        trust_proxy=settings.trust_proxy,
        beside={
            desk.PREFIX: desk.Desk(calendars, accounts, known_feeds, settings.mailroom, feed),
            feeds.PREFIX: Subscription(calendars, known_feeds, names=settings.names_in_feeds),
        },
        close=close,
    )

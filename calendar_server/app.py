"""The calendar server as a WSGI application: Radicale with our plugins, and our own answers where SQL knows them at once.

Radicale keeps what it does well: authentication, MKCALENDAR, deleting calendars, and whatever a client asks that isn't named here. Objects and calendars are
written and read, their properties found and changed, and the common REPORTs answered by `calendar_server.service` and its neighbours directly, so
that preconditions are checked in the transaction that writes, and a refusal tells its rule (RFC 4918 section 16).
"""

from __future__ import annotations

import logging
import posixpath
import threading
import warnings
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import formatdate
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlparse

import structlog
from icalendar.error import GloballyUniqueTZIDGuessed
from radicale import config as radicale_config
from radicale import httputils, pathutils, xmlutils
from radicale.app import Application
from radicale.app.base import Access
from sqlalchemy.exc import DBAPIError, OperationalError

from calendar_server import (
    desk,
    fairness,
    feeds,
    multistatus,
    principals,
    properties,
    queries,
    refusals,
    reports,
    scheduling,
    wholes,
    xmlbody,
)
from calendar_server.accounts import AccountRole, Accounts
from calendar_server.busy_feed import BusyFeed, BusyItem
from calendar_server.limits import Limits
from calendar_server.mailroom import NoMailroom
from calendar_server.plugin import ROOT, TerminAuth, TerminRights, TerminStorage, sync_token
from calendar_server.refusals import NotDoneError, RefusedError
from calendar_server.service import Actor, Calendars, Preconditions
from calendar_server.setup import prepare
from calendar_server.shell import METHODS, Shell
from calendar_server.storage import reading
from calendar_server.storage.database import Database
from calendar_server.storage.rows import CollectionRow, ObjectRow, Role
from calendar_server.subscription import Subscription
from calendar_server.upkeep import Upkeep, UpkeepSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from xml.etree.ElementTree import Element

    from radicale.types import WSGIEnviron as Environ
    from radicale.types import WSGIResponse as Response

    from calendar_server.mailroom import Mailroom
    from calendar_server.offices import Directory


MAX_BODY = 10_000_000
MAX_RESOURCE = 1_000_000
_DAV = "1, 3, calendar-access, calendar-auto-schedule, extended-mkcol"
"""The compliance classes (RFC 4918 section 18, RFC 4791 section 5.1, RFC 6638 section 2, RFC 5689 section 3.1); no locks, so no class 2."""
_EXPAND_PROPERTY = "{DAV:}expand-property"
_RELEASED_ONLY = "HTTP_X_TERMIN_RELEASED_ONLY"
"""The site sends it with what the public books (`calendar_server.service.Actor.released_only`)."""
_OK, _CREATED, _NO_CONTENT, _MULTI_STATUS = 200, 201, 204, 207
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
                "validate_path_value": "minimal",
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
    """Radicale's application with our answers. One instance serves all threads."""

    _storage: TerminStorage
    _rights: TerminRights

    def __init__(self, calendars: Calendars, accounts: Accounts, feed: BusyFeed) -> None:
        self.calendars = calendars
        self.feed = feed
        self.reports = reports.Reports(calendars, feed)
        self.queries = queries.Queries(calendars, feed)
        self.principals = principals.Principals(calendars, accounts)
        self.outbox = scheduling.Outbox(calendars, self.principals)
        super().__init__(
            _configuration(
                storage=lambda configuration: TerminStorage(configuration, calendars, feed),
                auth=lambda configuration: TerminAuth(configuration, accounts),
                rights=lambda configuration: TerminRights(configuration, accounts, calendars.directory),
            )
        )
        self._require_plugins()

    def _require_plugins(self) -> None:
        loaded = {TerminStorage: self._storage, TerminAuth: self._auth, TerminRights: self._rights}
        for wanted, plugin in loaded.items():
            if type(plugin) is not wanted:
                raise RuntimeError(
                    f"{wanted.__name__} isn't the plugin that was loaded, but {type(plugin).__name__}"
                )

    # Around every request --------------------------------------------------------------------------------------------

    def _handle_request(self, environ: Environ) -> Any:
        self._rights.forget()
        # Principals are made by `calendar_server.setup` and on demand, by the system.
        with self.calendars.database.snapshot(), self._storage.acting(Actor("system")):
            return super()._handle_request(environ)

    def _as(self, user: str, do: Callable[[], Response]) -> Response:
        """Do what a user asked and turn what wasn't done into its HTTP answer."""
        account = self._rights.account(user)
        authoritative = account is not None and account.role is AccountRole.SITE
        try:
            with self._storage.acting(Actor(user, authoritative)):
                return do()
        except NotDoneError as error:
            return _not_done(error)
        except OperationalError as error:
            _log.warning("database unavailable", error=type(error.orig).__name__)
            return (
                503,
                {"Content-Type": "text/plain", "Retry-After": "5"},
                "The calendar is busy, try again.",
                None,
            )
        except DBAPIError as error:
            # What a database can't keep (a NUL character, a value out of range) is the client's to mend.
            _log.warning("database refused", error=type(error.orig).__name__)
            return 400, {"Content-Type": "text/plain"}, "The request has a value that can't be stored.", None

    def _radicale(self, method: str, environ: Environ, *parts: Any) -> Response:
        """Let Radicale answer; `parts` are the rest of its handler's arguments: prefix, path, user, groups, request_info."""
        handler: Callable[..., Response] = getattr(Application, f"do_{method}")
        user: str = parts[2]
        return self._as(user, lambda: handler(self, environ, *parts))

    def _read_xml_request_body(self, environ: Environ, request_info: object) -> Element | None:
        del request_info
        try:
            return xmlbody.parse(environ["wsgi.input"].read())
        except xmlbody.BadXmlError as error:
            # Radicale answers 400 to a RuntimeError from here.
            raise RuntimeError(str(error)) from error

    def _access(self, user: str, groups: set[str], path: str) -> Access:
        return Access(self._rights, user, groups, path)

    def _target(self, path: str) -> tuple[CollectionRow, str] | None:
        """Return (calendar, name) if a path is that of an object in a calendar, whether it is there or not."""
        parent, href = posixpath.split(pathutils.strip_path(path))
        if not parent or not href or path.endswith("/"):
            return None
        where = self.calendars.find(parent)
        return (where, href) if where is not None and where.tag else None

    # One object ------------------------------------------------------------------------------------------------------

    def do_PUT(
        self,
        environ: Environ,
        base_prefix: str,
        path: str,
        user: str,
        user_groups: set[str],
        request_info: Any,
    ) -> Response:
        del base_prefix, request_info
        target = self._target(path)
        if target is None:
            return self._put_calendar(environ, path, user, self._access(user, user_groups, path))
        where, href = target
        access = self._access(user, user_groups, path)
        if "w" not in access.permissions and "w" not in access.parent_permissions:
            return httputils.NOT_ALLOWED

        def put() -> Response:
            _require_calendar_data(environ)
            sent = environ["wsgi.input"].read()
            body = scheduling.left_to_clients(sent)
            actor = self._storage.actor()
            if actor.authoritative:
                actor = replace(
                    actor, caller=fairness.caller_of(environ), released_only=_RELEASED_ONLY in environ
                )
            done = self.calendars.put(where.path, href, body, actor, _preconditions(environ))
            headers = {} if done.etag is None or body != sent else {"ETag": done.etag}
            return (_CREATED if done.created else _NO_CONTENT), headers, None, None

        return self._as(user, put)

    def do_GET(
        self,
        environ: Environ,
        base_prefix: str,
        path: str,
        user: str,
        user_groups: set[str],
        request_info: Any,
    ) -> Response:
        del base_prefix, request_info
        target = self._target(path)
        access = self._access(user, user_groups, path)
        if target is None:
            if not pathutils.strip_path(path):
                return _OK, {"Content-Type": "text/plain"}, "CalDAV server of the appointment system.", None
            if "r" not in access.permissions and "R" not in access.permissions:
                return httputils.NOT_ALLOWED
            return self._as(user, lambda: self._get_calendar(environ, path))
        if not set("ri") & set(access.permissions) and "r" not in access.parent_permissions:
            return httputils.NOT_ALLOWED
        return self._as(user, lambda: self._get_item(environ, *target))

    def _put_calendar(self, environ: Environ, path: str, user: str, access: Access) -> Response:
        """Take a calendar as a whole (RFC 4791 leaves that open); "O" is the right to it."""
        if not {"w", "O"} <= set(access.permissions):
            return httputils.NOT_ALLOWED

        def put() -> Response:
            _require_calendar_data(environ)
            texts, props = wholes.parts_of(scheduling.left_to_clients(environ["wsgi.input"].read()))
            created = self.calendars.replace_calendar(
                pathutils.strip_path(path), texts, props, self._storage.actor(), _preconditions(environ)
            )
            return (_CREATED if created else _NO_CONTENT), {}, None, None

        return self._as(user, put)

    def _get_calendar(self, environ: Environ, path: str) -> Response:
        where = self.calendars.find(path)
        if where is None:
            raise refusals.MissingError(path)
        if not where.tag:
            return httputils.DIRECTORY_LISTING
        etag = where.etag
        if where.role is Role.BUSY:
            etag = f'"{self._token(where).rpartition(":busy:")[2]}"'
        headers = {"ETag": etag, "Last-Modified": formatdate(where.modified, usegmt=True)}
        if etag in (part.strip() for part in environ.get("HTTP_IF_NONE_MATCH", "").split(",")):
            return 304, headers, None, None
        text = wholes.text_of(where, self.calendars, self.feed)
        name = quote(f"{where.props.get('D:displayname') or where.name}.ics", safe="")
        headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{name}"
        return _OK, {**headers, "Content-Type": "text/calendar; charset=utf-8"}, text.encode(), None

    def _get_item(self, environ: Environ, where: CollectionRow, href: str) -> Response:
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
        headers = {"ETag": etag, "Last-Modified": formatdate(modified, usegmt=True)}
        if etag in (part.strip() for part in environ.get("HTTP_IF_NONE_MATCH", "").split(",")):
            return 304, headers, None, None
        return _OK, {**headers, "Content-Type": "text/calendar; charset=utf-8"}, text.encode(), None

    def do_DELETE(
        self,
        environ: Environ,
        base_prefix: str,
        path: str,
        user: str,
        user_groups: set[str],
        request_info: Any,
    ) -> Response:
        target = self._target(path)
        if target is None:
            return self._radicale("DELETE", environ, base_prefix, path, user, user_groups, request_info)
        where, href = target
        access = self._access(user, user_groups, path)
        if "w" not in access.permissions and "w" not in access.parent_permissions:
            return httputils.NOT_ALLOWED

        def delete() -> Response:
            self.calendars.delete(where.path, href, self._storage.actor(), _preconditions(environ))
            return _NO_CONTENT, {}, None, None

        return self._as(user, delete)

    def do_MOVE(
        self,
        environ: Environ,
        base_prefix: str,
        path: str,
        user: str,
        user_groups: set[str],
        request_info: Any,
    ) -> Response:
        del base_prefix, request_info
        source = self._target(path)
        destination = _destination(environ)
        target = self._target(destination) if destination is not None else None
        if destination is None:
            # RFC 4918 section 9.9.4 would let another server's be answered with 502; no request makes us answer with a 5xx.
            return httputils.BAD_REQUEST
        for place in (path, destination):
            access = self._access(user, user_groups, place)
            if not (
                "w" in access.parent_permissions
                and ("r" in access.parent_permissions or "r" in access.permissions)
            ):
                return httputils.NOT_ALLOWED
        if source is None:
            return httputils.NOT_FOUND
        if target is None:
            return httputils.CONFLICT

        def move() -> Response:
            overwrite = environ.get("HTTP_OVERWRITE", "T").strip().upper() != "F"
            created = self.calendars.move(
                source[0].path,
                source[1],
                target[0].path,
                target[1],
                self._storage.actor(),
                overwrite=overwrite,
            )
            return (_CREATED if created else _NO_CONTENT), {}, None, None

        return self._as(user, move)

    # Collections -----------------------------------------------------------------------------------------------------

    def do_REPORT(
        self,
        environ: Environ,
        base_prefix: str,
        path: str,
        user: str,
        user_groups: set[str],
        request_info: Any,
    ) -> Response:
        access = self._access(user, user_groups, path)
        if not set("rR") & set(access.permissions) and "r" not in access.parent_permissions:
            return httputils.NOT_ALLOWED
        try:
            root = self._read_xml_request_body(environ, request_info)
        except RuntimeError:
            return httputils.BAD_REQUEST
        if root is not None and root.tag in {principals.SEARCH, principals.SEARCH_SET}:
            return self._as(user, lambda: self._search_principals(root, base_prefix, path, user))
        if "r" not in access.permissions and "r" not in access.parent_permissions:
            return httputils.NOT_ALLOWED
        ours = None if root is None else self._our_report(root, base_prefix, path)
        if ours is not None:
            return self._as(user, ours)
        _rewind(environ)
        return self._radicale("REPORT", environ, base_prefix, path, user, user_groups, request_info)

    def _our_report(self, root: Element, prefix: str, path: str) -> Callable[[], Response] | None:
        """Return what answers a REPORT from rows; None for what is left to Radicale."""
        if scheduling.mailbox(path) is not None:
            return lambda: _multistatus(multistatus.document(()))
        where = self.calendars.find(path)
        if where is None or not where.tag:
            return None
        if root.tag == reports.SYNC:
            return lambda: _multistatus(self.reports.sync(where, root, prefix))
        if root.tag in {queries.MULTIGET, queries.QUERY}:
            return lambda: _multistatus(self.queries.answer(where, root, prefix))
        if root.tag == queries.FREE_BUSY:
            return lambda: _calendar(self.queries.free_busy(where, root))
        # Radicale answers the reports that it doesn't know with nothing. Clients that ask for expand-property without being told
        # that they can are content with that; whoever asks for another must hear that there is none (RFC 3253 section 3.6).
        return None if root.tag == _EXPAND_PROPERTY else _no_such_report

    def _search_principals(self, root: Element, prefix: str, path: str, user: str) -> Response:
        account = self._rights.account(user)
        if root.tag == principals.SEARCH_SET or account is None:
            return _OK, {"Content-Type": multistatus.CONTENT_TYPE}, principals.SEARCHABLE, None
        found = self.principals.search(account, root, pathutils.strip_path(path))
        wanted = properties.Request(None)
        wanted.tags = principals.wanted_tags(root)
        return _multistatus(
            multistatus.document(wanted.response(self._resource(prefix, user, row)) for row in found)
        )

    def do_POST(
        self,
        environ: Environ,
        base_prefix: str,
        path: str,
        user: str,
        user_groups: set[str],
        request_info: Any,
    ) -> Response:
        del base_prefix, user_groups, request_info
        where = scheduling.mailbox(path)
        account = self._rights.account(user)
        if where is None or where.role is not Role.OUTBOX:
            return httputils.METHOD_NOT_ALLOWED
        if account is None or where.owner != account.name:
            return httputils.NOT_ALLOWED

        def answer() -> Response:
            _require_calendar_data(environ)
            text = self.outbox.answer(account, environ["wsgi.input"].read())
            return _OK, {"Content-Type": multistatus.CONTENT_TYPE}, text, None

        return self._as(user, answer)

    def do_OPTIONS(
        self,
        environ: Environ,
        base_prefix: str,
        path: str,
        user: str,
        user_groups: set[str],
        request_info: Any,
    ) -> Response:
        del environ, base_prefix, path, user, user_groups, request_info
        return _OK, {"Allow": ", ".join(sorted(METHODS)), "DAV": _DAV}, None, None

    def do_PROPFIND(
        self,
        environ: Environ,
        base_prefix: str,
        path: str,
        user: str,
        user_groups: set[str],
        request_info: Any,
    ) -> Response:
        del user_groups
        letters = self._rights.authorization(user, set(), path)
        if not set("rR") & set(letters):
            return httputils.NOT_ALLOWED
        try:
            request = properties.Request(self._read_xml_request_body(environ, request_info))
        except (RuntimeError, ValueError):
            return httputils.BAD_REQUEST
        deep = environ.get("HTTP_DEPTH", "infinity").strip() != "0"
        return self._as(user, lambda: self._propfind(request, base_prefix, path, user, deep=deep))

    def _propfind(
        self, request: properties.Request, prefix: str, path: str, user: str, *, deep: bool
    ) -> Response:
        name = pathutils.strip_path(path)
        where = self.calendars.find(name) or scheduling.mailbox(name) if name else ROOT
        if where is None:
            target = self._target(path)
            found = self._listed(*target) if target is not None else None
            if target is None or found is None:
                raise refusals.MissingError(path)
            return _multistatus(
                multistatus.document([request.response(self._resource(prefix, user, target[0], found))])
            )
        responses = [request.response(self._resource(prefix, user, where))]
        if deep and where.tag:
            on = self._resource(prefix, user, where)
            responses += request.responses(on, self._listing(where))
        elif deep:
            with self.calendars.database.read() as connection:
                children = reading.children(connection, where.path)
            for child in children:
                on = self._resource(prefix, user, child)
                if set("rR") & set(on.letters):
                    responses.append(request.response(on))
        return _multistatus(multistatus.document(responses))

    def _resource(
        self, prefix: str, user: str, where: CollectionRow, item: reading.Listed | None = None
    ) -> properties.Resource:
        account = self._rights.account(where.owner) if where.role is Role.PRINCIPAL and where.owner else None
        return properties.Resource(
            prefix=prefix,
            user=user,
            letters=self._rights.authorization(user, set(), f"/{where.path}/" if where.path else "/"),
            collection=where,
            token=lambda: self._token(where),
            item=item,
            email=account.email if account else "",
            max_size=MAX_RESOURCE,
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

    def do_PROPPATCH(
        self,
        environ: Environ,
        base_prefix: str,
        path: str,
        user: str,
        user_groups: set[str],
        request_info: Any,
    ) -> Response:
        letters = self._rights.authorization(user, user_groups, path)
        if "l" in letters or not set("wW") & set(letters):
            return httputils.NOT_ALLOWED
        try:
            root = self._read_xml_request_body(environ, request_info)
        except RuntimeError:
            return httputils.BAD_REQUEST
        href = multistatus.href(base_prefix, *pathutils.strip_path(path).split("/"), collection=True)
        refused = properties.refused_changes(root, href)
        if refused is not None:
            return _multistatus(multistatus.document([refused]))
        changes = xmlutils.props_from_request(root)

        def patch() -> Response:
            if self.calendars.find(path) is None:
                # An object has no properties that can be set; what isn't there has none at all.
                target = self._target(path)
                if target is not None and self._listed(*target) is not None:
                    raise refusals.ForbiddenError(path)
                raise refusals.MissingError(path)
            self.calendars.change_props(pathutils.strip_path(path), changes, self._storage.actor())
            return _multistatus(multistatus.document([properties.changed(changes, href)]))

        return self._as(user, patch)

    def do_MKCALENDAR(
        self,
        environ: Environ,
        base_prefix: str,
        path: str,
        user: str,
        user_groups: set[str],
        request_info: Any,
    ) -> Response:
        return self._radicale("MKCALENDAR", environ, base_prefix, path, user, user_groups, request_info)

    def do_MKCOL(
        self,
        environ: Environ,
        base_prefix: str,
        path: str,
        user: str,
        user_groups: set[str],
        request_info: Any,
    ) -> Response:
        return self._radicale("MKCOL", environ, base_prefix, path, user, user_groups, request_info)


def _listed_busy(item: BusyItem, where: CollectionRow) -> reading.Listed:
    return reading.Listed(item.href, item.etag, len(item.text), where.modified, "VFREEBUSY")


def _no_such_report() -> Response:
    raise RefusedError("supported-report", namespace=refusals.DAV)


def _rewind(environ: Environ) -> None:
    environ["wsgi.input"].seek(0)


def _multistatus(body: bytes) -> Response:
    return _MULTI_STATUS, {"Content-Type": multistatus.CONTENT_TYPE, "DAV": _DAV}, body, None


def _calendar(text: str) -> Response:
    return _OK, {"Content-Type": "text/calendar; charset=utf-8"}, text.encode(), None


def _not_done(error: NotDoneError) -> Response:
    if isinstance(error, RefusedError):
        body = multistatus.error(error.namespace, error.rule)
        wait = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
        return 403, {"Content-Type": multistatus.CONTENT_TYPE, **wait}, body, None
    if isinstance(error, refusals.PreconditionFailedError):
        return httputils.PRECONDITION_FAILED
    if isinstance(error, refusals.MissingError):
        return httputils.NOT_FOUND
    if isinstance(error, refusals.NoParentError):
        return httputils.CONFLICT
    return httputils.FORBIDDEN


def _preconditions(environ: Environ) -> Preconditions:
    return Preconditions(environ.get("HTTP_IF_MATCH", ""), environ.get("HTTP_IF_NONE_MATCH", ""))


def _require_calendar_data(environ: Environ) -> None:
    kind = environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if kind not in {
        "",
        "text/calendar",
        "text/plain",
        "application/octet-stream",
        "application/x-www-form-urlencoded",
    }:
        raise RefusedError("supported-calendar-data", namespace=refusals.CALDAV)


def _destination(environ: Environ) -> str | None:
    """Return the path of a Destination on this server (RFC 4918 section 10.3), None for another server's."""
    try:
        url = urlparse(environ.get("HTTP_DESTINATION", ""))
    except ValueError:
        return None
    if url.netloc and url.netloc.lower() != str(environ.get("HTTP_HOST", "")).lower():
        return None
    path: str = pathutils.sanitize_path(unquote(url.path))
    return path if url.path else None


def create_app(settings: CalendarSettings) -> Shell:
    """Return the WSGI application; brings the database into line with the configuration first."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
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

"""What CalDAV has no word for, as JSON under `/.termin/`: snapshots of an office for planners, and plans.

Offices and plans are for leads (their office), administrators and the worker, failed mails for the office's clerks too; everybody else is told no. What is one's own is for everybody who
logs in with her password: an app password is for calendars alone, and must not make further ones. Groups and wishes of the waiting list are for the site alone, and only
for who knows their unguessable ids; nobody can list them. `calendar_server.client` speaks it.

    GET  /.termin/offices/<office>/snapshot?from=2026-12-07&to=2026-12-11[&open_only=1]
    GET  /.termin/offices/<office>/plans            POST the same: propose one
    GET  /.termin/offices/<office>/why?day=2026-12-07&minutes=20&service=reisepass[&start=08:00]
    GET  /.termin/offices/<office>/refused          drawings that were refused lately
    GET  /.termin/offices/<office>/demand?from=2026-10-01&to=2026-11-30
    GET  /.termin/offices/<office>/mails            those that failed; POST /.termin/offices/<office>/mails/<id>/again | settle
    GET  /.termin/busy                              the sync tokens of all busy feeds, for the site
    GET  /.termin/plans/<id>                        POST /.termin/plans/<id>/apply | undo | undo-rest | dismiss
    GET  /.termin/plans/<id>/obstacles              what keeps it from being taken back
    GET  /.termin/groups/<office>/<uid>             POST /.termin/groups/<office>: book or change several at once
    GET  /.termin/offices/<office>/waiting          how many are on the waiting list
    POST /.termin/waiting                           GET /.termin/waiting/<id>; POST /.termin/waiting/<id>/accept | decline | leave
    POST /.termin/feedback                          what somebody wrote about the site, from the site
    GET  /.termin/own/feeds                         POST the same: make one; POST /.termin/own/feeds/<id>/revoke
    GET  /.termin/own/app-passwords                 likewise
"""

from __future__ import annotations

import base64
import json
from dataclasses import asdict
from datetime import date, time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import structlog
from sqlalchemy.exc import OperationalError

from calendar_server import demand, fairness, snapshot, why
from calendar_server.accounts import Account, AccountError, AccountRole, Accounts
from calendar_server.feeds import Feeds, path_of
from calendar_server.ical import group
from calendar_server.ical.appointment import MOST_TOGETHER
from calendar_server.plans import Absence, Plan, PlanKind, Plans, Step
from calendar_server.refusals import MissingError, NotDoneError, PreconditionFailedError, RefusedError
from calendar_server.service import Actor, Calendars, Part
from calendar_server.storage import reading
from calendar_server.storage.database import reason_of
from calendar_server.waiting import NewWish

if TYPE_CHECKING:
    from collections.abc import Iterable

    from radicale.types import WSGIEnviron, WSGIStartResponse

    from calendar_server.busy_feed import BusyFeed
    from calendar_server.mailroom import Mailroom
    from calendar_server.offices import Office

PREFIX = "/.termin/"
_MOST_STEPS = 5_000
_LONGEST_MINUTES = 24 * 60
_LONGEST_FEEDBACK = 4_000
_HOUR = 3_600
_STATUS = {200: "200 OK", 201: "201 Created", 400: "400 Bad Request", 401: "401 Unauthorized"}
_STATUS |= {403: "403 Forbidden", 404: "404 Not Found", 405: "405 Method Not Allowed"}
_STATUS |= {503: "503 Service Unavailable"}
_log = structlog.get_logger(__name__)


class _BadRequestError(ValueError):
    pass


class Desk:
    """A WSGI application for the paths under PREFIX."""

    def __init__(
        self, calendars: Calendars, accounts: Accounts, feeds: Feeds, mailroom: Mailroom, busy: BusyFeed
    ) -> None:
        self._busy = busy
        self._mailroom = mailroom
        self._calendars = calendars
        self._accounts = accounts
        self._feeds = feeds
        self._plans = Plans(calendars)

    def __call__(self, environ: WSGIEnviron, start_response: WSGIStartResponse) -> Iterable[bytes]:
        """Answer one request."""
        try:
            status, body = self._respond(environ)
        except MissingError:
            status, body = 404, {"error": "not-found"}
        except RefusedError as error:
            status, body = 403, {"error": error.rule, "retry_after": error.retry_after}
        except PreconditionFailedError:
            status, body = 403, {"error": "changed"}
        except NotDoneError:
            status, body = 403, {"error": "forbidden"}
        except (_BadRequestError, AccountError) as error:
            status, body = 400, {"error": "bad-request", "detail": str(error)}
        except OperationalError as error:
            _log.warning("database unavailable", reason=reason_of(error))
            status, body = 503, {"error": "unavailable"}
        return _answer(start_response, status, body)

    def _respond(self, environ: WSGIEnviron) -> tuple[int, dict[str, Any]]:
        account = self._login(environ)
        if account is None:
            return 401, {"error": "unauthorized"}
        if self._accounts.is_app_password(_credentials(environ)[1]):
            # It's for the calendars of one device: who finds that must not come upon citizens' telephone numbers and plans with it.
            return 403, {"error": "app-password"}
        path = str(environ.get("PATH_INFO", "")).removeprefix(PREFIX).strip("/").split("/")
        return self._route(str(environ["REQUEST_METHOD"]), path, environ, account)

    def _login(self, environ: WSGIEnviron) -> Account | None:
        name, password = _credentials(environ)
        if not name:
            return None
        account = self._accounts.login(name, password)
        if account is None:
            # As for calendars: nobody shall guess here unseen.
            _log.warning("failed login", address=environ.get("REMOTE_ADDR", ""))
        return account

    def _office(self, office_id: str, account: Account) -> Office:
        office = self._calendars.directory.office(office_id)
        allowed = account.role in {AccountRole.ADMIN, AccountRole.WORKER} or (
            account.role is AccountRole.LEAD and account.office in {"", office_id}
        )
        if not allowed:
            raise RefusedError("forbidden")
        if office is None:
            raise MissingError(office_id)
        return office

    def _workplace(self, office_id: str, account: Account) -> Office:
        """The office of a clerk, or what else the account may see."""
        office = self._calendars.directory.office(office_id)
        # Where a clerk works is in the configuration; her account doesn't say.
        if (
            office is not None
            and account.role is AccountRole.CLERK
            and self._calendars.directory.office_of(account.name) is office
        ):
            return office
        return self._office(office_id, account)

    def _route(
        self, method: str, path: list[str], environ: WSGIEnviron, account: Account
    ) -> tuple[int, dict[str, Any]]:
        match method, path:
            case _, ["offices", office_id, *rest]:
                return self._of_office(method, office_id, rest, environ, account)
            case _, ["plans", plan_id, *rest]:
                self._permitted(plan_id, account)
                return 200, self._plan(method, plan_id, rest, Actor(account.name))
            case _, ["waiting", *rest]:
                return self._waiting(method, rest, environ, account)
            case "GET", ["busy"]:
                return 200, self._tokens(account)
            case _, ["groups", office_id, *rest]:
                return self._groups(method, self._booked_into(office_id, account), rest, environ, account)
            case "POST", ["feedback"]:
                return self._feedback(environ, account)
            case _, ["own", *rest]:
                return self._own(method, rest, environ, account)
        raise MissingError("/".join(path))

    def _of_office(
        self, method: str, office_id: str, path: list[str], environ: WSGIEnviron, account: Account
    ) -> tuple[int, dict[str, Any]]:
        match method, path:
            case "GET", ["snapshot"]:
                return 200, self._snapshot(self._office(office_id, account), environ)
            case "GET", ["plans"]:
                office = self._office(office_id, account)
                return 200, {"plans": [_full(plan) for plan in self._plans.all(office.id)]}
            case "POST", ["plans"]:
                office = self._office(office_id, account)
                proposed = self._plans.propose(_proposal(office.id, _body(environ)), Actor(account.name))
                return 201, _full(proposed)
            case "GET", ["waiting"]:
                return 200, asdict(self._calendars.waiting.counts(self._workplace(office_id, account).id))
            case "GET", ["why" | "refused" | "demand" | "called-off" as question]:
                return 200, self._answered(question, office_id, environ, account)
            case "GET", ["mails"]:
                return 200, {"failed": self._mailroom.failed(self._workplace(office_id, account).id)}
            case "POST", ["mails", number, "again" | "settle" as verb]:
                office = self._workplace(office_id, account)
                do = self._mailroom.again if verb == "again" else self._mailroom.settle
                if not do(office.id, _number(number)):
                    raise MissingError(number)
                return 200, {}
        raise MissingError("/".join(path))

    def _plan(self, method: str, plan_id: str, path: list[str], actor: Actor) -> dict[str, Any]:
        plans = self._plans
        match method, path:
            case "GET", []:
                return _full(plans.get(plan_id))
            case "GET", ["obstacles"]:
                return {"obstacles": plans.obstacles(plan_id)}
            case "POST", ["apply"]:
                return _full(plans.apply(plan_id, actor))
            case "POST", ["undo" | "undo-rest" as verb]:
                return _full(plans.undo(plan_id, actor, rest=verb == "undo-rest"))
            case "POST", ["dismiss"]:
                return _full(plans.dismiss(plan_id, actor))
        raise MissingError("/".join(path))

    def _waiting(
        self, method: str, path: list[str], environ: WSGIEnviron, account: Account
    ) -> tuple[int, dict[str, Any]]:
        if account.role is not AccountRole.SITE:
            raise RefusedError("forbidden")
        waiting = self._calendars.waiting
        actor = Actor(account.name, authoritative=True, caller=fairness.caller_of(environ))
        match method, path:
            case "POST", []:
                return 201, self._wish(waiting.add(_new_wish(_body(environ)), actor).id)
            case "GET", [wish_id]:
                return 200, self._wish(wish_id)
            case "POST", [wish_id, "accept" | "decline" as verb]:
                decide = waiting.accept if verb == "accept" else waiting.decline
                decide(wish_id, _whole(_body(environ), "start"), actor)
                return 200, self._wish(wish_id)
            case "POST", [wish_id, "leave"]:
                waiting.leave(wish_id, actor)
                return 200, self._wish(wish_id)
        raise MissingError("/".join(path))

    def _wish(self, wish_id: str) -> dict[str, Any]:
        wish, text = self._calendars.waiting.read(wish_id)
        return {
            "id": wish.id,
            "office": wish.office,
            "state": wish.state.value,
            "first": wish.first,
            "last": wish.last,
            "weekdays": wish.weekdays,
            "from_minute": wish.from_minute,
            "until_minute": wish.until_minute,
            "offered_start": wish.offered_start,
            "offered_until": wish.offered_until,
            "replaces": wish.replaces,
            "text": text,
        }

    def _own(
        self, method: str, path: list[str], environ: WSGIEnviron, account: Account
    ) -> tuple[int, dict[str, Any]]:
        match method, path:
            case "GET", ["feeds"]:
                return 200, {"feeds": [feed.to_json() for feed in self._feeds.of(account.name)]}
            case "POST", ["feeds"]:
                token = self._feeds.add(account.name, _label(_body(environ)))
                return 201, {"path": path_of(token)}
            case "POST", ["feeds", number, "revoke"]:
                self._feeds.revoke(account.name, _number(number))
                return 200, {}
            case "GET", ["app-passwords"]:
                found = self._accounts.app_passwords(account.name)
                return 200, {"app_passwords": [password.to_json() for password in found]}
            case "POST", ["app-passwords"]:
                secret = self._accounts.add_app_password(account.name, _label(_body(environ)))
                return 201, {"password": secret}
            case "POST", ["app-passwords", number, "revoke"]:
                self._accounts.revoke_app_password(account.name, _number(number))
                return 200, {}
        raise MissingError("/".join(path))

    def _feedback(self, environ: WSGIEnviron, account: Account) -> tuple[int, dict[str, Any]]:
        if account.role is not AccountRole.SITE:
            raise RefusedError("forbidden")
        body = _body(environ)
        said = [body.get(name, "") for name in ("text", "page", "email")]
        if not all(
            isinstance(one, str) and "\0" not in one and len(one) <= _LONGEST_FEEDBACK for one in said
        ):
            raise _BadRequestError("text, page and email are texts")
        taken = self._mailroom.feedback(*said)
        if not taken:
            raise RefusedError("feedback-limit" if taken is False else "feedback-away", retry_after=_HOUR)
        return 201, {}

    def _tokens(self, account: Account) -> dict[str, Any]:
        if account.role is not AccountRole.SITE:
            raise RefusedError("forbidden")
        return {"tokens": self._busy.tokens()}

    def _booked_into(self, office_id: str, account: Account) -> Office:
        """The office, for the site alone."""
        if account.role is not AccountRole.SITE:
            raise RefusedError("forbidden")
        office = self._calendars.directory.office(office_id)
        if office is None:
            raise MissingError(office_id)
        return office

    def _groups(
        self, method: str, office: Office, path: list[str], environ: WSGIEnviron, account: Account
    ) -> tuple[int, dict[str, Any]]:
        match method, path:
            case "GET", [uid]:
                return 200, self._group(office, uid)
            case "POST", []:
                return 200, self._write_group(office, environ, account)
        raise MissingError("/".join(path))

    def _group(self, office: Office, uid: str) -> dict[str, Any]:
        """The appointments of a group as they stand, by the group's uid."""
        with self._calendars.database.read() as connection:
            rows = [reading.booking(connection, office.id, each) for each in group.all_uids(uid)]
        return {"members": [{"uid": row.uid, "text": row.text, "etag": row.etag} for row in rows if row]}

    def _write_group(self, office: Office, environ: WSGIEnviron, account: Account) -> dict[str, Any]:
        """Book, change or cancel the appointments of a group, all or none."""
        body = _body(environ)
        puts, gone = body.get("put", []), body.get("delete", [])
        for entries, key in ((puts, "text"), (gone, "uid")):
            if not isinstance(entries, list) or len(entries) > MOST_TOGETHER:
                raise _BadRequestError(f"at most {MOST_TOGETHER} appointments are written together")
            if not all(
                isinstance(entry, dict)
                and isinstance(entry.get(key), str)
                and isinstance(entry.get("etag", ""), str)
                for entry in entries
            ):
                raise _BadRequestError(f"each entry has {key} and etag")
        actor = Actor(
            account.name,
            authoritative=True,
            caller=fairness.caller_of(environ),
            released_only="HTTP_X_TERMIN_RELEASED_ONLY" in environ,
            once="HTTP_X_TERMIN_ONCE" in environ,
        )
        self._calendars.write_together(
            office.id,
            [Part(entry["text"], entry.get("etag", "")) for entry in puts],
            [(entry["uid"], entry.get("etag", "")) for entry in gone],
            actor,
        )
        return {}

    def _permitted(self, plan_id: str, account: Account) -> Plan:
        plan = self._plans.get(plan_id)
        self._office(plan.office, account)
        return plan

    def _answered(
        self, question: str, office_id: str, environ: WSGIEnviron, account: Account
    ) -> dict[str, Any]:
        if question in {"demand", "called-off"}:
            return self._past(question, self._office(office_id, account), environ)
        office = self._workplace(office_id, account)
        if question == "refused":
            return {"refused": self._calendars.refused.of(office.id, self._calendars.now())}
        return self._why(office, environ, account)

    def _why(self, office: Office, environ: WSGIEnviron, account: Account) -> dict[str, Any]:
        query = parse_qs(str(environ.get("QUERY_STRING", "")))
        try:
            asked = why.Question(
                date.fromisoformat(query["day"][0]),
                frozenset(query.get("service", [])),
                int(query["minutes"][0]),
                time.fromisoformat(query["start"][0]) if "start" in query else None,
            )
            if not 1 <= asked.minutes <= _LONGEST_MINUTES:
                raise _BadRequestError("minutes")
            # Titles of a colleague's own entries are for who may read her calendar.
            return why.explain(self._calendars, office, asked, titles=account.role is not AccountRole.CLERK)
        except (KeyError, ValueError, OverflowError) as error:
            raise _BadRequestError(str(error)) from error

    def _past(self, question: str, office: Office, environ: WSGIEnviron) -> dict[str, Any]:
        query = parse_qs(str(environ.get("QUERY_STRING", "")))
        answer = demand.of if question == "demand" else demand.called_off
        try:
            first, last = (date.fromisoformat(query[name][0]) for name in ("from", "to"))
            return {question: answer(self._calendars, office, first, last)}
        except (KeyError, ValueError, OverflowError) as error:
            raise _BadRequestError(str(error)) from error

    def _snapshot(self, office: Office, environ: WSGIEnviron) -> dict[str, Any]:
        query = parse_qs(str(environ.get("QUERY_STRING", "")))
        try:
            first, last = (date.fromisoformat(query[name][0]) for name in ("from", "to"))
            return snapshot.take(
                self._calendars, office, first, last, open_only="open_only" in query
            ).to_json()
        except (KeyError, ValueError, OverflowError) as error:
            raise _BadRequestError(str(error)) from error


def _credentials(environ: WSGIEnviron) -> tuple[str, str]:
    """Account and password of a request, ("", "") without. The shell has let only well-formed ones through."""
    header = str(environ.get("HTTP_AUTHORIZATION", ""))
    name, _, password = base64.b64decode(header.partition(" ")[2].strip()).decode().partition(":")
    return name, password


def _label(body: dict[str, Any]) -> str:
    label = body.get("label")
    if not isinstance(label, str) or not label.strip() or not label.isprintable():
        raise _BadRequestError("label is missing")
    return label.strip()


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise MissingError(text)
    return int(text)


def _full(plan: Plan) -> dict[str, Any]:
    return {**plan.to_json(), "steps": [_step(step) for step in plan.steps]}


def _step(step: Step) -> dict[str, Any]:
    return {
        "uid": step.uid,
        "etag": step.etag,
        "clerk": step.clerk,
        "start": step.start,
        "to_clerk": step.to_clerk,
        "to_start": step.to_start,
        "cancel": step.cancel,
        "reason": step.reason,
        "why": step.why,
    }


def _body(environ: WSGIEnviron) -> dict[str, Any]:
    try:
        body = json.loads(environ["wsgi.input"].read())
    except (ValueError, RecursionError) as error:
        raise _BadRequestError("not JSON") from error
    if not isinstance(body, dict):
        raise _BadRequestError("not a JSON object")
    return body


def _proposal(office: str, body: dict[str, Any]) -> Plan:
    try:
        steps = body["steps"]
        if not isinstance(steps, list) or len(steps) > _MOST_STEPS:
            raise _BadRequestError(f"a plan has at most {_MOST_STEPS} steps")
        return Plan(
            id="",
            office=office,
            kind=PlanKind(body["kind"]),
            steps=tuple(
                Step(
                    uid=str(step["uid"]),
                    etag=str(step["etag"]),
                    clerk=str(step["clerk"]),
                    start=int(step["start"]),
                    to_clerk=str(step["to_clerk"]),
                    to_start=int(step["to_start"]),
                    cancel=bool(step.get("cancel", False)),
                    reason=str(step.get("reason", "")),
                    why=str(step.get("why", "")),
                )
                for step in steps
            ),
            objective={str(name): float(value) for name, value in dict(body["objective"]).items()},
            proven_optimal=bool(body["proven_optimal"]),
            seconds=float(body["seconds"]),
            note=str(body.get("note", "")),
            auto_at=None if body.get("auto_at") is None else int(body["auto_at"]),
            absence=_absence(body.get("absence")),
            days=_days(body.get("days")),
        )
    except KeyError as error:
        raise _BadRequestError(f"{error.args[0]} is missing") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise _BadRequestError(str(error)) from error


def _absence(found: Any) -> Absence | None:
    if found is None:
        return None
    absence = Absence(str(found["clerk"]), _whole(found, "start"), _whole(found, "end"), str(found["title"]))
    if absence.end <= absence.start or not absence.title.isprintable():
        raise _BadRequestError("an absence has a title and ends after it starts")
    return absence


def _days(found: Any) -> tuple[date, date] | None:
    if found is None:
        return None
    first, last = (date.fromisoformat(str(day)) for day in found)
    return first, last


def _whole(body: dict[str, Any], name: str) -> int:
    found = body.get(name)
    if type(found) is not int or not 0 <= found < 2**40:
        raise _BadRequestError(f"{name} must be a whole number")
    return found


def _new_wish(body: dict[str, Any]) -> NewWish:
    def text(name: str, default: str | None = None) -> str:
        found = body.get(name, default)
        if not isinstance(found, str) or "\0" in found:
            raise _BadRequestError(f"{name} must be a text")
        return found

    return NewWish(
        id=text("id"),
        office=text("office"),
        text=text("text"),
        first=_whole(body, "first"),
        last=_whole(body, "last"),
        weekdays=_whole(body, "weekdays"),
        from_minute=_whole(body, "from_minute"),
        until_minute=_whole(body, "until_minute"),
        replaces=text("replaces", ""),
    )


def _answer(start_response: WSGIStartResponse, status: int, body: dict[str, Any]) -> list[bytes]:
    data = json.dumps(body).encode()
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(data))),
        ("Cache-Control", "no-store"),
    ]
    if status == 401:
        headers.append(("WWW-Authenticate", 'Basic realm="termin"'))
    start_response(_STATUS[status], headers)
    return [data]

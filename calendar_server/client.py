"""How the site and the worker talk to the calendar server: a small CalDAV client (RFC 4791, RFC 6578).

Only what booking needs: PUT, GET and DELETE of one appointment by its uid, and following the busy feed. It's safe to share
between threads. Every failure is one of the errors below; nothing of HTTP leaks out.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlencode

import defusedxml.ElementTree as DefusedET
import urllib3

from calendar_server.caller import Caller
from calendar_server.ical import busy, group
from calendar_server.ical.appointment import Appointment, from_ical, to_ical

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date, datetime, time
    from zoneinfo import ZoneInfo

__all__ = [
    "BusyChanges",
    "CalendarClient",
    "CalendarError",
    "Caller",
    "ChangedError",
    "NotFoundError",
    "RefusedError",
    "Stored",
    "SyncTokenError",
    "UnavailableError",
]

_DAV = "{DAV:}"
_TERMIN = "{urn:termin}"
_CALDAV = "{urn:ietf:params:xml:ns:caldav}"
_SYNC_BODY = (
    '<?xml version="1.0" encoding="utf-8"?>'
    '<D:sync-collection xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav">'
    "<D:sync-token>{token}</D:sync-token><D:sync-level>1</D:sync-level>"
    "<D:prop><D:getetag/><C:calendar-data/></D:prop></D:sync-collection>"
)


class CalendarError(Exception):
    """Anything that kept the calendar server from doing what it was asked."""


class UnavailableError(CalendarError):
    """The calendar server can't be reached, timed out, or failed: try again later; nothing is known of the request's effect."""


class NotFoundError(CalendarError):
    """There is no appointment of that uid (any more)."""


class ChangedError(CalendarError):
    """The appointment was changed by somebody else since its etag was read, or the uid is taken by another content."""


class SyncTokenError(CalendarError):
    """The token is unknown or too old: begin again with an empty one."""


class RefusedError(CalendarError):
    """A rule of the calendar server forbids it: `rule` is the name of the precondition.

    Names: "time-taken", "no-free-clerk", "outside-opening-hours", "unknown-service", and those of `calendar_server.fairness`; "" if the
    server named none. `retry_after`: seconds after which it may be tried again, if the server said so.
    """

    def __init__(self, rule: str, retry_after: int | None = None) -> None:
        super().__init__(rule or "refused")
        self.rule = rule
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Stored:
    """An appointment as it stands in the office's calendar, with the etag that guards the next write."""

    appointment: Appointment
    etag: str


@dataclass(frozen=True, slots=True)
class BusyChanges:
    """What changed in an office's busy feed since the last token: days that are new or different, and names that are gone."""

    token: str
    clerk_days: tuple[busy.ClerkDay, ...] = ()
    opening_days: tuple[busy.OpeningDay, ...] = ()
    gone: tuple[str, ...] = field(default=())


class CalendarClient:
    """One account's access to the calendar server at `url`; `timeout` in seconds for connecting and for each answer."""

    def __init__(
        self,
        url: str,
        user: str,
        password: str,
        *,
        connect_timeout: float = 2.0,
        read_timeout: float = 15.0,
        pool: int = 16,
    ) -> None:
        self._url = url.rstrip("/")
        self.user = user
        self._headers = {**urllib3.make_headers(basic_auth=f"{user}:{password}"), "User-Agent": "termin"}
        self._pool = urllib3.PoolManager(
            maxsize=pool,
            block=False,
            timeout=urllib3.Timeout(connect=connect_timeout, read=read_timeout),
            retries=urllib3.Retry(connect=1, read=0, redirect=0, status=0, other=0),
        )

    def book(
        self,
        appointment: Appointment,
        *,
        now: datetime,
        etag: str | None = None,
        caller: Caller | None = None,
        released_only: bool = False,
        once: bool = False,
    ) -> None:
        """PUT into the office's appointments: book it, or with `etag` replace it (move, confirm a hold, edit).

        A group (an appointment with `parts`) is booked whole or not at all. `caller` is the member of the public for whom it's done: limits count then (`calendar_server.fairness`). With `released_only` it must be
        a time that the public may book now. Idempotent: the same uid and content again succeeds. With `once` it's refused ("booking-ended") if
        the uid was booked before and is gone again, for as long as the calendar remembers what is gone.
        Raises RefusedError, ChangedError, UnavailableError.
        """
        told = _told(caller) | ({"X-Termin-Released-Only": "1"} if released_only else {})
        if once:
            told["X-Termin-Once"] = "1"
        if appointment.parts:
            known = _etags(etag)
            puts = [
                {"text": to_ical(each, now=now), "etag": known.get(each.uid, "")}
                for each in group.split(appointment)
            ]
            kept = {each.uid for each in group.split(appointment)}
            gone = [{"uid": uid, "etag": each} for uid, each in known.items() if uid not in kept]
            self._write_group(appointment.office, puts, gone, told)
            return
        headers = {"Content-Type": "text/calendar; charset=utf-8", **told}
        if etag is not None:
            headers["If-Match"] = etag
        body = to_ical(appointment, now=now).encode()
        self._request("PUT", self._path(appointment.office, appointment.uid), headers, body)

    def read(self, office: str, uid: str, zone: ZoneInfo) -> Stored:
        """GET one appointment by its uid, or the whole group if it is one's. Raises NotFoundError, UnavailableError."""
        try:
            response = self._request("GET", self._path(office, uid), {})
        except NotFoundError as error:
            # Of a group others may stand when the first appointment is gone.
            try:
                return self._read_group(office, uid, zone)
            except RefusedError:
                raise error from None
        found = from_ical(response.data.decode(), zone)
        if found.group > 1:
            return self._read_group(office, uid, zone)
        return Stored(found, response.headers.get("ETag", ""))

    def _read_group(self, office: str, uid: str, zone: ZoneInfo) -> Stored:
        path = f"/.termin/groups/{quote(office, safe='')}/{quote(uid, safe='@')}"
        members = self._json("GET", path)["members"]
        found = group.join(from_ical(member["text"], zone) for member in members)
        if found is None:
            raise NotFoundError(path)
        standing = {each.uid for each in group.split(found)}
        etags = {member["uid"]: member["etag"] for member in members if member["uid"] in standing}
        return Stored(found, json.dumps(etags))

    def _write_group(
        self, office: str, puts: list[dict[str, str]], gone: list[dict[str, str]], headers: Mapping[str, str]
    ) -> None:
        path = f"/.termin/groups/{quote(office, safe='')}"
        self._json("POST", path, {"put": puts, "delete": gone}, headers)

    def cancel(self, office: str, uid: str, *, etag: str | None = None) -> None:
        """DELETE one appointment, or with the etag of a group (`read`) all of it. Raises NotFoundError, ChangedError, UnavailableError."""
        if known := _etags(etag):
            self._write_group(office, [], [{"uid": each, "etag": tag} for each, tag in known.items()], {})
            return
        self._request("DELETE", self._path(office, uid), {"If-Match": etag} if etag is not None else {})

    def cancel_part(self, office: str, stored: Stored, number: int) -> None:
        """DELETE one appointment of a group by its number. Raises NotFoundError, ChangedError, UnavailableError."""
        uid = group.part_uid(stored.appointment.uid, number)
        self.cancel(office, uid, etag=_etags(stored.etag).get(uid))

    def busy_changes(self, office: str, token: str = "") -> BusyChanges:
        """Follow the office's busy feed by sync-collection (RFC 6578); an empty `token` reads all of it.

        Raises SyncTokenError, UnavailableError.
        """
        body = _SYNC_BODY.format(token=token.replace("&", "&amp;").replace("<", "&lt;")).encode()
        headers = {"Content-Type": "application/xml; charset=utf-8", "Depth": "0"}
        response = self._request("REPORT", f"/{quote(office)}/busy/", headers, body)
        return _read_busy_changes(response.data)

    def busy_tokens(self) -> dict[str, str]:
        """Return the token of each office's busy feed as it stands; where it's the one that `busy_changes` gave, nothing has changed. For the site."""
        found: dict[str, str] = self._json("GET", "/.termin/busy")["tokens"]
        return found

    def store(self, path: str, text: str) -> None:
        """PUT an object under a path of the server. Raises RefusedError, ChangedError, UnavailableError."""
        headers = {"Content-Type": "text/calendar; charset=utf-8"}
        self._request("PUT", quote(path, safe="/@"), headers, text.encode())

    # What CalDAV has no word for (`calendar_server.desk`); plans and snapshots are plain JSON.

    def snapshot(self, office: str, first: date, last: date, *, open_only: bool = False) -> dict[str, Any]:
        """Return an office over some days, as `calendar_server.snapshot.Snapshot.to_json` writes it."""
        only = "&open_only=1" if open_only else ""
        path = f"/.termin/offices/{quote(office, safe='')}/snapshot?from={first}&to={last}{only}"
        return self._json("GET", path)

    def plans(self, office: str) -> list[dict[str, Any]]:
        """Return an office's plans, newest first."""
        found: list[dict[str, Any]] = self._json("GET", f"/.termin/offices/{quote(office, safe='')}/plans")[
            "plans"
        ]
        return found

    def plan(self, plan_id: str) -> dict[str, Any]:
        """Return one plan. Raises NotFoundError."""
        return self._json("GET", f"/.termin/plans/{quote(plan_id, safe='')}")

    def propose_plan(self, office: str, plan: dict[str, Any]) -> dict[str, Any]:
        """Store a plan and return it with its id."""
        return self._json("POST", f"/.termin/offices/{quote(office, safe='')}/plans", plan)

    def decide_plan(self, plan_id: str, verb: str) -> dict[str, Any]:
        """Do "apply", "undo", "undo-rest" or "dismiss" on a plan. Raises RefusedError("stale-plan"), NotFoundError."""
        return self._json("POST", f"/.termin/plans/{quote(plan_id, safe='')}/{verb}", {})

    def obstacles(self, plan_id: str) -> dict[str, str]:
        """Return what keeps a plan from being taken back (`calendar_server.undoing`), by uid ("": the absence). Raises NotFoundError."""
        found: dict[str, str] = self._json("GET", f"/.termin/plans/{quote(plan_id, safe='')}/obstacles")[
            "obstacles"
        ]
        return found

    # The waiting list (`calendar_server.waiting`): for the site, by unguessable ids.

    def add_wish(self, wish: dict[str, Any], *, caller: Caller | None = None) -> dict[str, Any]:
        """Put a wish on the list; the same again is a success. Returns it as it stands. Raises RefusedError, NotFoundError (the office)."""
        return self._json("POST", "/.termin/waiting", wish, _told(caller))

    def wish(self, wish_id: str) -> dict[str, Any]:
        """Return a wish. Raises NotFoundError."""
        return self._json("GET", f"/.termin/waiting/{quote(wish_id, safe='@')}")

    def decide_wish(self, wish_id: str, verb: str, start: int = 0) -> dict[str, Any]:
        """Do "accept", "decline" or "leave" and return the wish; `start` (epoch seconds) is what was offered, for the first two.

        Raises RefusedError("offer-over", "offer-too-short"), NotFoundError.
        """
        return self._json("POST", f"/.termin/waiting/{quote(wish_id, safe='@')}/{verb}", {"start": start})

    def waiting(self, office: str) -> dict[str, Any]:
        """Return how many wait in an office: "waiting", "offered", "services" (of each service), "since" (epoch seconds or None)."""
        return self._json("GET", f"/.termin/offices/{quote(office, safe='')}/waiting")

    # One's own secrets; only with the account's password. Each is known by {"id", "label", "created", "last_used"}.

    def feeds(self) -> list[dict[str, Any]]:
        """Return what is known of the addresses at which one's calendar is read without a login."""
        found: list[dict[str, Any]] = self._json("GET", "/.termin/own/feeds")["feeds"]
        return found

    def add_feed(self, label: str) -> str:
        """Make an address and return its path on the calendar server: it can't be shown again. Raises RefusedError."""
        return str(self._json("POST", "/.termin/own/feeds", {"label": label})["path"])

    def revoke_feed(self, feed_id: int) -> None:
        """End an address. Raises RefusedError."""
        self._json("POST", f"/.termin/own/feeds/{feed_id}/revoke", {})

    def app_passwords(self) -> list[dict[str, Any]]:
        """Return what is known of one's app passwords."""
        found: list[dict[str, Any]] = self._json("GET", "/.termin/own/app-passwords")["app_passwords"]
        return found

    def add_app_password(self, label: str) -> str:
        """Make an app password and return it: it can't be shown again."""
        return str(self._json("POST", "/.termin/own/app-passwords", {"label": label})["password"])

    def revoke_app_password(self, password_id: int) -> None:
        """End an app password. Raises RefusedError."""
        self._json("POST", f"/.termin/own/app-passwords/{password_id}/revoke", {})

    def why(
        self, office: str, day: date, services: Iterable[str], minutes: int, start: time | None = None
    ) -> dict[str, Any]:
        """Return what stands in the way of an appointment on a day, or at a time of it (`calendar_server.why.explain`)."""
        query = [("day", day.isoformat()), ("minutes", str(minutes))]
        query += [("service", each) for each in services]
        query += [("start", start.isoformat("minutes"))] if start is not None else []
        return self._json("GET", f"/.termin/offices/{quote(office, safe='')}/why?{urlencode(query)}")

    def refused(self, office: str) -> list[dict[str, Any]]:
        """Return the drawings that were refused lately, the newest first, as `why` explains them; with "rule", "by" and "at"."""
        path = f"/.termin/offices/{quote(office, safe='')}/refused"
        found: list[dict[str, Any]] = self._json("GET", path)["refused"]
        return found

    def demand(self, office: str, first: date, last: date) -> list[dict[str, Any]]:
        """Return the appointments of some past days without anybody's name, as `calendar_server.demand.of` does."""
        path = f"/.termin/offices/{quote(office, safe='')}/demand?from={first}&to={last}"
        found: list[dict[str, Any]] = self._json("GET", path)["demand"]
        return found

    def called_off(self, office: str, first: date, last: date) -> int:
        """Return how many appointments were deleted in some past days, as `calendar_server.demand.called_off` does."""
        path = f"/.termin/offices/{quote(office, safe='')}/called-off?from={first}&to={last}"
        found: int = self._json("GET", path)["called-off"]
        return found

    def failed_mails(self, office: str) -> list[dict[str, Any]]:
        """Return the mails that didn't reach their citizens, as `calendar_server.mailroom` gives them."""
        path = f"/.termin/offices/{quote(office, safe='')}/mails"
        found: list[dict[str, Any]] = self._json("GET", path)["failed"]
        return found

    def decide_mail(self, office: str, number: int, verb: str) -> None:
        """Do "again" or "settle" on a failed mail. Raises NotFoundError."""
        self._json("POST", f"/.termin/offices/{quote(office, safe='')}/mails/{number}/{verb}", {})

    def send_feedback(self, text: str, page: str, email: str) -> None:
        """Hand on what somebody wrote about the site. Raises RefusedError("feedback-limit" or "feedback-away")."""
        self._json("POST", "/.termin/feedback", {"text": text, "page": page, "email": email})

    def _json(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        response = self._request(method, path, {"Content-Type": "application/json", **(headers or {})}, data)
        found: dict[str, Any] = response.json()
        return found

    def ready(self) -> bool:
        """True if the calendar server answers that it can do its work."""
        try:
            response = self._pool.request("GET", f"{self._url}/readyz", headers=self._headers)
        except urllib3.exceptions.HTTPError:
            return False
        return response.status == 200

    @staticmethod
    def _path(office: str, uid: str) -> str:
        return f"/{quote(office, safe='')}/appointments/{quote(uid, safe='@')}.ics"

    def _request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> urllib3.BaseHTTPResponse:
        try:
            response = self._pool.request(
                method, self._url + path, headers={**self._headers, **headers}, body=body
            )
        except urllib3.exceptions.HTTPError as error:
            raise UnavailableError(type(error).__name__) from error
        if 200 <= response.status < 300:
            return response
        if response.status in {404, 410}:
            raise NotFoundError(path)
        if response.status in {409, 412}:
            raise ChangedError(path)
        if response.status == 400:
            raise RefusedError("bad-request")
        if response.status == 403:
            raise _refusal(response.data, response.headers.get("Retry-After", ""))
        raise UnavailableError(f"{method} answered {response.status}")


def _etags(etag: str | None) -> dict[str, str]:
    """The etags of a group's appointments by their uid, as `CalendarClient.read` joined them."""
    if not etag or not etag.startswith("{"):
        return {}
    known: dict[str, str] = json.loads(etag)
    return known


def _told(caller: Caller | None) -> dict[str, str]:
    """The headers that tell for whom the site asks."""
    if caller is None:
        return {}
    headers = {"X-Termin-Caller": caller.network or "unknown"}
    if caller.proof:
        headers["X-Termin-Proof"] = f"{caller.proof}:{caller.proof_until}"
    return headers


def _refusal(body: bytes, retry_after: str = "") -> CalendarError:
    if body.startswith(b"{"):
        said = json.loads(body)
        if said.get("error") in {"changed", "already-booked"}:
            return ChangedError("changed since it was read")
        return RefusedError(str(said.get("error", "")), said.get("retry_after"))
    try:
        root = DefusedET.fromstring(body)
    except (ET.ParseError, ValueError):
        return RefusedError("")
    for child in root:
        if child.tag == _TERMIN + "already-booked":
            return ChangedError("the uid is taken by another content")
        if child.tag.startswith(_TERMIN):
            wait = int(retry_after) if retry_after.isascii() and retry_after.isdecimal() else None
            return RefusedError(child.tag.removeprefix(_TERMIN), wait)
        if child.tag == _DAV + "valid-sync-token":
            return SyncTokenError("unknown sync token")
    return RefusedError("")


def _read_busy_changes(body: bytes) -> BusyChanges:
    try:
        root = DefusedET.fromstring(body)
        clerk_days: list[busy.ClerkDay] = []
        opening_days: list[busy.OpeningDay] = []
        gone: list[str] = []
        for response in root.iterfind(_DAV + "response"):
            text = response.findtext(f"{_DAV}propstat/{_DAV}prop/{_CALDAV}calendar-data")
            if text is None:
                gone.append(unquote((response.findtext(_DAV + "href") or "").rstrip("/").rpartition("/")[2]))
                continue
            # An XML parser turns CRLF into LF (XML 1.0 section 2.11).
            day = busy.parse(text.replace("\r\n", "\n").replace("\n", "\r\n"))
            if isinstance(day, busy.OpeningDay):
                opening_days.append(day)
            else:
                clerk_days.append(day)
        token = root.findtext(_DAV + "sync-token") or ""
    except (ET.ParseError, ValueError) as error:
        raise UnavailableError("the busy feed can't be read") from error
    return BusyChanges(token, tuple(clerk_days), tuple(opening_days), tuple(gone))

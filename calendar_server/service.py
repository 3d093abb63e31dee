"""The calendars of all offices, with every rule that writers must keep, whoever they are.

Each write is one transaction under its office's lock: preconditions are checked, the rules of the dispatch applied, the object, the
reassignments it needs and the change log stored, or nothing at all. Radicale's plugin (`calendar_server.plugin`) and the
application's own methods (`calendar_server.app`) both end here.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from random import SystemRandom
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sqlalchemy.exc import IntegrityError

from calendar_server import addresses, bookings, dispatch, propertyupdate, refusals, returns
from calendar_server.caller import Caller
from calendar_server.fairness import Fairness, allow_resend
from calendar_server.ical.appointment import from_ical
from calendar_server.ical.objects import CalendarObject, InvalidObjectError, parse_object
from calendar_server.limits import Limits
from calendar_server.refusals import (
    ForbiddenError,
    MissingError,
    NoParentError,
    NotAllDoneError,
    NotDoneError,
    PreconditionFailedError,
    RefusedError,
)
from calendar_server.storage import reading
from calendar_server.storage.rows import CollectionRow, Kind, ObjectRow, Role
from calendar_server.storage.writing import Content, Writer, etag_of
from calendar_server.waiting import Waiting
from calendar_server.why import Refused
from optimizer import admission
from optimizer.instance import Refusal
from optimizer.release import room

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import tzinfo

    import icalendar

    from calendar_server.offices import Directory, Office
    from calendar_server.storage.database import Database
    from optimizer.instance import Request
    from optimizer.release import Release

DAY = 86_400
EXPAND_BACK = 400 * DAY
EXPAND_AHEAD = 550 * DAY
MOST_OBJECTS = 2_000
MOST_INSTANCES = 100_000
"""Of a calendar that is put as a whole, so that nobody waits long for the writer."""
_SAFE_NAME = re.compile(r"[A-Za-z0-9@._+=-]{1,200}")
_UTC = ZoneInfo("UTC")
_RANDOM = SystemRandom()
_MAILBOXES = frozenset({Role.INBOX.value, Role.OUTBOX.value})
"""Names below a principal that are no calendars (`calendar_server.scheduling`)."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who writes: the account's name for the change log; `authoritative` may set protected properties of a booking (the site).

    `caller` is the member of the public for whom the site books; None: staff, a partner, or the system. `released_only`: what is booked must
    be released to the public (`calendar_server.offices.Office.release`). `once`: what was booked and is gone again isn't booked anew.
    `restores`: what comes has been somewhere before, so a cancelled appointment is taken as what it is.
    """

    name: str
    authoritative: bool = False
    caller: Caller | None = None
    released_only: bool = False
    once: bool = False
    restores: bool = False


@dataclass(frozen=True, slots=True)
class Put:
    """What a PUT did. `etag` is None if the stored text is another than the one sent (RFC 4791 section 5.3.4)."""

    created: bool
    etag: str | None


@dataclass(frozen=True, slots=True)
class Preconditions:
    """If-Match and If-None-Match as the client sent them (RFC 9110 section 13.1); empty: not sent."""

    if_match: str = ""
    if_none_match: str = ""

    def check(self, existing: ObjectRow | None) -> None:
        """Raise PreconditionFailedError unless they hold for what is stored now."""
        self.check_etag(None if existing is None else existing.etag)

    def check_etag(self, etag: str | None) -> None:
        """The same for an etag, None for that of nothing."""
        if self.if_match and (etag is None or not _lists(self.if_match, etag)):
            raise PreconditionFailedError("If-Match")
        if self.if_none_match and etag is not None and _lists(self.if_none_match, etag):
            raise PreconditionFailedError("If-None-Match")


def is_known(if_none_match: str, etag: str) -> bool:
    """Tell whether If-None-Match names what is to be read (RFC 9110 section 13.1.2, a weak comparison: proxies that pack weaken etags)."""
    listed = if_none_match.strip()
    return listed == "*" or etag in (part.strip().removeprefix("W/") for part in listed.split(","))


def _lists(header: str, etag: str) -> bool:
    return header.strip() == "*" or etag in (part.strip() for part in header.split(","))


ANY = Preconditions()


@dataclass(frozen=True, slots=True)
class Part:
    """One object of several that are written together: its text, and the etag of what it replaces ("" for a new one)."""

    text: str
    etag: str = ""


@dataclass(slots=True)
class _Together:
    """What is known while the appointments of one write are placed one by one.

    `waiting` are the uids whose places aren't settled yet: they are in nobody's way. `given_back` are times that come free with all of it.
    """

    waiting: set[str]
    is_first: bool = True
    given_back: list[returns.GivenBack] = field(default_factory=list)


def file_name(uid: str) -> str:
    """Return the name that the server gives to an object of this uid."""
    return f"{uid}.ics" if _SAFE_NAME.fullmatch(uid) else other_name(uid)


def other_name(uid: str) -> str:
    """Return a name for an object of this uid that nobody chose for another one."""
    return f"{hashlib.sha256(uid.encode()).hexdigest()[:40]}.ics"


class Calendars:
    """The service on one database. `clock` returns the current time, aware. Safe to share between threads.

    `draw` gives a random number between two: how many minutes a time that was given back is kept from the public.
    """

    def __init__(
        self,
        database: Database,
        directory: Directory,
        clock: Callable[[], datetime],
        limits: Limits | None = None,
        draw: Callable[[float, float], float] = _RANDOM.uniform,
    ) -> None:
        self.database = database
        self.directory = directory
        self._clock = clock
        self.waiting = Waiting(self)
        self.refused = Refused(database)
        self._limits = limits or Limits()
        self._draw = draw

    def now(self) -> int:
        """The current time in epoch seconds."""
        return int(self._clock().timestamp())

    def until(self, moment: int) -> float:
        """How many seconds it is until `moment` (epoch seconds)."""
        return moment - self._clock().timestamp()

    def office_of(self, where: CollectionRow) -> Office | None:
        """Return the office that a collection belongs to, None for calendars of nobody's office."""
        return self.directory.office(where.office) if where.office else None

    def zone_of(self, where: CollectionRow) -> ZoneInfo:
        """Return the zone in which a collection's floating times are read, unless somebody who asks wants another one."""
        office = self.office_of(where)
        return _UTC if office is None else office.zone

    def parse(
        self, text: str | bytes, office: Office | None, owner: str = "", zone: tzinfo | None = None
    ) -> CalendarObject:
        """Parse a calendar object. Refuses with the CALDAV precondition that it breaks (RFC 4791 section 5.3.2.1).

        `owner` is the calendar's: what she declined is free. `zone` is where floating times are read, if not the office's (`zone_of`).
        """
        known: frozenset[str] = frozenset()
        if owner and addresses.may_tell(text):
            with self.database.read() as connection:
                known = addresses.of_owner(connection, owner)
        try:
            if office is None:
                return parse_object(text, zone=zone or _UTC, addresses=known)
            return parse_object(
                text, zone=zone or office.zone, absence_words=office.absence_words, addresses=known
            )
        except InvalidObjectError as error:
            raise RefusedError(error.precondition, str(error), namespace=refusals.CALDAV) from error

    def _accept(self, text: str | bytes, where: CollectionRow) -> CalendarObject:
        """Parse an object to store; what will be read in icalendar's classes too, here, and not while others wait."""
        obj = self.parse(text, self.office_of(where), where.owner)
        if where.role in {Role.VIEW, Role.OPENING} or bookings.claims_to_be_one(obj):
            _events(obj)
        return obj

    @contextmanager
    def writing(self, office_id: str, actor: Actor) -> Iterator[Writer]:
        """A write transaction in one office, from the lock to the commit; what collides in the database is refused."""
        office = self.directory.office(office_id) if office_id else None
        try:
            with self.database.write() as connection:
                writer = Writer(
                    connection,
                    office_id,
                    zone=office.zone if office else _UTC,
                    horizon_days=office.horizon_days if office else 0,
                    now=self.now(),
                    actor=actor.name,
                )
                yield writer
                self.waiting.after(writer)
                writer.finish()
        except IntegrityError as error:
            raise RefusedError("no-uid-conflict", namespace=refusals.CALDAV) from error

    def find(self, path: str) -> CollectionRow | None:
        """Return the collection at a path (slashes at its ends don't matter)."""
        with self.database.read() as connection:
            return reading.collection(connection, path.strip("/"))

    # Writing one object ------------------------------------------------------------------------------------------

    def put(
        self, path: str, href: str, text: str | bytes, actor: Actor, preconditions: Preconditions = ANY
    ) -> Put:
        """Store an object as `href` in the collection at `path`; in an office's appointments that means to book it."""
        where = self._parent(path)
        obj = self._accept(text, where)
        with (
            self.refused.noting(self, where.office, obj, actor),
            self.writing(where.office, actor) as writer,
        ):
            return self._put(writer, where, href, obj, actor, preconditions)

    def put_all(self, path: str, objects: Iterable[tuple[str, str]], actor: Actor) -> int:
        """Store many objects (uid, text), all of them or none; return how many were new.

        One that is there already, with whatever name, is replaced; appointments as `put` does it. Raises NotAllDoneError with everything that stands in the way.
        """
        where = self._parent(path)
        errors: list[tuple[str, NotDoneError]] = []
        parsed: list[CalendarObject] = []
        for uid, text in objects:
            try:
                parsed.append(self._accept(text, where))
            except NotDoneError as error:
                errors.append((uid, error))
        created = 0
        with self.writing(where.office, actor) as writer:
            for obj in parsed:
                known = reading.has_uid(writer.connection, where, obj.uid)
                href = file_name(obj.uid) if known is None else known.view_href or known.href
                try:
                    # What one object did until it was refused is taken back with all the others' in the end.
                    with writer.connection.begin_nested():
                        created += self._put(writer, where, href, obj, actor, ANY).created
                except NotDoneError as error:
                    errors.append((obj.uid, error))
            if errors:
                raise NotAllDoneError(errors)
        return created

    def _parent(self, path: str) -> CollectionRow:
        where = self.find(path)
        if where is None:
            raise NoParentError(path)
        if where.role in {Role.PRINCIPAL, Role.BUSY}:
            raise ForbiddenError(path)
        return where

    def _put(
        self,
        writer: Writer,
        where: CollectionRow,
        href: str,
        obj: CalendarObject,
        actor: Actor,
        preconditions: Preconditions,
    ) -> Put:
        connection = writer.connection
        office = self.office_of(where)
        existing = reading.item(connection, where, href)
        preconditions.check(existing)
        if existing is not None and existing.uid != obj.uid:
            raise _uid_conflict(where, href)
        _require_component(where, obj.component)
        if office is not None and where.role in {Role.VIEW, Role.CLERK}:
            # Whoever takes an expired hold's place deletes it first, so one that is still there has its place.
            self._release_expired(writer, office, obj.uid)
            # What has just become free is offered to who waits for it before this writer may have it.
            self.waiting.after(writer, keep=obj.uid)
            booking = reading.booking(connection, office.id, obj.uid)
            if where.role is Role.VIEW:
                return self._put_in_view(writer, office, href, obj, booking, actor, preconditions)
            if booking is not None or bookings.claims_to_be_one(obj):
                return self._put_with_clerk(writer, office, where, href, obj, booking, existing, actor)
        return self._put_plain(writer, where, href, obj, existing)

    def _put_plain(
        self, writer: Writer, where: CollectionRow, href: str, obj: CalendarObject, existing: ObjectRow | None
    ) -> Put:
        other = reading.has_uid(writer.connection, where, obj.uid) if existing is None else None
        if other is not None:
            raise _uid_conflict(where, other.href)
        content = self._content(where, obj, writer.now)
        if existing is None:
            writer.insert(where, href, content)
        else:
            writer.replace(existing, where, content)
        return Put(existing is None, etag_of(content.text) if content.text == obj.text else None)

    def _content(self, where: CollectionRow, obj: CalendarObject, now: int) -> Content:
        office = self.office_of(where)
        kind, services = Kind.EVENT, frozenset[str]()
        if where.role is Role.OPENING and obj.component == "VEVENT" and office is not None:
            transparent = str(_events(obj)[0].get("TRANSP", "OPAQUE")).upper() == "TRANSPARENT"
            kind = Kind.WINDOW if transparent else Kind.CLOSURE
            services = _narrowed(obj, office) if transparent else services
        return expanded(obj, kind, services, now)

    def _put_in_view(  # noqa: PLR0917 - see _put
        self,
        writer: Writer,
        office: Office,
        href: str,
        obj: CalendarObject,
        stored: ObjectRow | None,
        actor: Actor,
        preconditions: Preconditions,
        together: _Together | None = None,
    ) -> Put:
        view = writer.collections.only(Role.VIEW)
        if stored is not None and not preconditions.if_match:
            asked = bookings.digest_of(obj, office)
            # The booking repeated, or what has become of it since, sent back by whoever fetched it.
            if asked == stored.digest or asked == bookings.digest_of(self.parse(stored.text, office), office):
                return Put(created=False, etag=None)
            raise RefusedError(refusals.ALREADY_BOOKED)
        _refuse_what_ended(writer, view, href, stored, actor)
        booking = self._prepare(writer, office, view, href, obj, stored, actor)
        if booking.asks_again:
            allow_resend(self._limits, writer, office, obj.uid)
        share = self._share_of(writer, office, booking, stored, actor, together)
        source = None if stored is None else writer.collections.by_id(stored.collection_id)
        clerk = source.owner if source is not None else ""
        if stored is None and booking.appointment.cancelled:
            clerk = self._keeper(office, booking, actor)
        if booking.rescheduled and not booking.appointment.cancelled:
            clerk = self._place(
                writer,
                office,
                booking,
                prefer=clerk,
                share=share,
                released_only=actor.released_only,
                unsettled=together.waiting if together is not None else (),
            )
        frees = booking.rescheduled or booking.appointment.cancelled
        if frees and stored is not None and source is not None:
            given = self._given_back(writer, stored, source, actor)
            if together is None:
                self._set_aside(writer, office, given)
            else:
                together.given_back += given
        target = self._calendar_of(writer, clerk)
        if stored is None or source is None:
            writer.insert(target, file_name(obj.uid), booking.content, view_href=href)
        elif target.owner == source.owner:
            writer.replace(stored, source, booking.content)
        else:
            writer.replace(stored, source, booking.content, target=target, href=file_name(obj.uid))
        return Put(stored is None, None if booking.altered else etag_of(booking.content.text))

    @staticmethod
    def _keeper(office: Office, booking: bookings.Booking, actor: Actor) -> str:
        """With whom a new appointment lies that is cancelled already: it takes nobody's time. Refuses it unless it's restored."""
        if not actor.restores:
            raise RefusedError(refusals.NOTHING_TO_BOOK, "the event is cancelled")
        able = (each.id for each in office.clerks if booking.content.services <= each.services)
        return next(able, office.clerks[0].id)

    def _share_of(
        self,
        writer: Writer,
        office: Office,
        booking: bookings.Booking,
        stored: ObjectRow | None,
        actor: Actor,
        together: _Together | None,
    ) -> Fairness | None:
        """Count a booking of the public; None if nobody's share is to be looked at."""
        if actor.caller is None:
            return None
        share = Fairness(self._limits, writer, office, actor.caller)
        if together is None or together.is_first:
            share.admit(booking, stored)
        else:
            share.accompany(booking, stored)
        return share

    def _put_with_clerk(  # noqa: PLR0917 - see _put
        self,
        writer: Writer,
        office: Office,
        where: CollectionRow,
        href: str,
        obj: CalendarObject,
        stored: ObjectRow | None,
        existing: ObjectRow | None,
        actor: Actor,
    ) -> Put:
        view = writer.collections.only(Role.VIEW)
        booking = self._prepare(writer, office, view, file_name(obj.uid), obj, stored, actor)
        if not booking.appointment.cancelled:
            self._refuse_overlap(writer, where.owner, booking.content, except_uid=obj.uid)
        altered = booking.altered
        if stored is None:
            if existing is not None:
                writer.remove(existing, where)
            writer.insert(where, href, booking.content, view_href=file_name(obj.uid))
        else:
            source = writer.collections.by_id(stored.collection_id)
            writer.replace(stored, source, booking.content, target=where, href=href)
        return Put(existing is None, None if altered else etag_of(booking.content.text))

    def _prepare(  # noqa: PLR0917 - see _put
        self,
        writer: Writer,
        office: Office,
        view: CollectionRow,
        href: str,
        obj: CalendarObject,
        stored: ObjectRow | None,
        actor: Actor,
    ) -> bookings.Booking:
        _events(obj)
        return bookings.prepare(
            obj,
            office,
            stored=None if stored is None else self.parse(stored.text, office),
            stored_digest="" if stored is None else stored.digest,
            last_sequence=None
            if stored is not None
            else reading.last_sequence(writer.connection, view, href),
            authoritative=actor.authoritative,
            now=writer.now,
        )

    def _place(
        self,
        writer: Writer,
        office: Office,
        booking: bookings.Booking,
        *,
        prefer: str,
        share: Fairness | None = None,
        released_only: bool = False,
        unsettled: Iterable[str] = (),
    ) -> str:
        """Choose a clerk for a booking and reassign others at their same time where that makes room. Refuses if there is none.

        With `released_only` it must be a time that the public may book now. `unsettled` are uids whose places don't count.
        """
        connection = writer.connection
        start, end, _ = booking.content.instances[0]
        wish = dispatch.Wish(start, end, booking.content.services)
        board = dispatch.board(
            connection, office, writer.collections, dispatch.local_day(start, office), writer.now
        )
        board = board.without(booking.content.uid, *unsettled)
        request = board.request(wish)
        if request is None:
            raise RefusedError(refusals.OUTSIDE_OPENING_HOURS)
        if share is not None:
            share.leave_room(booking, board)
        if released_only and office.release is not None:
            board = self._released(writer, office, office.release, board, wish, request)
        if prefer and board.is_free(prefer, request):
            return prefer
        found = admission.admit(board.office_day, request)
        if isinstance(found, Refusal):
            raise RefusedError(found.rule)
        # Two appointments that change places are in each other's way only in the index of names, never in time.
        for step in found.reassigned:
            row = reading.booking(connection, office.id, step.uid)
            assert row is not None
            source = writer.collections.by_id(row.collection_id)
            writer.transfer(row, source, self._calendar_of(writer, step.to_clerk), file_name(row.uid))
        return found.clerk

    def _released(
        self,
        writer: Writer,
        office: Office,
        rule: Release,
        board: dispatch.Board,
        wish: dispatch.Wish,
        request: Request,
    ) -> dispatch.Board:
        """Return the day as the public sees it. Refuses with "not-released"."""
        kept = returns.live(writer.connection, office.id, board.windows.start, board.windows.end, writer.now)
        board = board.with_returning(kept)
        found = room(board.office_day, dispatch.open_bits(board.windows))
        start, now = (datetime.fromtimestamp(moment, office.zone) for moment in (wish.start, writer.now))
        if not rule.allows(wish.services, start, request.length, found, now, office.zone):
            raise RefusedError(refusals.NOT_RELEASED)
        return board

    @staticmethod
    def _given_back(
        writer: Writer, row: ObjectRow, holder: CollectionRow, actor: Actor
    ) -> list[returns.GivenBack]:
        """What comes free when a citizen's appointment no longer takes its time; nothing for a hold, or when staff change it."""
        if not actor.authoritative or row.kind is not Kind.APPOINTMENT:
            return []
        return [
            returns.GivenBack(holder.owner, start, end, row.services)
            for start, end, transparency in reading.instances_of(writer.connection, row.id)
            if transparency
        ]

    def _set_aside(self, writer: Writer, office: Office | None, given: Iterable[returns.GivenBack]) -> None:
        """The public is offered these times again after a while."""
        if office is not None:
            for each in given:
                returns.set_aside(writer, office, each, self._draw)

    @staticmethod
    def _calendar_of(writer: Writer, clerk: str) -> CollectionRow:
        found = writer.collections.by_path(f"{clerk}/calendar")
        if found is None:
            raise RefusedError(refusals.NO_FREE_CLERK)
        return found

    @staticmethod
    def _refuse_overlap(writer: Writer, clerk: str, content: Content, *, except_uid: str) -> None:
        ids = [row.id for row in writer.collections.of_owner(clerk)]
        start, end, _ = content.instances[0]
        for other in reading.instances_in(writer.connection, ids, start, end):
            if other.kind.is_booking and other.transparency and other.uid != except_uid and other.end > start:
                raise RefusedError(refusals.TIME_TAKEN)

    @staticmethod
    def _release_expired(writer: Writer, office: Office, *keep: str) -> None:
        for row in reading.expired_holds(writer.connection, office.id, writer.now):
            if row.uid not in keep:
                writer.remove(row, writer.collections.by_id(row.collection_id))

    # Deleting and moving -----------------------------------------------------------------------------------------

    def delete(self, path: str, href: str, actor: Actor, preconditions: Preconditions = ANY) -> None:
        """Delete an object; an appointment is thereby cancelled."""
        where = self._parent(path)
        with self.writing(where.office, actor) as writer:
            row = reading.item(writer.connection, where, href)
            if row is None:
                raise MissingError(href)
            preconditions.check(row)
            holder = self._holder(writer, where, row)
            self._set_aside(writer, self.office_of(where), self._given_back(writer, row, holder, actor))
            writer.remove(row, holder)

    def write_together(
        self, office_id: str, puts: Sequence[Part], gone: Sequence[tuple[str, str]], actor: Actor
    ) -> list[Put]:
        """Book, change and cancel several appointments of one office in one write: all of it, or nothing.

        `gone` are (uid, etag) of what is deleted. Each is placed as if it came alone, those before it there and those after it not. Refuses as `put` and
        `delete` do; MissingError for an office that isn't there, or an appointment to delete that is gone.
        """
        where = self._parent(f"{office_id}/appointments")
        office = self.office_of(where)
        if office is None:
            raise MissingError(office_id)
        objects = [self._accept(each.text, where) for each in puts]
        uids = [obj.uid for obj in objects]
        if len({*uids, *(uid for uid, _ in gone)}) != len(uids) + len(gone):
            raise RefusedError("no-uid-conflict", namespace=refusals.CALDAV)
        together = _Together(set(uids))
        done = []
        with self.writing(office.id, actor) as writer:
            for uid, etag in gone:
                row = reading.booking(writer.connection, office.id, uid)
                if row is None:
                    raise MissingError(uid)
                Preconditions(if_match=etag).check(row)
                holder = writer.collections.by_id(row.collection_id)
                together.given_back += self._given_back(writer, row, holder, actor)
                writer.remove(row, holder)
            self._release_expired(writer, office, *uids)
            for part, obj in zip(puts, objects, strict=True):
                stored = reading.booking(writer.connection, office.id, obj.uid)
                expected = Preconditions(if_match=part.etag)
                expected.check(stored)
                together.waiting.discard(obj.uid)
                done.append(
                    self._put_in_view(
                        writer, office, file_name(obj.uid), obj, stored, actor, expected, together
                    )
                )
                together.is_first = False
            self._set_aside(writer, office, together.given_back)
        return done

    @staticmethod
    def _holder(writer: Writer, where: CollectionRow, row: ObjectRow) -> CollectionRow:
        return where if where.id == row.collection_id else writer.collections.by_id(row.collection_id)

    @staticmethod
    def _found(writer: Writer, where: CollectionRow, href: str, preconditions: Preconditions) -> ObjectRow:
        """Return what is to be moved or copied. MissingError, PreconditionFailedError."""
        row = reading.item(writer.connection, where, href)
        if row is None:
            raise MissingError(href)
        preconditions.check(row)
        return row

    def _clear(self, writer: Writer, where: CollectionRow, replaced: ObjectRow) -> None:
        """Remove what something else takes the place of; an appointment keeps its place."""
        if replaced.kind.is_booking:
            raise RefusedError(refusals.TIME_TAKEN)
        writer.remove(replaced, self._holder(writer, where, replaced))

    def move(
        self,
        path: str,
        href: str,
        to_path: str,
        to_href: str,
        actor: Actor,
        preconditions: Preconditions = ANY,
        *,
        overwrite: bool,
    ) -> bool:
        """MOVE an object (RFC 4918 section 9.9); True if nothing was there before. The rules of the target's calendar hold."""
        source, target = self._parent(path), self._parent(to_path)
        if source.office != target.office:
            raise ForbiddenError("an object can't be moved to another office")
        with self.writing(source.office, actor) as writer:
            row = self._found(writer, source, href, preconditions)
            office = self.office_of(target)
            if office is not None:
                self._release_expired(writer, office, row.uid)
            replaced = reading.item(writer.connection, target, to_href)
            if replaced is not None and replaced.id != row.id:
                if not overwrite:
                    raise PreconditionFailedError("Overwrite")
                self._clear(writer, target, replaced)
            holder = self._holder(writer, source, row)
            if target.role is Role.VIEW:
                self._move_into_view(writer, target, to_href, row, holder, actor)
            else:
                self._move_into(writer, target, to_href, row, holder)
            return replaced is None

    def copy(
        self,
        path: str,
        href: str,
        to_path: str,
        to_href: str,
        actor: Actor,
        preconditions: Preconditions = ANY,
        *,
        overwrite: bool,
    ) -> bool:
        """COPY an object (RFC 4918 section 9.8); True if nothing was there before. An appointment is there only once, so it has no copy."""
        source, target = self._parent(path), self._parent(to_path)
        with self.writing(target.office, actor) as writer:
            row = self._found(writer, source, href, preconditions)
            replaced = reading.item(writer.connection, target, to_href)
            if replaced is not None and not overwrite:
                raise PreconditionFailedError("Overwrite")
            if row.kind.is_booking:
                raise _uid_conflict(source, href)
            if replaced is not None:
                self._clear(writer, target, replaced)
            obj = self.parse(row.text, self.office_of(target), target.owner)
            self._put(writer, target, to_href, obj, actor, ANY)
            return replaced is None

    def _move_into(
        self, writer: Writer, target: CollectionRow, href: str, row: ObjectRow, holder: CollectionRow
    ) -> None:
        if row.kind.is_booking:
            if target.role is not Role.CLERK:
                raise ForbiddenError("an appointment lies in a clerk's calendar")
            periods = reading.instances_of(writer.connection, row.id)
            start, end, transparency = periods[0]
            content = Content(
                row.uid, row.component, row.kind, row.text, [(start, end, transparency)], start, end
            )
            if transparency:
                self._refuse_overlap(writer, target.owner, content, except_uid=row.uid)
            writer.transfer(row, holder, target, href)
            return
        _require_component(target, row.component)
        other = reading.has_uid(writer.connection, target, row.uid)
        if other is not None and other.id != row.id:
            raise _uid_conflict(target, other.href)
        if target.role is holder.role:
            writer.transfer(row, holder, target, href)
            return
        # Another kind of calendar reads the same event differently, so it is stored anew.
        obj = self.parse(row.text, self.office_of(target), target.owner)
        writer.remove(row, holder)
        writer.insert(target, href, self._content(target, obj, writer.now))

    def _move_into_view(
        self,
        writer: Writer,
        view: CollectionRow,
        href: str,
        row: ObjectRow,
        holder: CollectionRow,
        actor: Actor,
    ) -> None:
        if row.kind.is_booking:
            return
        office = self.office_of(view)
        assert office is not None
        writer.remove(row, holder)
        self._put_in_view(writer, office, href, self.parse(row.text, office), None, actor, ANY)

    # Collections ---------------------------------------------------------------------------------------------------

    def create_calendar(self, path: str, props: Mapping[str, str], actor: Actor) -> CollectionRow:
        """Make a calendar below somebody's principal (MKCALENDAR). Names below an office are reserved."""
        where = self._calendar_to_be(path, props)
        with self.writing(where.office, actor) as writer:
            return self._create(writer, where)

    def _calendar_to_be(self, path: str, props: Mapping[str, str]) -> CollectionRow:
        """Return a new calendar as it would be stored."""
        path = path.strip("/")
        owner, _, name = path.partition("/")
        if not name or "/" in name or name in _MAILBOXES or self.directory.office(owner) is not None:
            raise RefusedError(refusals.RESERVED)
        office = self.directory.office_of(owner)
        role = Role.CLERK if office else Role.PLAIN
        tag = props.get("tag", "VCALENDAR")
        kept = _require_small({**props})
        return CollectionRow(0, path, role, tag, office.id if office else "", owner, kept, 0, 0, 0)

    @staticmethod
    def _create(writer: Writer, where: CollectionRow) -> CollectionRow:
        if reading.collection(writer.connection, where.owner) is None:
            raise NoParentError(where.owner)
        return writer.create_collection(
            where.path, where.role, tag=where.tag, owner=where.owner, props=where.props
        )

    def create_principal(self, name: str, props: Mapping[str, str] | None, actor: Actor) -> CollectionRow:
        """Make somebody's principal collection, or return it if it's there."""
        found = self.find(name)
        if found is not None:
            return found
        office = self.directory.office_of(name)
        with self.writing(office.id if office else "", actor) as writer:
            # Several devices of one person come for the first time at once; only under the lock one sees who was first.
            first = reading.collection(writer.connection, name)
            return first or writer.create_collection(
                name, Role.PRINCIPAL, tag="", owner=name, props=props or {}
            )

    def replace_calendar(
        self,
        path: str,
        texts: Sequence[str],
        props: Mapping[str, str],
        actor: Actor,
        preconditions: Preconditions = ANY,
    ) -> bool:
        """Give a calendar this content as a whole (PUT on a collection), and make it if it isn't there: True then. All of it or nothing.

        What is there already stays untouched, and so do appointments that aren't among it. `props` replace those of the same names. Refuses more
        than `MOST_OBJECTS` objects, so that others needn't wait long.
        """
        if len(texts) > MOST_OBJECTS:
            raise RefusedError(refusals.TOO_MANY_OBJECTS, f"more than {MOST_OBJECTS} objects at once")
        found = self.find(path)
        where = found or self._calendar_to_be(path, props)
        if where.role not in {Role.CLERK, Role.PLAIN, Role.OPENING}:
            raise ForbiddenError(path)
        parsed = {obj.uid: obj for obj in (self._accept(text, where) for text in texts)}
        if len(parsed) < len(texts):
            raise RefusedError("no-uid-conflict", namespace=refusals.CALDAV)
        for obj in parsed.values():
            _require_component(where, obj.component)
        contents = {uid: self._content(where, obj, self.now()) for uid, obj in parsed.items()}
        if sum(len(content.instances) for content in contents.values()) > MOST_INSTANCES:
            raise RefusedError("max-instances", "too many instances at once", namespace=refusals.CALDAV)
        with self.writing(where.office, actor) as writer:
            current = reading.collection(writer.connection, path.strip("/"))
            preconditions.check_etag(None if current is None else current.etag)
            if current is None:
                current = self._create(writer, where)
            elif not props.items() <= current.props.items():
                current = writer.set_props(current, self._changed(current, props))
            self._replace_all(writer, current, parsed, contents, actor)
        return found is None

    def _replace_all(
        self,
        writer: Writer,
        where: CollectionRow,
        parsed: Mapping[str, CalendarObject],
        contents: Mapping[str, Content],
        actor: Actor,
    ) -> None:
        connection = writer.connection
        there = {row.uid: row for row in reading.all_items(connection, where)}
        ours = {
            uid for uid, obj in parsed.items() if where.role is Role.CLERK and bookings.claims_to_be_one(obj)
        }
        ours |= reading.bookings_among(connection, where.office, list(parsed)) if where.office else set()
        gone = [row for uid, row in there.items() if uid not in parsed and not row.kind.is_booking]
        writer.remove_all(gone, where)
        taken = {row.href for row in there.values()}
        new: list[tuple[str, Content]] = []
        for uid, content in contents.items():
            row = there.get(uid)
            if uid in ours:
                href = file_name(uid) if row is None else row.href
                self._put(writer, where, href, parsed[uid], actor, ANY)
            elif row is None:
                href = file_name(uid)
                new.append((href if href not in taken else other_name(uid), content))
            elif row.text != content.text:
                writer.replace(row, where, content)
        writer.insert_all(where, new)

    def change_props(self, path: str, changes: Mapping[str, str | None], actor: Actor) -> None:
        """Set properties of a collection, or remove those that are None (PROPPATCH): all of them or none."""
        where = self.find(path)
        if where is None:
            raise MissingError(path)
        with self.writing(where.office, actor) as writer:
            current = reading.collection(writer.connection, where.path)
            if current is None:
                raise MissingError(path)
            props = self._changed(current, changes)
            if props != current.props:
                writer.set_props(current, props)

    @staticmethod
    def _changed(where: CollectionRow, changes: Mapping[str, str | None]) -> dict[str, str]:
        return _require_small(propertyupdate.merged(where.props, changes))

    def delete_calendar(self, path: str, actor: Actor, preconditions: Preconditions = ANY) -> None:
        """Delete a calendar with its events. Refuses while it has appointments, and for the calendars that an office needs."""
        where = self.find(path)
        if where is None:
            raise MissingError(path)
        needed = where.role is Role.CLERK and where.name == "calendar"
        if needed or where.role not in {Role.CLERK, Role.PLAIN}:
            raise RefusedError(refusals.RESERVED)
        with self.writing(where.office, actor) as writer:
            current = reading.collection(writer.connection, where.path)
            if current is None:
                raise MissingError(path)
            preconditions.check_etag(current.etag)
            rows = list(reading.all_items(writer.connection, where))
            if any(row.kind.is_booking for row in rows):
                raise RefusedError(refusals.HAS_APPOINTMENTS)
            for row in rows:
                writer.remove(row, where)
            writer.delete_collection(where)

    def release_expired(self, writer: Writer, office: Office, *, keep: str = "") -> None:
        """Delete the office's expired holds, in a write of the caller; `keep` is the uid of one that stays."""
        self._release_expired(writer, office, keep)

    def check_limits(self, writer: Writer, office: Office, booking: bookings.Booking, caller: Caller) -> None:
        """Refuse what would be more than the caller's fair share, and note it otherwise, in a write of whoever calls."""
        Fairness(self._limits, writer, office, caller).admit(booking, None)

    def crowds(self, writer: Writer, office: Office, content: Content, board: dispatch.Board) -> bool:
        """Tell whether a booking of the server's own would be more than the fair share of who asked for it."""
        booking = bookings.Booking(from_ical(content.text, office.zone), content, False, True)
        return Fairness(self._limits, writer, office, Caller()).crowds(booking, board)

    def insert_booking(self, writer: Writer, office: Office, content: Content) -> None:
        """Give a new booking of the server's own to a clerk, in a write of the caller. Refuses as a booking by anybody."""
        held = from_ical(content.text, office.zone)
        clerk = self._place(writer, office, bookings.Booking(held, content, False, True), prefer="")
        name = file_name(content.uid)
        writer.insert(self._calendar_of(writer, clerk), name, content, view_href=name)

    def move_to_hold(
        self, writer: Writer, office: Office, stored: ObjectRow, held: ObjectRow, actor: Actor
    ) -> None:
        """Move an appointment to the time that a hold keeps for its citizen, which ends thereby; in a write of the caller.

        Refuses if staff have changed it so that it needs more than was kept, and there's no more.
        """
        place, source = (writer.collections.by_id(row.collection_id) for row in (held, stored))
        given = self._given_back(writer, stored, source, actor)
        writer.remove(held, place)
        assert held.first is not None
        before = from_ical(stored.text, office.zone)
        moved = replace(
            before.at(datetime.fromtimestamp(held.first, office.zone)),
            sequence=before.sequence + 1,
            reason="",
            proposed=None,
        )
        content = replace(bookings.content_of(moved, now=writer.now), digest=stored.digest)
        booking = bookings.Booking(moved, content, False, True)
        clerk = place.owner
        if (content.last, content.services) != (held.last, held.services):
            clerk = self._place(writer, office, booking, prefer=clerk)
        # The limits have been checked when the wish was made; its address counts until the new time.
        Fairness(self._limits, writer, office, Caller()).admit(booking, stored)
        self._set_aside(writer, office, given)
        writer.replace(
            stored, source, content, target=self._calendar_of(writer, clerk), href=file_name(stored.uid)
        )


def _uid_conflict(where: CollectionRow, href: str) -> RefusedError:
    """Tell which object has the uid (RFC 4791 section 5.3.2.1)."""
    return RefusedError("no-uid-conflict", namespace=refusals.CALDAV, path=f"{where.path}/{href}")


def _events(obj: CalendarObject) -> list[icalendar.Event]:
    """Return the object's events in icalendar's classes. Refuses what these can't read."""
    try:
        return obj.events
    except InvalidObjectError as error:
        raise RefusedError(error.precondition, str(error), namespace=refusals.CALDAV) from error


def _refuse_what_ended(
    writer: Writer, view: CollectionRow, href: str, stored: ObjectRow | None, actor: Actor
) -> None:
    """Refuse what is to be booked once, was booked under this name before and is gone again, for as long as the office's view remembers."""
    if actor.once and stored is None and reading.last_sequence(writer.connection, view, href) is not None:
        raise RefusedError(refusals.ENDED)


def _require_component(where: CollectionRow, component: str) -> None:
    """Refuse a type of component that the calendar wasn't made for (RFC 4791 sections 5.2.3 and 5.3.2.1)."""
    allowed = where.props.get("C:supported-calendar-component-set", "")
    if allowed and component not in allowed.split(","):
        raise RefusedError("supported-calendar-component", namespace=refusals.CALDAV)


def _require_small(props: dict[str, str]) -> dict[str, str]:
    if sum(len(name) + len(value) for name, value in props.items()) > propertyupdate.MAX_SIZE:
        raise RefusedError(refusals.PROPERTIES_TOO_LARGE)
    return props


def _narrowed(obj: CalendarObject, office: Office) -> frozenset[str]:
    """The services that an opening window is narrowed to by its CATEGORIES: ids or names, in any case."""
    groups = obj.events[0].get("CATEGORIES")
    listed = groups if isinstance(groups, list) else [] if groups is None else [groups]
    names = [str(name).strip().casefold() for group in listed for name in group.cats if str(name).strip()]
    known = office.service_ids_by_name
    for name in names:
        if name not in known:
            raise RefusedError(refusals.UNKNOWN_SERVICE, "a category of an opening window names no service")
    return frozenset(known[name] for name in names)


def expanded(obj: CalendarObject, kind: Kind, services: frozenset[str], now: int) -> Content:
    """Return an object's content with its instances, of a recurring one those around `now` (epoch seconds)."""
    first, last = obj.enclosing()
    begin: int | None = None
    until: int | None = None
    low, high = first, (last if last is not None else now + EXPAND_AHEAD) + 1
    if obj.recurring:
        if low < now - EXPAND_BACK:
            low = begin = now - EXPAND_BACK
        if last is None or last > now + EXPAND_AHEAD:
            high = until = now + EXPAND_AHEAD
    periods = [(each.start, each.end, int(each.transparency)) for each in obj.instances(low, high)]
    if begin is not None:
        periods = [period for period in periods if period[1] > begin]
    return Content(
        uid=obj.uid,
        component=obj.component,
        kind=kind,
        text=obj.text,
        instances=periods,
        first=first,
        last=last,
        recurring=obj.recurring,
        expanded_from=begin,
        expanded_until=until,
        services=services,
    )

"""The waiting list: wishes, and the offers that are made of times that become free.

A time that becomes free is offered in the same transaction that frees it: a hold is placed in the name of the first person on the list whom it
suits, so nobody else can take it meanwhile, and a server that is killed in between has done neither. Whoever answers "no", or not in time,
gives it to the next in the transaction that notes it. What the public may book besides (the horizon moved on, a clerk was hired) is looked for by
`Waiting.look_around`, which upkeep calls now and then.

While nobody waits in an office, a transaction that frees something costs one indexed look-up more, and any other nothing.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, delete, func, insert, or_, select, update

from calendar_server import bookings, dispatch, refusals, returns
from calendar_server.fairness import mailbox_of
from calendar_server.ical import appointment as properties
from calendar_server.ical.appointment import NotAnAppointmentError, from_ical, to_ical
from calendar_server.refusals import MissingError, RefusedError
from calendar_server.storage import reading
from calendar_server.storage.rows import Kind, Role
from calendar_server.storage.schema import instances, objects, wishes
from calendar_server.storage.wish_rows import COLUMNS, IS_OPEN, find, open_wishes
from calendar_server.wishes import Wish, WishState, offer_until
from optimizer import admission
from optimizer.release import room

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import date

    from sqlalchemy import Connection

    from calendar_server.ical.appointment import Appointment
    from calendar_server.offices import Office
    from calendar_server.service import Actor, Calendars
    from calendar_server.storage.rows import ObjectRow
    from calendar_server.storage.writing import Writer

OFFERED = "Angeboten: "
"""Before the summary, as long as a time is only offered: what the clerk reads."""
KEEP = timedelta(days=7)
"""So long a wish that ended is kept, so that her link still tells her what became of it."""
MOST_OFFERS = 20
"""Offers made in one transaction at most, so that others don't wait long; the rest is found by `look_around`."""
_MOST_DAYS = 14
"""Days looked at in one transaction at most."""
_LONGEST_MINUTES = 1440
_NOTICE = timedelta(hours=1)
"""Before the start, where the office has no rule."""
_LATEST_DAYS = 400
_NO_ROOM = frozenset({refusals.TIME_TAKEN, refusals.NO_FREE_CLERK, refusals.OUTSIDE_OPENING_HOURS})


@dataclass(frozen=True, slots=True)
class NewWish:
    """A wish as the site brings it: `text` is the appointment that she wants, as it would be booked, at whatever time."""

    id: str
    office: str
    text: str
    first: int
    last: int
    weekdays: int
    from_minute: int
    until_minute: int
    replaces: str = ""
    """The uid of the appointment that moves to the offered time when it is taken; empty: it's booked beside what she has."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many wait in an office, and nothing of who: by service, since when, and for how many a time is kept right now."""

    waiting: int
    offered: int
    services: dict[str, int]
    since: int | None


class Waiting:
    """The waiting lists of all offices."""

    def __init__(self, calendars: Calendars) -> None:
        self._calendars = calendars

    # What the citizen does --------------------------------------------------------------------------------------------

    def add(self, new: NewWish, actor: Actor) -> Wish:
        """Put a wish on the list; the same again is a success. If the public could book a time that suits it, that is offered at once.

        Refuses with "waiting-list-closed", "too-many-wishes", "waiting-list-full", "unknown-service", "appointment-needs-a-time",
        "bad-wish" (also if there is no appointment to replace), "already-booked" (the id with other content). Raises MissingError for an
        unknown office.
        """
        office = self._calendars.directory.office(new.office)
        if office is None:
            raise MissingError(new.office)
        wanted = self._read(new, office)
        wish = Wish(
            id=new.id,
            office=office.id,
            uid=wanted.uid,
            services=frozenset(line.id for line in wanted.services),
            minutes=int((wanted.end - wanted.start).total_seconds() // 60),
            first=new.first,
            last=new.last,
            created=self._calendars.now(),
            weekdays=new.weekdays,
            from_minute=new.from_minute,
            until_minute=new.until_minute,
            replaces=new.replaces,
        )
        address = mailbox_of(wanted.email)
        with self._calendars.writing(office.id, actor) as writer:
            known = find(writer.connection, new.id)
            if known is not None:
                if known[0].services != wish.services or known[0].uid != wish.uid:
                    raise RefusedError(refusals.ALREADY_BOOKED)
                return known[0]
            self._require_room(writer.connection, office, address)
            if wish.replaces:
                replaced = self._replaced(writer.connection, office, wish, writer.now)
                if replaced is None:
                    raise RefusedError(refusals.BAD_WISH, "there is no appointment to replace")
                # What begins when hers does, or a little later, suits her no better.
                wish = replace(wish, refused=(replaced.first or 0,))
            if actor.caller is not None:
                # It counts like a booking of the same network and, as long as it may be offered, of the same address: there the appointment
                # that it replaces counts already.
                asked = replace(bookings.content_of(wanted, now=writer.now), last=wish.last)
                counted = replace(wanted, email="") if wish.replaces else wanted
                self._calendars.check_limits(
                    writer, office, bookings.Booking(counted, asked, False, True), actor.caller
                )
            values = {
                column.name: getattr(wish, column.name)
                for column in COLUMNS
                if column.name not in {"state", "services", "refused"}
            }
            values |= {
                "state": wish.state.value,
                "services": ",".join(sorted(wish.services)),
                "refused": json.dumps(wish.refused),
                "address": address,
                "text": new.text,
                "created": writer.now,
            }
            writer.connection.execute(insert(wishes), values)
            writer.log(wish.id, Kind.WISH)
        self.look_around(office, actor, only=wish.id)
        return self.get(new.id)

    def _read(self, new: NewWish, office: Office) -> Appointment:
        obj = self._calendars.parse(new.text, office)
        try:
            wanted = properties.from_event(bookings.single_event(obj), office.zone)
        except NotAnAppointmentError as error:
            raise RefusedError(refusals.NEEDS_A_TIME, str(error)) from error
        if unknown := {line.id for line in wanted.services} - office.services:
            raise RefusedError(
                refusals.UNKNOWN_SERVICE, f"the office has no service {min(unknown, default='')!r}"
            )
        latest = self._calendars.now() + _LATEST_DAYS * 86_400
        minutes = (wanted.end - wanted.start) / timedelta(minutes=1)
        fits = (
            bool(wanted.services)
            and 0 < len(new.id) <= 128
            and 0 < len(wanted.uid) <= 255
            and bool(wanted.email.strip())
            and len(wanted.email) <= 254
            and len(new.replaces) <= 255
            and new.replaces != wanted.uid
            and minutes == int(minutes)
            and minutes <= _LONGEST_MINUTES
            and new.first <= new.last
            and self._calendars.now() < new.last <= latest
            and 0 < new.weekdays < 128
            and 0 <= new.from_minute < new.until_minute <= 1440
        )
        if not fits:
            raise RefusedError(
                refusals.BAD_WISH, "a wish needs a service, an address, and a time that is to come"
            )
        return wanted

    @staticmethod
    def _require_room(connection: Connection, office: Office, address: str) -> None:
        if not office.waiting.enabled:
            raise RefusedError(refusals.WAITING_LIST_CLOSED)
        mine = select(func.count()).select_from(wishes).where(IS_OPEN, wishes.c.address == address)
        if connection.execute(mine).scalar_one() >= office.waiting.per_address:
            raise RefusedError(refusals.TOO_MANY_WISHES)
        here = select(func.count()).select_from(wishes).where(IS_OPEN, wishes.c.office == office.id)
        if connection.execute(here).scalar_one() >= office.waiting.most:
            raise RefusedError(refusals.WAITING_LIST_FULL)

    def get(self, wish_id: str) -> Wish:
        """Return a wish. Raises MissingError."""
        return self.read(wish_id)[0]

    def read(self, wish_id: str) -> tuple[Wish, str]:
        """Return a wish and the text of its appointment. An open wish `replaces` what would move if it were taken now. Raises MissingError."""
        with self._calendars.database.read() as connection:
            found = find(connection, wish_id)
            if found is None:
                raise MissingError(wish_id)
            wish, text = found
            office = self._calendars.directory.office(wish.office)
            if (
                wish.replaces
                and wish.state.is_open
                and office is not None
                and self._replaced(connection, office, wish, self._calendars.now()) is None
            ):
                wish = replace(wish, replaces="")
        return wish, text

    @staticmethod
    def _replaced(connection: Connection, office: Office, wish: Wish, now: int) -> ObjectRow | None:
        """Return the appointment that moves when a wish is taken, as it is stored; None if there's none any more, or it has begun."""
        row = reading.booking(connection, office.id, wish.replaces) if wish.replaces else None
        if row is None or row.kind is not Kind.APPOINTMENT or (row.first or 0) <= now:
            return None
        standing = from_ical(row.text, office.zone)
        return None if standing.cancelled or standing.group > 1 else row

    @classmethod
    def _as_it_is(cls, connection: Connection, office: Office, wish: Wish, now: int) -> Wish:
        """Return a wish with the length and the services that the appointment which it replaces has by now: staff may change them."""
        row = reading.booking(connection, office.id, wish.replaces) if wish.replaces else None
        if row is None or row.first is None or row.last is None:
            return wish
        found = replace(wish, minutes=-(-(row.last - row.first) // 60), services=row.services)
        if found == wish or cls._replaced(connection, office, wish, now) is None:
            return wish
        return found

    def accept(self, wish_id: str, start: int, actor: Actor) -> Wish:
        """Make the offered hold an appointment, or move there what it `replaces`; once it is taken, the same again is a success.

        `start` is what she saw: refuses with "offer-over" if that isn't offered, or not any more; with "offer-too-short" if the
        appointment needs more by now than there is: then that offer ends, and she waits on. Raises MissingError.
        """
        try:
            return self._accept(wish_id, start, actor)
        except RefusedError as error:
            if error.rule not in _NO_ROOM:
                raise
            self._withdraw(wish_id, start, actor)
            raise RefusedError(refusals.OFFER_TOO_SHORT, str(error)) from error

    def _accept(self, wish_id: str, start: int, actor: Actor) -> Wish:
        with self._deciding(wish_id, actor) as (writer, office, wish, text):
            if wish.state is WishState.TAKEN:
                return wish
            row = reading.booking(writer.connection, office.id, wish.uid)
            if wish.state is not WishState.OFFERED or row is None or row.first != start:
                raise RefusedError(refusals.OFFER_OVER)
            if row.kind is Kind.HOLD:
                held = from_ical(row.text, office.zone)
                if held.cancelled or row.hold_until is None or row.hold_until <= writer.now:
                    raise RefusedError(refusals.OFFER_OVER)
                stored = self._replaced(writer.connection, office, wish, writer.now)
                if stored is not None:
                    self._calendars.move_to_hold(writer, office, stored, row, actor)
                    return self._change(writer, wish, WishState.TAKEN)
                kept = replace(held, hold_until=None, summary=from_ical(text, office.zone).summary)
                content = bookings.content_of(kept, now=writer.now)
                writer.replace(row, writer.collections.by_id(row.collection_id), content)
            return self._change(writer, wish, WishState.TAKEN, replaces="")

    def _withdraw(self, wish_id: str, start: int, actor: Actor) -> None:
        """End an offer that she can't take. She has not turned it down: a time around it may be offered as soon as it's long enough."""
        with self._deciding(wish_id, actor) as (writer, office, wish, _):
            if wish.state is not WishState.OFFERED or wish.offered_start != start:
                return
            needed = self._as_it_is(writer.connection, office, wish, writer.now)
            changed = (needed.minutes, needed.services) != (wish.minutes, wish.services)
            self._change(writer, replace(wish, offered_start=None) if changed else wish, WishState.WAITING)
            self._release(writer, office, wish)
        self.look_around(office, actor, only=wish_id)

    def decline(self, wish_id: str, start: int, actor: Actor) -> Wish:
        """Say no to the offered time: the next person gets it, and she goes on waiting for another.

        `start` is what she saw; if that isn't offered (any more) nothing happens. Raises MissingError.
        """
        with self._deciding(wish_id, actor) as (writer, office, wish, _):
            if wish.state is not WishState.OFFERED or wish.offered_start != start:
                return wish
            self._change(writer, wish, WishState.WAITING)
            self._release(writer, office, wish)
        # On other days something may have been free all the time; she was offered the earliest.
        self.look_around(office, actor, only=wish_id)
        return self.get(wish_id)

    def leave(self, wish_id: str, actor: Actor) -> Wish:
        """Take a wish off the list; an offered time goes to the next person. What has ended stays as it is. Raises MissingError."""
        with self._deciding(wish_id, actor) as (writer, office, wish, _):
            if not wish.state.is_open:
                return wish
            left = self._change(writer, wish, WishState.LEFT)
            if wish.state is WishState.OFFERED:
                self._release(writer, office, wish)
            return left

    @contextmanager
    def _deciding(self, wish_id: str, actor: Actor) -> Iterator[tuple[Writer, Office, Wish, str]]:
        """The transaction in which she decides: the writer, the office, and the wish as it stands in it."""
        office = self._calendars.directory.office(self.get(wish_id).office)
        if office is None:
            raise MissingError(wish_id)
        with self._calendars.writing(office.id, actor) as writer:
            found = find(writer.connection, wish_id)
            if found is None:
                raise MissingError(wish_id)
            yield writer, office, *found

    @staticmethod
    def _release(writer: Writer, office: Office, wish: Wish) -> None:
        row = reading.booking(writer.connection, office.id, wish.uid)
        if row is not None and row.kind is Kind.HOLD:
            writer.remove(row, writer.collections.by_id(row.collection_id))

    @staticmethod
    def _change(writer: Writer, wish: Wish, state: WishState, **values: Any) -> Wish:
        """Give a wish another state and tell the change log. A time that was offered and not taken isn't offered to her again."""
        changed = replace(wish, state=state, revision=wish.revision + 1, **values)
        if state is not WishState.OFFERED:
            if state is not WishState.TAKEN and wish.offered_start is not None:
                changed = replace(changed, refused=(*changed.refused, wish.offered_start)[-50:])
            if state is not WishState.TAKEN:
                changed = replace(changed, offered_start=None)
            changed = replace(changed, offered_until=None)
        if not state.is_open:
            changed = replace(changed, ended=writer.now)
        columns = ("revision", "unanswered", "offered_start", "offered_until", "ended", "replaces")
        writer.connection.execute(
            update(wishes)
            .where(wishes.c.id == wish.id)
            .values(
                state=changed.state.value,
                refused=json.dumps(changed.refused),
                **{name: getattr(changed, name) for name in columns},
            )
        )
        writer.log(wish.id, Kind.WISH)
        return changed

    # What the office sees ---------------------------------------------------------------------------------------------

    def counts(self, office_id: str) -> Counts:
        """Return how many wait in an office."""
        with self._calendars.database.read() as connection:
            found = open_wishes(connection, office_id)
        services: dict[str, int] = {}
        for wish in found:
            for service in sorted(wish.services):
                services[service] = services.get(service, 0) + 1
        offered = sum(wish.state is WishState.OFFERED for wish in found)
        since = min((wish.created for wish in found), default=None)
        return Counts(len(found) - offered, offered, services, since)

    # Offering ---------------------------------------------------------------------------------------------------------

    def after(self, writer: Writer, *, keep: str = "") -> None:
        """Offer what this transaction has freed, at its end or before somebody else is given a place in it.

        `keep` is the uid of what is about to be written. An expired hold of that uid still has its place, which mustn't be
        offered: then this waits for the transaction's end.
        """
        office = self._calendars.directory.office(writer.office) if writer.office else None
        if office is None or not writer.freed:
            return
        if not (waiting := open_wishes(writer.connection, office.id)):
            writer.freed = set()
            return
        if (
            keep
            and (row := reading.booking(writer.connection, office.id, keep))
            and row.hold_until is not None
        ):
            return
        freed, writer.freed = writer.freed, set()
        self._calendars.release_expired(writer, office)
        freed |= writer.freed
        writer.freed = set()
        waiting = self._settle(writer, office, waiting)
        self._offer(writer, office, waiting, self._days(office, freed, writer.now), freed)
        # Placing moved others between clerks at their times; that makes no room.
        writer.freed = set()

    @staticmethod
    def _days(office: Office, freed: Iterable[tuple[int, int]], now: int) -> list[date]:
        """The days that the public may book on which something was freed."""
        today = dispatch.local_day(now, office)
        last = today + timedelta(days=office.horizon_days)
        found: set[date] = set()
        for start, end in freed:
            if end <= now:
                continue
            # Cut first: a series may go on until the year 9999.
            day = dispatch.local_day(max(start, now), office)
            until = (
                last
                if end > now + (office.horizon_days + 2) * 86_400
                else dispatch.local_day(end - 1, office)
            )
            while day <= min(until, last):
                found.add(day)
                day += timedelta(days=1)
        return sorted(found)

    def _settle(self, writer: Writer, office: Office, waiting: Sequence[Wish]) -> list[Wish]:
        """Note what became of offers whose hold is gone, booked or moved. Return the wishes as they stand then."""
        offered = {wish.uid for wish in waiting if wish.state is WishState.OFFERED}
        if not offered:
            return list(waiting)
        query = select(objects.c.uid, objects.c.kind, objects.c.first).where(
            objects.c.office == office.id, objects.c.uid.in_(offered), objects.c.view_href.is_not(None)
        )
        standing = {row.uid: (Kind(row.kind), row.first) for row in writer.connection.execute(query)}
        found = []
        for wish in waiting:
            kind, start = standing.get(wish.uid, (None, None))
            if wish.state is not WishState.OFFERED:
                found.append(wish)
            elif kind is Kind.HOLD:
                # Somebody in the office may have moved it; the offer lasts as long as before.
                moved = start != wish.offered_start
                found.append(
                    self._change(writer, wish, WishState.OFFERED, offered_start=start) if moved else wish
                )
            elif kind is Kind.APPOINTMENT:
                self._change(writer, wish, WishState.TAKEN, replaces="")
            else:
                settled = self._ran_out(writer, office, wish)
                if settled.state.is_open:
                    found.append(settled)
        return found

    def _ran_out(self, writer: Writer, office: Office, wish: Wish) -> Wish:
        if wish.offered_until is None or wish.offered_until > writer.now:
            # The office took the time back; that's not her doing.
            return self._change(writer, wish, WishState.WAITING)
        count = wish.unanswered + 1
        state = WishState.UNANSWERED if count >= office.waiting.unanswered else WishState.WAITING
        return self._change(writer, wish, state, unanswered=count)

    def _offer(
        self,
        writer: Writer,
        office: Office,
        waiting: Sequence[Wish],
        days: Sequence[date],
        freed: Iterable[tuple[int, int]] = (),
    ) -> int:
        """Offer times on these days, first come first served, and each person the earliest that suits her. Return how many.

        `freed` may be offered whether it's released to the public or not.
        """
        if not office.waiting.enabled or not days:
            return 0
        table = _Table(writer.connection, office, writer.collections, days[:_MOST_DAYS], writer.now, freed)
        made = 0
        for wish in waiting:
            if made >= MOST_OFFERS:
                break
            if wish.state is not WishState.WAITING:
                continue
            needed = self._as_it_is(writer.connection, office, wish, writer.now)
            start = table.start_for(needed)
            board = None if start is None else table.board(dispatch.local_day(start, office))
            if start is not None and board is not None and self._place(writer, office, needed, start, board):
                table.outdate(dispatch.local_day(start, office))
                made += 1
        return made

    def _place(self, writer: Writer, office: Office, wish: Wish, start: int, board: dispatch.Board) -> bool:
        until = offer_until(writer.now, _latest(office, wish, start), office.waiting, office.zone)
        known = find(writer.connection, wish.id)
        if until is None or known is None or reading.booking(writer.connection, office.id, wish.uid):
            return False
        wanted = from_ical(known[1], office.zone)
        stored = None
        if (wish.minutes, wish.services) != (known[0].minutes, known[0].services):
            stored = self._replaced(writer.connection, office, wish, writer.now)
        if stored is not None:
            wanted = _as_long_as(wanted, from_ical(stored.text, office.zone))
        last = reading.last_sequence(writer.connection, writer.collections.only(Role.VIEW), f"{wish.uid}.ics")
        held = replace(
            wanted.at(datetime.fromtimestamp(start, office.zone)),
            hold_until=datetime.fromtimestamp(until, UTC),
            summary=OFFERED + wanted.summary,
            office=office.id,
            sequence=0 if last is None else last + 1,
        )
        content = bookings.content_of(held, now=writer.now)
        if self._calendars.crowds(writer, office, content, board):
            return False
        try:
            self._calendars.insert_booking(writer, office, content)
        except RefusedError:
            return False
        self._change(writer, wish, WishState.OFFERED, offered_start=start, offered_until=until)
        if stored is not None:
            text = to_ical(wanted, now=datetime.fromtimestamp(writer.now, UTC))
            services = ",".join(sorted(wish.services))
            writer.connection.execute(
                update(wishes)
                .where(wishes.c.id == wish.id)
                .values(minutes=wish.minutes, services=services, text=text)
            )
        return True

    # Upkeep -----------------------------------------------------------------------------------------------------------

    def look_around(self, office: Office, actor: Actor, *, only: str = "") -> int:
        """Offer whatever free time suits somebody who waits; with `only`, just that wish. Return how many offers were made.

        Looks in a read transaction and writes only where something was found.
        """
        if not office.waiting.enabled:
            return 0
        with self._calendars.database.read() as connection:
            now = self._calendars.now()
            waiting = self._waiting(connection, office, only)
            if not waiting:
                return 0
            today = dispatch.local_day(now, office)
            days = [today + timedelta(days=ahead) for ahead in range(office.horizon_days + 1)]
            days = [day for day in days if any(_may_suit(wish, day, office) for wish in waiting)]
            if not days:
                return 0
            known = reading.office_collections(connection, office.id)
            table = _Table(connection, office, known, days, now)
            found = sorted(
                {dispatch.local_day(start, office) for wish in waiting if (start := table.start_for(wish))}
            )
        if not found:
            return 0
        with self._calendars.writing(office.id, actor) as writer:
            self._calendars.release_expired(writer, office)
            return self._offer(writer, office, self._waiting(writer.connection, office, only), found)

    def _waiting(self, connection: Connection, office: Office, only: str) -> list[Wish]:
        now = self._calendars.now()
        return [
            self._as_it_is(connection, office, wish, now)
            for wish in open_wishes(connection, office.id)
            if wish.state is WishState.WAITING and only in {"", wish.id}
        ]

    def tidy(self, office: Office, actor: Actor) -> int:
        """End wishes for which no time can come any more, and settle offers whose hold is gone. Return how many wishes have ended."""
        with self._calendars.database.read() as connection:
            now = self._calendars.now()
            begun = _begun(connection, office.id, now)
            over = begun or any(
                self._is_over(wish, office, now) for wish in open_wishes(connection, office.id)
            )
            if not over and connection.execute(_lost_offers(office.id)).first() is None:
                return 0
        ended = 0
        with self._calendars.writing(office.id, actor) as writer:
            begun = _begun(writer.connection, office.id, writer.now)
            for wish in self._settle(writer, office, open_wishes(writer.connection, office.id)):
                if self._is_over(wish, office, writer.now) or (
                    wish.id in begun and wish.state is WishState.WAITING
                ):
                    self._change(writer, wish, WishState.OVER)
                    ended += 1
        return ended

    def forget(self) -> int:
        """Delete what ended `KEEP` ago, whichever office it was for. Return how many."""
        before = self._calendars.now() - int(KEEP.total_seconds())
        gone = or_(wishes.c.ended < before, wishes.c.last < before)
        with self._calendars.database.read() as connection:
            if connection.execute(select(wishes.c.id).where(gone).limit(1)).first() is None:
                return 0
        with self._calendars.database.write() as connection:
            return connection.execute(delete(wishes).where(gone)).rowcount

    @staticmethod
    def _is_over(wish: Wish, office: Office, now: int) -> bool:
        return wish.state is WishState.WAITING and _latest(office, wish, wish.last) < now


def _latest(office: Office, wish: Wish, start: int) -> int:
    """Until when an appointment for these services that begins at `start` can be booked."""
    notice = office.release.notice(wish.services) if office.release else _NOTICE
    return start - int(notice.total_seconds())


def _as_long_as(wanted: Appointment, standing: Appointment) -> Appointment:
    """What she wants, for what the appointment is about by now that it would replace."""
    return replace(
        wanted,
        end=wanted.start + (standing.end - standing.start),
        services=standing.services,
        summary=standing.summary,
        description=standing.description,
        categories=standing.categories,
    )


def _begun(connection: Connection, office_id: str, now: int) -> frozenset[str]:
    """The ids of wishes whose own appointment has begun, so that there is nothing to move any more."""
    standing = and_(objects.c.office == wishes.c.office, objects.c.uid == wishes.c.replaces)
    query = (
        select(wishes.c.id)
        .select_from(wishes.join(objects, standing).join(instances, instances.c.object_id == objects.c.id))
        .where(
            wishes.c.office == office_id,
            wishes.c.state == WishState.WAITING.value,
            wishes.c.replaces != "",
            objects.c.view_href.is_not(None),
            objects.c.first <= now,
            instances.c.transparency != 0,
        )
    )
    return frozenset(connection.execute(query).scalars())


def _lost_offers(office_id: str) -> Any:
    booked = select(objects.c.id).where(
        objects.c.office == office_id, objects.c.uid == wishes.c.uid, objects.c.kind == Kind.HOLD.value
    )
    return select(wishes.c.id).where(
        wishes.c.office == office_id, wishes.c.state == WishState.OFFERED.value, ~booked.exists()
    )


def _may_suit(wish: Wish, day: date, office: Office) -> bool:
    """False if no time of that day can suit the wish."""
    return bool(wish.weekdays >> day.weekday() & 1) and (
        dispatch.local_day(wish.first, office) <= day <= dispatch.local_day(wish.last, office)
    )


def _grains(minutes: int) -> int:
    return -(-minutes * 60 // dispatch.GRAIN)


class _Table:
    """The starts of some days that can be offered, each worked out once for a length and services.

    They are what the public could book now, and whatever touches `freed`.
    """

    def __init__(
        self,
        connection: Connection,
        office: Office,
        known: reading.OfficeCollections,
        days: Sequence[date],
        now: int,
        freed: Iterable[tuple[int, int]] = (),
    ) -> None:
        self._freed = list(freed)
        self._connection = connection
        self._office = office
        self._known = known
        self._now = now
        self._boards = {
            board.day: board for board in dispatch.boards(connection, office, known, list(days), now)
        }
        self._days: dict[tuple[date, bool], admission.Day] = {}
        self._starts: dict[tuple[date, frozenset[str], int], list[int]] = {}

    def board(self, day: date) -> dispatch.Board:
        """Return one of the days."""
        return self._boards[day]

    def outdate(self, day: date) -> None:
        """Read a day again: something was placed there."""
        self._boards[day] = dispatch.board(self._connection, self._office, self._known, day, self._now)
        self._days = {key: solved for key, solved in self._days.items() if key[0] != day}
        self._starts = {key: found for key, found in self._starts.items() if key[0] != day}

    def start_for(self, wish: Wish) -> int | None:
        """Return the earliest free start that suits a wish and leaves time to answer."""
        office = self._office
        for day in sorted(self._boards):
            if not _may_suit(wish, day, office):
                continue
            for start in self._free(day, wish.services, wish.minutes):
                latest = _latest(office, wish, start)
                if wish.suits(start, office.zone) and offer_until(
                    self._now, latest, office.waiting, office.zone
                ):
                    return start
        return None

    def _free(self, day: date, services: frozenset[str], minutes: int) -> list[int]:
        key = (day, services, minutes)
        if key not in self._starts:
            self._starts[key] = self._offered(day, services, minutes)
        return self._starts[key]

    def _offered(self, day: date, services: frozenset[str], minutes: int) -> list[int]:
        rule, board, zone = self._office.release, self._boards[day], self._office.zone
        if rule is None:
            return self._search(board, services, minutes, public=False)
        kept = returns.live(
            self._connection, self._office.id, board.windows.start, board.windows.end, self._now
        )
        public = board.with_returning(kept)
        found = room(public.office_day, dispatch.open_bits(public.windows))
        now = datetime.fromtimestamp(self._now, zone)
        grains = _grains(minutes)
        released = {
            start
            for start in self._search(public, services, minutes, public=True)
            if rule.allows(services, datetime.fromtimestamp(start, zone), grains, found, now, zone)
        }
        if self._freed:
            released.update(
                start
                for start in self._search(board, services, minutes, public=False)
                if any(start < end and begin < start + minutes * 60 for begin, end in self._freed)
            )
        return sorted(released)

    def _search(
        self, board: dispatch.Board, services: frozenset[str], minutes: int, *, public: bool
    ) -> list[int]:
        window = dispatch.window_bits(board.windows, services)
        if not window:
            return []
        key = (board.day, public)
        if key not in self._days:
            self._days[key] = admission.Day(board.office_day)
        solved = self._days[key]
        # On the day the clocks change, the grid by the office's clock isn't the grid from midnight.
        regular = board.windows.end - board.windows.start == 86_400
        step = self._office.step_minutes // 5 if regular else 1
        bits = solved.starts(_grains(minutes), services, window, step=step)
        found = []
        while bits:
            lowest = bits & -bits
            bits ^= lowest
            start = board.base + (lowest.bit_length() - 1) * dispatch.GRAIN
            if regular or self._on_grid(start):
                found.append(start)
        return found

    def _on_grid(self, start: int) -> bool:
        local = datetime.fromtimestamp(start, self._office.zone)
        return (local.hour * 60 + local.minute) % self._office.step_minutes == 0

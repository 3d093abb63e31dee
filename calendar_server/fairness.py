"""A fair share for everybody: how much one address, one network, and everybody unconfirmed may book.

Checked in the booking's own transaction, for what the public site books on behalf of the public (`Caller`); partners and staff aren't
limited. What is remembered are keyed digests (table `claims`), so that neither an address nor a network can be read from the database; the
key lies in the table `meta`, and every row has its end. An appointment counts as long as it stands: one that is cancelled, or a hold
that has run out, frees its share at once.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from typing import TYPE_CHECKING

from sqlalchemy import and_, delete, func, insert, or_, select

from calendar_server import dispatch, opening, refusals
from calendar_server.caller import Caller
from calendar_server.refusals import RefusedError
from calendar_server.storage import reading
from calendar_server.storage.rows import Kind
from calendar_server.storage.schema import claims, instances, objects, wishes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import ColumnElement, Connection

    from calendar_server.bookings import Booking
    from calendar_server.dispatch import Board
    from calendar_server.limits import Limits
    from calendar_server.offices import Office
    from calendar_server.storage.rows import ObjectRow
    from calendar_server.storage.writing import Writer

SECRET = "claims_secret"  # noqa: S105 - the name of a row of `meta`
CALLER_HEADER = "HTTP_X_TERMIN_CALLER"
PROOF_HEADER = "HTTP_X_TERMIN_PROOF"
_HOUR = 3_600
_DAY = 86_400
_ADDRESS, _NETWORK, _PROOF, _RESEND, _HOLD = "address", "network", "proof", "resend", "hold"
_LONGEST_HELD = 2 * _HOUR
_EXTENSIONS = 11
"""Who needs more time can have it ten times (WCAG 2.2, 2.2.1); a time that is kept for ever could be sold."""
_DOTLESS = frozenset({"gmail.com", "googlemail.com"})
"""Providers at which dots in the local part make no difference."""
_LOCKS = 4783304
"""An arbitrary first key of PostgreSQL's advisory locks with two keys."""


def caller_of(environ: Mapping[str, object]) -> Caller | None:
    """Read the headers with which the site tells for whom it books; None without them: the site itself, or a partner of it."""
    said = str(environ.get(CALLER_HEADER, "")).strip()
    if not said:
        return None
    proof, _, until = str(environ.get(PROOF_HEADER, "")).strip().partition(":")
    known = until.isascii() and until.isdecimal() and len(until) <= 12
    return Caller(_prefix(said), proof[:128] if known else "", int(until) if known else 0)


def _prefix(text: str) -> str:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return ""
    return str(network)


def mailbox_of(email: str) -> str:
    """Return what stands for all spellings of one mailbox: case, tags behind a "+", and at some providers dots make no difference."""
    local, _, domain = email.strip().casefold().rpartition("@")
    local = local.partition("+")[0] or local
    return f"{local.replace('.', '') if domain in _DOTLESS else local}@{domain}"


class Fairness:
    """The limits in one writer's transaction, for one caller."""

    def __init__(self, limits: Limits, writer: Writer, office: Office, caller: Caller) -> None:
        self._limits = limits
        self._writer = writer
        self._connection: Connection = writer.connection
        self._office = office
        self._caller = caller
        self._secret = b""

    def _key(self, kind: str, text: str) -> str:
        """Return the keyed digest, and let nobody else decide on it until this transaction ends."""
        if not self._secret:
            # Read where it's needed only: without limits a booking costs nothing more.
            known = reading.meta_value(self._connection, SECRET)
            assert known, "`calendar_server.setup` makes it at every start"
            self._secret = known.encode()
        digest = hmac.new(self._secret, f"{kind}\n{text}".encode(), hashlib.sha256).hexdigest()
        if self._connection.dialect.name == "postgresql":
            # Bookings in other offices run at the same time. The order is always office, proof, address, network: no deadlock.
            number = int.from_bytes(bytes.fromhex(digest[:8]), "big", signed=True)
            self._connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCKS}, {number})")
        return digest

    def admit(self, booking: Booking, stored: ObjectRow | None) -> None:
        """Check proof, address and network of a booking, and note them. Refuses with "proof-used", "address-limit" or "network-limit".

        `stored` is what is there now: confirming a hold doesn't count as another booking of its network.
        """
        self._use_proof(booking)
        self._limit_hold(booking, stored)
        if stored is None or stored.kind is Kind.HOLD or booking.rescheduled:
            self._count_address(booking, is_new=stored is None or stored.kind is Kind.HOLD)
        if stored is None or booking.rescheduled:
            self._count_network(booking)

    def accompany(self, booking: Booking, stored: ObjectRow | None) -> None:
        """Note a further appointment of a group that was admitted: it takes its network's share; address and proof count once for all of it."""
        if stored is None or booking.rescheduled:
            self._count_network(booking)

    def _mine(self, booking: Booking) -> ColumnElement[bool]:
        return and_(claims.c.office == self._office.id, claims.c.uid == booking.content.uid)

    def _note(self, kind: str, key: str, booking: Booking, until: int, *, at: int) -> None:
        self._connection.execute(
            delete(claims).where(
                self._mine(booking), claims.c.kind == kind, claims.c.key == key, claims.c.at == at
            )
        )
        self._connection.execute(
            insert(claims).values(
                kind=kind,
                key=key,
                office=self._office.id,
                uid=booking.content.uid,
                at=at,
                until=until,
            )
        )

    def _use_proof(self, booking: Booking) -> None:
        if not self._caller.proof:
            return
        key = self._key(_PROOF, self._caller.proof)
        used = select(claims.c.uid).where(claims.c.kind == _PROOF, claims.c.key == key, ~self._mine(booking))
        if self._connection.execute(used).first() is not None:
            raise RefusedError(refusals.PROOF_USED)
        self._note(_PROOF, key, booking, self._caller.proof_until, at=0)

    def _limit_hold(self, booking: Booking, stored: ObjectRow | None) -> None:
        """Note since when a time is kept, and end that some day. Refuses with "hold-limit"."""
        now, until = self._writer.now, booking.content.hold_until
        if booking.content.kind is not Kind.HOLD or until is None or booking.appointment.awaits:
            return
        longest = max(_LONGEST_HELD, _EXTENSIONS * (until - now))
        if stored is None or booking.rescheduled:
            self._connection.execute(delete(claims).where(self._mine(booking), claims.c.kind == _HOLD))
            self._note(_HOLD, "", booking, now + longest + _HOUR, at=now)
            return
        since = select(func.min(claims.c.at)).where(self._mine(booking), claims.c.kind == _HOLD)
        first = self._connection.execute(since).scalar()
        if first is not None and until - first > longest:
            raise RefusedError(refusals.HOLD_LIMIT)

    def _count_address(self, booking: Booking, *, is_new: bool) -> None:
        email = booking.appointment.email
        if not self._limits.per_address or not email or booking.appointment.cancelled:
            return
        key = self._key(_ADDRESS, mailbox_of(email))
        ends = (
            select(claims.c.office, claims.c.uid, func.max(instances.c.end).label("end"))
            .select_from(_standing())
            .where(
                claims.c.kind == _ADDRESS,
                claims.c.key == key,
                ~self._mine(booking),
                *_live(self._writer.now),
                instances.c.end > self._writer.now,
            )
            .group_by(claims.c.office, claims.c.uid)
        )
        open_ones = self._connection.execute(ends).all()
        if is_new and len(open_ones) >= self._limits.per_address:
            wait = min(row.end for row in open_ones) - self._writer.now
            raise RefusedError(refusals.ADDRESS_LIMIT, retry_after=max(1, min(wait, _DAY)))
        self._connection.execute(delete(claims).where(self._mine(booking), claims.c.kind == _ADDRESS))
        self._note(_ADDRESS, key, booking, self._until(booking), at=0)

    def _until(self, booking: Booking) -> int:
        return max(booking.content.last or 0, self._writer.now + _HOUR)

    def _count_network(self, booking: Booking) -> None:
        limits, now = self._limits, self._writer.now
        if not self._caller.network or not (limits.per_network_hour or limits.network_percent):
            return
        key = self._key(_NETWORK, self._caller.network)
        recent = select(claims.c.at).where(
            claims.c.kind == _NETWORK, claims.c.key == key, claims.c.at > now - _HOUR, claims.c.at <= now
        )
        times = self._connection.execute(recent.order_by(claims.c.at)).scalars().all()
        if limits.per_network_hour and len(times) >= limits.per_network_hour:
            wait = times[len(times) - limits.per_network_hour] + _HOUR - now
            raise RefusedError(refusals.NETWORK_LIMIT, retry_after=max(1, wait))
        self._note(_NETWORK, key, booking, self._until(booking), at=now)

    def leave_room(self, booking: Booking, board: Board) -> None:
        """Check that neither the network nor all holds together take too much of the day. Refuses with "share-limit"."""
        length = (booking.content.last or 0) - (booking.content.first or 0)
        room = 0
        if self._limits.network_percent or self._limits.unconfirmed_percent:
            room = room_of(board)
        if self._limits.network_percent and self._caller.network:
            key = self._key(_NETWORK, self._caller.network)
            used = self._seconds_of_network(key, booking, board)
            if used and (used + length) * 100 > room * self._limits.network_percent:
                raise RefusedError(refusals.SHARE_LIMIT, retry_after=_HOUR)
        if self._limits.unconfirmed_percent and booking.content.kind is Kind.HOLD:
            used = self._seconds_of_holds(booking, board)
            if used and (used + length) * 100 > room * self._limits.unconfirmed_percent:
                raise RefusedError(refusals.SHARE_LIMIT, retry_after=_HOUR // 12)

    def crowds(self, booking: Booking, board: Board) -> bool:
        """Tell whether what would be offered to somebody who waits is more of the day than her network may hold."""
        if not self._limits.network_percent:
            return False
        length = (booking.content.last or 0) - (booking.content.first or 0)
        keys = select(claims.c.key).where(self._mine(booking), claims.c.kind == _NETWORK).distinct()
        used = [
            self._seconds_of_network(key, booking, board)
            for key in self._connection.execute(keys).scalars().all()
        ]
        most = room_of(board) * self._limits.network_percent if any(used) else 0
        return any(each and (each + length) * 100 > most for each in used)

    def _on(self, board: Board) -> ColumnElement[bool]:
        first, last = opening.day_bounds(board.day, self._office.zone)
        return and_(instances.c.start < last, instances.c.end > first)

    def _seconds_of_network(self, key: str, booking: Booking, board: Board) -> int:
        mine = (
            select(claims.c.uid, instances.c.start, instances.c.end)
            .distinct()
            .select_from(_standing())
            .where(
                claims.c.kind == _NETWORK,
                claims.c.key == key,
                claims.c.office == self._office.id,
                claims.c.uid != booking.content.uid,
                *_live(self._writer.now),
                self._on(board),
            )
        ).subquery()
        total = select(func.coalesce(func.sum(mine.c.end - mine.c.start), 0))
        return int(self._connection.execute(total).scalar_one())

    def _seconds_of_holds(self, booking: Booking, board: Board) -> int:
        held = (
            select(func.coalesce(func.sum(instances.c.end - instances.c.start), 0))
            .select_from(objects.join(instances, instances.c.object_id == objects.c.id))
            .where(
                objects.c.office == self._office.id,
                objects.c.hold_until > self._writer.now,
                objects.c.uid != booking.content.uid,
                # What is offered to people on the waiting list isn't unconfirmed by anybody's doing.
                objects.c.uid.not_in(select(wishes.c.uid).where(wishes.c.office == self._office.id)),
                self._on(board),
            )
        )
        return int(self._connection.execute(held).scalar_one())


def _standing() -> ColumnElement[bool]:
    """Claims with the bookings that they are about, and when those take place."""
    joined = claims.join(objects, and_(objects.c.office == claims.c.office, objects.c.uid == claims.c.uid))
    return joined.join(instances, instances.c.object_id == objects.c.id)  # type: ignore[return-value]


def _live(now: int) -> tuple[ColumnElement[bool], ...]:
    """Neither cancelled nor a hold that has run out."""
    return (
        instances.c.transparency != 0,
        objects.c.view_href.is_not(None),
        or_(objects.c.hold_until.is_(None), objects.c.hold_until > now),
    )


def room_of(board: Board) -> int:
    """Return how many seconds the clerks together have for appointments on a day: inside windows, without what is their own."""
    day, grains = board.office_day, board.office_day.grains
    windows = 0
    for window in board.windows.windows:
        windows |= dispatch.inner_bits(window.start, window.end, board.windows.start, grains)
    return sum((clerk.free & windows).bit_count() for clerk in day.clerks) * dispatch.GRAIN


def allow_resend(limits: Limits, writer: Writer, office: Office, uid: str) -> None:
    """Note that a citizen wants the mail once more. Refuses with "resend-limit"."""
    now = writer.now
    mine = and_(claims.c.kind == _RESEND, claims.c.office == office.id, claims.c.uid == uid)
    recent = select(claims.c.at).where(mine, claims.c.at > now - _HOUR).order_by(claims.c.at)
    times = writer.connection.execute(recent).scalars().all()
    if len(times) >= limits.resends_per_hour or now in times:
        wait = times[0] + _HOUR - now if len(times) >= limits.resends_per_hour else 1
        raise RefusedError(refusals.RESEND_LIMIT, retry_after=max(1, wait))
    writer.connection.execute(
        insert(claims).values(kind=_RESEND, key="", office=office.id, uid=uid, at=now, until=now + _HOUR)
    )


def forget(connection: Connection, now: int) -> int:
    """Delete what no longer counts: rows at their end, and addresses of bookings that are gone. Returns how many."""
    gone = (
        ~select(objects.c.id)
        .where(objects.c.office == claims.c.office, objects.c.uid == claims.c.uid)
        .exists()
    )
    done = delete(claims).where(or_(claims.c.until <= now, and_(claims.c.kind == _ADDRESS, gone)))
    return connection.execute(done).rowcount

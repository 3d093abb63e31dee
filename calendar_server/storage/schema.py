"""The tables of the calendar server, the same on SQLite and PostgreSQL.

Times are UTC epoch seconds, periods half-open. Every office has one sequence (`offices.seq`) that counts its writes: an object, a
tombstone, a busy day and a row of the change log carry the number of the write that made them. The row of the office is
locked while a write runs, so numbers become visible in their order and a reader of "everything after N" misses nothing;
a sequence per row, as databases offer it, does not promise that.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite makes only an INTEGER primary key an alias of its rowid, which every index then carries for free.
RowId = BigInteger().with_variant(Integer, "sqlite")

meta = Table(
    "meta",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)
"""`incarnation`: part of every sync token, new after a restore. `directory`: digest of the configuration that the busy feed was made from.
"refused …": an office's drawings that were refused lately (`calendar_server.why`)."""

offices = Table(
    "offices",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("seq", BigInteger, nullable=False, server_default=text("0")),
)
"""One row for each office, and one with an empty id for calendars of nobody's office."""

collections = Table(
    "collections",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("path", String(512), nullable=False, unique=True),
    Column("parent", String(512), nullable=False),
    Column("role", String(16), nullable=False),
    Column("tag", String(16), nullable=False),
    Column("office", String(64), nullable=False),
    Column("owner", String(64), nullable=False),
    Column("props", Text, nullable=False),
    Column("seq", BigInteger, nullable=False, server_default=text("0")),
    Column("floor", BigInteger, nullable=False, server_default=text("0")),
    Column("modified", BigInteger, nullable=False),
    Index(None, "parent"),
)
"""`path` without slashes at its ends. `role` is a `calendar_server.storage.rows.Role`. `floor`: tombstones up to there are gone."""

objects = Table(
    "objects",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("collection_id", BigInteger, ForeignKey("collections.id", ondelete="CASCADE"), nullable=False),
    Column("href", String(255), nullable=False),
    Column("uid", String(512), nullable=False),
    Column("component", String(16), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("etag", String(64), nullable=False),
    Column("text", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("office", String(64), nullable=False),
    Column("view_href", String(255)),
    Column("services", Text, nullable=False),
    Column("pinned", Boolean, nullable=False),
    Column("hold_until", BigInteger),
    Column("sequence", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("first", BigInteger),
    Column("last", BigInteger),
    Column("recurring", Boolean, nullable=False),
    Column("expanded_from", BigInteger),
    Column("expanded_until", BigInteger),
    Column("modified", BigInteger, nullable=False),
    UniqueConstraint("collection_id", "href"),
    UniqueConstraint("collection_id", "uid"),
    Index(None, "collection_id", "seq"),
    Index("ix_objects_view", "office", "view_href", unique=True),
    Index("ix_objects_office_uid", "office", "uid"),
    Index("ix_objects_hold_until", "hold_until"),
    Index("ix_objects_recurring", "collection_id", "recurring"),
)
"""One calendar object each. `view_href` is its name in the office's view, for appointments and holds only (NULLs don't collide).
`digest` is of the content it was first booked with, so that a repeated booking is known even after a move.
`instances` holds what begins in [expanded_from, expanded_until) of a recurring object; NULL: all there is on that side."""

instances = Table(
    "instances",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("object_id", BigInteger, ForeignKey("objects.id", ondelete="CASCADE"), nullable=False),
    Column("collection_id", BigInteger, nullable=False),
    Column("long", SmallInteger, nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("end", BigInteger, nullable=False),
    Column("transparency", SmallInteger, nullable=False),
    Index(None, "object_id"),
    Index("ix_instances_range", "collection_id", "long", "start", "end"),
)
"""When each object takes place. `long` is 1 for more than a day: a range query scans the few long ones whole, and of the others only those
that start within a day before the range (`calendar_server.storage.reading`)."""

tombstones = Table(
    "tombstones",
    metadata,
    Column("collection_id", BigInteger, ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True),
    Column("href", String(255), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("sequence", Integer, nullable=False, server_default=text("0")),
    Index(None, "collection_id", "seq"),
)
"""Names that are gone, for sync-collection; in an office's view also the last SEQUENCE, so that an appointment that returns goes on from there."""

busy_days = Table(
    "busy_days",
    metadata,
    Column("office", String(64), primary_key=True),
    Column("key", String(64), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Index(None, "office", "seq"),
)
"""When a clerk's day (or, under the key "opening", the day's windows) last changed in the busy feed; no row: never since it began."""

changes = Table(
    "changes",
    metadata,
    Column("office", String(64), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("part", Integer, primary_key=True),
    Column("uid", String(512), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("action", String(16), nullable=False),
    Column("owner", String(64), nullable=False),
    Column("actor", String(80), nullable=False),
    Column("at", BigInteger, nullable=False),
)
"""The change log. One write may change several objects: `part` counts them from 0."""

archive = Table(
    "archive",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("office", String(64), nullable=False),
    Column("owner", String(64), nullable=False),
    Column("uid", String(512), nullable=False),
    Column("text", Text, nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("end", BigInteger, nullable=False),
    Column("archived", BigInteger, nullable=False),
    Column("services", Text, nullable=False, server_default=text("''")),
    Column("erased", Boolean, nullable=False, server_default=text("false")),
    Column("cancelled", Boolean, nullable=False, server_default=text("false")),
    Index(None, "end"),
    Index(None, "office", "start"),
)
"""Appointments that are long over, out of everybody's calendar. Once `erased`, `uid` and `text` are empty: what is left is nobody's
personal data but the clerk's, and serves statistics."""

plans = Table(
    "plans",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("office", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("body", Text, nullable=False),
    Column("undo", Text, nullable=False, server_default=text("''")),
    Column("created", BigInteger, nullable=False),
    Column("created_by", String(80), nullable=False),
    Column("decided", BigInteger),
    Column("decided_by", String(80), nullable=False, server_default=text("''")),
    Column("auto_at", BigInteger),
    Index(None, "office", "state"),
)
"""Plans of repair and balance (`calendar_server.plans`). `auto_at`: applied by itself then, unless somebody decides before."""

wishes = Table(
    "wishes",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("office", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("address", String(254), nullable=False),
    Column("services", Text, nullable=False),
    Column("minutes", Integer, nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("weekdays", Integer, nullable=False),
    Column("from_minute", Integer, nullable=False),
    Column("until_minute", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("refused", Text, nullable=False),
    Column("unanswered", Integer, nullable=False),
    Column("uid", String(512), nullable=False),
    Column("replaces", String(512), nullable=False, server_default=text("''")),
    Column("offered_start", BigInteger),
    Column("offered_until", BigInteger),
    Column("ended", BigInteger),
    Index(None, "office", "state", "created"),
    Index(None, "address"),
)
"""The waiting list (`calendar_server.waiting`): one wish each. `text` is the appointment that she wants, at no particular time, and `uid` its uid;
`address` the casefolded mail address; [`first`, `last`] the instants in which a start may lie, `weekdays` a bit set (Monday is 1), and
[`from_minute`, `until_minute`) the minutes of the office's day. `refused` are starts that she didn't take, as JSON. `replaces` is the uid of the
appointment that she has and would move to what is offered, "" without one."""

returns = Table(
    "returns",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("office", String(64), nullable=False),
    Column("clerk", String(64), nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("end", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    Index(None, "office", "until"),
)
"""Times [start, end) of a clerk that a citizen gave back and that the public isn't offered before `until` (`calendar_server.returns`)."""

claims = Table(
    "claims",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("key", String(64), primary_key=True),
    Column("office", String(64), primary_key=True),
    Column("uid", String(512), primary_key=True),
    Column("at", BigInteger, primary_key=True),
    Column("until", BigInteger, nullable=False),
    Index(None, "until"),
    Index(None, "office", "uid"),
)
"""Who booked how much (`calendar_server.fairness`): `key` is a keyed digest of an e-mail address, a network or a proof, never the thing itself."""

accounts = Table(
    "accounts",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("role", String(16), nullable=False),
    Column("office", String(64), nullable=False, server_default=text("''")),
    Column("display_name", String(200), nullable=False, server_default=text("''")),
    Column("email", String(254), nullable=False, server_default=text("''")),
    Column("password_hash", String(255), nullable=False, server_default=text("''")),
    Column("created", BigInteger, nullable=False),
)

app_passwords = Table(
    "app_passwords",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("account", String(64), ForeignKey("accounts.name", ondelete="CASCADE"), nullable=False),
    Column("label", String(100), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
    Column("created", BigInteger, nullable=False),
    Column("last_used", BigInteger),
    Index(None, "account"),
)
"""Random, so a plain SHA-256 is enough to keep and quick to verify."""

feeds = Table(
    "feeds",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("account", String(64), ForeignKey("accounts.name", ondelete="CASCADE"), nullable=False),
    Column("label", String(100), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
    Column("created", BigInteger, nullable=False),
    Column("last_used", BigInteger),
    Index(None, "account"),
)
"""Addresses at which an account's calendar can be read without a login (`calendar_server.feeds`); likewise only their hash is kept."""

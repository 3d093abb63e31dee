"""The worker's tables, the same on SQLite (a file of its own) and PostgreSQL (beside the calendar's). Times are UTC epoch seconds."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"}
)

# SQLite makes only an INTEGER primary key an alias of its rowid.
RowId = BigInteger().with_variant(Integer, "sqlite")

cursors = Table(
    "notify_cursors",
    metadata,
    Column("office", String(64), primary_key=True),
    Column("seq", BigInteger, nullable=False),
)
"""How far the change log of each office has been followed."""

told = Table(
    "notify_told",
    metadata,
    Column("office", String(64), primary_key=True),
    Column("uid", String(512), primary_key=True),
    Column("snapshot", Text, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("cancelled", Boolean, nullable=False),
    Column("thread", Text, nullable=False),
    Column("told_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Column("reminder_due", BigInteger),
    Index(None, "reminder_due"),
    Index(None, "ends_at"),
)
"""What each citizen was last told by a mail that left. `thread`: Message-IDs of the mails so far, oldest first, by spaces."""

outbox = Table(
    "notify_outbox",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("office", String(64), nullable=False),
    Column("uid", String(512), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("snapshot", Text, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("cancelled", Boolean, nullable=False),
    Column("mail", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("uncertain", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("next_attempt_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Column("error", Text, nullable=False),
    Index(None, "state", "next_attempt_at"),
    Index(None, "office", "uid"),
)
"""Mails that haven't left for sure. `state` is a `booking_web.notifications.store.State`; `uncertain`: an attempt may have been
successful all the same. Mails of an appointment leave in the order of `id`."""

sent = Table(
    "notify_sent",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("office", String(64), nullable=False),
    Column("uid", String(512), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("message_id", String(255), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("sent_at", BigInteger, nullable=False),
    Index(None, "office", "uid"),
    Index(None, "sent_at"),
    Index(None, "message_id"),
)
"""What left and when; no names, addresses or texts."""

declines = Table(
    "notify_declines",
    metadata,
    Column("office", String(64), primary_key=True),
    Column("uid", String(512), primary_key=True),
    Column("sequence", Integer, nullable=False),
    Column("declined_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),
)
"""Appointments that their citizens declined in their own calendars; cancelled at `due_at` unless they accept after `declined_at`."""

awaiting = Table(
    "notify_awaiting",
    metadata,
    Column("office", String(64), primary_key=True),
    Column("uid", String(512), primary_key=True),
    Column("snapshot", Text, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
)
"""Holds whose citizens were asked to confirm them: who is to be told when they run out. Gone as soon as that is decided."""

mailboxes = Table(
    "notify_mailboxes",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("validity", BigInteger, nullable=False),
    Column("uid", BigInteger, nullable=False),
)
"""How far each mailbox has been read (IMAP's UIDVALIDITY and UID)."""

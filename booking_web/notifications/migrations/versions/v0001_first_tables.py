"""first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "n0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the step."""
    op.create_table(
        "notify_cursors",
        sa.Column("office", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("office", name=op.f("pk_notify_cursors")),
    )
    op.create_table(
        "notify_outbox",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("office", sa.String(length=64), nullable=False),
        sa.Column("uid", sa.String(length=512), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("snapshot", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("cancelled", sa.Boolean(), nullable=False),
        sa.Column("mail", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("uncertain", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("next_attempt_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notify_outbox")),
    )
    op.create_index(op.f("ix_notify_outbox_office_uid"), "notify_outbox", ["office", "uid"], unique=False)
    op.create_index(
        op.f("ix_notify_outbox_state_next_attempt_at"),
        "notify_outbox",
        ["state", "next_attempt_at"],
        unique=False,
    )
    op.create_table(
        "notify_sent",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("office", sa.String(length=64), nullable=False),
        sa.Column("uid", sa.String(length=512), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.String(length=255), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notify_sent")),
    )
    op.create_index(op.f("ix_notify_sent_office_uid"), "notify_sent", ["office", "uid"], unique=False)
    op.create_index(op.f("ix_notify_sent_sent_at"), "notify_sent", ["sent_at"], unique=False)
    op.create_table(
        "notify_told",
        sa.Column("office", sa.String(length=64), nullable=False),
        sa.Column("uid", sa.String(length=512), nullable=False),
        sa.Column("snapshot", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("cancelled", sa.Boolean(), nullable=False),
        sa.Column("thread", sa.Text(), nullable=False),
        sa.Column("told_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("reminder_due", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("office", "uid", name=op.f("pk_notify_told")),
    )
    op.create_index(op.f("ix_notify_told_ends_at"), "notify_told", ["ends_at"], unique=False)
    op.create_index(op.f("ix_notify_told_reminder_due"), "notify_told", ["reminder_due"], unique=False)


def downgrade() -> None:
    """Take the step back."""
    op.drop_index(op.f("ix_notify_told_reminder_due"), table_name="notify_told")
    op.drop_index(op.f("ix_notify_told_ends_at"), table_name="notify_told")
    op.drop_table("notify_told")
    op.drop_index(op.f("ix_notify_sent_sent_at"), table_name="notify_sent")
    op.drop_index(op.f("ix_notify_sent_office_uid"), table_name="notify_sent")
    op.drop_table("notify_sent")
    op.drop_index(op.f("ix_notify_outbox_state_next_attempt_at"), table_name="notify_outbox")
    op.drop_index(op.f("ix_notify_outbox_office_uid"), table_name="notify_outbox")
    op.drop_table("notify_outbox")
    op.drop_table("notify_cursors")

"""replies."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "n0002"
down_revision = "n0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the step."""
    op.create_table(
        "notify_declines",
        sa.Column("office", sa.String(length=64), nullable=False),
        sa.Column("uid", sa.String(length=512), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("declined_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("office", "uid", name=op.f("pk_notify_declines")),
    )
    op.create_table(
        "notify_mailboxes",
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("validity", sa.BigInteger(), nullable=False),
        sa.Column("uid", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_notify_mailboxes")),
    )
    op.create_index(op.f("ix_notify_sent_message_id"), "notify_sent", ["message_id"], unique=False)


def downgrade() -> None:
    """Take the step back."""
    op.drop_index(op.f("ix_notify_sent_message_id"), table_name="notify_sent")
    op.drop_table("notify_mailboxes")
    op.drop_table("notify_declines")

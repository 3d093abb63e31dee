"""appointments whose citizens were asked to confirm them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "n0003"
down_revision = "n0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the step."""
    op.create_table(
        "notify_awaiting",
        sa.Column("office", sa.String(length=64), nullable=False),
        sa.Column("uid", sa.String(length=512), nullable=False),
        sa.Column("snapshot", sa.Text(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("office", "uid", name=op.f("pk_notify_awaiting")),
    )


def downgrade() -> None:
    """Take the step back."""
    op.drop_table("notify_awaiting")

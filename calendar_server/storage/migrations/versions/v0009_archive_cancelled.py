"""archive: whether an appointment was cancelled, which nobody could tell any more once its text is erased."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the step."""
    with op.batch_alter_table("archive", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("cancelled", sa.Boolean(), server_default=sa.text("false"), nullable=False)
        )
    op.execute("UPDATE archive SET cancelled = true WHERE text LIKE '%STATUS:CANCELLED%'")


def downgrade() -> None:
    """Take the step back."""
    with op.batch_alter_table("archive", schema=None) as batch_op:
        batch_op.drop_column("cancelled")

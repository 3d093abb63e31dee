"""wishes: the appointment that moves to the offered time once it is taken."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the step."""
    with op.batch_alter_table("wishes", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("replaces", sa.String(length=512), server_default=sa.text("''"), nullable=False)
        )


def downgrade() -> None:
    """Take the step back."""
    with op.batch_alter_table("wishes", schema=None) as batch_op:
        batch_op.drop_column("replaces")

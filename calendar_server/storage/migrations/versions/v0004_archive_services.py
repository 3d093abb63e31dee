"""services of archived appointments, beside a text that retention empties."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the step."""
    with op.batch_alter_table("archive", schema=None) as batch_op:
        batch_op.add_column(sa.Column("services", sa.Text(), server_default=sa.text("''"), nullable=False))
        batch_op.add_column(
            sa.Column("erased", sa.Boolean(), server_default=sa.text("false"), nullable=False)
        )


def downgrade() -> None:
    """Take the step back."""
    with op.batch_alter_table("archive", schema=None) as batch_op:
        batch_op.drop_column("erased")
        batch_op.drop_column("services")

"""Alembic's entry: runs the steps on the connection that `booking_web.notifications.store` hands over."""

from __future__ import annotations

from alembic import context

from booking_web.notifications.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table="alembic_version_notifications",
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()

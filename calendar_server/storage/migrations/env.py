"""Alembic's entry: runs the steps on the connection that `calendar_server.storage.migrate` hands over."""

from __future__ import annotations

from alembic import context

from calendar_server.storage.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table="alembic_version_calendar",
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()

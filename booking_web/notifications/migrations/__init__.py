"""Steps that bring the worker's tables to their newest form (alembic)."""

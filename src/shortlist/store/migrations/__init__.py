"""The store's history: each change of its tables, applied in order when a store is opened (Alembic)."""

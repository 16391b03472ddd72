"""Bring the tables of a store up to date. A store of an earlier version is changed in place; its rows stay."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine, text

from shortlist.errors import StoreError

FOLDER = Path(__file__).parent / "migrations"
LOCK = 7_301_956
"""Number of the advisory lock that PostgreSQL's servers take in turn when they migrate."""


def migrate(engine: Engine) -> None:
    """Apply the migrations that are missing. Servers that start at the same time take turns.

    Raises
    ------
    StoreError
        The store was written by a newer version.
    """
    # Alembic takes a while to import, and only an opened store needs it
    from alembic import command
    from alembic.config import Config
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    scripts = ScriptDirectory.from_config(config)
    with engine.connect() as connection:
        if MigrationContext.configure(connection).get_current_revision() == scripts.get_current_head():
            return
    with engine.connect() as opened:
        connection = opened.execution_options(writes=True)
        with connection.begin():
            if engine.dialect.name == "postgresql":
                connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
            now = MigrationContext.configure(connection).get_current_revision()
            if now is not None and now not in {s.revision for s in scripts.walk_revisions()}:
                raise StoreError(
                    f"the event store was written by a newer Shortlist (its tables are at {now}); update Shortlist",
                    field="store",
                )
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

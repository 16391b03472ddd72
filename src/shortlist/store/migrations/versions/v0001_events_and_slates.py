"""Events and slates. Stores from before migrations were numbered keep their tables; missing ones are made."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ROW = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Apply the change."""
    there = sa.inspect(op.get_bind())
    if not there.has_table("events"):
        op.create_table(
            "events",
            sa.Column("row", ROW, primary_key=True, autoincrement=True),
            sa.Column("event_id", sa.String, unique=True, nullable=False),
            sa.Column("user", sa.Text, nullable=False),
            sa.Column("item", sa.Text, nullable=False),
            sa.Column("kind", sa.String, nullable=False),
            sa.Column("time", sa.BigInteger, nullable=False),
            sa.Column("value", sa.Float),
            sa.Column("context", sa.Text),
            sa.Column("slate", sa.String),
            sqlite_autoincrement=True,
        )
    elif "slate" not in {column["name"] for column in there.get_columns("events")}:
        op.add_column("events", sa.Column("slate", sa.String))
    if not there.has_table("slates"):
        op.create_table(
            "slates",
            sa.Column("row", ROW, primary_key=True, autoincrement=True),
            sa.Column("slate_id", sa.String, unique=True, nullable=False),
            sa.Column("user", sa.Text, nullable=False),
            sa.Column("time", sa.BigInteger, nullable=False),
            sa.Column("policy", sa.String, nullable=False),
            sa.Column("items", sa.Text, nullable=False),
            sa.Column("propensities", sa.Text, nullable=False),
            sa.Column("arms", sa.Text, nullable=False),
            sa.Column("teams", sa.Text),
            sa.Column("context", sa.Text),
            sqlite_autoincrement=True,
        )


def downgrade() -> None:
    """Undo the change."""
    op.drop_table("slates")
    op.drop_table("events")

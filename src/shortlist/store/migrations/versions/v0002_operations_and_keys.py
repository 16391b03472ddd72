"""Operations of operators, API keys, and indexes that find the rows of a user."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

ROW = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Apply the change."""
    op.create_index("events_user", "events", ["user"])
    op.create_index("slates_user", "slates", ["user"])
    op.create_table(
        "operations",
        sa.Column("row", ROW, primary_key=True, autoincrement=True),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("what", sa.String, nullable=False),
        sa.Column("about", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("by", sa.String, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "keys",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("rate", sa.Float, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("revoked", sa.BigInteger),
    )


def downgrade() -> None:
    """Undo the change."""
    op.drop_table("keys")
    op.drop_table("operations")
    op.drop_index("slates_user", "slates")
    op.drop_index("events_user", "events")

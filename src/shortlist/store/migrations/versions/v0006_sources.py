"""How far the sources of events were read, and the records that were rejected."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

ROW = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        "positions",
        sa.Column("source", sa.String, primary_key=True),
        sa.Column("part", sa.String, primary_key=True),
        sa.Column("next", sa.BigInteger, nullable=False),
        sa.Column("facts", sa.Text, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "rejected",
        sa.Column("row", ROW, primary_key=True, autoincrement=True),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("part", sa.String, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("field", sa.String, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("user", sa.Text),
        sa.Column("time", sa.BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("rejected_user", "rejected", ["user"])


def downgrade() -> None:
    """Undo the change."""
    op.drop_index("rejected_user", "rejected")
    op.drop_table("rejected")
    op.drop_table("positions")

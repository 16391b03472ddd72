"""Changes of settings by operators: proposals, approvals, rejections and undoing, in their order."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

ROW = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        "edits",
        sa.Column("row", ROW, primary_key=True, autoincrement=True),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("action", sa.String, nullable=False),
        sa.Column("about", sa.BigInteger),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("by", sa.String, nullable=False),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    """Undo the change."""
    op.drop_table("edits")

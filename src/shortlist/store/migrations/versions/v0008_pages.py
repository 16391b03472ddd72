"""Where the first item of a slate stands: a page after the first goes on counting."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Apply the change. Slates from before it were first pages."""
    op.add_column("slates", sa.Column("first_position", sa.BigInteger))


def downgrade() -> None:
    """Undo the change."""
    op.drop_column("slates", "first_position")

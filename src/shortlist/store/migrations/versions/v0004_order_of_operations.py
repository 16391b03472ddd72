"""Where an operation stands among the events: the live state is the fold of both, in one order."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Apply the change. Operations from before it come before all events, as they did."""
    op.add_column("operations", sa.Column("after", sa.BigInteger))


def downgrade() -> None:
    """Undo the change."""
    op.drop_column("operations", "after")

"""The placement that a slate was asked for: reports of experiments tell placements apart."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Apply the change. Slates from before it name no placement."""
    op.add_column("slates", sa.Column("placement", sa.String))


def downgrade() -> None:
    """Undo the change."""
    op.drop_column("slates", "placement")

"""The numbers that clients give with the items of a list: training reads them with its slate."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Apply the change. Slates from before it were not ranked from a list."""
    op.add_column("slates", sa.Column("given", sa.Text))


def downgrade() -> None:
    """Undo the change."""
    op.drop_column("slates", "given")

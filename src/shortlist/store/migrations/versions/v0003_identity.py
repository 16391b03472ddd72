"""The identity of a store: a bundle that is trained from a store names the rows that it contains."""

from __future__ import annotations

import uuid

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Apply the change."""
    identity = op.create_table("identity", sa.Column("id", sa.String, primary_key=True))
    op.bulk_insert(identity, [{"id": uuid.uuid4().hex}])


def downgrade() -> None:
    """Undo the change."""
    op.drop_table("identity")

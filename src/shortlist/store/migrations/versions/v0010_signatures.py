"""Keys of signatures: the key of cursors, and the secrets of public keys that take signed user ids."""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Apply the change."""
    op.add_column("identity", sa.Column("signing_key", sa.String))
    identity = sa.table("identity", sa.column("signing_key"))
    op.execute(identity.update().values(signing_key=secrets.token_hex(32)))
    op.add_column("keys", sa.Column("user_secret", sa.String))


def downgrade() -> None:
    """Undo the change."""
    op.drop_column("keys", "user_secret")
    op.drop_column("identity", "signing_key")

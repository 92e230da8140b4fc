"""Rows that are written again with every event are not compressed: that took longer than all else about them."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute("ALTER TABLE states ALTER COLUMN body SET STORAGE EXTERNAL")
    op.execute("ALTER TABLE risks SET (toast_tuple_target = 8160)")


def downgrade() -> None:
    op.execute("ALTER TABLE risks RESET (toast_tuple_target)")
    op.execute("ALTER TABLE states ALTER COLUMN body SET STORAGE EXTENDED")

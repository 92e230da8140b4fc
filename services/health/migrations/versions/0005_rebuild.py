"""Rebuilding states and history from the facts."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)


UP: tuple[str, ...] = ("ALTER TABLE evaluations ADD COLUMN journey TEXT",)
DOWN: tuple[str, ...] = ("ALTER TABLE evaluations DROP COLUMN journey",)

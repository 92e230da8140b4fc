"""Backtests, and the breaker that holds back changes of many clients."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)


UP: tuple[str, ...] = ()
DOWN: tuple[str, ...] = ()

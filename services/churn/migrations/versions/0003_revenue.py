"""What a client pays, beside its risk: for choosing thresholds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    comment = "Monthly recurring revenue when last assessed, minor units of `currency`"
    op.add_column("risks", sa.Column("mrr", sa.BigInteger, comment=comment))
    op.add_column("risks", sa.Column("currency", sa.Text, comment="ISO 4217"))


def downgrade() -> None:
    op.drop_column("risks", "currency")
    op.drop_column("risks", "mrr")

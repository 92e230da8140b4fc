"""What drift and matured predictions showed of the model in service, by day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.alter_column("promotions", "action", comment="`promoted`, `rolled_back` or `fell_back`")
    op.create_table(
        "model_checks",
        sa.Column("model_id", sa.Uuid, sa.ForeignKey("models.model_id"), primary_key=True),
        sa.Column("day", sa.Date, primary_key=True, comment="Business day (UTC)"),
        sa.Column("clients", sa.Integer, nullable=False, comment="Whose columns were looked at"),
        sa.Column("prediction_psi", sa.Double, nullable=False),
        sa.Column("feature_psi", JSONB, nullable=False, comment="By column"),
        sa.Column("noise_psi", sa.Double, nullable=False, comment="What so many clients show without drift"),
        sa.Column("predictions", sa.Integer, nullable=False, comment="Matured, one a client"),
        sa.Column("expected", sa.Double, nullable=False, comment="Leavers that they expected"),
        sa.Column("came", sa.Integer, nullable=False, comment="Leavers that came"),
        sa.Column("low", sa.Integer, nullable=False, comment="99 % band of leavers"),
        sa.Column("high", sa.Integer, nullable=False),
        sa.Column("judged", sa.Boolean, nullable=False, comment="Whether there were enough to say anything"),
        sa.Column("broken", sa.Boolean, nullable=False, comment="Whether the leavers lay outside the band"),
    )


def downgrade() -> None:
    op.drop_table("model_checks")
    op.alter_column("promotions", "action", comment="`promoted` or `rolled_back`")

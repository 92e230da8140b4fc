"""The ledger of what was said."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

PARTITIONS = 8


def upgrade() -> None:
    op.execute("""
    CREATE TABLE said (
      client_id UUID NOT NULL, root_id UUID NOT NULL, event_id UUID NOT NULL, type TEXT NOT NULL,
      time TIMESTAMP WITH TIME ZONE NOT NULL, knowntime TIMESTAMP WITH TIME ZONE NOT NULL, sequence INTEGER NOT NULL,
      origin TEXT NOT NULL, source TEXT NOT NULL, via TEXT, raw_day DATE, raw_id UUID, data TEXT NOT NULL,
      PRIMARY KEY (client_id, root_id)
    ) PARTITION BY HASH (client_id)
    """)
    for part in range(PARTITIONS):
        op.execute(
            f"CREATE TABLE said_p{part} PARTITION OF said FOR VALUES WITH (MODULUS {PARTITIONS}, REMAINDER {part})"
        )


def downgrade() -> None:
    op.execute("DROP TABLE said")

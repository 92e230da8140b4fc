"""Signs, rhythm and disagreement of clients."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)


UP: tuple[str, ...] = (
    """
    CREATE TABLE signs (
      client_id uuid NOT NULL,
      sign text NOT NULL,
      about text NOT NULL,
      noticed_at timestamptz NOT NULL,
      kind text NOT NULL,
      started_at timestamptz NOT NULL,
      ended_at timestamptz,
      text text NOT NULL,
      ended_text text,
      told boolean NOT NULL,
      definition text NOT NULL,
      definition_version integer NOT NULL,
      caused_by uuid[] NOT NULL,
      PRIMARY KEY (client_id, sign, about, noticed_at)
    ) WITH (fillfactor = 70)
    """,
    "COMMENT ON COLUMN signs.about IS 'The meeting, or which side is brighter; empty: only one'",
    "COMMENT ON COLUMN signs.noticed_at IS 'When we saw it; started_at: since when it holds'",
    "COMMENT ON COLUMN signs.text IS 'While it is open, as it reads now'",
    "COMMENT ON COLUMN signs.told IS 'Whether it was published: what an import brought was not'",
    "CREATE UNIQUE INDEX signs_open ON signs (client_id, sign, about) WHERE ended_at IS NULL",
    "CREATE INDEX signs_noticed ON signs (noticed_at, client_id, sign, about)",
    # Null in the rows of an earlier release: their first look is taken in silence.
    "ALTER TABLE clients ADD COLUMN signs_version integer",
    "ALTER TABLE clients ADD COLUMN risk json",
    "ALTER TABLE clients ADD COLUMN weeks json",
    "COMMENT ON COLUMN clients.signs_version IS 'The definition under which its signs were last looked for'",
    """COMMENT ON COLUMN clients.risk IS
       'As churn said last: [per mille or null, per mille of threshold, second, simulated]'""",
    "COMMENT ON COLUMN clients.weeks IS 'Scores at the ends of weeks: [day, sixteenths, model, version]'",
)
DOWN: tuple[str, ...] = (
    "ALTER TABLE clients DROP COLUMN weeks, DROP COLUMN risk, DROP COLUMN signs_version",
    "DROP TABLE signs",
)

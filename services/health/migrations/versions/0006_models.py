"""Which weights made an evaluation; and definitions that nobody can change once they are stored."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)


UP: tuple[str, ...] = (
    "ALTER TABLE evaluations ADD COLUMN variant TEXT",
    "COMMENT ON COLUMN evaluations.variant IS 'Segment/tier with weights or priors of its own; null: those for all'",
    """
    CREATE FUNCTION definitions_stay() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION 'a version of a definition never changes: store another one'
        USING ERRCODE = 'integrity_constraint_violation', TABLE = 'definitions';
    END $$
    """,
    """
    CREATE TRIGGER definitions_stay BEFORE UPDATE ON definitions FOR EACH ROW
    WHEN ((OLD.id, OLD.kind, OLD.name, OLD.version, OLD.text, OLD.sha256, OLD.created_at, OLD.created_by)
      IS DISTINCT FROM (NEW.id, NEW.kind, NEW.name, NEW.version, NEW.text, NEW.sha256, NEW.created_at, NEW.created_by))
    EXECUTE FUNCTION definitions_stay()
    """,
    """
    CREATE TRIGGER definitions_are_kept BEFORE DELETE ON definitions FOR EACH ROW
    WHEN (OLD.published_at IS NOT NULL) EXECUTE FUNCTION definitions_stay()
    """,
)
DOWN: tuple[str, ...] = (
    "DROP TRIGGER definitions_are_kept ON definitions",
    "DROP TRIGGER definitions_stay ON definitions",
    "DROP FUNCTION definitions_stay()",
    "ALTER TABLE evaluations DROP COLUMN variant",
)

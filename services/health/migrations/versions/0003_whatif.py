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


_COMMENTS = {
    "publications.before_id": "The definition that was in force until then",
    "publications.action": "publish or take_back",
    "publications.difference": "What it would change, as shown before",
    "holds.mover": "feed:<source> or definition:<id>",
    "holds.state": "weighing, open, released, discarded or superseded",
    "holds.told_at": "When whoever is on call was told; once",
    "holds.moved": "Clients it moved to a worse band, when that was told or decided",
    "holds.clients": "Of how many",
    "holds.percent": "The limit then",
    "held.band": "As worked out; what was last said stays in `clients`",
    "held.moves": "What moved the score: [kind, signal, delta, text, marks]",
    "held.components": "As last said",
    "worsened.at": "When it last moved this client to a worse band, told or held",
    "backtests.state": "waiting, running, done, failed or canceled",
    "backtests.text": "The candidate, as written",
    "backtests.book": "The definitions in force when it was asked for",
    "backtests.after": "The last client done",
    "backtests.attempts": "Failures in a row",
    "backtest_parts.body": "Bands of some clients, week by week",
    "clients.hold_id": "A move for the worse of it is held back, or was discarded",
    "evaluations.held": "The hold that kept this from being said",
}
UP: tuple[str, ...] = (
    "ALTER TABLE clients ADD COLUMN hold_id uuid",
    "ALTER TABLE evaluations ADD COLUMN held uuid",
    """
    CREATE TABLE publications (
      id uuid PRIMARY KEY, definition_id uuid NOT NULL, kind text NOT NULL, name text NOT NULL,
      version integer NOT NULL, before_id uuid, action text NOT NULL, at timestamptz NOT NULL, by text NOT NULL,
      reason text NOT NULL, difference json)
    """,
    "CREATE INDEX publications_name ON publications (kind, name, at)",
    """
    INSERT INTO publications (id, definition_id, kind, name, version, action, at, by, reason)
    SELECT gen_random_uuid(), id, kind, name, version, 'publish', published_at, coalesce(published_by, ''),
           coalesce(reason, '')
    FROM definitions WHERE published_at IS NOT NULL
    """,
    """
    CREATE TABLE holds (
      id uuid PRIMARY KEY, mover text NOT NULL, state text NOT NULL, opened_at timestamptz NOT NULL,
      told_at timestamptz, moved integer NOT NULL, clients integer NOT NULL, percent double precision NOT NULL,
      decided_at timestamptz, decided_by text, reason text)
    """,
    "CREATE UNIQUE INDEX holds_undecided ON holds (mover) WHERE state IN ('weighing', 'open')",
    "CREATE INDEX holds_mover ON holds (mover, decided_at)",
    """
    CREATE TABLE held (
      client_id uuid PRIMARY KEY, hold_id uuid NOT NULL, since timestamptz NOT NULL, band text NOT NULL,
      cause text NOT NULL, caused_by uuid[] NOT NULL, moves json NOT NULL, components json NOT NULL)
    """,
    "CREATE INDEX held_hold ON held (hold_id, client_id)",
    """
    CREATE TABLE worsened (
      mover text NOT NULL, client_id uuid NOT NULL, at timestamptz NOT NULL, PRIMARY KEY (mover, client_id))
    """,
    "CREATE INDEX worsened_at ON worsened (at)",
    """
    CREATE TABLE backtests (
      id uuid PRIMARY KEY, state text NOT NULL, text text NOT NULL, model text NOT NULL, book uuid[] NOT NULL,
      since timestamptz NOT NULL, until timestamptz NOT NULL, asked_at timestamptz NOT NULL, asked_by text NOT NULL,
      clients integer NOT NULL, clients_done integer NOT NULL, after uuid NOT NULL, attempts integer NOT NULL,
      finished_at timestamptz, error text, report json)
    """,
    "CREATE INDEX backtests_under_way ON backtests (id) WHERE state IN ('waiting', 'running')",
    """
    CREATE TABLE backtest_parts (
      backtest_id uuid NOT NULL, nth integer NOT NULL, body bytea NOT NULL, PRIMARY KEY (backtest_id, nth))
    """,
    *(f"COMMENT ON COLUMN {column} IS '{comment}'" for column, comment in _COMMENTS.items()),
)
DOWN: tuple[str, ...] = (
    "DROP TABLE backtest_parts",
    "DROP TABLE backtests",
    "DROP TABLE worsened",
    "DROP TABLE held",
    "DROP TABLE holds",
    "DROP TABLE publications",
    "ALTER TABLE evaluations DROP COLUMN held",
    "ALTER TABLE clients DROP COLUMN hold_id",
)

"""What became of flags, and of clients that were flagged or not. Flags are locked after risk rows, in key order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from churn.domain.cold_start import Stock
from churn.domain.outcome import Outcome

_COLUMNS = (
    "flag_id, episode, client_id, rule, csm, model_version, probability, points, raised_at, cleared_at,"
    " cleared_because, due_at, case_at, outcome, outcome_at, left_at, left_by"
)


@dataclass(frozen=True, slots=True)
class FlagRow:
    """One episode of a flag, with what became of it."""

    flag_id: UUID
    episode: int
    client_id: UUID
    rule: str
    csm: str | None
    model_version: str
    probability: float | None
    points: float | None
    raised_at: datetime
    cleared_at: datetime | None
    cleared_because: str | None
    due_at: datetime
    case_at: datetime | None
    outcome: str | None
    outcome_at: datetime | None
    left_at: datetime | None
    left_by: str | None

    @property
    def key(self) -> tuple[UUID, int]:
        return self.flag_id, self.episode


@dataclass(frozen=True, slots=True)
class Ended:
    """A flag's outcome as it is known now."""

    flag_id: UUID
    episode: int
    outcome: Outcome
    at: datetime
    left_at: datetime | None
    left_by: str | None


async def lock(session: AsyncSession, keys: Sequence[tuple[UUID, int]]) -> list[FlagRow]:
    """These flags, locked; those of erased clients are absent. Their clients' risk rows are locked before them."""
    ids = sorted({flag_id for flag_id, _ in keys})
    await session.execute(
        text(
            "SELECT 1 FROM risks WHERE client_id IN (SELECT client_id FROM flags WHERE flag_id = ANY(:ids))"
            " ORDER BY client_id FOR UPDATE"
        ),
        {"ids": ids},
    )
    rows = await session.execute(
        text(f"SELECT {_COLUMNS} FROM flags WHERE flag_id = ANY(:ids) ORDER BY flag_id, episode FOR UPDATE"),  # noqa: S608  (our own column names)
        {"ids": ids},
    )
    wanted = set(keys)
    return [row for row in map(_row, rows) if row.key in wanted]


async def settled(session: AsyncSession, client_ids: Sequence[UUID]) -> list[FlagRow]:
    """Flags of these clients that have an outcome, locked: facts that change may change it."""
    rows = await session.execute(
        text(
            f"SELECT {_COLUMNS} FROM flags WHERE client_id = ANY(:ids) AND outcome IS NOT NULL"  # noqa: S608  (our own column names)
            " ORDER BY flag_id, episode FOR UPDATE"
        ),
        {"ids": sorted(client_ids)},
    )
    return [_row(row) for row in rows]


async def settle(session: AsyncSession, ended: Sequence[Ended]) -> None:
    for one in ended:
        await session.execute(
            text(
                "UPDATE flags SET outcome = :outcome, outcome_at = :at, left_at = :left_at, left_by = :left_by"
                " WHERE flag_id = :flag_id AND episode = :episode"
            ),
            {
                "flag_id": one.flag_id,
                "episode": one.episode,
                "outcome": one.outcome.value,
                "at": one.at,
                "left_at": one.left_at,
                "left_by": one.left_by,
            },
        )


async def unsettle(session: AsyncSession, flag: FlagRow) -> None:
    """What was known of a flag's end is not known any more."""
    await session.execute(
        text(
            "UPDATE flags SET outcome = NULL, outcome_at = NULL, left_at = NULL, left_by = NULL"
            " WHERE flag_id = :flag_id AND episode = :episode"
        ),
        {"flag_id": flag.flag_id, "episode": flag.episode},
    )


async def case_opened(session: AsyncSession, flag_id: UUID, at: datetime) -> None:
    """Note that a case was opened for the flag's episode of that moment; the first one counts."""
    await session.execute(
        text("""
        UPDATE flags SET case_at = :at,
          outcome = CASE WHEN outcome = 'stayed' AND :at <= due_at THEN 'stayed_after_case' ELSE outcome END
        WHERE flag_id = :flag_id AND case_at IS NULL
          AND episode = (SELECT max(episode) FROM flags WHERE flag_id = :flag_id AND raised_at <= :at)
        """),
        {"flag_id": flag_id, "at": at},
    )


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which flags a list shows; None: all."""

    client_ids: Sequence[UUID] | None = None
    rule: str | None = None
    outcome: str | None = None
    """An outcome, or `pending`."""
    standing: bool | None = None


async def page(
    session: AsyncSession, wanted: Wanted, before: tuple[datetime, UUID, int] | None, limit: int
) -> list[FlagRow]:
    """Flags, newest first."""
    conditions: list[str] = []
    values: dict[str, Any] = {"limit": limit}
    if wanted.client_ids is not None:
        conditions.append("client_id = ANY(:clients)")
        values["clients"] = list(wanted.client_ids)
    if wanted.rule is not None:
        conditions.append("rule = :rule")
        values["rule"] = wanted.rule
    if wanted.outcome == "pending":
        conditions.append("outcome IS NULL")
    elif wanted.outcome is not None:
        conditions.append("outcome = :outcome")
        values["outcome"] = wanted.outcome
    if wanted.standing is not None:
        conditions.append("cleared_at IS NULL" if wanted.standing else "cleared_at IS NOT NULL")
    if before is not None:
        conditions.append("(raised_at, flag_id, episode) < (:raised_at, :flag_id, :episode)")
        values |= {"raised_at": before[0], "flag_id": before[1], "episode": before[2]}
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    rows = await session.execute(
        text(
            f"SELECT {_COLUMNS} FROM flags {where}"  # noqa: S608  (the conditions above)
            " ORDER BY raised_at DESC, flag_id DESC, episode DESC LIMIT :limit"
        ),
        values,
    )
    return [_row(row) for row in rows]


async def counts(session: AsyncSession, since: datetime) -> list[tuple[str, str | None, int]]:
    """(rule, outcome or None while pending, how many) of the flags raised since then."""
    rows = await session.execute(
        text("SELECT rule, outcome, count(*) FROM flags WHERE raised_at >= :since GROUP BY rule, outcome"),
        {"since": since},
    )
    return [(rule, outcome, number) for rule, outcome, number in rows]


async def leavers(session: AsyncSession, since: datetime, warning_days: int, horizon_days: int) -> dict[str, int]:
    """Clients that left since then and that we had assessed `warning_days` before: `all`, and by rule those that had
    a flag by then, raised within the horizon; `any` rule counts a client once."""
    rows = await session.execute(
        text("""
        WITH gone AS (
          SELECT client_id, CAST(ended->>'at' AS timestamptz) AS at FROM risks
          WHERE ended->>'kind' IN ('notice', 'mrr_zero', 'lapse') AND CAST(ended->>'at' AS timestamptz) >= :since),
        known AS (
          SELECT client_id, at FROM gone g WHERE EXISTS (
            SELECT 1 FROM assessments a WHERE a.client_id = g.client_id
              AND a.as_of <= g.at - make_interval(days => :warning))),
        warned AS (
          SELECT DISTINCT k.client_id, f.rule FROM known k JOIN flags f ON f.client_id = k.client_id
            AND f.raised_at <= k.at - make_interval(days => :warning)
            AND f.raised_at >= k.at - make_interval(days => :horizon))
        SELECT 'all' AS rule, count(*) AS number FROM known
        UNION ALL SELECT 'any', count(DISTINCT client_id) FROM warned
        UNION ALL SELECT rule, count(*) FROM warned GROUP BY rule
        """),
        {"since": since, "warning": warning_days, "horizon": horizon_days},
    )
    return {row.rule: row.number for row in rows}


async def overridden(session: AsyncSession, since: datetime | None, until: datetime | None) -> list[Mapping[str, Any]]:
    """Every override made in a span, with what became of the flag that it stood on."""
    rows = await session.execute(
        text("""
        SELECT o.by, o.reason_code, o.probability, f.outcome FROM overrides o
        JOIN flags f ON (f.flag_id, f.episode) = (o.flag_id, o.episode)
        WHERE o.made_at >= coalesce(:since, '-infinity'::timestamptz)
          AND o.made_at < coalesce(:until, 'infinity'::timestamptz)
        """),
        {"since": since, "until": until},
    )
    return [dict(row) for row in rows.mappings()]


async def left_alone(
    session: AsyncSession, since: datetime | None, until: datetime | None
) -> list[tuple[str | None, float | None]]:
    """Outcomes (and the model's numbers) of a span's flags that nobody overrode: what to compare with."""
    rows = await session.execute(
        text("""
        SELECT f.outcome, f.probability FROM flags f
        WHERE f.raised_at >= coalesce(:since, '-infinity'::timestamptz)
          AND f.raised_at < coalesce(:until, 'infinity'::timestamptz)
          AND NOT EXISTS (SELECT 1 FROM overrides o WHERE (o.flag_id, o.episode) = (f.flag_id, f.episode))
        """),
        {"since": since, "until": until},
    )
    return [(outcome, probability) for outcome, probability in rows]


async def stock(session: AsyncSession) -> Stock:
    """What there is to learn from, of all clients ever assessed, ended ones too."""
    row = (
        await session.execute(
            text("""
            SELECT count(*) AS clients, min(first_at) AS since,
              count(*) FILTER (WHERE ended->>'kind' IN ('notice', 'mrr_zero', 'lapse')) AS leavers,
              (SELECT string_agg(kind, ',') FROM (
                SELECT DISTINCT string_to_table(kinds, ',') AS kind FROM risks) k WHERE kind <> '') AS kinds
            FROM risks WHERE ended->>'kind' IS DISTINCT FROM 'unknown'
            """)
        )
    ).one()
    return Stock(row.clients, row.leavers, row.since, frozenset((row.kinds or "").split(",")))


def _row(row: Row[Any]) -> FlagRow:
    return FlagRow(*tuple(row))

"""Risk rows and health by day; row ↔ domain. Risk rows are locked in id order everywhere, after state rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from common.contracts.churn import Rule
from sqlalchemy import Row, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from churn.domain.capacity import Candidate
from churn.domain.flags import Cooling, Flag, Override, Watch
from churn.domain.health_track import KEPT_DAYS, HealthTrack, Score
from churn.domain.moments import DAY

_BRIEF = (
    "client_id, due_on, live, baseline, importing_until, held, flag, override, episode, assessments, ended, quiet,"
    " cooling, groups, csm, first_at, kinds, mrr, currency"
)
_COLUMNS = f"{_BRIEF}, last"
_LISTED = "last IS NOT NULL AND ended->>'kind' IS DISTINCT FROM 'unknown'"  # not those merged into another


@dataclass(slots=True)
class Risk:
    """One client's row: what is remembered between its assessments."""

    watch: Watch
    due_on: date | None = None
    live: bool = False
    baseline: bool = False
    importing_until: datetime | None = None
    assessments: int = 0
    last: Mapping[str, Any] | None = None
    """The body of the last assessment. `claim_due` leaves it out, since a new one takes its place; `save` keeps it."""
    ended: Mapping[str, Any] | None = None
    groups: Mapping[str, Any] | None = None
    """Of the last assessment: `by` (all contributions by reason code), `base`, `model`, `as_of`."""
    csm: str | None = None
    first_at: int | None = None
    """Second of the first thing known of the client."""
    kinds: str | None = None
    """Kinds of data ever seen of it, with commas between."""
    mrr: int | None = None
    """Monthly recurring revenue when last assessed, minor units of `currency`."""
    currency: str | None = None

    @property
    def client_id(self) -> UUID:
        return self.watch.client_id


@dataclass(slots=True)
class Marks:
    """What a batch of events says about when a client is to be assessed."""

    due: bool = False
    live: bool = False
    baseline: bool = False
    importing: bool = False


async def mark(session: AsyncSession, marks: Mapping[UUID, Marks], *, today: date, importing_until: datetime) -> None:
    """Note, in one statement, which clients wait to be assessed and whose history is being imported."""
    ids = sorted(marks)
    await session.execute(
        text("""
        INSERT INTO risks AS r (client_id, due_on, live, baseline, importing_until)
        SELECT u.client_id, u.due_on, u.live, u.baseline, u.importing_until
        FROM unnest(CAST(:ids AS uuid[]), CAST(:due AS date[]), CAST(:live AS bool[]), CAST(:baseline AS bool[]),
                    CAST(:importing AS timestamptz[])) AS u(client_id, due_on, live, baseline, importing_until)
        WHERE NOT EXISTS (SELECT 1 FROM erased_clients e WHERE e.client_id = u.client_id)
        ORDER BY u.client_id
        ON CONFLICT (client_id) DO UPDATE SET
          due_on = coalesce(excluded.due_on, r.due_on),
          live = (r.live AND NOT excluded.baseline) OR excluded.live,
          baseline = r.baseline OR excluded.baseline,
          importing_until = CASE WHEN excluded.baseline THEN excluded.importing_until
                                 ELSE coalesce(excluded.importing_until, r.importing_until) END
        """),
        {
            "ids": ids,
            "due": [today if marks[i].due else None for i in ids],
            "live": [marks[i].live for i in ids],
            "baseline": [marks[i].baseline for i in ids],
            "importing": [importing_until if marks[i].importing else None for i in ids],
        },
    )


async def claim_due(session: AsyncSession, now: datetime, limit: int, *, rest: timedelta) -> list[Risk]:
    """Clients that wait to be assessed, locked; those in another's hands are left to it, and so are those
    assessed less than `rest` ago: a client about whom we hear without pause is not assessed without pause."""
    rows = await session.execute(
        text(
            f"SELECT {_BRIEF}, NULL::jsonb AS last FROM risks WHERE due_on <= :today"  # noqa: S608  (our own column names)
            " AND (assessed_at IS NULL OR assessed_at <= :rested OR assessed_at > :now)"
            " ORDER BY due_on, client_id LIMIT :limit FOR UPDATE SKIP LOCKED"
        ),
        {"today": now.date(), "now": now, "rested": now - rest, "limit": limit},
    )
    return [_risk(row) for row in rows]


async def lock(session: AsyncSession, client_ids: Iterable[UUID]) -> list[Risk]:
    """The rows of these clients, locked in id order; unknown clients are absent."""
    rows = await session.execute(
        text(f"SELECT {_COLUMNS} FROM risks WHERE client_id = ANY(:ids) ORDER BY client_id FOR UPDATE"),  # noqa: S608  (our own column names)
        {"ids": sorted(set(client_ids))},
    )
    return [_risk(row) for row in rows]


async def last_of(session: AsyncSession, client_id: UUID) -> Mapping[str, Any] | None:
    """The body of a client's last assessment."""
    found: Mapping[str, Any] | None = await session.scalar(
        text("SELECT last FROM risks WHERE client_id = :id").columns(last=JSONB), {"id": client_id}
    )
    return found


async def read(session: AsyncSession, client_id: UUID) -> Risk | None:
    """One client's row, without a lock."""
    rows = await session.execute(
        text(f"SELECT {_COLUMNS} FROM risks WHERE client_id = :id"),  # noqa: S608  (our own column names)
        {"id": client_id},
    )
    row = rows.first()
    return _risk(row) if row else None


async def page(session: AsyncSession, after: tuple[float | None, UUID] | None, limit: int) -> list[Risk]:
    """Assessed clients, the riskiest first (those without a probability last), from behind a position."""
    beyond = "" if after is None else "AND (-coalesce(probability, -1), client_id) > (:probability, :client_id)"
    rows = await session.execute(
        text(
            f"SELECT {_COLUMNS} FROM risks WHERE {_LISTED} {beyond}"  # noqa: S608  (our own column names)
            " ORDER BY -coalesce(probability, -1), client_id LIMIT :limit"
        ),
        {"limit": limit}
        if after is None
        else {"limit": limit, "probability": -(after[0] if after[0] is not None else -1), "client_id": after[1]},
    )
    return [_risk(row) for row in rows]


async def save(session: AsyncSession, risks: Sequence[Risk], *, assessed_at: datetime | None = None) -> None:
    """Write rows back in one statement, however many there are."""
    rows = sorted(risks, key=lambda r: r.client_id)
    if not rows:
        return
    await session.execute(
        text("""
        UPDATE risks r SET assessed_at = coalesce(CAST(:assessed_at AS timestamptz), r.assessed_at),
          due_on = u.due_on, live = u.live, baseline = u.baseline, held = u.held,
          importing_until = u.importing_until, flag = u.flag::jsonb, override = u.override::jsonb,
          episode = u.episode, assessments = u.assessments, last = coalesce(u.last::jsonb, r.last),
          probability = CASE WHEN u.last IS NULL THEN r.probability ELSE u.probability END, ended = u.ended::jsonb,
          quiet = u.quiet, cooling = u.cooling::jsonb, groups = u.groups::jsonb, csm = u.csm,
          first_at = u.first_at, kinds = u.kinds, mrr = u.mrr, currency = u.currency
        FROM unnest(CAST(:ids AS uuid[]), CAST(:due AS date[]), CAST(:live AS bool[]), CAST(:baseline AS bool[]),
                    CAST(:held AS bool[]), CAST(:importing AS timestamptz[]), CAST(:flags AS text[]),
                    CAST(:overrides AS text[]), CAST(:episodes AS int[]), CAST(:assessments AS bigint[]),
                    CAST(:probabilities AS float8[]), CAST(:lasts AS text[]), CAST(:ended AS text[]),
                    CAST(:quiet AS bool[]), CAST(:cooling AS text[]), CAST(:groups AS text[]), CAST(:csms AS text[]),
                    CAST(:firsts AS bigint[]), CAST(:kinds AS text[]), CAST(:mrrs AS bigint[]),
                    CAST(:currencies AS text[]))
             AS u(client_id, due_on, live, baseline, held, importing_until, flag, override, episode, assessments,
                  probability, last, ended, quiet, cooling, groups, csm, first_at, kinds, mrr, currency)
        WHERE r.client_id = u.client_id
        """),
        {"assessed_at": assessed_at, **_values(rows)},
    )


def _values(rows: Sequence[Risk]) -> dict[str, Any]:
    """The columns that `save` writes, as arrays."""
    return {
        "ids": [r.client_id for r in rows],
        "due": [r.due_on for r in rows],
        "live": [r.live for r in rows],
        "baseline": [r.baseline for r in rows],
        "held": [r.watch.held for r in rows],
        "importing": [r.importing_until for r in rows],
        "flags": [_json(r.watch.flag) for r in rows],
        "overrides": [_json(r.watch.override) for r in rows],
        "episodes": [r.watch.episode for r in rows],
        "assessments": [r.assessments for r in rows],
        "probabilities": [r.last.get("probability") if r.last else None for r in rows],
        "lasts": [_json(r.last) for r in rows],
        "ended": [_json(r.ended) for r in rows],
        "quiet": [r.watch.quiet for r in rows],
        "cooling": [_json(r.watch.cooling) for r in rows],
        "groups": [_json(r.groups) for r in rows],
        "csms": [r.csm for r in rows],
        "firsts": [r.first_at for r in rows],
        "kinds": [r.kinds for r in rows],
        "mrrs": [r.mrr for r in rows],
        "currencies": [r.currency for r in rows],
    }


async def candidates(session: AsyncSession, now: datetime, rise: float) -> list[tuple[Candidate, Rule | None]]:
    """Everybody with a calibrated probability who is a client now, and the rule of the flag that stands."""
    rows = await session.execute(
        text("""
        SELECT client_id, csm, probability, flag->>'rule' AS rule,
          quiet OR held OR override IS NOT NULL
          OR (flag IS NULL AND coalesce(CAST(cooling->>'until' AS timestamptz) > :now
              AND probability < CAST(cooling->>'probability' AS float8) + :rise, false)) AS set_aside
        FROM risks WHERE probability IS NOT NULL AND ended IS NULL AND due_on IS NOT NULL
        """),
        {"now": now, "rise": rise},
    )
    return [
        (Candidate(row.client_id, row.csm, row.probability, row.set_aside), Rule(row.rule) if row.rule else None)
        for row in rows
    ]


async def not_yet_assessed(session: AsyncSession, today: date) -> bool:
    """Whether somebody with a calibrated probability still has that of an earlier day."""
    return bool(
        await session.scalar(
            text(
                "SELECT EXISTS (SELECT 1 FROM risks WHERE probability IS NOT NULL AND ended IS NULL"
                " AND due_on <= :today AND assessed_at < CAST(:today AS timestamp) AT TIME ZONE 'UTC')"
            ),
            {"today": today},
        )
    )


async def named(session: AsyncSession) -> set[UUID]:
    """Clients whose flag says that they are among the riskiest."""
    rows = await session.execute(text("SELECT client_id FROM risks WHERE flag->>'rule' = 'capacity'"))
    return set(rows.scalars())


async def all_due(session: AsyncSession, today: date) -> int:
    """Every client that is still assessed waits for it now: another model is in service."""
    result = await session.execute(
        text("""
        WITH chosen AS (SELECT client_id FROM risks WHERE due_on IS NOT NULL ORDER BY client_id FOR UPDATE)
        UPDATE risks r SET due_on = :today FROM chosen c WHERE r.client_id = c.client_id RETURNING 1
        """),
        {"today": today},
    )
    return len(result.all())


# Health scores by day

BETWEEN = "\x1f"
"""Stands between names that are strung together: no name has it."""
DAYS_WITH_PARTS = 2
"""The last, and the one before it: health's clock may be a little ahead of ours."""


@dataclass(slots=True)
class HealthDay:
    """The last score of one client's day."""

    client_id: UUID
    day: int
    row: Score = ()


async def add_health(session: AsyncSession, days: Sequence[HealthDay]) -> None:
    """Keep the last score of each day, in whatever order they come."""
    rows = sorted(days, key=lambda d: (d.client_id, d.day))
    if not rows:
        return
    await session.execute(
        text("""
        INSERT INTO health_days AS h (client_id, day, at, score, band, model, parts)
        SELECT u.client_id, u.day, u.at, u.score, u.band, u.model,
               ARRAY(SELECT jsonb_array_elements_text(u.parts::jsonb)::int)
        FROM unnest(CAST(:ids AS uuid[]), CAST(:days AS int[]), CAST(:ats AS bigint[]), CAST(:scores AS int[]),
                    CAST(:bands AS text[]), CAST(:models AS text[]), CAST(:parts AS text[]))
             AS u(client_id, day, at, score, band, model, parts)
        WHERE NOT EXISTS (SELECT 1 FROM erased_clients e WHERE e.client_id = u.client_id)
        ORDER BY u.client_id, u.day
        ON CONFLICT (client_id, day) DO UPDATE SET at = excluded.at, score = excluded.score, band = excluded.band,
          model = excluded.model, parts = excluded.parts WHERE h.at <= excluded.at
        """),
        {
            "ids": [d.client_id for d in rows],
            "days": [d.day for d in rows],
            "ats": [d.row[0] for d in rows],
            "scores": [d.row[1] for d in rows],
            "bands": [d.row[2] for d in rows],
            "models": [d.row[3] for d in rows],
            "parts": [orjson.dumps(d.row[4:]).decode() for d in rows],
        },
    )


async def tracks(session: AsyncSession, client_ids: Sequence[UUID], today: int) -> dict[UUID, HealthTrack]:
    """The health tracks of these clients; one without scores has an empty track.

    Only the last two days have their parts, since nobody asks for those of older ones. The database strings the days of
    a client together: with each of three months of days as a row of its own, reading would take longer than assessing.
    """
    found = {client_id: HealthTrack() for client_id in client_ids}
    rows = await session.execute(
        text("""
        SELECT client_id, '[' || string_agg(at::text, ',') || ']', '[' || string_agg(score::text, ',') || ']',
          string_agg(band, :between), string_agg(model, :between),
          ARRAY(SELECT '[' || day || ',' || array_to_string(parts, ',', 'null') || ']' FROM health_days p
                WHERE p.client_id = d.client_id AND day > :since ORDER BY day DESC LIMIT :with_parts)
        FROM health_days d WHERE client_id = ANY(:ids) AND day > :since GROUP BY client_id
        """),
        {"ids": list(client_ids), "since": today - KEPT_DAYS, "with_parts": DAYS_WITH_PARTS, "between": BETWEEN},
    )
    for client_id, ats, scores, bands, models, last_parts in rows:
        told = zip(orjson.loads(ats), orjson.loads(scores), bands.split(BETWEEN), models.split(BETWEEN), strict=True)
        days: dict[int, Score] = {row[0] // DAY: row for row in told}
        for day, *parts in map(orjson.loads, last_parts):
            days[day] = (*days[day], *parts)
        found[client_id].days = days
    return found


async def forget_health(session: AsyncSession, before_day: int) -> None:
    await session.execute(text("DELETE FROM health_days WHERE day < :day"), {"day": before_day})


async def erase(session: AsyncSession, client_ids: Sequence[UUID]) -> None:
    """Delete what is held of erased clients, beside the shared tables."""
    for table in ("risks", "health_days", "assessments", "flags", "overrides"):
        await session.execute(text(f"DELETE FROM {table} WHERE client_id = ANY(:ids)"), {"ids": list(client_ids)})  # noqa: S608  (our own column names)


def _risk(row: Row[Any]) -> Risk:
    flag, override, cooling = _flag(row.flag), _override(row.override), _cooling(row.cooling)
    return Risk(
        watch=Watch(row.client_id, flag, override, row.episode, row.held, row.quiet, cooling),
        due_on=row.due_on,
        live=row.live,
        baseline=row.baseline,
        importing_until=row.importing_until,
        assessments=row.assessments,
        last=row.last,
        ended=row.ended,
        groups=row.groups,
        csm=row.csm,
        first_at=row.first_at,
        kinds=row.kinds,
        mrr=row.mrr,
        currency=row.currency,
    )


def _flag(value: Mapping[str, Any] | None) -> Flag | None:
    if value is None:
        return None
    return Flag(
        UUID(value["flag_id"]),
        value["episode"],
        Rule(value["rule"]),
        datetime.fromisoformat(value["raised_at"]),
        value.get("probability"),
        value.get("points"),
        value.get("weeks_out", 0),
    )


def _override(value: Mapping[str, Any] | None) -> Override | None:
    if value is None:
        return None
    return Override(
        override_id=UUID(value["override_id"]),
        by=value["by"],
        reason_code=value["reason_code"],
        note=value["note"],
        until=datetime.fromisoformat(value["until"]),
        made_at=datetime.fromisoformat(value["made_at"]),
        probability=value["probability"],
        points=value.get("points"),
        withdrawn_by=value.get("withdrawn_by"),
    )


def _cooling(value: Mapping[str, Any] | None) -> Cooling | None:
    if value is None:
        return None
    return Cooling(
        datetime.fromisoformat(value["until"]), Rule(value["rule"]), value.get("probability"), value.get("points")
    )


def _json(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value).decode()

"""The SQL of scores: clients as last evaluated, evaluations, feeds. Definitions have a file of their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from health.domain.decision import Standing
from health.domain.evaluate import Feeds, Heard
from health.domain.moments import moment_of, seconds_of


@dataclass
class Client:
    """A row of `clients`: who it is, and what was last said of it."""

    client_id: UUID
    late_told_until: datetime
    name: str | None = None
    tier: str | None = None
    segment: str | None = None
    csm_email: str | None = None
    test: bool = False
    ended: bool = False
    mrr: int = 0
    mrr_currency: str | None = None
    phase: str | None = None
    phase_since: datetime | None = None
    phase_overruled: str | None = None
    journey: str | None = None
    reached: list[str] = field(default_factory=list)
    started_on: date | None = None
    sources: list[str] = field(default_factory=list)
    model: str | None = None
    model_version: int | None = None
    score: int | None = None
    band: str | None = None
    known_band: str | None = None
    confidence: int = 0
    as_of: datetime | None = None
    baseline_due: bool = False
    restate_from: datetime | None = None
    next_look: datetime | None = None
    generation: int = 0
    hold_id: UUID | None = None
    signs_version: int | None = None
    risk: list[Any] | None = None
    weeks: list[list[Any]] | None = None

    @property
    def standing(self) -> Standing | None:
        """None while it was never evaluated."""
        if self.as_of is None or self.model is None or self.model_version is None or self.band is None:
            return None
        return Standing(
            self.model,
            self.model_version,
            self.score,
            self.band,
            self.known_band,
            self.confidence,
            seconds_of(self.as_of),
        )

    def stands(self, standing: Standing) -> None:
        """Take over what is said from now on."""
        self.model, self.model_version = standing.model, standing.model_version
        self.score, self.band, self.known_band = standing.score, standing.band, standing.known_band
        self.confidence, self.as_of = standing.confidence, moment_of(standing.as_of)


@dataclass(frozen=True)
class Row:
    """A row of `evaluations`. `parts` by the model's signals: [fact, score, fresh, marks] or None."""

    client_id: UUID
    as_of: datetime
    mode: str
    model: str
    model_version: int
    score: int | None
    band: str
    confidence: int
    band_before: str | None
    cause: str | None
    caused_by: list[UUID]
    parts: list[Any]
    journey: str | None = None
    """The journey map (`name:version`) that milestones were judged by; None in rows of earlier releases."""
    held: UUID | None = None
    """The hold that kept it from being said."""
    variant: str | None = None
    """The segment and tier (`smb/core`) whose own weights or priors made it; None: those for everybody."""


_COLUMNS = [f.name for f in fields(Client)]
_ROW = [f.name for f in fields(Row)]

_SAVE_CLIENTS = text(
    f"INSERT INTO clients ({', '.join(_COLUMNS)})"  # noqa: S608  (column names of our own class)
    f" SELECT {', '.join(_COLUMNS)} FROM json_populate_recordset(NULL::clients, CAST(:rows AS json))"
    f" ON CONFLICT (client_id) DO UPDATE SET {', '.join(f'{c} = excluded.{c}' for c in _COLUMNS[1:])}"
)
_STORE_EVALUATIONS = text(
    f"INSERT INTO evaluations ({', '.join(_ROW)})"  # noqa: S608  (column names of our own; values are parameters)
    f" SELECT {', '.join(_ROW)} FROM json_populate_recordset(NULL::evaluations, CAST(:rows AS json))"
    f" ON CONFLICT (client_id, as_of, mode) DO UPDATE SET {', '.join(f'{c} = excluded.{c}' for c in _ROW[3:])}"
)
_SELECT_CLIENTS = f"SELECT {', '.join(_COLUMNS)} FROM clients"  # noqa: S608  (column names of our own; values are parameters)


async def clients(session: AsyncSession, client_ids: Iterable[UUID]) -> dict[UUID, Client]:
    """Rows by id; unknown ids are absent. Who holds the state's lock holds this row too."""
    rows = await session.execute(text(f"{_SELECT_CLIENTS} WHERE client_id = ANY(:ids)"), {"ids": list(client_ids)})
    return {row["client_id"]: Client(**row) for row in rows.mappings()}


async def save_clients(session: AsyncSession, rows: Iterable[Client]) -> None:
    """Upsert in one statement."""
    ordered = sorted(rows, key=lambda row: row.client_id)
    if ordered:
        await session.execute(
            _SAVE_CLIENTS, {"rows": _json([{name: getattr(row, name) for name in _COLUMNS} for row in ordered])}
        )


async def store_evaluations(session: AsyncSession, rows: Sequence[Row]) -> None:
    """Append; the same moment and mode worked out again takes the place of the former."""
    latest = {(row.client_id, row.as_of, row.mode): row for row in rows}
    if latest:
        values = [{name: getattr(row, name) for name in _ROW} for row in latest.values()]
        await session.execute(_STORE_EVALUATIONS, {"rows": _json(values)})


async def delete(session: AsyncSession, client_ids: Iterable[UUID], *, history: bool) -> None:
    """Of clients that were merged away (their history stays with what was known then) or erased."""
    ids = {"ids": list(client_ids)}
    for table in ("clients", "held", "worsened"):
        await session.execute(text(f"DELETE FROM {table} WHERE client_id = ANY(:ids)"), ids)  # noqa: S608  (our own words)
    if history:
        for table in ("evaluations", "phases"):
            await session.execute(text(f"DELETE FROM {table} WHERE client_id = ANY(:ids)"), ids)  # noqa: S608  (our own names)


async def forget_restated(session: AsyncSession, client_id: UUID, since: datetime, until: datetime) -> None:
    """Days of a span that were restated by facts which were all taken back since: nothing is known of them."""
    await session.execute(
        text(
            "DELETE FROM evaluations WHERE client_id = :id AND mode = 'restated' AND as_of >= :since AND as_of < :until"
        ),
        {"id": client_id, "since": since, "until": until},
    )


async def last_historic(session: AsyncSession, client_id: UUID) -> datetime | None:
    """The latest moment of an imported span that was worked out."""
    moment: datetime | None = await session.scalar(
        text("SELECT max(as_of) FROM evaluations WHERE client_id = :id AND mode = 'historic'"), {"id": client_id}
    )
    return moment


async def ids_after(session: AsyncSession, after: UUID, limit: int, *, source: str | None) -> list[UUID]:
    """The next clients in id order: all that are with us, or those that a source feeds."""
    rows = await session.scalars(
        text(
            "SELECT client_id FROM clients WHERE client_id > :after AND NOT ended AND as_of IS NOT NULL"
            " AND (CAST(:source AS text) IS NULL OR sources @> ARRAY[CAST(:source AS text)])"
            " ORDER BY client_id LIMIT :limit"
        ),
        {"after": after, "limit": limit, "source": source},
    )
    return list(rows)


async def times_of(session: AsyncSession, client_ids: Iterable[UUID], event_ids: Iterable[UUID]) -> list[datetime]:
    """When these facts happened: of events that were withdrawn or replaced."""
    rows = await session.scalars(
        text("SELECT time FROM facts WHERE client_id = ANY(:clients) AND event_id = ANY(:events)"),
        {"clients": list(client_ids), "events": list(event_ids)},
    )
    return list(rows)


async def feeds(session: AsyncSession) -> Feeds:
    """Every source that was ever heard live; tools of ours that ingest watches no rhythm of have none (0)."""
    rows = await session.execute(text("SELECT source, last_received_at, every_seconds FROM feeds"))
    return {row.source: Heard(seconds_of(row.last_received_at), row.every_seconds) for row in rows}


async def hear(session: AsyncSession, heard: Sequence[tuple[str, datetime, int, bool]]) -> dict[str, int]:
    """Note feeds: (source, last received, every so many seconds, silent). Those that fell silent or came back, with
    the generation of the sweep over their clients."""
    rows = await session.execute(
        text("""
        WITH news AS (
          SELECT DISTINCT ON (source) * FROM unnest(CAST(:sources AS text[]), CAST(:lasts AS timestamptz[]),
            CAST(:everies AS bigint[]), CAST(:silents AS bool[])) WITH ORDINALITY
            AS u(source, last, every, silent, nth) ORDER BY source, nth DESC),
        before AS (SELECT source, silent FROM feeds WHERE source = ANY(:sources)),
        kept AS (
          INSERT INTO feeds AS f (source, last_received_at, every_seconds, silent, generation)
          SELECT source, last, every, silent, 0 FROM news ORDER BY source
          ON CONFLICT (source) DO UPDATE SET
            last_received_at = greatest(f.last_received_at, excluded.last_received_at),
            every_seconds = excluded.every_seconds, silent = excluded.silent,
            generation = f.generation + CASE WHEN f.silent = excluded.silent THEN 0 ELSE 1 END
          RETURNING source, silent, generation)
        SELECT k.source, k.generation FROM kept k LEFT JOIN before b USING (source)
        WHERE k.silent <> coalesce(b.silent, false)
        """),
        {
            "sources": [h[0] for h in heard],
            "lasts": [h[1] for h in heard],
            "everies": [h[2] for h in heard],
            "silents": [h[3] for h in heard],
        },
    )
    return {row.source: row.generation for row in rows}


async def hear_tools(session: AsyncSession, heard: Mapping[str, datetime]) -> None:
    """Note when tools of ours were last heard: `evaluate.tool` → receipt."""
    await session.execute(
        text("""
        INSERT INTO feeds AS f (source, last_received_at, every_seconds, silent, generation)
        SELECT source, last, 0, false, 0 FROM unnest(CAST(:sources AS text[]), CAST(:lasts AS timestamptz[]))
          AS u(source, last) ORDER BY source
        ON CONFLICT (source) DO UPDATE SET last_received_at = excluded.last_received_at
        WHERE f.last_received_at < excluded.last_received_at
        """),
        {"sources": list(heard), "lasts": list(heard.values())},
    )


async def count_bands(session: AsyncSession) -> dict[str, int]:
    """Clients that are with us, by band as last evaluated."""
    rows = await session.execute(
        text(
            "SELECT band, count(*) AS clients FROM clients WHERE NOT ended AND NOT test AND band IS NOT NULL"
            " GROUP BY band"
        )
    )
    return {row.band: row.clients for row in rows}


def _json(rows: list[dict[str, Any]]) -> str:
    return orjson.dumps(rows, default=str).decode()  # ids from rows are asyncpg's own subclass of UUID

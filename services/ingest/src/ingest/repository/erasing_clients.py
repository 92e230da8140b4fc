"""Taking a client out of every table of ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from common import inbox
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from ingest.domain.refs import Ref
from ingest.repository import enriching
from ingest.repository.loading import digest
from ingest.repository.saving import pack, unpack

OF_CLIENT = ("refs", "contacts", "texts", "import_spans", "imported_ids", "said", "withdrawn_roots")


@dataclass(frozen=True, slots=True)
class Held:
    """A raw body that names the client; `alone` if it names no other."""

    day: date
    id: UUID
    source: str
    body: bytes
    alone: bool


async def refs_of(session: AsyncSession, client_id: UUID) -> list[Ref]:
    rows = await session.execute(text("SELECT source, kind, id FROM refs WHERE client_id = :id"), {"id": client_id})
    return [Ref(row.source, row.kind, row.id) for row in rows]


async def is_erased(session: AsyncSession, client_id: UUID) -> bool:
    found = await session.scalar(text("SELECT 1 FROM erased_clients WHERE client_id = :id"), {"id": client_id})
    return found is not None


async def forget(session: AsyncSession, client_id: UUID, refs: Sequence[Ref], at: datetime) -> None:
    """Delete the rows; of the refs their digests stay, so that replays and imports do not bring the client back."""
    one = {"id": client_id}
    await inbox.erase(session, [client_id], at=at)
    await session.execute(
        text("""
        INSERT INTO erased_refs (digest, erased_at, times) SELECT u, :at, 1 FROM unnest(CAST(:digests AS bytea[])) u
        ON CONFLICT (digest) DO UPDATE SET erased_at = excluded.erased_at, times = erased_refs.times + 1
        """),
        {"digests": sorted(digest(ref) for ref in refs), "at": at},
    )
    await session.execute(
        text("""
        WITH gone AS (DELETE FROM parked WHERE refs && CAST(:refs AS text[]) RETURNING unmatched_id)
        DELETE FROM unmatched m WHERE m.id IN (SELECT unmatched_id FROM gone)
          AND NOT EXISTS (SELECT 1 FROM parked p WHERE p.unmatched_id = m.id AND NOT p.refs && CAST(:refs AS text[]))
        """),
        {"refs": [str(ref) for ref in refs]},
    )
    await enriching.forget(session, refs)
    for table in OF_CLIENT:
        await session.execute(text(f"DELETE FROM {table} WHERE client_id = :id"), one)  # noqa: S608  (names of ours)
    for table in ("merges", "moves"):
        either = f"DELETE FROM {table} WHERE from_client_id = :id OR into_client_id = :id"  # noqa: S608  (names of ours)
        await session.execute(text(either), one)
    await session.execute(
        text("DELETE FROM idempotency_keys WHERE position(:name in encode(body, 'escape')) > 0"),
        {"name": str(client_id)},
    )
    await session.execute(text("DELETE FROM clients WHERE id = :id"), one)
    await session.execute(
        text("UPDATE replays SET samples = '[]'::jsonb WHERE position(:name in samples::text) > 0"),
        {"name": str(client_id)},
    )


async def forget_outbox(session: AsyncSession, client_id: UUID) -> None:
    """What was said of the client and waits or is kept for a republishing; copies on Kafka end with its retention."""
    await session.execute(
        text("""
        WITH gone AS (DELETE FROM outbox WHERE key = :key RETURNING seq)
        DELETE FROM outbox_unsent WHERE seq IN (SELECT seq FROM gone)
        """),
        {"key": str(client_id)},
    )


async def raw_bodies(session: AsyncSession, client_id: UUID) -> list[Held]:
    """Raw bodies that name the client. A scan: erasures are rare, and an index would cost every accept."""
    rows = await session.execute(
        text(
            "SELECT day, id, source, body, cardinality(client_ids) = 1 AS alone FROM raw_bodies"
            " WHERE CAST(:id AS uuid) = ANY(client_ids) ORDER BY day, id"
        ),
        {"id": client_id},
    )
    return [Held(r.day, r.id, r.source, unpack(r.body), r.alone) for r in rows]


async def rewrite_raw(session: AsyncSession, held: Held, body: bytes | None, client_id: UUID) -> None:
    """What remains of a body without the client; None: nothing."""
    where: dict[str, Any] = {"day": held.day, "id": held.id}
    if body is None:
        await session.execute(text("DELETE FROM raw_bodies WHERE day = :day AND id = :id"), where)
        return
    await session.execute(
        text(
            "UPDATE raw_bodies SET body = :body, client_ids = array_remove(client_ids, CAST(:client AS uuid))"
            " WHERE day = :day AND id = :id"
        ),
        {**where, "body": pack(body), "client": client_id},
    )

"""What people ask for: clients, unmatched refs with candidates, the quarantine, sources."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from ingest.domain import linking
from ingest.domain.linking import Rule
from ingest.domain.refs import Ref
from ingest.domain.shared import SharedDomains
from ingest.domain.world import World
from ingest.repository import loading

_CLIENT = """
SELECT c.id, c.created_at, c.profile::text AS profile, c.live_since::text AS live_since,
  (SELECT coalesce(jsonb_agg(jsonb_build_object('source', r.source, 'kind', r.kind, 'id', r.id,
     'linked_at', r.linked_at, 'linked_by', r.linked_by) ORDER BY r.source, r.kind, r.id), '[]'::jsonb)
   FROM (SELECT * FROM refs WHERE client_id = c.id ORDER BY source, kind, id LIMIT 200) r)::text AS refs,
  (SELECT count(*) FROM contacts p WHERE p.client_id = c.id AND NOT (p.person ->> 'left')::boolean) AS contacts,
  c.merged_into,
  (SELECT coalesce(array_agg(m.id ORDER BY m.id), '{}') FROM clients m WHERE m.merged_into = c.id) AS absorbed
FROM clients c
"""


async def clients(
    session: AsyncSession, *, after: UUID | None, limit: int, search: str | None, test: bool | None
) -> list[dict[str, Any]]:
    """In order of id; `search` looks into name and domain. Those merged into another are shown with it only."""
    rows = await session.execute(
        text(
            _CLIENT + " WHERE c.merged_into IS NULL AND (CAST(:after AS uuid) IS NULL OR c.id > :after)"
            " AND (CAST(:search AS text) IS NULL OR c.name ILIKE :search OR c.domain ILIKE :search)"
            " AND (CAST(:test AS boolean) IS NULL OR coalesce((c.profile ->> 'test')::boolean, false) = :test)"
            " ORDER BY c.id LIMIT :limit"
        ),
        {"after": after, "limit": limit, "search": f"%{_literal(search)}%" if search else None, "test": test},
    )
    return [_client(row) for row in rows]


def _literal(search: str) -> str:
    return search.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_").replace("\x00", "")


async def client(session: AsyncSession, client_id: UUID) -> dict[str, Any] | None:
    row = (await session.execute(text(_CLIENT + " WHERE c.id = :id"), {"id": client_id})).first()
    if row is None:
        return None
    people = await session.execute(
        text(
            "SELECT contact_id, person::text AS person FROM contacts WHERE client_id = :id"
            " ORDER BY contact_id LIMIT 500"
        ),
        {"id": client_id},
    )
    return {**_client(row), "people": [{"contact_id": p.contact_id, **json.loads(p.person)} for p in people]}


def _client(row: Any) -> dict[str, Any]:
    return {
        "client_id": row.id,
        "created_at": row.created_at,
        "profile": json.loads(row.profile),
        "refs": json.loads(row.refs),
        "contacts": row.contacts,
        "live_since": json.loads(row.live_since),
        "merged_into": row.merged_into,
        "absorbed": row.absorbed,
    }


async def owner(session: AsyncSession, ref: Ref) -> UUID | None:
    found: UUID | None = await session.scalar(
        text("SELECT client_id FROM refs WHERE source = :source AND kind = :kind AND id = :id"),
        {"source": ref.source, "kind": ref.kind, "id": ref.id},
    )
    return found


async def unmatched_ref(session: AsyncSession, unmatched_id: UUID) -> Ref | None:
    row = (
        await session.execute(
            text("SELECT source, kind, ref FROM unmatched WHERE id = :id FOR UPDATE"), {"id": unmatched_id}
        )
    ).first()
    return Ref(row.source, row.kind, row.ref) if row else None


async def unmatched(
    session: AsyncSession,
    *,
    after: tuple[datetime, UUID] | None,
    limit: int,
    source: str | None,
    shared: SharedDomains,
) -> list[dict[str, Any]]:
    """Oldest first, each with what may help a person to say who it is."""
    rows = (
        await session.execute(
            text("""
            SELECT m.id, m.source, m.kind, m.ref, m.hints::text AS hints, m.first_seen_at, m.last_seen_at,
              (SELECT count(*) FROM parked p WHERE p.unmatched_id = m.id) AS waiting
            FROM unmatched m
            WHERE (CAST(:at AS timestamptz) IS NULL OR (m.first_seen_at, m.id) > (:at, :id))
              AND (CAST(:source AS text) IS NULL OR m.source = :source)
            ORDER BY m.first_seen_at, m.id LIMIT :limit
            """),
            {"at": after[0] if after else None, "id": after[1] if after else None, "limit": limit, "source": source},
        )
    ).all()
    found = await _candidates(session, rows, shared)
    here = World(shared=shared)
    domains = {domain for row in rows for domain in linking.domains_of(json.loads(row.hints)).values()}
    await loading.ask_domains(session, here, domains)
    return [
        {
            "id": row.id,
            "ref": {"source": row.source, "kind": row.kind, "id": row.ref},
            "hints": json.loads(row.hints),
            "reason": linking.why_parked(json.loads(row.hints), here),
            "first_seen_at": row.first_seen_at,
            "last_seen_at": row.last_seen_at,
            "waiting": row.waiting,
            "candidates": found.get(row.id, []),
        }
        for row in rows
    ]


async def _candidates(
    session: AsyncSession, rows: Sequence[Any], shared: SharedDomains
) -> dict[UUID, list[dict[str, Any]]]:
    """Clients of the same domain, then of a person's mail domain, then of the same name; never more than a hint."""
    asked = []
    for row in rows:
        hints = json.loads(row.hints)
        said = {rule: domain for rule, domain in linking.domains_of(hints).items() if domain not in shared}
        asked += [(row.id, 1, "same domain", "domain", said.get(Rule.DOMAIN))]
        asked += [(row.id, 2, "a person's e-mail has its domain", "domain", said.get(Rule.EMAIL_DOMAIN))]
        asked += [(row.id, 3, "same name", "name", hints.get("name"))]
    asked = [one for one in asked if one[4]]
    if not asked:
        return {}
    hits = await session.execute(
        text("""
        SELECT u.id, u.rank, u.reason, c.id AS client_id, c.name, c.domain
        FROM unnest(CAST(:ids AS uuid[]), CAST(:ranks AS int[]), CAST(:reasons AS text[]), CAST(:fields AS text[]),
                    CAST(:wanted AS text[])) AS u(id, rank, reason, field, wanted)
        JOIN LATERAL (
          SELECT id, name, domain FROM clients WHERE u.field = 'domain' AND domain = u.wanted AND merged_into IS NULL
          UNION ALL SELECT id, name, domain FROM clients
          WHERE u.field = 'name' AND name = u.wanted AND merged_into IS NULL
          LIMIT 5) c ON true
        ORDER BY u.id, u.rank, c.id
        """),
        dict(zip(("ids", "ranks", "reasons", "fields", "wanted"), map(list, zip(*asked, strict=True)), strict=True)),
    )
    found: dict[UUID, list[dict[str, Any]]] = {}
    for hit in hits:
        mine = found.setdefault(hit.id, [])
        if hit.client_id not in {one["client_id"] for one in mine}:
            mine.append({"client_id": hit.client_id, "name": hit.name, "domain": hit.domain, "reason": hit.reason})
    return found


async def quarantine(
    session: AsyncSession,
    *,
    after: UUID | None,
    limit: int,
    source: str | None,
    since: datetime | None,
    resolved: bool,
) -> list[dict[str, Any]]:
    """Oldest first."""
    rows = await session.execute(
        text("""
        SELECT id, source, received_at, reason, form, key, kind, resolved_at, outcome FROM quarantine
        WHERE (CAST(:after AS uuid) IS NULL OR id > :after) AND (CAST(:source AS text) IS NULL OR source = :source)
          AND (CAST(:since AS timestamptz) IS NULL OR received_at >= :since)
          AND (resolved_at IS NOT NULL) = :resolved
        ORDER BY id LIMIT :limit
        """),
        {"after": after, "limit": limit, "source": source, "since": since, "resolved": resolved},
    )
    return [dict(row) for row in rows.mappings()]


async def feeds(session: AsyncSession) -> dict[str, dict[str, Any]]:
    rows = await session.execute(
        text("""
        SELECT f.source, f.state, f.last_received_at, f.counts::text AS counts, f.last_refused_at, f.last_refusal,
          f.last_event_at, f.lag_seconds, f.last_failed_at, f.last_failure, f.unknown_types::text AS unknown_types,
          (SELECT count(*) FROM quarantine q WHERE q.source = f.source AND q.resolved_at IS NULL) AS open
        FROM feeds f
        """)
    )
    return {
        row["source"]: {
            **row,
            "counts": json.loads(row["counts"]),
            "unknown_types": json.loads(row["unknown_types"]),
        }
        for row in rows.mappings()
    }

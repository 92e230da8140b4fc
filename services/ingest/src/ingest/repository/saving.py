"""Everything a plan decided, written with one bulk statement a table; rows in id order, so that nobody deadlocks."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from common.contracts.base import Origin
from common.contracts.ids import derived_id
from common.db import fetch
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from ingest.domain.linking import domains_of
from ingest.domain.plan import Circumstance, Parked, Plan, Words
from ingest.domain.refs import Ref
from ingest.domain.statement import dump, load
from ingest.repository import ledger
from ingest.repository.loading import person_json

FASTEST = 1

_CLIENTS = text("""
INSERT INTO clients (id, created_at, name, domain, profile, said_at, live_since)
SELECT u.id, u.created_at, u.name, u.domain, u.profile::jsonb, u.said_at::jsonb, u.live_since::jsonb
FROM unnest(CAST(:ids AS uuid[]), CAST(:created AS timestamptz[]), CAST(:names AS text[]), CAST(:domains AS text[]),
            CAST(:profiles AS text[]), CAST(:saids AS text[]), CAST(:lives AS text[]))
     AS u(id, created_at, name, domain, profile, said_at, live_since)
ON CONFLICT (id) DO UPDATE SET name = excluded.name, domain = excluded.domain, profile = excluded.profile,
  said_at = excluded.said_at, live_since = excluded.live_since
""")
_REFS = text("""
INSERT INTO refs AS r (source, kind, id, client_id, alias, linked_at, linked_by, explicit, through)
SELECT u.source, u.kind, u.id, u.client_id, u.alias, :at, coalesce(u.by, :by), u.explicit, u.through
FROM unnest(CAST(:sources AS text[]), CAST(:kinds AS text[]), CAST(:ids AS text[]), CAST(:clients AS uuid[]),
            CAST(:aliases AS text[]), CAST(:bys AS text[]), CAST(:explicits AS boolean[]), CAST(:throughs AS text[]))
     AS u(source, kind, id, client_id, alias, by, explicit, through)
ON CONFLICT (source, kind, id) DO UPDATE SET client_id = excluded.client_id, alias = excluded.alias,
  explicit = r.explicit OR excluded.explicit,
  linked_at = CASE WHEN r.client_id = excluded.client_id THEN r.linked_at ELSE excluded.linked_at END,
  linked_by = CASE WHEN r.client_id = excluded.client_id THEN r.linked_by ELSE excluded.linked_by END,
  through = CASE WHEN r.client_id = excluded.client_id THEN r.through ELSE excluded.through END
""")
_CONTACTS = text("""
INSERT INTO contacts (client_id, contact_id, person)
SELECT u.client_id, u.contact_id, u.person::jsonb
FROM unnest(CAST(:clients AS uuid[]), CAST(:contacts AS text[]), CAST(:people AS text[]))
     AS u(client_id, contact_id, person)
ON CONFLICT (client_id, contact_id) DO UPDATE SET person = excluded.person
""")
_TEXTS = text("""
INSERT INTO texts (id, client_id, contact_id, said_at, body)
SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:clients AS uuid[]), CAST(:contacts AS text[]),
                     CAST(:times AS timestamptz[]), CAST(:bodies AS bytea[]))
ON CONFLICT DO NOTHING
""")
_UNMATCHED = text("""
INSERT INTO unmatched (id, source, kind, ref, hints, first_seen_at, last_seen_at)
SELECT u.id, u.source, u.kind, u.ref, u.hints::jsonb, u.seen_at, u.seen_at
FROM unnest(CAST(:ids AS uuid[]), CAST(:sources AS text[]), CAST(:kinds AS text[]), CAST(:refs AS text[]),
            CAST(:hints AS text[]), CAST(:seen AS timestamptz[])) AS u(id, source, kind, ref, hints, seen_at)
ON CONFLICT (id) DO UPDATE SET hints = unmatched.hints || excluded.hints,
  last_seen_at = greatest(unmatched.last_seen_at, excluded.last_seen_at)
""")
_PARKED = text("""
INSERT INTO parked (event_id, unmatched_id, refs, source, sequence, received_at, origin, raw_day, raw_id, statement,
                    domains)
SELECT u.event_id, u.unmatched_id, string_to_array(u.refs, chr(31)), u.source, u.sequence, u.received_at, u.origin,
       u.raw_day, u.raw_id, u.statement::jsonb, string_to_array(u.domains, ' ')
FROM unnest(CAST(:event_ids AS uuid[]), CAST(:unmatched AS uuid[]), CAST(:refs AS text[]), CAST(:sources AS text[]),
            CAST(:sequences AS int[]), CAST(:received AS timestamptz[]), CAST(:origins AS text[]),
            CAST(:raw_days AS date[]), CAST(:raw_ids AS uuid[]), CAST(:statements AS text[]),
            CAST(:domains AS text[]))
     AS u(event_id, unmatched_id, refs, source, sequence, received_at, origin, raw_day, raw_id, statement, domains)
ON CONFLICT DO NOTHING
""")
_WAITING = text("""
SELECT event_id, unmatched_id, source, sequence, received_at, origin, raw_day, raw_id, statement::text AS statement
FROM parked WHERE refs && CAST(:refs AS text[]) OR domains && CAST(:domains AS text[]) ORDER BY event_id FOR UPDATE
""")
_PARKED_AS = text("""
SELECT event_id, unmatched_id, source, sequence, received_at, origin, raw_day, raw_id, statement::text AS statement
FROM parked WHERE event_id = ANY(:ids) ORDER BY event_id FOR UPDATE
""")
_UNPARK = text("""
WITH gone AS (DELETE FROM parked WHERE event_id = ANY(:events) RETURNING unmatched_id)
DELETE FROM unmatched m WHERE m.id IN (SELECT unmatched_id FROM gone)
  AND NOT EXISTS (SELECT 1 FROM parked p WHERE p.unmatched_id = m.id AND p.event_id <> ALL(:events))
""")
_RAW = """
INSERT INTO raw_bodies (day, id, source, received_at, headers, body, client_ids)
SELECT $1, u.id, u.source, u.received_at, u.headers::jsonb, u.body, CAST(string_to_array(u.clients, ',') AS uuid[])
FROM unnest($2::uuid[], $3::text[], $4::timestamptz[], $5::text[], $6::bytea[], $7::text[])
  AS u(id, source, received_at, headers, body, clients)
"""
_RAW_NAMES = text("""
UPDATE raw_bodies b SET client_ids = b.client_ids || u.client_id
FROM unnest(CAST(:days AS date[]), CAST(:ids AS uuid[]), CAST(:clients AS uuid[])) AS u(day, id, client_id)
WHERE b.day = u.day AND b.id = u.id AND u.client_id <> ALL(b.client_ids)
""")
_SPANS = text("""
INSERT INTO import_spans (client_id, starts_at, ends_at)
SELECT * FROM unnest(CAST(:clients AS uuid[]), CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[]))
ON CONFLICT (client_id) DO UPDATE SET starts_at = least(import_spans.starts_at, excluded.starts_at),
  ends_at = greatest(import_spans.ends_at, excluded.ends_at)
""")


@dataclass(frozen=True, slots=True)
class RawBody:
    """A post as it came, to be kept."""

    id: UUID
    source: str
    received_at: datetime
    headers: Mapping[str, str]
    body: bytes


async def save(session: AsyncSession, plan: Plan, *, now: datetime, by: str) -> None:
    """Write a plan. `by`: who linked refs, for the audit."""
    await _clients(session, plan)
    await _refs(session, plan, now, by)
    await _people(session, plan)
    await _texts(session, plan.words)
    await _park(session, plan.parked)
    await _spans(session, plan)
    await ledger.say(session, plan.said)


async def _clients(session: AsyncSession, plan: Plan) -> None:
    changed = sorted((c for c in plan.world.clients.values() if c.changed), key=lambda c: c.id)
    if changed:
        await session.execute(
            _CLIENTS,
            {
                "ids": [c.id for c in changed],
                "created": [c.created_at for c in changed],
                "names": [c.profile.get("name") for c in changed],
                "domains": [c.domain for c in changed],
                "profiles": [_json(c.profile) for c in changed],
                "saids": [_json(c.said_at) for c in changed],
                "lives": [_json(c.live_since) for c in changed],
            },
        )


async def _refs(session: AsyncSession, plan: Plan, now: datetime, by: str) -> None:
    rows = sorted(plan.linked.items())
    if rows:
        await session.execute(
            _REFS,
            {
                "sources": [ref.source for ref, _ in rows],
                "kinds": [ref.kind for ref, _ in rows],
                "ids": [ref.id for ref, _ in rows],
                "clients": [owner.client_id for _, owner in rows],
                "aliases": [owner.alias for _, owner in rows],
                "bys": [owner.by for _, owner in rows],
                "explicits": [owner.explicit for _, owner in rows],
                "throughs": [str(owner.through) if owner.through else None for _, owner in rows],
                "at": now,
                "by": by,
            },
        )


async def _people(session: AsyncSession, plan: Plan) -> None:
    keys = sorted(plan.people)
    if keys:
        await session.execute(
            _CONTACTS,
            {
                "clients": [client_id for client_id, _ in keys],
                "contacts": [contact for _, contact in keys],
                "people": [person_json(plan.world.people[key]) for key in keys],
            },
        )


async def _texts(session: AsyncSession, words: Sequence[Words]) -> None:
    if words:
        await session.execute(
            _TEXTS,
            {
                "ids": [w.ref for w in words],
                "clients": [w.client_id for w in words],
                "contacts": [w.contact_id for w in words],
                "times": [w.said_at for w in words],
                "bodies": [pack(w.text.encode("utf-8", "replace")) for w in words],
            },
        )


def unmatched_id(ref: Ref) -> UUID:
    return derived_id("unmatched", ref.source, ref.kind, ref.id)


async def _park(session: AsyncSession, parked: Sequence[Parked]) -> None:
    if not parked:
        return
    shown: dict[Ref, tuple[dict[str, str], datetime]] = {}
    for p in parked:
        hints, seen = shown.get(p.shown_as, ({}, p.how.received_at))
        shown[p.shown_as] = ({**hints, **p.statement.hints}, max(seen, p.how.received_at))
    refs = sorted(shown, key=unmatched_id)
    await session.execute(
        _UNMATCHED,
        {
            "ids": [unmatched_id(ref) for ref in refs],
            "sources": [ref.source for ref in refs],
            "kinds": [ref.kind for ref in refs],
            "refs": [ref.id for ref in refs],
            "hints": [_json(shown[ref][0]) for ref in refs],
            "seen": [shown[ref][1] for ref in refs],
        },
    )
    await session.execute(_PARKED, _parked_rows(sorted(parked, key=lambda p: p.how.id)))


def _parked_rows(rows: Sequence[Parked]) -> dict[str, list[Any]]:
    return {
        "event_ids": [p.how.id for p in rows],
        "unmatched": [unmatched_id(p.shown_as) for p in rows],
        "refs": ["\x1f".join(str(ref) for ref in p.statement.refs) for p in rows],
        "sources": [p.how.source for p in rows],
        "sequences": [p.how.sequence for p in rows],
        "received": [p.how.received_at for p in rows],
        "origins": [p.how.origin.value for p in rows],
        "raw_days": [p.how.raw[0] if p.how.raw else None for p in rows],
        "raw_ids": [p.how.raw[1] if p.how.raw else None for p in rows],
        "statements": [_json(dump(p.statement)) for p in rows],
        "domains": [" ".join(sorted(set(domains_of(p.statement.hints).values()))) for p in rows],
    }


async def waiting(session: AsyncSession, refs: Sequence[Ref], domains: Iterable[str] = ()) -> list[Parked]:
    """What waits for any of these refs, or came with one of these domains; locked."""
    rows = await session.execute(_WAITING, {"refs": [str(ref) for ref in refs], "domains": list(domains)})
    return [_parked(row) for row in rows]


async def parked_as(session: AsyncSession, event_ids: Sequence[UUID]) -> list[Parked]:
    """What waits under these ids, locked."""
    rows = await session.execute(_PARKED_AS, {"ids": list(event_ids)})
    return [_parked(row) for row in rows]


def _parked(row: Any) -> Parked:
    statement = load(json.loads(row.statement))
    how = Circumstance(
        source=row.source,
        id=row.event_id,
        sequence=row.sequence,
        received_at=row.received_at,
        origin=Origin(row.origin),
        raw=(row.raw_day, row.raw_id) if row.raw_id else None,
    )
    return Parked(statement, how, statement.shown_as or statement.refs[0])


async def unpark(session: AsyncSession, released: Sequence[Parked]) -> None:
    """Forget what was released; an unmatched ref for which nothing waits any more goes, too."""
    if released:
        await session.execute(_UNPARK, {"events": [p.how.id for p in released]})


async def _spans(session: AsyncSession, plan: Plan) -> None:
    rows = sorted(plan.spans.items())
    if rows:
        await session.execute(
            _SPANS,
            {
                "clients": [client_id for client_id, _ in rows],
                "starts": [span[0] for _, span in rows],
                "ends": [span[1] for _, span in rows],
            },
        )


async def keep_raw(
    session: AsyncSession, bodies: Sequence[RawBody], named: Mapping[UUID, set[UUID]], day: date
) -> None:
    """Store posts as they came, with the clients that each names (erasure and replay ask for them)."""
    if bodies:
        clients = [",".join(map(str, sorted(named.get(b.id, ())))) for b in bodies]
        await fetch(
            session, _RAW, day, [b.id for b in bodies], [b.source for b in bodies], [b.received_at for b in bodies],
            [_json(b.headers) for b in bodies], [pack(b.body) for b in bodies], clients,
        )  # fmt: skip


async def name_raw(session: AsyncSession, named: Mapping[tuple[date, UUID], set[UUID]]) -> None:
    """Bodies stored earlier name a client since now: what was parked has found it."""
    rows = [(day, raw_id, client_id) for (day, raw_id), ids in named.items() for client_id in sorted(ids)]
    if rows:
        await session.execute(
            _RAW_NAMES,
            {"days": [r[0] for r in rows], "ids": [r[1] for r in rows], "clients": [r[2] for r in rows]},
        )


def pack(raw: bytes) -> bytes:
    return zlib.compress(raw, FASTEST)


def unpack(packed: bytes) -> bytes:
    return zlib.decompress(packed)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

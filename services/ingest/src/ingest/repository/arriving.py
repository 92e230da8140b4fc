"""Dedup keys and the quarantine: what keeps a post from counting twice, or from being lost."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from common.db import fetch
from common.errors import NotFound
from common.outbox import joined, listed
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from ingest.repository.saving import pack, unpack

DEDUP_KEPT = timedelta(days=30)
"""Vendors retry for up to three."""
EXPIRE_AT_ONCE = 5_000

_FRESH = """
WITH new AS (
  INSERT INTO dedup_keys (source, key, seen_at)
  SELECT u.source, decode(u.key, 'hex'), $1
  FROM unnest(string_to_array($2, chr(31)), CAST($3::text AS text[])) AS u(source, key)
  ON CONFLICT DO NOTHING RETURNING key)
SELECT string_agg(key, '') FROM new
"""
_EXPIRE = text("""
DELETE FROM dedup_keys WHERE (source, key) IN (
  SELECT source, key FROM dedup_keys WHERE seen_at < :before LIMIT :limit)
""")
_QUARANTINE = text("""
INSERT INTO quarantine (id, source, received_at, reason, form, key, kind, headers, body)
SELECT u.id, u.source, u.received_at, u.reason, u.form, u.key, u.kind, u.headers::jsonb, u.body
FROM unnest(CAST(:ids AS uuid[]), CAST(:sources AS text[]), CAST(:received AS timestamptz[]), CAST(:reasons AS text[]),
            CAST(:forms AS text[]), CAST(:keys AS text[]), CAST(:kinds AS text[]), CAST(:headers AS text[]),
            CAST(:bodies AS bytea[]))
     AS u(id, source, received_at, reason, form, key, kind, headers, body)
""")
_ONE = text("""
SELECT id, source, received_at, reason, form, key, kind, headers::text AS headers, body, resolved_at, outcome
FROM quarantine WHERE id = :id
""")


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A body (`form` body), or one event of a body (`form` event), that could not be read."""

    id: UUID
    source: str
    received_at: datetime
    reason: str
    form: str
    body: bytes
    headers: Mapping[str, str]
    key: str | None = None
    kind: str | None = None
    resolved_at: datetime | None = None
    outcome: str | None = None


DIGEST_BYTES = 16


def digest(source: str, key: str) -> bytes:
    """Tells keys of all sources apart."""
    return hashlib.sha256(f"{source}\x1f{key}".encode("utf-8", "replace")).digest()[:DIGEST_BYTES]


async def fresh(session: AsyncSession, keys: Mapping[bytes, str], at: datetime) -> set[bytes]:
    """Take these keys (digest → source); returns those that nobody had taken.

    A concurrent twin waits here for the first to commit. The answer is one value: a row a key would cost more than the
    keys do.
    """
    if not keys:
        return set()
    ordered = sorted(keys)
    sources, written = joined([keys[key] for key in ordered]), listed([key.hex() for key in ordered])
    [(taken,)] = await fetch(session, _FRESH, at, sources, written)
    told: bytes = taken or b""
    if len(told) == len(ordered) * DIGEST_BYTES:
        return set(ordered)
    return {told[start : start + DIGEST_BYTES] for start in range(0, len(told), DIGEST_BYTES)}


async def expire(session: AsyncSession, now: datetime) -> int:
    """Forget one batch of keys that are older than any vendor's retries; returns how many."""
    done: Any = await session.execute(_EXPIRE, {"before": now - DEDUP_KEPT, "limit": EXPIRE_AT_ONCE})
    return int(done.rowcount)


async def quarantine(session: AsyncSession, rows: Sequence[Quarantined]) -> None:
    if rows:
        await session.execute(
            _QUARANTINE,
            {
                "ids": [r.id for r in rows],
                "sources": [r.source for r in rows],
                "received": [r.received_at for r in rows],
                "reasons": [r.reason.replace("\x00", "")[:1000] for r in rows],
                "forms": [r.form for r in rows],
                "keys": [r.key for r in rows],
                "kinds": [r.kind for r in rows],
                "headers": [json.dumps(dict(r.headers)) for r in rows],
                "bodies": [pack(r.body) for r in rows],
            },
        )


async def quarantined(session: AsyncSession, id_: UUID, *, lock: bool = False) -> Quarantined:
    """Raises NotFound."""
    row = (await session.execute(text(_ONE.text + " FOR UPDATE") if lock else _ONE, {"id": id_})).mappings().first()
    if row is None:
        raise NotFound("no such quarantined body")
    found = {**row, "headers": json.loads(row["headers"]), "body": unpack(row["body"])}
    return Quarantined(**found)


async def resolve(session: AsyncSession, id_: UUID, *, outcome: str, at: datetime) -> None:
    await session.execute(
        text("UPDATE quarantine SET resolved_at = :at, outcome = :outcome WHERE id = :id"),
        {"id": id_, "at": at, "outcome": outcome},
    )

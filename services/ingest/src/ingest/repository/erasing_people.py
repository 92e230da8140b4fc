"""Taking a person out of every table of ours. Scans: erasures are rare, and indexes would cost every accept."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import orjson
from common import inbox
from common.contracts import registry
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from ingest.domain.forgetting import address_ref, digest_of
from ingest.domain.moving import PEOPLE_TYPES
from ingest.domain.refs import Ref
from ingest.domain.traces import Traces
from ingest.domain.world import Person
from ingest.repository.loading import digest
from ingest.repository.saving import pack, unpack

AT_ONCE = 500
"""Bodies in memory at a time."""


@dataclass(frozen=True, slots=True)
class Held:
    """A raw body that may name the person: its client's, or one of which nobody knows whose it is."""

    day: date
    id: UUID
    source: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Row:
    """A body in the quarantine."""

    id: UUID
    source: str
    body: bytes


async def clients_with(
    session: AsyncSession, contact_id: str, client_id: UUID | None, source: str | None
) -> list[UUID]:
    """Clients that have a contact of this id (known by it at `source`), each by the id it goes on under."""
    rows = await session.scalars(
        text("""
        WITH RECURSIVE up (id, at) AS (
          SELECT client_id, client_id FROM contacts WHERE contact_id = :contact
          UNION SELECT up.id, c.merged_into FROM up JOIN clients c ON c.id = up.at AND c.merged_into IS NOT NULL)
        SELECT DISTINCT at FROM up JOIN clients c ON c.id = up.at AND c.merged_into IS NULL
        WHERE (CAST(:client AS uuid) IS NULL OR :client IN (up.id, up.at))
          AND (CAST(:source AS text) IS NULL OR EXISTS (
            SELECT 1 FROM refs r WHERE r.client_id = up.at AND r.source = :source AND r.id = :contact))
        ORDER BY at
        """),
        {"contact": contact_id, "client": client_id, "source": source},
    )
    return list(rows)


async def is_forgotten(session: AsyncSession, digest_: str, client_id: UUID | None) -> bool:
    found = await session.scalar(
        text(
            "SELECT 1 FROM clients WHERE jsonb_exists(forgotten, :digest)"
            " AND (CAST(:client AS uuid) IS NULL OR id = :client) LIMIT 1"
        ),
        {"digest": digest_, "client": client_id},
    )
    return found is not None


async def people(session: AsyncSession, client_id: UUID) -> dict[str, Person]:
    rows = await session.execute(
        text("SELECT contact_id, person::text AS person FROM contacts WHERE client_id = :id"), {"id": client_id}
    )
    return {row.contact_id: Person(**orjson.loads(row.person)) for row in rows}


async def bodies_that_may_name(session: AsyncSession, family: Collection[UUID]) -> AsyncIterator[Held]:
    """Raw bodies of these clients, and those of nobody known, some at a time."""
    after: tuple[date, UUID] = (date.min, UUID(int=0))
    while True:
        rows = (
            await session.execute(
                text(
                    "SELECT day, id, source, body FROM raw_bodies WHERE (day, id) > (:day, :id)"
                    " AND (client_ids && CAST(:family AS uuid[]) OR cardinality(client_ids) = 0)"
                    " ORDER BY day, id LIMIT :limit"
                ),
                {"day": after[0], "id": after[1], "family": sorted(family), "limit": AT_ONCE},
            )
        ).all()
        for row in rows:
            yield Held(row.day, row.id, row.source, unpack(row.body))
        if len(rows) < AT_ONCE:
            return
        after = (rows[-1].day, rows[-1].id)


async def rewrite_raw(session: AsyncSession, held: Held, body: bytes | None) -> None:
    where: dict[str, Any] = {"day": held.day, "id": held.id}
    if body is None:
        await session.execute(text("DELETE FROM raw_bodies WHERE day = :day AND id = :id"), where)
    else:
        await session.execute(
            text("UPDATE raw_bodies SET body = :body WHERE day = :day AND id = :id"), {**where, "body": pack(body)}
        )


async def unhook(session: AsyncSession, bodies: Collection[UUID]) -> None:
    """Bodies that no longer hold all that was said from them: no replay is to take it back for that."""
    await session.execute(
        text("UPDATE said SET raw_day = NULL, raw_id = NULL WHERE raw_id = ANY(:ids)"), {"ids": sorted(bodies)}
    )


async def quarantined(session: AsyncSession) -> list[Row]:
    rows = await session.execute(text("SELECT id, source, body FROM quarantine ORDER BY id"))
    return [Row(row.id, row.source, unpack(row.body)) for row in rows]


async def drop_quarantined(session: AsyncSession, id_: UUID) -> None:
    await session.execute(text("DELETE FROM quarantine WHERE id = :id"), {"id": id_})


async def rewrite_quarantined(session: AsyncSession, id_: UUID, body: bytes | None) -> None:
    if body is None:
        await drop_quarantined(session, id_)
    else:
        await session.execute(
            text("UPDATE quarantine SET body = :body WHERE id = :id"), {"id": id_, "body": pack(body)}
        )


async def clear_words(session: AsyncSession, traces: Traces, family: Collection[UUID]) -> int:
    """Their own words go; in other people's words their name and address do. Returns how many texts changed."""
    gone = await session.scalars(
        text("DELETE FROM texts WHERE client_id = ANY(:family) AND contact_id = ANY(:ids) RETURNING id"),
        {"family": sorted(family), "ids": sorted(traces.names)},
    )
    changed = len(list(gone))
    rows = await session.execute(
        text("SELECT id, body FROM texts WHERE client_id = ANY(:ids)"), {"ids": sorted(family)}
    )
    for row in rows.all():
        words = unpack(row.body)
        masked = traces.masked_bytes(words)
        if masked != words:
            changed += 1
            await session.execute(
                text("UPDATE texts SET body = :body WHERE id = :id"), {"id": row.id, "body": pack(masked)}
            )
    return changed


async def clear_parked(session: AsyncSession, traces: Traces) -> int:
    """What waits and is about them goes; what shows them as a hint does not any more. Returns how many went."""
    from ingest.domain.statement import load

    rows = (await session.execute(text("SELECT event_id, statement::text AS statement FROM parked"))).all()
    gone = [row.event_id for row in rows if traces.is_about(load(json.loads(row.statement)))]
    await session.execute(
        text("""
        WITH gone AS (DELETE FROM parked WHERE event_id = ANY(:events) RETURNING unmatched_id)
        DELETE FROM unmatched m WHERE m.id IN (SELECT unmatched_id FROM gone)
          AND NOT EXISTS (SELECT 1 FROM parked p WHERE p.unmatched_id = m.id AND p.event_id <> ALL(:events))
        """),
        {"events": gone},
    )
    await _mask(session, traces, "parked", "event_id", "statement")
    await _mask(session, traces, "unmatched", "id", "hints")
    return len(gone)


async def clear_ledger(session: AsyncSession, traces: Traces, family: Collection[UUID]) -> None:
    """A pseudonym in place of the ids; and no way back to bodies that no longer hold what was said."""
    quoted = [orjson.dumps(one).decode() for one in traces.names]
    rows = await session.execute(
        text(
            "SELECT client_id, root_id, data FROM said WHERE client_id = ANY(:family)"
            " AND EXISTS (SELECT 1 FROM unnest(CAST(:quoted AS text[])) q WHERE position(q in data) > 0)"
        ),
        {"family": sorted(family), "quoted": quoted},
    )
    found = [(r.client_id, r.root_id, inbox.renamed(orjson.loads(r.data), traces.names)) for r in rows]
    await session.execute(
        text(
            "UPDATE said s SET data = u.data, raw_day = NULL, raw_id = NULL"
            " FROM unnest(CAST(:clients AS uuid[]), CAST(:roots AS uuid[]), CAST(:datas AS text[]))"
            " AS u(client_id, root_id, data) WHERE s.client_id = u.client_id AND s.root_id = u.root_id"
        ),
        {
            "clients": [client_id for client_id, _, _ in found],
            "roots": [root for _, root, _ in found],
            "datas": [orjson.dumps(data).decode() for _, _, data in found],
        },
    )


async def rewrite_outbox(session: AsyncSession, traces: Traces, family: Collection[UUID]) -> None:
    """Events that wait, or are kept for a republishing, go out under the same ids, without the person."""
    rows = await session.execute(
        text("SELECT day, seq, body FROM outbox WHERE key = ANY(:keys)"), {"keys": sorted(map(str, family))}
    )
    for row in rows.all():
        body = bytes(row.body)
        event = orjson.loads(body)
        told = event.get("data") or {}
        if event.get("type") in PEOPLE_TYPES and told.get("contact_id") in traces.names:
            personal = registry.body(event["type"]).personal_fields()
            event["data"] = {name: value for name, value in told.items() if name not in personal}
        event["data"] = traces.masked_json(inbox.renamed(event.get("data"), traces.names))
        rewritten = orjson.dumps(event)
        if rewritten != orjson.dumps(orjson.loads(body)):
            await session.execute(
                text("UPDATE outbox SET body = :body WHERE day = :day AND seq = :seq"),
                {"day": row.day, "seq": row.seq, "body": rewritten},
            )


async def clear_the_rest(session: AsyncSession, traces: Traces) -> None:
    """Their refs go on under the pseudonym (what they told can still be moved); reports and answers name nobody."""
    for ref in sorted(traces.refs):
        new = Ref(ref.source, ref.kind, traces.names[ref.id])
        names = {"old": str(ref), "new": str(new), "source": ref.source, "kind": ref.kind, "id": ref.id, "name": new.id}
        for statement in _RENAME:
            await session.execute(statement, names)
    await session.execute(
        text("DELETE FROM enrichments e USING unnest(CAST(:sources AS text[]), CAST(:ids AS text[])) AS u(source, id)"
             " WHERE e.source = u.source AND e.id = u.id"),
        {"sources": [ref.source for ref in traces.refs], "ids": [ref.id for ref in traces.refs]},
    )  # fmt: skip
    for token in sorted(traces.tokens):
        await session.execute(
            text("DELETE FROM idempotency_keys WHERE position(lower(:token) in lower(encode(body, 'escape'))) > 0"),
            {"token": token},
        )
    for table, column in (("audit", "detail"), ("replays", "samples"), ("replays", "preview")):
        await _mask(session, traces, table, "id", column)
    rows = await session.execute(text("SELECT import_id, line, reason FROM import_refusals"))
    for row in rows.all():
        if (masked := traces.masked(row.reason)) != row.reason:
            await session.execute(
                text("UPDATE import_refusals SET reason = :reason WHERE import_id = :id AND line = :line"),
                {"id": row.import_id, "line": row.line, "reason": masked},
            )


_RENAME = (
    text("UPDATE refs SET id = :name WHERE source = :source AND kind = :kind AND id = :id"),
    text("UPDATE refs SET through = :new WHERE through = :old"),
    text("UPDATE said SET via = :new WHERE via = :old"),
    text("UPDATE merges SET refs = array_replace(refs, :old, :new) WHERE :old = ANY(refs)"),
    text("UPDATE moves SET refs = array_replace(refs, :old, :new) WHERE :old = ANY(refs)"),
)


async def _mask(session: AsyncSession, traces: Traces, table: str, key: str, column: str) -> None:
    found = f"SELECT {key} AS key, {column}::text AS value FROM {table} WHERE {column} IS NOT NULL"  # noqa: S608  (names of ours)
    rows = await session.execute(text(found))
    for row in rows.all():
        value = json.loads(row.value)
        masked = traces.masked_json(value)
        if masked != value:
            await session.execute(
                text(f"UPDATE {table} SET {column} = CAST(:value AS jsonb) WHERE {key} = :key"),  # noqa: S608  (names of ours)
                {"key": row.key, "value": json.dumps(masked)},
            )


async def remember(session: AsyncSession, traces: Traces, family: Collection[UUID], at: datetime) -> None:
    """Delete the contacts; digests of their ids and addresses stay, so that nothing brings them back."""
    await session.execute(
        text("DELETE FROM contacts WHERE client_id = ANY(:family) AND contact_id = ANY(:ids)"),
        {"family": sorted(family), "ids": sorted(traces.names)},
    )
    emails = {person.email for person in traces.people if person.email}
    digests = {digest_of(one): at.isoformat() for one in (*traces.names, *emails)}
    await session.execute(
        text(
            "UPDATE clients SET forgotten = coalesce(forgotten, '{}'::jsonb) || CAST(:digests AS jsonb)"
            " WHERE id = ANY(:family)"
        ),
        {"family": sorted(family), "digests": json.dumps(digests)},
    )
    gone = {*traces.refs, *(address_ref(email) for email in emails)}
    await session.execute(
        text(
            "INSERT INTO erased_refs (digest, erased_at, times) SELECT u, :at, 1"
            " FROM unnest(CAST(:digests AS bytea[])) u ON CONFLICT (digest) DO NOTHING"
        ),
        {"digests": sorted(digest(ref) for ref in gone), "at": at},
    )


def scalars(value: Any) -> Iterator[Any]:
    """Every string and number inside a JSON value."""
    if isinstance(value, Mapping):
        for part in value.values():
            yield from scalars(part)
    elif isinstance(value, list):
        for part in value:
            yield from scalars(part)
    else:
        yield value

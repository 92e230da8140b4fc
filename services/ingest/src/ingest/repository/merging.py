"""Rows of merged clients and moved links."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from common.errors import NotFound
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from ingest.domain.refs import Ref, parse_ref
from ingest.domain.world import Client, Person

_CARRY_PEOPLE = """
INSERT INTO contacts (client_id, contact_id, person)
SELECT :into, contact_id, person FROM contacts WHERE client_id = :from_id AND contact_id = ANY(:ids)
ON CONFLICT (client_id, contact_id) DO UPDATE SET person = """
_BROUGHT_FIRST = "contacts.person || jsonb_strip_nulls(excluded.person)"
_KNOWN_FIRST = "excluded.person || jsonb_strip_nulls(contacts.person)"


@dataclass(frozen=True, slots=True)
class Merge:
    """A merge that stands: what the one client brought, and what the other was before."""

    id: UUID
    from_client_id: UUID
    into_client_id: UUID
    refs: frozenset[Ref]
    contacts: frozenset[str]
    """People of the one that the other did not have."""
    before: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Move:
    """Refs on their way to another client, with all that they made us say."""

    id: UUID
    from_client_id: UUID
    into_client_id: UUID
    refs: frozenset[Ref]
    finished: bool = False


async def through(session: AsyncSession, client_id: UUID) -> dict[Ref, str | None]:
    """A client's refs, each with the ref that told whose it is."""
    rows = await session.execute(
        text("SELECT source, kind, id, through FROM refs WHERE client_id = :id"), {"id": client_id}
    )
    return {Ref(row.source, row.kind, row.id): row.through for row in rows}


async def merged_into(session: AsyncSession, client_id: UUID) -> UUID | None:
    """The client it is merged into. Raises NotFound for an id that no client has."""
    row = (await session.execute(text("SELECT merged_into FROM clients WHERE id = :id"), {"id": client_id})).first()
    if row is None:
        raise NotFound("no such client")
    found: UUID | None = row.merged_into
    return found


async def hand_over(session: AsyncSession, refs: Collection[Ref], into: UUID) -> None:
    """Give refs to a client."""
    await session.execute(
        text("""
        UPDATE refs r SET client_id = :into
        FROM unnest(CAST(:sources AS text[]), CAST(:kinds AS text[]), CAST(:ids AS text[])) AS u(source, kind, id)
        WHERE r.source = u.source AND r.kind = u.kind AND r.id = u.id
        """),
        {
            "into": into,
            "sources": [ref.source for ref in refs],
            "kinds": [ref.kind for ref in refs],
            "ids": [ref.id for ref in refs],
        },
    )


async def said_by_person(session: AsyncSession, ref: Ref, *, by: str, at: datetime) -> None:
    """A person said whose this ref is: no source takes it away, and it hangs on no other."""
    await session.execute(
        text(
            "UPDATE refs SET explicit = true, through = NULL, linked_by = :by, linked_at = :at"
            " WHERE source = :source AND kind = :kind AND id = :id"
        ),
        {"by": by, "at": at, "source": ref.source, "kind": ref.kind, "id": ref.id},
    )


async def unsettle(session: AsyncSession, client_id: UUID) -> None:
    """Refs were taken from it: whoever read them before looks again."""
    await session.execute(
        text("UPDATE clients SET unlinked_in = pg_current_xact_id()::text::bigint WHERE id = :id"), {"id": client_id}
    )


async def point(session: AsyncSession, client_id: UUID, into: UUID | None) -> None:
    """Under which client it goes on; None: under its own id again."""
    await session.execute(
        text("UPDATE clients SET merged_into = :into, unlinked_in = pg_current_xact_id()::text::bigint WHERE id = :id"),
        {"id": client_id, "into": into},
    )


async def remember_forgotten(session: AsyncSession, who: Client) -> None:
    await session.execute(
        text("UPDATE clients SET forgotten = CAST(:forgotten AS jsonb) WHERE id = :id"),
        {"id": who.id, "forgotten": json.dumps(dict(who.forgotten)) if who.forgotten else None},
    )


async def people(session: AsyncSession, client_id: UUID, contacts: Collection[str]) -> dict[str, Person]:
    rows = await session.execute(
        text(
            "SELECT contact_id, person::text AS person FROM contacts WHERE client_id = :id AND contact_id = ANY(:ids)"
        ),
        {"id": client_id, "ids": sorted(contacts)},
    )
    return {row.contact_id: Person(**orjson.loads(row.person)) for row in rows}


async def share_people(session: AsyncSession, from_id: UUID, into_id: UUID) -> list[str]:
    """Let one client have the people of another, too; returns those that it did not have."""
    rows = await session.scalars(
        text(
            "INSERT INTO contacts (client_id, contact_id, person)"
            " SELECT :into, contact_id, person FROM contacts WHERE client_id = :from_id"
            " ON CONFLICT DO NOTHING RETURNING contact_id"
        ),
        {"from_id": from_id, "into": into_id},
    )
    return list(rows)


async def carry_people(
    session: AsyncSession, from_id: UUID, into_id: UUID, contacts: Collection[str], *, newer: bool
) -> None:
    """The same for some people. `newer`: what is brought counts more than what is known there."""
    merged = _BROUGHT_FIRST if newer else _KNOWN_FIRST
    await session.execute(text(_CARRY_PEOPLE + merged), {"from_id": from_id, "into": into_id, "ids": sorted(contacts)})


async def drop_people(session: AsyncSession, client_id: UUID, contacts: Collection[str]) -> None:
    await session.execute(
        text("DELETE FROM contacts WHERE client_id = :id AND contact_id = ANY(:ids)"),
        {"id": client_id, "ids": sorted(contacts)},
    )


async def carry_words(session: AsyncSession, into_id: UUID, texts: Sequence[UUID], imported: Sequence[UUID]) -> None:
    """Words, and what imports brought, are the other client's from now on."""
    await session.execute(
        text("UPDATE texts SET client_id = :into WHERE id = ANY(:ids)"), {"into": into_id, "ids": list(texts)}
    )
    await session.execute(
        text("UPDATE imported_ids SET client_id = :into WHERE id = ANY(:ids)"), {"into": into_id, "ids": list(imported)}
    )


async def keep_merge(session: AsyncSession, merge: Merge, at: datetime) -> None:
    await session.execute(
        text(
            "INSERT INTO merges (id, from_client_id, into_client_id, merged_at, refs, contacts, before)"
            " VALUES (:id, :from_id, :into, :at, :refs, :contacts, CAST(:before AS jsonb))"
        ),
        {
            "id": merge.id, "from_id": merge.from_client_id, "into": merge.into_client_id, "at": at,
            "refs": sorted(map(str, merge.refs)), "contacts": sorted(merge.contacts),
            "before": json.dumps(dict(merge.before)),
        },
    )  # fmt: skip


async def standing(session: AsyncSession, into_id: UUID) -> list[Merge]:
    """Merges into a client that were not taken back, the first one first."""
    rows = await session.execute(
        text(
            "SELECT id, from_client_id, into_client_id, refs, contacts, before::text AS before FROM merges"
            " WHERE into_client_id = :into AND undone_at IS NULL ORDER BY id"
        ),
        {"into": into_id},
    )
    return [
        Merge(
            row.id, row.from_client_id, row.into_client_id, _refs(row.refs), frozenset(row.contacts),
            orjson.loads(row.before),
        )
        for row in rows
    ]  # fmt: skip


async def undo(session: AsyncSession, merge_id: UUID, at: datetime) -> None:
    await session.execute(text("UPDATE merges SET undone_at = :at WHERE id = :id"), {"id": merge_id, "at": at})


async def keep_move(session: AsyncSession, move: Move, at: datetime) -> None:
    await session.execute(
        text(
            "INSERT INTO moves (id, from_client_id, into_client_id, refs, started_at)"
            " VALUES (:id, :from_id, :into, :refs, :at)"
        ),
        {
            "id": move.id, "from_id": move.from_client_id, "into": move.into_client_id,
            "refs": sorted(map(str, move.refs)), "at": at,
        },
    )  # fmt: skip


async def move(session: AsyncSession, move_id: UUID) -> Move | None:
    row = (
        await session.execute(
            text("SELECT id, from_client_id, into_client_id, refs, finished_at FROM moves WHERE id = :id FOR UPDATE"),
            {"id": move_id},
        )
    ).first()
    if row is None:
        return None
    return Move(row.id, row.from_client_id, row.into_client_id, _refs(row.refs), row.finished_at is not None)


async def under_way(session: AsyncSession, client_ids: Collection[UUID]) -> bool:
    """Whether refs are still on their way from or to one of these clients."""
    found = await session.scalar(
        text(
            "SELECT 1 FROM moves WHERE finished_at IS NULL"
            " AND (from_client_id = ANY(:ids) OR into_client_id = ANY(:ids)) LIMIT 1"
        ),
        {"ids": sorted(client_ids)},
    )
    return found is not None


async def note_moved(
    session: AsyncSession, move_id: UUID, count: int, span: tuple[datetime, datetime] | None, finished: datetime | None
) -> tuple[datetime, datetime] | None:
    """Progress; returns from when to when history was moved so far, if any was."""
    row = (
        await session.execute(
            text("""
            UPDATE moves SET moved = moved + :count, finished_at = :finished,
              imported_from = least(imported_from, :first), imported_to = greatest(imported_to, :last)
            WHERE id = :id RETURNING imported_from, imported_to
            """),
            {
                "id": move_id, "count": count, "finished": finished,
                "first": span[0] if span else None, "last": span[1] if span else None,
            },
        )
    ).one()  # fmt: skip
    return (row.imported_from, row.imported_to) if row.imported_from else None


async def family(session: AsyncSession, client_id: UUID) -> list[UUID]:
    """A client and all that were merged into it, in id order."""
    found = await session.scalars(
        text("""
        WITH RECURSIVE down (id) AS (
          SELECT CAST(:id AS uuid) UNION SELECT c.id FROM down JOIN clients c ON c.merged_into = down.id)
        SELECT id FROM down ORDER BY id
        """),
        {"id": client_id},
    )
    return list(found)


def _refs(names: Sequence[str]) -> frozenset[Ref]:
    return frozenset(ref for name in names if (ref := parse_ref(name)))

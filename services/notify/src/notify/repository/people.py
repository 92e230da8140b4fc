"""What people asked for (preferences, quiet clients), and what they were told already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from notify.domain.routing import Preference, Told
from notify.domain.rules import Channel

_COLUMNS = "person, channels, muted, quiet_until, timezone, version, updated_at, updated_by"


def preference(row: Mapping[str, Any]) -> Preference:
    channels = row["channels"]
    return Preference(
        person=row["person"],
        channels=None if channels is None else tuple(Channel(channel) for channel in channels),
        muted=frozenset(row["muted"]),
        quiet_until=row["quiet_until"],
        timezone=row["timezone"],
    )


async def preferences(session: AsyncSession) -> dict[str, Preference]:
    """Of all of us: a few dozen rows."""
    result = await session.execute(text(f"SELECT {_COLUMNS} FROM preferences"))  # noqa: S608  (our own names)
    return {row["person"]: preference(dict(row)) for row in result.mappings()}


async def preference_page(session: AsyncSession, after: str, limit: int) -> list[dict[str, Any]]:
    result = await session.execute(
        text(f"SELECT {_COLUMNS} FROM preferences WHERE person > :after ORDER BY person LIMIT :limit"),  # noqa: S608  (our own names)
        {"after": after, "limit": limit},
    )
    return [dict(row) for row in result.mappings()]


async def lock_preference(session: AsyncSession, person: str) -> dict[str, Any] | None:
    result = await session.execute(
        text(f"SELECT {_COLUMNS} FROM preferences WHERE person = :person FOR UPDATE"),  # noqa: S608  (our own names)
        {"person": person},
    )
    row = result.mappings().one_or_none()
    return dict(row) if row else None


async def save_preference(session: AsyncSession, wanted: Preference, *, by: str, at: datetime) -> dict[str, Any]:
    result = await session.execute(
        text(f"""
        INSERT INTO preferences AS p (person, channels, muted, quiet_until, timezone, version, updated_at, updated_by)
        VALUES (:person, :channels, :muted, :quiet_until, :timezone, 1, :at, :by)
        ON CONFLICT (person) DO UPDATE SET channels = excluded.channels, muted = excluded.muted,
          quiet_until = excluded.quiet_until, timezone = excluded.timezone, version = p.version + 1,
          updated_at = excluded.updated_at, updated_by = excluded.updated_by
        RETURNING {_COLUMNS}
        """),  # noqa: S608  (our own names)
        {
            "person": wanted.person,
            "channels": None if wanted.channels is None else [channel.value for channel in wanted.channels],
            "muted": sorted(wanted.muted),
            "quiet_until": wanted.quiet_until,
            "timezone": wanted.timezone,
            "at": at,
            "by": by,
        },
    )
    return dict(result.mappings().one())


async def quiet_clients(session: AsyncSession, client_ids: Sequence[UUID]) -> dict[UUID, datetime]:
    result = await session.execute(
        text(
            "SELECT client_id, quiet_until FROM quiet_clients WHERE client_id = ANY(:ids) AND quiet_until IS NOT NULL"
        ),
        {"ids": list(client_ids)},
    )
    return {row.client_id: row.quiet_until for row in result}


async def quiet_page(session: AsyncSession, now: datetime, limit: int) -> list[dict[str, Any]]:
    """Clients that are quiet now, the soonest to speak first."""
    result = await session.execute(
        text(
            "SELECT client_id, quiet_until, reason, updated_at, updated_by FROM quiet_clients"
            " WHERE quiet_until > :now ORDER BY quiet_until, client_id LIMIT :limit"
        ),
        {"now": now, "limit": limit},
    )
    return [dict(row) for row in result.mappings()]


async def set_quiet(
    session: AsyncSession, client_id: UUID, until: datetime | None, *, reason: str | None, by: str, at: datetime
) -> dict[str, Any]:
    result = await session.execute(
        text("""
        INSERT INTO quiet_clients (client_id, quiet_until, reason, updated_at, updated_by)
        VALUES (:id, :until, :reason, :at, :by)
        ON CONFLICT (client_id) DO UPDATE SET quiet_until = excluded.quiet_until, reason = excluded.reason,
          updated_at = excluded.updated_at, updated_by = excluded.updated_by
        RETURNING client_id, quiet_until, reason, updated_at, updated_by
        """),
        {"id": client_id, "until": until, "reason": reason, "at": at, "by": by},
    )
    return dict(result.mappings().one())


async def told(session: AsyncSession, matters_of: Sequence[UUID]) -> dict[Told, datetime]:
    """When each matter of these clients (or feeds) was last told; clients' state rows are locked by the caller."""
    result = await session.execute(
        text("SELECT client_id, rule_group, scope, last_at FROM told WHERE client_id = ANY(:ids)"),
        {"ids": list(matters_of)},
    )
    return {Told(row.rule_group, row.client_id, row.scope): row.last_at for row in result}


async def save_told(session: AsyncSession, changed: Mapping[Told, datetime]) -> None:
    if not changed:
        return
    rows = sorted(changed.items(), key=lambda item: (item[0].matter_of, item[0].group, item[0].scope))
    await session.execute(
        text("""
        INSERT INTO told (client_id, rule_group, scope, last_at)
        SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:groups AS text[]), CAST(:scopes AS text[]),
                             CAST(:lasts AS timestamptz[]))
        ON CONFLICT (client_id, rule_group, scope) DO UPDATE SET last_at = greatest(told.last_at, excluded.last_at)
        """),
        {
            "ids": [matter.matter_of for matter, _ in rows],
            "groups": [matter.group for matter, _ in rows],
            "scopes": [matter.scope for matter, _ in rows],
            "lasts": [last for _, last in rows],
        },
    )


async def forget_told(session: AsyncSession, before: datetime) -> None:
    await session.execute(text("DELETE FROM told WHERE last_at < :before"), {"before": before})

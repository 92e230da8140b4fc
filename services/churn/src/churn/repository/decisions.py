"""What was found and decided: assessments by month, flags by episode, overrides. Append-only but for how they ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from common.contracts.base import Data, Event
from common.contracts.churn import FlagCleared, FlagRaised, OverrideEnded
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from churn.domain.flags import REACHED, Flag, Override
from churn.repository.risks import Risk


@dataclass(frozen=True, slots=True)
class Kept:
    """An assessment as history keeps it."""

    as_of: datetime
    event_id: UUID
    body: Mapping[str, Any]
    raised: Mapping[str, Any] | None = None
    """The flag that it raised, with its outcome."""


_HISTORY = (
    "a.as_of, a.event_id, a.body, f.flag_id, f.episode, f.rule, f.outcome, f.left_at FROM assessments a"
    " LEFT JOIN flags f ON (f.client_id, f.raised_at) = (a.client_id, a.as_of)"
)


async def add_assessments(session: AsyncSession, made: Sequence[tuple[Event[Any], Risk]]) -> None:
    """Keep what was said, with the rows that hold it as their last."""
    if not made:
        return
    await session.execute(
        text("""
        INSERT INTO assessments (client_id, as_of, event_id, body, groups)
        SELECT u.client_id, u.as_of, u.event_id, u.body::jsonb, u.groups::jsonb
        FROM unnest(CAST(:ids AS uuid[]), CAST(:moments AS timestamptz[]), CAST(:events AS uuid[]),
                    CAST(:bodies AS text[]), CAST(:groups AS text[])) AS u(client_id, as_of, event_id, body, groups)
        ON CONFLICT DO NOTHING
        """),
        {
            "ids": [row.client_id for _, row in made],
            "moments": [event.time for event, _ in made],
            "events": [event.id for event, _ in made],
            "bodies": [orjson.dumps(row.last).decode() for _, row in made],
            "groups": [_groups(row.groups) for _, row in made],
        },
    )


def _groups(kept: Mapping[str, Any] | None) -> str | None:
    return None if kept is None else orjson.dumps({**kept["by"], "base": kept["base"]}).decode()


async def history(
    session: AsyncSession,
    client_id: UUID,
    *,
    since: datetime | None,
    until: datetime | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Kept]:
    """A client's assessments, newest first."""
    conditions, values = ["a.client_id = :client_id"], {"client_id": client_id, "limit": limit}
    for name, sign, bound in (("since", ">=", since), ("until", "<", until)):
        if bound is not None:
            conditions.append(f"as_of {sign} :{name}")
            values[name] = bound
    if before is not None:
        conditions.append("(as_of, event_id) < (:before_at, :before_id)")
        values |= {"before_at": before[0], "before_id": before[1]}
    rows = await session.execute(
        text(f"SELECT {_HISTORY} WHERE {' AND '.join(conditions)} ORDER BY as_of DESC, event_id DESC LIMIT :limit"),
        values,
    )
    return [Kept(row.as_of, row.event_id, row.body, _flag_of(row) if row.flag_id else None) for row in rows]


def _flag_of(row: Row[Any]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("flag_id", "episode", "rule", "outcome", "left_at")}


async def note(session: AsyncSession, decisions: Sequence[Data], csms: Mapping[UUID, str | None]) -> None:
    """Keep the life of flags and the end of overrides beside the events that tell of them."""
    for said in decisions:
        if isinstance(said, FlagRaised):
            await _raised(session, said, csms.get(said.client_id))
        elif isinstance(said, FlagCleared):
            await _execute(
                session,
                "UPDATE flags SET cleared_at = :at, cleared_because = :because"
                " WHERE flag_id = :flag_id AND episode = :episode",
                said,
                because=said.reason,
            )
        elif isinstance(said, OverrideEnded):
            await _execute(
                session,
                "UPDATE overrides SET ended_at = :at, ended_because = :because, ended_by = :by"
                " WHERE flag_id = :flag_id AND episode = :episode AND ended_at IS NULL",
                said,
                because=said.ended_because,
                by=said.ended_by,
            )


async def _raised(session: AsyncSession, said: FlagRaised, csm: str | None) -> None:
    """A flag that is raised again ends its episode before; a case that is open for that goes on."""
    await _execute(
        session,
        "UPDATE flags SET cleared_at = :at, cleared_because = 'raised_again'"
        " WHERE flag_id = :flag_id AND episode < :episode AND cleared_at IS NULL",
        said,
    )
    await _execute(
        session,
        "INSERT INTO flags (flag_id, episode, client_id, rule, model_version, probability, points, csm, raised_at,"
        " due_at, case_at) VALUES (:flag_id, :episode, :client_id, :rule, :model_version, :probability, :points, :csm,"
        " :at, :due_at, CASE WHEN :goes_on THEN (SELECT case_at FROM flags WHERE flag_id = :flag_id"
        " AND episode < :episode ORDER BY episode DESC LIMIT 1) END) ON CONFLICT DO NOTHING",
        said,
        client_id=said.client_id,
        rule=said.rule.value,
        model_version=said.model_version,
        probability=said.probability,
        points=said.points,
        csm=csm,
        due_at=said.as_of + timedelta(days=said.horizon_days),
        goes_on=said.because == REACHED,
    )


async def _execute(
    session: AsyncSession, statement: str, said: FlagRaised | FlagCleared | OverrideEnded, **values: Any
) -> None:
    at = {"flag_id": said.flag_id, "episode": said.episode, "at": said.as_of}
    await session.execute(text(statement), {**at, **values})


async def add_override(session: AsyncSession, client_id: UUID, flag: Flag, made: Override) -> None:
    await session.execute(
        text(
            "INSERT INTO overrides (override_id, client_id, flag_id, episode, by, reason_code, note, probability,"
            " points, made_at, until) VALUES (:override_id, :client_id, :flag_id, :episode, :by, :reason_code, :note,"
            " :probability, :points, :made_at, :until)"
        ),
        {
            "override_id": made.override_id,
            "client_id": client_id,
            "flag_id": flag.flag_id,
            "episode": flag.episode,
            "by": made.by,
            "reason_code": made.reason_code,
            "note": made.note,
            "probability": made.probability,
            "points": made.points,
            "made_at": made.made_at,
            "until": made.until,
        },
    )


async def overrides_of(session: AsyncSession, client_id: UUID) -> list[Mapping[str, Any]]:
    """All overrides of a client's flags, newest first, with how they ended."""
    rows = await session.execute(
        text(
            "SELECT override_id, flag_id, episode, by, reason_code, note, probability, points, made_at, until,"
            " ended_at, ended_because, ended_by FROM overrides WHERE client_id = :client_id ORDER BY made_at DESC"
        ),
        {"client_id": client_id},
    )
    return [dict(row) for row in rows.mappings()]


async def partitions(session: AsyncSession) -> set[date]:
    """First days of the months that have a partition."""
    names = await session.scalars(
        text(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = 'assessments'::regclass AND c.relname <> 'assessments_default'"
        )
    )
    return {date.fromisoformat(f"{str(n).removeprefix('assessments_').replace('_', '-')}-01") for n in names}


async def create_partition(session: AsyncSession, month: date, next_month: date) -> None:
    """A month's partition; left to the default one if that already holds rows of the month."""
    taken = await session.scalar(
        text("SELECT EXISTS (SELECT 1 FROM assessments_default WHERE as_of >= :first AND as_of < :next)"),
        {"first": month, "next": next_month},
    )
    if not taken:
        await session.execute(
            text(
                f"CREATE TABLE assessments_{month:%Y_%m} PARTITION OF assessments"
                f" FOR VALUES FROM ('{month}') TO ('{next_month}')"
            )
        )


async def drop_partition(session: AsyncSession, month: date) -> None:
    await session.execute(text(f"DROP TABLE assessments_{month:%Y_%m}"))


async def forget_default(session: AsyncSession, before: date) -> None:
    """Old rows of the partition that takes what has no month of its own."""
    await session.execute(text("DELETE FROM assessments_default WHERE as_of < :before"), {"before": before})

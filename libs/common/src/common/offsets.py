"""A consumer's position lives in Postgres and moves in the transaction that holds what was done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aiokafka import TopicPartition
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


async def fence(session: AsyncSession, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
    """Lock the positions of these partitions, in order, and return them.

    Whoever holds them is the only one who can process these partitions now; a stale owner finds another
    position than it expects and rolls back.
    """
    rows = await session.execute(
        text("""
        SELECT o.topic, o.partition, o.next_offset FROM consumer_offsets o
        JOIN unnest(CAST(:topics AS text[]), CAST(:parts AS int[])) AS u(topic, part)
          ON o.topic = u.topic AND o.partition = u.part
        ORDER BY o.topic, o.partition FOR UPDATE OF o
        """),
        _pairs(partitions),
    )
    return {TopicPartition(topic, partition): offset for topic, partition, offset in rows}


async def positions(session: AsyncSession, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
    """The stored positions, without locks."""
    rows = await session.execute(
        text("""
        SELECT o.topic, o.partition, o.next_offset FROM consumer_offsets o
        JOIN unnest(CAST(:topics AS text[]), CAST(:parts AS int[])) AS u(topic, part)
          ON o.topic = u.topic AND o.partition = u.part
        """),
        _pairs(partitions),
    )
    return {TopicPartition(topic, partition): offset for topic, partition, offset in rows}


async def start(session: AsyncSession, beginnings: Mapping[TopicPartition, int]) -> None:
    """Store first positions for partitions that have none."""
    await session.execute(
        text(
            "INSERT INTO consumer_offsets (topic, partition, next_offset)"
            " SELECT * FROM unnest(CAST(:topics AS text[]), CAST(:parts AS int[]), CAST(:offsets AS bigint[]))"
            " ORDER BY 1, 2 ON CONFLICT DO NOTHING"
        ),
        {**_pairs(beginnings), "offsets": list(beginnings.values())},
    )


async def move(session: AsyncSession, to: Mapping[TopicPartition, int]) -> None:
    """Set the positions behind what this transaction handled."""
    await session.execute(
        text("""
        UPDATE consumer_offsets o SET next_offset = u.next_offset
        FROM unnest(CAST(:topics AS text[]), CAST(:parts AS int[]), CAST(:offsets AS bigint[]))
             AS u(topic, part, next_offset)
        WHERE o.topic = u.topic AND o.partition = u.part
        """),
        {**_pairs(to), "offsets": list(to.values())},
    )


def _pairs(partitions: Iterable[TopicPartition]) -> dict[str, list[str] | list[int]]:
    known = list(partitions)
    return {"topics": [p.topic for p in known], "parts": [p.partition for p in known]}

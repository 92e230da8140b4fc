"""The ledger: every client event we said, by client. Replays compare with it, merges and moved links say it again.

Without what names people (that is in `contacts`) and without words (those are in `texts`).
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from ingest.domain.plan import Said

_WRITE = text("""
INSERT INTO said (client_id, root_id, event_id, type, time, knowntime, sequence, origin, source, via, raw_day, raw_id,
                  data)
SELECT * FROM unnest(CAST(:clients AS uuid[]), CAST(:roots AS uuid[]), CAST(:events AS uuid[]), CAST(:types AS text[]),
  CAST(:times AS timestamptz[]), CAST(:knowns AS timestamptz[]), CAST(:sequences AS int[]), CAST(:origins AS text[]),
  CAST(:sources AS text[]), CAST(:vias AS text[]), CAST(:raw_days AS date[]), CAST(:raw_ids AS uuid[]),
  CAST(:datas AS text[]))
ON CONFLICT (client_id, root_id) DO UPDATE SET event_id = excluded.event_id, type = excluded.type,
  time = excluded.time, knowntime = excluded.knowntime, data = excluded.data, via = excluded.via,
  raw_day = excluded.raw_day, raw_id = excluded.raw_id
""")


async def write(session: AsyncSession, said: Sequence[Said]) -> None:
    """Enter what is being said, in the caller's transaction. A root said again (corrected) keeps one line."""
    lines = {(s.event.client_id, s.root): s for s in said}
    if not lines:
        return
    keys = sorted(lines)
    rows = [lines[key] for key in keys]
    await session.execute(
        _WRITE,
        {
            "clients": [client_id for client_id, _ in keys],
            "roots": [root for _, root in keys],
            "events": [s.event.id for s in rows],
            "types": [s.event.type for s in rows],
            "times": [s.event.time for s in rows],
            "knowns": [s.event.knowntime for s in rows],
            "sequences": [s.event.sequence for s in rows],
            "origins": [s.event.origin.value for s in rows],
            "sources": [s.event.source for s in rows],
            "vias": [str(s.via) if s.via else None for s in rows],
            "raw_days": [s.raw[0] if s.raw else None for s in rows],
            "raw_ids": [s.raw[1] if s.raw else None for s in rows],
            "datas": [orjson.dumps(s.event.data.fact()).decode() for s in rows],
        },
    )

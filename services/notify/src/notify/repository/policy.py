"""Versions of the rules: every delivery names the one that made it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


async def version(session: AsyncSession, sha256: str, body: Mapping[str, Any], *, at: datetime) -> int:
    """The version of these rules; a new one where they were never seen."""
    known = await session.scalar(text("SELECT version FROM rules_versions WHERE sha256 = :sha"), {"sha": sha256})
    if known is not None:
        return int(known)
    await session.execute(
        text(
            "INSERT INTO rules_versions (sha256, body, loaded_at) VALUES (:sha, CAST(:body AS jsonb), :at)"
            " ON CONFLICT DO NOTHING"
        ),
        {"sha": sha256, "body": json.dumps(dict(body)), "at": at},
    )
    found = await session.scalar(text("SELECT version FROM rules_versions WHERE sha256 = :sha"), {"sha": sha256})
    return int(found or 0)

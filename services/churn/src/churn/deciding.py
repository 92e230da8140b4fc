"""HTTP use cases about decisions: overrides taken back, whether people were right, and what data is still lacking."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from common import folding
from common.contracts.errors import NotFound
from common.timers import Timer, schedule
from sqlalchemy.ext.asyncio import AsyncSession

from churn.domain import flags
from churn.domain.outcome import Outcome, Share
from churn.jobs import OVERRIDE_EXPIRY
from churn.repository import outcomes, risks
from churn.repository.outcomes import FlagRow, Wanted
from churn.repository.risks import Risk

TAKEN_BACK = 2
"""Generation of the timer that ends an override early; the first one is that of its own date."""


async def withdraw(session: AsyncSession, client_id: UUID, override_id: UUID, *, by: str, now: datetime) -> Risk:
    """Take an override back. It ends with the assessment that a timer makes at once: afresh, like any other end."""
    root = (await folding.roots_of(session, {client_id}))[client_id]
    rows = await risks.lock(session, [root])
    if not rows:
        raise NotFound(f"client {client_id} has not been assessed")
    row = rows[0]
    row.watch = flags.withdraw(row.watch, override_id, by=by)
    await risks.save(session, rows)
    await schedule(session, [Timer(OVERRIDE_EXPIRY, str(override_id), TAKEN_BACK, now, {"client_id": str(root)})])
    return row


async def flags_page(
    session: AsyncSession, client_id: UUID | None, wanted: Wanted, before: tuple[datetime, UUID, int] | None, limit: int
) -> list[FlagRow]:
    """Flags, newest first; those of a merged client are found under every id that it has had."""
    if client_id is not None:
        family = await folding.family_of(session, client_id)
        wanted = Wanted(sorted(family), wanted.rule, wanted.outcome, wanted.standing)
    return await outcomes.page(session, wanted, before, limit)


@dataclass(frozen=True, slots=True)
class Tally:
    """Flags of a kind: how many clients left (all the same, where they were overridden)."""

    name: str
    flags: int
    pending: int
    """Their horizon is not over."""
    unknown: int
    left: Share
    expected: float | None
    """Mean of the model's own numbers, over those whose outcome is known and that had one."""


@dataclass(frozen=True, slots=True)
class Report:
    """Was the human right? By person, by reason, and beside the flags that nobody overrode."""

    all: Tally
    by_person: Sequence[Tally]
    by_reason: Sequence[Tally]
    not_overridden: Tally


async def report(session: AsyncSession, since: datetime | None, until: datetime | None) -> Report:
    rows = await outcomes.overridden(session, since, until)
    others: list[Mapping[str, Any]] = [
        {"outcome": outcome, "probability": probability}
        for outcome, probability in await outcomes.left_alone(session, since, until)
    ]
    return Report(
        all=_tally("all", rows),
        by_person=_grouped(rows, "by"),
        by_reason=_grouped(rows, "reason_code"),
        not_overridden=_tally("not_overridden", others),
    )


def _grouped(rows: Iterable[Mapping[str, Any]], key: str) -> list[Tally]:
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row[key], []).append(row)
    tallies = [_tally(name, group) for name, group in groups.items()]
    return sorted(tallies, key=lambda tally: (-tally.flags, tally.name))


def _tally(name: str, rows: Sequence[Mapping[str, Any]]) -> Tally:
    known = [row for row in rows if row["outcome"] not in (None, Outcome.UNKNOWN)]
    said = [row["probability"] for row in known if row["probability"] is not None]
    return Tally(
        name=name,
        flags=len(rows),
        pending=sum(row["outcome"] is None for row in rows),
        unknown=sum(row["outcome"] == Outcome.UNKNOWN for row in rows),
        left=Share(sum(row["outcome"] == Outcome.LEFT for row in known), len(known)),
        expected=round(sum(said) / len(said), 4) if said else None,
    )

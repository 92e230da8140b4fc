"""What becomes of flags: found when the horizon is over, corrected when the facts change, counted as metrics.

Precision: of the flags whose horizon is over, how many clients left. Recall: of the clients that left, how many had a
flag two weeks before or earlier. Both are bent by our own acting on flags; docs/churn.md says how.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from common import folding, logging
from common.clock import Clock
from common.contracts.base import Event
from common.contracts.churn import FlagRaised
from common.contracts.escalation import CaseOpened
from common.db import Database
from common.dispatch import Batch
from common.timers import Timer, schedule
from sqlalchemy.ext.asyncio import AsyncSession

from churn import metrics
from churn.domain.labels import Rules, Spell, spells
from churn.domain.life import LIFECYCLE
from churn.domain.moments import moment_of, seconds
from churn.domain.outcome import Fate, Outcome, fate
from churn.repository import outcomes
from churn.repository.outcomes import Ended, FlagRow

log = logging.get(__name__)

FLAG_OUTCOME = "flag_outcome"
WARNING_DAYS = 14
"""A flag that comes later than so many days before the end warned nobody."""
LOOK_BACK = timedelta(days=365)
"""Live precision and recall are those of a year."""


async def wait_for(session: AsyncSession, raised: Sequence[FlagRaised]) -> None:
    """Set the timer that finds each flag's outcome once its horizon is over."""
    await schedule(session, [_timer(f.flag_id, f.episode, 1, f.as_of + timedelta(days=f.horizon_days)) for f in raised])


def _timer(flag_id: UUID, episode: int, generation: int, due_at: datetime) -> Timer:
    payload = {"flag_id": str(flag_id), "episode": episode}
    return Timer(FLAG_OUTCOME, f"{flag_id}/{episode}", generation, due_at, payload)


class Outcomes:
    """Finds and corrects what became of flags."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    async def due(self, timers: Sequence[Timer], now: datetime, session: AsyncSession) -> None:
        """The horizon of these flags is over. A contract that ran out and may yet be renewed is looked at again."""
        generations = {(UUID(t.payload["flag_id"]), int(t.payload["episode"])): t.generation for t in timers}
        rows = await outcomes.lock(session, list(generations))
        again: list[Timer] = []
        ended: list[Ended] = []
        for row, found in await self._fates(session, rows, now):
            if found.outcome is not None:
                ended.append(_ended(row, found.outcome, found, now))
            elif found.again is not None:
                again.append(_timer(*row.key, generations[row.key] + 1, moment_of(found.again)))
        await outcomes.settle(session, ended)
        await schedule(session, again)
        _log("flag_outcome", ended)

    async def correct(self, session: AsyncSession, client_ids: Collection[UUID], now: datetime) -> None:
        """What is known of these clients' lives has changed: an outcome that was found may be another one now."""
        rows = await outcomes.settled(session, list(client_ids))
        changed: list[Ended] = []
        for row, found in await self._fates(session, rows, now):
            left_at = moment_of(found.left_at) if found.left_at is not None else None
            if found.outcome is None and found.again is not None:
                await outcomes.unsettle(session, row)
                await schedule(session, [_timer(*row.key, seconds(now), moment_of(found.again))])
            elif found.outcome is not None and (found.outcome, left_at) != (row.outcome, row.left_at):
                changed.append(_ended(row, found.outcome, found, now))
        await outcomes.settle(session, changed)
        metrics.OUTCOMES_CORRECTED.inc(len(changed))
        _log("flag_outcome_corrected", changed)

    async def _fates(self, session: AsyncSession, rows: Iterable[FlagRow], now: datetime) -> list[tuple[FlagRow, Fate]]:
        lives: dict[UUID, list[Spell]] = {}
        found = []
        for row in rows:
            horizon = (row.due_at - row.raised_at).days
            rules = Rules(horizon, self._rules.min_tenure_days, self._rules.grace_days, self._rules.not_leaving)
            if row.client_id not in lives:
                lives[row.client_id] = await _life_of(session, row.client_id, now, rules)
            case = row.case_at is not None and row.case_at <= row.due_at
            said = fate(lives[row.client_id], seconds(row.raised_at), seconds(now), rules, case=case)
            found.append((row, said))
        return found


async def _life_of(session: AsyncSession, client_id: UUID, now: datetime, rules: Rules) -> list[Spell]:
    events = await folding.events_of(session, client_id)
    named = ((seconds(e.time), e.data.type_name(), e.data) for e in events if e.data.TYPE)
    lifecycle = [(at, name, data.fact()) for at, name, data in named if name in LIFECYCLE]
    return spells(lifecycle, seconds(now), rules)


def _ended(row: FlagRow, outcome: Outcome, found: Fate, now: datetime) -> Ended:
    left_at = moment_of(found.left_at) if found.left_at is not None else None
    return Ended(row.flag_id, row.episode, outcome, now, left_at, found.left_by)


def _log(what: str, ended: Sequence[Ended]) -> None:
    for one in ended:
        log.info(what, flag_id=str(one.flag_id), episode=one.episode, outcome=one.outcome.value)


async def case_opened(batch: Batch, session: AsyncSession) -> None:
    """Of escalation's cases only this is kept: that there was one for the flag, and since when."""
    opened: Sequence[Event[CaseOpened]] = sorted(batch.events, key=lambda event: (event.data.flag_id, event.time))
    for event in opened:
        await outcomes.case_opened(session, event.data.flag_id, event.time)


class Scoreboard:
    """Live precision and recall, as gauges."""

    def __init__(self, horizon_days: int) -> None:
        self._horizon_days = horizon_days

    async def run(self, database: Database, clock: Clock) -> None:
        since = clock.now() - LOOK_BACK
        async with database.read() as session:
            counted = await outcomes.counts(session, since - timedelta(days=self._horizon_days))
            gone = await outcomes.leavers(session, since, WARNING_DAYS, self._horizon_days)
        _show_precision(counted)
        _show_recall(gone)


def _show_precision(counted: Sequence[tuple[str, str | None, int]]) -> None:
    metrics.MATURED_FLAGS.clear()
    metrics.PRECISION.clear()
    known: dict[str, int] = {}
    left: dict[str, int] = {}
    for rule, outcome, number in counted:
        metrics.MATURED_FLAGS.labels(rule, outcome or "pending").set(number)
        if outcome not in (None, Outcome.UNKNOWN):
            known[rule] = known.get(rule, 0) + number
            left[rule] = left.get(rule, 0) + (number if outcome == Outcome.LEFT else 0)
    for rule, number in known.items():
        metrics.PRECISION.labels(rule).set(left[rule] / number)


def _show_recall(gone: Mapping[str, int]) -> None:
    metrics.RECALL.clear()
    everybody = gone.get("all", 0)
    metrics.RECENT_LEAVERS.labels("yes").set(gone.get("any", 0))
    metrics.RECENT_LEAVERS.labels("no").set(everybody - gone.get("any", 0))
    if everybody:
        for rule in ("any", "threshold", "capacity", "scorecard"):
            metrics.RECALL.labels(rule).set(gone.get(rule, 0) / everybody)

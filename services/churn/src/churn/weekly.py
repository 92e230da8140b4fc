"""The weekly naming: the riskiest few clients of each CSM, by a timer that survives restarts and fires once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from common import logging
from common.clock import Clock
from common.contracts.churn import Ranking, Rule
from common.db import Database
from common.faults import is_passing
from common.timers import Timer, schedule
from sqlalchemy.ext.asyncio import AsyncSession

from churn import metrics
from churn.assessing import Assessor
from churn.domain.capacity import choose, next_naming
from churn.domain.policy import Capacity
from churn.repository import risks
from churn.repository.risks import Risk

log = logging.get(__name__)

NAMING = "capacity_naming"
HOUR = 3600
LOOK_AGAIN, PATIENCE = timedelta(minutes=1), timedelta(hours=1)
"""Business time."""


@dataclass(frozen=True, slots=True)
class Naming:
    """Names the riskiest of the week, each looked at afresh; who is not among them for some weeks loses its flag."""

    assessor: Assessor
    clock: Clock

    @property
    def _rules(self) -> Capacity:
        return self.assessor.policy.capacity

    async def plan(self, database: Database, clock: Clock) -> None:
        """Set the next timer; one that is set already stays. A changed weekday or hour makes another owner."""
        async with database.transaction() as session:
            await schedule(session, [self._next(clock.now())])

    def _next(self, now: datetime) -> Timer:
        due = next_naming(now, self._rules)
        return Timer(NAMING, _owner(self._rules), int(due.timestamp()) // HOUR, due)

    async def name(self, due: Sequence[Timer], now: datetime, session: AsyncSession) -> None:
        """The week's timer. Weeks that passed while nothing ran are not made up for: only today's riskiest matter.

        While the day's sweep is under way it waits for it, an hour at most: yesterday's ranking names the wrong ones.
        """
        if not any(timer.owner == _owner(self._rules) for timer in due):
            return
        await schedule(session, [self._next(now)])
        since = min(datetime.fromisoformat(t.payload["since"]) if t.payload else now for t in due)
        if now - since < PATIENCE and await risks.not_yet_assessed(session, now.date()):
            again = {"since": since.isoformat()}
            await schedule(session, [Timer(NAMING, _owner(self._rules), int(now.timestamp()), now + LOOK_AGAIN, again)])
            return
        found = await risks.candidates(session, now, self.assessor.policy.cool_down.rise)
        chosen = choose([candidate for candidate, _ in found], self._rules)
        told = {c.client_id for c, rule in found if rule not in (None, Rule.CAPACITY)}
        wanted = (set(chosen) - told) | await risks.named(session)
        rows = await risks.lock(session, wanted)
        log.info("naming_the_riskiest", clients=len(found), chosen=len(chosen), looked_at=len(rows))
        await self._assess(session, rows, now, chosen)
        metrics.NAMED.set(len(await risks.named(session)))

    async def _assess(
        self, session: AsyncSession, rows: Sequence[Risk], now: datetime, chosen: Mapping[UUID, Ranking]
    ) -> None:
        """All at once; if one breaks that, each alone, so that one client keeps no CSM from hearing of the others."""
        try:
            async with session.begin_nested():
                await self.assessor.assess(session, rows, now, self.clock.wall(), chosen)
            return
        except Exception as error:
            if is_passing(error):
                raise
            log.warning("naming_failed_trying_each_alone", error=repr(error))
        for row in await risks.lock(session, [row.client_id for row in rows]):
            try:
                async with session.begin_nested():
                    await self.assessor.assess(session, [row], now, self.clock.wall(), chosen)
            except Exception as error:
                if is_passing(error):
                    raise
                metrics.ASSESS_FAILED.inc()
                log.error("naming_failed", client_id=str(row.client_id), exc_info=error)


def _owner(rules: Capacity) -> str:
    """Says when it fires, so that a timer set by an older configuration is known as such."""
    return f"{rules.weekday}/{rules.hour}/{rules.timezone}"

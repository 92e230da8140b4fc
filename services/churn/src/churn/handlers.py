"""Kafka use cases; the subscription table is at the bottom.

Nothing is assessed here: facts and states are brought up to date and clients marked as waiting. The job `assess`
takes up who waits, so that many events of a client within a moment make one assessment.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from common import folding
from common.clock import Clock
from common.consumer import ConsumerSpec
from common.contracts import client, escalation, health
from common.contracts.base import Data, Event, Origin, Unknown
from common.contracts.health import Mode
from common.dispatch import Batch, Handler
from sqlalchemy.ext.asyncio import AsyncSession

from churn.client_fold import FOLD, FOLDED
from churn.domain import health_track
from churn.domain.health_track import HealthTrack
from churn.domain.life import LIFECYCLE
from churn.outcomes import Outcomes, case_opened
from churn.repository import risks
from churn.repository.risks import HealthDay, Marks

IMPORT_QUIET = timedelta(minutes=10)
"""Wall time without a further line after which an import that never finished is taken to be over."""
PAUSE = 0.25
"""Assessments follow every 1.5 s anyway."""
_REARRANGING = (client.EventWithdrawn, client.ClientsMerged, client.ClientsUnmerged)


class Handlers:
    """What churn does with what it hears."""

    def __init__(self, clock: Clock, outcomes: Outcomes) -> None:
        self._clock = clock
        self._outcomes = outcomes

    async def client_events(self, batch: Batch, session: AsyncSession) -> None:
        """Fold, and mark whose risk may have changed."""
        folded = await folding.advance(session, FOLD, batch.events)
        await folding.save(session, FOLD, folded.values())
        marks: dict[UUID, Marks] = {}
        for client_id, found in folded.items():
            marks[client_id] = _marks(found.events)
            for absorbed in found.absorbed if found.refolded else ():
                marks[absorbed] = Marks(due=True)
        await risks.mark(session, marks, today=batch.now.date(), importing_until=self._clock.wall() + IMPORT_QUIET)
        lives = [found for found in folded.values() if any(_about_life(event) for event in found.events)]
        if lives:
            members = {member for found in lives for member in (found.client_id, *found.absorbed)}
            await self._outcomes.correct(session, members, batch.now)

    async def scored(self, batch: Batch, session: AsyncSession) -> None:
        """Keep each day's last score; live ones let the client be assessed."""
        tracks: dict[UUID, HealthTrack] = {}
        marks: dict[UUID, Marks] = {}
        for event in batch.events:
            track = tracks.setdefault(event.client_id, HealthTrack())
            health_track.add(track, event.data.fact())
            if event.data.mode is Mode.LIVE:
                marks[event.client_id] = Marks(due=True)
        days = [HealthDay(client_id, day, row) for client_id, t in tracks.items() for day, row in t.days.items()]
        await risks.add_health(session, days)
        if marks:
            await risks.mark(session, marks, today=batch.now.date(), importing_until=self._clock.wall())


def _marks(events: Sequence[Event[Data]]) -> Marks:
    """What these events of one client ask for. Lines of an import ask for nothing until its end."""
    marks = Marks()
    for event in events:
        if isinstance(event.data, client.ImportFinished):
            marks.due = marks.baseline = True
            marks.live = marks.importing = False
        elif event.origin is Origin.IMPORT:
            marks.importing = True
        elif type(event.data) in FOLDED or isinstance(event.data, _REARRANGING):
            marks.due = marks.live = True
    return marks


def _about_life(event: Event[Data]) -> bool:
    """What may turn the outcome of an old flag: notices, contracts, revenue, and what is taken back or corrected."""
    return event.data.type_name() in LIFECYCLE or isinstance(event.data, _REARRANGING)


def consumer(clock: Clock, outcomes: Outcomes) -> ConsumerSpec:
    """Churn listens to everything about clients, to health's scores, and to the opening of cases."""
    handlers = Handlers(clock, outcomes)
    about_clients: dict[type[Data], Handler] = {
        body: handlers.client_events for body in client.EVENTS if body is not client.ClientErased
    }
    return ConsumerSpec(
        subscriptions={**about_clients, health.Scored: handlers.scored, escalation.CaseOpened: case_opened},
        keep=frozenset({*client.EVENTS, Unknown}),
        erase=risks.erase,
        pause=PAUSE,
    )

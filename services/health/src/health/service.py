"""HTTP use cases of health, and the taking over of shipped models and journey maps at start."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from common import folding, logging, timers
from common.clock import Clock
from common.contracts import client
from common.db import Database
from common.errors import NotFound, Refused
from common.folding import Folded
from common.timers import Timer
from sqlalchemy.ext.asyncio import AsyncSession

from health import definitions, definitions_repository, reading, repository, telling, views
from health.definitions_repository import JOURNEY, MODEL, Definition
from health.domain import journey
from health.domain.evaluate import Evaluation, Feeds, deadlines, evaluate
from health.domain.fold import FOLD
from health.domain.journey import Item
from health.domain.model import POINT
from health.domain.moments import DAY, date_of, moment_of, seconds_of
from health.domain.state import ClientState
from health.domain.why import Question, why
from health.scoring import SWEEP

log = logging.get(__name__)

FOLDER = "health"
FIRST = UUID(int=0)


@dataclass(frozen=True)
class Known:
    """A client that is known here, under the id it goes by now."""

    client_id: UUID
    state: ClientState


async def known(session: AsyncSession, client_id: UUID) -> Known:
    """Raises NotFound for a client of which no fact is here."""
    found: dict[UUID, Folded[ClientState]] = await folding.read(session, FOLD, [client_id])
    for root, folded in found.items():
        if folded.last is not None:
            return Known(root, folded.state)
    raise NotFound("no client with this id is known here")


async def health(session: AsyncSession, client_id: UUID, now: datetime) -> views.EvaluationView:
    """The client's score at this moment: worked out now, so that silence and stale sources show at once."""
    found = await known(session, client_id)
    feeds = await repository.feeds(session)
    result = await _evaluate(session, found.state, feeds, now)
    return _shown(found, result, feeds)


async def _evaluate(session: AsyncSession, state: ClientState, feeds: Feeds, now: datetime) -> Evaluation:
    book = await definitions_repository.book(session)
    model, template = book.choice(state)
    return evaluate(model, state, max(seconds_of(now), state.last), feeds, template)


def _shown(found: Known, result: Evaluation, feeds: Feeds) -> views.EvaluationView:
    until: dict[str, int] = {}
    heard: list[int] = []
    for family, sources in found.state.feeds.items():
        for name, deadline in deadlines(found.state, family, feeds).items():
            until[name] = min(deadline, until.get(name, deadline))
            last = max(sources[name][0], feeds[name].last if name in feeds else 0)
            heard.append(last)
    return views.evaluation(
        found.client_id,
        result,
        data_age_seconds=max(0, result.now - min(heard)) if heard else None,
        stale_sources=sorted(name for name, deadline in until.items() if deadline < result.now),
    )


async def history(
    session: AsyncSession,
    client_id: UUID,
    *,
    since: datetime | None,
    until: datetime | None,
    modes: list[str],
    resolution: reading.Resolution,
    after: tuple[datetime, str] | None,
    limit: int,
) -> list[views.HistoryItem]:
    """Evaluations as they were kept, newest first."""
    found = await known(session, client_id)
    rows = await reading.history(
        session,
        found.client_id,
        since=since,
        until=until,
        modes=modes,
        resolution=resolution,
        after=after,
        limit=limit,
    )
    return [
        views.history_item(row, await definitions_repository.model(session, row.model, row.model_version))
        for row in rows
    ]


async def explain(session: AsyncSession, client_id: UUID, start: datetime, end: datetime) -> views.WhyView:
    """Why the score at `end` is another than at `start`. Raises Refused for moments in the wrong order."""
    if start >= end:
        raise Refused("`from` must lie before `to`", field="from")
    found = await known(session, client_id)
    book = await definitions_repository.book(session)
    model, template = book.choice(found.state)

    async def model_at(moment: datetime) -> Any:
        made = await reading.model_at(session, found.client_id, moment)
        return await definitions_repository.model(session, *made) if made else model

    answer = why(
        Question(
            known_then=await folding.events_of(session, found.client_id, known_until=start),
            known_now=await folding.events_of(session, found.client_id, known_until=end),
            start=start,
            end=end,
            model_then=await model_at(start),
            model_now=await model_at(end),
            template=template,
        )
    )
    return views.WhyView(
        score_from=telling.points(answer.score_from),
        score_to=telling.points(answer.score_to),
        from_=start,
        to=end,
        causes=[
            views.CauseView(
                kind=move.kind,
                signal=move.signal,
                delta=move.delta / POINT,
                text=move.text,
                events=telling.uuids(move.marks),
            )
            for move in answer.moves
        ],
    )


async def journey_of(session: AsyncSession, client_id: UUID, now: datetime) -> views.JourneyView:
    """Phases and milestones, planned from the contract's start."""
    found = await known(session, client_id)
    state = found.state
    template = (await definitions_repository.book(session)).journey_for(state)
    items = journey.plan(state, template)
    second = seconds_of(now)
    current = journey.current_phase(state, template, items)
    critical = any(blocker[0] == "critical" for blocker in state.blockers.values())
    return views.JourneyView(
        client_id=found.client_id,
        journey=template.name,
        journey_version=template.version,
        phase=current,
        standing=journey.standing(items, second, critical_blocker=critical),
        contract_started_on=date_of(state.contract_start) if state.contract_start else None,
        renewal_on=date_of(state.renewal) if state.renewal else None,
        phases=[
            views.PhaseView(
                phase=phase.name,
                title=phase.title,
                current=phase.name == current,
                milestones=[_milestone(item, second) for item in items if item.phase == phase.name],
            )
            for phase in template.phases
        ],
    )


def _milestone(item: Item, now: int) -> views.MilestoneView:
    late = (item.done if item.done is not None else now) - item.due
    state = ("done" if late <= 0 else "done_late") if item.done is not None else ("late" if late > 0 else "pending")
    return views.MilestoneView(
        milestone=item.name,
        title=item.title,
        phase=item.phase,
        owner_email=item.owner,
        kpi=item.kpi,
        due_at=moment_of(item.due),
        due_on=date_of((item.due - 1) // DAY),
        due_at_first=moment_of(item.due_first),
        rescheduled=item.rescheduled,
        state=state,
        done_at=moment_of(item.done) if item.done is not None else None,
        days_late=late // DAY if late > 0 else None,
        kpi_value=item.kpi_value,
        event=UUID(item.mark) if item.mark else None,
    )


async def blockers(session: AsyncSession, client_id: UUID) -> list[views.BlockerView]:
    """All blockers of a client, open ones first, then newest first."""
    found = await known(session, client_id)
    result: dict[str, views.BlockerView] = {}
    for event in await folding.events_of(session, found.client_id):
        data = event.data
        if isinstance(data, client.BlockerLogged):
            result[data.blocker_id] = views.BlockerView(
                blocker_id=data.blocker_id,
                kind=data.kind,
                severity=data.severity,
                owner_email=data.owner_email,
                impact_days=data.impact_days,
                opened_at=event.time,
                resolved_at=None,
                hours_to_resolve=None,
                root_cause=None,
                prevention=None,
            )
        elif isinstance(data, client.BlockerResolved) and data.blocker_id in result:
            opened = result[data.blocker_id]
            result[data.blocker_id] = opened.model_copy(
                update={
                    "resolved_at": event.time,
                    "hours_to_resolve": round((event.time - opened.opened_at).total_seconds() / 3600, 2),
                    "root_cause": data.root_cause,
                    "prevention": data.prevention,
                }
            )
    newest = sorted(result.values(), key=lambda b: b.opened_at, reverse=True)
    return sorted(newest, key=lambda b: b.resolved_at is not None)


async def add_model(session: AsyncSession, text: str, *, by: str, now: datetime) -> Definition:
    """A new version of a model, not in force yet. Raises Refused with line and rule."""
    spec = definitions.model_from(text)
    return await definitions_repository.add(session, MODEL, spec.model, text, by=by, now=now)


async def publish_model(session: AsyncSession, model_id: UUID, *, by: str, reason: str, now: datetime) -> Definition:
    """Put a version in force; every client is evaluated under it, some at a time. Raises NotFound."""
    definition, _ = await definitions_repository.read(session, model_id)
    if definition.kind != MODEL:
        raise NotFound("there is no such model")
    return await _publish(session, definition, by=by, reason=reason, now=now)


async def _publish(session: AsyncSession, definition: Definition, *, by: str, reason: str, now: datetime) -> Definition:
    published = await definitions_repository.publish(session, definition.id, by=by, reason=reason, now=now)
    owner = f"definition:{definition.id}:{now.isoformat()}"
    await timers.schedule(session, [Timer(SWEEP, owner, 0, now, {"after": str(FIRST)})])
    return published


async def take_over_files(database: Database, config_dir: Path, clock: Clock) -> None:
    """Shipped models and journey maps become versions; a text that was once in force is not published again, so that
    a start never undoes what an operator published since."""
    models, journeys = definitions.shipped(config_dir / FOLDER)
    named = [(MODEL, definitions.model_from(text).model, text) for text in models]
    named += [(JOURNEY, definitions.journey_from(text).journey, text) for text in journeys]
    async with database.transaction() as session:
        for kind, name, text in named:
            version = await definitions_repository.add(session, kind, name, text, by="shipped", now=clock.now())
            if version.published_at is None and version.created_by == "shipped":
                await _publish(session, version, by="shipped", reason="shipped with this release", now=clock.now())
                log.info("definition_published", kind=kind, name=name, version=version.version)


async def clients(
    session: AsyncSession,
    wanted: reading.Filter,
    sort: reading.Sort,
    after: tuple[Any, UUID] | None,
    limit: int,
    now: datetime,
) -> tuple[list[views.ClientView], tuple[Any, UUID] | None]:
    """A page of clients with their scores at this moment, and where the next page begins.

    Filters and order go by what was last said of each; a source that fell silent since shows in the row itself.
    """
    rows = await reading.page(session, wanted, sort, after, limit + 1)
    following = (rows[limit - 1][1], rows[limit - 1][0].client_id) if len(rows) > limit else None
    shown = [row for row, _ in rows[:limit]]
    states = await folding.read(session, FOLD, [row.client_id for row in shown])
    feeds = await repository.feeds(session)
    items = []
    for row in shown:
        folded = states.get(row.client_id)
        if folded is not None and row.as_of is not None:
            result = await _evaluate(session, folded.state, feeds, now)
            row.score, row.band, row.confidence = result.score, result.band, result.confidence
            row.as_of = moment_of(result.now)
        items.append(views.client_item(row))
    return items, following

"""HTTP use cases of health, and the taking over of shipped models and journey maps at start."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from common import folding, logging
from common.clock import Clock
from common.db import Database
from common.errors import NotFound
from common.folding import Folded
from sqlalchemy.ext.asyncio import AsyncSession

from health import (
    definitions,
    definitions_repository,
    holds_repository,
    publishing,
    reading,
    repository,
    signs_definition,
    signs_repository,
    views,
)
from health.definitions_repository import JOURNEY, MODEL, SIGNS
from health.domain.blast import Limits
from health.domain.evaluate import Evaluation, Feeds, deadlines, evaluate, heard_of
from health.domain.fold import FOLD
from health.domain.moments import moment_of, seconds_of
from health.domain.state import ClientState
from health.scoring import LIMITS

log = logging.get(__name__)

FOLDER = "health"


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
    shown = _shown(found, result, feeds)
    shown.held = await holds_repository.note(session, found.client_id)
    return shown


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
            known = heard_of(feeds, name, family)
            heard.append(max(sources[name][0], known.last if known else 0))
    return views.evaluation(
        found.client_id,
        result,
        data_age_seconds=max(0, result.now - min(heard)) if heard else None,
        stale_sources=sorted(name for name, deadline in until.items() if deadline <= result.now),
    )


async def take_over_files(database: Database, config_dir: Path, clock: Clock, limits: Limits = LIMITS) -> None:
    """Shipped models, journey maps and signs become versions; a text that was once in force is not published again, so
    that a start never undoes what an operator published since."""
    models, journeys = definitions.shipped(config_dir / FOLDER)
    named = [(MODEL, definitions.model_from(text).model, text) for text in models]
    named += [(JOURNEY, definitions.journey_from(text).journey, text) for text in journeys]
    signs = signs_definition.shipped(config_dir / FOLDER)
    named += [(SIGNS, signs_definition.signs_from(text).signs, text) for text in signs]
    async with database.transaction() as session:
        for kind, name, text in named:
            version = await definitions_repository.add(session, kind, name, text, by="shipped", now=clock.now())
            if version.published_at is None and version.created_by == "shipped":
                wish = publishing.Wish("shipped", "shipped with this release", clock.now(), limits)
                await publishing.put_in_force(session, version, wish)
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
    open_signs = await signs_repository.count_open(session, [row.client_id for row in shown])
    items = []
    for row in shown:
        folded = states.get(row.client_id)
        if folded is not None and row.as_of is not None:
            result = await _evaluate(session, folded.state, feeds, now)
            row.score, row.band, row.confidence = result.score, result.band, result.confidence
            row.as_of = moment_of(result.now)
        items.append(views.client_item(row, open_signs.get(row.client_id, 0)))
    return items, following

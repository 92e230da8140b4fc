"""Use cases of a client's past: what was said when, why a score is another than it was, and a picture of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from common import folding, inbox
from common.contracts import client
from common.contracts.base import Event
from common.db import let_go
from common.errors import Refused
from sqlalchemy.ext.asyncio import AsyncSession

from health import definitions_repository, past_repository, service, telling, views_past
from health.domain.model import POINT
from health.domain.why import Answer, Question, known_by, why
from health.past_repository import Kept, Wanted
from health.picture import Picture, Point
from health.repository import Row
from health.served import Served, served

SAID = ("live", "historic")
LINKING = (client.ClientsMerged, client.ClientsUnmerged)


async def history(
    session: AsyncSession, client_id: UUID, wanted: Wanted, after: tuple[datetime, str] | None, limit: int
) -> list[views_past.HistoryItem]:
    """Evaluations as they were kept, newest first; of days and weeks with what they read like today beside them."""
    found = await service.known(session, client_id)
    if wanted.resolution == "all":
        lines = await past_repository.history(session, found.client_id, wanted, after, limit)
        return [await _item(session, [line]) for line in lines]
    lines = await past_repository.history(session, found.client_id, wanted, after, 2 * limit)
    spans = [list(of_span) for _, of_span in groupby(lines, key=lambda line: line.span)]
    return [await _item(session, of_span) for of_span in spans[:limit]]


async def _item(session: AsyncSession, lines: Sequence[Kept]) -> views_past.HistoryItem:
    first, *beside = lines
    restated = await _past(session, beside[0].row) if beside else None
    return views_past.history_item(first, await _model(session, first.row), restated)


async def _past(session: AsyncSession, row: Row) -> views_past.PastView:
    return views_past.past(row, await _model(session, row))


async def _model(session: AsyncSession, row: Row) -> Any:
    return await definitions_repository.model(session, row.model, row.model_version, row.variant)


async def explain(session: AsyncSession, client_id: UUID, start: datetime, end: datetime) -> views_past.WhyView:
    """Why the score at `end` is another than at `start`. Raises Refused for moments in the wrong order."""
    if start >= end:
        raise Refused("`from` must lie before `to`", field="from")
    found = await service.known(session, client_id)
    facts = await all_facts(session, found.client_id)
    models = await served(session, found.client_id)
    kept_from = views_past.kept(await past_repository.kept_at(session, found.client_id, start))
    kept_to = views_past.kept(await past_repository.kept_at(session, found.client_id, end))
    await let_go(session)
    # Of a client with ten thousand facts it is a third of a second's work: others are answered meanwhile.
    answer = await asyncio.to_thread(answered, facts, found.client_id, start, end, models)
    return views_past.WhyView(
        client_id=found.client_id,
        score_from=telling.points(answer.score_from),
        score_to=telling.points(answer.score_to),
        from_=start,
        to=end,
        causes=[views_past.cause(move) for move in answer.moves],
        kept_from=kept_from,
        kept_to=kept_to,
    )


async def picture(session: AsyncSession, client_id: UUID, now: datetime, days: int) -> Picture:
    """The last days of a client, and where it is now."""
    found = await service.known(session, client_id)
    view = await service.health(session, client_id, now)
    until = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    since = until - timedelta(days=days)
    lines = await past_repository.history(session, found.client_id, Wanted(since, now, SAID, "day"), None, days + 1)
    before = [Point(k.row.as_of, k.row.score, k.row.band, k.row.model, k.row.model_version) for k in reversed(lines)]
    score = None if view.score is None else round(view.score * POINT)
    last = Point(now, score, str(view.band), view.model, view.model_version)
    model = await definitions_repository.model(session, view.model, view.model_version)
    name = str(found.state.profile.get("name") or "a client without a name")
    return Picture(name, [*before, last], model.bands, round(view.confidence * 1000), since, until)


def answered(facts: Iterable[Event[Any]], client_id: UUID, start: datetime, end: datetime, models: Served) -> Answer:
    """The same without a database: all facts of a client and of those it was ever linked with, in their order."""
    every = list(facts)
    return why(
        Question(
            as_known(every, client_id, start), as_known(every, client_id, end), start, end, models.choose, models.turns
        )
    )


async def all_facts(session: AsyncSession, client_id: UUID) -> list[Event[Any]]:
    """Every fact of a client and of all that were ever merged with it, those that were taken back included."""
    family, known = {client_id}, set[UUID]()
    events: list[Event[Any]] = []
    while family - known:
        known |= family
        events = await inbox.load(session, known)
        for event in events:
            if isinstance(event.data, LINKING):
                family |= {event.data.from_client_id, event.data.into_client_id}
    return events


def as_known(events: Iterable[Event[Any]], client_id: UUID, moment: datetime) -> list[Event[Any]]:
    """The effective facts of a client as they were known at a moment: of those it was one with by then."""
    known = known_by(events, moment)
    into: dict[UUID, UUID | None] = {}
    for event in known:
        if isinstance(event.data, client.ClientsMerged):
            into[event.data.from_client_id] = event.data.into_client_id
        elif isinstance(event.data, client.ClientsUnmerged):
            into[event.data.from_client_id] = None
    if not into:
        mine = {str(client_id)}
    else:
        root = _root(client_id, into)
        mine = {str(one) for one in {client_id, *into} if _root(one, into) == root} | {str(root)}
    return folding.effective([event for event in known if event.subject in mine])


def _root(client_id: UUID, into: dict[UUID, UUID | None]) -> UUID:
    for _ in into:
        upper = into.get(client_id)
        if upper is None:
            return client_id
        client_id = upper
    return client_id

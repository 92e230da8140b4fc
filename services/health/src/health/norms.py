"""`GET /v1/models/{id}/norms`: what is usual among today's clients, in the form that a model takes."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Annotated
from uuid import UUID

from common import folding
from common.db import SessionDep
from common.errors import NotFound
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from health import definitions, definitions_repository, repository
from health.asking import READ, UNKNOWN, Now
from health.definitions_repository import MODEL
from health.domain.facts import At
from health.domain.fold import FOLD
from health.domain.moments import DAY, seconds_of
from health.domain.norms import Norm, Norms

router = APIRouter()

AT_ONCE = 500
LEAST_CLIENTS = 20
"""The mean of fewer clients says more about them than about their segment."""


class UsualView(BaseModel):
    """A mean, and of how many clients."""

    segment: str | None = Field(description="Null: all segments together")
    mean: float = Field(description="In the fact's own unit; a client weighs n ÷ (n + weight)", examples=[7.4])
    clients: int
    prior: float = Field(description="What the model says", examples=[7.0])


class NormView(BaseModel):
    """What is usual in one signal."""

    component: str
    signal: str
    means: list[UsualView]


class NormsView(BaseModel):
    """What is usual among the clients that a model serves now."""

    model: str
    version: int
    as_of: datetime
    clients: int = Field(description="That the model serves; without test clients and those that left")
    least_clients: int
    signals: list[NormView]
    definition: str = Field(description="The means as YAML, to be pasted into the model")


@router.get(
    "/models/{model_id}/norms", dependencies=[READ], responses=UNKNOWN, summary="What is usual among today's clients"
)
async def get_norms(
    model_id: UUID,
    session: SessionDep,
    now: Now,
    least_clients: Annotated[int, Query(ge=1, le=100_000)] = LEAST_CLIENTS,
) -> NormsView:
    """Means by segment of the facts that small counts would swing, measured on every client. Nothing is changed."""
    return await norms(session, model_id, now, least_clients)


async def norms(session: AsyncSession, model_id: UUID, now: datetime, least: int) -> NormsView:
    """Every client that the model serves, some at a time. Raises NotFound."""
    definition, text = await definitions_repository.read(session, model_id)
    if definition.kind != MODEL:
        raise NotFound("there is no such model")
    found = Norms(definitions.model_from(text).compiled(definition.version))
    book = await definitions_repository.book(session)
    after = UUID(int=0)
    while ids := await repository.ids_after(session, after, AT_ONCE, source=None):
        after = ids[-1]
        for folded in (await folding.read(session, FOLD, ids)).values():
            state = folded.state
            model, template = book.choice(state)
            if model.name == found.model.name and not state.profile.get("test"):
                second = max(seconds_of(now), state.last)
                found.take(state, At(second, second // DAY, template))
    told = found.told(least)
    return NormsView(
        model=found.model.name,
        version=found.model.version,
        as_of=now,
        clients=found.clients,
        least_clients=least,
        signals=[_view(norm) for norm in told],
        definition=as_yaml(told, f"{found.model.name} v{found.model.version}, {now:%Y-%m-%d}", found.clients, least),
    )


def _view(norm: Norm) -> NormView:
    every = [(None, norm.everybody)] if norm.everybody is not None else []
    return NormView(
        component=norm.component,
        signal=norm.signal,
        means=[
            UsualView(
                segment=segment,
                mean=usual.mean,
                clients=usual.clients,
                prior=norm.prior if segment is None else norm.priors.get(segment, norm.prior),
            )
            for segment, usual in [*every, *norm.segments.items()]
        ],
    )


def as_yaml(told: list[Norm], what: str, clients: int, least: int) -> str:
    """What a model says of its signals, to be pasted under them."""
    lines = [f"# {what}: means of {clients} clients; segments with fewer than {least} are left out", "components:"]
    component = None
    for norm in told:
        if norm.component != component:
            component = norm.component
            lines += [f"  {component}:", "    signals:"]
        lines.append(f"      {norm.signal}:")
        if norm.everybody is None:
            lines.append(f"        # prior: {norm.prior:g} stays: fewer than {least} clients have a figure")
            continue
        lines.append(f"        prior: {norm.everybody.mean:g} # was {norm.prior:g}; {norm.everybody.clients} clients")
        if norm.segments:
            priors = ", ".join(f"{_quoted(segment)}: {usual.mean:g}" for segment, usual in norm.segments.items())
            lines.append(f"        priors: {{ {priors} }}")
    return "\n".join(lines) + "\n"


def _quoted(segment: str) -> str:
    """A key that YAML reads as the same words, whatever they are: JSON is YAML."""
    plain = re.fullmatch(r"[a-z][a-z_]{2,}", segment) and segment not in {"yes", "off", "true", "false", "null"}
    return segment if plain else json.dumps(segment, ensure_ascii=False)

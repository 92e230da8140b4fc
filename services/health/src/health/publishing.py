"""Models come into force and are taken back: what a version would change is shown first, who did it and why is kept."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from common import folding, timers
from common.errors import Conflict, NotFound, Refused
from common.ids import new_id
from common.timers import Timer
from sqlalchemy.ext.asyncio import AsyncSession

from health import breaker, definitions, definitions_repository, holds_repository, publications_repository, repository
from health.book import Book
from health.definitions_repository import MODEL, Definition
from health.domain.blast import Limits, worse
from health.domain.evaluate import UNKNOWN, Evaluation, Feeds, evaluate
from health.domain.fold import FOLD
from health.domain.model import Model, fitting
from health.domain.moments import seconds_of
from health.domain.state import ClientState
from health.publications_repository import PUBLISH, TAKE_BACK, Publication
from health.scoring import SWEEP

FIRST = UUID(int=0)
INSTANT = timedelta(microseconds=1)
MOST_COMPARED = 5_000
"""Clients that a difference is worked out for, a second's work; of more, the first so many by their random ids."""
AT_ONCE = 25
"""Clients between two looks at what else there is to do."""
EXAMPLES = 10


@dataclass
class Difference:
    """What publishing a version would change at this moment."""

    definition: Definition
    in_force: list[UUID]
    clients: int = 0
    of: int = 0
    worse: int = 0
    better: int = 0
    matrix: dict[str, Counter[str]] = field(default_factory=dict)
    examples: list[tuple[int, repository.Client, Evaluation, Evaluation]] = field(default_factory=list)
    limits: Limits = field(default_factory=Limits)

    @property
    def token(self) -> str:
        """Names what was compared: it changes when something else is put in force."""
        return hashlib.sha256(f"{self.definition.id} {self.in_force}".encode()).hexdigest()[:20]

    @property
    def changed(self) -> int:
        return sum(n for before, row in self.matrix.items() for after, n in row.items() if before != after)

    @property
    def worse_of_all(self) -> int:
        """Of all clients, where only some were compared."""
        return round(self.worse * self.of / self.clients) if self.clients else 0

    @property
    def held(self) -> bool:
        """Whether the breaker would hold it."""
        return self.limits.exceeded(self.worse_of_all, self.of)

    def count(self, row: repository.Client, before: Evaluation, after: Evaluation) -> None:
        self.clients += 1
        self.matrix.setdefault(before.band, Counter())[after.band] += 1
        known = row.known_band if before.band == UNKNOWN else before.band
        self.worse += worse(known, after.band)
        self.better += UNKNOWN not in (before.band, after.band) and worse(after.band, before.band)
        if before.band != after.band:
            self.examples.append(((after.score or 0) - (before.score or 0), row, before, after))
            self.examples = sorted(self.examples, key=lambda e: (e[0], e[1].client_id))[:EXAMPLES]


async def difference(session: AsyncSession, model_id: UUID, now: datetime, limits: Limits) -> Difference:
    """Every client (of very many, some) under what is in force and under this version. Raises NotFound, Refused."""
    definition, body = await definitions_repository.read(session, model_id)
    if definition.kind != MODEL:
        raise NotFound("there is no such model")
    book = await definitions_repository.book(session)
    candidate = with_model(book, definitions.model_from(body).compiled(definition.version))
    found = Difference(definition, await definitions_repository.in_force(session), limits=limits)
    found.of = await holds_repository.count_clients(session)
    feeds = await repository.feeds(session)
    second = seconds_of(now)
    after = FIRST
    while found.clients < MOST_COMPARED:
        ids = await repository.ids_after(session, after, AT_ONCE, source=None)
        if not ids:
            break
        after = ids[-1]
        rows = await repository.clients(session, ids)
        for client_id, folded in (await folding.read(session, FOLD, ids)).items():
            row = rows.get(client_id)
            if row is None or row.test:
                continue
            at = max(second, folded.state.last)
            found.count(row, *(_evaluated(each, folded.state, at, feeds) for each in (book, candidate)))
    return found


def _evaluated(book: Book, state: ClientState, at: int, feeds: Feeds) -> Evaluation:
    model, template = book.choice(state)
    return evaluate(model, state, at, feeds, template)


def with_model(book: Book, model: Model) -> Book:
    """The book with this model in the place of the version in force. Raises Refused if it would leave clients out."""
    others = tuple(known for known in book.models if known.name != model.name)
    for engagement in (None, "product", "project"):
        for onboarding in (True, False):
            serving = fitting((*others, model), engagement=engagement, onboarding=onboarding)
            if not serving and fitting(book.models, engagement=engagement, onboarding=onboarding):
                words = f"{engagement or 'any'} clients {'in' if onboarding else 'past'} onboarding"
                raise Refused(f"no published model would serve {words}", field="serves")
            if model in serving and len(serving) > 1:  # which of them would hang on the alphabet
                rival = next(each.name for each in serving if each is not model)
                rule = f"{rival} serves the same clients: say in `serves` whom this one is for, or name it {rival}"
                raise Refused(rule, field="serves")
    return replace(book, models=(*others, model))


async def add_model(session: AsyncSession, text: str, *, by: str, now: datetime) -> Definition:
    """A new version of a model, not in force yet. Raises Refused with line and rule."""
    spec = definitions.model_from(text)
    return await definitions_repository.add(session, MODEL, spec.model, text, by=by, now=now)


@dataclass(frozen=True, slots=True)
class Wish:
    """Who wants a version in force, and why. `token`: of the difference that was looked at."""

    by: str
    reason: str
    now: datetime
    limits: Limits
    token: str | None = None
    action: str = PUBLISH


async def publish_model(session: AsyncSession, model_id: UUID, wish: Wish) -> tuple[Definition, Difference]:
    """Put a version in force; every client is evaluated under it, some at a time.

    Raises NotFound, Refused, and Conflict where something else was put in force since the difference was looked at.
    """
    await definitions_repository.serialize(session)
    found = await difference(session, model_id, wish.now, wish.limits)
    if wish.token is not None and wish.token != found.token:
        raise Conflict("something else was put in force since this difference was shown: look at it again")
    return await put_in_force(session, found.definition, wish, found), found


async def take_back(session: AsyncSession, model_id: UUID, wish: Wish) -> tuple[Definition, Difference]:
    """Put in force again what was in force before this version. Raises NotFound and Conflict."""
    await definitions_repository.serialize(session)
    definition, _ = await definitions_repository.read(session, model_id)
    if definition.kind != MODEL:
        raise NotFound("there is no such model")
    if not definition.active:
        raise Conflict("this version is not in force")
    before = await publications_repository.before(session, definition.id)
    if before is None:
        raise Conflict("nothing was in force before this version: publish a version that says what is wanted instead")
    return await publish_model(session, before, wish)


async def put_in_force(
    session: AsyncSession, definition: Definition, wish: Wish, found: Difference | None = None
) -> Definition:
    """The version, the record of who did it, and the sweep over all clients, weighed by the breaker."""
    turn = await _turn(session, definition, wish.now)
    before = await publications_repository.in_force(session, definition.kind, definition.name)
    published = await definitions_repository.publish(session, definition.id, by=wish.by, reason=wish.reason, now=turn)
    record = Publication(
        id=new_id(),
        definition_id=definition.id,
        kind=definition.kind,
        name=definition.name,
        version=definition.version,
        before_id=before,
        action=wish.action,
        at=turn,
        by=wish.by,
        reason=wish.reason,
        difference=None if found is None else summary(found),
    )
    await publications_repository.note(session, record)
    versions = await publications_repository.versions(session, definition.kind, definition.name)
    await holds_repository.supersede(
        session, [f"definition:{each}" for each in versions], wish.now, by=wish.by, reason=wish.reason
    )
    await breaker.weigh(session, definition.id, wish.limits, wish.now)
    owner = f"definition:{definition.id}:{turn.isoformat()}"
    await timers.schedule(session, [Timer(SWEEP, owner, 0, wish.now, {"after": str(FIRST)})])
    return published


async def _turn(session: AsyncSession, definition: Definition, now: datetime) -> datetime:
    """When this transaction's turn came: the clock was read before, maybe sooner than by the one that went first."""
    await definitions_repository.serialize(session)
    last = await publications_repository.last(session, definition.kind, definition.name)
    return now if last is None else max(now, last + INSTANT)


def summary(found: Difference) -> dict[str, Any]:
    """What is kept of a difference: figures, no clients."""
    return {
        "clients": found.clients,
        "of": found.of,
        "changed": found.changed,
        "worse": found.worse,
        "better": found.better,
        "matrix": {before: dict(row) for before, row in found.matrix.items()},
        "held": found.held,
    }


__all__ = [
    "PUBLISH", "TAKE_BACK", "Difference", "Wish", "add_model", "difference", "publish_model", "put_in_force",
    "summary", "take_back", "with_model",
]  # fmt: skip

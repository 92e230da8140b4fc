"""Which models and journey maps served a client when: what was in force at each moment, as publications tell."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from health import definitions_repository, past_repository
from health.book import Book
from health.definitions_repository import JOURNEY, MODEL
from health.domain.journey import Template
from health.domain.model import Model
from health.domain.moments import seconds_of
from health.domain.state import ClientState
from health.past_repository import Publication

FIRST_START = timedelta(minutes=1)
"""The first start publishes one shipped file after the other: together they are the first that was in force."""
_known: dict[UUID, Book] = {}
"""One version each. Texts never change once kept, and a version must be one object: that is how it is told apart."""


@dataclass(frozen=True)
class Served:
    """Books in the order in which they came into force, and the seconds since when each was.

    Moments before `met` (when we began to score the client live) were worked out afterwards, with what was in force
    then: so they are here.
    """

    since: tuple[int, ...]
    books: tuple[Book, ...]
    met: int | None = None

    @property
    def turns(self) -> tuple[int, ...]:
        """Seconds at which another version may have come into force for this client."""
        return tuple(second for second in self.since[1:] if self.met is None or second > self.met)

    def choose(self, state: ClientState, second: int) -> tuple[Model, Template]:
        """The model and the journey map that served a client, as it was then. Raises LookupError where none did."""
        known = second if self.met is None else max(second, self.met)
        return self.books[max(0, bisect_right(self.since, known) - 1)].choice(state)


async def served(session: AsyncSession, client_id: UUID) -> Served:
    """How this client was served, from its first moment until now."""
    met = await past_repository.first_live(session, client_id)
    since, books = [], []
    for second, ids in in_force(await past_repository.publications(session, [MODEL, JOURNEY])):
        since.append(second)
        books.append(await _book(session, ids))
    if not books:
        return Served((0,), (await definitions_repository.book(session),))
    return Served(tuple(since), tuple(books), None if met is None else seconds_of(met))


def in_force(publications: Sequence[Publication]) -> list[tuple[int, tuple[UUID, ...]]]:
    """Since which second which definitions were in force together."""
    current: dict[tuple[str, str], UUID] = {}
    found: list[tuple[int, tuple[UUID, ...]]] = []
    for publication in publications:
        current[(publication.kind, publication.name)] = publication.definition_id
        ids = tuple(current[key] for key in sorted(current))
        if publication.at - publications[0].at < FIRST_START:
            found = [(seconds_of(publications[0].at), ids)]
        else:
            found.append((seconds_of(publication.at), ids))
    return found


async def _book(session: AsyncSession, ids: tuple[UUID, ...]) -> Book:
    parts = []
    for definition_id in ids:
        if definition_id not in _known:
            _known[definition_id] = await definitions_repository.book_of(session, [definition_id])
        parts.append(_known[definition_id])
    return Book(tuple(m for part in parts for m in part.models), tuple(j for part in parts for j in part.journeys))

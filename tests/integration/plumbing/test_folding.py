"""State does not depend on the order of arrival, whatever arrives."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from common import folding, inbox
from common.contracts import client
from common.contracts.base import Data, Event
from common.db import Database

from tests.support.events import DAY_0, happened, login

KEEP: frozenset[type[Data]] = frozenset(
    {client.LoggedIn, client.EventWithdrawn, client.ClientsMerged, client.ClientsUnmerged}
)


class Trail:
    """State: the counts of logins in the order folded; any other order, loss or repeat gives another list."""

    version = 1

    def empty(self, client_id: UUID) -> list[int]:
        return []

    def apply(self, state: list[int], event: Event[Any]) -> list[int]:
        return [*state, event.data.count] if isinstance(event.data, client.LoggedIn) else state

    def dump(self, state: list[int]) -> bytes:
        return orjson.dumps(state)

    def load(self, raw: bytes) -> list[int]:
        loaded: list[int] = orjson.loads(raw)
        return loaded


TRAIL = Trail()


async def arrive(database: Database, events: Sequence[Event[Any]], fold: Any = TRAIL) -> dict[UUID, Any]:
    """One batch, as the consumer would handle it; repeats fall away."""
    async with database.transaction() as session:
        fresh = await inbox.take(session, events, keep=KEEP)
        if not fresh:
            return {}
        folded = await folding.advance(session, fold, fresh)
        await folding.save(session, fold, folded.values())
        return dict(folded)


async def state_of(database: Database, client_id: UUID, fold: Any = TRAIL) -> Any:
    async with database.read() as session:
        found = await folding.read(session, fold, [client_id])
    return next(iter(found.values())).state if found else None


@pytest.mark.parametrize("seed", range(12))
async def test_any_order_and_any_repeats_give_the_same_state(database: Database, seed: int) -> None:
    chance = random.Random(seed)
    one = uuid4()
    logins = [login(one, minutes=chance.randrange(500), count=n + 1) for n in range(15)]
    corrected = login(one, minutes=7, count=99, replaces=logins[0].id)
    withdrawn = happened(client.EventWithdrawn(event_id=logins[1].id), one, at=DAY_0 + timedelta(minutes=600))
    events = [*logins, corrected, withdrawn]
    kept = sorted([*logins[2:], corrected], key=lambda e: e.order)
    arrivals = [*events, *chance.sample(events, 6)]
    chance.shuffle(arrivals)
    while arrivals:
        size = chance.randrange(1, 5)
        await arrive(database, arrivals[:size])
        arrivals = arrivals[size:]
    assert await state_of(database, one) == [e.data.count for e in kept]


@pytest.mark.parametrize("seed", range(8))
async def test_a_merged_client_folds_the_facts_of_all_its_ids(database: Database, seed: int) -> None:
    chance = random.Random(seed)
    lost, kept = uuid4(), uuid4()
    logins = [login(chance.choice([lost, kept]), minutes=n * 10, count=n) for n in range(12)]
    merge = client.ClientsMerged(from_client_id=lost, into_client_id=kept)
    merged_at = DAY_0 + timedelta(minutes=55)
    # ingest publishes it once under each id, and the two copies arrive by different partitions
    words = [happened(merge, lost, at=merged_at), happened(merge, kept, at=merged_at)]
    arrivals = [*logins, *words]
    chance.shuffle(arrivals)
    for event in arrivals:
        await arrive(database, [event])
    assert await state_of(database, kept) == list(range(12))
    assert await state_of(database, lost) == list(range(12)), "the old id leads to the surviving client"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_taking_a_merge_back_gives_both_their_own_again(database: Database, order: tuple[int, int]) -> None:
    lost, kept = uuid4(), uuid4()
    await arrive(database, [login(lost, minutes=1, count=1), login(kept, minutes=2, count=2)])
    merge = client.ClientsMerged(from_client_id=lost, into_client_id=kept)
    back = client.ClientsUnmerged(from_client_id=lost, into_client_id=kept)
    words = [
        happened(merge, lost, at=DAY_0 + timedelta(minutes=3)),
        happened(back, lost, at=DAY_0 + timedelta(minutes=4)),
    ]
    for index in order:
        await arrive(database, [words[index]])
    assert await state_of(database, lost) == [1]
    assert await state_of(database, kept) == [2]


async def test_a_batch_says_what_it_changed(database: Database) -> None:
    one = uuid4()
    first = await arrive(database, [login(one, minutes=1, count=1)])
    assert first[one].previous is None
    second = await arrive(database, [login(one, minutes=2, count=2)])
    assert (second[one].previous, second[one].state, second[one].refolded) == ([1], [1, 2], False)
    late = await arrive(database, [login(one, minutes=0, count=3)])
    assert (late[one].previous, late[one].state, late[one].refolded) == ([1, 2], [3, 1, 2], True)


async def test_a_new_version_of_the_fold_folds_again(database: Database) -> None:
    one = uuid4()
    await arrive(database, [login(one, minutes=1, count=5)])

    class Doubled(Trail):
        version = 2

        def apply(self, state: list[int], event: Event[Any]) -> list[int]:
            return [*state, 2 * event.data.count]

    assert await state_of(database, one, Doubled()) == [10], "read without being saved"
    await arrive(database, [login(one, minutes=2, count=6)], Doubled())
    assert await state_of(database, one, Doubled()) == [10, 12]


async def test_names_and_addresses_of_people_are_not_kept(database: Database) -> None:
    one = uuid4()
    event = happened(client.ContactAdded(contact_id="c-1", name="Ada", email="ada@example.com", role="champion"), one)
    async with database.transaction() as session:
        await inbox.take(session, [event], keep=frozenset({client.ContactAdded}))
        [fact] = await inbox.load(session, [one])
    assert fact.data.role == "champion"
    assert fact.data.name is None
    assert fact.data.email is None


async def test_an_erased_client_stays_erased(database: Database) -> None:
    one = uuid4()
    await arrive(database, [login(one)])
    async with database.transaction() as session:
        await inbox.erase(session, [one], at=DAY_0)
    assert await arrive(database, [login(one, minutes=5)]) == {}
    assert await state_of(database, one) is None

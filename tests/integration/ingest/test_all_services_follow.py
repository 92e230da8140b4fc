"""Whoever puts identity right ends where all would be had it been right from the start, in every service.

Two worlds live side by side: in one everything was right from the start, in the other something was wrong and was
repaired in the middle of what happens. Both are told the same; in the end no service can tell them apart.
"""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.integration.ingest.conftest import Ingest
from tests.support.following import Followers

DAY = timedelta(days=1)
LIVE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SEEDS = range(3)
ROLES = ["champion", "sponsor", "user"]


@pytest.fixture
async def followers(ingest: Ingest, service_database: Callable[[str], str]) -> AsyncIterator[Followers]:
    async with Followers(ingest.clock, random.Random(7), service_database) as own:
        yield own


@dataclass
class Scene:
    """Ingest and its followers; a moment passes with everything that is said."""

    ingest: Ingest
    followers: Followers
    chance: random.Random
    sent: int = 0
    minute: int = 0
    told: dict[str, list[Any]] = field(default_factory=dict)

    async def call(self, method: str, path: str, **options: Any) -> Any:
        answer = await self.ingest.call(method, path, **options)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    async def register(self, ref: str, **profile: Any) -> UUID:
        return await self.ingest.register(ref, **profile)

    async def give(self, ref: str, client: UUID) -> None:
        """A person says whose a ref is."""
        source, kind, id_ = ref.split(":", 2)
        await self.call("PUT", f"/v1/refs/{source}/{kind}/{id_}", json={"client_id": str(client)})

    async def say(self, ref: str, happening: dict[str, Any]) -> None:
        """Live, by the ref."""
        await self.call("POST", "/v1/events", json={**happening, "subject": f"ref:{ref}"})

    async def bring_in(self, ref: str, happenings: list[dict[str, Any]]) -> None:
        """As history."""
        lines = b"\n".join(json.dumps({**one, "subject": f"ref:{ref}"}).encode() for one in happenings)
        answer = await self.call("POST", "/v1/imports", content=lines)
        assert answer["refused"] == 0, answer

    async def pass_on(self) -> None:
        """What was said since the last time reaches the services."""
        for _ in range(20):
            await self.ingest.fire_timers()
        rows = await self.ingest.rows(
            "SELECT seq, topic, key, headers, body FROM outbox WHERE seq > :seen AND topic = 'csl.client.events.v1'"
            " ORDER BY lane, seq",
            seen=self.sent,
        )
        self.sent = max([self.sent, *(row.seq for row in rows)])
        await self.followers.deal(rows)

    def later(self) -> None:
        self.ingest.clock.advance(hours=self.chance.randint(1, 30))

    async def same(self, repaired: UUID, right: UUID) -> None:
        """No service can tell them apart."""
        for service in self.followers.services:
            assert await service.facts(repaired) == _plainly(await service.facts(right)), f"facts of {service.name}"
            assert await service.state(repaired) == _plainly(await service.state(right)), f"state of {service.name}"


def _plainly(value: Any) -> Any:
    """The world in which all was right writes its refs with a tilde."""
    return json.loads(json.dumps(value).replace("~", ""))


def happening(chance: random.Random, at: datetime) -> dict[str, Any]:
    """Something that may happen to any client."""
    nth = chance.randint(1, 5)
    name, data = chance.choice([
        ("logged_in", {"contact_id": f"p{nth}", "count": nth}),
        ("usage_recorded", {"feature": f"f{nth}", "quantity": nth * 10, "active_users": nth}),
        ("ticket_opened", {"ticket_id": f"t{nth}", "priority": "high", "contact_id": f"p{nth}"}),
        ("ticket_resolved", {"ticket_id": f"t{nth}", "csat": {"score": nth, "scale_max": 5}}),
        ("contact_added", {"contact_id": f"p{nth}", "name": f"Person {nth}", "role": chance.choice(ROLES)}),
        ("contact_left", {"contact_id": f"p{nth}"}),
        ("survey_answered", {"survey": "nps", "contact_id": f"p{nth}", "score": nth, "scale_min": 0, "scale_max": 10}),
        ("invoice_overdue", {"invoice_id": f"i{nth}", "days": nth * 9}),
        ("invoice_paid", {"invoice_id": f"i{nth}", "amount": {"amount": 900, "currency": "USD"}}),
        ("meeting_scheduled", {"meeting_id": f"m{nth}", "kind": "root_cause", "starts_at": (at + 3 * DAY).isoformat()}),
        ("client_updated", {"seats": nth * 4, "csm_email": f"csm{nth}@ours.example"}),
        ("contract_cancelled", {"effective_on": f"2026-0{nth + 3}-01"}),
        ("cancellation_withdrawn", {}),
        ("csm_sentiment_given", {"score": nth, "by": "maya@ours.example"}),
    ])  # fmt: skip
    return {"type": name, "source": "desk", "time": at.isoformat(), "data": data}


def history(chance: random.Random, many: int, *, second: int = 0) -> list[dict[str, Any]]:
    """Before anything live; `second` keeps two histories of one client from telling of one moment."""
    hours = range(0, 11 * many, 11)
    return [happening(chance, LIVE - 60 * DAY + timedelta(hours=hour, seconds=second)) for hour in hours]


async def tell(scene: Scene, pairs: list[tuple[str, str]], many: int) -> None:
    """The same happens in both worlds: to the first ref of a pair here, to the second there."""
    for _ in range(many):
        scene.later()
        one = happening(scene.chance, scene.ingest.clock.now())
        for ref in scene.chance.choice(pairs):
            await scene.say(ref, one)
    await scene.pass_on()


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_moved_link(ingest: Ingest, followers: Followers, seed: int) -> None:
    scene = Scene(ingest, followers, random.Random(seed))
    clients = {
        name: await scene.register(f"crm:company:{name}", seats=3) for name in ("right", "wrong", "right~", "wrong~")
    }
    await scene.give("desk:organization:d", clients["wrong"])
    await scene.give("desk:organization:d~", clients["right~"])
    await scene.bring_in("desk:organization:d", past := history(scene.chance, 6))
    await scene.bring_in("desk:organization:d~", past)
    pairs = [("desk:organization:d", "desk:organization:d~"), ("crm:company:right", "crm:company:right~"),
             ("crm:company:wrong", "crm:company:wrong~")]  # fmt: skip
    await tell(scene, pairs, 12)
    scene.later()
    await scene.give("desk:organization:d", clients["right"])
    if scene.chance.random() < 0.5:
        await scene.pass_on()
    await tell(scene, pairs, 8)
    await scene.bring_in("desk:organization:d", past := history(scene.chance, 4, second=1))
    await scene.bring_in("desk:organization:d~", past)
    await tell(scene, pairs, 4)
    await scene.same(clients["right"], clients["right~"])
    await scene.same(clients["wrong"], clients["wrong~"])


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_merge(ingest: Ingest, followers: Followers, seed: int) -> None:
    """Right from the start: the second record was known to be the first's from its beginning."""
    scene = Scene(ingest, followers, random.Random(seed))
    profile = {"name": "Initech", "seats": 3}
    apart = [await scene.register(f"crm:company:{nth}", **profile) for nth in (1, 2)]
    second = {"source": "crm", "kind": "company", "id": "2~"}
    whole = await scene.register("crm:company:1~", refs=[second], **profile)
    await scene.register("crm:company:2~", **profile)
    pairs = [("crm:company:1", "crm:company:1~"), ("crm:company:2", "crm:company:2~")]
    for nth, (one, other) in enumerate(pairs):
        await scene.bring_in(one, past := history(scene.chance, 4, second=nth))
        await scene.bring_in(other, past)
    await tell(scene, pairs, 8)
    scene.later()
    await scene.call("POST", f"/v1/clients/{apart[0]}/merge", json={"from_client_id": str(apart[1])})
    await tell(scene, pairs, 8)
    await scene.same(apart[0], whole)


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_merge_taken_back(ingest: Ingest, followers: Followers, seed: int) -> None:
    scene = Scene(ingest, followers, random.Random(seed))
    clients = [await scene.register(f"crm:company:{ref}", name=f"C{ref[0]}") for ref in ("0", "1", "0~", "1~")]
    pairs = [("crm:company:0", "crm:company:0~"), ("crm:company:1", "crm:company:1~")]
    for nth, (one, other) in enumerate(pairs):
        await scene.bring_in(one, past := history(scene.chance, 4, second=nth))
        await scene.bring_in(other, past)
    await tell(scene, pairs, 6)
    scene.later()
    await scene.call("POST", f"/v1/clients/{clients[0]}/merge", json={"from_client_id": str(clients[1])})
    await tell(scene, pairs, 8)
    await scene.bring_in("crm:company:1", past := history(scene.chance, 3, second=2))
    await scene.bring_in("crm:company:1~", past)
    scene.later()
    await scene.call("POST", f"/v1/clients/{clients[1]}/unmerge")
    await tell(scene, pairs, 6)
    await scene.same(clients[0], clients[2])
    await scene.same(clients[1], clients[3])
    seen = [await scene.call("GET", f"/v1/clients/{one}") for one in clients]
    for repaired, right in ((seen[0], seen[2]), (seen[1], seen[3])):
        assert repaired["profile"] == right["profile"]
        assert repaired["people"] == right["people"]

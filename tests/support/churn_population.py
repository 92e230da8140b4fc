"""Files of client events with a planted signal: clients that lose sponsor and usage mostly leave some weeks later."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from common.contracts.ids import derived_id

FIRST = datetime(2024, 1, 1, tzinfo=UTC)
WEEKS = 90


def lines(clients: int, *, seed: int = 1, weeks: int = WEEKS) -> list[bytes]:
    """NDJSON in import form, one client after the other."""
    return [orjson.dumps(event) for n in range(clients) for event in events_of(n, seed, weeks)]


def client_of(number: int, seed: int = 1) -> UUID:
    return derived_id("planted", seed, number)


def events_of(number: int, seed: int = 1, weeks: int = WEEKS) -> Iterator[dict[str, Any]]:
    """One client: a third turn away at some week and most of those give notice six to ten weeks later."""
    rng = random.Random(f"{seed}:{number}")
    subject = str(client_of(number, seed))
    began = rng.randrange(0, weeks // 2)
    turns = rng.randrange(began + 12, weeks + 40) if rng.random() < 0.6 else 10**6
    leaves = turns + rng.randrange(6, 11) if rng.random() < 0.85 else 10**6
    normal = rng.uniform(15, 60)

    def event(name: str, week: int, day: float, **data: Any) -> dict[str, Any]:
        at = FIRST + timedelta(weeks=week, days=day, seconds=rng.randrange(3600))
        return {
            "type": f"csl.client.{name}.v1",
            "source": "planted",
            "subject": subject,
            "time": at.isoformat().replace("+00:00", "Z"),
            "data": data,
        }

    money = {"amount": 100_000, "currency": "USD"}
    starts = (FIRST + timedelta(weeks=began)).date().isoformat()
    yield event("client_registered", began, 0, refs=[], tier="core", seats=20, contract_started_on=starts)
    yield event("contract_signed", began, 0.1, contract_id="c", starts_on=starts, mrr=money)
    yield event("contact_added", began, 0.2, contact_id="ada", role="sponsor")
    for week in range(began, min(weeks, leaves)):
        level = 0.3 if week >= turns else 1.0
        yield event("logged_in", week, 1, count=max(0, round(rng.gauss(normal * level, 4))))
        yield event("usage_recorded", week, 2, feature=f"f{week % 3}", quantity=max(0, round(rng.gauss(80 * level, 9))))
        if week == turns + 1:
            yield event("contact_left", week, 3, contact_id="ada", role_before="sponsor")
    if leaves < weeks:
        yield event("contract_cancelled", leaves, 1, effective_on="2027-01-01")

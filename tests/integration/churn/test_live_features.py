"""One code: what a model is asked live is what it would have learned from a file of the same history."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from churn import assessing, dataset
from churn.dataset import Wish
from churn.domain.features import NAMES
from churn.domain.labels import Rules
from common import outbox
from common.contracts import registry
from common.contracts.base import Event
from common.contracts.ids import derived_id

from tests.support.churn_stack import ChurnStack
from tests.support.churn_world import body_of, money, turning_away

WEEK = timedelta(weeks=1)
DAYS = timedelta(days=1)
PLAN = {"phase": "adoption", "owner_email": "o@ours.example", "kpi": "k"}


def history(client_id: UUID, start: datetime) -> list[Event[Any]]:
    """28 weeks with everything in them that is told late, corrected or taken back."""
    told: list[Event[Any]] = []

    def tell(name: str, data: dict[str, Any], at: datetime, **more: Any) -> Event[Any]:
        event = Event.of(
            body_of(name, **data),
            id=derived_id("live-features", client_id, len(told)),
            source="csl/test",
            subject=client_id,
            time=at,
            **more,
        )
        told.append(event)
        return event

    for name, data, at in turning_away(start):
        tell(name, data, at)
    for nth in range(6):
        due = start + (3 + 4 * nth) * WEEK
        tell("milestone_planned", {"milestone": f"m{nth}", "due_at": due.isoformat(), **PLAN}, start)
        if nth < 4:
            tell("milestone_completed", {"milestone": f"m{nth}", "kpi_value": 90 - 9 * nth}, due + nth * DAYS)
    invoice = {"invoice_id": "i", "amount": money(9), "due_on": (start + 20 * WEEK).date().isoformat()}
    tell("invoice_issued", invoice, start + 18 * WEEK)
    tell("ticket_opened", {"ticket_id": "t", "priority": "urgent"}, start + 21 * WEEK)
    tell("budget_discussed", {"direction": "decrease"}, start + 22 * WEEK)
    tell("logged_in", {"count": 400}, start + 19 * WEEK, knowntime=start + 22 * WEEK + DAYS)
    wrong = tell("logged_in", {"count": 900}, start + 20 * WEEK)
    tell("event_withdrawn", {"event_id": str(wrong.id)}, start + 23 * WEEK)
    small = tell("usage_recorded", {"feature": "alerts", "quantity": 5000}, start + 17 * WEEK)
    mended = {"feature": "alerts", "quantity": 50}
    tell("usage_recorded", mended, small.time, knowntime=start + 24 * WEEK, replaces=small.id)
    return told


def score(client_id: UUID, nth: int, at: datetime) -> Event[Any]:
    body = {
        "client_id": client_id,
        "mode": "live",
        "model": "loop",
        "model_version": 1,
        "score": 90 - 2 * nth,
        "band": "green" if nth < 5 else "amber" if nth < 15 else "red",
        "confidence": 0.75,
        "components": [{"name": "usage", "weight": 35, "score": 80.0, "fresh": True}],
        "as_of": at,
        "caused_by": [],
    }
    said = registry.body("csl.health.scored.v1").model_validate(body)
    return Event.of(said, id=derived_id("score", client_id, nth), source="csl/health", subject=client_id, time=at)


async def test_assessing_sees_the_numbers_that_training_would_learn_from(
    churn: ChurnStack, client_id: UUID, monkeypatch: pytest.MonkeyPatch
):
    asked: dict[int, list[float]] = {}

    def seen(view: assessing.View) -> list[float]:
        asked[view.moment] = found = values(view)
        return found

    values = assessing.features.values
    monkeypatch.setattr(assessing.features, "values", seen)
    start = churn.clock.now()
    events = history(client_id, start)
    scores = [score(client_id, nth, start + nth * WEEK + timedelta(hours=7)) for nth in range(1, 29)]
    await live_through(churn, [*events, *scores], start)

    file = b"\n".join(outbox.message(event).body for event in events)
    file += b"\n" + outbox.message(later(client_id, start)).body
    moments = sorted(asked)
    rules = Rules(min_tenure_days=0)
    wish = Wish(rules, 7, workers=1, train_until=0, test_from=moments[0], test_to=moments[-1])
    table = dataset.build(file, b"\n".join(outbox.message(event).body for event in scores), wish)
    assert table.moments.tolist() == moments
    assert len(moments) >= 10
    assert min((row == row).sum() for row in table.features) >= 60, "most columns have something to say"
    for moment, row in zip(moments, table.features, strict=True):
        differing = {
            name: (live, learned)
            for name, live, learned in zip(NAMES, asked[moment], row, strict=True)
            if repr(float(live)) != repr(float(learned))
        }
        assert not differing, (moment, differing)


async def live_through(churn: ChurnStack, events: list[Event[Any]], start: datetime) -> None:
    """Events come as they are known; from the 15th week on the client is assessed every week."""
    waiting = sorted(events, key=lambda event: (event.knowntime, event.time, event.id))
    for week in range(15, 29):
        now = start + week * WEEK + 3 * timedelta(hours=1)
        known = [event for event in waiting if event.knowntime <= now]
        waiting = waiting[len(known) :]
        churn.clock.set(now - timedelta(seconds=churn.settings.assess_rest))
        await churn.deliver(*known)
        assert await churn.assess() == 1


def later(client_id: UUID, start: datetime) -> Event[Any]:
    """So much later that the outcome of every moment is known."""
    at = start + 400 * DAYS
    body = body_of("logged_in", count=1)
    return Event.of(body, id=derived_id("later", client_id), source="csl/test", subject=client_id, time=at)

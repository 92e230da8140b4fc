"""A model that says what a test tells it: a client's probability is its monthly revenue in thousandths.

So a test moves a client's risk with an event, and the whole way from the event to the flag is the real one.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import numpy as np
from churn.adapters.risk_model import Prediction
from churn.domain.features import NAMES
from churn.domain.reasons import CODES
from churn.registry import Serving
from churn.repository.models import ModelRecord

from tests.support.churn_stack import ChurnStack
from tests.support.churn_world import Told, beginning, money

REVENUE = NAMES.index("mrr_level")
BASE = -3.0


class ToldModel:
    """`predict` as the registry's models have it."""

    def predict(self, rows: list[list[float]]) -> Prediction:
        probability = np.array([(10 ** row[REVENUE] - 1) / 1000 for row in rows])
        groups = np.zeros((len(rows), len(CODES)))
        groups[:, CODES.index("revenue")] = np.log(probability / (1 - probability)) - BASE
        return Prediction(probability, groups, np.full(len(rows), BASE))


def put_in_service(churn: ChurnStack, version: str = "told.1") -> None:
    """The workers of this stack assess by it from now on."""
    record = ModelRecord(
        model_id=UUID(int=1),
        version=version,
        kind="told",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        created_by="a test",
        sha256="0" * 64,
        features=NAMES,
        calibration={},
        libraries={},
        trained_on="own",
        fingerprint="0" * 64,
        horizon_days=90,
        metrics={},
    )
    assessor = churn.service.worker_work[0].__self__._assessor  # type: ignore[attr-defined]  # a bound method
    assessor.registry._serving = Serving(record, ToldModel())  # type: ignore[arg-type]  # the part that is used


def at_risk(probability: float) -> dict[str, Any]:
    """The data of a `subscription_changed` after which the client is at this risk."""
    return {"subscription_id": "s-1", "mrr_after": money(round(probability * 100_000)), "status": "active"}


def life_at(probability: float, began: datetime, csm: str | None = None) -> list[Told]:
    """A client of some months, at this risk."""
    first, *rest = [event for event in beginning(began) if event[0] != "subscription_changed"]
    named = (first[0], {**first[1], "csm_email": csm}, first[2]) if csm else first
    return [named, *rest, ("subscription_changed", at_risk(probability), began)]


async def clients_at(churn: ChurnStack, csm: str | None, *probabilities: float) -> list[UUID]:
    """Clients of a CSM at these risks, assessed."""
    ids = [uuid4() for _ in probabilities]
    began = churn.clock.now() - timedelta(weeks=30)
    for client_id, probability in zip(ids, probabilities, strict=True):
        told = life_at(probability, began, csm)
        await churn.deliver(*(churn.event(name, client_id, at=at, **data) for name, data, at in told))
    await churn.assess()
    return ids


async def becomes(churn: ChurnStack, client_id: UUID, probability: float) -> None:
    """The client's risk moves now, and it is assessed."""
    await churn.say("subscription_changed", client_id, **at_risk(probability))
    await churn.assess()

"""Models whose stored bytes went bad: what speaks instead, what is said about it, and how they come back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from churn import metrics
from churn.main import wire
from churn.registry import Registry, Serving
from sqlalchemy import text

from tests.integration.churn.test_models import another, promoted, registered
from tests.integration.churn.test_models import offer as offer
from tests.support.churn_stack import ChurnStack


async def spoil(churn: ChurnStack, *model_ids: str) -> None:
    async with churn.database.transaction() as session:
        await session.execute(
            text("UPDATE models SET content = content || 'x'::bytea WHERE model_id = ANY(:ids)"),
            {"ids": [UUID(model_id) for model_id in model_ids]},
        )


async def mend(churn: ChurnStack, model_id: str) -> None:
    async with churn.database.transaction() as session:
        await session.execute(
            text("UPDATE models SET content = substr(content, 1, length(content) - 1) WHERE model_id = :id"),
            {"id": UUID(model_id)},
        )


class Process:
    """The registry of a process that starts now."""

    def __init__(self, churn: ChurnStack) -> None:
        self.registry: Registry = wire(churn.settings, churn.database, churn.clock).app.state.registry
        self._churn = churn

    async def serves(self) -> str | None:
        async with self._churn.database.read() as session:
            serving: Serving | None = await self.registry.current(session)
        return str(serving.record.model_id) if serving else None


async def test_mended_bytes_are_taken_up_without_a_restart(churn: ChurnStack, offer: dict[str, Any]):
    first, second = await promoted(churn, offer), await promoted(churn, await another(churn, offer))
    version = (await churn.get("/v1/models")).json()["in_service"]
    await spoil(churn, second)
    process = Process(churn)
    assert await process.serves() == first
    assert process.registry.refused == f"model {version} is refused: the stored bytes do not have their sha256"
    assert metrics.MODEL_IS_REFUSED.labels(version)._value.get() == 1
    again = await churn.post(f"/v1/models/{second}/promote", {"reason": "is it mended?"})
    assert (again.status_code, "cannot be loaded" in again.json()["detail"]) == (409, True), again.text
    await mend(churn, second)
    assert await process.serves() == second
    assert process.registry.refused == ""
    assert not list(metrics.MODEL_IS_REFUSED.collect()[0].samples)


async def test_a_model_that_was_rolled_back_does_not_stand_in_for_one_that_is_refused(
    churn: ChurnStack, offer: dict[str, Any]
):
    first, second = await promoted(churn, offer), await promoted(churn, await another(churn, offer))
    await churn.post("/v1/models/rollback", {"reason": "wrong about renewals"})
    running = Process(churn)
    assert await running.serves() == first
    await spoil(churn, first)
    assert await running.serves() == first, "what is loaded stays"
    assert await Process(churn).serves() is None, f"nobody wants {second}: the scorecard speaks"


async def test_rollback_passes_over_models_that_cannot_be_loaded_and_says_what_speaks(
    churn: ChurnStack, offer: dict[str, Any]
):
    first, second = await promoted(churn, offer), await promoted(churn, await another(churn, offer))
    third = await another(churn, offer)
    third["calibration"] = {"method": "platt", "slope": 0.8, "offset": -0.2}
    await promoted(churn, third)
    await spoil(churn, second)
    back = (await churn.post("/v1/models/rollback", {"reason": "too dark"})).json()
    assert back["model_id"] == first
    assert await Process(churn).serves() == first
    await spoil(churn, first)
    back = (await churn.post("/v1/models/rollback", {"reason": "too dark"})).json()
    assert back == {"model_id": None, "version": "scorecard"}


async def test_trained_again_to_the_same_bytes_a_model_can_be_compared_anew(churn: ChurnStack, offer: dict[str, Any]):
    """Else whoever came second could never be put in service: training is deterministic."""
    own = {**offer, "trained_on": "own"}
    first = await registered(churn, own)
    await promoted(churn, await another(churn, own))
    refused = await churn.post(f"/v1/models/{first}/promote", {"reason": "try it"})
    assert "train it again" in refused.json()["detail"]
    compared = (await another(churn, offer))["metrics"]
    again = {**own, "metrics": compared}
    assert await promoted(churn, again) != first
    reordered = {**again, "calibration": dict(reversed(offer["calibration"].items()))}
    assert await registered(churn, reordered) == await registered(churn, again), "the order of keys says nothing"

"""The model that this process assesses with: follows the registry without a restart, and never trusts bytes unread."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from common import logging
from common.db import Database
from sqlalchemy.ext.asyncio import AsyncSession

from churn import metrics
from churn.adapters.stored_model import BadModelError, StoredModel
from churn.repository import models

if TYPE_CHECKING:
    from churn.adapters.risk_model import RiskModel

log = logging.get(__name__)

BACK = frozenset({"rolled_back", "fell_back"})


@dataclass(frozen=True)
class Serving:
    """A loaded model with its record."""

    record: models.ModelRecord
    model: RiskModel

    @property
    def simulated(self) -> bool:
        return self.record.trained_on == "simulated"


class Registry:
    """Keeps the model in service loaded. `refused` says why a promoted one is not (else empty)."""

    def __init__(self) -> None:
        self._seen: tuple[int, str] | None = None
        self._serving: Serving | None = None
        self._prepared = False
        self.refused = ""

    async def prepare(self, database: Database) -> None:
        """Import XGBoost, if a model is in service, before any transaction waits for it: that can take seconds."""
        if self._prepared:
            return
        async with database.read() as session:
            decision = await models.in_service(session)
        if decision is not None and decision.model_id is not None:
            await asyncio.to_thread(importlib.import_module, "churn.adapters.risk_model")
            self._prepared = True

    async def current(self, session: AsyncSession) -> Serving | None:
        """The model in service; None: the scorecard. One cheap query, and a load when the decision changed.

        A model that was stored anew (mended, after it was refused) is loaded again.
        """
        seen = await models.in_force(session)
        if seen != self._seen:
            await self._follow(session)
            self._seen = seen
        return self._serving

    async def _follow(self, session: AsyncSession) -> None:
        """Load what was decided last; bytes that cannot be trusted are refused and the one before speaks."""
        self.refused = ""
        metrics.MODEL_IS_REFUSED.clear()
        for model_id in reversed(standing(await models.promotions(session))):
            if model_id is None:
                self._serve(None)
                return
            if self._serving and self._serving.record.model_id == model_id:
                return
            try:
                self._serve(await load(session, model_id))
            except BadModelError as error:
                await self._refuse(session, model_id, error)
            else:
                return

    async def _refuse(self, session: AsyncSession, model_id: UUID, error: BadModelError) -> None:
        record = await models.find(session, model_id)
        version = record.version if record else str(model_id)
        metrics.MODEL_REFUSED.inc()
        metrics.MODEL_IS_REFUSED.labels(version).set(1)
        self.refused = self.refused or f"model {version} is refused: {error}"
        log.error("model_refused", model_id=str(model_id), version=version, error=str(error))

    def _serve(self, serving: Serving | None) -> None:
        metrics.MODEL_IN_SERVICE.clear()
        if serving:
            record = serving.record
            metrics.MODEL_IN_SERVICE.labels(record.kind, record.version, record.trained_on).set(1)
        self._serving = serving
        log.info("model_in_service", version=serving.record.version if serving else "scorecard")


def standing(decisions: Sequence[models.Promotion]) -> list[UUID | None]:
    """Decisions, newest first, as a stack: promotions push, going back pops. Last is what is in force, first None."""
    stack: list[UUID | None] = [None]
    for decision in reversed(decisions):
        if decision.action in BACK:
            while len(stack) > 1 and stack[-1] != decision.model_id:
                stack.pop()
        if stack[-1] != decision.model_id:  # also where we went back to one that was promoted before these decisions
            stack.append(decision.model_id)
    return stack


async def load(session: AsyncSession, model_id: UUID) -> Serving:
    """Raises BadModelError when its bytes cannot be trusted or used here."""
    record = await models.find(session, model_id)
    if record is None:
        raise BadModelError("it is not in the registry")
    stored = await models.stored(session, model_id)
    # In a thread: if XGBoost is not imported yet, Kafka wants its heartbeats meanwhile.
    return Serving(record, await asyncio.to_thread(unpack, stored))


def unpack(stored: StoredModel) -> RiskModel:
    """Raises BadModelError. XGBoost is imported with the first model: the service starts without one, and quickly."""
    from churn.adapters import risk_model

    return risk_model.unpack(stored)

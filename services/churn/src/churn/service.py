"""HTTP use cases: what is asked about risks, what a person decides about a flag or a model."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from common import folding, logging, outbox
from common.contracts.errors import Conflict, NotFound, Refused
from common.contracts.ids import derived_id
from common.timers import Timer, schedule
from sqlalchemy.ext.asyncio import AsyncSession

from churn import metrics, registry
from churn.adapters import trial
from churn.adapters.stored_model import MODEL, BadModelError, StoredModel
from churn.assessing import event_of
from churn.domain import flags
from churn.domain.policy import Policy
from churn.jobs import OVERRIDE_EXPIRY
from churn.repository import decisions, models, risks
from churn.repository.models import ModelRecord
from churn.repository.risks import Risk

log = logging.get(__name__)

SCORECARD = "scorecard"
SIMULATED = "simulated"
SHOWN = ("beats_logistic", "beats_rule", "surely_beats_rule", "calibrated", "permuted_fails", "segments")
"""What every report of the gate has to show. Whether it was shown is the word of who trained."""


async def risk(session: AsyncSession, client_id: UUID) -> Risk:
    """A client's last assessment with flag and override; a merged client is read under the one it went into."""
    root = (await folding.roots_of(session, {client_id}))[client_id]
    found = await risks.read(session, root)
    if found is None or found.last is None:
        raise NotFound(_not_assessed(client_id, found))
    return found


def _not_assessed(client_id: UUID, found: Risk | None) -> str:
    if found is not None and found.ended is not None and found.ended.get("at"):
        day = str(found.ended["at"])[:10]
        return f"client {client_id} had ended ({found.ended['kind']}, {day}) before it was ever assessed"
    return f"client {client_id} has not been assessed"


@dataclass(frozen=True, slots=True)
class OverrideWish:
    """What a person says to downgrade a flag."""

    reason_code: str
    note: str
    until: datetime


async def override(
    session: AsyncSession, policy: Policy, client_id: UUID, wish: OverrideWish, *, by: str, now: datetime
) -> Risk:
    """Downgrade the client's flag until a date; told on the bus, logged, and ended by a timer."""
    root = (await folding.roots_of(session, {client_id}))[client_id]
    rows = await risks.lock(session, [root])
    if not rows or rows[0].last is None:
        raise NotFound(_not_assessed(client_id, rows[0] if rows else None))
    row = rows[0]
    flag = row.watch.flag
    row.watch, said = flags.override(
        row.watch,
        {**(row.last or {}), "as_of": now},
        policy.overrides,
        by=by,
        reason_code=wish.reason_code,
        note=wish.note,
        until=wish.until,
        now=now,
    )
    made = row.watch.override
    if flag is None or made is None:
        raise Conflict("this client has no flag to downgrade")
    await risks.save(session, rows)
    await decisions.add_override(session, root, flag, made)
    await schedule(session, [Timer(OVERRIDE_EXPIRY, str(made.override_id), 1, made.until, {"client_id": str(root)})])
    await outbox.add(session, [event_of(event, root, now, nth) for nth, event in enumerate(said)])
    metrics.OVERRIDES_MADE.labels(made.reason_code).inc()
    return row


@dataclass(frozen=True, slots=True)
class Offered:
    """A trained model as `loop churn train` sends it."""

    content_base64: str
    sha256: str
    features: tuple[str, ...]
    calibration: Mapping[str, Any]
    libraries: Mapping[str, str]
    trained_on: str
    fingerprint: str
    horizon_days: int
    metrics: Mapping[str, Any]
    card: str
    kind: str = MODEL


async def register(session: AsyncSession, offered: Offered, *, by: str, now: datetime) -> tuple[ModelRecord, bool]:
    """Store a model after having loaded it; the same bytes twice are one model. Says whether it is new."""
    content = _content(offered.content_base64)
    stored = StoredModel(
        content, offered.sha256, offered.features, offered.calibration, offered.libraries, offered.kind
    )
    try:
        await trial.attempt(stored)
    except BadModelError as error:
        raise Refused(f"the model cannot be used: {error}", field="content_base64") from error
    await models.serialise(session)
    model_id = _identity(offered)
    known = await models.find(session, model_id)
    if known is not None:
        return known, False
    day = now.date().isoformat()
    record = ModelRecord(
        model_id=model_id,
        version=f"{day}.{await models.versions_of_day(session, day) + 1}",
        kind=stored.kind,
        created_at=now,
        created_by=by,
        sha256=offered.sha256,
        features=offered.features,
        calibration=offered.calibration,
        libraries=offered.libraries,
        trained_on=offered.trained_on,
        fingerprint=offered.fingerprint,
        horizon_days=offered.horizon_days,
        metrics=offered.metrics,
    )
    await models.add(session, record, content, offered.card)
    return record, True


def _identity(offered: Offered) -> UUID:
    """One model: the same bytes, learned from the same data, and compared with the same model in service.

    Training is deterministic. Whoever trains again because another model is in service by now gets the same bytes,
    and has a new comparison.
    """
    calibration = sorted(offered.calibration.items())
    return derived_id(
        "churn-model", offered.sha256, calibration, offered.fingerprint, offered.trained_on, _compared(offered.metrics)
    )


def _compared(found: Mapping[str, Any]) -> str | None:
    """Version of the model in service that a model was compared with; None: with none."""
    version: str | None = (found.get("in_service") or {}).get("version")
    return version


def _content(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused("not base64", field="content_base64") from error


async def content(session: AsyncSession, model_id: UUID) -> StoredModel:
    """A model's bytes as they were stored."""
    if await models.find(session, model_id) is None:
        raise NotFound(f"there is no model {model_id}")
    return await models.stored(session, model_id)


async def promote(session: AsyncSession, model_id: UUID, *, by: str, reason: str, now: datetime) -> ModelRecord:
    """Put a model in service. Everybody is assessed by it next; the model before stays for a rollback."""
    await models.serialise(session)
    record = await models.find(session, model_id)
    if record is None:
        raise NotFound(f"there is no model {model_id}")
    history = await models.promotions(session)
    in_force = history[0].model_id if history else None
    if all(decision.model_id != model_id for decision in history):  # one that was in service may come back
        _has_passed(record, await models.find(session, in_force) if in_force else None)
    try:
        await registry.load(session, model_id)
    except BadModelError as error:
        raise Conflict(f"model {record.version} cannot be loaded: {error}") from error
    if in_force == model_id:
        return record
    await models.promote(session, model_id, action="promoted", by=by, reason=reason, at=now)
    await risks.all_due(session, now.date())
    return record


def _has_passed(record: ModelRecord, in_service: ModelRecord | None) -> None:
    """Raises Conflict, with what was not shown, unless the model passed the gate beside the one in service."""
    verdict = record.metrics.get("gate") or {}
    if verdict.get("passed") is not True:
        failed = [check["text"] for check in verdict.get("checks", ()) if not check["passed"]]
        raise Conflict(f"model {record.version} has not passed the gate: {'; '.join(failed) or 'it was not judged'}")
    shown = {check["name"] for check in verdict["checks"] if check["passed"]}
    lacking = [name for name in SHOWN if name not in shown]
    if lacking:
        raise Conflict(
            f"model {record.version} has not passed the gate: its report does not show: {', '.join(lacking)}"
        )
    if in_service is None:
        return
    if record.trained_on == SIMULATED and in_service.trained_on != SIMULATED:
        raise Conflict("a model trained on simulated data does not replace one trained on your own")
    if _compared(record.metrics) != in_service.version:
        raise Conflict(
            f"model {record.version} was not compared with {in_service.version}, which is in service: train it again"
        )


async def rollback(session: AsyncSession, *, by: str, reason: str, now: datetime) -> ModelRecord | None:
    """Back to the model that was in service before this one; None: to the scorecard."""
    await models.serialise(session)
    return await go_back(session, action="rolled_back", by=by, reason=reason, now=now)


async def go_back(session: AsyncSession, *, action: str, by: str, reason: str, now: datetime) -> ModelRecord | None:
    """The same for who holds the registry already; `action` is `rolled_back` or `fell_back`."""
    history = await models.promotions(session)
    if not history or history[0].model_id is None:
        raise Conflict("no model is in service")
    before = await _first_usable(session, registry.standing(history)[:-1])
    await models.promote(session, before.model_id if before else None, action=action, by=by, reason=reason, at=now)
    await risks.all_due(session, now.date())
    return before


async def _first_usable(session: AsyncSession, stack: Sequence[UUID | None]) -> ModelRecord | None:
    """The uppermost model that can be loaded: what cannot speak is passed over. None: the scorecard."""
    for model_id in reversed(stack):
        if model_id is None:
            break
        try:
            return (await registry.load(session, model_id)).record
        except BadModelError as error:
            log.warning("model_passed_over", model_id=str(model_id), error=str(error))
    return None

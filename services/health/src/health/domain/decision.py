"""What a new evaluation means: whether the client's band changed, from what, and why."""

from __future__ import annotations

from dataclasses import dataclass

from common.contracts.health import Cause

from health.domain.evaluate import UNKNOWN, Evaluation


@dataclass(frozen=True, slots=True)
class Standing:
    """What was last said of a client. Scores in sixteenths."""

    model: str
    model_version: int
    score: int | None
    band: str
    known_band: str | None
    """The last band but `unknown`."""
    confidence: int
    as_of: int


@dataclass(frozen=True, slots=True)
class Change:
    """A client's band changed."""

    before: str
    known_before: str | None
    cause: Cause


def band_change(before: Standing | None, result: Evaluation, passed: Evaluation | None, *, late: bool) -> Change | None:
    """`passed`: the state before these events, evaluated now; what it shows already, time did and not they.

    `late`: the events are older than others already counted, or take back what was counted.
    """
    if before is None or before.band == result.band:
        return None
    known = before.known_band
    if (before.model, before.model_version) != (result.model.name, result.model.version):
        return Change(before.band, known, Cause.MODEL)
    if passed is not None and passed.model != result.model:  # another segment or tier, with weights of its own
        return Change(before.band, known, Cause.MODEL)
    if UNKNOWN in {result.band, before.band} and (result.band == UNKNOWN or known in {None, result.band}):
        return Change(before.band, known, Cause.MISSING_DATA)
    if passed is not None and passed.band_of_score == result.band_of_score:
        return Change(before.band, known, Cause.TIME)
    return Change(before.band, known, Cause.LATE_DATA if late else Cause.BEHAVIOUR)


def stand(before: Standing | None, result: Evaluation) -> Standing:
    """What is said from now on."""
    known = result.band if result.band != UNKNOWN else (before.known_band if before else None)
    return Standing(
        result.model.name, result.model.version, result.score, result.band, known, result.confidence, result.now
    )

"""Words for what churn says: flags with their reasons, and what people decided about them."""

from __future__ import annotations

from common.contracts import churn

from notify.domain.message import Fact, Message, chance, moment, number, spoken
from notify.domain.wording.context import SIMULATED, Context, name_of, sentence, worded

REASONS_SHOWN = 5
AGAINST_SHOWN = 2
UNCALIBRATED = "These are risk signs counted by a scorecard, not a calibrated probability."


AGAIN = {
    "expired": "The override of this flag has run out, and the risk lasts.",
    "withdrawn": "The override of this flag was taken back, and the risk lasts.",
    "risk_rose": "The override of this flag has ended early: the risk has risen well above what it was.",
    "reached_threshold": "It was named as one of the riskiest of its CSM; now its risk has reached the threshold.",
}
"""Why a flag that stood already is raised again."""


def flag_raised(data: churn.FlagRaised, context: Context) -> Message:
    if data.rule is churn.Rule.CAPACITY:
        title, changed = _among_riskiest(data, context)
    elif data.probability is not None and data.calibrated:
        title = f"{name_of(context)} is likely to leave: {chance(data.probability)} within {data.horizon_days} days"
        changed = f"Risk {chance(data.probability)}; a flag is raised from {data.threshold:.0%}."
    else:
        title = f"{name_of(context)} shows risk signs"
        points = number(data.points) if data.points is not None else "enough"
        changed = f"Scorecard: {points} points; a flag is raised from {number(data.threshold)}."
    again = (f"This is flag {data.episode} of this client.",) if data.episode > 1 else ()
    because = (AGAIN[data.because],) if data.because in AGAIN else ()
    return _risk(data, context, title, (changed, *because, *again))


def _among_riskiest(data: churn.FlagRaised, context: Context) -> tuple[str, str]:
    """Not "likely to leave": most of those who are named stay. But nobody else of the CSM is at more risk."""
    known = f": {chance(data.probability)} within {data.horizon_days} days" if data.probability is not None else ""
    ranking = data.ranking
    if ranking is None:
        return f"{name_of(context)} is still one of your riskier clients{known}", f"It was named as such before{known}."
    those = "clients without a CSM" if ranking.csm is None else "your clients"
    few = "the riskiest" if ranking.named == 1 else f"the {ranking.named} riskiest"
    title = f"{name_of(context)} is among {few} of {those} this week{known}"
    place = f"Place {ranking.place} of {ranking.clients} by risk"
    return title, f"{place}; the average of all clients is {percent(ranking.average)}. Most who are named stay."


def percent(share: float) -> str:
    """With a decimal where a whole number would hide what there is."""
    return f"{share:.0%}" if share >= 0.1 else f"{share:.1%}"


def _risk(data: churn.Risk, context: Context, title: str, changed: tuple[str, ...]) -> Message:
    why, against = reasons(data.reasons)
    notes = [] if data.calibrated and data.probability is not None else [UNCALIBRATED]
    if data.simulated:
        notes.append(SIMULATED)
    return worded(context, title, changed=changed, why=why, against=against, notes=tuple(notes))


def reasons(given: tuple[churn.Reason, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Sentences that raise the risk, strongest first, and those that lower it."""
    ordered = sorted(given, key=lambda reason: -abs(reason.contribution))
    up = tuple(sentence(r.text) for r in ordered if r.contribution > 0)[:REASONS_SHOWN]
    down = tuple(sentence(r.text) for r in ordered if r.contribution < 0)[:AGAINST_SHOWN]
    return up, down


def flag_cleared(data: churn.FlagCleared, context: Context) -> Message:
    because = spoken(data.reason) if data.reason else "the risk behind it has passed"
    return _risk(data, context, f"{name_of(context)}: the risk flag is cleared", (sentence(because) + ".",))


def override(data: churn.OverrideEvent, context: Context) -> Message:
    ended = isinstance(data, churn.OverrideEnded)
    title = f"{name_of(context)}: {'the override has ended' if ended else 'the flag was overridden'}"
    changed = f"{data.by} ({spoken(data.reason_code)}) until {moment(data.until, context.tz)}: {data.note}"
    return _risk(data, context, title, (changed,))


def model_fell_back(data: churn.ModelFellBack, context: Context) -> Message:
    now = "the scorecard" if data.fell_back_to == "scorecard" else f"model {data.fell_back_to}"
    return worded(
        context,
        f"Churn model {data.model_version} is out of service: what it said did not come true",
        changed=(
            f"Of {data.predictions} clients whose horizon is over, {data.came} left.",
            f"By its probabilities it would be {data.low} to {data.high}.",
            f"Risks come from {now} until somebody decides otherwise.",
        ),
        facts=(Fact("Model", str(data.model_id)),),
    )

"""Words for what health says of scores: bands and signs."""

from __future__ import annotations

from common.contracts import health

from notify.domain.message import Bar, Fact, Message, moment, number, spoken
from notify.domain.wording.context import Context, name_of, sentence, worded

MOVES_SHOWN = 4
LOW_CONFIDENCE = 0.6


def band_changed(data: health.BandChanged, context: Context) -> Message:
    before = data.last_known_band or data.band_before
    was = f" (was {_score(data.score_before)})" if data.score_before is not None else ""
    title = f"{name_of(context)} is {spoken(data.band)}: health {_score(data.score)}{was}"
    changed = [f"Band: {spoken(before)} → {spoken(data.band)}" if before else f"Band: {spoken(data.band)}"]
    if data.score is not None and data.score_before is not None:
        delta = data.score - data.score_before
        changed.append(f"Score: {number(data.score_before)} → {number(data.score)} ({_signed(delta)})")
    notes = []
    if data.cause is health.Cause.LATE_DATA:
        notes.append("Seen late: the data behind this arrived after the fact.")
    if data.confidence < LOW_CONFIDENCE:
        notes.append(f"Confidence is low ({data.confidence:.0%}): some data is missing or stale.")
    return worded(
        context,
        title,
        changed=tuple(changed),
        why=tuple(_move(move) for move in data.moves[:MOVES_SHOWN]) or _weakest(data.components),
        bars=tuple(Bar(spoken(c.name), c.weight, c.score, c.fresh) for c in data.components),
        notes=tuple(notes),
    )


def _score(value: float | None) -> str:
    return number(value) if value is not None else "unknown"


def _signed(delta: float) -> str:
    return f"+{number(delta)}" if delta > 0 else number(delta)


def _move(move: health.Move) -> str:
    """What moved the score, and by how much, once: many texts end with the figure already."""
    text = sentence(move.text)
    return text if text.endswith(_signed(move.delta)) else f"{text} ({_signed(move.delta)})"


def _weakest(components: tuple[health.Component, ...]) -> tuple[str, ...]:
    scored = sorted((c for c in components if c.score is not None), key=lambda c: c.score or 0)
    return tuple(f"{spoken(c.name).capitalize()} stands at {number(c.score or 0)}" for c in scored[:2])


SIGN_TITLES = {
    "client_silent": "no answer since we asked",
    "low_satisfaction": "a dissatisfied answer",
    "agenda_missing": "a meeting without an agenda",
    "summary_missing": "a meeting without a summary",
    "disagrees_with_risk": "health and risk disagree",
    "disagrees_with_money": "health and money disagree",
    "disagrees_with_csm": "health and your own view disagree",
    "only_reactive": "we are in touch only when they come to us",
    "single_threaded": "we know only one person there",
    "key_contact_changed": "a key person changed",
    "score_falling": "the score has been falling for months",
    "usage_dip": "usage fell suddenly",
    "budget_cut": "their budget is frozen or cut",
    "lawyers_in_small_matters": "lawyers in a small matter",
}
"""Where the sign's own name, spoken, says too little."""


def sign_started(data: health.SignStarted, context: Context) -> Message:
    what = SIGN_TITLES.get(data.sign, spoken(data.sign))
    since = Fact("Since", moment(data.started_at, context.tz))
    return worded(context, f"{name_of(context)}: {what}", changed=(f"{sentence(data.text)}.",), facts=(since,))

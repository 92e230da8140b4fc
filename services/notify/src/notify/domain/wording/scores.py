"""Words for what health says: bands, milestones, signs."""

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


def milestone_late(data: health.MilestoneLate, context: Context) -> Message:
    what = spoken(data.milestone)
    late = f"{data.days_late} day{'s' if data.days_late != 1 else ''} late" if data.days_late else "due now"
    changed = [f"“{what}” was due {moment(data.due_at, context.tz)} and is not done."]
    facts = [Fact("Owner", data.owner_email)] if data.owner_email else []
    if data.kpi:
        facts.append(Fact("Done means", data.kpi))
    if data.phase:
        facts.append(Fact("Phase", spoken(data.phase)))
    return worded(context, f"{name_of(context)}: {what} is {late}", changed=tuple(changed), facts=tuple(facts))


def sign_started(data: health.SignStarted, context: Context) -> Message:
    return worded(context, f"{name_of(context)}: {spoken(data.sign)}", changed=(data.text,))

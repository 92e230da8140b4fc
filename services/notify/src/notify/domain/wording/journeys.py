"""Words for journeys: milestones that come due, are late or reached, and phases."""

from __future__ import annotations

from common.contracts import health

from notify.domain.message import Fact, Message, moment, spoken
from notify.domain.occasion import went_back
from notify.domain.wording.context import Context, name_of, sentence, worded

Milestone = health.MilestoneLate | health.MilestoneDue | health.NextMilestone


def milestone_late(data: health.MilestoneLate, context: Context) -> Message:
    what = spoken(data.milestone)
    late = f"{_days(data.days_late)} late" if data.days_late else "due now"
    changed = [f"“{what}” was due {moment(data.due_at, context.tz)} and is not done."]
    if data.rescheduled and data.due_at_first:
        times = "once" if data.rescheduled == 1 else f"{data.rescheduled} times"
        changed.append(f"It was moved {times}; first it was due {moment(data.due_at_first, context.tz)}.")
    return worded(context, f"{name_of(context)}: {what} is {late}", changed=tuple(changed), facts=_facts(data))


def milestone_due(data: health.MilestoneDue, context: Context) -> Message:
    what = spoken(data.milestone)
    return worded(
        context,
        f"{name_of(context)}: {what} is due in {_days(data.days_left)}",
        changed=(f"“{what}” is due {moment(data.due_at, context.tz)} and is not done yet.",),
        facts=_facts(data),
    )


def milestone_reached(data: health.MilestoneReached, context: Context) -> Message:
    what = spoken(data.milestone)
    late = f", {_days(data.days_late)} after its first due time" if data.days_late else ", on time"
    changed = [f"“{what}” was reached {moment(data.reached_at, context.tz)}{late}."]
    title = f"{name_of(context)}: {what} is done"
    if data.next is None:
        return worded(context, title, changed=tuple(changed))
    following = spoken(data.next.milestone)
    changed.append(f"Next: “{following}”, due {moment(data.next.due_at, context.tz)}.")
    return worded(
        context, f"{title}; next is {following}", changed=tuple(changed), facts=_facts(data.next, owner="Owner of it")
    )


def phase_changed(data: health.PhaseChanged, context: Context) -> Message:
    phase = spoken(data.phase)
    before = f"{spoken(data.phase_before)} → " if data.phase_before else ""
    changed = [f"Phase: {before}{phase}, since {moment(data.since, context.tz)}.", _ended(sentence(data.text))]
    if data.by:
        changed.append(f"{data.by} said so.")
    title = f"{name_of(context)} is {'back ' if went_back(data) else ''}in {phase}"
    return worded(context, title, changed=tuple(line for line in changed if line))


def _facts(data: Milestone, *, owner: str = "Owner") -> tuple[Fact, ...]:
    facts = [Fact(owner, data.owner_email)] if data.owner_email else []
    if data.kpi:
        facts.append(Fact("Done means", data.kpi))
    if data.phase:
        facts.append(Fact("Phase", spoken(data.phase)))
    return tuple(facts)


def _days(count: int) -> str:
    return f"{count} day{'' if count == 1 else 's'}"


def _ended(text: str) -> str:
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."

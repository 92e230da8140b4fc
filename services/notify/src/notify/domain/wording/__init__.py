"""The words of each kind of occasion. Facts come from the event and the client's card; advice comes from the rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from common.contracts import churn, client, escalation, feeds, health

from notify.domain.message import Button, Message, one_line
from notify.domain.occasion import Occasion
from notify.domain.rules import Rule
from notify.domain.wording import cases, journeys, risk, scores, work
from notify.domain.wording.context import Context, about, links_of

__all__ = ["BUTTONS", "WORDS", "Context", "compose"]

BUTTONS = (Button("acknowledged", "I’m on it"), Button("useful", "Useful"), Button("not_useful", "Not useful"))


def compose(rule: Rule, occasion: Occasion, context: Context, notes: tuple[str, ...] = ()) -> Message:
    """The message that this occasion is worth."""
    data = occasion.event.data
    message = WORDS[type(data)](data, context)
    return replace(
        message,
        tone=rule.tone,
        title=one_line(message.title),
        next=rule.next,
        facts=message.facts + about(context.card, with_csm=not any("CSM" in fact.label for fact in message.facts)),
        links=message.links + links_of(occasion, context),
        notes=message.notes + notes,
        buttons=BUTTONS if occasion.client_id else (),
    )


WORDS: Mapping[type, Callable[[Any, Context], Message]] = {
    health.BandChanged: scores.band_changed,
    health.MilestoneLate: journeys.milestone_late,
    health.MilestoneDue: journeys.milestone_due,
    health.MilestoneReached: journeys.milestone_reached,
    health.PhaseChanged: journeys.phase_changed,
    health.SignStarted: scores.sign_started,
    churn.FlagRaised: risk.flag_raised,
    churn.FlagCleared: risk.flag_cleared,
    churn.FlagOverridden: risk.override,
    churn.OverrideEnded: risk.override,
    escalation.CaseOpened: cases.case_opened,
    escalation.CaseAssigned: cases.case_assigned,
    escalation.StepDue: cases.step_due,
    escalation.StepDone: cases.step_done,
    escalation.StepBreached: cases.step_breached,
    escalation.CasePaused: cases.case_moved,
    escalation.CaseResumed: cases.case_moved,
    escalation.CaseClosed: cases.case_closed,
    client.BlockerLogged: work.blocker,
    feeds.FeedSilent: work.feed_silent,
    feeds.FeedRecovered: work.feed_recovered,
    health.ChangesHeld: work.changes_held,
    churn.ModelFellBack: risk.model_fell_back,
}

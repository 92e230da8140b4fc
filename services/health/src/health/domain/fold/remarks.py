"""What people say: the client's own words by day and week, what they were about, who speaks with whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from common.contracts import client

from health.domain.fold.stamp import Stamp, keep_last, put, thousandths
from health.domain.state import ClientState, person

MOOD_DAYS = 35
WEEKS = 17
"""The running week, four whole ones, and the twelve before them."""
MENTIONS = 8
SPEAKERS = 64
OURS = 16
KEY_ROLES = frozenset({"sponsor", "champion", "decision_maker"})

COMPETITOR, LEGAL, LEGAL_MINOR, PLANNING, FEEDBACK = "competitor", "legal", "legal_minor", "planning", "feedback"
ORGANISATION, CONFLICT_RESOLVED = "organisation", "conflict_resolved"
BUDGET_UP, BUDGET_DOWN, BUDGET_FREEZE = "budget_up", "budget_down", "budget_freeze"
SCOPE_MINOR, SCOPE_MAJOR, SCOPE_OURS = "scope_minor", "scope_major", "scope_ours"
CANCEL_INTENT = "cancel_intent"
"""Topics of `ClientState.said`. Scope: by size where the client asked for the change, `scope_ours` where we did."""

_BUDGET = {"increase": BUDGET_UP, "decrease": BUDGET_DOWN, "freeze": BUDGET_FREEZE}


def week_of(day: int) -> int:
    """Weeks run from Monday to Sunday; the era began on a Monday."""
    return (day - 1) // 7


def mention(state: ClientState, topic: str, at: Stamp) -> None:
    keep_last(state.said.setdefault(topic, []), [at.day, at.mark], MENTIONS)


def heard_from(state: ClientState, contact_id: str | None, at: Stamp) -> None:
    """A person there spoke, wrote or met with us."""
    if contact_id is not None:
        spoke, contacts = state.spoke, state.contacts
        put(spoke, person(contact_id), at.day, SPEAKERS, lambda who: (contacts.get(who) in KEY_ROLES, spoke[who]))
        state.marks["heard"] = at.mark


def touched_by(state: ClientState, email: str | None, at: Stamp) -> None:
    """One of us was in touch."""
    if email is not None:
        put(state.ours, person(email.lower()), at.day, OURS, state.ours.__getitem__)
        state.marks["touch"] = at.mark


def read(state: ClientState, reading: client.Reading | None, at: Stamp) -> None:
    """Words of the client: their mood, length and questions, and whether they are about leaving."""
    if reading is None:
        return
    if client.Topic.CANCEL_INTENT in reading.topics:
        mention(state, CANCEL_INTENT, at)
    sentiment = None if reading.sentiment is None else thousandths(reading.sentiment)
    _by_week(state, reading, sentiment, at)
    if sentiment is None:
        return
    state.marks["mood"] = at.mark
    moods = state.moods
    if moods and moods[-1][0] == at.day:
        moods[-1][1] += sentiment
        moods[-1][2] += 1
        return
    moods.append([at.day, sentiment, 1])
    if moods[0][0] <= at.day - MOOD_DAYS:
        moods[:] = [mood for mood in moods if mood[0] > at.day - MOOD_DAYS]


def _by_week(state: ClientState, reading: client.Reading, sentiment: int | None, at: Stamp) -> None:
    week = week_of(at.day)
    weeks = state.weeks
    if not weeks or weeks[-1][0] != week:
        weeks.append([week, 0, 0, 0, 0, 0])
        if weeks[0][0] <= week - WEEKS:
            weeks[:] = [entry for entry in weeks if entry[0] > week - WEEKS]
    entry = weeks[-1]
    entry[1] += 1
    entry[2] += reading.words
    entry[3] += reading.questions
    if sentiment is not None:
        entry[4] += sentiment
        entry[5] += 1
    state.marks["words"] = at.mark


def _remark(topic: str) -> Callable[[ClientState, client.Remark, Stamp], None]:
    def rule(state: ClientState, data: client.Remark, at: Stamp) -> None:
        heard_from(state, data.contact_id, at)
        mention(state, topic, at)

    return rule


def legal_involved(state: ClientState, data: client.LegalInvolved, at: Stamp) -> None:
    heard_from(state, data.contact_id, at)
    mention(state, LEGAL_MINOR if data.minor else LEGAL, at)


def budget_discussed(state: ClientState, data: client.BudgetDiscussed, at: Stamp) -> None:
    heard_from(state, data.contact_id, at)
    mention(state, _BUDGET[str(data.direction)], at)


def scope_changed(state: ClientState, data: client.ScopeChanged, at: Stamp) -> None:
    ours = data.by != "client"
    mention(state, SCOPE_OURS if ours else SCOPE_MAJOR if str(data.size) == "major" else SCOPE_MINOR, at)


def touchpoint_recorded(state: ClientState, data: client.TouchpointRecorded, at: Stamp) -> None:
    touched_by(state, data.person_email, at)
    if not data.automated:
        state.reached_out = at.day


RULES: dict[type[Any], Callable[[ClientState, Any, Stamp], None]] = {
    client.CompetitorMentioned: _remark(COMPETITOR),
    client.LegalInvolved: legal_involved,
    client.PlanningDiscussed: _remark(PLANNING),
    client.FeedbackGiven: _remark(FEEDBACK),
    client.OrganisationChanged: _remark(ORGANISATION),
    client.ConflictResolved: _remark(CONFLICT_RESOLVED),
    client.BudgetDiscussed: budget_discussed,
    client.ScopeChanged: scope_changed,
    client.TouchpointRecorded: touchpoint_recorded,
}

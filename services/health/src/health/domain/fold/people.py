"""The client's people: who they are to us, what they ask, say and answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from common.contracts import client

from health.domain.fold.remarks import KEY_ROLES, heard_from, read, touched_by
from health.domain.fold.stamp import Stamp, keep_days, keep_last, put
from health.domain.moments import DAY
from health.domain.state import ACTIVITY_DAYS, LOG_LENGTH, ClientState, person

CONTACTS = 64
OPEN_TICKETS = 64
THREADS = 24
ANSWERS = 50
REPLIES = 30
CHANGES = 8
SURVEYS_SENT = 16
CLOSED = frozenset({"solved", "closed", "resolved"})
OPEN = frozenset({"open", "opened", "reopened"})
FORGOTTEN_AFTER = 30 * DAY
"""A question unanswered for so long is no longer waited for."""


def contact_added(state: ClientState, data: client.ContactAdded | client.ContactUpdated, at: Stamp) -> None:
    _gives_role(state, person(data.contact_id), str(data.role), at)


def contact_role_changed(state: ClientState, data: client.ContactRoleChanged, at: Stamp) -> None:
    who = person(data.contact_id)
    before = str(data.role_before) if data.role_before is not None else state.contacts.get(who)
    after = str(data.role_after) if data.role_after is not None else None
    if before != after and not KEY_ROLES.isdisjoint({before, after}):
        keep_last(state.contact_changes, [at.day, at.mark, int(before in KEY_ROLES)], CHANGES)
    if after is not None:
        _gives_role(state, who, after, at)


def contact_left(state: ClientState, data: client.ContactLeft, at: Stamp) -> None:
    who = person(data.contact_id)
    role = state.contacts.get(who) or (str(data.role_before) if data.role_before else None)
    if role is None:
        return
    state.marks["people"] = at.mark
    # Kept as gone: a client whose sponsor left has none, which is not the same as nobody told us of one.
    _keep(state, who, role if role.startswith("gone ") else f"gone {role}")
    state.spoke.pop(who, None)
    if role in KEY_ROLES:
        keep_last(state.contact_changes, [at.day, at.mark, 1], CHANGES)
    if role == "sponsor":
        state.sponsor_changed = [at.day, at.mark]


def sponsor_changed(state: ClientState, data: client.SponsorChanged, at: Stamp) -> None:
    for who, role in state.contacts.items():
        if role == "sponsor":
            state.contacts[who] = "gone sponsor"
    if data.contact_before is not None:
        _keep(state, person(data.contact_before), "gone sponsor")
    if data.contact_after is not None:
        _keep(state, person(data.contact_after), "sponsor")
    keep_last(state.contact_changes, [at.day, at.mark, 1], CHANGES)
    state.sponsor_changed = [at.day, at.mark]
    state.marks["people"] = at.mark


def _gives_role(state: ClientState, who: str, role: str, at: Stamp) -> None:
    _keep(state, who, role)
    state.marks["people"] = at.mark


def _keep(state: ClientState, who: str, role: str) -> None:
    """A CRM may list hundreds: those that count are kept, then those of them that have left."""
    contacts = state.contacts
    put(
        contacts,
        who,
        role,
        CONTACTS,
        lambda known: 2 * (contacts[known] in KEY_ROLES) + (contacts[known].removeprefix("gone ") in KEY_ROLES),
    )


def ticket_opened(state: ClientState, data: client.TicketOpened, at: Stamp) -> None:
    keep_days(state.tickets_opened, at.day, ACTIVITY_DAYS, LOG_LENGTH)
    _open(state, data.ticket_id, str(data.priority), at)
    state.marks["ticket"] = at.mark
    heard_from(state, data.contact_id, at)
    read(state, data.reading, at)


def _open(state: ClientState, ticket: str, priority: str, at: Stamp) -> None:
    tickets = state.open_tickets
    put(tickets, ticket, [priority, at.day, at.mark], OPEN_TICKETS, lambda known: tickets[known][0] == "urgent")


def ticket_updated(state: ClientState, data: client.TicketUpdated, at: Stamp) -> None:
    ticket = state.open_tickets.get(data.ticket_id)
    if ticket is not None and data.priority is not None:
        ticket[0] = str(data.priority)
    status = (data.status or "").lower()
    if status in CLOSED:
        state.open_tickets.pop(data.ticket_id, None)
    elif ticket is None and status in OPEN and data.priority is not None:  # it was resolved, and is open again
        _open(state, data.ticket_id, str(data.priority), at)
        state.marks["ticket"] = at.mark
    _rated(state, data, at)


def ticket_resolved(state: ClientState, data: client.TicketResolved, at: Stamp) -> None:
    state.open_tickets.pop(data.ticket_id, None)
    state.marks["ticket"] = at.mark
    _rated(state, data, at)


def _rated(state: ClientState, data: client.TicketUpdated | client.TicketResolved, at: Stamp) -> None:
    if data.author == "client":  # our agents' comments are not the client's mood
        read(state, data.reading, at)
    if data.csat is not None:
        lowest = data.csat.scale_min if data.csat.scale_min is not None else 1
        if data.csat.scale_max > lowest:
            rating = round(1000 * (data.csat.score - lowest) / (data.csat.scale_max - lowest))
            keep_last(state.csats, [at.day, max(0, min(1000, rating)), at.mark], ANSWERS)


def message_exchanged(state: ClientState, data: client.MessageExchanged, at: Stamp) -> None:
    state.marks["message"] = at.mark
    touched_by(state, data.person_email, at)
    if data.direction == "inbound":
        _answers(state, data, at)
        heard_from(state, data.contact_id, at)
        read(state, data.reading, at)
        return
    if data.in_reply_to is None:
        state.reached_out = at.day
    if data.expects_reply is not False:
        key = data.thread_id or data.message_id
        if key not in state.waiting:  # the first question counts, not our reminders
            _wait(state, key, at)


def _wait(state: ClientState, key: str, at: Stamp) -> None:
    """Of very many questions the oldest are waited for: they say how long the client has been silent."""
    waiting = state.waiting
    if len(waiting) >= THREADS:
        for given_up in [k for k, (asked, _) in waiting.items() if at.second - asked >= FORGOTTEN_AFTER]:
            del waiting[given_up]
    if len(waiting) < THREADS:
        waiting[key] = [at.second, at.mark]


def _answers(state: ClientState, data: client.MessageExchanged, at: Stamp) -> None:
    """An answer ends the wait of its thread; one that names no thread ends the longest wait."""
    for key in (data.thread_id, data.in_reply_to):
        if key is not None and key in state.waiting:
            break
    else:
        if data.thread_id is not None or data.in_reply_to is not None or not state.waiting:
            return
        key = next(iter(state.waiting))
    asked = state.waiting.pop(key)
    keep_last(state.replies, [at.day, max(0, at.second - asked[0]) // 60, at.mark], REPLIES)


def survey_sent(state: ClientState, data: client.SurveySent, at: Stamp) -> None:
    keep_days(state.surveys_sent, at.day, ACTIVITY_DAYS, SURVEYS_SENT)


def survey_answered(state: ClientState, data: client.SurveyAnswered, at: Stamp) -> None:
    score = round(1000 * (data.score - data.scale_min) / (data.scale_max - data.scale_min))
    who = person(data.contact_id) if data.contact_id is not None else None
    answers = state.surveys.setdefault(str(data.survey), [])
    if who is not None:  # a person's later answer takes the place of the earlier, but each occasion has its own
        answers[:] = [answer for answer in answers if answer[2] != who or answer[4] != data.occasion]
    keep_last(answers, [at.day, score, who, at.mark, data.occasion], ANSWERS)
    heard_from(state, data.contact_id, at)
    read(state, data.reading, at)


def csm_sentiment_given(state: ClientState, data: client.CsmSentimentGiven, at: Stamp) -> None:
    state.csm_mood = [at.day, data.score, at.mark]


RULES: dict[type[Any], Callable[[ClientState, Any, Stamp], None]] = {
    client.ContactAdded: contact_added,
    client.ContactUpdated: contact_added,
    client.ContactRoleChanged: contact_role_changed,
    client.ContactLeft: contact_left,
    client.SponsorChanged: sponsor_changed,
    client.TicketOpened: ticket_opened,
    client.TicketUpdated: ticket_updated,
    client.TicketResolved: ticket_resolved,
    client.MessageExchanged: message_exchanged,
    client.SurveySent: survey_sent,
    client.SurveyAnswered: survey_answered,
    client.CsmSentimentGiven: csm_sentiment_given,
}

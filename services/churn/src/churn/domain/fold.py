"""How each client event changes the state: one small function a kind, in the order of contracts.md.

`apply` takes an event's fact (its body as JSON, without what names people), so that live scoring, refolding and
training from a file run the very same code. Unknown names change nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from churn.domain import fold_people, fold_work, life
from churn.domain.fold_words import Fact, Step, engage, marked, rate, read
from churn.domain.moments import DAY
from churn.domain.state import KEPT_FEATURES, KEPT_OPEN, State, count, keep, mark, new_day, see, total

LONGEST_REPLY = 60 * DAY
"""A message later than this answers nothing any more."""


def apply(state: State, name: str, data: Fact, at: int, event_id: str) -> State:
    """Fold one event, which happened at second `at`, into the state; the same object comes back, changed."""
    step = STEPS.get(name)
    if step is not None:
        new_day(state, at)
        step(state, data, at, event_id)
    return state


def _profile(state: State, data: Fact, at: int, event_id: str) -> None:
    state.tier = data.get("tier") or state.tier
    state.csm = data.get("csm_email") or state.csm
    state.segment = data.get("segment") or state.segment
    state.engagement = data.get("engagement") or state.engagement
    if data.get("test") is not None:
        state.test = bool(data["test"])
    if data.get("key_features") is not None:
        state.key_features = list(data["key_features"])[:KEPT_FEATURES]
    life.on_profile(state.life, data, at)


def _life(step: Callable[[life.Life, Fact, int], None]) -> Step:
    def folded(state: State, data: Fact, at: int, event_id: str) -> None:
        step(state.life, data, at)

    return folded


def _cancelled(state: State, data: Fact, at: int, event_id: str) -> None:
    mark(state, "notice", at, event_id)
    life.on_cancelled(state.life, data, at)


def _logged_in(state: State, data: Fact, at: int, event_id: str) -> None:
    see(state, "logins")
    count(state.logins, at, int(data.get("count", 1)))
    engage(state, data, at)


def _used(state: State, data: Fact, at: int, event_id: str) -> None:
    see(state, "usage")
    day = at // DAY
    state.usage[day] = state.usage.get(day, 0) + round(data["quantity"])
    users = data.get("active_users")
    if users is not None:
        state.users[day] = max(state.users.get(day, 0), users)
    if data["quantity"] > 0 and day >= state.feature_floor:
        feature = data["feature"]
        state.features[feature] = state.features.get(feature, 0) | 1 << (day - state.feature_floor)
        keep(state.features, KEPT_FEATURES)


def _ticket_opened(state: State, data: Fact, at: int, event_id: str) -> None:
    see(state, "tickets")
    count(state.tickets, at, 1)
    state.open_tickets.setdefault(data["ticket_id"], [at, data["priority"], event_id])
    keep(state.open_tickets, KEPT_OPEN)
    read(state, data, at, event_id)
    engage(state, data, at)


def _ticket_updated(state: State, data: Fact, at: int, event_id: str) -> None:
    ticket = state.open_tickets.get(data["ticket_id"])
    if ticket is not None and data.get("priority"):
        ticket[1] = data["priority"]
    if data.get("status") in ("solved", "closed"):
        state.open_tickets.pop(data["ticket_id"], None)
    _ticket_words(state, data, at, event_id)


def _ticket_resolved(state: State, data: Fact, at: int, event_id: str) -> None:
    state.open_tickets.pop(data["ticket_id"], None)
    _ticket_words(state, data, at, event_id)


def _ticket_words(state: State, data: Fact, at: int, event_id: str) -> None:
    """Our own agents' comments are not the client's mood."""
    if data.get("author") in (None, "client"):
        read(state, data, at, event_id)
    csat = data.get("csat")
    if csat:
        lowest = csat.get("scale_min")
        rate(state, "csat", csat["score"], (1 if lowest is None else lowest, csat["scale_max"]), at, event_id)


def _message(state: State, data: Fact, at: int, event_id: str) -> None:
    if data["direction"] == "outbound":
        if data.get("expects_reply") is not False and state.asked_at is None:
            state.asked_at = at
        return
    see(state, "messages")
    if state.asked_at is not None and at - state.asked_at <= LONGEST_REPLY:
        total(state.replies, at, (at - state.asked_at) // 60)
    state.asked_at = None
    words = (data.get("reading") or {}).get("words")
    if words is not None:
        total(state.words, at, words)
    read(state, data, at, event_id)
    engage(state, data, at)


def _surveyed(state: State, data: Fact, at: int, event_id: str) -> None:
    kind = "nps" if data["survey"] == "nps" else "csat"
    rate(state, kind, data["score"], (data["scale_min"], data["scale_max"]), at, event_id)
    read(state, data, at, event_id)
    engage(state, data, at)


def _remark(kind: str) -> Step:
    def step(state: State, data: Fact, at: int, event_id: str) -> None:
        mark(state, kind, at, event_id)
        if not data.get("inferred"):  # an inferred one repeats a text whose reading was counted with its own event
            read(state, data, at, event_id)

    return step


def _budget(state: State, data: Fact, at: int, event_id: str) -> None:
    if data["direction"] in ("decrease", "freeze"):
        mark(state, "budget_cut", at, event_id)


def _csm(state: State, data: Fact, at: int, event_id: str) -> None:
    state.csm_sentiment = [at, data["score"]]


def _scope(state: State, data: Fact, at: int, event_id: str) -> None:
    if data["by"] == "client":
        mark(state, "scope_changed", at, event_id)
    read(state, data, at, event_id)


def _handed_off(state: State, data: Fact, at: int, event_id: str) -> None:
    state.handed_off = True


STEPS: dict[str, Step] = {
    **fold_people.STEPS,
    **fold_work.STEPS,
    **{name: _life(step) for name, step in life.LIFECYCLE.items()},
    "client_registered": _profile,
    "client_updated": _profile,
    "contract_cancelled": _cancelled,
    "client_handed_off": _handed_off,
    "logged_in": _logged_in,
    "usage_recorded": _used,
    "ticket_opened": _ticket_opened,
    "ticket_updated": _ticket_updated,
    "ticket_resolved": _ticket_resolved,
    "message_exchanged": _message,
    "survey_answered": _surveyed,
    "csm_sentiment_given": _csm,
    "organisation_changed": _remark("organisation_changed"),
    "competitor_mentioned": _remark("competitor"),
    "legal_involved": _remark("legal"),
    "planning_discussed": _remark("planning"),
    "feedback_given": _remark("feedback"),
    "budget_discussed": _budget,
    "scope_changed": _scope,
    "referral_given": marked("referral"),
    "expansion_requested": marked("expansion"),
}
"""Every event that churn learns from, by name."""

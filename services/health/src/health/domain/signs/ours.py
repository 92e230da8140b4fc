"""Conditions about us: with how many people we speak, whether unasked, and the rhythm that a tier was promised."""

from __future__ import annotations

from health.domain.moments import DAY, HOUR
from health.domain.signs.sign import Finding, Kind, Params, Rhythm, Seen, Sign, at_second, counted, on_day
from health.domain.state import ClientState

CONVERSATION = "conversation"


def _begun(state: ClientState) -> int | None:
    """Day since which we can tell how we meet the client; None where nothing about conversations reaches us."""
    if CONVERSATION not in state.feeds or state.first is None:
        return None
    return max(state.first // DAY, state.contract_start or 0)


def single_threaded(seen: Seen, params: Params) -> Finding | None:
    """Only so many of their people spoke with us in `window_days`."""
    begun = _begun(seen.state)
    people = sorted(day for day in seen.state.spoke.values() if day > seen.day - params["window_days"])
    if begun is None or not people or not seen.below(len(people), params):
        return None
    if seen.day - begun < params["least_days"]:
        return None
    text = f"we spoke with {counted(len(people), 'person', 'people')} there in {params['window_days']} days"
    since = max(begun + params["least_days"], people[-1] - params["window_days"])
    return Finding(text, min(since, seen.day) * DAY, (seen.state.marks.get("message"), seen.state.marks.get("meeting")))


def only_reactive(seen: Seen, params: Params) -> Finding | None:
    """They came to us, and we have not been in touch unasked for so many days."""
    state = seen.state
    begun = _begun(state)
    if begun is None:
        return None
    last = max(begun, state.reached_out or 0)
    came = sorted([d for d in (*state.spoke.values(), *state.tickets_opened) if d > seen.day - params["starts_at"]])
    if seen.day - last < params["starts_at"] or len(came) < params["least_contacts"]:
        return None
    ours = f"last in touch unasked on {on_day(last)}" if state.reached_out is not None else "never in touch unasked"
    text = f"they came to us {counted(len(came), 'time', 'times')} in {params['starts_at']} days; we were {ours}"
    return Finding(text, (last + params["starts_at"]) * DAY, (state.marks.get("ticket"), state.marks.get("message")))


def _held(state: ClientState, kinds: frozenset[str] | None = None) -> tuple[int | None, str | None]:
    """Second and mark of the latest meeting held, of these kinds or any."""
    held = [(m[1], m[3]) for kind, m in state.meetings.items() if m[1] is not None and (kinds is None or kind in kinds)]
    return max(held, default=(None, None))


def _planned(seen: Seen, ahead: int, kinds: frozenset[str] | None = None) -> bool:
    """Whether a meeting is in the calendar for the days ahead."""
    until = seen.now + ahead * DAY
    return any(seen.now <= start <= until and (kinds is None or kind in kinds)
               for kind, start, *_ in seen.state.meetings_planned.values())  # fmt: skip


def no_regular_check_in(seen: Seen, params: Params) -> Finding | None:
    """No meeting of any kind for so many days, and none planned, whatever the tier."""
    return _overdue(seen, params["starts_at"], params["planned_days"], None, "", "meeting")


def review_overdue(seen: Seen, params: Params) -> Finding | None:
    """The formal review that the tier is due, and none planned soon."""
    tier = tier_of(seen.state, seen.rhythm)
    every = seen.rhythm.review_days.get(tier)
    if every is None:
        return None
    kinds = seen.rhythm.reviews
    rule = f"; {tier} clients are due one every {counted(every, 'day', 'days')}"
    return _overdue(seen, every + params["grace_days"], params["planned_days"], kinds, rule, "review")


def check_in_overdue(seen: Seen, params: Params) -> Finding | None:
    """The check-in that the tier is due: any meeting counts."""
    tier = tier_of(seen.state, seen.rhythm)
    every = seen.rhythm.check_in_days.get(tier)
    if every is None:
        return None
    rule = f"; {tier} clients are due a check-in every {counted(every, 'day', 'days')}"
    days = every + params["grace_days"]
    return _overdue(seen, days, params["planned_days"], None, rule, "meeting")


def _overdue(seen: Seen, days: int, ahead: int, kinds: frozenset[str] | None, rule: str, what: str) -> Finding | None:
    begun = _begun(seen.state)
    if begun is None:
        return None
    held, mark = _held(seen.state, kinds)
    last = begun if held is None else max(held // DAY, 0)
    if seen.day <= last + days or _planned(seen, ahead, kinds):
        return None
    says = f"the last {what} was on {on_day(last)}" if held is not None else f"no {what} was held since {on_day(last)}"
    return Finding(says + rule, (last + days + 1) * DAY, (mark,))


def tier_of(state: ClientState, rhythm: Rhythm) -> str:
    tier: str | None = state.profile.get("tier")
    return tier if tier is not None and tier in rhythm.review_days else rhythm.unknown_tier


def agenda_missing(seen: Seen, params: Params) -> tuple[Finding, ...]:
    """Meetings within so many hours whose agenda was not sent."""
    lead = params["starts_at"] * HOUR
    return tuple(
        Finding(f"no agenda was sent for the {_word(kind)} on {at_second(start)}", start - lead, (mark,), meeting)
        for meeting, (kind, start, agenda, mark) in seen.state.meetings_planned.items()
        if kind in seen.rhythm.agenda_for and agenda is None and start - lead <= seen.now < start
    )


def summary_missing(seen: Seen, params: Params) -> tuple[Finding, ...]:
    """Meetings held so many hours ago of which no summary was sent; forgotten after `lasts_days`."""
    due, forget = params["starts_at"] * HOUR, params["lasts_days"] * DAY
    return tuple(
        Finding(f"no summary was sent of the {_word(kind)} on {at_second(held)}", held + due, (mark,), meeting)
        for meeting, (kind, held, summary, mark) in seen.state.meetings_held.items()
        if kind in seen.rhythm.summary_for and summary is None and held + due <= seen.now < held + due + forget
    )


def _word(kind: str) -> str:
    return "QBR" if kind == "qbr" else kind.replace("_", "-")


SIGNS = (
    Sign("single_threaded", Kind.ABOUT_US, single_threaded, "we speak with more of their people again",
         {"starts_at": 1, "ends_above": 1, "window_days": 1, "least_days": 1}, (CONVERSATION,)),
    Sign("only_reactive", Kind.ABOUT_US, only_reactive, "we were in touch unasked, or nobody there came to us",
         {"starts_at": 1, "least_contacts": 1}, (CONVERSATION,)),
    Sign("no_regular_check_in", Kind.ABOUT_US, no_regular_check_in, "we met, or a meeting is planned",
         {"starts_at": 1, "planned_days": 1}, (CONVERSATION,)),
    Sign("review_overdue", Kind.RHYTHM, review_overdue, "a review was held, or one is planned soon",
         {"grace_days": 1, "planned_days": 1}, (CONVERSATION,)),
    Sign("check_in_overdue", Kind.RHYTHM, check_in_overdue, "we met, or a meeting is planned soon",
         {"grace_days": 1, "planned_days": 1}, (CONVERSATION,)),
    Sign("agenda_missing", Kind.RHYTHM, agenda_missing, "the agenda was sent, or the meeting's time has come",
         {"starts_at": 1}, (CONVERSATION,), hours=True),
    Sign("summary_missing", Kind.RHYTHM, summary_missing, "the summary was sent, or the meeting is long ago",
         {"starts_at": 1, "lasts_days": 1}, (CONVERSATION,), hours=True),
)  # fmt: skip

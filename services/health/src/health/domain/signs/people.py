"""Early warnings from the client's people: do they answer, come, give feedback; who of them is still there."""

from __future__ import annotations

from health.domain.fold.people import FORGOTTEN_AFTER
from health.domain.fold.remarks import FEEDBACK
from health.domain.moments import DAY, HOUR
from health.domain.signs.sign import (
    RATIO,
    Finding,
    Kind,
    Params,
    Seen,
    Sign,
    at_second,
    counted,
    on_day,
)
from health.domain.state import ClientState, Mark

SATISFACTION = ("nps", "csat", "onboarding")
"""Surveys whose low answers mean a dissatisfied client; `ces` counts effort, of which more is worse or better."""

TICKET = "ticket rating"


def response_times_rising(seen: Seen, params: Params) -> Finding | None:
    """Median of the latest answers to us against the earlier ones; `shrink_hours` pull small figures together."""
    replies = [reply for reply in seen.state.replies if reply[0] > seen.day - params["within_days"]]
    if len(replies) < 2 * params["answers"]:
        return None
    latest, earlier = replies[-params["answers"] :], replies[: -params["answers"]]
    now, before = _median([r[1] for r in latest]), _median([r[1] for r in earlier])
    shrink = 60 * params["shrink_hours"]
    ratio = RATIO * (now + shrink) // max(1, before + shrink)
    if not seen.above(ratio, params) or ("" not in seen.on and now < 60 * params["least_hours"]):
        return None
    text = f"their last {len(latest)} answers took {_span(now)} (median; {_span(before)} before)"
    return Finding(text, latest[0][0] * DAY, tuple(mark for _, _, mark in latest))


def _median(values: list[int]) -> int:
    return sorted(values)[len(values) // 2]


def _span(minutes: int) -> str:
    return f"{minutes} min" if minutes < 90 else f"{round(minutes / 60)} h" if minutes < 72 * 60 else _days(minutes)


def _days(minutes: int) -> str:
    return counted(round(minutes / 1440), "day", "days")


def client_silent(seen: Seen, params: Params) -> Finding | None:
    """A question of ours has waited for so many hours, and nobody there has spoken since the day we asked."""
    patience = params["starts_at"] * HOUR
    waits = unanswered(seen.state, seen.now)
    overdue = [(asked, mark) for asked, mark in waits if seen.now >= asked + patience]
    if not overdue:
        return None
    asked, _ = overdue[0]
    text = f"no word from them since we asked on {at_second(asked)}"
    if len(overdue) > 1:
        text += f"; {len(overdue)} questions wait for an answer"
    return Finding(text, asked + patience, tuple(mark for _, mark in overdue[:5]))


def unanswered(state: ClientState, now: int) -> list[tuple[int, Mark]]:
    """Questions that wait, oldest first: not those given up, nor those after which the client spoke of other things."""
    spoke = max([*state.spoke.values(), state.replies[-1][0] if state.replies else 0], default=0)
    waits = [(asked, mark) for asked, mark in state.waiting.values()]
    return sorted((a, m) for a, m in waits if spoke <= a // DAY and a <= now < a + FORGOTTEN_AFTER)


def meetings_cancelled(seen: Seen, params: Params) -> Finding | None:
    """Meetings that the client called off within `window_days`."""
    since = seen.day - params["window_days"]
    days = [day for day in seen.state.cancelled_meetings if day > since]
    if not days or not seen.above(len(days), params):
        return None
    marks = tuple(mark for day, came, mark in seen.state.attendance if not came and day in days)
    text = f"they called off {counted(len(days), 'meeting', 'meetings')} in {params['window_days']} days"
    return Finding(f"{text}, the last on {on_day(days[-1])}", days[-1] * DAY, marks[-5:])


def key_contact_changed(seen: Seen, params: Params) -> Finding | None:
    """A sponsor, champion or decision maker left or changed places; who is named one is no loss, and a new sponsor is a
    sign of its own."""
    sponsor = seen.state.sponsor_changed[1] if seen.state.sponsor_changed else None
    since = seen.day - params["lasts_days"]
    latest = [c for c in seen.state.contact_changes if c[0] > since and c[1] != sponsor and c[2]]
    if not latest:
        return None
    day, mark, _ = latest[-1]
    return Finding(f"a sponsor, champion or decision maker left or changed places on {on_day(day)}", day * DAY, (mark,))


def sponsor_changed(seen: Seen, params: Params) -> Finding | None:
    """The client's executive sponsor left or was replaced."""
    changed = seen.state.sponsor_changed
    if changed is None or changed[0] <= seen.day - params["lasts_days"]:
        return None
    who = "a new one is named" if "sponsor" in seen.state.contacts.values() else "nobody took the place yet"
    return Finding(f"their executive sponsor changed on {on_day(changed[0])}; {who}", changed[0] * DAY, (changed[1],))


def low_satisfaction(seen: Seen, params: Params) -> Finding | None:
    """The latest answer to a survey or the latest rating of a ticket is low; a better one ends it."""
    answers = [(day, score, mark, name) for name in SATISFACTION
               for day, score, _, mark, _ in seen.state.surveys.get(name, ())[-1:]]  # fmt: skip
    answers += [(day, score, mark, TICKET) for day, score, mark in seen.state.csats[-1:]]
    recent = [a for a in answers if a[0] > seen.day - params["lasts_days"]]
    low = [a for a in recent if (a[1] <= params["ends_above"] if "" in seen.on else a[1] < params["starts_below"])]
    if not low:
        return None
    day, score, mark, name = min(low, key=lambda a: (a[1], a[0], a[2]))
    what = "a ticket was rated" if name == TICKET else f"a survey ({name}) was answered with"
    return Finding(f"{what} {score / 100:.1f} of 10 on {on_day(day)}", day * DAY, (mark,))


def feedback_stopped(seen: Seen, params: Params) -> Finding | None:
    """Feedback used to come, and has not for much longer than its usual gap."""
    state = seen.state
    days = sorted(
        {day for answers in state.surveys.values() for day, *_ in answers}
        | {day for day, *_ in state.csats}
        | {day for day, _ in state.said.get(FEEDBACK, ())}
    )
    days = [day for day in days if day > seen.day - params["window_days"]]
    if len(days) < params["least_before"]:
        return None
    gap = max(1, (days[-1] - days[0]) // (len(days) - 1)) if len(days) > 1 else 1
    quiet = seen.day - days[-1]
    if quiet < max(params["starts_at"], params["gaps"] * gap):
        return None
    asked = sum(1 for day in state.surveys_sent if day > days[-1])
    text = f"no feedback since {on_day(days[-1])}; it used to come every {counted(gap, 'day', 'days')}"
    if asked:
        text += f", and {counted(asked, 'survey', 'surveys')} went unanswered"
    since = days[-1] + max(params["starts_at"], params["gaps"] * gap)
    return Finding(text, since * DAY)


SIGNS = (
    Sign("response_times_rising", Kind.EARLY_WARNING, response_times_rising,
         "they answer about as quickly as before again",
         {"starts_at": RATIO, "ends_below": RATIO, "answers": 1, "within_days": 1, "least_hours": 1,
          "shrink_hours": 1}, ("conversation",)),
    Sign("client_silent", Kind.EARLY_WARNING, client_silent, "they answered, or the question is no longer open",
         {"starts_at": 1}, ("conversation",), hours=True),
    Sign("meetings_cancelled", Kind.EARLY_WARNING, meetings_cancelled, "they call off no more meetings",
         {"starts_at": 1, "ends_below": 1, "window_days": 1}, ("conversation",)),
    Sign("key_contact_changed", Kind.EARLY_WARNING, key_contact_changed, "no key person changed lately",
         {"lasts_days": 1}),
    Sign("sponsor_changed", Kind.EARLY_WARNING, sponsor_changed, "their sponsor is not new any more",
         {"lasts_days": 1}),
    Sign("low_satisfaction", Kind.EARLY_WARNING, low_satisfaction, "a later answer was better, or it is long ago",
         {"starts_below": RATIO, "ends_above": RATIO, "lasts_days": 1}),
    Sign("feedback_stopped", Kind.EARLY_WARNING, feedback_stopped, "feedback comes again, or is long ago",
         {"starts_at": 1, "gaps": 1, "least_before": 1, "window_days": 1}, ("survey",)),
)  # fmt: skip

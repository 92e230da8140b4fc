"""Facts of the component `relationship`: how the client's people feel, who of them is with us, do they answer."""

from __future__ import annotations

from bisect import bisect_right

from health.domain.facts.fact import At, Fact, Measure, Params, counted, own_normal, percent, shrunk_mean
from health.domain.fold.people import FORGOTTEN_AFTER
from health.domain.fold.remarks import MOOD_DAYS
from health.domain.moments import HOUR
from health.domain.state import ClientState

RATIO = 1000
TEN = 100
"""Scale of figures from 0 to 10."""


def nps(state: ClientState, at: At, params: Params) -> Measure | None:
    """Mean of the last NPS answers of `window` days, 0–10; shrunk towards `prior` as if `weight` had said that."""
    return shrunk_mean(((day, value, mark) for day, value, _, mark, _ in state.surveys.get("nps", ())), at, params)


def csat(state: ClientState, at: At, params: Params) -> Measure | None:
    """Mean rating of resolved tickets in `window` days, per mille of the scale; shrunk likewise."""
    return shrunk_mean(((day, value, mark) for day, value, mark in state.csats), at, params)


def sentiment(state: ClientState, at: At, params: Params) -> Measure | None:
    """Mean sentiment of the client's texts in `window` days, −1000 … 1000; shrunk likewise."""
    total = count = 0
    newest = 0
    since = at.day - params["window"]
    for day, points, texts in reversed(state.moods):
        if day <= since:
            break
        newest = newest or day
        total += points
        count += texts
    if not count:
        return None
    value = (total + params["prior"] * params["weight"]) // (count + params["weight"])
    return Measure(value, newest, (state.marks.get("mood"),))


def ticket_load(state: ClientState, at: At, params: Params) -> Measure | None:
    """Tickets opened in 28 days against the client's own normal, per mille; `shrink` tickets pull it to `prior`."""
    weeks = own_normal(state.first, at.day)
    if "ticket" not in state.marks or not weeks:
        return None
    opened = state.tickets_opened
    month = bisect_right(opened, at.day - 28)
    recent = len(opened) - month
    earlier = month - bisect_right(opened, at.day - 28 - 7 * weeks)
    normal = 4 * earlier + params["shrink"] * weeks
    if not normal:
        return None
    value = (RATIO * recent + params["shrink"] * params["prior"]) * weeks // normal
    return Measure(min(value, 9 * RATIO), opened[-1] if opened else at.day, (state.marks["ticket"],))


def urgent_tickets(state: ClientState, at: At, params: Params) -> Measure | None:
    """Open tickets marked urgent."""
    if "ticket" not in state.marks:
        return None
    urgent = [mark for priority, _, mark in state.open_tickets.values() if priority == "urgent"]
    return Measure(len(urgent), at.day, (*urgent[-3:], state.marks["ticket"]))


def sponsor_and_champion(state: ClientState, at: At, params: Params) -> Measure | None:
    """Who speaks for us there, 0–100: sponsor 60 (30 while new, for `new` days), champion 40."""
    roles = set(state.contacts.values())
    if roles.isdisjoint({"sponsor", "champion", "gone sponsor", "gone champion"}):
        return None
    changed = state.sponsor_changed
    new = changed is not None and changed[0] > at.day - params["new"]
    value = (30 if new else 60) * ("sponsor" in roles) + 40 * ("champion" in roles)
    return Measure(value, at.day, (state.marks.get("people"), changed[1] if changed and new else None))


def response_hours(state: ClientState, at: At, params: Params) -> Measure | None:
    """Hours that the client takes to answer us: the median of `window` days, or the longest wait if that is longer."""
    recent = sorted(minutes for day, minutes, _ in state.replies if day > at.day - params["window"])
    waits = [(at.now - asked, mark) for asked, mark in state.waiting.values() if at.now - asked < FORGOTTEN_AFTER]
    longest = max(waits, default=None)
    median = recent[len(recent) // 2] // 60 if recent else None
    waited = longest[0] // HOUR if longest else None
    if median is None and waited is None:
        return None
    if waited is not None and (median is None or waited > median):
        return Measure(waited, at.day, (longest[1] if longest else None,))
    return Measure(median or 0, state.replies[-1][0], (state.replies[-1][2],))


def _say_people(value: int) -> str:
    sponsor = {100: "sponsor", 60: "sponsor", 70: "new sponsor", 30: "new sponsor"}.get(value, "no sponsor")
    return f"{sponsor} and {'a champion' if value in (100, 70, 40) else 'no champion'}"


def _say_load(value: int) -> str:
    return f"tickets at {percent(value)} of its own normal"


def _say_mood(value: int) -> str:
    word = "warm" if value >= 300 else "friendly" if value >= 100 else "neutral" if value > -100 else "unhappy"
    return f"texts sound {word} ({value / RATIO:+.2f})".replace("-", "−")


FACTS = (
    Fact("nps", nps, ("survey",), lambda v: f"NPS answers average {v / TEN:.1f} of 10", TEN,
         {"window": 180, "prior": 700, "weight": 1}),
    Fact("csat", csat, ("support",), lambda v: f"ticket ratings average {percent(v)}", RATIO,
         {"window": 90, "prior": 700, "weight": 2}),
    Fact("sentiment", sentiment, ("support", "conversation"), _say_mood, RATIO,
         {"window": 30, "prior": 100, "weight": 3}, most_days=MOOD_DAYS),
    Fact("ticket_load", ticket_load, ("support",), _say_load, RATIO, {"shrink": 2, "prior": RATIO}),
    Fact("urgent_tickets", urgent_tickets, ("support",),
         lambda v: f"{counted(v, 'urgent ticket', 'urgent tickets')} open" if v else "no urgent ticket open"),
    Fact("sponsor_and_champion", sponsor_and_champion, ("people",), _say_people, 1, {"new": 60}),
    Fact("response_hours", response_hours, ("conversation",),
         lambda v: f"takes {counted(v, 'hour', 'hours')} to answer us", 1, {"window": 60}, hourly=True),
)  # fmt: skip

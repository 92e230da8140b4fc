"""Early warnings from what the client says: fewer and cooler words, rivals, budgets, lawyers, the scope."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from health.domain.fold.remarks import (
    BUDGET_DOWN,
    BUDGET_FREEZE,
    BUDGET_UP,
    COMPETITOR,
    LEGAL_MINOR,
    SCOPE_MAJOR,
    SCOPE_MINOR,
    week_of,
)
from health.domain.moments import DAY
from health.domain.signs.sign import (
    RATIO,
    Finding,
    Kind,
    Params,
    Seen,
    Sign,
    counted,
    on_day,
)
from health.domain.state import Entry

RECENT_WEEKS = 4
"""The running week and the three before it, against the twelve before them."""


def _weeks(seen: Seen) -> tuple[list[Entry], list[Entry]]:
    first = week_of(seen.day) - RECENT_WEEKS
    weeks = seen.state.weeks
    return [w for w in weeks if w[0] > first], [w for w in weeks if w[0] <= first]


def messages_shorter(seen: Seen, params: Params) -> Finding | None:
    """Words a text against before; begins only if the texts are flatter too: no more questions, no warmer."""
    recent, before = _weeks(seen)
    texts, earlier = _sum(recent, 1), _sum(before, 1)
    if texts < params["least_texts"] or earlier < params["least_texts"] or not _sum(before, 2):
        return None
    ratio = RATIO * _sum(recent, 2) * earlier // (_sum(before, 2) * texts)
    if not seen.below(ratio, params) or ("" not in seen.on and not _flatter(recent, before)):
        return None
    now, then = round(_sum(recent, 2) / texts), round(_sum(before, 2) / earlier)
    text = f"their texts have {counted(now, 'word', 'words')} on average ({then} before), and are no warmer"
    return Finding(text, _monday(recent), (seen.state.marks.get("words"),))


def _flatter(recent: Sequence[Entry], before: Sequence[Entry]) -> bool:
    curious = _sum(recent, 3) * _sum(before, 1) > _sum(before, 3) * _sum(recent, 1)
    warmer = _sum(recent, 4) * _sum(before, 5) > _sum(before, 4) * _sum(recent, 5)
    return not curious and not warmer


def sentiment_turning(seen: Seen, params: Params) -> Finding | None:
    """The mood of tickets and messages fell against before, and is unfriendly now; as if `shrink` more had been as
    before."""
    recent, before = _weeks(seen)
    texts, earlier = _sum(recent, 5), _sum(before, 5)
    if not texts or earlier < params["least_texts"] or (texts < params["least_texts"] and "" not in seen.on):
        return None
    then = _sum(before, 4) // earlier
    now = (_sum(recent, 4) + params["shrink"] * then) // (texts + params["shrink"])
    if not seen.above(then - now, params) or ("" not in seen.on and now > params["unfriendly"]):
        return None
    text = f"the mood of their texts turned from {_mood(then)} to {_mood(now)} in four weeks"
    return Finding(text, _monday(recent), (seen.state.marks.get("mood"),))


def _mood(thousandths: int) -> str:
    return f"{thousandths / RATIO:+.2f}".replace("-", "−")


def _sum(weeks: Sequence[Entry], place: int) -> int:
    return sum(week[place] for week in weeks)


def _monday(weeks: Sequence[Entry]) -> int:
    first: int = weeks[0][0]
    return (first * 7 + 1) * DAY


def _said(topics: tuple[str, ...], what: str) -> Callable[[Seen, Params], Finding | None]:
    """A sign that lasts for so many days after the latest mention of one of these topics."""

    def look(seen: Seen, params: Params) -> Finding | None:
        mentions = sorted(m for topic in topics for m in seen.state.said.get(topic, ()))
        lasting = [m for m in mentions if m[0] > seen.day - params["lasts_days"]]
        if not lasting:
            return None
        times = f", {len(lasting)} times in {params['lasts_days']} days" if len(lasting) > 1 else ""
        marks = tuple(mark for _, mark in lasting[-5:])
        return Finding(f"{what} on {on_day(lasting[-1][0])}{times}", lasting[0][0] * DAY, marks)

    return look


def budget_cut(seen: Seen, params: Params) -> Finding | None:
    """Their budget is frozen or cut; later talk of more money ends it."""
    said = seen.state.said
    last_up = max((day for day, _ in said.get(BUDGET_UP, ())), default=0)
    since = max(seen.day - params["lasts_days"] + 1, last_up)
    cuts = [(day, mark, verb) for topic, verb in ((BUDGET_FREEZE, "frozen"), (BUDGET_DOWN, "cut"))
            for day, mark in said.get(topic, ()) if day >= since]  # fmt: skip
    if not cuts:
        return None
    day, mark, verb = max(cuts)
    return Finding(f"they spoke of a budget being {verb} on {on_day(day)}", min(cuts)[0] * DAY, (mark,))


def scope_questioned(seen: Seen, params: Params) -> Finding | None:
    """Changes of scope that the client asked for within `window_days`; a major one counts twice."""
    since = seen.day - params["window_days"]
    weighed = [(day, mark, weight) for topic, weight in ((SCOPE_MINOR, 1), (SCOPE_MAJOR, 2))
               for day, mark in seen.state.said.get(topic, ()) if day > since]  # fmt: skip
    if not weighed or not seen.above(sum(weight for *_, weight in weighed), params):
        return None
    weighed.sort()
    major = sum(1 for *_, weight in weighed if weight > 1)
    text = f"they asked for {counted(len(weighed), 'change', 'changes')} of scope in {params['window_days']} days"
    if major:
        text += ", a major one" if len(weighed) == 1 else f", {major} of them major"
    return Finding(text, weighed[-1][0] * DAY, tuple(mark for _, mark, _ in weighed[-5:]))


SIGNS = (
    Sign("messages_shorter", Kind.EARLY_WARNING, messages_shorter, "their texts are about as long as before again",
         {"starts_at": RATIO, "ends_above": RATIO, "least_texts": 1}, ("conversation", "support")),
    Sign("sentiment_turning", Kind.EARLY_WARNING, sentiment_turning, "the mood of their texts is about as before again",
         {"starts_at": RATIO, "ends_below": RATIO, "unfriendly": RATIO, "least_texts": 1, "shrink": 1},
         ("conversation", "support")),
    Sign("competitor_mentioned", Kind.EARLY_WARNING, _said((COMPETITOR,), "a competitor was mentioned"),
         "no competitor was mentioned lately", {"lasts_days": 1}),
    Sign("lawyers_in_small_matters", Kind.EARLY_WARNING,
         _said((LEGAL_MINOR,), "their lawyers came into a small matter"),
         "no lawyers in small matters lately", {"lasts_days": 1}),
    Sign("budget_cut", Kind.EARLY_WARNING, budget_cut, "the budget was raised, or the talk of a cut is long ago",
         {"lasts_days": 1}),
    Sign("scope_questioned", Kind.EARLY_WARNING, scope_questioned, "they do not question the scope any more",
         {"starts_at": 1, "ends_below": 1, "window_days": 1}),
)  # fmt: skip

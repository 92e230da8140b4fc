"""Family *delivery*: milestones, KPIs, blockers, approvals, scope and budget of the work itself."""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise
from statistics import median
from typing import Any, NamedTuple

from churn.domain.features.view import MISSING, View, mean
from churn.domain.moments import DAY

ON_TIME = DAY
"""A milestone done within a day of its due time was on time."""
FAR_DAYS = 365.0
LATEST = 4
"""So many of the last milestones that were done tell how they are done now."""
LATELY_DAYS = 56
"""Milestones are seldom: eight weeks tell their pace."""


def milestones_late(view: View) -> float:
    """Milestones past their original due time and not done."""
    if not view.has("milestones"):
        return MISSING
    return float(len([1 for due, _, done in view.state.milestones.values() if done is None and due < view.moment]))


def milestone_late_days(view: View) -> float:
    """Days by which the latest of them is late; 0 with none late."""
    if not view.has("milestones"):
        return MISSING
    dues = [due for due, _, done in view.state.milestones.values() if done is None]
    return max(0, view.moment - min(dues)) / DAY if dues else 0.0


def milestones_missed(view: View) -> float:
    """Share of all milestones due so far that are not done."""
    return mean([done is None for _, _, done in _due(view)])


def milestones_missed_run(view: View) -> float:
    """How many of the milestones due last were, one after the other, not done on time."""
    if not view.has("milestones"):
        return MISSING
    run = 0
    for due, _, done in sorted(_due(view), key=lambda milestone: milestone[0], reverse=True):
        if done is not None and done <= due + ON_TIME:
            break
        run += 1
    return float(run)


def days_since_milestone(view: View) -> float:
    """Days since a milestone was done, or, while none was, since the first fell due; missing before that."""
    done: list[int] = [done for _, _, done in view.state.milestones.values() if done is not None]
    if done:
        return (view.moment - max(done)) / DAY
    due: list[int] = [due for due, _, _ in _due(view)]
    return (view.moment - min(due)) / DAY if due else MISSING


def next_milestone_days(view: View) -> float:
    """Days until the next milestone that is not done falls due, up to 365; missing if none lies ahead."""
    ahead: list[int] = [due for _, due, done in view.state.milestones.values() if done is None and due > view.moment]
    return min(FAR_DAYS, (min(ahead) - view.moment) / DAY) if ahead else MISSING


def milestones_done(view: View) -> float:
    """Share of all planned milestones that are done."""
    return mean([done is not None for _, _, done in view.state.milestones.values()])


def milestones_due(view: View) -> float:
    """Share of all planned milestones that have fallen due: how far into the plan."""
    return mean([due <= view.moment for due, _, _ in view.state.milestones.values()])


def plan_days_left(view: View) -> float:
    """Days until the last planned milestone falls due, up to 365; negative once it has."""
    due: list[int] = [due for _, due, _ in view.state.milestones.values()]
    return min(FAR_DAYS, (max(due) - view.moment) / DAY) if due else MISSING


def milestone_score_last(view: View) -> float:
    """The last KPI value that came with a milestone done, in its own unit."""
    scores = view.ratings.get("milestone", ())
    return scores[-1][1] / 1000 if scores else MISSING


def milestone_ahead_days(view: View) -> float:
    """Mean days before their due time at which the last four milestones were done; negative when late."""
    return mean(_ahead(view)[-LATEST:])


def milestone_ahead_change(view: View) -> float:
    """That of the last two less that of those before: they are done later and later."""
    return _change(_ahead(view))


def milestone_ahead_least(view: View) -> float:
    """The fewest days before its due time at which any milestone was done; negative when late."""
    return min(_ahead(view), default=MISSING)


def milestones_done_late(view: View) -> float:
    """Share of the milestones done that were late by more than a day."""
    return mean([days < -ON_TIME / DAY for days in _ahead(view)])


def milestones_done_early(view: View) -> float:
    """Milestones done whose due time lies ahead."""
    if not view.has("milestones"):
        return MISSING
    known = view.state.milestones.values()
    return float(len([1 for _, due, done in known if done is not None and due > view.moment]))


def milestone_days(view: View) -> float:
    """On how many of the last 56 days a milestone was done."""
    if not view.has("milestones"):
        return MISSING
    days = _days_done(view)
    return float(len(days) - bisect_right(days, view.today - LATELY_DAYS))


def milestone_pause(view: View) -> float:
    """Days since a milestone was done, as a multiple of what usually (median) lies between days on which one was."""
    days = _days_done(view)
    return (view.today - days[-1]) / median([b - a for a, b in pairwise(days)]) if len(days) > 1 else MISSING


def milestone_scores(view: View) -> float:
    """Mean of the last four KPI values that came with milestones done, in their own unit."""
    return mean([score / 1000 for _, score, _ in view.ratings.get("milestone", ())[-LATEST:]])


def milestones_weight_due(view: View) -> float:
    """Share of the plan's weight that has fallen due; missing where milestones do not say how much they count."""
    worth = _worth(view)
    return sum(one.weight for one in worth if one.due) / _all(worth) if _all(worth) else MISSING


def milestones_weight_done(view: View) -> float:
    """Share of the weight due so far that is done."""
    due = [one for one in _worth(view) if one.due]
    return sum(one.weight for one in due if one.done) / _all(due) if _all(due) else MISSING


def milestones_earned(view: View) -> float:
    """KPI values of milestones done, by weight, where what is due and not done counts 0."""
    due = [one for one in _worth(view) if one.due]
    earned = sum(one.weight * one.score for one in due if one.done and one.score is not None)
    return earned / _all(due) if _all(due) else MISSING


class _Worth(NamedTuple):
    weight: float
    due: bool
    done: bool
    score: float | None


def _worth(view: View) -> list[_Worth]:
    """The milestones that say how much they count."""
    if "worth" not in view.memo:
        view.memo["worth"] = _weighed(view)
    found: list[_Worth] = view.memo["worth"]
    return found


def _weighed(view: View) -> list[_Worth]:
    found = []
    for name, (weight, score) in view.state.worth.items():
        known = view.state.milestones.get(name)
        if known is not None:
            found.append(_Worth(weight, known[1] <= view.moment, known[2] is not None, score))
    return found


def _all(worth: list[_Worth]) -> float:
    return sum(one.weight for one in worth)


def _due(view: View) -> list[list[Any]]:
    if "due" not in view.memo:
        view.memo["due"] = [known for known in view.state.milestones.values() if known[0] <= view.moment]
    found: list[list[Any]] = view.memo["due"]
    return found


def _ahead(view: View) -> list[float]:
    """By how many days each milestone that is done was early, in the order in which they were done."""
    if "ahead" not in view.memo:
        done = sorted((done, due) for due, _, done in view.state.milestones.values() if done is not None)
        view.memo["ahead"] = [(due - at) / DAY for at, due in done]
    found: list[float] = view.memo["ahead"]
    return found


def _days_done(view: View) -> list[int]:
    """The days on which milestones were done, oldest first."""
    if "days_done" not in view.memo:
        done = {done // DAY for _, _, done in view.state.milestones.values() if done is not None}
        view.memo["days_done"] = sorted(done)
    found: list[int] = view.memo["days_done"]
    return found


def _change(values: list[float]) -> float:
    if len(values) <= 2:
        return MISSING
    return mean(values[-2:]) - mean(values[:-2])


def kpi_attainment(view: View) -> float:
    """Mean attainment of agreed KPIs, (value − baseline) ÷ (target − baseline), each between −0.5 and 1.5."""
    reached = [
        min(1.5, max(-0.5, (value - start) / (target - start)))
        for start, target, value in view.state.kpis.values()
        if value is not None and target != start
    ]
    return mean(reached)


def blockers_weight(view: View) -> float:
    """Sum of the severities (low 1 … critical 4) of blockers that are open."""
    return float(sum(b[0] for b in view.state.blockers.values())) if view.has("blockers") else MISSING


def approvals_late(view: View) -> float:
    """Approvals and deliverables past their due time, or late in the last 60 days."""
    if not view.has("deliveries"):
        return MISSING
    waiting = sum(1 for due in view.state.waiting.values() if due is not None and due < view.moment)
    return float(waiting + view.marks("approval_late", 60) + view.marks("deliverable_late", 60))


def scope_changes(view: View) -> float:
    """Days of the last 90 on which the client questioned the scope."""
    return float(view.marks("scope_changed", 90)) if view.has("deliveries") else MISSING


def budget_cut(view: View) -> float:
    """Days of the last 90 on which a smaller or frozen budget came up."""
    return float(view.marks("budget_cut", 90)) if view.has("mood") else MISSING

"""Family *signs*: the early-warning signs of leaving, counted.

What a sign is does not follow the scorecard's configuration, since a model must go on meaning what it learned.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from churn.domain.features import health, money, people, support, usage, work
from churn.domain.features.view import MISSING, View

NEWS_WEEKS = 13.0
"""A loss is a sign for a quarter."""


class Sign(NamedTuple):
    """Shows when any of its measures is beyond its limit: above it where `high`, else below."""

    name: str
    family: str
    high: bool
    limit: float
    measures: tuple[Callable[[View], float], ...]


SIGNS: tuple[Sign, ...] = (
    Sign("slower replies", "relationship", True, 0.5, (support.reply_trend,)),
    Sign("meetings cancelled", "relationship", True, 1, (people.meetings_cancelled,)),
    Sign("shorter messages", "relationship", False, -0.4, (support.message_words,)),
    Sign("a key contact gone", "relationship", False, NEWS_WEEKS, (people.champion_lost,)),
    Sign("the sponsor changed", "relationship", False, NEWS_WEEKS, (people.sponsor_changed, people.sponsor_lost)),
    Sign("feedback stopped", "relationship", True, NEWS_WEEKS, (support.weeks_since_feedback,)),
    Sign("lawyers involved", "relationship", True, 1, (people.legal_talk,)),
    Sign("budget cut", "financial", True, 1, (work.budget_cut,)),
    Sign("an ageing invoice", "financial", True, 14, (money.invoice_overdue_days,)),
    Sign("a competitor named", "mood", True, 1, (support.competitor_talk,)),
    Sign("the mood turning", "mood", False, -0.3, (support.mood_change,)),
    Sign("late approvals", "delivery", True, 1, (work.approvals_late,)),
    Sign("the scope questioned", "delivery", True, 1, (work.scope_changes,)),
    Sign("the score falling for months", "health", False, -5, (health.health_slope_90,)),
    Sign("a sudden dip of use", "usage", False, -0.7, (usage.usage_dip, usage.logins_dip)),
)


def showing(view: View) -> list[Sign] | None:
    """The signs that show; None where not one of them can be judged."""
    if "signs" not in view.memo:
        view.memo["signs"] = _showing(view)
    found: list[Sign] | None = view.memo["signs"]
    return found


def _showing(view: View) -> list[Sign] | None:
    found, judged = [], False
    for sign in SIGNS:
        for measure in sign.measures:
            value = view.value(measure)
            judged = judged or value == value
            # What is missing (NaN) compares false either way, so it is never a sign.
            if value >= sign.limit if sign.high else value <= sign.limit:
                found.append(sign)
                break
    return found if judged else None


def signs_showing(view: View) -> float:
    """How many of the 15 early-warning signs show now."""
    signs = showing(view)
    return MISSING if signs is None else float(len(signs))


def sign_families(view: View) -> float:
    """Of how many kinds (relationship, financial, mood, delivery, health, usage) they are."""
    signs = showing(view)
    return MISSING if signs is None else float(len({sign.family for sign in signs}))

"""Facts about use of the product and about health scores."""

from __future__ import annotations

import math
from typing import NamedTuple

from churn.domain.features import health as health_features
from churn.domain.features import usage as usage_features
from churn.domain.features.usage import baseline, used_within
from churn.domain.features.view import NOW_WEEKS, View, mean
from churn.domain.health_track import UNITS
from churn.domain.moments import DAY
from churn.domain.saying import Words, number, on, percent, plural

ENOUGH_SCORES = 3
"""Days with a score from which one may say that health held."""
FELL, ROSE = 0.8, 1.15
"""Below and above these shares of before, a count is said to have fallen or risen."""


def logins(view: View) -> Words:
    words = _level(view, view.login_weeks, "logins")
    last = [day for day, n in view.state.logins.items() if n]
    if last and view.today - max(last) >= 10:
        words["days_since_login"] = plural(view.today - max(last), "day")
    return words


def usage(view: View) -> Words:
    return _level(view, view.usage_weeks, "usage")


def features(view: View) -> Words:
    keys = view.state.key_features
    if not keys or not view.has("usage"):
        return {}
    idle = [name for name in keys if not used_within(view, name, 0, 27)]
    words = {"used": str(len(keys) - len(idle)), "key_features": str(len(keys))}
    if idle:
        words["unused"] = str(len(idle))
        words["unused_names"] = ", ".join(idle[:3])
    else:
        words["all_used"] = ""
    return words


def seats(view: View) -> Words:
    share, trend = view.value(usage_features.seat_use), view.value(usage_features.users_trend)
    words: Words = {}
    if not math.isnan(share):
        words["seats_used"] = percent(min(1.0, share))
        words["seats"] = str(view.life.seats)
        if share < 0.5:
            words["seats_idle"] = ""
    if trend < -0.2:
        words["users_fell"] = percent(1 - math.exp(trend))
    return words


def price(view: View) -> Words:
    """What a use of the last four weeks costs the client."""
    cost = view.value(usage_features.usage_price)
    used = sum(view.usage_weeks[:NOW_WEEKS])
    if math.isnan(cost) or not used:
        return {}
    return {"price": number(math.exp(cost)), "currency": view.life.currency or "", "uses": number(used)}


def health(view: View) -> Words:
    score = view.value(health_features.health_score)
    if math.isnan(score):
        return {}
    words = {"score": number(score), "band": view.health[-1][2]}
    below = view.value(health_features.days_below_top)
    if below >= 14:
        words["below_for"] = plural(below / 7, "week")
    if score >= 80:
        words["score_good"] = ""
    return words


def health_trend(view: View) -> Words:
    """From the best score of the last 90 days to the last one, with the day of the best."""
    score = view.value(health_features.health_score)
    if math.isnan(score):
        return {}
    ats, scores = view.scores(90)
    best, best_at = max(zip(scores, ats, strict=True))
    words = {"score": number(score)}
    if best / UNITS - score >= 5:
        words |= {"best": number(best / UNITS), "best_on": on(best_at, view.moment)}
    slope = health_features.health_slope_30(view)
    if len(ats) >= ENOUGH_SCORES:
        words["held"] = ""
    if slope >= 3:
        words["rising"] = number(slope)
    return words


def _level(view: View, weeks: list[int], noun: str) -> Words:
    if not view.has(noun):
        return {}
    usual = baseline(view, weeks)
    change = _fall(view, weeks, usual)
    if change is not None:
        return {
            f"{noun}_now": number(change.now),
            f"{noun}_fell_from": number(change.before),
            f"{noun}_since": change.since,
        }
    now = mean(weeks[:NOW_WEEKS])
    words = {f"{noun}_now": number(now)}
    if now >= ROSE * usual and usual >= 1:
        words[f"{noun}_rose_from"] = number(usual)
    return words


class _Fall(NamedTuple):
    """Weekly means before and since a count left its own past, and the day on which that began."""

    before: float
    now: float
    since: str


def _fall(view: View, weeks: list[int], usual: float) -> _Fall | None:
    """A fall against the client's own past, if there is one.

    It is dated by the unbroken run of the latest weeks that lie below half-way between its past and now.
    """
    now = mean(weeks[:NOW_WEEKS])
    if not (now <= FELL * usual and usual >= 1):
        return None
    known = weeks[: NOW_WEEKS + view.baseline_weeks]
    half = (now + usual) / 2
    run = max(1, next((i for i, n in enumerate(known) if n > half), len(known)))
    before = mean(known[run:]) if run < len(known) else usual
    return _Fall(before, mean(known[:run]), on((view.today - 7 * run + 1) * DAY, view.moment))

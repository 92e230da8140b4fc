"""Facts about use of the product and about health scores."""

from __future__ import annotations

import math
from collections.abc import Mapping

from churn.domain.features import health as health_features
from churn.domain.features import usage as usage_features
from churn.domain.features.usage import ACTIVE_WEEKS, DIP_WEEKS, baseline, used_within
from churn.domain.features.view import NOW_WEEKS, View, mean
from churn.domain.health_track import UNITS
from churn.domain.moments import DAY
from churn.domain.saying import Words, name, number, on, percent, plural

ENOUGH_SCORES = 3
"""Days with a score from which one may say that health held."""
FELL, ROSE = 0.8, 1.15
"""Below and above these shares of before, a count is said to have fallen or risen."""

COMPONENTS = {
    "usage": health_features.component_usage,
    "outcome": health_features.component_outcome,
    "relationship": health_features.component_relationship,
    "finances": health_features.component_financial,
}


def logins(view: View) -> Words:
    words = _level(view, _whole(view, view.login_weeks, view.state.logins), "logins")
    last = [day for day, n in view.state.logins.items() if n]
    if last and view.today - max(last) >= 10:
        words["days_since_login"] = plural(view.today - max(last), "day")
    return words


def usage(view: View) -> Words:
    return _level(view, _whole(view, view.usage_weeks, view.state.usage), "usage")


def features(view: View) -> Words:
    keys = view.state.key_features
    if not view.has("usage"):
        return {}
    if not keys:
        return _in_use(view)
    idle = [key for key in keys if not used_within(view, key, 0, 27)]
    words = {"used": str(len(keys) - len(idle)), "key_features": str(len(keys))}
    if idle:
        words["unused"] = str(len(idle))
        words["unused_names"] = ", ".join(map(name, idle[:3]))
    else:
        words["all_used"] = ""
    return words


def _in_use(view: View) -> Words:
    """Without key features, how many were used at all."""
    used = sum(used_within(view, feature, 0, 27) for feature in view.state.features)
    if not used:
        return {"features_none": ""}
    return {"features_one": "1"} if used == 1 else {"features_many": str(used)}


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
    band = view.health[-1][2]
    if band == "unknown":
        return {"score_unsure": number(score)}
    words = {"score": number(score), "band": band}
    below = view.value(health_features.days_below_top)
    if below >= 14:
        words["below_for"] = plural(below / 7, "week")
    if score >= 80:
        words["score_good"] = ""
    weakest = _weakest(view)
    if weakest is not None and weakest[1] <= score - 5:
        words |= {"weakest": weakest[0], "weakest_score": number(weakest[1])}
    return words


def _weakest(view: View) -> tuple[str, float] | None:
    """The health component with the lowest score."""
    scores = {name: view.value(of) for name, of in COMPONENTS.items()}
    known = {name: score for name, score in scores.items() if not math.isnan(score)}
    return min(known.items(), key=lambda item: item[1]) if known else None


def health_trend(view: View) -> Words:
    """From the best score of the last 90 days to the last one, with the day of the best."""
    score = view.value(health_features.health_score)
    if math.isnan(score):
        return {}
    days, scores = view.scores(90)
    best, best_day = max(zip(scores, days, strict=True))
    words = {"score": number(score)}
    if best / UNITS - score >= 5:
        words |= {"best": number(best / UNITS), "best_on": on(round(view.moment + best_day * DAY), view.moment)}
    slope = health_features.health_slope_30(view)
    if len(days) >= ENOUGH_SCORES:
        words["held"] = ""
    if slope >= 3:
        words["rising"] = number(slope)
    return words


def _whole(view: View, weeks: list[int], buckets: Mapping[int, int]) -> list[int]:
    """The same weeks, a day earlier: today is not over, and what comes on its weekday would seem to be lacking."""
    ends = [buckets.get(view.today - 7 * week, 0) for week in range(len(weeks) + 1)]
    return [count - ends[week] + ends[week + 1] for week, count in enumerate(weeks)]


def _level(view: View, weeks: list[int], noun: str) -> Words:
    """A weekly count against the client's own past."""
    if not view.has(noun):
        return {}
    usual, now = baseline(view, weeks), mean(weeks[:NOW_WEEKS])
    if now == 0 and not usual >= 1:
        return {f"{noun}_nothing": ""}
    words = {f"{noun}_now": number(now)}
    if usual >= 1 and now <= FELL * usual:
        return words | _fall(view, weeks, usual, now, noun)
    lately, before = mean(weeks[:DIP_WEEKS]), mean(weeks[DIP_WEEKS:ACTIVE_WEEKS])
    if not math.isnan(usual) and before >= 1 and lately <= FELL * before:
        words |= {f"{noun}_dipped_from": number(before), f"{noun}_dipped_to": number(lately)}
    elif usual >= 1 and now >= ROSE * usual:
        words[f"{noun}_rose_from"] = number(usual)
    else:
        words[f"{noun}_held"] = ""
    return words


def _fall(view: View, weeks: list[int], usual: float, now: float, noun: str) -> Words:
    """A fall against the client's own past.

    It is dated by the unbroken run of the latest weeks that lie below half-way between its past and now. Where the
    last week is above that, the client has come back.
    """
    known = weeks[: NOW_WEEKS + view.baseline_weeks]
    half = (now + usual) / 2
    run = next((i for i, n in enumerate(known) if n > half), len(known))
    if run == 0:
        return {f"{noun}_back_to": number(known[0]), f"{noun}_low_mean": number(now), f"{noun}_usual": number(usual)}
    before, since = (mean(known[run:]) if run < len(known) else usual), mean(known[:run])
    if since > FELL * before:  # weeks before the run were low, too: the last four against the past
        before, since, run = usual, now, NOW_WEEKS
    return {
        f"{noun}_now": number(since),
        f"{noun}_fell_from": number(before),
        f"{noun}_since": on((view.today - 7 * run) * DAY, view.moment),
    }

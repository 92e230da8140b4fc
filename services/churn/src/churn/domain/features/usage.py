"""Family *usage*: how much, how lately, how broadly the client uses the product, against its own past."""

from __future__ import annotations

import math

from churn.domain.features.view import (
    BASELINE_WEEKS,
    ENOUGH_BASELINE_WEEKS,
    MISSING,
    NOW_WEEKS,
    View,
    log_ratio,
    mean,
)

NOW_DAYS, BASELINE_DAYS = 7 * NOW_WEEKS, 7 * BASELINE_WEEKS
DIP_WEEKS = 2
ACTIVE_WEEKS = 8


def logins_level(view: View) -> float:
    """ln(1 + logins a week), mean of the last 4 weeks."""
    return math.log1p(mean(view.login_weeks[:NOW_WEEKS])) if view.has("logins") else MISSING


def logins_trend(view: View) -> float:
    """ln of weekly logins, last 4 weeks against the client's own up to 12 weeks before."""
    return _trend(view, view.login_weeks) if view.has("logins") else MISSING


def logins_dip(view: View) -> float:
    """ln of weekly logins, last 2 weeks against the 6 before: sudden, where the trend is slow."""
    return _dip(view, view.login_weeks) if view.has("logins") else MISSING


def logins_slope(view: View) -> float:
    """Change of weekly logins from one 4-week stretch to the next, mean of the last two, relative to their level."""
    weeks = view.login_weeks
    if not view.has("logins") or view.baseline_weeks < 2 * NOW_WEEKS:
        return MISSING
    level = mean(weeks[: 3 * NOW_WEEKS])
    return (mean(weeks[:NOW_WEEKS]) - mean(weeks[2 * NOW_WEEKS : 3 * NOW_WEEKS])) / (2 * (level + 1))


def weeks_since_login(view: View) -> float:
    """Whole weeks since the last login, so that daily and weekly sources read the same."""
    return _weeks_since(view.login_weeks, view.state.logins)


def login_weeks_active(view: View) -> float:
    """In how many of the last 8 weeks anybody logged in."""
    return float(sum(1 for n in view.login_weeks[:ACTIVE_WEEKS] if n)) if view.has("logins") else MISSING


def usage_level(view: View) -> float:
    """ln(1 + usage a week), mean of the last 4 weeks, all features together."""
    return math.log1p(mean(view.usage_weeks[:NOW_WEEKS])) if view.has("usage") else MISSING


def usage_trend(view: View) -> float:
    """ln of weekly usage, last 4 weeks against the client's own up to 12 weeks before."""
    return _trend(view, view.usage_weeks) if view.has("usage") else MISSING


def usage_dip(view: View) -> float:
    """ln of weekly usage, last 2 weeks against the 6 before."""
    return _dip(view, view.usage_weeks) if view.has("usage") else MISSING


def weeks_since_usage(view: View) -> float:
    """Whole weeks since anything was used."""
    return _weeks_since(view.usage_weeks, view.state.usage)


def usage_days(view: View) -> float:
    """On how many of the last 28 days anything was used."""
    return float(sum(view.usage_days[:NOW_WEEKS])) if view.has("usage") else MISSING


def usage_days_trend(view: View) -> float:
    """ln of days of use, last 28 days against the client's own normal of the 84 days before."""
    if not view.has("usage") or view.baseline_weeks < ENOUGH_BASELINE_WEEKS:
        return MISSING
    now, before = view.usage_days[:NOW_WEEKS], view.usage_days[NOW_WEEKS : NOW_WEEKS + view.baseline_weeks]
    return log_ratio(sum(now), sum(before) * NOW_WEEKS / view.baseline_weeks)


def usage_per_user(view: View) -> float:
    """ln(1 + usage a week for each active user), last 28 days."""
    users, _ = _users(view)
    return math.log1p(mean(view.usage_weeks[:NOW_WEEKS]) / users) if users > 0 else MISSING


def usage_price(view: View) -> float:
    """ln of monthly recurring revenue (major units) for each use of the last 28 days: what a use costs them."""
    mrr = view.life.mrr
    if not mrr or not view.has("usage"):
        return MISSING
    return math.log((1 + mrr / 100) / (1 + sum(view.usage_weeks[:NOW_WEEKS])))


def feature_depth(view: View) -> float:
    """Distinct key features used in the last 28 days ÷ key features."""
    keys = view.state.key_features
    if not keys or not view.has("usage"):
        return MISSING
    used = _used(view, 0, 27)
    return sum([name in used for name in keys]) / len(keys)


def features_used(view: View) -> float:
    """Distinct features used in the last 28 days."""
    return float(len(_used(view, 0, 27))) if view.has("usage") else MISSING


def features_change(view: View) -> float:
    """Distinct features of the last 28 days less those of the 28 before."""
    if not view.has("usage") or view.baseline_weeks < NOW_WEEKS:
        return MISSING
    return float(len(_used(view, 0, 27)) - len(_used(view, 28, 55)))


def features_lost(view: View) -> float:
    """Features used in the 84 days before the last 28 and not since."""
    if not view.has("usage") or view.baseline_weeks < ENOUGH_BASELINE_WEEKS:
        return MISSING
    return float(len(_used(view, 28, 111) - _used(view, 0, 27)))


def seat_use(view: View) -> float:
    """Most active users reported on a day of the last 28 days ÷ seats."""
    users, _ = _users(view)
    return users / view.life.seats if users >= 0 and view.life.seats else MISSING


def users_level(view: View) -> float:
    """ln(1 + most active users reported on a day of the last 28)."""
    users, _ = _users(view)
    return MISSING if users < 0 else math.log1p(users)


def users_trend(view: View) -> float:
    """ln of the most active users, last 28 days against the 84 before."""
    now, before = _users(view)
    return MISSING if now < 0 or before < 0 else log_ratio(now, before)


def baseline(view: View, weeks: list[int]) -> float:
    """Weekly mean of the client's own past: up to 12 weeks before the last 4, as far as it was a client."""
    if view.baseline_weeks < ENOUGH_BASELINE_WEEKS:
        return MISSING
    return mean(weeks[NOW_WEEKS : NOW_WEEKS + view.baseline_weeks])


def used_within(view: View, feature: str, first: int, last: int) -> bool:
    """Whether a feature was used between `first` and `last` days ago."""
    return feature in _used(view, first, last)


def _used(view: View, first: int, last: int) -> frozenset[str]:
    """Names of the features that were used between `first` and `last` days ago."""
    if (first, last) not in view.memo:
        newest = view.today - first - view.state.feature_floor
        oldest = max(0, view.today - last - view.state.feature_floor)
        window = (1 << (newest - oldest + 1)) - 1 << oldest if newest >= oldest else 0
        view.memo[first, last] = frozenset(name for name, days in view.state.features.items() if days & window)
    found: frozenset[str] = view.memo[first, last]
    return found


def _users(view: View) -> tuple[int, int]:
    """Most active users on a day of the last 28, and of the 84 before; −1 where none were reported."""
    if "users" not in view.memo:
        now = before = -1
        recent = view.today - NOW_DAYS
        oldest = recent - BASELINE_DAYS
        for day, number in view.state.users.items():
            if recent < day <= view.today:
                if number > now:
                    now = number
            elif number > before and oldest < day <= recent:
                before = number
        view.memo["users"] = (now, before)
    found: tuple[int, int] = view.memo["users"]
    return found


def _trend(view: View, weeks: list[int]) -> float:
    before = baseline(view, weeks)
    return before if math.isnan(before) else log_ratio(mean(weeks[:NOW_WEEKS]), before)


def _dip(view: View, weeks: list[int]) -> float:
    if view.baseline_weeks < ENOUGH_BASELINE_WEEKS:
        return MISSING
    return log_ratio(mean(weeks[:DIP_WEEKS]), mean(weeks[DIP_WEEKS:ACTIVE_WEEKS]))


def _weeks_since(weeks: list[int], buckets: dict[int, int]) -> float:
    """Up to 16; missing where nothing is remembered."""
    for week, quantity in enumerate(weeks):
        if quantity:
            return float(week)
    return float(len(weeks)) if any(buckets.values()) else MISSING

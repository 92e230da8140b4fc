"""Sentences about the use of the product."""

from __future__ import annotations

from collections.abc import Mapping

from health.domain.facts.fact import own_normal
from health.domain.state import active_days, used
from health.domain.words.sight import Farewell, Sight, Teller, changed, days, listed, rounded


def days_since_login(before: Sight | None, after: Sight) -> str:
    what = "login" if after.state.last_login is not None else "use"
    former = None if before is None else before.value
    if after.value <= 0:
        again = "" if former is None else f" again after {days(former)}" if former > 1 else " again"
        return f"somebody logged in{again}" if what == "login" else f"the product was used{again}"
    was = "" if former is None or former == after.value else f"; was {former}"
    return f"no {what} since {after.day(after.at.day - after.value)} ({days(after.value)}{was})"


def active_days_ratio(before: Sight | None, after: Sight) -> str:
    weeks = own_normal(after.state.first, after.at.day)
    usual = rounded(4 * active_days(after.state, after.at.day, 28 + 7 * weeks, 28), weeks)
    now = active_days(after.state, after.at.day, 28, 0)
    former = None if before is None else str(active_days(before.state, before.at.day, 28, 0))
    return changed(f"active on {now} of the last 28 days, usually on {usual}", str(now), former)


def feature_depth(before: Sight | None, after: Sight) -> str:
    every, using = _features(after)
    what = "key features" if after.state.profile.get("key_features") else "features"
    known = f"{len(using)} of {len(every)} {what} in use"
    if before is None:
        return known
    every_before, used_before = _features(before)
    lost = [name for name in used_before if name not in using]
    gained = [name for name in using if name not in used_before]
    if lost and after.value < before.value:
        last = max((entry[1] for name in lost if (entry := after.state.features.get(name))), default=None)
        since = "" if last is None else f" since {after.day(last)}"
        return f"{len(lost)} of {len(every)} {what} unused{since} ({listed(lost)}), {len(using)} in use"
    if gained and after.value > before.value:
        return f"{known}, now with {listed(gained)} (was {len(used_before)})"
    was = len(used_before) if len(every) == len(every_before) else f"{len(used_before)} of {len(every_before)}"
    return changed(known, str(len(using)), str(was))


def _features(sight: Sight) -> tuple[list[str], list[str]]:
    """The features that count for this client, and those of them in use."""
    features, today = sight.state.features, sight.at.day
    every = sight.state.profile.get("key_features") or [n for n, (_, last) in features.items() if last > today - 112]
    return every, [n for n in every if n in features and features[n][1] > today - sight.params["window"]]


def seat_use(before: Sight | None, after: Sight) -> str:
    now, seats = _seats(after)
    if before is None:
        return f"{now} of {seats} seats in use"
    former, seats_before = _seats(before)
    was = str(former) if seats == seats_before else f"{former} of {seats_before}"
    return changed(f"{now} of {seats} seats in use", str(now) if seats == seats_before else "", was)


def _seats(sight: Sight) -> tuple[int, int]:
    seats = int(sight.state.profile.get("seats") or 0)
    return rounded(sight.value * seats, 1000), seats


def usage_trend(before: Sight | None, after: Sight) -> str:
    former = None if before is None else _compared(before)
    now = _compared(after)
    told = "used as much as" if now == "as much" else f"used {now} than"
    return changed(f"{told} in the 28 days before", now, former)


def _compared(sight: Sight) -> str:
    """The bare quantities, not the shrunk ratio: people check them against what they see elsewhere."""
    recent, earlier = used(sight.state, sight.at.day, 28, 0), used(sight.state, sight.at.day, 56, 28)
    if not earlier:
        return "more"
    gap = rounded(100 * (recent - earlier), earlier)
    return "as much" if gap == 0 else f"{abs(gap)}% {'more' if gap > 0 else 'less'}"


TELLERS: Mapping[str, Teller] = {
    "days_since_login": days_since_login,
    "active_days_ratio": active_days_ratio,
    "feature_depth": feature_depth,
    "seat_use": seat_use,
    "usage_trend": usage_trend,
}
FAREWELLS: Mapping[str, Farewell] = {
    "active_days_ratio": lambda after: "not used for sixteen weeks: no days left to compare",
    "usage_trend": lambda after: "not used for eight weeks: nothing left to compare",
    "seat_use": lambda after: "seats are not known any more, or too many people to count one by one",
}

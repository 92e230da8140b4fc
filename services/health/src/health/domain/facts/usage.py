"""Facts of the component `usage`: is the product used, how widely, and is that less than this client's own normal."""

from __future__ import annotations

from health.domain.facts.fact import At, Fact, Measure, Params, counted, own_normal, percent
from health.domain.moments import DAY
from health.domain.state import PEOPLE, ClientState, active_days, used

RATIO = 1000


def days_since_login(state: ClientState, at: At, params: Params) -> Measure | None:
    """UTC days since somebody logged in; a client whose source reports no logins counts by its use of features."""
    if state.last_login is not None:
        last, mark = state.last_login // DAY, state.marks.get("login")
    elif state.active_mask:
        last, mark = state.active_end, state.marks.get("usage")
    else:
        return None
    return Measure(at.day - last, last, (mark,))


def active_days_ratio(state: ClientState, at: At, params: Params) -> Measure | None:
    """Active days in 28 against the client's own earlier 84, per mille; `shrink` days pull small counts to `prior`."""
    weeks = own_normal(state.first, at.day)
    if not weeks:
        return None
    earlier = active_days(state, at.day, 28 + 7 * weeks, 28)
    recent = active_days(state, at.day, 28, 0)
    if not earlier and not recent:
        return None
    normal = 4 * earlier + params["shrink"] * weeks
    if not normal:
        return None
    value = (RATIO * recent + params["shrink"] * params["prior"]) * weeks // normal
    return Measure(min(value, 2 * RATIO), state.active_end, _activity(state))


def feature_depth(state: ClientState, at: At, params: Params) -> Measure | None:
    """Distinct key features used in `window` days ÷ key features, per mille.

    Without a list of key features: ÷ the features that the client itself used in the last 112 days, at least 3.
    """
    if "usage" not in state.marks:
        return None
    key = state.profile.get("key_features")
    since = at.day - params["window"]
    features = state.features
    if key:
        using = sum(1 for name in key if name in features and features[name][1] > since)
        return Measure(RATIO * using // len(key), state.active_end, (state.marks["usage"],))
    own = sum(1 for _, last in features.values() if last > at.day - 112)
    using = sum(1 for _, last in features.values() if last > since)
    return Measure(RATIO * using // max(3, own), state.active_end, (state.marks["usage"],))


def seat_use(state: ClientState, at: At, params: Params) -> Measure | None:
    """People active in 28 days ÷ seats, per mille; what the source counted itself goes before our own count."""
    seats = state.profile.get("seats")
    if not seats or not (state.users or state.reported_users):
        return None
    since = at.day - 28
    active = max((count for day, count in state.reported_users if day > since), default=0)
    if not state.reported_users:
        if len(state.users) >= PEOPLE:  # too many to be counted one by one: no figure is better than a wrong one
            return None
        active = sum(1 for seen in state.users.values() if seen > since)
    return Measure(min(RATIO, RATIO * active // seats), state.active_end, _activity(state))


def usage_trend(state: ClientState, at: At, params: Params) -> Measure | None:
    """Quantity used in 28 days against the 28 before, per mille; `shrink` uses pull small counts to `prior`."""
    if "usage" not in state.marks or state.first is None or at.day - state.first // DAY < 56:
        return None
    recent, before = used(state, at.day, 28, 0), used(state, at.day, 56, 28)
    if not recent and not before:
        return None
    shrink = 100 * params["shrink"]
    if not before + shrink:
        return None
    value = (RATIO * recent + shrink * params["prior"]) // (before + shrink)
    return Measure(min(2 * RATIO, value), state.usage_end, (state.marks["usage"],))


def _activity(state: ClientState) -> tuple[str | None, ...]:
    return (state.marks.get("login"), state.marks.get("usage"))


def _say_login(days: int) -> str:
    return "somebody logged in today" if days <= 0 else f"no login for {counted(days, 'day', 'days')}"


FACTS = (
    Fact("days_since_login", days_since_login, ("usage",), _say_login),
    Fact("active_days_ratio", active_days_ratio, ("usage",),
         lambda v: f"active on {percent(v)} of its usual days", RATIO, {"shrink": 3, "prior": RATIO}),
    Fact("feature_depth", feature_depth, ("usage",),
         lambda v: f"{percent(v)} of the key features in use", RATIO, {"window": 30}),
    Fact("seat_use", seat_use, ("usage",), lambda v: f"{percent(v)} of the seats in use", RATIO),
    Fact("usage_trend", usage_trend, ("usage",),
         lambda v: f"usage at {percent(v)} of the 28 days before", RATIO, {"shrink": 5, "prior": RATIO}),
)  # fmt: skip

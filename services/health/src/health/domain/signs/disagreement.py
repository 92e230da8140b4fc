"""Health contradicted: by churn's risk, by money, by the CSM's own view. Which is right, a person finds out."""

from __future__ import annotations

from health.domain.evaluate import UNKNOWN
from health.domain.model import POINT
from health.domain.moments import DAY
from health.domain.signs.sign import RATIO, Finding, Kind, Params, Seen, Sign, on_day, percent

HEALTH_BRIGHTER, HEALTH_DARKER = "health_brighter", "health_darker"
"""`Finding.about`: whether health looks better or worse than the other side."""
SCORES = {"healthy_from": 1, "unhealthy_below": 1, "margin": 1}


def _view(seen: Seen, params: Params) -> tuple[bool, bool, str] | None:
    """(healthy, unhealthy, in words); None where health itself is unknown. What is on holds by `margin` longer."""
    if seen.health is None or seen.health.score is None or seen.health.band == UNKNOWN:
        return None
    score = seen.health.score
    slack = {about: params["margin"] if about in seen.on else 0 for about in (HEALTH_BRIGHTER, HEALTH_DARKER)}
    healthy = score >= POINT * (params["healthy_from"] - slack[HEALTH_BRIGHTER])
    unhealthy = score < POINT * (params["unhealthy_below"] + slack[HEALTH_DARKER])
    # Rounded down, as bands are: 79.94 reads as 79, not as a healthy 80.
    return healthy, unhealthy, f"health is {score // POINT} ({seen.health.band.replace('_', ' ')})"


def against_risk(seen: Seen, params: Params) -> Finding | None:
    """Healthy, but likely to leave; or unhealthy, and churn sees next to no risk."""
    view, risk = _view(seen, params), seen.risk
    if view is None or risk is None or seen.now - risk.as_of > params["within_days"] * DAY:
        return None
    healthy, unhealthy, words = view
    sure = risk.probability is not None
    value = risk.probability if risk.probability is not None else risk.share
    high = params["risk_from" if sure else "points_from"] - (params["risk_margin"] if HEALTH_BRIGHTER in seen.on else 0)
    low = params["no_risk_below"] + (params["risk_margin"] if HEALTH_DARKER in seen.on else 0)
    said = (
        f"churn sees a risk of {percent(value)}"
        if sure
        else f"churn's scorecard stands at {percent(value)} of its threshold"
    )
    if risk.simulated:
        said += " (a model trained on simulated data)"
    if healthy and value >= high:
        return Finding(f"{words}, but {said}", risk.as_of, (), HEALTH_BRIGHTER)
    if unhealthy and value < low:
        return Finding(f"{words}, but {said}", risk.as_of, (), HEALTH_DARKER)
    return None


def against_money(seen: Seen, params: Params) -> Finding | None:
    """Healthy while MRR shrinks; or unhealthy while it grows. Currencies are looked at one by one."""
    view = _view(seen, params)
    if view is None or not seen.state.mrr_log:
        return None
    healthy, unhealthy, words = view
    moves = _moves(seen, params["window_days"])
    if not moves:
        return None
    slack = params["money_margin"]
    worst, best = min(moves), max(moves)
    if healthy and worst[0] <= RATIO - params["shrinks_by"] + (slack if HEALTH_BRIGHTER in seen.on else 0):
        return _money(f"{words}, but MRR fell by {percent(RATIO - worst[0])}", worst, params, HEALTH_BRIGHTER)
    grown = RATIO + params["grows_by"] - (slack if HEALTH_DARKER in seen.on else 0)
    if unhealthy and worst[0] >= RATIO and best[0] >= grown:
        return _money(f"{words}, but MRR grew by {percent(best[0] - RATIO)}", best, params, HEALTH_DARKER)
    return None


def _money(says: str, move: tuple[int, int, str], params: Params, about: str) -> Finding:
    _, day, mark = move
    return Finding(f"{says} in {params['window_days']} days, the last step on {on_day(day)}", day * DAY, (mark,), about)


def _moves(seen: Seen, window: int) -> list[tuple[int, int, str]]:
    """By currency: MRR now as per mille of what it was, the day it last changed, the event."""
    then: dict[str, int] = {}
    now: dict[str, tuple[int, int, str]] = {}
    for day, currency, total, mark in seen.state.mrr_log:
        if day <= seen.day - window or currency not in then:
            then[currency] = total
        now[currency] = (total, day, mark)
    return [(RATIO * total // then[currency], day, mark)
            for currency, (total, day, mark) in sorted(now.items()) if then[currency] > 0]  # fmt: skip


def against_csm(seen: Seen, params: Params) -> Finding | None:
    """The CSM is content (4–5) with an unhealthy client, or worried (1–2) about a healthy one."""
    view, mood = _view(seen, params), seen.state.csm_mood
    if view is None or mood is None or mood[0] <= seen.day - params["within_days"]:
        return None
    healthy, unhealthy, words = view
    day, given, mark = mood
    says = f"{words}, but the CSM gave {given} of 5 on {on_day(day)}"
    if healthy and given <= params["worried_until"]:
        return Finding(says, day * DAY, (mark,), HEALTH_BRIGHTER)
    if unhealthy and given >= params["content_from"]:
        return Finding(says, day * DAY, (mark,), HEALTH_DARKER)
    return None


SIGNS = (
    Sign("disagrees_with_risk", Kind.DISAGREEMENT, against_risk, "health and churn's risk agree again",
         {**SCORES, "risk_from": RATIO, "no_risk_below": RATIO, "risk_margin": RATIO, "points_from": RATIO,
          "within_days": 1}),
    Sign("disagrees_with_money", Kind.DISAGREEMENT, against_money, "health and money agree again",
         {**SCORES, "shrinks_by": RATIO, "grows_by": RATIO, "money_margin": RATIO, "window_days": 1}),
    Sign("disagrees_with_csm", Kind.DISAGREEMENT, against_csm, "health and the CSM's own view agree again",
         {**SCORES, "content_from": 1, "worried_until": 1, "within_days": 1}),
)  # fmt: skip

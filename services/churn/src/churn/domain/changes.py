"""What moved since the assessment before, group by group, in sentences that hold now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from common.contracts.churn import Change

from churn.domain.features import View
from churn.domain.policy import Policy
from churn.domain.reasons import DIGITS, sentence_of

SHOWN = 5


def changed(
    before: Mapping[str, float], now: Mapping[str, float], features: Sequence[float], view: View, policy: Policy
) -> tuple[Change, ...]:
    """The groups whose contribution moved most, up to five; what moved less than the floor is not worth a sentence."""
    moved = {code: now.get(code, 0.0) - before.get(code, 0.0) for code in {**before, **now}}
    strong = [(code, delta) for code, delta in moved.items() if abs(delta) >= policy.reason_floor]
    strong.sort(key=lambda item: (-abs(item[1]), item[0]))
    return tuple(
        Change(
            code=code,
            text=_text(code, before.get(code, 0.0), now.get(code, 0.0), features, view, policy),
            contribution=round(now.get(code, 0.0), DIGITS),
            change=round(delta, DIGITS),
        )
        for code, delta in strong[:SHOWN]
    )


def _text(code: str, before: float, now: float, features: Sequence[float], view: View, policy: Policy) -> str:
    """A reason that was there before and still is says whether it does more; a new one speaks for itself."""
    floor = policy.reason_floor
    if abs(now) < floor or abs(before) < floor or (now > 0) != (before > 0):
        return sentence_of(code, now > before, features, view, policy).text
    does = "raises" if now > 0 else "lowers"
    more = "more" if abs(now) > abs(before) else "less"
    return f"{sentence_of(code, now > 0, features, view, policy).text}; that {does} the risk {more} than before"

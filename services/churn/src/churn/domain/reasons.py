"""Reasons: contributions grouped by reason code, the strongest said in sentences made of facts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from common.contracts.churn import Reason

from churn.domain.facts import facts_of
from churn.domain.features import FEATURES, View
from churn.domain.policy import Policy

CODES: tuple[str, ...] = tuple(dict.fromkeys(feature.reason for feature in FEATURES))
"""All reason codes, in the order of the feature table."""
DIGITS = 4


_COLUMNS = {code: tuple(i for i, f in enumerate(FEATURES) if f.reason == code) for code in CODES}


def explain(groups: Mapping[str, float], features: Sequence[float], view: View, policy: Policy) -> tuple[Reason, ...]:
    """The groups that raise the risk most, strongest first, then those that lower it most."""
    floor = policy.reason_floor
    strong = [item for item in groups.items() if not -floor < item[1] < floor]
    strong.sort(key=lambda item: (-abs(item[1]), item[0]))
    raising = [item for item in strong if item[1] > 0][: policy.reasons_raising]
    lowering = [item for item in strong if item[1] < 0][: policy.reasons_lowering]
    return tuple(_reason(code, value, features, view, policy) for code, value in raising + lowering)


def _reason(code: str, value: float, features: Sequence[float], view: View, policy: Policy) -> Reason:
    said = sentence_of(code, value > 0, features, view, policy)
    extra = {"events": said.events} if said.events else {}
    return Reason(code=code, text=said.text, contribution=round(value, DIGITS), **extra)


class Said(NamedTuple):
    """A sentence, and the events that it is made of."""

    text: str
    events: tuple[str, ...] = ()


def sentence_of(code: str, raising: bool, features: Sequence[float], view: View, policy: Policy) -> Said:
    """How a group is said that raises the risk, or lowers it."""
    for column in _COLUMNS[code]:
        if not math.isnan(features[column]):
            break
    else:
        return Said(policy.sentences[code].missing)
    facts = facts_of(code, view)
    return Said(policy.sentences[code].say(facts.words, raising=raising), facts.events)

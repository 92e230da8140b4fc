"""Sentences about clients that are out of the ordinary: nothing happened, nothing is sure, names from elsewhere."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from churn.adapters.policy_files import load_policy
from churn.domain import health_track
from churn.domain.features import values
from churn.domain.reasons import explain
from common.settings import REPOSITORY_CONFIG

from tests.support.churn_world import MONDAY, Teller, beginning

POLICY = load_policy(REPOSITORY_CONFIG)
DAYS = timedelta(days=1)
START = MONDAY - 196 * DAYS


def said(teller: Teller, code: str, *, raising: bool) -> str:
    view = teller.view()
    return explain({code: 1.0 if raising else -1.0}, values(view), view, POLICY)[0].text


@pytest.mark.parametrize("raising", [True, False])
def test_no_use_at_all_holds_at_nothing(raising: bool):
    teller = Teller().tell_all(beginning(START))
    for week in range(20):
        teller.tell("logged_in", START + week * 7 * DAYS, count=0)
        teller.tell("usage_recorded", START + week * 7 * DAYS, feature="reports", quantity=0)
    assert said(teller, "logins", raising=raising) == "no login is known of the last weeks"
    assert said(teller, "usage", raising=raising) == "no usage is known of the last weeks"


@pytest.mark.parametrize("raising", [True, False])
def test_features_are_counted_before_they_are_called_many_or_few(raising: bool):
    first, *rest = beginning(START)
    plain = (first[0], {**first[1], "key_features": []}, first[2])
    teller = Teller().tell_all([plain, *rest])
    teller.tell("usage_recorded", MONDAY - 40 * DAYS, feature="reports", quantity=9)
    assert said(teller, "features", raising=raising) == "no feature was used in four weeks"
    teller.tell("usage_recorded", MONDAY - 3 * DAYS, feature="alerts", quantity=9)
    assert said(teller, "features", raising=raising) == "1 feature was in use in the last four weeks"
    teller.tell("usage_recorded", MONDAY - 2 * DAYS, feature="reports", quantity=9)
    assert said(teller, "features", raising=raising) == "2 features were in use in the last four weeks"


def test_names_from_elsewhere_stay_on_their_line_and_short():
    first, *rest = beginning(START)
    odd = (first[0], {**first[1], "key_features": ["a\n# b\t c", "x" * 300]}, first[2])
    teller = Teller().tell_all([odd, *rest]).tell("usage_recorded", MONDAY - 3 * DAYS, feature="alerts", quantity=9)
    text = said(teller, "features", raising=True)
    assert text == f"2 of 2 key features unused for four weeks (a # b c, {'x' * 39}…)"


def scored(score: float, band: str) -> dict[str, Any]:
    parts = [{"name": "usage", "weight": 35, "score": score, "fresh": True}]
    return {
        "score": score, "band": band, "model": "loop", "model_version": 1, "confidence": 0.4, "components": parts,
        "as_of": (MONDAY - DAYS).isoformat(),
    }  # fmt: skip


@pytest.mark.parametrize("raising", [True, False])
def test_a_score_without_a_band_is_said_to_be_unsure(raising: bool):
    teller = Teller().tell_all(beginning(START))
    health_track.add(teller.track, scored(99, "unknown"))
    assert said(teller, "health", raising=raising) == "health would be 99, but too little is known lately to be sure"

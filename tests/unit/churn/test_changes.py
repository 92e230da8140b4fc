"""What moved since the assessment before, in words that hold now."""

from __future__ import annotations

from datetime import timedelta

import pytest
from churn.adapters.policy_files import load_policy
from churn.domain import features
from churn.domain.changes import SHOWN, changed
from churn.domain.reasons import CODES
from common.settings import REPOSITORY_CONFIG
from hypothesis import given
from hypothesis import strategies as st

from tests.support.churn_world import MONDAY, Teller, turning_away

POLICY = load_policy(REPOSITORY_CONFIG)
VIEW = Teller().tell_all(turning_away(MONDAY - timedelta(weeks=28))).view()
VALUES = features.values(VIEW)


def texts(before: dict[str, float], now: dict[str, float]) -> dict[str, tuple[str, float]]:
    return {c.code: (c.text, c.change) for c in changed(before, now, VALUES, VIEW, POLICY)}


def test_a_new_reason_speaks_for_itself_and_an_old_one_says_what_it_weighs():
    said = texts({"logins": 0.4, "usage": 0.6}, {"logins": 0.9, "usage": 0.3, "sponsor": 0.8})
    assert said["sponsor"][0].startswith("sponsor left on ")
    assert said["sponsor"][1] == 0.8
    assert said["logins"][0].startswith("logins fell from 34 to 6 a week since ")
    assert said["logins"][0].endswith("; that raises the risk more than before")
    assert said["usage"][0].endswith("; that raises the risk less than before")


def test_what_turned_is_said_by_its_new_side():
    said = texts({"tickets": 0.5}, {"tickets": -0.2})
    assert said["tickets"] == ("no tickets are known", -0.7)
    gone = texts({"logins": -0.3}, {"logins": 0.0})
    assert gone["logins"][0].startswith("logins fell"), "it does not lower the risk any more"


def test_what_hardly_moved_is_not_told():
    assert texts({"logins": 0.4}, {"logins": 0.44}) == {}


GROUPS = st.dictionaries(st.sampled_from(CODES), st.floats(-3, 3))


@given(GROUPS, GROUPS)
def test_the_largest_moves_come_first_and_are_differences(before: dict[str, float], now: dict[str, float]):
    said = changed(before, now, VALUES, VIEW, POLICY)
    assert len(said) <= SHOWN
    sizes = [abs(c.change) for c in said]
    assert sizes == sorted(sizes, reverse=True)
    for c in said:
        assert c.change == pytest.approx(now.get(c.code, 0) - before.get(c.code, 0), abs=1e-3)
        assert c.text

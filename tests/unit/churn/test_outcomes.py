"""What became of a flag, and how sure a share of few can be."""

from __future__ import annotations

from typing import Any

import pytest
from churn.domain.labels import Rules, spells
from churn.domain.moments import DAY
from churn.domain.outcome import Fate, Outcome, Share, fate
from hypothesis import given
from hypothesis import strategies as st

RULES = Rules(horizon_days=90, min_tenure_days=30, grace_days=30)
START, RAISED = 0, 100 * DAY
SIGNED = (START, "contract_signed", {"starts_on": "1970-01-01"})
NOTICE: dict[str, Any] = {"effective_on": "1970-09-01"}


def known(*lifecycle: tuple[int, str, dict[str, Any]], at: int = RAISED + 90 * DAY, case: bool = False) -> Fate:
    return fate(spells([SIGNED, *lifecycle], at, RULES), RAISED, at, RULES, case=case)


def test_before_the_horizon_is_over_nothing_is_known_not_even_of_leavers():
    assert known(at=RAISED + 89 * DAY) == Fate(None, again=RAISED + 90 * DAY)
    gone = (RAISED + 10 * DAY, "contract_cancelled", NOTICE)
    assert known(gone, at=RAISED + 20 * DAY).outcome is None


def test_who_gave_notice_within_the_horizon_left_and_who_did_later_stayed():
    within = RAISED + 90 * DAY
    assert known((within, "contract_cancelled", NOTICE)) == Fate(Outcome.LEFT, within, "notice")
    assert known((within + 1, "contract_cancelled", NOTICE), at=within + 2).outcome is Outcome.STAYED


def test_a_case_is_said_of_those_who_stayed_and_does_not_make_a_leaver_stay():
    assert known(case=True).outcome is Outcome.STAYED_AFTER_CASE
    gone = (RAISED + DAY, "contract_cancelled", NOTICE)
    assert known(gone, case=True).outcome is Outcome.LEFT


def test_a_notice_taken_back_is_none():
    gone, back = RAISED + 10 * DAY, RAISED + 20 * DAY
    told = (gone, "contract_cancelled", NOTICE), (back, "cancellation_withdrawn", {})
    assert known(*told).outcome is Outcome.STAYED


def test_a_notice_older_than_the_flag_leaves_it_unknown():
    assert known((RAISED - DAY, "contract_cancelled", NOTICE)).outcome is Outcome.UNKNOWN
    assert fate([], RAISED, RAISED + 90 * DAY, RULES, case=False).outcome is Outcome.UNKNOWN


def test_a_contract_that_ran_out_is_looked_at_again_when_its_grace_is_over():
    ends = (0, "contract_signed", {"starts_on": "1970-01-01", "ends_on": "1970-06-20"})
    end = 170 * DAY
    waits = known(ends)
    assert waits == Fate(None, again=end + 30 * DAY)
    assert known(ends, at=end + 30 * DAY) == Fate(Outcome.LEFT, end, "lapse")
    renewed = (end + 5 * DAY, "contract_renewed", {"starts_on": "1970-06-20", "ends_on": "1972-06-20"})
    assert known(ends, renewed, at=end + 30 * DAY).outcome is Outcome.STAYED


@pytest.mark.parametrize(
    ("share", "low", "high"),
    [(Share(0, 10), 0.0, 0.2775), (Share(10, 10), 0.7225, 1.0), (Share(3, 10), 0.1078, 0.6032)],
)
def test_intervals_are_wilsons(share: Share, low: float, high: float):
    assert share.interval() == (low, high)


def test_of_nothing_there_is_no_share():
    assert (Share(0, 0).value, Share(0, 0).interval()) == (None, None)


@given(st.integers(1, 500), st.data())
def test_the_interval_holds_the_share(of: int, data: st.DataObject):
    share = Share(data.draw(st.integers(0, of)), of)
    interval = share.interval()
    assert interval is not None
    assert share.value is not None
    assert 0 <= interval[0] <= share.value + 1e-4
    assert share.value - 1e-4 <= interval[1] <= 1

"""Journey maps as people may write them: what a milestone could never be hit by is refused with its line."""

from __future__ import annotations

import pytest
from common.errors import Refused
from health import definitions

from tests.support.health_world import CONFIG

TEXT = (CONFIG / "journey.yaml").read_text()
KICKOFF, SHARE = "meeting_held: [kickoff]", "features_used: 60 }"
REVIEW, RENEWED = "kinds: [review, qbr], within_days: 120", "renewed: { within_days: 180 }"


@pytest.mark.parametrize(
    ("here", "instead", "says"),
    [
        (KICKOFF, "meeting_held: kickoff", "as a list"),
        (KICKOFF, "meeting_held: []", "as a list"),
        (KICKOFF, "meeting_held: [kikoff]", "'kikoff'; there are kickoff"),
        (SHARE, "features_used: 0 }", "1 to 100 per cent"),
        (SHARE, "features_used: 160 }", "1 to 100 per cent"),
        (SHARE, "features_used: many }", "1 to 100 per cent"),
        (SHARE, "features_used: true }", "1 to 100 per cent"),
        (REVIEW, "kinds: [review, qbr], within_days: -5", "within_days is a number of days"),
        (REVIEW, "kinds: [review, qbr], within_days: soon", "within_days is a number of days"),
        (REVIEW, "kinds: [review, qbr], within: 120", "does not take"),
        (RENEWED, "renewed: { within_days: 0 }", "within_days is a number of days"),
        ("training_completed: [core]", "training_completed: core", "as a list"),
        ("first_activity: true", "first_activity: false", "`first_activity: true`"),
        ("days_after_start: 3 ", "days_after_start: 99999999999 ", "less than or equal to 3660"),
        ("milestones:\n", "milestones:\n  hand_off: {}\n", "'hand_off' is written twice"),
    ],
)
def test_what_can_never_be_met_is_refused(here: str, instead: str, says: str):
    assert here in TEXT
    with pytest.raises(Refused) as refusal:
        definitions.journey_from(TEXT.replace(here, instead, 1), name="journey.yaml")
    assert says in str(refusal.value)
    assert str(refusal.value).startswith("journey.yaml, line ")


def test_a_renewal_may_be_any_renewal():
    definitions.journey_from(TEXT.replace(RENEWED, "renewed: true"))

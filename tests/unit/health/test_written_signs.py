"""Settings of signs as people may write them: refused where they look at nothing, or further than what is kept."""

from __future__ import annotations

import pytest
from common.errors import Refused
from health import signs_definition
from health.domain.fold import fold
from health.domain.moments import DAY
from health.domain.signs import SIGNS
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import signs_world as world
from tests.support.health_world import CONFIG, lives

TEXT = (CONFIG / "signs.yaml").read_text()


@pytest.mark.parametrize(
    ("here", "instead", "says"),
    [
        ("answers: 4", "answers: 0", "answers is 1 or more"),
        ("answers: 4", "answers: 16", "answers is 15 at most"),
        ("least_before: 3", "least_before: 0", "least_before is 1 or more"),
        ("least_texts: 6", "least_texts: 0", "least_texts is 1 or more"),
        ("weeks: 13, least_weeks: 9", "weeks: 13, least_weeks: 0", "least_weeks is 1 or more"),
        ("weeks: 13, least_weeks: 9", "weeks: 27, least_weeks: 9", "weeks is 26 at most"),
        ("weeks: 13, least_weeks: 9", "weeks: 8, least_weeks: 9", "least_weeks is 8 at most"),
        ("    weeks: 6", "    weeks: 8", "looks back 55 days at most"),
        ("    recent_days: 7", "    recent_days: 28", "looks back 55 days at most"),
        ("    recent_days: 7", "    recent_days: 0", "recent_days is 1 or more"),
        ("ends_below: 1, window_days: 30", "ends_below: 1, window_days: 365", "window_days is 112 at most"),
    ],
)
def test_settings_that_look_at_nothing_or_too_far_are_refused(here: str, instead: str, says: str):
    assert TEXT.count(here) == 1
    with pytest.raises(Refused) as refusal:
        signs_definition.signs_from(TEXT.replace(here, instead), name="signs.yaml")
    assert says in str(refusal.value)
    assert str(refusal.value).startswith("signs.yaml, line ")


_WRITTEN = {
    name: st.fixed_dictionaries(
        {
            setting: st.sampled_from([0, 1, 2, 7, 50] + ([0.5] if scale > 1 else []))
            for setting, scale in sign.params.items()
        }
    )
    for name, sign in SIGNS.items()
}


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(SIGNS)).flatmap(lambda name: st.tuples(st.just(name), _WRITTEN[name])), lives(),
       st.lists(st.integers(0, 100), max_size=20), st.booleans())  # fmt: skip
def test_whatever_is_taken_can_be_looked_for(written, life, scores, on):
    name, figures = written
    sign = SIGNS[name]
    try:
        params = signs_definition._params(sign.kind, name, figures)
    except Refused:
        return
    state = fold(life)
    seen = world.Seen(state, state.last + 3 * DAY, state.last // DAY + 3, world.POLICY.rhythm,
                      weeks=world.weekly(*scores), on=frozenset({""} if on else ()))  # fmt: skip
    assert all(finding.text for finding in sign.find(seen, params))

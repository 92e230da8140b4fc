"""The simulated portfolio: the same every time, realistic in its shares, and true to its stated assumptions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from common.contracts import registry
from loopctl.demo import history
from loopctl.demo.population import HISTORY, PAST_WEEKS, PLAY, Past, past, past_happenings, present
from loopctl.demo.portfolio import HERO, world_name
from loopctl.demo.simulation import NEVER, WEEKS_PER_YEAR
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from tests.support import rough_model

WORLD = world_name(7, 1)
BEGAN = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def population() -> Past:
    return past(WORLD, BEGAN)


def no_reading(text: str) -> history.Read:
    return history.Read({"words": len(text.split()), "topics": []})


def test_the_same_world_gives_the_same_file_every_time() -> None:
    small = [b"".join(history.training_lines(past(WORLD, BEGAN, count=20), no_reading)) for _ in range(2)]
    assert small[0] == small[1]
    ours = [b"".join(history.history_lines(present(WORLD, BEGAN, 6))) for _ in range(2)]
    assert ours[0] == ours[1]


def test_another_generation_has_other_clients() -> None:
    ids = [{m.client_id for m in present(world_name(7, n), BEGAN, 10).members} for n in (1, 2)]
    assert not ids[0] & ids[1]


def test_every_line_is_an_event_of_the_contracts() -> None:
    population, ours = past(WORLD, BEGAN, count=40), present(WORLD, BEGAN, 8)
    pairs = [*past_happenings(population), *((ours.members[n], ours.happenings(n)) for n in range(8))]
    for _, happenings in pairs:
        for happening in happenings:
            body = registry.body(f"csl.client.{happening.name}.v1")
            assert body.__name__ != "Unknown", happening.name
            body.model_validate(happening.data)


def test_happenings_come_in_order_of_time(population: Past) -> None:
    for _, happenings in past_happenings(past(WORLD, BEGAN, count=30)):
        assert [h.at for h in happenings] == sorted(h.at for h in happenings)


def test_a_realistic_share_of_the_clients_left(population: Past) -> None:
    lives = population.lives
    weeks = np.minimum(lives.notice, PAST_WEEKS) - np.maximum(lives.started, 0)
    left = int((lives.notice != NEVER).sum())
    a_year = left / (weeks.sum() / WEEKS_PER_YEAR)
    assert len(population.members) == 1_500
    assert 0.12 <= a_year <= 0.28, f"{a_year:.0%} leave a year"


def test_the_file_spans_two_years(population: Past) -> None:
    assert timedelta(weeks=PAST_WEEKS) >= timedelta(days=730)
    assert population.lives.started.min() <= 2


def test_clients_that_lost_sponsor_usage_and_mood_mostly_leave_and_a_plain_model_says_so(population: Past) -> None:
    """The stated assumption, on clients that the model has not seen; features are rough, the library is plain."""
    seen = rough_model.grid(population, every=4)
    held_out = seen.client % 3 == 0
    model = HistGradientBoostingClassifier(max_depth=4, max_iter=100, learning_rate=0.06, random_state=0)
    model.fit(seen.features[~held_out], seen.left[~held_out])
    said = model.predict_proba(seen.features[held_out])[:, 1]
    left = seen.left[held_out]
    assert 0.70 <= roc_auc_score(left, said) <= 0.92, "neither blind nor clairvoyant"
    logins, _, _, mood, _, sponsor, *_ = seen.features[held_out].T
    lost = (logins < -0.8) & (mood < -0.2) & (sponsor > 0)
    assert lost.sum() >= 10
    assert left[lost].mean() >= 0.6
    assert np.median(said[lost]) >= 0.6
    all_three = (seen.states < -1.2).all(axis=1)
    assert seen.left[all_three].mean() >= 0.7
    assert seen.left[~(seen.states < -1.2).any(axis=1)].mean() <= 0.05


def test_our_own_clients_are_mostly_well_when_the_play_begins() -> None:
    ours = present(WORLD, BEGAN, 40)
    assert len(ours.members) == 40
    assert {m.tier for m in ours.members} == {"strategic", "core", "standard"}
    assert all(course.notice == NEVER for course in ours.courses)
    assert all(m.contract_started <= BEGAN - timedelta(days=180) for m in ours.members)
    assert all(m.renewal > BEGAN + PLAY + timedelta(days=60) for m in ours.members), "no renewal in the play"
    week = HISTORY.days // 7
    assert ours.courses[HERO].engagement[week] < -5 < -0.5 < ours.courses[HERO].engagement[week - 4]

"""Training finds a planted signal, finds nothing where there is nothing, and gives the same bytes again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from churn import dataset, training
from churn.adapters import risk_model
from churn.adapters.stored_model import BadModelError
from churn.dataset import Table, Wish
from churn.domain.features import NAMES
from churn.domain.history import MICRO
from churn.domain.moments import DAY, parse
from churn.learning import fitting, measuring, windows
from churn.learning.windows import TooLittleError

from tests.support.churn_population import WEEKS, lines

WISH = Wish(workers=1)


@pytest.fixture(scope="module")
def table() -> Table:
    return dataset.build(b"\n".join(lines(600)), None, WISH)


@pytest.fixture(scope="module")
def trained(table: Table) -> training.Trained:
    return training.train(table, WISH, training.SIMULATED)


def test_the_planted_signal_is_found_and_probabilities_mean_what_they_say(trained: training.Trained):
    metrics = trained.metrics
    assert metrics["auc"]["value"] > 0.75, metrics["auc"]
    assert metrics["ece"]["value"] <= metrics["ece_noise_floor"]["value"] + 0.03
    assert metrics["above"]["0.6"]["precision"] > 0.6
    assert metrics["auc"]["low"] < metrics["auc"]["value"] < metrics["auc"]["high"]


def test_permuted_labels_give_nothing(table: Table):
    rng = np.random.default_rng(7)
    found = []
    for _ in range(3):
        permuted = replace(table, left=rng.permutation(table.left))
        times = windows.chosen(permuted)
        learned = permuted.only(times.train(permuted, WISH.rules.horizon_days))
        test = permuted.only(times.test(permuted))
        found.append(measuring.auc(fitting.fit(learned)(test.features), test.left))
    assert 0.42 < float(np.mean(found)) < 0.58, found


def test_the_same_table_gives_the_same_bytes(table: Table, trained: training.Trained):
    again = training.train(table, WISH, training.SIMULATED)
    assert again.stored.sha256 == trained.stored.sha256
    assert again.fingerprint == trained.fingerprint
    assert again.stored.calibration == trained.stored.calibration


def test_two_processes_make_the_same_table_as_one(table: Table):
    halves = dataset.build(b"\n".join(lines(600)), None, replace(WISH, workers=2))
    assert halves.fingerprint() == table.fingerprint()
    assert halves.lines == table.lines


def test_a_model_survives_its_registry_and_its_groups_sum_to_what_it_says(table: Table, trained: training.Trained):
    model = risk_model.unpack(trained.stored)
    rows = table.features[:50]
    found = model.predict(rows)
    margins = model.scorer.margins(rows)
    assert np.allclose(found.groups.sum(axis=1) + found.base, margins, atol=1e-3)
    assert np.allclose(model.probabilities(rows), found.probability, atol=1e-4)
    assert ((found.probability > 0) & (found.probability < 1)).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"content": b"nonsense"}, "sha256"),
        ({"features": ("logins_trend", "star_sign")}, "star_sign"),
        ({"features": NAMES[:-1]}, "columns"),
        ({"libraries": {"xgboost": "999.0.0"}}, "999.0.0"),
        ({"calibration": {"method": "astrology"}}, "astrology"),
    ],
)
def test_bytes_that_cannot_be_trusted_are_refused(trained: training.Trained, change: dict, words: str):
    with pytest.raises(BadModelError, match=words):
        risk_model.unpack(replace(trained.stored, **change))


def test_corrupt_bytes_with_their_own_checksum_are_refused(trained: training.Trained):
    import hashlib

    content = trained.stored.content[: len(trained.stored.content) // 2]
    broken = replace(trained.stored, content=content, sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(BadModelError):
        risk_model.unpack(broken)


def test_too_few_leavers_make_no_model():
    few = dataset.build(b"\n".join(lines(40)), None, WISH)
    with pytest.raises(TooLittleError, match="50 are needed"):
        training.train(few, WISH, training.OWN)


def test_nothing_known_after_train_until_is_used():
    day = "2025-03-01"
    until = parse(day)
    early = dataset.build(b"\n".join(lines(60)), None, replace(WISH, until=until * MICRO))
    assert early.moments.max() + WISH.rules.horizon_days * DAY <= until
    cut = [line for line in lines(60) if line.split(b'"time":"')[1][:10] < day.encode()]
    same = dataset.build(b"\n".join(cut), None, replace(WISH, until=until * MICRO))
    assert same.fingerprint() == early.fingerprint()


def test_the_card_says_what_it_is(trained: training.Trained):
    assert "Trained on simulated data" in trained.card
    assert trained.stored.sha256 in trained.card
    assert str(WEEKS) not in trained.card.splitlines()[0]

"""A team's own table gives a model, figures and a verdict as events do; nothing that judges a row has seen it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np
import pytest
from churn import own_table, own_training
from churn.domain.labels import Rules
from churn.domain.moments import DAY
from churn.learning.guards import LeakError
from churn.learning.windows import TooLittleError

HORIZON = 90


def rows(number: int, seed: int, *, signal: float = 1.0) -> Iterator[tuple[list[str], bool]]:
    """Columns `seats,plan,noise` and whether the client left: few seats and very many make them leave."""
    rng = np.random.default_rng(seed)
    for _ in range(number):
        seats, plan = int(rng.integers(1, 50)), str(rng.choice(["basic", "pro", "trial"]))
        margin = signal * (-2.0 + ((seats - 25) / 12) ** 2 + 0.8 * (plan == "trial"))
        told = "" if rng.random() < 0.05 else str(seats)
        yield [told, plan, f"{rng.normal():.3f}"], bool(rng.random() < 1 / (1 + np.exp(-margin)))


def text(number: int, *, signal: float = 1.0, unknown: int = 0, dated: bool = False) -> bytes:
    lines = [f"client,{'day,' if dated else ''}seats,plan,noise,gone"]
    for nth, (cells, left) in enumerate(rows(number, 1, signal=signal)):
        day = [(date(2025, 1, 1) + timedelta(days=7 * (nth % 60))).isoformat()] if dated else []
        label = "" if nth < unknown else "yes" if left else "no"
        lines.append(",".join([f"c{nth}", *day, *cells, label]))
    return "\n".join(lines).encode()


@pytest.fixture(scope="module")
def folded() -> tuple[own_table.OwnTable, own_training.Own]:
    own = own_table.read(text(700, unknown=40), "gone", client="client")
    return own, own_training.train(own, "gone")


def test_a_table_without_time_is_judged_by_folds_and_passes_the_gate(folded):
    _, found = folded
    metrics = found.trained.metrics
    assert found.trained.refused == []
    assert metrics["auc"]["low"] > 0.7
    assert metrics["auc"]["value"] > metrics["baselines"]["rule"]["auc"]["value"]
    assert metrics["folds"]["number"] == 15
    assert metrics["folds"]["auc"]["value"] == pytest.approx(metrics["auc"]["value"], abs=0.03)
    assert (metrics["n"], metrics["rows"]["all"]) == (660, 700)
    assert "lead_time_days" not in metrics


def test_figures_that_stand_beside_each_other_are_of_the_same_probabilities(folded):
    metrics = folded[1].trained.metrics
    for rival in metrics["baselines"].values():
        above = rival["log_loss"]["value"] - metrics["log_loss"]["value"]
        assert rival["log_loss_above_ours"]["value"] == pytest.approx(above, abs=2e-5)


def test_rows_whose_label_is_not_known_are_given_a_risk(folded):
    own, found = folded
    new = found.risks[~own.known]
    assert ((new > 0) & (new < 1)).all()
    seats = own.columns[0].values[~own.known]  # type: ignore[union-attr]  # a column of numbers
    assert np.nanmean(new[seats < 8]) > np.nanmean(new[(seats > 14) & (seats < 36)]) + 0.1


def test_its_card_says_how_it_was_tested_and_offers_no_service(folded):
    card = folded[1].trained.card
    assert "3 times 5 folds" in card
    assert "40 rows whose label is empty" in card
    assert "**Passed the gate.**" in card
    assert "/v1/thresholds" not in card
    assert "under notice" not in card
    assert "how well the model does on later clients is not measured" in card


def test_the_same_table_gives_the_same_bytes(folded):
    own, found = folded
    again = own_training.train(own, "gone")
    assert again.trained.stored.sha256 == found.trained.stored.sha256
    assert again.trained.card == found.trained.card
    assert np.array_equal(again.risks, found.risks)


def test_labels_by_chance_fail_the_gate():
    found = own_training.train(own_table.read(text(300, signal=0.0), "gone", client="client"), "gone")
    assert found.trained.refused
    assert "**Failed the gate:** do not act on its risks." in found.trained.card


def test_a_table_with_time_is_tested_on_later_rows():
    wish = own_training.Wish(Rules(horizon_days=HORIZON))
    own = own_table.read(text(1_200, dated=True), "gone", "day", "client")
    found = own_training.train(own, "gone", wish)
    metrics = found.trained.metrics
    assert "folds" not in metrics
    assert metrics["fit_until"] + HORIZON * DAY <= metrics["train_until"] <= metrics["test_from"]
    assert metrics["auc"]["low"] > 0.7
    assert metrics["curves"]["clients_a_moment"] > 1
    assert np.isnan(found.risks[own.moments + HORIZON * DAY <= metrics["train_until"]]).all(), "it learned from these"
    assert not np.isnan(found.risks[own.moments >= metrics["test_from"]]).any()
    assert "tested on" in found.trained.card


def test_a_column_that_gives_the_label_away_stops_the_training_with_its_name():
    lines = text(200).decode().splitlines()
    given = [f"{lines[0]},left_on", *(f"{line},{'2025-03' if line.endswith('yes') else ''}" for line in lines[1:])]
    with pytest.raises(LeakError, match="left_on"):
        own_training.train(own_table.read("\n".join(given).encode(), "gone", client="client"), "gone")


def test_too_few_leavers_make_no_model():
    with pytest.raises(TooLittleError, match="50 are needed"):
        own_training.train(own_table.read(text(60), "gone", client="client"), "gone")

"""A model card says what was measured, draws it, and shows nothing but what it was given."""

from __future__ import annotations

import base64
import re
from copy import deepcopy
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from churn import card, card_page, card_plots
from churn.adapters.stored_model import StoredModel
from churn.dataset import Wish
from churn.domain.moments import DAY
from churn.learning import curves, measuring
from churn.plots import Axis, Plot, Ranged, axis

STORED = StoredModel(b"", "a" * 64, ("one", "two"), {"method": "platt"}, {"numpy": "2.0"}, "logistic")
PLOTS = ("reliability", "precision-recall", "gain", "lead-times", "alerts", "cost", "segments")


def figure(value: float | None = 0.5) -> dict[str, float | None]:
    return {
        "value": value,
        "low": None if value is None else value - 0.1,
        "high": None if value is None else value + 0.1,
    }


def metrics() -> dict[str, Any]:
    """As `training.train` gives them, of 100 clients whose probabilities were right."""
    rng = np.random.default_rng(1)
    p = rng.beta(1, 9, 2_000)
    left = (rng.random(2_000) < p).astype(float)
    clients, moments = np.repeat(np.arange(100), 20).astype(str), np.tile(np.arange(20) * 7 * DAY, 100)
    judged = measuring.Draws(clients, 20).figures(measuring.Judged(p, left).measures)
    rival = {**judged, "log_loss_above_ours": figure(0.2)}
    return {
        **judged,
        "n": 2_000,
        "ece_noise_floor": figure(0.01),
        "recall_at_capacity": figure(0.4),
        "lead_time_days": {"median": figure(30), "share_14d": figure(0.6), "control_share_14d": figure(0.2)},
        "baselines": {"logistic": rival, "rule": rival},
        "segments": [segment("smb", 0.0), segment("enterprise", 0.3)],
        "curves": curves.of(p, left, clients, moments),
        "permuted_auc": figure(0.5),
        "grouped": judged,
        "gate": {"passed": False, "checks": [check("beats_rule", True), check("calibrated", False)]},
        "model": "logistic",
        "compared": {"logistic": 0.31, "xgboost 160 trees": 0.32},
        "rows": {"all": 4_000, "fit": 2_000, "test": 2_000},
        "clients": 100,
        "leavers": {"all": 60, "fit": 30, "test": 30},
        "moments": {"first": 0, "last": 300 * DAY},
        "fit_until": 100 * DAY,
        "test_from": 200 * DAY,
        "known_until": 400 * DAY,
        "sources": ["hubspot", "zendesk"],
        "lines": 12_345,
        "refused": 6,
        "scores": 7,
        "importance": {"one": 0.7},
    }


def segment(name: str, off: float) -> dict[str, Any]:
    between = {"value": off, "low": off - 0.1, "high": off + 0.1}
    return {
        "kind": "segment",
        "name": name,
        "clients": 60,
        "n": 900,
        "said": 0.1 + off,
        "came": 0.1,
        "difference": between,
    }


def check(name: str, passed: bool) -> dict[str, Any]:
    return {"name": name, "passed": passed, "text": f"what was found of {name}"}


def of(told: dict[str, Any], *, trained_on: str = "own", wish: Wish | None = None) -> str:
    return card.markdown(told, STORED, trained_on=trained_on, fingerprint="b" * 64, wish=wish or Wish())


def pictures(text: str) -> dict[str, str]:
    found = re.findall(r"^\[([\w-]+)\]: data:image/svg\+xml;base64,(\S+)$", text, re.MULTILINE)
    return {name: base64.b64decode(content).decode() for name, content in found}


def test_the_card_tells_verdict_figures_rivals_and_what_it_was_made_with():
    text = of(metrics())
    assert "**Failed the gate:**" in text
    assert "- shown: what was found of beats_rule" in text
    assert "- **not shown**: what was found of calibrated" in text
    assert "| figure | this model | logistic regression | two-signal rule |" in text
    assert "12,345 events, 6 lines refused" in text
    assert "- sources: hubspot, zendesk" in text
    assert "| segment enterprise | 60 | 900 | 40% | 10% | +20.0 … +40.0 | **off** |" in text
    assert "| logistic | 0.31000 | chosen |" in text
    assert "a" * 64 in text


def test_every_plot_is_drawn_titled_and_fits_light_and_dark():
    drawn = pictures(of(metrics()))
    assert tuple(drawn) == PLOTS
    for name, picture in drawn.items():
        root = ET.fromstring(picture)
        assert root.attrib["role"] == "img", name
        assert root[0].tag.endswith("title"), name
        assert root[0].text, name
        assert "prefers-color-scheme:dark" in picture
        assert "<script" not in picture


def test_no_mark_of_a_plot_lies_outside_of_it():
    for name, picture in pictures(of(metrics())).items():
        root = ET.fromstring(picture)
        width, height = float(root.attrib["width"]), float(root.attrib["height"])
        for mark in root.iter():
            places = [pair.split(",") for pair in mark.get("points", "").split()]
            places += [
                [mark.get(x, "0"), mark.get(y, "0")] for x, y in (("x", "y"), ("x1", "y1"), ("x2", "y2"), ("cx", "cy"))
            ]
            assert all(0 <= float(x) <= width and 0 <= float(y) <= height for x, y in places), (name, mark.attrib)


def test_the_same_metrics_give_the_same_card():
    assert of(metrics()) == of(deepcopy(metrics()))


def test_a_test_in_which_nothing_of_a_kind_was_measured_leaves_that_out():
    told = metrics()
    for name in ("lead_time_days", "segments", "gate", "compared", "grouped", "recall_at_capacity"):
        del told[name]
    del told["curves"]["capacity"], told["curves"]["clients_a_moment"]
    for point in told["curves"]["thresholds"]:
        del point["new_a_week"], point["standing"]
    text = of(told)
    assert tuple(pictures(text)) == ("reliability", "precision-recall", "gain", "cost")
    assert "## How early" not in text
    assert "## Segments" not in text
    assert "## Verdict" not in text


def test_nobody_left_in_the_test_and_the_card_still_opens():
    told = metrics()
    p, clients = np.full(40, 0.1), np.arange(40).astype(str)
    told["curves"] = curves.of(p, np.zeros(40), clients, np.zeros(40, dtype=np.int64))
    assert tuple(pictures(of(told))) == ("reliability", "lead-times", "segments")


def test_simulated_data_is_said_at_the_top():
    assert of(metrics(), trained_on="simulated").splitlines()[2].startswith("**Trained on simulated data.**")


def test_names_of_the_data_break_no_table_and_bring_no_markup():
    told = metrics()
    told["segments"] = [segment("a | b\n<script>alert(1)</script>", 0.0)]
    text = of(told)
    assert "| segment a / b <script>alert(1)</script> |" in text
    page = card_page.html(text)
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_the_page_shows_the_plots_and_nothing_else_from_elsewhere():
    page = card_page.html(of(metrics()))
    assert page.count("<img ") == len(PLOTS)
    assert re.findall(r'(?:src|href)="(?!data:image/svg)', page) == []
    assert '<img alt="Reliability: said against came" src="data:image/svg+xml;base64,' in page
    assert "[reliability]:" not in page


@pytest.mark.parametrize(
    "uri", ["https://example.org/x.svg", "data:text/html;base64,AAAA", 'data:image/svg+xml;base64,AAAA" onload="x()']
)
def test_only_pictures_of_our_own_kind_are_shown(uri: str):
    page = card_page.html(f"# Card\n\n![a plot][one]\n\n[one]: {uri}\n")
    assert "<img" not in page


@pytest.mark.parametrize(
    ("high", "ticks"), [(0.42, [0, 0.1, 0.2, 0.3, 0.4, 0.5]), (7, [0, 2, 4, 6, 8]), (0.0, [0, 0.2, 0.4, 0.6, 0.8, 1])]
)
def test_axes_end_on_round_numbers(high: float, ticks: list[float]):
    assert axis("x", [high]).ticks == pytest.approx(ticks)


def test_what_lies_beyond_an_axis_stands_at_its_end():
    plot = Plot("t", "d", Axis("x", 1.0), Axis("y", 1.0)).dots([Ranged(2.0, 3.0, -1.0, 9.0)], "one")
    assert plot.svg() == Plot("t", "d", Axis("x", 1.0), Axis("y", 1.0)).dots([Ranged(1.0, 1.0, 0.0, 1.0)], "one").svg()


def test_a_cost_plot_marks_the_best_threshold_near_the_price():
    picture = card_plots.cost(metrics())
    assert picture is not None
    marks = [float(found) for found in re.findall(r">from (\d+)%<", picture)]
    assert marks == sorted(marks)
    assert marks[0] <= 12

"""Dashboards and alerts ask only for what is exported, and what is exported is named as agreed."""

from __future__ import annotations

import re

import pytest

from tests.architecture.exported import EVERYWHERE, definitions
from tests.architecture.promql import Use, expressions, groupings, uses
from tests.architecture.source import Source, sources

METRICS = definitions(sources())
SERIES = {series: metric for metric in METRICS for series in metric.series}
GIVEN = {"up", "ALERTS"}
"""What Prometheus exports itself."""
NAME = re.compile(r"csl(_[a-z0-9]+)*_([a-z]+s|total|info|ratio)")
"""A noun and its unit; what is counted is its own unit, in the plural."""
SERVICE = "services/health/src/health/metrics.py"


def unknown(expression: str) -> list[str]:
    """What is wrong with an expression."""
    wrong = []
    labels = set(EVERYWHERE)
    for use in uses(expression):
        if use.metric in GIVEN:
            continue
        metric = SERIES.get(use.metric)
        if metric is None:
            wrong.append(f"nobody exports {use.metric}")
            continue
        labels |= metric.labels
        wrong += [f"{use.metric} has no label {label}" for label in use.labels - metric.labels - EVERYWHERE]
    return wrong + [f"grouped by {label}, which no metric here has" for label in groupings(expression) - labels]


@pytest.mark.parametrize("path", sorted(expressions()))
def test_every_metric_that_is_shown_or_alerted_on_is_exported(path: str) -> None:
    wrong = [f"{error} in: {text}" for text in expressions()[path] for error in unknown(text)]
    assert not wrong, "\n".join(wrong)


def test_there_is_something_to_look_at() -> None:
    assert sum(len(found) for path, found in expressions().items() if "grafana" in path) > 10
    assert sum(len(found) for path, found in expressions().items() if "prometheus" in path) > 10


def test_the_dashboard_shows_whatever_health_decides() -> None:
    """Scores, bands, holds, signs and milestones; not the age of feeds, which ingest measures itself."""
    shown = {use.metric for path, found in expressions().items() if "grafana" in path for e in found for use in uses(e)}
    health = [metric for metric in METRICS if metric.where.startswith(SERVICE)]
    elsewhere = {"csl_evaluations_total", "csl_feed_silence_seconds", "csl_silent_feeds"}
    assert len(health) > len(elsewhere)
    assert [m.name for m in health if m.name not in elsewhere and not shown & set(m.series)] == []


def test_what_fails_is_alerted_on() -> None:
    """A client whose assessment fails is put off by a day: somebody has to hear of that."""
    heard = {
        use.metric for path, found in expressions().items() if "prometheus" in path for e in found for use in uses(e)
    }
    churn = {
        "csl_assess_failures_total",
        "csl_waiting_assessments",
        "csl_model_fallbacks_total",
        "csl_model_refused_info",
    }
    assert churn <= heard


def test_metrics_are_named_as_agreed_and_defined_once() -> None:
    assert METRICS
    assert [metric.where for metric in METRICS if not NAME.fullmatch(metric.name)] == []
    assert [m.where for m in METRICS if m.kind == "Counter" and not m.name.endswith("_total")] == []
    assert [m.where for m in METRICS if m.kind == "Histogram" and m.name.endswith(("_total", "_info"))] == []
    assert len({metric.name for metric in METRICS}) == len(METRICS)


def test_no_metric_is_labelled_with_a_client_or_a_person() -> None:
    personal = {"client", "client_id", "contact_id", "email", "recipient", "owner"}
    assert [metric.where for metric in METRICS if metric.labels & personal] == []


@pytest.mark.parametrize(
    "expression",
    [
        "rate(csl_ghosts_total[5m])",
        'csl_outbox_age_seconds{colour="red"}',
        "sum by (client_id) (csl_outbox_age_seconds)",
        "histogram_quantile(0.95, sum by (le) (rate(csl_signal_to_score_seconds[5m])))",
        "kafka_lag > 3",
    ],
)
def test_an_expression_about_nothing_is_seen(expression: str) -> None:
    assert unknown(expression)


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("up == 0", [Use("up", frozenset())]),
        ('sum by (job) (rate(a_total{x="y", z=~"q{1}"}[5m])) > 1e3', [Use("a_total", frozenset({"x", "z"}))]),
        ("a / on (x) group_left (y) b offset 5m", [Use("a", frozenset()), Use("b", frozenset())]),
        ('label_replace(a, "x", "$1", "y", "b")', [Use("a", frozenset())]),
    ],
)
def test_metrics_are_found_in_expressions(expression: str, found: list[Use]) -> None:
    assert list(uses(expression)) == found


def test_metrics_are_found_in_code() -> None:
    text = "from prometheus_client import Gauge as G\nX = G('csl_x_seconds', 'doc', ['service'])\n"
    (metric,) = definitions([Source(SERVICE, text)])
    assert (metric.name, metric.kind, metric.labels) == ("csl_x_seconds", "Gauge", frozenset({"service"}))

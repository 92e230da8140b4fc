"""Prometheus metrics of churn."""

from __future__ import annotations

from common.metrics import FAST
from prometheus_client import Counter, Gauge, Histogram

ASSESSED = Counter("csl_assessments_total", "Clients assessed, by what did it (scorecard or model).", ["model"])
ASSESS_SECONDS = Histogram("csl_assess_batch_seconds", "Time to assess one batch of clients.", buckets=FAST)
ASSESS_FAILED = Counter("csl_assess_failures_total", "Clients whose assessment failed and was put off by a day.")
FLAGS_RAISED = Counter("csl_flags_raised_total", "Flags raised.", ["rule"])
FLAGS_CLEARED = Counter("csl_flags_cleared_total", "Flags cleared.", ["reason"])
OVERRIDES_MADE = Counter("csl_overrides_total", "Flags downgraded by a person.", ["reason_code"])
MODEL_REFUSED = Counter("csl_model_refusals_total", "Stored models that could not be loaded.")
MODEL_IS_REFUSED = Gauge(
    "csl_model_refused_info", "1 for a model that should be in service and cannot be loaded.", ["version"]
)
MODEL_IN_SERVICE = Gauge(
    "csl_model_in_service_info", "1 for the model that assesses.", ["model", "version", "trained_on"]
)
CLIENTS_WAITING = Gauge("csl_waiting_assessments", "Clients that wait to be assessed.")
OPEN_FLAGS = Gauge("csl_open_flags", "Clients whose flag stands, overridden ones too.")
NAMED = Gauge(
    "csl_named_clients", "Clients whose flag says that they are among the riskiest of their CSM, since the last naming."
)
MATURED_FLAGS = Gauge(
    "csl_matured_flags", "Flags of the last year and horizon, by what became of the client.", ["rule", "outcome"]
)
PRECISION = Gauge(
    "csl_flag_precision_ratio", "Of the year's flags whose horizon is over, the share of clients that left.", ["rule"]
)
RECALL = Gauge(
    "csl_flag_recall_ratio", "Of the year's leavers, the share that had a flag 14 days before or earlier.", ["rule"]
)
RECENT_LEAVERS = Gauge(
    "csl_recent_leavers", "Clients that left within a year, by whether a flag had warned of it.", ["warned"]
)
OUTCOMES_CORRECTED = Counter(
    "csl_outcomes_corrected_total", "Outcomes of flags that facts known later turned into another."
)
PREDICTION_DRIFT = Gauge(
    "csl_prediction_drift_ratio", "Population stability index of today's probabilities against training.", ["version"]
)
FEATURE_DRIFT = Gauge(
    "csl_feature_drift_ratio", "Population stability index of today's column against training.", ["version", "feature"]
)
CALIBRATION_RATIO = Gauge(
    "csl_matured_calibration_ratio", "Leavers that came ÷ leavers that matured predictions expected.", ["version"]
)
MODEL_FELL_BACK = Counter(
    "csl_model_fallbacks_total", "Models taken out of service because what they said did not come true."
)

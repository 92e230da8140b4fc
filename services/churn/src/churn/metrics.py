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
MODEL_IN_SERVICE = Gauge(
    "csl_model_in_service_info", "1 for the model that assesses.", ["model", "version", "trained_on"]
)
CLIENTS_WAITING = Gauge("csl_waiting_assessments", "Clients that wait to be assessed.")
OPEN_FLAGS = Gauge("csl_open_flags", "Clients whose flag stands, overridden ones too.")

"""Prometheus metrics of escalation."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

STEP_LATENESS = Histogram(
    "csl_step_lateness_seconds",
    "Business seconds between a step's deadline and the moment its breach was known here.",
    ["step"],
    buckets=(0.1, 0.5, 1, 2, 5, 15, 60, 300, 3600, 14400, 86400),
)
STEP_BREACHES = Counter("csl_step_breaches_total", "Steps whose deadline passed undone.", ["step"])
STEPS_DONE = Counter("csl_steps_done_total", "Steps completed.", ["step", "late"])
CASES_OPENED = Counter("csl_cases_opened_total", "Cases opened by flags.", ["rule"])
CASES_CLOSED = Counter("csl_cases_closed_total", "Cases closed.", ["outcome"])
OPEN_CASES = Gauge("csl_open_cases", "Cases that are not closed.", ["state"])
BREACHED_CASES = Gauge("csl_breached_cases", "Cases with a missed step that is still not done.")
FLAGS_UNSERVED = Counter("csl_flags_unserved_total", "Flags for which no procedure opens a case.", ["rule"])

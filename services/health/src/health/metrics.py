"""Prometheus metrics of health; signal to score is shared: `common.metrics.SIGNAL_TO_SCORE`."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

BANDS = ("green", "amber", "red", "healthy", "stable", "at_risk", "critical", "unknown")

EVALUATIONS = Counter("csl_evaluations_total", "Scores worked out, by what asked for them.", ["trigger"])
BAND_CHANGES = Counter("csl_band_changes_total", "Band changes published.", ["cause"])
MILESTONES_LATE = Counter("csl_milestones_late_total", "Late milestones published.", ["days_late"])
SIGNS = Counter("csl_signs_total", "Signs published: begun and ended.", ["kind", "what"])
CLIENTS = Gauge("csl_clients", "Clients that are with us, by band.", ["band"])
FEED_AGE = Gauge(
    "csl_feed_silence_seconds", "Business seconds since a source was last heard, as health knows.", ["source"]
)
FEEDS_SILENT = Gauge("csl_silent_feeds", "Sources that are silent for longer than they should be.")
OPEN_HOLDS = Gauge("csl_open_holds", "Holds of the breaker that wait for a person.")
HELD_CLIENTS = Gauge("csl_held_clients", "Clients of which a move for the worse is held back, or was discarded.")
HOLDS = Counter("csl_holds_total", "Holds that whoever is on call was told of.", ["mover"])

"""Prometheus metrics that every service exports. Seconds, `_total`; never a client id in a label."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

FAST = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.4, 0.6, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)

REQUESTS = Histogram(
    "csl_request_seconds", "Time to answer a request.", ["service", "method", "route", "status"], buckets=FAST
)
EVENTS_CONSUMED = Counter(
    "csl_events_consumed_total",
    "Events read from Kafka by what became of them: handled, repeated, skipped, dead.",
    ["service", "topic", "outcome"],
)
BATCH_SECONDS = Histogram("csl_consumer_batch_seconds", "Time for one consumer transaction.", ["service"], buckets=FAST)
CONSUMER_LAG = Gauge("csl_consumer_lag_events", "Events between the log's end and our position.", ["service", "topic"])
CONSUMER_RETRIES = Counter(
    "csl_consumer_retries_total", "Consumer transactions that were rolled back and tried again.", ["service"]
)
DEAD_LETTERS = Counter(
    "csl_dead_letters_total", "Events given up and sent to the dead-letter topic.", ["service", "topic"]
)
CONSUMER_STOPPED = Gauge(
    "csl_consumer_stopped_info", "1 while a consumer refuses to go on (offset out of range).", ["service"]
)
OUTBOX_AGE = Gauge("csl_outbox_age_seconds", "Age of the oldest live outbox row not yet on Kafka.", ["service"])
OUTBOX_UNSENT = Gauge("csl_outbox_unsent_events", "Outbox rows not yet on Kafka.", ["service"])
OUTBOX_SENT = Counter("csl_outbox_sent_total", "Outbox rows acknowledged by Kafka.", ["service", "topic"])
OUTBOX_PARKED = Counter("csl_outbox_parked_total", "Outbox rows that Kafka can never take.", ["service"])
TIMER_LATENESS = Histogram(
    "csl_timer_lateness_seconds",
    "Business seconds between a timer's due moment and its firing.",
    ["service", "kind"],
    buckets=(0.1, 0.5, 1, 2, 5, 15, 60, 300, 3600, 86400),
)
TIMERS_FIRED = Counter("csl_timers_fired_total", "Timers fired.", ["service", "kind"])
TIMERS_PARKED = Counter("csl_timers_parked_total", "Timers given up after repeated failures.", ["service", "kind"])
JOB_FAILURES = Counter("csl_job_failures_total", "Runs of a periodic job that failed.", ["service", "job"])
SIGNAL_TO_SCORE = Histogram(
    "csl_signal_to_score_seconds",
    "Wall seconds from the receipt of a live signal to the commit of the score that it caused.",
    buckets=FAST,
)
SIGNAL_TO_MESSAGE = Histogram(
    "csl_signal_to_message_seconds",
    "Wall seconds from the event that a rule matched to the message's acceptance by the channel.",
    ["channel"],
    buckets=FAST,
)

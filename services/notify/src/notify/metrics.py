"""What notify measures beside the shared metrics."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

DELIVERIES = Counter(
    "csl_deliveries_total",
    "Messages by what became of them: delivered, failed, suppressed, retried, found (an earlier attempt had arrived).",
    ["channel", "outcome"],
)
QUEUE_DEPTH = Gauge("csl_delivery_queue_messages", "Messages that wait to be sent.", ["channel"])
QUEUE_AGE = Gauge("csl_delivery_queue_age_seconds", "Wall age of the oldest message that waits.", ["channel"])
HISTORY = Counter("csl_history_ignored_events_total", "Events about past moments, which never notify anybody.")
CRM_WRITES = Counter("csl_crm_writes_total", "Write-backs to the CRM: written, retried, failed.", ["outcome"])
CRM_BACKLOG = Gauge("csl_crm_backlog_writes", "Write-backs that are due and not done.")
CRM_AGE = Gauge("csl_crm_backlog_age_seconds", "Wall seconds by which the oldest write-back is late.")
TARGET_PAUSED = Gauge(
    "csl_delivery_target_paused_info", "1 while a target is left alone because it is down or asked for it.", ["channel"]
)

"""What ingest exports beside the metrics of the plumbing."""

from __future__ import annotations

from common.metrics import FAST
from prometheus_client import Counter, Gauge, Histogram

RECEIVED = Counter(
    "csl_source_events_total",
    "Source events by what became of them: mapped, parked, quarantined, ignored, duplicate.",
    ["source", "outcome"],
)
UNKNOWN = Counter(
    "csl_source_events_unknown_total", "Source events of a type that this release does not know.", ["source"]
)
REFUSED = Counter(
    "csl_posts_refused_total", "Posts not taken: signature, too_large, queue_full, unavailable.", ["source", "reason"]
)
ACCEPT = Histogram("csl_accept_seconds", "From a post's last byte to its durable acceptance.", ["source"], buckets=FAST)
BATCH = Histogram(
    "csl_accept_batch_posts", "Posts that shared one commit.", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 400)
)
QUEUE = Gauge("csl_accept_queue_posts", "Posts waiting for their commit.")
POISON = Counter("csl_posts_poison_total", "Posts that could not be stored and were quarantined for it.", ["source"])
LAST_RECEIVED = Gauge(
    "csl_feed_age_seconds", "Business seconds since a source was last heard of, as of the last look.", ["source"]
)
SILENT = Gauge("csl_feed_silent_info", "1 while a source is silent for longer than expected.", ["source"])
IMPORTED = Counter(
    "csl_import_lines_total",
    "Lines of imports by what became of them: accepted, repeated, skipped, refused.",
    ["outcome"],
)
ENRICHED = Counter(
    "csl_enrichments_total",
    "Objects asked of vendors' APIs by what came of it: learnt, same, gone, failed, refused, token, patience.",
    ["source", "outcome"],
)
UNENRICHED = Gauge("csl_enrichments_waiting_objects", "Objects still to be fetched from a vendor.", ["source"])
UNMATCHED = Gauge("csl_unmatched_refs", "Refs that no client owns, for which events wait.")
PARKED = Gauge("csl_parked_events", "Events that wait for their client.")
QUARANTINED = Gauge("csl_quarantine_open_bodies", "Unreadable bodies that nobody has resolved.")

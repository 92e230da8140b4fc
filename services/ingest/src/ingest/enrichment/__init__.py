"""What vendors' webhooks only name is fetched from their APIs, in a worker's own time; never on the accept path."""

from __future__ import annotations

LOOKUPS = frozenset({"hubspot", "pipedrive", "stripe"})
"""Vendors whose webhooks leave out what their API would tell."""

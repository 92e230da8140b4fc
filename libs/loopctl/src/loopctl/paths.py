"""Where things lie on this machine."""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(os.environ.get("LOOP_HOME", "") or Path(__file__).resolve().parents[4])
"""The checkout: migrations, shipped configuration and the Kafka lock are read from it."""
SIGNING_SECRET = "CATCHER_SIGNING_SECRET"  # noqa: S105  (a variable's name)
"""Environment variable of the catcher: with what it signs pressed buttons, as Slack would."""
SERVICES = ("ingest", "health", "churn", "escalation", "notify")


def user_cache() -> Path:
    """Downloads shared by all stacks of this user."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "client-success-loop"

"""Every event on the bus: one module a producer, and `registry`, which knows them all by type."""

from __future__ import annotations

from common.contracts import churn, client, escalation, feeds, health, notify
from common.contracts.base import Data, Registry

EVENTS: tuple[type[Data], ...] = (
    *client.EVENTS,
    *feeds.EVENTS,
    *health.EVENTS,
    *churn.EVENTS,
    *escalation.EVENTS,
    *notify.EVENTS,
)

registry = Registry()
for _body in EVENTS:
    registry.add(_body)

__all__ = ["EVENTS", "churn", "client", "escalation", "feeds", "health", "notify", "registry"]

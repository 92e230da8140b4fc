"""Calls of Segment's tracking API (docs/sources/tracking.md) → the events that Segment itself would have sent us.

What Segment's servers do between a library and a webhook is done here: `type` from the route, a batch's context merged
into each of its events, and the device's wrong clock taken out of `timestamp`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from common.ids import new_id

from ingest.domain.statement import Unreadable
from ingest.domain.times import moment
from ingest.sources import bodies

Call = Literal["track", "identify", "group", "page", "screen", "alias", "batch", "import"]
BATCHES = frozenset({"batch", "import"})
EVENT_BYTES = 32 << 10
BATCH_BYTES = 500 << 10
"""Segment's own limits (segment.com/docs, "HTTP API", Errors), of the body unpacked."""
MESSAGE_ID = 100
_OURS = frozenset({"writeKey", "sentAt"})


@dataclass(slots=True)
class Calls:
    """A request taken apart: the events, and those of a batch that are too large to be taken."""

    events: list[dict[str, Any]] = field(default_factory=list)
    too_large: list[dict[str, Any]] = field(default_factory=list)


def limit_of(call: Call) -> int:
    """Bytes that a request of this call may have."""
    return BATCH_BYTES if call in BATCHES else EVENT_BYTES


def write_key(body: Any) -> str | None:
    """The key, where it is in the body instead of the header."""
    found = body.get("writeKey") if isinstance(body, dict) else None
    return found if isinstance(found, str) and found else None


def taken_apart(body: Any, call: Call, received_at: datetime, size: int) -> Calls:
    """The events of a request of `size` bytes. Raises Unreadable: what no library sends is told to its sender."""
    if not isinstance(body, dict):
        raise Unreadable("expected a JSON object")
    if call not in BATCHES:
        # the route says what a single call is, whatever its body says
        return Calls([_event({**body, "type": call}, {}, body.get("sentAt"), received_at)])
    items = body.get("batch")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise Unreadable("batch is an array of objects")
    context, found = bodies.mapping(body.get("context")), Calls()
    for item in items:
        event = _event(item, context, item.get("sentAt", body.get("sentAt")), received_at)
        heavy = size > EVENT_BYTES and len(bodies.dump(item)) > EVENT_BYTES
        (found.too_large if heavy else found.events).append(event)
    return found


def _event(item: Mapping[str, Any], context: Mapping[str, Any], sent_at: Any, received_at: datetime) -> dict[str, Any]:
    claimed = item.get("timestamp", item.get("originalTimestamp"))
    event = {name: value for name, value in item.items() if name not in _OURS}
    event["messageId"] = _message_id(item, claimed)
    event["receivedAt"] = received_at.isoformat()
    if context:
        event["context"] = {**context, **bodies.mapping(item.get("context"))}
    if claimed is not None:
        event["originalTimestamp"] = claimed
        event["timestamp"] = corrected(claimed, sent_at, received_at)
    if sent_at is not None:
        event["sentAt"] = sent_at
    return event


def corrected(claimed: Any, sent_at: Any, received_at: datetime) -> Any:
    """`receivedAt − (sentAt − originalTimestamp)`: how long ago it was, by whatever clock, before our receipt.

    Without a readable `sentAt` the claim stands; one that cannot be read is left for the mapping to judge.
    """
    happened, sent = moment(claimed), moment(sent_at)
    if happened is None or sent is None:
        return claimed
    try:
        return (received_at - (sent - happened)).isoformat()
    except OverflowError:
        return claimed


def _message_id(item: Mapping[str, Any], claimed: Any) -> str:
    """Every library sends one. Without it, the same content of the same moment is the same event; else each counts."""
    given = bodies.text(item.get("messageId"))
    if given is not None and len(given) <= MESSAGE_ID:
        return given
    if given is None and claimed is None:
        return f"none:{new_id()}"
    told = {name: value for name, value in item.items() if name not in _OURS}
    return "sha256:" + bodies.digest(bodies.canonical(told))

"""What schemathesis is told of our media types (it loads this file itself)."""

from __future__ import annotations

from typing import Any

import schemathesis


@schemathesis.serializer("application/x-ndjson", "text/xml")
def as_text(_context: Any, value: Any) -> Any:
    """Lines and markup are bytes; whatever else is generated is sent as its text."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")

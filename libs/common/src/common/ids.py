"""UUIDv7 for what has no cause to be derived from (raw bodies, imports, requests)."""

from __future__ import annotations

from uuid import UUID

import uuid_utils


def new_id() -> UUID:
    """UUIDv7 (RFC 9562): unique, sorted by wall time."""
    return UUID(bytes=uuid_utils.uuid7().bytes)

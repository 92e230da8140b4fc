"""Ids derived from causes, so that doing the same thing again makes the same id and not a second thing."""

from __future__ import annotations

from uuid import UUID, uuid5

NAMESPACE = UUID("8f6f7f0e-5b8e-5d0c-9a55-6d1f6f3f2c11")


def derived_id(*cause: object) -> UUID:
    """UUIDv5 (RFC 9562) of the parts of a cause, in order; parts are compared by their `str`."""
    return uuid5(NAMESPACE, "\x1f".join(str(part) for part in cause))

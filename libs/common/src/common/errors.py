"""The errors that services raise and the HTTP edge turns into problem+json (one place: `common.http`)."""

from __future__ import annotations

from common.contracts.errors import Conflict, NotFound, Refused

__all__ = ["Conflict", "NotFound", "PreconditionFailed", "Refused", "Unavailable"]


class PreconditionFailed(Exception):  # noqa: N818  (an answer, not a fault of the program)
    """If-Match named another version than the stored one; answered as 412."""


class Unavailable(Exception):  # noqa: N818  (an answer, not a fault of the program)
    """We cannot accept this now and it is safe to send it again; answered as 503 with Retry-After (seconds)."""

    def __init__(self, detail: str, *, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after = retry_after

"""What a domain says when it will not do a thing: values until the edge turns them into problem+json."""

from __future__ import annotations


class Refused(Exception):  # noqa: N818  (an answer of the domain, not a fault of the program)
    """The request breaks a rule of the domain; answered as 422.

    `field` names the offending field in the caller's words (dotted path), where there is one.
    """

    def __init__(self, detail: str, *, field: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field


class NotFound(Exception):  # noqa: N818  (an answer of the domain, not a fault of the program)
    """What was asked for does not exist; answered as 404."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Conflict(Exception):  # noqa: N818  (an answer of the domain, not a fault of the program)
    """The thing exists but is in a state that forbids the request; answered as 409."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail
